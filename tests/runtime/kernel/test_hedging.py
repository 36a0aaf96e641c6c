"""Hedges: the second attempt, who wins, what is stopped, what it costs, and crashes in the middle of it."""

import pytest

from orchspec.compiler import compile_text
from orchspec.runtime.kernel.commands import RunTask, StopTask
from orchspec.runtime.latencies import KEPT, LEAST, Latencies
from tests.support.driver import Driver, done, failing, hangs
from tests.support.plans import S
from tests.support.running import run

HEAD = """orch 1
contract Draft(topic: Text) -> Int
agent ann fulfills Draft
agent bob fulfills Draft
"""


def compiled(step, head=HEAD, more=""):
    found = compile_text(f"{head}{more}flow main() -> Int {{\n{step}\nreturn got\n}}\n", "spec.orch")
    assert not found.errors, found.errors
    return found.plan


def sent(driver):
    """When each attempt was sent, seconds from the start, and at which place."""
    at = {}
    for when, run_, command in driver.told:
        if isinstance(command, RunTask):
            at.setdefault(driver.kernels[run_].path(command.place), []).append((when - 1_000 * S) // S)
    return at


STEP = 'step got = Draft("a") by ann { hedge = after(5s) }'


def test_a_late_attempt_is_doubled_and_the_first_to_be_verified_wins():
    driver = Driver(compiled(STEP), ann=[done(1, takes=60 * S), done(2, takes=3 * S)])
    end = run(driver)
    assert (end.result, sent(driver)) == (2, {"got": [0], "got~1": [5]})
    assert [command.attempt for command in driver.tried(StopTask)] == [1]
    assert end.decided("hedge won") == ["got~1"]
    assert end.kernel.steps == 1


def test_the_first_attempt_may_still_win_and_then_the_hedge_is_stopped():
    driver = Driver(compiled(STEP), ann=[done(1, takes=6 * S), done(2, takes=30 * S)])
    end = run(driver)
    assert (end.result, (end.ended_us - 1_000 * S) // S) == (1, 6)
    assert [driver.kernels["r"].path(each.place) for each in driver.tried(StopTask)] == ["got~1"]


def test_an_attempt_that_is_in_time_has_no_hedge():
    driver = Driver(compiled(STEP), ann=done(1, takes=4 * S))
    assert run(driver).result == 1
    assert sent(driver) == {"got": [0]}


def test_what_is_wrong_does_not_win():
    driver = Driver(compiled(STEP), ann=[done(1, takes=9 * S), done("junk", takes=1 * S)])
    assert run(driver).result == 1


def test_a_failed_attempt_waits_for_its_hedge_and_fails_with_it():
    step = 'step got = Draft("a") by ann { hedge = after(5s)  on_failure = use(7) }'
    driver = Driver(compiled(step), ann=[failing(takes=6 * S), done(2, takes=30 * S)])
    assert run(driver).result == 2
    driver = Driver(compiled(step), ann=[failing(takes=6 * S), failing(takes=30 * S)])
    end = run(driver)
    assert (end.result, (end.ended_us - 1_000 * S) // S) == (7, 35)


def test_retries_go_on_beside_a_hedge_and_each_attempt_may_have_one_one_at_a_time():
    step = 'step got = Draft("a") by ann { hedge = after(5s)  attempts = 3 }'
    slow = [failing(takes=6 * S), hangs(), failing(takes=20 * S), failing(takes=1 * S)]
    driver = Driver(compiled(step), ann=slow, hangs_for=40 * S)
    assert run(driver).status == "failed"
    assert sent(driver) == {"got": [0, 6, 26], "got~1": [5]}


def test_a_hedge_goes_to_whoever_is_free():
    step = 'step got = Draft("a") by any of [ann, bob] { hedge = after(5s) }'
    head = HEAD.replace("agent ann fulfills Draft", "agent ann fulfills Draft { slots = 1 }")
    driver = Driver(compiled(step, head), ann=hangs(), bob=done(4, takes=2 * S))
    assert run(driver).result == 4


def test_both_are_reserved_for_and_a_hedge_without_room_is_not_sent():
    head = HEAD.replace("agent ann fulfills Draft", "agent ann fulfills Draft { budget { cost <= $1 } }")
    for cap, places in (("$2", {"got", "got~1"}), ("$1.50", {"got"})):
        step = f"budget {{ cost <= {cap} }}\n{STEP}"
        driver = Driver(compiled(step, head), ann=[done(1, takes=20 * S), done(2, takes=30 * S)])
        assert run(driver).result == 1
        assert set(sent(driver)) == places


def test_a_timeout_before_the_hedge_leaves_no_time_for_one():
    step = 'step got = Draft("a") by ann { hedge = after(5s)  timeout = 4s  on_failure = use(0) }'
    driver = Driver(compiled(step), ann=hangs())
    assert run(driver).result == 0
    assert set(sent(driver)) == {"got"}


def test_items_of_a_fan_out_are_hedged_one_by_one():
    step = "step all_of = Draft(t) by ann for t in ts { hedge = after(5s) }\nlet got = sum(all_of)"
    plan = compiled(f'let ts = ["a", "b"]\n{step}')
    driver = Driver(plan, ann=lambda place, _: done(1, takes=(60 if place == "all_of[1]" else 2) * S))
    assert run(driver).result == 2
    assert sent(driver) == {"all_of[0]": [0], "all_of[1]": [0], "all_of[1]~1": [5]}


def test_the_profile_says_what_is_late_until_enough_is_known_and_then_what_was_seen_does():
    step = 'step got = Draft("a") by ann { hedge = after(p95) }'
    plan = compiled(step, more="profile ann { latency = lognormal(p50: 5s, p95: 30s) }\n")
    driver = Driver(plan, ann=lambda place, _: done(1, takes=(50 if place == "got" else 2) * S))
    run(driver)
    assert sent(driver) == {"got": [0], "got~1": [30]}
    busy = Driver(plan, ann=lambda place, _: done(1, takes=3 * S))
    for number in range(LEAST):
        busy.begin(run=f"r{number:02}")
    busy.drain()
    busy.scripts["ann"] = [lambda place, _: done(1, takes=(50 if place == "got" else 2) * S)]
    began = busy.now
    busy.begin(run="late")
    busy.drain()
    hedged = [when for when, _, command in busy.told if isinstance(command, RunTask)][-1]
    assert hedged - began == 3 * S


def test_what_was_seen_outlives_a_crash_in_the_journals_of_the_runs_that_go_on():
    step = (
        "step many = Draft(t) by ann for t in ts { hedge = after(p95) }\nwait 10s\n"
        'step got = Draft("a") by ann { hedge = after(p95) }'
    )
    plan = compiled(f"let ts = {['a'] * LEAST}\n{step}".replace("'", '"'))
    script = [lambda place, _: done(1, takes=(50 if place == "got" else 3) * S)]
    calm = Driver(plan, ann=script)
    run(calm)
    held = 0
    for point in range(1, calm.points + 1):
        driver = Driver(plan, ann=script, crashes={point})
        run(driver)
        at = sent(driver)
        if at["many[0]"] == [0]:  # all of it was durable: it was not sent again
            assert "got~1" in at, point
            held += 1
    assert held > 5


def test_without_a_profile_nothing_is_late_before_something_was_seen():
    step = 'step got = Draft("a") by ann { hedge = after(p95) }'
    driver = Driver(compiled(step), ann=done(1, takes=900 * S))
    run(driver)
    assert set(sent(driver)) == {"got"}


@pytest.mark.parametrize(
    "script",
    [
        [done(1, takes=60 * S), done(2, takes=3 * S)],
        [done(1, takes=6 * S), done(2, takes=30 * S)],
        [failing(takes=6 * S), done(2, takes=30 * S)],
    ],
)
def test_a_crash_anywhere_changes_nothing_of_the_outcome(script):
    step = 'step got = Draft("a") by ann { hedge = after(5s)  on_failure = use(7) }'
    points = Driver(compiled(step), ann=script)
    run(points)
    for point in range(1, points.points + 1):
        driver = Driver(compiled(step), ann=script, crashes={point})
        assert run(driver).status == "completed"


def test_quantiles_are_those_of_the_last_times_of_such_work():
    latencies = Latencies()
    for took in range(1, LEAST):
        latencies.add("ann", "Draft", took)
    assert latencies.quantile("ann", "Draft", 0.5) is None
    latencies.add("ann", "Draft", LEAST)
    assert latencies.quantile("ann", "Draft", 0.5) == LEAST // 2
    assert latencies.quantile("ann", "Draft", 0.95) == 19
    assert latencies.quantile("ann", "Other", 0.5) is None
    for took in range(1, KEPT + 1):
        latencies.add("ann", "Draft", 1000 + took)
    assert latencies.quantile("ann", "Draft", 0.5) == 1000 + KEPT // 2
