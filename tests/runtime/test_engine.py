"""The engine: order at an instant, write-ahead, halting, recovery; and every crash point of a run."""

import itertools

import pytest

from orchspec.compiler.plan import Backoff, Policy, Tool
from orchspec.runtime.engine import TOOL_CALLS
from orchspec.runtime.kernel.commands import RunTask, TryEffect
from orchspec.runtime.kernel.events import TaskEnrolled, TaskFulfilled
from tests.support.driver import Driver, answers, done, failing, hangs, lost_reply, refuses
from tests.support.invariants import assert_closed, assert_folds, assert_single_effects
from tests.support.plans import (
    S,
    agent,
    ask,
    effect,
    fail,
    give,
    plan,
    repeat,
    scope,
    skip,
    task,
    until,
    v,
)

EVERYTHING = plan(
    task("a", attempts=2, backoff=Backoff(S, S)),
    task("b", v("t"), over=("t", [1, 2, 3], 2), of=("ann", "bob"), by="any", contract="Once"),
    scope("s", effect("gone", 1), fail("no", after=("gone",)), on_failure=(skip,), after=("a",)),
    repeat("r", 2, task("c", of="cy", timeout=2 * S, attempts=2), until(["const", False]), give(v("c")), after=("b",)),
    task("q", on_failure=(ask("eve"),), of="bob", after=("r",)),
    effect("u", v("q"), policy=Policy(2, 3 * S, Backoff(S, S)), after=("s",)),
    give(v("u")),
    agents=(agent("ann", slots=2), agent("cy", session="per_run")),
)


def everything(crashes=frozenset(), runs=1):
    driver = Driver(
        EVERYTHING,
        crashes=crashes,
        ann=[lambda path, attempt: failing() if path == "a" and attempt == 1 else done(2)],
        bob=[lambda path, attempt: failing() if path == "q" else done(3)],
        cy=[lambda path, attempt: hangs(stops=S) if path == "r#1/c" and attempt == 1 else done(4)],
        eve=answers(5, takes=9 * S),
        publish=[lambda path, attempt: lost_reply() if path == "u" and attempt == 1 else done()],
    )
    for number in range(runs):
        driver.begin(run=f"r{number}")
    driver.drain()
    return driver


def settled(driver):
    assert not driver.engine.halted
    assert_closed(driver)
    assert_single_effects(driver)
    assert_folds(driver)
    for run in driver.kernels:
        end = driver.ending(run)
        assert (end.status, end.error) == ("completed", None)
    assert driver.world.standing() == [5]


def test_the_run_of_the_crash_tests_does_everything():
    driver = everything()
    settled(driver)
    types = {record.type for record in driver.records("r0")}
    assert types >= {
        "TaskEnrolled",
        "TaskFailed",
        "TimerFired",
        "QuestionAnswered",
        "EffectUnknown",
        "TaskStopped",
        "ReuseAnswered",
    }


def test_a_crash_at_every_point_changes_nothing_of_the_result():
    points = everything().points
    assert points > 40
    explored = 0
    for point in range(1, points + 1):
        driver = everything({point})
        settled(driver)
        explored += driver.recoveries
    assert explored == points, "N of N explored"


def test_crashes_at_pairs_of_points_change_nothing_of_the_result():
    points = everything().points
    for pair in itertools.islice(itertools.combinations(range(1, points + 1), 2), 0, None, 17):
        settled(everything(set(pair)))


def test_a_crash_while_recovering_changes_nothing_of_the_result():
    points = everything().points
    for point in range(1, points + 1, 5):
        settled(everything({point, point + 1, point + 2, point + 3}))


def test_crashes_with_several_runs_beside_each_other():
    points = everything(runs=3).points
    for point in range(1, points + 1, 7):
        settled(everything({point}, runs=3))


# ------------------------------------------------------------------ write-ahead


def test_nothing_outward_happens_before_its_cause_is_durable():
    driver = Driver(plan(task("a"), give(v("a"))))
    driver.begin()
    driver.engine.step(driver.now)
    batch = driver.engine.committer.take()
    assert [record.type for record in batch.records] == ["RunStarted", "TaskEnrolled"]
    assert driver.told == []
    assert [type(command) for _, command in driver.engine.committed()] == [RunTask]


def test_a_sequential_step_costs_one_commit():
    driver = Driver(plan(task("a"), task("b", v("a")), task("c", v("b")), give(v("c"))))
    commits = []
    commit = driver.store.commit
    driver.store.commit = lambda epoch, batch: (commits.append(len(batch.records)), commit(epoch, batch))
    driver.run()
    assert commits == [2, 2, 2, 1], "fulfilled and the next enrolled share a commit"


def test_an_intent_is_durable_before_its_effect_is_sent():
    driver = Driver(plan(effect("u", 1), give(v("u"))))
    states = []
    act = driver._act

    def spy(run, command):
        if isinstance(command, TryEffect):
            states.append([row.state for row in driver.store.ledger()])
        act(run, command)

    driver._act = spy
    driver.run()
    assert states == [["intended"]]


def test_a_run_that_ends_in_its_first_record_is_stored_as_ended():
    driver = Driver(plan(give(1)))
    assert driver.run().status == "completed"
    assert driver.store.run("r").status == "completed"


# ------------------------------------------------------------------ order at one instant


def test_at_one_instant_answers_come_before_outcomes_before_grants_before_timers():
    driver = Driver(plan(task("a", timeout=S), give(v("a"))), ann=done(3, takes=S))
    assert driver.run().status == "completed", "an outcome at the deadline wins over the deadline"


def test_runs_are_handled_in_the_order_of_their_names_whatever_was_posted_first():
    driver = Driver(plan(task("a"), give(v("a"))))
    for run in ("b", "a", "c"):
        driver.begin(run=run)
    driver.engine.step(driver.now)
    batch = driver.engine.committer.take()
    assert [record.run for record in batch.records] == ["a", "b", "c", "a", "b", "c"]


# ------------------------------------------------------------------ halting


def halted(driver, run):
    driver.engine.post(run, TaskFulfilled(driver.now, 99, 1, 0, 1))
    driver.drain()


def test_a_bug_halts_the_run_that_met_it_and_no_other():
    shared = plan(task("a"), give(v("a")), agents=(agent("ann", slots=1),))
    driver = Driver(shared, ann=done(takes=5 * S))
    for run in ("bad", "good"):
        driver.begin(run=run)
    driver.drain(driver.now + S)
    halted(driver, "bad")
    assert "99" in str(driver.engine.halted["bad"])
    assert driver.ending("good").status == "completed", "it got the slot that the other one held"


def test_work_that_a_halted_run_was_at_is_done_by_who_waits_for_it():
    driver = Driver(plan(task("a", contract="Once"), give(v("a"))), ann=[hangs(), done(4)])
    for run in ("bad", "good"):
        driver.begin(run=run)
    driver.drain(driver.now + S)
    halted(driver, "bad")
    assert driver.ending("good").result == 4


def test_what_concerns_a_run_that_is_gone_is_nothing():
    driver = Driver(plan(give(1)))
    driver.run()
    driver.engine.post("r", TaskEnrolled(driver.now, 1, 1, "ann"))
    driver.engine.post("nobody", TaskEnrolled(driver.now, 1, 1, "ann"))
    driver.drain()
    assert driver.engine.committer.idle


def test_mail_is_consumed_with_its_record():
    driver = Driver(plan(task("a"), give(v("a"))))
    driver.begin()
    driver.drain(driver.now)
    driver.engine.post("r", TaskFulfilled(driver.now, 1, 1, 0, 5), 42)
    driver.engine.step(driver.now)
    assert driver.engine.committer.take().mail_taken == [42]


def test_nothing_is_kept_of_runs_that_have_ended():
    driver = Driver(plan(task("a"), effect("u", v("a")), give(v("u"))))
    for number in range(20):
        driver.begin(run=f"r{number}")
        driver.drain()
    engine = driver.engine
    assert (engine.kernels, engine.rows, engine.seqs, engine.ledger._waiting) == ({}, {}, {}, {})


# ------------------------------------------------------------------ questions, tools


def test_a_question_is_shown_while_it_is_open():
    driver = Driver(
        plan(task("a", on_failure=(ask("eve", within=60 * S), skip)), give(v("a"))), ann=failing(), eve=hangs()
    )
    driver.begin()
    driver.drain(driver.now + 5 * S)
    (question,) = driver.store.questions()
    assert (question.place, question.who, question.inputs) == ("a?eve", "eve", {"x": 1})
    assert question.deadline_us == driver.now + 56 * S
    driver.drain()
    assert driver.store.questions() == []


def test_a_tool_is_a_request_of_its_own_beside_that_of_the_task():
    driver = Driver(plan(task("a"), give(v("a")), tools=(Tool("search", slots=1),)))
    engine = driver.engine
    first = engine.call_tool("r", 1, 1, 0, "search", 5)
    assert (first.pool, first.attempt) == ("search", TOOL_CALLS + (1 << 16))
    assert engine.call_tool("r", 2, 1, 0, "search", 6) is None
    engine.end_tool_call("r", 1, 1, 0, 9)
    ((_, _, grant),) = driver.told
    assert (grant.place, grant.waited_us, grant.waited_for) == (2, 3, "slot")


# ------------------------------------------------------------------ recovery


def test_a_grant_that_was_open_is_held_before_anybody_new_is_served():
    one = plan(task("a"), give(v("a")), agents=(agent("ann", slots=1),))
    driver = Driver(one, ann=done(takes=10 * S))
    for run in ("b", "a"):
        driver.begin(run=run)
    driver.drain(driver.now + 15 * S)
    driver._guarded(driver._recover)
    assert driver.engine.dispatcher.pools["ann"].busy == 1
    driver.drain()
    assert_closed(driver)
    assert all(driver.ending(run).status == "completed" for run in ("a", "b"))


def test_an_attempt_that_is_sent_again_has_its_whole_time_and_costs_no_retry():
    driver = Driver(plan(task("a", timeout=20 * S), give(v("a"))), ann=hangs())
    driver.begin()
    driver.drain(driver.now + 5 * S)
    driver._guarded(driver._recover)
    driver.drain()
    assert driver.ending().error["code"] == "timeout"
    assert driver.ending().ended_us == 1_026 * S
    assert driver.ending().kernel.account.retries == 0


def test_the_time_for_a_question_survives_a_crash_as_it_was():
    driver = Driver(
        plan(task("a", on_failure=(ask("eve", within=60 * S), skip)), give(v("a"))), ann=failing(), eve=hangs()
    )
    driver.begin()
    driver.drain(driver.now + 5 * S)
    driver._guarded(driver._recover)
    driver.drain()
    assert driver.ending().ended_us == 1_061 * S


def test_what_was_stopping_died_with_its_engine():
    driver = Driver(plan(task("a", timeout=2 * S, cost=9), give(v("a"))), ann=hangs(stops=None))
    driver.begin()
    driver.drain(driver.now + 3 * S)
    driver._guarded(driver._recover)
    assert driver.ending().status == "failed"
    assert driver.ending().kernel.account.charged_pico == 9
    assert_closed(driver)


@pytest.mark.parametrize(
    "script", [[refuses(), done()], [done()], [lost_reply(), done()]], ids=["refused", "done", "doubt"]
)
def test_no_crash_sends_an_effect_under_another_key(script):
    steps = plan(effect("u", 1, policy=Policy(2, None, Backoff(S, S))), give(v("u")))
    points = Driver(steps, publish=script)
    points.run()
    for point in range(1, points.points + 1):
        driver = Driver(steps, publish=script, crashes={point})
        assert driver.run().status == "completed"
        assert len({command.target_key for command in driver.tried(TryEffect)}) == 1
        assert driver.world.count("publish") == 1
