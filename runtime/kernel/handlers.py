"""What the kernel does with each kind of event: who it is for, whether it still counts, and which table permits it.

An event for a closed place, or of an attempt that is over, is late: it is ignored and counted, and only its costs are
charged. An event that has no row in the table of its place is impossible and raises before anything has changed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from orchspec.runtime.kernel.applying import Applying
from orchspec.runtime.kernel.budget import Account
from orchspec.runtime.kernel.carrying import plan_upgraded, run_forked
from orchspec.runtime.kernel.commands import ArmTimer
from orchspec.runtime.kernel.enclosures import Enclosing
from orchspec.runtime.kernel.evals import give_up
from orchspec.runtime.kernel.events import (
    CancelRequested,
    CostReported,
    EffectChecked,
    EffectClaimed,
    EffectConfirmed,
    EffectRefused,
    EffectRequested,
    EffectUnknown,
    EngineRecovered,
    Event,
    MessagePosted,
    PlanUpgraded,
    QuestionAnswered,
    ReuseAnswered,
    RunForked,
    RunStarted,
    SignalReceived,
    TaskEnrolled,
    TaskFailed,
    TaskFulfilled,
    TaskStopped,
    TimerFired,
)
from orchspec.runtime.kernel.frames import Activity, Failure, Frame
from orchspec.runtime.kernel.messages import post
from orchspec.runtime.kernel.regions import Region
from orchspec.runtime.kernel.requests import request
from orchspec.runtime.kernel.signals import Awaiting
from orchspec.runtime.kernel.stopping import charge_late
from orchspec.runtime.kernel.table import (
    CLOSED,
    EFFECT_TABLE,
    HEDGED,
    QUEUED,
    REGION_TABLE,
    RUNNING,
    SETTLING,
    SIGNAL_TABLE,
    STATE_NAMES,
    TASK_TABLE,
    TIMER_OF,
    ImpossibleEvent,
    Table,
)
from orchspec.runtime.kernel.tasks import Task
from orchspec.runtime.kernel.values import InvalidValue, Unverified

if TYPE_CHECKING:
    from orchspec.runtime.kernel.kernel import Kernel

__all__ = ["HANDLERS"]

_OVER: Final = frozenset({CLOSED, HEDGED, SETTLING})
"""States of a task that has no use for an outcome."""
_ENROLLED: Final = TASK_TABLE[QUEUED, TaskEnrolled]
_FULFILLED: Final = TASK_TABLE[RUNNING, TaskFulfilled]
"""The two rows that nearly all events of a run go by are looked up once."""


def _run_started(kernel: Kernel, event: RunStarted) -> None:
    if kernel.root is not None:
        raise ImpossibleEvent(f"run {kernel.run} was started twice")
    flow = kernel.program.flows.get(event.flow)
    if flow is None:
        raise ImpossibleEvent(f"run {kernel.run} asks for the flow {event.flow!r}, which its plan does not have")
    kernel.flow = event.flow
    kernel.root_key = event.seed
    account = Account(flow.budget, None, None, flow.economy)
    root = Frame(kernel, flow.block, kernel, None, account, None, 1, "")
    account.frame = root
    kernel.account = account
    kernel.root = root
    try:
        values = flow.codec.decode_inputs(event.inputs)
    except (InvalidValue, Unverified) as error:
        root.fail(Failure("bad_input", str(error)))
        return
    root.values[: len(values)] = values
    if flow.budget.time_us is not None:
        kernel.deadline_us = event.time + flow.budget.time_us
        kernel.out.append(ArmTimer(0, "time", kernel.deadline_us))
    root.start()


def _cancel_requested(kernel: Kernel, event: CancelRequested) -> None:
    if kernel.root is None:
        raise ImpossibleEvent(f"run {kernel.run} was cancelled before it started")
    if kernel.outcome is not None and kernel.asides:
        give_up(kernel)
        return
    if kernel.root.failing is not None or kernel.outcome is not None:
        kernel.ignore()
        return
    kernel.decide("cancelled", event.reason)
    kernel.root.fail(Failure("cancelled", event.reason))


def _engine_recovered(kernel: Kernel, event: EngineRecovered) -> None:
    if kernel.root is None:
        raise ImpossibleEvent(f"run {kernel.run} was recovered before it started")
    kernel.decide("recovered", str(event.epoch))
    if kernel.deadline_us is not None:
        kernel.out.append(ArmTimer(0, "time", kernel.deadline_us))
    # What was stopping died with its engine: nobody will say that it has stopped.
    for key in sorted(kernel.stopping):
        kernel.stopping.pop(key).close(*key)
    for activity in kernel.places[1:]:
        if activity is not None and activity.state != CLOSED:
            activity.reissue()


def _timer_fired(kernel: Kernel, event: TimerFired) -> None:
    if event.place == 0:
        if kernel.root is None or kernel.deadline_us is None or event.timer != "time":
            raise ImpossibleEvent(f"run {kernel.run} has no timer {event.timer!r}")
        if kernel.root.failing is None and kernel.outcome is None:
            kernel.root.fail(Failure("budget_exhausted", "the run used up its time budget"))
        else:
            kernel.ignore()
        return
    if event.timer.startswith("grace:"):
        stopping = kernel.stopping.pop((event.place, event.attempt), None)
        if stopping is None:
            kernel.ignore()
            return
        kernel.zombies += 1
        kernel.decide("zombie", stopping.agent)
        stopping.close(event.place, event.attempt, timer=False)
        return
    activity = _at(kernel, event)
    if isinstance(activity, Task):
        asked = event.timer == "within" and activity.within_at_us is not None
        if asked or _is_awaited(kernel, activity, event):
            _task(kernel, activity, event, TASK_TABLE, activity.timer)
    elif isinstance(activity, Applying):
        if _is_awaited(kernel, activity, event):
            _task(kernel, activity, event, EFFECT_TABLE, activity.timer)
    elif isinstance(activity, Awaiting):
        _task(kernel, activity, event, SIGNAL_TABLE, activity.timer)
    elif isinstance(activity, Region):
        _task(kernel, activity, event, REGION_TABLE, activity.timer)
    else:
        raise ImpossibleEvent(f"nothing at {activity.path()} has a timer")


def _is_awaited(kernel: Kernel, activity: Task | Applying, event: TimerFired) -> bool:
    """Whether it is the timer of the state and the attempt; one that fires twice, or too late, is ignored."""
    if event.timer == "hedge" and activity.state == RUNNING and event.attempt == activity.attempt:
        return True
    if event.timer not in TIMER_OF.values() and event.timer != "hedge":
        raise ImpossibleEvent(f"{activity.path()} has no timer {event.timer!r}")
    if event.attempt == activity.attempt and TIMER_OF.get(activity.state) == event.timer:
        return True
    kernel.ignore()
    return False


def _at(kernel: Kernel, event: Event) -> Activity:
    place = event.place
    if not 0 < place < len(kernel.places):
        raise ImpossibleEvent(f"{type(event).__name__} for place {place}, which run {kernel.run} does not have")
    activity = kernel.places[place]
    assert activity is not None
    return activity


def _task(kernel: Kernel, activity: Any, event: Event, table: Table, handler: Callable[[Any], None]) -> None:
    state = activity.state
    if state in (CLOSED, SETTLING):
        kernel.ignore()
        return
    row = table.get((state, type(event)))
    if row is None:
        raise ImpossibleEvent(f"{type(event).__name__} at {activity.path()} while it is {STATE_NAMES[state]}")
    handler(event)
    assert activity.state in row, (activity.path(), event, activity.state)


def _too_early(activity: Activity, event: Event) -> ImpossibleEvent:
    return ImpossibleEvent(f"{type(event).__name__} at {activity.path()} of attempt {event.attempt}, which is to come")


def _task_at(kernel: Kernel, event: Event) -> Task:
    place, places = event.place, kernel.places
    activity = places[place] if 0 < place < len(places) else None
    if not isinstance(activity, Task):
        activity = _at(kernel, event)
        raise ImpossibleEvent(f"{type(event).__name__} at {activity.path()}, where no task stands")
    if event.attempt > activity.attempt:
        raise _too_early(activity, event)
    return activity


def _effect_at(kernel: Kernel, event: Event) -> Applying:
    activity = _at(kernel, event)
    if not isinstance(activity, Applying):
        raise ImpossibleEvent(f"{type(event).__name__} at {activity.path()}, where no effect stands")
    if event.attempt > activity.attempt:
        raise _too_early(activity, event)
    return activity


def _task_enrolled(kernel: Kernel, event: TaskEnrolled) -> None:
    place, places = event.place, kernel.places
    activity = places[place] if 0 < place < len(places) else _at(kernel, event)
    asked: Task | Applying
    if isinstance(activity, Task):
        if activity.state == QUEUED and event.attempt == activity.attempt:
            activity.enrolled(event)
            assert activity.state in _ENROLLED, (activity.path(), event, activity.state)
            return
        asked, table = activity, TASK_TABLE
    elif isinstance(activity, Enclosing):
        _task(kernel, activity, event, REGION_TABLE, activity.enrolled)
        return
    else:
        asked, table = _effect_at(kernel, event), EFFECT_TABLE
    if event.attempt == asked.attempt:
        _task(kernel, asked, event, table, asked.enrolled)
    elif event.attempt > asked.attempt:
        raise _too_early(asked, event)
    else:
        kernel.ignore()


def _task_fulfilled(kernel: Kernel, event: TaskFulfilled) -> None:
    task = _task_at(kernel, event)
    if (
        task.state == RUNNING
        and event.attempt == task.attempt
        and event.dispatch == task.dispatch
        and not kernel.stopping
    ):
        task.fulfilled(event)
        assert task.state in _FULFILLED, (task.path(), event, task.state)
    elif _is_current(kernel, task, event):
        _task(kernel, task, event, TASK_TABLE, task.fulfilled)


def _task_failed(kernel: Kernel, event: TaskFailed) -> None:
    task = _task_at(kernel, event)
    if _is_current(kernel, task, event):
        _task(kernel, task, event, TASK_TABLE, task.failed)


def _question_answered(kernel: Kernel, event: QuestionAnswered) -> None:
    task = _task_at(kernel, event)
    # Answers come from outside: one to another attempt, or to what no person was asked, is nobody's bug.
    if event.attempt != task.attempt or task.seat is None or not task.seat.person:
        kernel.ignore()
        return
    _task(kernel, task, event, TASK_TABLE, task.answered)


def _signal_received(kernel: Kernel, event: SignalReceived) -> None:
    activity = _at(kernel, event)
    if not isinstance(activity, Awaiting):
        raise ImpossibleEvent(f"SignalReceived at {activity.path()}, where no signal is waited for")
    _task(kernel, activity, event, SIGNAL_TABLE, activity.received)


def _reuse_answered(kernel: Kernel, event: ReuseAnswered) -> None:
    task = _task_at(kernel, event)
    _task(kernel, task, event, TASK_TABLE, task.reuse_answered)


def _is_current(kernel: Kernel, task: Task, event: TaskFulfilled | TaskFailed) -> bool:
    """Whether an outcome counts; that of an attempt that is over only costs."""
    stopping = kernel.stopping.pop((event.place, event.attempt), None) if kernel.stopping else None
    if stopping is not None:
        kernel.ignore()
        stopping.report(event)
        stopping.close(event.place, event.attempt)
        return False
    if event.attempt == task.attempt and event.dispatch == task.dispatch and task.state not in _OVER:
        return True
    kernel.ignore()
    charge_late(task, event)
    return False


def _cost_reported(kernel: Kernel, event: CostReported) -> None:
    stopping = kernel.stopping.get((event.place, event.attempt))
    if stopping is not None:
        stopping.report(event)
    else:
        charge_late(_task_at(kernel, event), event)


def _message_posted(kernel: Kernel, event: MessagePosted) -> None:
    # What an attempt says that is over counts no more, and nobody waits for its answer.
    task = _task_at(kernel, event)
    if event.attempt != task.attempt or event.dispatch != task.dispatch or task.state != RUNNING:
        kernel.ignore()
        return
    _task(kernel, task, event, TASK_TABLE, lambda posted: post(task, posted))


def _effect_requested(kernel: Kernel, event: EffectRequested) -> None:
    # An attempt that is over may do nothing more.
    task = _task_at(kernel, event)
    if event.attempt != task.attempt or event.dispatch != task.dispatch or task.state != RUNNING:
        kernel.ignore()
        return
    _task(kernel, task, event, TASK_TABLE, lambda asked: request(task, asked))


def _task_stopped(kernel: Kernel, event: TaskStopped) -> None:
    stopping = kernel.stopping.pop((event.place, event.attempt), None)
    if stopping is None:
        _task_at(kernel, event)
        kernel.ignore()
        return
    stopping.close(event.place, event.attempt)


def _effect_claimed(kernel: Kernel, event: EffectClaimed) -> None:
    effect = _effect_at(kernel, event)
    _task(kernel, effect, event, EFFECT_TABLE, effect.claimed)


def _effect_confirmed(kernel: Kernel, event: EffectConfirmed) -> None:
    effect = _effect_at(kernel, event)
    _task(kernel, effect, event, EFFECT_TABLE, effect.confirmed)


def _effect_refused(kernel: Kernel, event: EffectRefused) -> None:
    # A refusal of an earlier send says nothing about the one that is under way.
    effect = _effect_at(kernel, event)
    if event.attempt != effect.attempt or event.dispatch != effect.dispatch:
        kernel.ignore()
        return
    _task(kernel, effect, event, EFFECT_TABLE, effect.refused)


def _effect_unknown(kernel: Kernel, event: EffectUnknown) -> None:
    effect = _effect_at(kernel, event)
    if event.attempt != effect.attempt or event.dispatch != effect.dispatch:
        kernel.ignore()
        return
    _task(kernel, effect, event, EFFECT_TABLE, effect.unknown)


def _effect_checked(kernel: Kernel, event: EffectChecked) -> None:
    effect = _effect_at(kernel, event)
    if event.attempt != effect.attempt or event.dispatch != effect.dispatch:
        kernel.ignore()
        return
    _task(kernel, effect, event, EFFECT_TABLE, effect.checked)


HANDLERS: Final[dict[type, Callable[[Kernel, Any], None]]] = {
    RunStarted: _run_started,
    RunForked: run_forked,
    PlanUpgraded: plan_upgraded,
    CancelRequested: _cancel_requested,
    EngineRecovered: _engine_recovered,
    TimerFired: _timer_fired,
    TaskEnrolled: _task_enrolled,
    TaskFulfilled: _task_fulfilled,
    TaskFailed: _task_failed,
    TaskStopped: _task_stopped,
    MessagePosted: _message_posted,
    EffectRequested: _effect_requested,
    CostReported: _cost_reported,
    QuestionAnswered: _question_answered,
    SignalReceived: _signal_received,
    ReuseAnswered: _reuse_answered,
    EffectClaimed: _effect_claimed,
    EffectConfirmed: _effect_confirmed,
    EffectRefused: _effect_refused,
    EffectUnknown: _effect_unknown,
    EffectChecked: _effect_checked,
}
