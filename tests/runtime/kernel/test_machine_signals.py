"""Transitions on a signal: a visit is cancelled and undone, guards choose, names are bound, waits are closed."""

import pytest

from orchspec.runtime.kernel.commands import (
    AwaitSignal,
    ClaimEffect,
    EndRun,
    RequestGrant,
    RunTask,
    StopTask,
    WithdrawSignal,
)
from orchspec.runtime.kernel.events import (
    EffectClaimed,
    EffectConfirmed,
    EngineRecovered,
    RunStarted,
    SignalReceived,
    TaskEnrolled,
    TaskFulfilled,
    TaskStopped,
)
from orchspec.runtime.kernel.kernel import Kernel
from tests.support.studies import plan_of

HEAD = """orch 1
contract Work(n: Int) -> Int
agent ann fulfills Work
effect publish(n: Int) -> Int { key = n  undo = retract(n: n) }
effect retract(n: Int) -> Int { key = n }
signal paid(order: Int) -> Int
signal gone(order: Int)
"""


def machine(states):
    return plan_of(f"{HEAD}machine main(start: Int = 7) -> Int {{\nbudget {{ transitions <= 9 }}\n{states}\n}}\n")


PLAN = machine("""
  initial state work {
    step n = Work(start + (bonus ?? 0)) by ann
    on paid(start) as bonus when 100 / bonus > 10 -> work
    on paid(start) as sum when sum > 50 -> rich
    on gone(start) -> rest
    on done -> end
  }
  state rest { on paid(start + 1) as sum -> rich  on gone(start) -> poor }
  final state end { return work.n }
  final state rich { return sum }
  final state poor { return work.n ?? -1 }
""")


class Run:
    """A kernel that is driven by hand."""

    def __init__(self, plan):
        self.kernel = Kernel(plan, "r")
        self.now = 1
        self.out = []
        self.commands = []
        self.waits = {}
        self.take(RunStarted(0, "main", {}, plan.hash, 1, 7))

    def take(self, event):
        event.time = self.now = self.now + 1
        self.out = self.kernel.handle(event)
        self.commands += self.out
        for command in self.out:
            if isinstance(command, AwaitSignal):
                self.waits[command.place] = command
            elif isinstance(command, WithdrawSignal):
                del self.waits[command.place]
        return self.out

    def of(self, kind):
        return [command for command in self.out if isinstance(command, kind)]

    def enrol(self):
        request = [command for command in self.commands if isinstance(command, RequestGrant)][-1]
        self.take(TaskEnrolled(0, request.place, request.attempt, "ann"))
        return request.place

    def hear(self, signal, value, order=None):
        fits = [each for each in self.waits.values() if each.signal == signal and order in (None, each.inputs[0])]
        place = fits[0].place
        del self.waits[place]
        return self.take(SignalReceived(0, place, value))

    def paths(self):
        return [self.kernel.path(place) for place in self.kernel.open_places()]


def test_transitions_on_the_same_signal_with_equal_arguments_are_one_wait():
    run = Run(PLAN)
    assert [(each.signal, each.inputs) for each in run.of(AwaitSignal)] == [("paid", [7]), ("gone", [7])]
    assert "work#1/paid[0]" in run.paths()


def test_a_signal_cancels_what_the_state_does_and_its_value_is_bound():
    run = Run(PLAN)
    place = run.enrol()
    run.hear("paid", 3)
    assert [each.place for each in run.of(StopTask)] == [place]
    assert len(run.of(WithdrawSignal)) == 1
    assert len(run.of(AwaitSignal)) == 2
    assert run.kernel.decided[0] == ["paid", "work -> work"]
    run.enrol()
    assert run.of(RunTask)[0].inputs == [10]


def test_the_first_transition_whose_guard_holds_takes_it():
    run = Run(PLAN)
    run.hear("paid", 60)
    assert run.of(EndRun)[0].result == 60


def test_what_no_guard_takes_is_used_up_and_the_wait_goes_on():
    run = Run(PLAN)
    place = run.enrol()
    run.hear("paid", 20)
    assert run.kernel.decided == [["signal not taken", "work#1/paid[0]"]]
    assert len(run.of(AwaitSignal)) == 1
    assert not run.of(StopTask)
    run.take(TaskFulfilled(0, place, 1, 0, 5))
    assert run.of(EndRun)[0].result == 5


def test_a_value_of_another_type_is_refused_and_the_wait_goes_on():
    run = Run(PLAN)
    run.hear("paid", "much")
    assert run.kernel.decided[0][0] == "signal refused"
    assert len(run.of(AwaitSignal)) == 1


def test_a_guard_that_cannot_be_told_fails_the_machine():
    run = Run(PLAN)
    run.enrol()
    run.hear("paid", 0)
    run.take(TaskStopped(0, run.kernel.places.index(next(p for p in run.kernel.places if p and p.label == "n")), 1, 0))
    (end,) = run.of(EndRun)
    assert (end.status, end.error["code"]) == ("failed", "expression")


def test_a_state_that_does_nothing_rests_until_a_signal_comes():
    run = Run(PLAN)
    run.hear("gone", None)
    assert run.kernel.status is None
    assert [(each.signal, each.inputs) for each in run.of(AwaitSignal)] == [("paid", [8]), ("gone", [7])]
    run.hear("paid", 4, 8)
    assert run.of(EndRun)[0].result == 4
    assert run.kernel.open_places() == []


def test_a_visit_that_was_cancelled_gave_nothing():
    run = Run(PLAN)
    run.hear("gone", None)
    run.hear("gone", None)
    assert run.of(EndRun)[0].result == -1


def test_when_a_visit_is_done_nothing_is_listened_to_any_more():
    run = Run(PLAN)
    place = run.enrol()
    run.take(TaskFulfilled(0, place, 1, 0, 5))
    assert len(run.of(WithdrawSignal)) == 2


def test_what_the_cancelled_visit_did_is_undone_before_the_machine_goes_on():
    plan = machine("""
      initial state act {
        step told = publish(n: start)
        step n = Work(told) by ann
        on gone(start) -> end
        on done -> end
      }
      final state end { return start }
    """)
    run = Run(plan)
    place = next(command.place for command in run.out if isinstance(command, ClaimEffect))
    run.take(EffectClaimed(0, place, "own"))
    run.take(EffectConfirmed(0, place, 1, 0, 4))
    run.enrol()
    run.hear("gone", None)
    assert not run.of(EndRun)
    assert [command.effect for command in run.of(ClaimEffect)] == ["retract"]


def test_after_a_crash_it_is_listened_to_again():
    run = Run(PLAN)
    run.take(EngineRecovered(0, 2))
    assert len(run.of(AwaitSignal)) == 2


@pytest.mark.parametrize("before", [(), ("gone",)])
def test_it_is_exported_and_restored_where_it_listens(before):
    run = Run(PLAN)
    for signal in before:
        run.hear(signal, None)
    document = run.kernel.export()
    twin = Kernel.restore(PLAN, document)
    assert twin.export() == document
    run.kernel = twin
    run.hear("gone", None)
    assert twin.export() != document
