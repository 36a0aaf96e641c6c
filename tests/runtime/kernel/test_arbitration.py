"""Arbitration: every rule, its ties, and what happens when none decides."""

import pytest

from orchspec.compiler import compile_text
from orchspec.compiler.plan import Need
from orchspec.runtime.kernel.commands import AskPerson
from orchspec.runtime.kernel.rules import RULES
from tests.support.driver import Driver, answers, done, failing, never
from tests.support.invariants import assert_closed
from tests.support.plans import S, arbitrate, candidate, field_of, give, plan, rule, task, v
from tests.support.running import run

IT = v("it")
SCORE = field_of(IT, "score")
VERDICT = field_of(IT, "verdict")
FIRST = rule("first")
GIVERS = ("ann", "bob", "cy")


def review(verdict, score=0):
    return {"verdict": verdict, "score": score}


def ask(agent="eve", **rest):
    return rule("ask", who=candidate(agent), **rest)


def decide(*rules, votes, need=None, group=None, asks=None, **scripts):
    """Three judges vote, then the rules decide; a vote of None fails. They arrive in the reverse of their order."""
    scripts.update(
        {
            name: failing() if vote is None else done(vote, takes=(9 - i) * S)
            for i, (name, vote) in enumerate(zip(GIVERS, votes, strict=True))
        }
    )
    steps = plan(
        task("votes", by="all", of=GIVERS, contract="Judge", need=need or Need(count=0)),
        arbitrate("best", "votes", *rules, group=group, asks=asks),
        give(v("best")),
    )
    return Driver(steps, **scripts)


def test_every_rule_of_a_plan_is_there():
    assert set(RULES) | {"ask", "stop"} == {
        "first", "highest", "lowest", "majority", "quorum", "unanimous", "priority", "ask", "stop",
    }  # fmt: skip


def test_first_is_the_earliest_verified_candidate():
    assert run(decide(FIRST, votes=[review("a"), review("b"), review("c")])).result == review("c")


def test_first_of_another_list_is_the_first_in_it():
    driver = Driver(plan(arbitrate("best", ["list", [7, 8]], FIRST), give(v("best"))))
    assert run(driver).result == 7


@pytest.mark.parametrize(("kind", "winner"), [("highest", 9), ("lowest", 2)])
def test_the_extreme_wins(kind, winner):
    driver = decide(rule(kind, SCORE), votes=[review("a", 5), review("b", 9), review("c", 2)])
    assert run(driver).result["score"] == winner


def test_a_tie_hands_on_those_that_are_tied():
    driver = decide(rule("highest", SCORE), FIRST, votes=[review("a", 9), review("b", 9), review("c", 1)])
    assert run(driver).result == review("b", 9), "c came first but is not tied"


def test_a_tie_that_nobody_breaks_is_undecided():
    end = run(decide(rule("highest", SCORE), rule("stop"), votes=[review("a", 9), review("b", 9), review("c", 1)]))
    assert end.error["code"] == "undecided"
    assert "highest, stop" in end.error["message"]


@pytest.mark.parametrize(
    ("votes", "winner"),
    [
        (["x", "x", "y"], "x"),
        (["y", "x", "x"], "x"),
        (["x", "y", "z"], None),
        (["x", "x", None], "x"),
        (["x", None, None], None),
        (["x", "y", None], None),
    ],
)
def test_a_majority_is_of_those_who_were_asked(votes, winner):
    end = run(decide(rule("majority", VERDICT), rule("stop"), votes=[vote and review(vote) for vote in votes]))
    assert (end.result["verdict"] if winner else end.error["code"]) == (winner or "undecided")


def test_where_candidates_agree_the_first_in_list_order_is_the_value():
    driver = decide(rule("majority", VERDICT), votes=[review("x", 1), review("y", 2), review("x", 3)])
    assert run(driver).result == review("x", 1)


@pytest.mark.parametrize(
    ("votes", "decided"), [(["x", "x", "x"], True), (["x", "x", "y"], False), (["x", "x", None], False)]
)
def test_unanimous_means_everybody_who_was_asked(votes, decided):
    end = run(decide(rule("unanimous", VERDICT), rule("stop"), votes=[vote and review(vote) for vote in votes]))
    assert (end.status == "completed") is decided


@pytest.mark.parametrize(("n", "decided"), [(1, True), (2, True), (3, False)])
def test_a_quorum_is_so_many_in_favour(n, decided):
    in_favour = rule("quorum", ["eq", VERDICT, ["const", "yes"]], n=n)
    end = run(decide(in_favour, rule("stop"), votes=[review("no"), review("yes", 1), review("yes", 2)]))
    assert (end.status == "completed") is decided
    if decided:
        assert end.result == review("yes", 1)


def test_priority_is_by_giver_and_skips_who_gave_nothing():
    driver = decide(rule("priority", order=["ann", "cy", "bob"]), votes=[None, review("b"), review("c")])
    assert run(driver).result == review("c")


def test_priority_without_any_of_its_givers_hands_on():
    driver = decide(rule("priority", order=["ann"]), FIRST, votes=[None, review("b"), review("c")])
    assert run(driver).result == review("c")


def test_nobody_gave_anything_is_undecided():
    assert run(decide(FIRST, votes=[None, None, None])).error["code"] == "undecided"


def test_an_expression_that_fails_fails_the_step():
    assert run(decide(rule("highest", ["index", [1], 5]), FIRST, votes=[review("a")] * 3)).error["code"] == "expression"


# ------------------------------------------------------------------ groups


def test_each_group_has_its_winner_in_the_order_in_which_groups_appear():
    driver = decide(
        rule("highest", SCORE), FIRST, votes=[review("x", 1), review("y", 2), review("x", 3)], group=VERDICT
    )
    assert run(driver).result == [review("x", 3), review("y", 2)]


def test_no_candidates_make_no_groups():
    assert run(decide(FIRST, votes=[None, None, None], group=VERDICT)).result == []


def test_in_groups_the_size_of_the_group_counts():
    driver = decide(rule("unanimous", VERDICT), votes=[review("x", 1), review("y", 2), review("x", 3)], group=VERDICT)
    assert run(driver).result == [review("x", 1), review("y", 2)]


# ------------------------------------------------------------------ ask


def test_ask_decides_by_a_contract_over_the_candidates():
    driver = decide(
        ask(contract="Pick"), votes=[review("a"), review("b"), review("c")], eve=answers("b it is", takes=60 * S)
    )
    assert run(driver).result == "b it is"
    (question,) = driver.tried(AskPerson)
    assert question.inputs == [[review("a"), review("b"), review("c")]]


def test_ask_without_a_contract_does_the_work_again():
    driver = decide(
        ask(),
        votes=[review("a"), review("b"), review("c")],
        asks=("Judge", [5]),
        eve=answers(review("mine"), takes=60 * S),
    )
    assert run(driver).result == review("mine")
    assert driver.tried(AskPerson)[0].inputs == [5]


def test_nobody_answers_in_time_and_the_next_rule_decides():
    driver = decide(
        ask(contract="Pick", within_us=60 * S), FIRST, votes=[review("a"), review("b"), review("c")], eve=never()
    )
    end = run(driver)
    assert (end.result, end.ended_us) == (review("c"), 1_069 * S)


def test_an_answer_that_is_none_of_the_contract_hands_on():
    driver = decide(
        ask(), FIRST, votes=[review("a"), review("b"), review("c")], asks=("Judge", [5]), eve=answers("junk")
    )
    assert run(driver).result == review("c")


def test_each_group_asks_for_itself():
    driver = decide(
        rule("unanimous", SCORE),
        ask(contract="Pick"),
        votes=[review("x", 1), review("y", 2), review("x", 3)],
        group=VERDICT,
        eve=answers("x it is"),
    )
    assert run(driver).result == ["x it is", review("y", 2)]
    assert driver.kernels["r"].path(driver.tried(AskPerson)[0].place) == "best[0]?eve"


def test_an_ask_that_fails_at_once_does_not_end_the_others_undecided():
    driver = decide(
        rule("unanimous", SCORE),
        ask("bob"),
        FIRST,
        votes=[review("x", 1), review("x", 2), review("y", 3)],
        group=VERDICT,
        asks=("Small", [50]),
    )
    assert run(driver).result == [review("x", 2), review("y", 3)]


def test_a_decision_that_is_cancelled_withdraws_its_question():
    driver = decide(ask(contract="Pick"), votes=[review("a"), review("b"), review("c")], eve=never())
    driver.begin()
    driver.cancel(60 * S)
    driver.drain()
    assert driver.ending().status == "cancelled"
    assert_closed(driver)


def test_stop_ends_the_chain():
    assert run(decide(rule("stop"), FIRST, votes=[review("a")] * 3)).error["code"] == "undecided"


OUTER = """orch 1
contract Draft(topic: Text) -> Int
agent ann fulfills Draft { timeout = 30s }
agent bob fulfills Draft { timeout = 30s }
human eve fulfills Draft { timeout = 1h }
flow main() -> Int {
  let topic = "bees"
  step notes = Draft(topic) by all of [ann, bob]
  scope inner { let other = 1  arbitrate note = notes { decide = RULE }  give note }
  return inner
}
"""


def outer(rule):
    found = compile_text(OUTER.replace("RULE", rule), "spec.orch")
    assert not found.errors, found.errors
    return found.plan


def test_a_fan_out_of_a_block_around_has_its_givers_and_its_order():
    ann, bob = done(1, takes=9 * S), done(2, takes=S)
    assert Driver(outer("priority([ann, bob])"), ann=[ann], bob=[bob]).run().result == 1
    assert Driver(outer("priority([bob, ann])"), ann=[ann], bob=[bob]).run().result == 2
    assert Driver(outer("first"), ann=[ann], bob=[bob]).run().result == 2


def test_who_is_asked_about_a_fan_out_of_a_block_around_does_its_work_again():
    driver = Driver(
        outer("unanimous(it) or ask(eve, within: 1h) or stop"), ann=[done(1)], bob=[done(2)], eve=[answers(7)]
    )
    assert driver.run().result == 7
    assert [command.inputs for command in driver.tried(AskPerson)] == [["bees"]]
