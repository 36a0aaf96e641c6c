"""Tasks: attempts, retries, deadlines, late words, sessions, reuse."""

import dataclasses
import itertools

import pytest

from orchspec.compiler.plan import Backoff, Policy
from orchspec.runtime.kernel.commands import RunTask, StopTask
from orchspec.runtime.kernel.events import TaskFulfilled, TimerFired
from tests.support.driver import Driver, done, failing, hangs
from tests.support.invariants import assert_closed, assert_folds
from tests.support.plans import S, agent, budget, field_of, give, let, plan, skip, task, v


def closed(driver):
    assert_closed(driver)
    assert_folds(driver)


def test_a_step_gives_the_verified_output_of_its_agent():
    driver = Driver(plan(task("a", 4), give(v("a"))), ann=done(lambda inputs: inputs[0] + 1))
    stop = driver.run()
    assert (stop.status, stop.result, stop.error) == ("completed", 5, None)
    assert [command.inputs for command in driver.tried(RunTask)] == [[4]]
    closed(driver)


def test_a_step_starts_after_what_it_reads_and_beside_what_it_does_not():
    driver = Driver(plan(task("a"), task("b"), task("c", v("a")), give([v("c")])), ann=done())
    driver.run()
    sent = {
        driver.kernels["r"].path(command.place): now for now, _, command in driver.told if isinstance(command, RunTask)
    }
    assert sent["a"] == sent["b"]
    assert sent["c"] == sent["a"] + S


def test_an_output_that_breaks_its_contract_is_a_failed_attempt_and_the_next_one_is_told_why():
    driver = Driver(plan(task("a", attempts=2), give(v("a"))), ann=[done("junk"), done(3)])
    assert driver.run().result == 3
    first, second = driver.tried(RunTask)
    assert first.previous_error is None
    assert "Int" in second.previous_error
    assert (first.attempt, second.attempt) == (1, 2)


def test_ensures_that_does_not_hold_fails_the_attempt():
    stop = Driver(plan(task("a"), give(v("a"))), ann=done(-1)).run()
    assert stop.error["code"] == "unverified"
    assert stop.error["step"] == "a"


def test_attempts_are_bounded_and_the_last_failure_is_told():
    driver = Driver(plan(task("a", attempts=3), give(v("a"))), ann=failing("rate_limited"))
    stop = driver.run()
    assert (stop.status, stop.error["code"]) == ("failed", "rate_limited")
    assert len(driver.tried(RunTask)) == 3
    closed(driver)


def test_an_argument_that_fails_fails_the_step_without_asking_anybody():
    driver = Driver(plan(task("a", ["index", [1], 5], attempts=3), give(v("a"))))
    stop = driver.run()
    assert stop.error["code"] == "expression"
    assert driver.tried(RunTask) == []


def test_an_argument_against_its_parameter_fails_the_step_without_asking_anybody():
    driver = Driver(plan(task("a", 10, contract="Small", attempts=3), give(v("a"))))
    assert driver.run().error["code"] == "bad_input"
    assert driver.tried(RunTask) == []
    closed(driver)


def test_only_if_false_makes_the_value_none():
    driver = Driver(plan(task("a", only_if=["lt", 2, 1]), give(["eq", v("a"), None])))
    assert driver.run().result is True
    assert driver.tried(RunTask) == []


# ------------------------------------------------------------------ deadlines


def test_a_deadline_counts_from_the_grant_not_from_the_request():
    one_slot = plan(
        task("a", timeout=3 * S, of="solo"),
        task("b", timeout=3 * S, of="solo"),
        give([v("a")]),
        agents=(agent("solo", slots=1),),
    )
    driver = Driver(one_slot, solo=done(takes=2 * S))
    assert driver.run().status == "completed"


def test_an_attempt_that_is_late_is_stopped_and_the_next_one_may_begin_at_once():
    driver = Driver(plan(task("a", timeout=2 * S, attempts=2), give(v("a"))), ann=[hangs(stops=3 * S), done(9)])
    stop = driver.run()
    assert stop.result == 9
    times = [(now, type(command).__name__) for now, _, command in driver.told]
    start = times[0][0]
    assert (start + 2 * S, "StopTask") in times
    assert times.count((start + 2 * S, "RunTask")) == 1
    assert stop.ended_us == start + 5 * S, "a run ends when everything it started has settled"
    closed(driver)


def test_what_does_not_stop_within_the_grace_is_a_zombie_and_its_grant_closes():
    driver = Driver(
        plan(task("a", timeout=2 * S), give(v("a")), agents=(agent("ann", slots=1),)), ann=hangs(stops=None)
    )
    stop = driver.run()
    assert stop.error["code"] == "timeout"
    assert stop.kernel.zombies == 1
    assert stop.decided("zombie") == ["ann"]
    closed(driver)


def test_a_stopped_attempt_keeps_its_slot_until_it_has_stopped():
    one_slot = plan(task("a", timeout=S, attempts=2, of="solo"), give(v("a")), agents=(agent("solo", slots=1),))
    driver = Driver(one_slot, solo=[hangs(stops=4 * S), done(2)])
    assert driver.run().result == 2
    first, second = [now for now, _, command in driver.told if isinstance(command, RunTask)]
    assert second - first == 5 * S


def test_a_timer_that_fires_twice_changes_nothing_the_second_time():
    backoff = Backoff(2 * S, 2 * S)
    driver = Driver(
        plan(
            task("a", attempts=2, backoff=backoff, of="solo"),
            task("b", of="solo"),
            give(v("a")),
            agents=(agent("solo", slots=1),),
        ),
        solo=[failing(), done(takes=9 * S), done(5)],
    )
    run = driver.begin()
    for after in range(0, 12 * S, S // 2):
        for attempt in (1, 2):
            driver.at(after, run, TimerFired(0, 1, "backoff", attempt))
            driver.at(after, run, TimerFired(0, 1, "attempt", attempt)) if after > 20 * S else None
    driver.drain()
    stop = driver.ending(run)
    assert stop.status == "completed"
    assert len([command for command in driver.tried(RunTask) if command.place == 1]) == 2
    assert_closed(driver)


def test_the_rest_between_attempts_doubles_up_to_its_bound():
    backoff = Backoff(S, 3 * S)
    driver = Driver(plan(task("a", attempts=5, backoff=backoff), give(v("a"))), ann=failing(takes=0))
    driver.run()
    sent = [now for now, _, command in driver.told if isinstance(command, RunTask)]
    assert [after - before for before, after in itertools.pairwise(sent)] == [S, 2 * S, 3 * S, 3 * S]


@pytest.mark.parametrize("seed", range(12))
def test_jitter_only_shortens_the_rest_and_by_no_more_than_its_share(seed):
    backoff = Backoff(10 * S, 10 * S, jitter=0.4)
    driver = Driver(plan(task("a", attempts=2, backoff=backoff), give(v("a"))), seed=seed, ann=failing(takes=0))
    driver.run()
    first, second = [now for now, _, command in driver.told if isinstance(command, RunTask)]
    assert 6 * S <= second - first <= 10 * S


def test_jitter_differs_between_seeds():
    def rest(seed):
        backoff = Backoff(10 * S, 10 * S, jitter=1.0)
        driver = Driver(plan(task("a", attempts=2, backoff=backoff), give(v("a"))), seed=seed, ann=failing(takes=0))
        driver.run()
        return [now for now, _, command in driver.told if isinstance(command, RunTask)][1]

    assert len({rest(seed) for seed in range(8)}) == 8


def test_a_retry_waits_at_least_as_long_as_the_other_side_asked():
    driver = Driver(
        plan(task("a", attempts=2, backoff=Backoff(S, S)), give(v("a"))),
        ann=[failing(takes=0, retry_after=7 * S), done()],
    )
    driver.run()
    first, second = [now for now, _, command in driver.told if isinstance(command, RunTask)]
    assert second - first == 7 * S


# ------------------------------------------------------------------ late and repeated words


def test_an_outcome_that_comes_twice_counts_once_and_costs_once():
    driver = Driver(
        plan(task("a", cost=10), task("b", v("a"), cost=10), give(v("b")), budget=budget(cost=100)),
        ann=[done(1, cost=4, twice=True), done(2, cost=5, takes=5 * S)],
    )
    stop = driver.run()
    assert stop.result == 2
    assert stop.kernel.account.charged_pico == 9
    assert stop.kernel.ignored == 1


def test_a_late_outcome_is_ignored_and_replaces_the_estimate_of_what_it_cost():
    driver = Driver(
        plan(
            task("a", cost=10, timeout=S, on_failure=(skip,)),
            task("b", after=("a",)),
            give(v("b")),
            budget=budget(cost=100),
        ),
        ann=[hangs(stops=None), done(2, takes=30 * S)],
    )
    run = driver.begin()
    driver.at(20 * S, run, TaskFulfilled(0, 1, 1, 0, 99, 0, 0, 7))
    driver.drain(driver.now + 15 * S)
    account = driver.kernels[run].account
    assert (account.charged_pico, account.estimated_pico) == (10, 10), "nobody said what the zombie cost"
    driver.drain(driver.now + 10 * S)
    assert (account.charged_pico, account.estimated_pico) == (7, 0), "now somebody did"


def test_costs_that_a_stopped_attempt_reports_are_charged_instead_of_its_reservation():
    driver = Driver(
        plan(task("a", cost=10, timeout=S, attempts=2), give(v("a")), budget=budget(cost=100)),
        ann=[hangs(stops=S, late_cost=6), done(2, cost=3)],
    )
    stop = driver.run()
    assert (stop.kernel.account.charged_pico, stop.kernel.account.estimated_pico) == (9, 0)
    assert stop.kernel.account.wasted_pico == 6


def test_after_a_stop_only_the_costs_of_an_outcome_count():
    driver = Driver(plan(task("a", cost=10, timeout=2 * S), give(v("a"))), ann=done(5, takes=2 * S + 1, cost=4))
    driver._stop = lambda run, command: driver._live.pop((run, command.place, command.attempt))
    stop = driver.run()
    assert stop.error["code"] == "timeout"
    assert stop.kernel.account.charged_pico == 4


def test_an_attempt_that_was_stopped_before_it_was_sent_costs_nothing():
    driver = Driver(
        plan(task("a", cost=10, timeout=2 * S), give(v("a"))), ann=failing(takes=2 * S + 1, sent=False, cost=None)
    )
    driver._stop = lambda run, command: driver._live.pop((run, command.place, command.attempt))
    assert driver.run().kernel.account.charged_pico == 0


# ------------------------------------------------------------------ any, preferences, sessions


def test_by_any_takes_whoever_is_free():
    two = (agent("ann", slots=1), agent("bob", slots=1))
    driver = Driver(plan(*(task(name, by="any", of=("ann", "bob")) for name in "abc"), give([v("a")]), agents=two))
    driver.run()
    assert [command.agent for command in driver.tried(RunTask)] == ["ann", "bob", "ann"]


def test_only_one_task_at_a_time_has_the_session_of_an_agent_in_a_run_and_it_sees_the_verified_turns():
    minds = (agent("ann", session="per_run"),)
    driver = Driver(
        plan(
            task("a", 1),
            task("b", 2, attempts=2),
            task("c", ["add", "Int", v("a"), v("b")]),
            give(v("c")),
            agents=minds,
        ),
        ann=[done(1), done("junk"), done(2), done(3)],
    )
    assert driver.run().result == 3
    told = [(command.inputs, [turn[:2] for turn in command.history]) for command in driver.tried(RunTask)]
    assert told == [
        ([1], []),
        ([2], [[{"x": 1}, 1]]),
        ([2], [[{"x": 1}, 1]]),
        ([3], [[{"x": 1}, 1], [{"x": 2}, 2]]),
    ]
    closed(driver)


def test_sessions_of_different_runs_do_not_wait_for_each_other():
    driver = Driver(plan(task("a"), give(v("a")), agents=(agent("ann", session="per_run"),)))
    driver.begin(run="r")
    driver.begin(run="s")
    driver.drain()
    assert driver.ending("r").ended_us == driver.ending("s").ended_us


def test_a_fresh_session_has_no_history():
    driver = Driver(plan(task("a"), task("b", v("a")), give(v("b"))))
    driver.run()
    assert [command.history for command in driver.tried(RunTask)] == [[], []]


# ------------------------------------------------------------------ reuse


def test_identical_work_is_done_once_and_the_second_run_pays_nothing():
    driver = Driver(plan(task("a", 1, contract="Once", cost=5), give(v("a"))), ann=done(8, cost=5))
    driver.begin(run="r")
    driver.drain()
    driver.begin(run="s")
    driver.drain()
    assert driver.ending("s").result == 8
    assert driver.ending("s").decided("reused") == [None]
    assert driver.kernels["s"].account.charged_pico == 0
    assert len(driver.tried(RunTask)) == 1
    closed(driver)


def test_identical_work_under_way_is_waited_for():
    driver = Driver(plan(task("a", 1, contract="Once"), give(v("a"))), ann=done(8))
    for run in ("r", "s", "t"):
        driver.begin(run=run)
    driver.drain()
    assert [driver.ending(run).result for run in ("r", "s", "t")] == [8, 8, 8]
    assert len(driver.tried(RunTask)) == 1


def test_if_the_owner_of_reusable_work_fails_one_who_waits_does_it():
    driver = Driver(plan(task("a", 1, contract="Once"), give(v("a"))), ann=[failing(), done(4)])
    for run in ("r", "s", "t"):
        driver.begin(run=run)
    driver.drain()
    assert [driver.ending(run).status for run in ("r", "s", "t")] == ["failed", "completed", "completed"]
    assert len(driver.tried(RunTask)) == 2


def test_different_inputs_are_different_work():
    driver = Driver(plan(task("a", 1, contract="Once"), task("b", 2, contract="Once"), give([v("a")])))
    driver.run()
    assert len(driver.tried(RunTask)) == 2


def test_reuse_within_a_run_ends_with_it():
    driver = Driver(plan(task("a", 1, contract="OnceHere"), task("b", 1, contract="OnceHere"), give(v("b"))))
    driver.begin(run="r")
    driver.drain()
    driver.begin(run="s")
    driver.drain()
    assert len(driver.tried(RunTask)) == 2


def test_the_same_work_asked_of_all_is_done_by_each():
    driver = Driver(plan(task("a", 1, contract="Once", by="all", of=("ann", "bob")), give(v("a"))))
    driver.run()
    assert len(driver.tried(RunTask)) == 2


def test_reusable_work_is_done_again_after_its_time():
    driver = Driver(plan(task("a", 1, contract="Once"), give(v("a"))))
    driver.begin(run="r")
    driver.drain()
    driver.now += 3601 * S
    driver.begin(run="s")
    driver.drain()
    assert len(driver.tried(RunTask)) == 2


# ------------------------------------------------------------------ small statements


def test_let_names_a_value_and_a_failing_one_fails_the_run():
    assert Driver(plan(let("n", ["add", "Int", 1, 2]), give(v("n")))).run().result == 3
    stop = Driver(plan(let("n", ["index", [1], 9]), give(v("n")))).run()
    assert (stop.status, stop.error["code"], stop.error["step"]) == ("failed", "expression", "n")


def test_poison_is_given_up_after_ten_crashes_and_not_retried():
    driver = Driver(plan(task("a", attempts=3), give(v("a"))), ann=done(takes=100 * S))
    driver.begin()
    driver.drain(driver.now + S)
    for _ in range(9):
        driver._guarded(driver._recover)
    assert driver.kernels["r"].status is None
    driver._guarded(driver._recover)
    stop = driver.ending()
    assert (stop.status, stop.error["code"]) == ("failed", "poison")
    assert_closed(driver)


def test_what_is_sent_again_after_a_crash_is_the_same_attempt():
    driver = Driver(plan(task("a", attempts=2), give(v("a"))), ann=done(6, takes=10 * S))
    driver.begin()
    driver.drain(driver.now + S)
    driver._guarded(driver._recover)
    driver.drain()
    assert [(command.attempt, command.dispatch) for command in driver.tried(RunTask)] == [(1, 0), (1, 1)]
    assert driver.ending().kernel.account.retries == 0
    assert_closed(driver)


def test_a_step_that_is_stopped_names_its_agent():
    driver = Driver(plan(task("a", timeout=S), give(field_of(v("a"), "x"))), ann=hangs())
    driver.run()
    assert [command.agent for command in driver.tried(StopTask)] == ["ann"]


def test_a_policy_of_one_attempt_is_the_default():
    assert Policy().attempts == 1


def test_a_decision_is_taken_anew_however_often_it_is_asked_for():
    owned = plan(task("a", 1, contract="Once"), give(v("a")))
    contract = dataclasses.replace(owned.contracts["Once"], owns="fate")
    owned = dataclasses.replace(owned, contracts={**owned.contracts, "Once": contract}).sealed()
    driver = Driver(owned, ann=done(8))
    for run in ("r", "s"):
        driver.begin(run=run)
        driver.drain()
    assert len(driver.tried(RunTask)) == 2
