"""Effects of agents: only declared ones, through their task, once whatever is tried again, and undone with it."""

from dataclasses import replace

import pytest

from orchspec.compiler.plan import Contract, Effect, Field, Hedge, Need, Policy
from orchspec.runtime.kernel.commands import RunTask, TryEffect
from orchspec.runtime.kernel.events import EffectRequested
from tests.support.driver import Driver, Ending, done, failing, hangs, lost_reply, lost_send, never, refuses
from tests.support.plans import DEEDS, S, agent, budget, fail, give, plan, repeat, scope, skip, task, until, v
from tests.support.running import assert_settled

ACTING = tuple(agent(name, effects=["publish", "log", "pay", "mail", "tag"]) for name in ("ann", "bob"))
PAY = Effect("transfer", [Field("id", "Text"), Field("why", "Text")], "Text", ["ref", 0, 0])
REFUND = Contract("Refund", [Field("id", "Text")], "Int")


def acting(*steps, **rest):
    return plan(*steps, agents=ACTING, effects=DEEDS, **rest)


def asking(*effects, **rest):
    """An attempt that asks for effects on its way, each with what it takes beside the key."""
    return Ending(
        "done", 1, 4 * S, asks=tuple(each if isinstance(each, tuple) else (each, {}) for each in effects), **rest
    )


def first(driver, kind, **fields):
    """When a command of a kind was carried out first."""
    return next(
        at
        for at, _, command in driver.told
        if isinstance(command, kind) and all(getattr(command, name) == value for name, value in fields.items())
    )


def run(driver):
    end = driver.run()
    assert_settled(driver)
    return end


def sent(driver, name):
    return [command for command in driver.tried(TryEffect) if command.effect == name]


@pytest.mark.parametrize("name", ["publish", "pay", "mail", "tag"])
def test_an_agent_does_an_effect_on_its_way_and_gets_the_receipt(name):
    driver = Driver(acting(task("t", 7), give(v("t"))), ann=asking((name, {"x": 7})))
    assert run(driver).result == 1
    assert driver.answers == [f"{name}-0"]
    assert (driver.world.count(name), driver.kernels["r"].path(sent(driver, name)[0].place)) == (1, f"t/{name}")


def test_what_the_key_reads_comes_from_the_contract():
    driver = Driver(acting(task("t", 7), give(v("t"))), ann=asking("publish"))
    assert run(driver).status == "completed"
    assert sent(driver, "publish")[0].args == [7]


def test_an_agent_cannot_give_the_key_another_value():
    driver = Driver(acting(task("t", 7), give(v("t"))), ann=asking(("publish", {"x": 8})))
    assert run(driver).status == "failed"
    assert (driver.answers, driver.world.deliveries) == (["bad_input"], 0)


@pytest.mark.parametrize(
    ("effect", "args", "code"),
    [
        ("retract", {"receipt": "x"}, "not_allowed"),
        ("nothing", {}, "not_allowed"),
        ("publish", {"x": 7, "y": 1}, "bad_input"),
        ("publish", [7], "bad_input"),
        ("log", {}, "bad_input"),
    ],
)
def test_what_is_not_declared_or_does_not_fit_is_refused_and_not_sent(effect, args, code):
    driver = Driver(acting(task("t", 7), give(v("t"))), ann=asking((effect, args)))
    assert run(driver).status == "failed"
    assert (driver.answers, driver.world.deliveries) == ([code], 0)


def test_a_contract_that_does_not_hand_over_the_key_does_not_let_the_effect_be_done():
    made = plan(
        task("t", "a", contract="Refund"),
        give(v("t")),
        agents=(agent("ann", effects=["publish", "transfer"]),),
        effects=(PAY,),
    )
    fitting = replace(made, contracts={**made.contracts, "Refund": REFUND}).sealed()
    good = Driver(fitting, ann=asking(("transfer", {"why": "late"})))
    assert run(good).status == "completed"
    assert sent(good, "transfer")[0].args == ["a", "late"]
    bad = Driver(fitting, ann=asking(("publish", {"x": "a"})))
    assert (run(bad).status, bad.answers) == ("failed", ["not_allowed"])


# ------------------------------------------------------------------ once


def test_an_attempt_that_is_made_again_joins_what_the_task_did():
    driver = Driver(
        acting(task("t", 7, attempts=2), give(v("t"))), ann=[asking("publish", code="x"), asking("publish")]
    )
    driver.scripts["ann"][0].kind = "fails"
    assert run(driver).status == "completed"
    assert (driver.answers, len(sent(driver, "publish"))) == (["publish-0", "publish-0"], 1)


@pytest.mark.parametrize("name", ["pay", "mail"])
def test_without_a_key_a_task_does_it_once_and_with_other_arguments_not_at_all(name):
    driver = Driver(
        acting(task("t", 7, attempts=2), give(v("t"))),
        ann=[asking((name, {"x": 1})), asking((name, {"x": 2}))],
    )
    driver.scripts["ann"][0].kind = "fails"
    assert run(driver).status == "failed"
    assert (driver.answers, driver.world.count(name)) == ([f"{name}-0", "effect_conflict"], 1)


def test_an_idempotent_one_is_done_once_for_each_of_its_arguments():
    driver = Driver(
        acting(task("t", 7), give(v("t"))), ann=asking(("tag", {"x": 1}), ("tag", {"x": 2}), ("tag", {"x": 1}))
    )
    assert run(driver).status == "completed"
    assert driver.answers == ["tag-0", "tag-1", "tag-0"]
    assert [driver.kernels["r"].path(command.place) for command in sent(driver, "tag")] == ["t/tag", "t/tag#2"]


def test_two_calls_at_once_get_the_receipt_of_one():
    driver = Driver(acting(task("t", 7), give(v("t"))), ann=hangs())
    driver.begin()
    driver.drain(driver.now + S)
    for call in (1, 2):
        driver.at(0, "r", EffectRequested(0, 1, 1, 0, call, "publish", {}))
    driver.drain(driver.now + 2 * S)
    assert (driver.answers, driver.world.deliveries) == (["publish-0", "publish-0"], 1)


def test_the_next_round_joins_by_the_key_and_another_key_is_another_deed():
    body = (task("t", 7), until(["const", False]), give(v("t")))
    driver = Driver(acting(repeat("r", 3, *body), give(v("r"))), ann=asking("publish"))
    assert run(driver).status == "completed"
    assert (driver.answers, driver.world.count("publish")) == (["publish-0"] * 3, 1)


def test_an_effect_that_is_refused_is_told_to_the_agent_and_may_be_asked_for_again():
    driver = Driver(acting(task("t", 7, attempts=2), give(v("t"))), ann=asking("publish"), publish=[refuses(), done()])
    assert run(driver).status == "completed"
    assert driver.answers == ["effect_refused", "publish-0"]


@pytest.mark.parametrize("doubt", [lost_reply(), lost_send()], ids=lambda each: each.kind)
@pytest.mark.parametrize("name", ["publish", "pay", "mail", "tag"])
def test_a_doubt_of_an_agents_effect_is_settled_as_any_other(name, doubt):
    driver = Driver(acting(task("t", 7), give(v("t"))), ann=asking((name, {"x": 7})), **{name: [doubt, done()]})
    assert run(driver).status == "completed"
    assert (driver.answers, driver.world.count(name)) == ([f"{name}-0"], 1)


def test_a_doubt_that_nobody_settles_is_told_to_the_agent_and_named():
    driver = Driver(acting(task("t", 7), give(v("t"))), ann=asking(("mail", {"x": 7})), mail=lost_reply(), eve=never())
    end = run(driver)
    assert (end.status, driver.answers, end.kernel.stuck[0][0]) == ("failed", ["in_doubt"], "t/mail")


# ------------------------------------------------------------------ the end of the task


def test_what_a_fulfilled_task_did_is_undone_with_the_block():
    driver = Driver(acting(task("t", 7), fail("no", after=("t",))), ann=asking("publish"))
    end = run(driver)
    assert (end.decided("undone"), driver.world.standing()) == (["t/publish"], [])


def test_what_a_task_did_that_fails_is_undone_before_the_block_goes_on():
    driver = Driver(
        acting(task("t", 7, on_failure=(skip,)), task("u", of="cy", after=("t",)), give(v("t"))),
        ann=asking("publish"),
    )
    driver.scripts["ann"][0].kind = "fails"
    end = run(driver)
    assert (end.status, driver.world.standing()) == ("completed", [])
    undone = next(
        at for at, _, command in driver.told if isinstance(command, TryEffect) and command.effect == "retract"
    )
    went_on = next(at for at, _, command in driver.told if isinstance(command, RunTask) and command.agent == "cy")
    assert undone < went_on


def test_what_the_loser_of_a_race_did_is_undone_before_the_block_goes_on():
    driver = Driver(
        acting(task("t", 7, by="first", of=("ann", "bob")), task("u", 8, of="cy", after=("t",)), give(v("t"))),
        ann=replace(asking("publish"), takes=20 * S),
        bob=done(5, takes=13 * S),
    )
    end = run(driver)
    assert (end.result, driver.world.standing()) == (5, [])
    undone = next(
        at for at, _, command in driver.told if isinstance(command, TryEffect) and command.effect == "retract"
    )
    went_on = next(at for at, _, command in driver.told if isinstance(command, RunTask) and command.agent == "cy")
    assert undone < went_on


def test_winner_and_loser_of_a_race_do_one_deed_and_it_stands():
    driver = Driver(
        acting(task("t", 7, by="first", of=("ann", "bob")), give(v("t"))),
        ann=asking("publish"),
        bob=replace(asking("publish"), takes=30 * S),
    )
    assert run(driver).status == "completed"
    assert driver.world.standing() == [7]


HEDGED = Policy(1, None, hedge=Hedge(5 * S))


def hedging(**rest):
    """Ann's attempt is hedged after five seconds, and both do the same deed."""
    made = acting(task("t", 7), task("u", 8, of="cy", after=("t",)), give(v("t")), **rest)
    step = made.flows["main"].body.statements[0]
    seat = replace(step.candidates[0], policy=HEDGED)
    flow = made.flows["main"]
    body = replace(flow.body, statements=[replace(step, candidates=[seat]), *flow.body.statements[1:]])
    return replace(made, flows={"main": replace(flow, body=body)}).sealed()


@pytest.mark.parametrize("slow", [replace(asking("publish"), takes=9 * S), hangs()], ids=["first wins", "hedge wins"])
def test_a_hedge_and_its_first_do_one_deed_and_it_stands(slow):
    driver = Driver(hedging(), ann=[slow, replace(asking("publish"), takes=40 * S), done()])
    if slow.kind == "hangs":
        driver.scripts["ann"][1] = asking("publish")
    assert run(driver).status == "completed"
    assert driver.world.standing() == [7]


def test_what_a_hedge_did_that_lost_is_undone_before_the_block_goes_on():
    driver = Driver(
        hedging(), ann=[done(5, takes=14 * S), replace(asking("publish"), takes=40 * S, stops=0)], publish=done(takes=S)
    )
    driver.scripts["ann"][1] = replace(asking("publish"), takes=10 * S, kind="hangs")
    assert run(driver).result == 5
    assert driver.world.standing() == []
    assert first(driver, TryEffect, effect="retract") < first(driver, RunTask, agent="cy")


def test_an_item_that_is_left_out_has_undone_what_it_did():
    driver = Driver(
        acting(task("t", v("i"), over=("i", [1, 2]), need=Need(count=1)), give(v("t"))),
        ann=[asking("publish"), asking("publish")],
    )
    driver.scripts["ann"][0].kind = "fails"
    assert run(driver).status == "completed"
    assert driver.world.standing() == [2]


def test_a_task_that_ends_while_its_effect_is_under_way_waits_for_it():
    driver = Driver(acting(task("t", 7), give(v("t"))), ann=done(takes=3 * S), publish=done(takes=9 * S))
    driver.begin()
    driver.drain(driver.now + 2 * S)
    driver.at(0, "r", EffectRequested(0, 1, 1, 0, 1, "publish", {}))
    driver.drain()
    end = driver.ending()
    assert (end.status, end.ended_us, driver.answers) == ("completed", 1_011 * S, [])
    assert_settled(driver)


def test_a_run_that_is_cancelled_waits_for_what_is_under_way_and_undoes_it():
    driver = Driver(acting(task("t", 7), give(v("t"))), ann=asking("publish"), publish=done(takes=9 * S))
    driver.begin()
    driver.cancel(5 * S)
    driver.drain()
    assert (driver.ending().status, driver.world.standing(), driver.answers) == ("cancelled", [], [])
    assert_settled(driver)


def test_what_an_attempt_asks_for_that_is_over_is_refused():
    driver = Driver(acting(task("t", 7, timeout=3 * S), give(v("t"))), ann=hangs(stops=None))
    driver.begin()
    driver.at(4 * S, "r", EffectRequested(0, 1, 1, 0, 1, "publish", {}))
    driver.drain()
    assert (driver.ending().status, driver.world.deliveries, driver.answers) == ("failed", 0, [])
    assert_settled(driver)


def test_a_time_limit_of_the_step_waits_for_the_effect_and_undoes_it():
    driver = Driver(
        acting(task("t", 7, budget=budget(time=5 * S), on_failure=(skip,)), give(v("t"))),
        ann=asking("publish"),
        publish=done(takes=9 * S),
    )
    assert (run(driver).status, driver.world.standing()) == ("completed", [])


def test_retries_of_an_effect_count_in_the_budgets_around():
    impatient = tuple(replace(each, policy=Policy(5)) if each.name == "tag" else each for each in DEEDS)
    driver = Driver(
        plan(task("t", 7), give(v("t")), agents=ACTING, effects=impatient, budget=budget(retries=1)),
        ann=asking(("tag", {"x": 1})),
        tag=refuses(),
    )
    assert run(driver).status == "failed"
    assert len(sent(driver, "tag")) == 2


# ------------------------------------------------------------------ crashes

SCRIPTS = {
    "done": {},
    "in doubt": {"doubt": lost_reply()},
    "not done": {"doubt": lost_send()},
}


@pytest.mark.parametrize("name", ["publish", "pay", "mail", "tag"])
@pytest.mark.parametrize("script", SCRIPTS)
def test_a_crash_at_any_point_does_it_once_and_the_attempt_that_runs_again_gets_the_receipt(name, script):
    def make(crashes):
        endings = [SCRIPTS[script]["doubt"], done()] if SCRIPTS[script] else [done()]
        return Driver(
            acting(task("t", 7), give(v("t"))), crashes=crashes, ann=asking((name, {"x": 7})), **{name: endings}
        )

    calm = make(set())
    calm.run()
    for point in range(1, calm.points + 1):
        driver = make({point})
        assert run(driver).status == "completed", point
        assert driver.world.count(name) == 1, point
        assert set(driver.answers) == {f"{name}-0"}, point


def test_a_crash_after_the_receipt_was_given_runs_the_attempt_again_and_sends_nothing():
    driver = Driver(acting(task("t", 7), give(v("t"))), ann=asking("publish"))
    driver.begin()
    driver.drain(driver.now + 5 * S - 1)
    assert driver.answers == ["publish-0"]
    driver.crashes = {driver.points + 1}
    driver.drain()
    assert [command.dispatch for command in driver.tried(RunTask)] == [0, 1]
    assert (driver.answers, len(sent(driver, "publish"))) == (["publish-0", "publish-0"], 1)
    assert driver.ending().status == "completed"
    assert_settled(driver)


def test_a_crash_anywhere_in_the_undoing_of_a_task_undoes_once():
    def make(crashes):
        driver = Driver(acting(task("t", 7, on_failure=(skip,)), give(v("t"))), crashes=crashes, ann=asking("publish"))
        driver.scripts["ann"][0].kind = "fails"
        return driver

    calm = make(set())
    calm.run()
    for point in range(1, calm.points + 1):
        driver = make({point})
        assert run(driver).status == "completed", point
        assert (driver.world.count("publish"), driver.world.count("retract")) == (1, 1), point


def test_a_scope_with_a_task_that_did_something_unwinds_latest_first():
    driver = Driver(
        acting(
            scope(
                "s", task("t", 1), task("u", 2, of="bob", after=("t",)), fail("no", after=("u",)), on_failure=(skip,)
            ),
            give(v("s")),
        ),
        ann=asking("publish"),
        bob=asking("publish"),
    )
    assert run(driver).decided("undone") == ["s/u/publish", "s/t/publish"]


def test_failing_attempts_that_do_nothing_are_as_ever():
    driver = Driver(acting(task("t", 7), give(v("t"))), ann=failing())
    assert run(driver).status == "failed"
