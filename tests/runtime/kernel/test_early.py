"""`early = true`: the rest is stopped exactly when it cannot change the outcome."""

import itertools

import pytest

from orchspec.compiler import compile_text
from orchspec.runtime.kernel.commands import StopTask
from orchspec.runtime.kernel.rules import BOUNDS, RULES
from tests.support.driver import Driver, done, failing, hangs
from tests.support.invariants import assert_closed, assert_folds
from tests.support.plans import S

NAMES = ("ann", "bob", "cy", "di", "eve")
HEAD = "orch 1\ncontract Judge(topic: Text) -> Text\n" + "".join(f"agent {name} fulfills Judge\n" for name in NAMES)


def compiled(decide, early="true", step="", by="all of [ann, bob, cy, di, eve]"):
    text = (
        f'{HEAD}flow main() -> Text {{\n  step votes = Judge("a") by {by} {{ {step} }}\n'
        f"  arbitrate verdict = votes {{ decide = {decide}  early = {early} }}\n  return verdict\n}}\n"
    )
    found = compile_text(text, "spec.orch")
    assert not found.errors, found.errors
    return found.plan


def run(plan, *votes, **rest):
    """Votes come one second after another, in the order of the agents; None: never."""
    scripts = {
        name: hangs() if vote is None else (vote if not isinstance(vote, str) else done(vote, takes=(at + 1) * S))
        for at, (name, vote) in enumerate(zip(NAMES, votes, strict=False))
    }
    driver = Driver(plan, **scripts, **rest)
    end = driver.run()
    if end.status is not None:
        assert_closed(driver)
    assert_folds(driver)
    return end


def test_a_majority_is_enough():
    end = run(compiled("majority(it) or first"), "yes", "yes", "no", "yes", None)
    assert (end.result, end.decided("certain")) == ("yes", ["4 of 5 were enough"])
    assert len(end.driver.tried(StopTask)) == 1


def test_without_early_all_are_waited_for():
    end = run(compiled("majority(it) or first", early="false"), "yes", "yes", "yes", "no", None)
    assert end.status is None


def test_a_majority_that_cannot_be_reached_leaves_it_to_the_next_rule():
    plan = compiled("majority(it) or first", by="all of [ann, bob, cy, di]")
    assert run(plan, "a", "b", "c", None).decided("certain") == ["3 of 4 were enough"]
    assert run(plan, "a", "b", "a", None).status is None


def test_a_quorum_is_reached_or_out_of_reach():
    plan = compiled('quorum(2, it == "yes") or stop')
    assert run(plan, "yes", "no", "yes", None, None).result == "yes"
    end = run(plan, "no", "no", "no", "no", None)
    assert (end.status, end.decided("certain")) == ("failed", ["4 of 5 were enough"])


def test_two_opinions_are_not_unanimous():
    end = run(compiled("unanimous(it) or first"), "yes", "no", None, None, None)
    assert (end.result, end.decided("certain")) == ("yes", ["2 of 5 were enough"])


def test_the_first_by_priority_who_may_still_come_is_waited_for():
    plan = compiled("priority([bob, ann]) or first")
    assert run(plan, "a", "b", None, None, None).decided("certain") == ["2 of 5 were enough"]
    end = run(compiled("priority([bob, ann]) or first", step="need = 1"), "a", failing(takes=9 * S), None, None, None)
    assert end.result == "a"


def test_those_who_have_not_begun_are_not_asked():
    plan = compiled("majority(it) or first", by="5 of ann")
    end = run(plan, "yes")
    assert end.result == "yes"
    assert end.decided("certain") == ["3 of 5 were enough"]


def test_a_crash_anywhere_changes_nothing_of_the_outcome():
    plan = compiled("majority(it) or first")
    votes = ("yes", "no", "yes", "yes", "no")
    points = run(plan, *votes).driver.points
    for point in range(1, points + 1):
        assert run(plan, *votes, crashes={point}).result == "yes"


@pytest.mark.parametrize(
    "decide", ["first", "majority(it) or first", 'quorum(2, it == "yes") or first', "unanimous(it) or first"]
)
def test_however_the_rest_would_have_voted_the_outcome_is_the_same(decide):
    for votes in itertools.product(("yes", "no"), repeat=5):
        early = run(compiled(decide), *votes)
        late = run(compiled(decide, early="false"), *votes)
        assert early.result == late.result, votes
        assert early.ended_us <= late.ended_us


def test_every_rule_that_can_be_certain_has_a_bound():
    assert set(BOUNDS) == {*RULES, "ask", "stop"} - {"highest", "lowest"}
