"""Budgets: reserved before, settled after; what has no room waits while something is open, else it is exhausted."""

import pytest

from orchspec.compiler.plan import Tier
from orchspec.runtime.kernel.commands import RunTask
from tests.support.driver import Driver, done, failing, hangs
from tests.support.invariants import assert_closed
from tests.support.plans import S, agent, ask, budget, call, effect, flow, give, plan, scope, skip, task, use, v
from tests.support.running import run


def sent_at(driver):
    return [now - 1_000 * S for now, _, command in driver.told if isinstance(command, RunTask)]


def test_what_has_no_room_waits_until_a_reservation_is_settled():
    driver = Driver(
        plan(task("a", cost=10), task("b", cost=10), give(v("b")), budget=budget(cost=15)),
        ann=done(1, cost=3, takes=4 * S),
    )
    end = run(driver)
    assert end.status == "completed"
    assert sent_at(driver) == [0, 4 * S]
    assert end.decided("waits for budget") == ["b"]


def test_what_has_no_room_when_nothing_is_open_exhausts_the_run():
    driver = Driver(
        plan(
            effect("u", 1),
            task("a", cost=10, after=("u",)),
            task("b", v("a"), cost=10),
            give(v("b")),
            budget=budget(cost=15),
        ),
        ann=done(1, cost=8),
    )
    end = run(driver)
    assert (end.status, end.error["code"], end.error["step"]) == ("budget_exhausted", "budget_exhausted", "b")
    assert driver.world.standing() == [], "what was exhausted unwinds"
    assert end.kernel.account.charged_pico == 8


def test_the_waiting_are_woken_by_an_attempt_that_was_never_sent():
    driver = Driver(
        plan(
            task("a", cost=10, on_failure=(skip,)), task("b", of="bob", cost=10), give(v("b")), budget=budget(cost=10)
        ),
        ann=failing(sent=False, cost=None),
    )
    end = run(driver)
    assert end.status == "completed"
    assert end.kernel.account.charged_pico == 0


def test_the_waiting_are_woken_when_the_agent_that_is_granted_needs_less():
    dear, cheap = agent("dear", slots=1), agent("cheap", slots=1)
    from orchspec.compiler.plan import Candidate, Policy

    step = task("a", by="any", of=("ann", "bob"), after=("x",))
    made = step.make
    step.make = lambda s: {
        **made(s),
        "candidates": [
            Candidate("dear", Policy(), [Tier(None, reserve_cost_pico=10)]),
            Candidate("cheap", Policy(), [Tier(None, reserve_cost_pico=1)]),
        ],
    }
    driver = Driver(
        plan(
            task("hold", of="dear", cost=0),
            task("x"),
            step,
            task("b", cost=9, after=("x",)),
            give(v("b")),
            budget=budget(cost=10),
            agents=(dear, cheap),
        ),
        dear=hangs(stops=0),
        cheap=done(1, takes=50 * S, cost=1),
        ann=done(1, cost=0),
    )
    driver.begin()
    driver.drain(driver.now + 10 * S)
    assert [command.agent for command in driver.tried(RunTask)].count("ann") == 2


def test_tokens_are_a_cap_of_their_own():
    driver = Driver(
        plan(task("a", tokens=100), task("b", v("a"), tokens=100), give(v("b")), budget=budget(tokens=150)),
        ann=done(1, tokens_in=60, tokens_out=20),
    )
    assert run(driver).status == "budget_exhausted"


def test_attempts_are_a_cap_over_the_tree():
    sub = flow("sub", task("x"), task("y", v("x")), give(v("y")))
    driver = Driver(plan(call("f", "sub"), task("z", v("f")), give(v("z")), budget=budget(attempts=2), flows=(sub,)))
    assert run(driver).status == "budget_exhausted"
    assert len(driver.tried(RunTask)) == 2


def test_retries_are_a_cap_over_the_tree_and_exhaust_the_step_not_the_run():
    sub = flow("sub", task("x", attempts=3, on_failure=(use(0),)), give(v("x")))
    driver = Driver(
        plan(
            task("a", attempts=3, on_failure=(use(0),)),
            call("f", "sub"),
            give(v("f")),
            budget=budget(retries=3),
            flows=(sub,),
        ),
        ann=failing(),
    )
    end = run(driver)
    assert end.status == "completed"
    assert end.kernel.account.retries == 3
    assert len(driver.tried(RunTask)) == 5


def test_costs_above_the_reservation_are_charged_and_nothing_more_starts():
    driver = Driver(
        plan(task("a", cost=10), task("b", v("a"), cost=1), give(v("b")), budget=budget(cost=12)), ann=done(1, cost=30)
    )
    end = run(driver)
    assert (end.status, end.kernel.account.charged_pico) == ("budget_exhausted", 30)


def test_an_attempt_that_tells_no_costs_is_charged_its_reservation_and_flagged():
    driver = Driver(
        plan(task("a", cost=10, tokens=5), give(v("a"))), ann=done(1, cost=None, tokens_in=None, tokens_out=None)
    )
    account = run(driver).kernel.account
    assert (account.charged_pico, account.charged_tokens, account.estimated_pico) == (10, 5, 10)


def test_tokens_are_priced_by_the_model_where_the_agent_tells_no_cost():
    tier = Tier("large", reserve_cost_pico=100, input_pico=3, output_pico=15)
    driver = Driver(plan(task("a", tiers=[tier]), give(v("a"))), ann=done(1, cost=None, tokens_in=4, tokens_out=2))
    account = run(driver).kernel.account
    assert (account.charged_pico, account.charged_tokens) == (42, 6)
    assert driver.tried(RunTask)[0].model == "large"


@pytest.mark.parametrize(("spent", "model"), [(0, "a"), (79, "a"), (80, "b"), (89, "b"), (90, "c"), (99, "c")])
def test_past_the_share_of_economy_cheaper_models_are_used(spent, model):
    tiers = [Tier(name) for name in "abc"]
    driver = Driver(
        plan(task("x"), task("y", v("x"), of="bob", tiers=tiers), give(v("y")), budget=budget(cost=100), economy=0.8),
        ann=done(1, cost=spent),
    )
    run(driver)
    assert driver.tried(RunTask)[1].model == model


def test_a_retry_takes_the_model_that_the_budget_then_allows():
    tiers = [Tier("large"), Tier("small")]
    driver = Driver(
        plan(task("x", tiers=tiers, attempts=2), give(v("x")), budget=budget(cost=100), economy=0.5),
        ann=[failing(cost=60), done()],
    )
    run(driver)
    assert [command.model for command in driver.tried(RunTask)] == ["large", "small"]


def test_a_scope_that_is_exhausted_fails_and_its_chain_decides():
    driver = Driver(
        plan(
            scope(
                "s",
                task("a", cost=10),
                task("b", v("a"), cost=10),
                give(v("b")),
                budget=budget(cost=15),
                on_failure=(use(5),),
            ),
            give(v("s")),
        ),
        ann=done(1, cost=9),
    )
    end = run(driver)
    assert (end.status, end.result) == ("completed", 5)
    assert end.kernel.account.charged_pico == 9


def test_the_budget_of_a_step_bounds_its_attempts_together_and_fails_the_step():
    driver = Driver(
        plan(task("a", cost=10, attempts=9, budget=budget(cost=25), on_failure=(use(0),)), give(v("a"))),
        ann=failing(cost=10),
    )
    end = run(driver)
    assert end.status == "completed"
    assert [command.reserved_pico for command in driver.tried(RunTask)] == [10, 10, 5]


def test_the_budget_of_a_fan_out_bounds_its_tasks_together():
    driver = Driver(
        plan(
            task("a", v("i"), over=("i", [1, 2, 3]), cost=10, budget=budget(cost=20), on_failure=(skip,)), give(v("a"))
        ),
        ann=done(1, cost=10),
    )
    end = run(driver)
    assert end.result == [1, 1]


def test_what_is_waiting_for_room_when_the_run_is_cancelled_leaves_quietly():
    driver = Driver(plan(task("a", cost=10), task("b", cost=10), give(v("b")), budget=budget(cost=10)), ann=hangs())
    driver.begin()
    driver.cancel(5 * S)
    driver.drain()
    assert driver.ending().status == "cancelled"
    assert_closed(driver)


def test_people_cost_nothing():
    driver = Driver(
        plan(task("a", cost=10, on_failure=(ask("eve"),)), give(v("a")), budget=budget(cost=10)),
        ann=failing(cost=10),
        eve=done(4),
    )
    end = run(driver)
    assert (end.result, end.kernel.account.charged_pico) == (4, 10)


def test_what_was_spent_on_attempts_that_were_not_used_is_counted_as_wasted():
    driver = Driver(
        plan(task("a", cost=10, attempts=3), give(v("a"))), ann=[failing(cost=2), done("junk", cost=3), done(1, cost=4)]
    )
    account = run(driver).kernel.account
    assert (account.charged_pico, account.wasted_pico) == (9, 5)


def test_a_retry_that_has_no_room_waits_too():
    driver = Driver(
        plan(
            task("a", cost=10, attempts=2),
            task("b", of="bob", cost=10),
            give(v("a")),
            budget=budget(cost=25),
        ),
        ann=[failing(cost=10), done(1, cost=1)],
        bob=done(1, cost=0, takes=9 * S),
    )
    assert run(driver).status == "completed"
    assert sent_at(driver) == [0, 0, 9 * S]
