"""Machines: which state follows which, what is known of earlier visits, bounds, unwinding and crashes."""

import pytest

from orchspec.compiler.plan import Plan
from orchspec.runtime.kernel.commands import RunTask
from orchspec.runtime.kernel.events import CancelRequested
from orchspec.runtime.kernel.kernel import Kernel
from tests.support.driver import Driver, done, failing, hangs
from tests.support.invariants import assert_closed
from tests.support.running import run
from tests.support.studies import plan_of

HEAD = """orch 1
contract Work(n: Int) -> Int
agent ann fulfills Work { timeout = 5s }
agent bob fulfills Work
effect publish(n: Int) -> Int { key = n  undo = retract(n: result) }
effect retract(n: Int) -> Int { key = n }
"""


def machine(states: str, limits: str = "") -> Plan:
    text = f"{HEAD}machine main(start: Int = 7) -> Int {{\n{limits}\n{states}\n}}\n"
    return plan_of(text)


LOOP = machine("""
  initial state work {
    visits = 3
    step n = Work(len(past)) by ann
    on done when n >= 3 -> end
    on done      -> work
    on timeout   -> late
    on failed    -> rescue
    on exhausted -> spent
  }
  state rescue { step n = Work(work.n ?? 90) by bob  on done -> end }
  final state end { return work.n ?? rescue.n ?? -1 }
  final state late { return -2 }
  final state spent { return -3 }
""")


def played(plan, **scripts):
    driver = Driver(plan, **scripts)
    return run(driver), driver


def test_a_state_is_visited_again_and_sees_what_its_earlier_visits_gave():
    end, driver = played(LOOP, ann=[done(1), done(3)])
    assert (end.status, end.result) == ("completed", 3)
    assert [command.inputs for command in driver.tried(RunTask)] == [[0], [1]]
    assert driver.kernels["r"].path(driver.tried(RunTask)[1].place) == "work#2/n"
    assert end.decided("enters") == ["work#1", "work#2", "end#1"]


def test_spent_visits_take_the_way_that_says_so():
    end, _ = played(LOOP, ann=[done(0)])
    assert end.result == -3
    assert end.decided("exhausted") == ["work -> spent"]


def test_spent_visits_that_no_way_catches_fail_the_machine():
    plan = machine(
        """
  initial state work {
    visits = 2
    step n = Work(start) by ann
    on done when n >= 3 -> end
    on done -> work
  }
  final state end { return work.n }
"""
    )
    end, driver = played(plan, ann=[done(0)])
    assert (end.status, end.error["code"]) == ("failed", "exhausted")
    assert len(driver.tried(RunTask)) == 2


def test_what_failed_of_its_timeout_goes_that_way_first():
    assert played(LOOP, ann=[hangs()])[0].result == -2


def test_after_a_visit_that_failed_nothing_is_known_of_that_state():
    end, driver = played(LOOP, ann=[done(1), failing()], bob=[done(5)])
    assert end.result == 5
    assert driver.tried(RunTask)[-1].inputs == [90]


def test_a_failure_that_nobody_catches_fails_the_machine():
    plan = machine("initial state a { step n = Work(start) by ann  on done -> end }\nfinal state end { return a.n }")
    end, _ = played(plan, ann=[failing()])
    assert (end.status, end.error["step"]) == ("failed", "a#1/n")


def test_transitions_bound_the_machine():
    plan = machine(
        "initial state a { step n = Work(start) by ann  on done when n > 5 -> end  on done -> a }\n"
        "final state end { return a.n }",
        "budget { transitions <= 4 }",
    )
    end, driver = played(plan, ann=[done(0)])
    assert (end.status, end.error["code"]) == ("failed", "exhausted")
    assert len(driver.tried(RunTask)) == 5


SAGA = machine("""
  initial state act {
    step told = publish(n: start)
    step n = Work(told) by ann
    on done   -> more
    on failed -> end
  }
  state more { step m = Work(act.n) by bob  on done -> end }
  final state end { return start }
""")


def test_a_visit_that_failed_has_unwound_before_the_machine_goes_on():
    end, driver = played(SAGA, ann=[failing()], publish=[done(4)])
    assert end.status == "completed"
    assert driver.world.count("retract") == 1


def test_what_earlier_states_did_is_undone_when_the_machine_fails():
    end, driver = played(SAGA, ann=[done(1)], bob=[failing()], publish=[done(4)])
    assert end.status == "failed"
    assert driver.world.count("retract") == 1


def test_cancelling_stops_the_visit_and_unwinds():
    driver = Driver(SAGA, ann=[done(1)], bob=[hangs()], publish=[done(4)])
    driver.begin()
    driver.at(60_000_000, "r", CancelRequested(0, "enough"))
    driver.drain()
    assert driver.ending().status == "cancelled"
    assert driver.world.count("retract") == 1
    assert_closed(driver)


def test_a_guard_that_cannot_be_told_fails_the_machine():
    plan = machine(
        "initial state a { step n = Work(start) by ann  on done when 1 / n > 0.5 -> end  on done -> end }\n"
        "final state end { return a.n }"
    )
    end, _ = played(plan, ann=[done(0)])
    assert (end.status, end.error["code"]) == ("failed", "expression")


def test_a_machine_is_called_like_a_flow_and_its_places_lie_within():
    text = (
        HEAD + "machine inner(n: Int) -> Int {\n initial state a { step n2 = Work(n) by ann  on done -> end }\n"
        " final state end { return a.n2 }\n}\nflow main(start: Int = 7) -> Int { step x = inner(start)  return x }\n"
    )
    end, driver = played(plan_of(text), ann=[done(4)])
    assert end.result == 4
    assert driver.kernels["r"].path(driver.tried(RunTask)[0].place) == "x/a#1/n2"


@pytest.mark.parametrize("plan", [LOOP, SAGA], ids=["loop", "saga"])
def test_a_crash_at_any_point_changes_no_result(plan):
    scripts = {"ann": [done(1), failing()], "bob": [done(5)], "publish": [done(4)]}
    calm, driver = played(plan, **scripts)
    for point in range(1, driver.points + 1):
        end, crashed = played(plan, crashes={point}, **scripts)
        assert (end.status, end.result) == (calm.status, calm.result), point
        assert crashed.world.count("publish") == driver.world.count("publish")


def test_a_machine_is_exported_and_restored_where_it_stands():
    driver = Driver(LOOP, ann=[done(1), hangs()])
    driver.begin()
    driver.drain(until=driver.now + 3_000_000)
    document = driver.kernels["r"].export()
    assert Kernel.restore(LOOP, document).export() == document
