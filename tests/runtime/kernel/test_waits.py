"""Wait: a barrier that opens at its time, whatever crashes meanwhile."""

import pytest

from orchspec.runtime.kernel.commands import RunTask
from orchspec.runtime.kernel.events import TimerFired
from tests.support.driver import Driver, done, failing
from tests.support.plans import S, budget, checkpoint, fail, give, plan, scope, skip, task, v, wait
from tests.support.running import run

HOUR = 3600 * S
START = 1_000 * S
"""When the driver starts."""


def waiting(value=HOUR, **rest):
    # A checkpoint on either side stands for the order that the compiler gives.
    body = (task("a"), checkpoint("c", after=("a",)))
    return plan(scope("w", *body, wait(value, after=("c",)), give(v("a"))), task("b", v("w")), give(v("b")), **rest)


def test_what_comes_after_starts_when_the_time_has_passed():
    driver = Driver(waiting(), ann=[done(1), done(2)])
    end = run(driver)
    assert end.result == 2
    assert end.ended_us - START == S + HOUR + S


def test_what_lies_in_the_past_is_not_waited_for():
    driver = Driver(waiting(0), ann=[done(1), done(2)])
    assert run(driver).ended_us - START == 2 * S
    past = plan(scope("w", task("a"), wait(5, after=("a",), until=True), give(v("a"))), give(v("w")))
    driver = Driver(past, ann=[done(1)])
    assert run(driver).ended_us - START == S


def test_a_moment_is_waited_for_as_such():
    driver = Driver(plan(scope("w", wait(2_000 * S, until=True), task("a"), give(v("a"))), give(v("w"))), ann=[done(1)])
    assert run(driver).ended_us == 2_000 * S


@pytest.mark.parametrize("point", range(12))
def test_a_crash_neither_shortens_nor_prolongs_a_wait(point):
    calm = run(Driver(waiting(), ann=[done(1), done(2)]))
    driver = Driver(waiting(), ann=[done(1), done(2)], crashes=[point])
    hit = driver.run()
    assert hit.result == calm.result
    assert hit.ended_us <= calm.ended_us + 10 * S


def test_a_time_budget_includes_what_is_waited():
    end = run(Driver(waiting(budget=budget(time=60 * S)), ann=[done(1), done(2)]))
    assert end.status == "budget_exhausted"


def test_a_wait_stops_with_the_block_around_it():
    made = plan(
        scope("w", wait(HOUR), task("a"), fail("no", after=("a",)), give(v("a")), on_failure=(skip,)), give(v("w"))
    )
    driver = Driver(made, ann=[failing()])
    end = run(driver)
    assert end.status == "completed"
    assert end.ended_us - START == S


def test_a_timer_that_fires_twice_is_ignored_the_second_time():
    driver = Driver(waiting(), ann=[done(1), done(2)])
    end = run(driver)
    place = next(each.place for each in end.kernel.places if each is not None and each.path() == "w/wait")
    before = end.kernel.ignored
    end.kernel.handle(TimerFired(end.ended_us, place, "wait"))
    assert end.kernel.ignored == before + 1
    assert len(driver.tried(RunTask)) == 2
