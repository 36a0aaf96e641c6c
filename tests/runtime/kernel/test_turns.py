"""`peers`: turns, permitted handoffs, the end, bounds, stopping and crashes."""

import pytest

from orchspec.runtime.kernel.commands import RunTask
from orchspec.runtime.kernel.kernel import Kernel
from tests.support.driver import Driver, done, failing, hangs
from tests.support.invariants import assert_closed, assert_folds
from tests.support.plans import S
from tests.support.running import run
from tests.support.studies import plan_of

HEAD = """orch 1
contract Talk(goal: Int, so_far: Int?) -> Turn<Int>
agent ann fulfills Talk
agent bob fulfills Talk { session = per_run }
agent cy fulfills Talk
"""


def peers(settings="", hops=3):
    return plan_of(
        f"{HEAD}flow main(start: Int = 7) -> Int {{\npeers x = Talk(start) among [ann, bob, cy] {{\nstart = ann  "
        f"hops = {hops}\nhandoff ann -> bob\nhandoff bob -> ann | cy when 10 / result > start - 6\n{settings}\n}}\n"
        "return x ?? -1\n}\n"
    )


PLAIN = peers()


def turn(value, to=None, **rest):
    return done({"value": value, "to": to}, **rest)


def played(plan, **scripts):
    driver = Driver(plan, **scripts)
    return run(driver), driver


def asked(driver):
    return [(command.agent, command.inputs) for command in driver.tried(RunTask)]


def test_peers_hand_over_until_one_ends_and_each_sees_the_turn_before():
    end, driver = played(PLAIN, ann=[turn(1, "bob")], bob=[turn(2, "cy")], cy=[turn(3)])
    assert (end.status, end.result) == ("completed", 3)
    assert asked(driver) == [("ann", [7, None]), ("bob", [7, 1]), ("cy", [7, 2])]
    assert [driver.kernels["r"].path(command.place) for command in driver.tried(RunTask)] == ["x#1", "x#2", "x#3"]
    assert end.decided("handoff") == ["ann -> bob", "bob -> cy"]


def test_hops_bound_how_often_it_is_handed_on():
    end, driver = played(PLAIN, ann=[turn(1, "bob")], bob=[turn(1, "ann")])
    assert (end.status, end.error["code"]) == ("failed", "exhausted")
    assert [who for who, _ in asked(driver)] == ["ann", "bob", "ann", "bob"]


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        (turn(1, "cy"), "result.to is 'cy', and ann may hand over to bob after this turn"),
        (turn(1, "ann"), "result.to is 'ann'"),
        (turn(1, "nobody at all"), "result.to is 'nobody at all'"),
    ],
)
def test_a_handoff_that_is_not_permitted_fails_the_attempt_which_is_told_why(wrong, why):
    end, driver = played(peers("attempts = 2"), ann=[wrong, turn(5)])
    assert end.result == 5
    assert why in driver.tried(RunTask)[1].previous_error


def test_a_condition_sees_the_value_of_the_turn():
    end, _ = played(PLAIN, ann=[turn(1, "bob")], bob=[turn(50, "cy")])
    assert (end.error["code"], end.error["step"]) == ("unverified", "x#2")
    assert "may hand over to nobody" in end.error["message"]


def test_a_condition_that_cannot_be_told_fails_the_attempt():
    end, _ = played(PLAIN, ann=[turn(1, "bob")], bob=[turn(0, "cy")])
    assert end.error["code"] == "unverified"
    assert "cannot be evaluated" in end.error["message"]


def test_whoever_ends_needs_no_condition_to_hold():
    assert played(PLAIN, ann=[turn(1, "bob")], bob=[turn(50)])[0].result == 50


def test_its_failure_is_handled_like_that_of_a_step():
    assert played(peers("on_failure = use(start)"), ann=[failing()])[0].result == 7
    assert played(peers("on_failure = skip  budget { attempts <= 1 }"), ann=[turn(1, "bob")])[0].result == -1
    assert played(peers("only_if = start > 9"))[0].result == -1


def test_cancelling_stops_the_turn():
    driver = Driver(PLAIN, ann=[turn(1, "bob")], bob=hangs())
    driver.begin()
    driver.cancel(10 * S)
    driver.drain()
    assert driver.ending().status == "cancelled"
    assert_closed(driver)
    assert_folds(driver)


SCRIPTS = {"ann": [turn(1, "bob"), turn(4)], "bob": [turn(2, "ann")]}


def test_a_crash_at_any_point_changes_no_turn():
    calm, driver = played(PLAIN, **SCRIPTS)
    for point in range(1, driver.points + 1):
        end, crashed = played(PLAIN, crashes={point}, **SCRIPTS)
        assert (end.status, end.result) == (calm.status, calm.result) == ("completed", 4), point
        assert asked(crashed)[-1] == asked(driver)[-1], point


def test_it_is_exported_and_restored_wherever_it_stands():
    for after in range(4):
        driver = Driver(PLAIN, **SCRIPTS)
        driver.begin()
        driver.drain(until=driver.now + after * S)
        document = driver.kernels["r"].export()
        assert Kernel.restore(PLAIN, document).export() == document
