"""The kernel: every decision about a run, as a pure function of what has happened.

    handle(event) -> [command, …]

Rules.
1. Pure: no I/O, no clock, no randomness. Time arrives in events; what looks like chance (jitter) is a function of the run's seed and the place.
2. One event, one record, bounded work. What an event makes ready goes on the agenda and is worked off before `handle` returns.
3. An event of a place that is closed, or of an attempt that is over, is *late*: it is ignored and counted, only its costs are charged. An event that no
   driver may send is *impossible*: it raises before anything has changed, and halts the run.
4. Transitions are rows of the tables in `table.py`; a handler picks among the successors of its row.
5. Ties break on `(time, rank, run, place, attempt, dispatch)`, by whoever feeds the kernel.

So state is the fold of the events, resume is replay, and a test is a list of events.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from orchspec.runtime.kernel.arbitration import ArbitrateOp
from orchspec.runtime.kernel.budget import Account
from orchspec.runtime.kernel.commands import ArmTimer, Command, DropTimer, EndRun, ReleaseGrant
from orchspec.runtime.kernel.effects import Applying, Unwinding
from orchspec.runtime.kernel.events import (
    CancelRequested,
    CostReported,
    EffectClaimed,
    EffectConfirmed,
    EffectRefused,
    EffectUnknown,
    EngineRecovered,
    Event,
    QuestionAnswered,
    ReuseAnswered,
    RunStarted,
    TaskEnrolled,
    TaskFailed,
    TaskFulfilled,
    TaskStopped,
    TimerFired,
)
from orchspec.runtime.kernel.frames import Activity, Failure, Frame
from orchspec.runtime.kernel.program import Program, program_of
from orchspec.runtime.kernel.regions import Region
from orchspec.runtime.kernel.table import (
    CLOSED,
    EFFECT_TABLE,
    REGION_TABLE,
    STATE_NAMES,
    TASK_TABLE,
    ImpossibleEvent,
    Table,
)
from orchspec.runtime.kernel.tasks import Stopping, Task, spent
from orchspec.runtime.kernel.values import InvalidValue, Unverified

if TYPE_CHECKING:
    from orchspec.compiler.plan import Plan

__all__ = ["KERNEL_VERSION", "Kernel"]

KERNEL_VERSION: Final = 1
"""Pinned in every RunStarted: a journal is folded by the kernel that wrote it, or by one that proves that it folds it the same way."""

assert ArbitrateOp  # importing it registers it


class Kernel:
    """One run of a plan. `handle` is all there is to it; the rest is for looking.

    Attributes:
        places: What stands at each place; index 0 is the run itself (None).
        decided: What the last `handle` decided, as [what, detail] pairs, for the record.
        ignored: How many late events there were.
        steps: Tasks fulfilled, effects confirmed and arbitrations decided so far.
        stuck: What could not be undone: [path, why] pairs.
        status: None while it runs; then as in EndRun.
    """

    __slots__ = (
        "account",
        "agenda",
        "decided",
        "deadline_us",
        "flow",
        "histories",
        "ignored",
        "intents",
        "now",
        "out",
        "outcome",
        "places",
        "program",
        "reached",
        "room",
        "root",
        "root_key",
        "run",
        "status",
        "steps",
        "stopping",
        "stuck",
        "tasks_open",
        "tool_calls",
        "unfunded",
        "zombies",
    )

    def __init__(self, plan: Plan, run: str = "run") -> None:
        self.program: Program = program_of(plan)
        self.run = run
        self.now = 0
        self.out: list[Command] = []
        self.decided: list[list[str | None]] = []
        self.agenda: deque[tuple[Any, Any]] = deque()
        self.places: list[Activity | None] = [None]
        self.histories: dict[str, list[Any]] = {}
        self.unfunded: list[Task] = []
        self.stopping: dict[tuple[int, int], Stopping] = {}
        self.root: Frame | None = None
        self.account: Account | None = None
        self.root_key = 0
        self.flow = ""
        self.deadline_us: int | None = None
        self.outcome: tuple[str, Any, dict[str, Any] | None] | None = None
        self.status: str | None = None
        self.reached: list[str] = []
        self.stuck: list[list[str]] = []
        self.room = False
        self.ignored = 0
        self.steps = 0
        self.tasks_open = 0
        self.tool_calls = 0
        self.intents = 0
        self.zombies = 0

    # -------------------------------------------------------------- the one way in

    def handle(self, event: Event) -> list[Command]:
        """Take one event and return the commands it causes, in order.

        Raises ImpossibleEvent, with nothing changed, for an event that no driver may send.
        """
        handler = _HANDLERS[type(event)]
        self.now = event.time
        self.out = out = []
        self.decided = []
        if self.status is not None:
            self.ignore()
            return out
        handler(self, event)
        agenda = self.agenda
        while agenda or (self.room and self.unfunded):
            while agenda:
                target, op = agenda.popleft()
                if op is None:
                    target.go_on()
                elif target.failing is None:
                    op.start(target)
            if self.room and self.unfunded:
                self.room = False
                for task in list(self.unfunded):
                    task.refund()
        self.room = False
        if self.outcome is not None and not self.stopping:
            self._end()
        return out

    # -------------------------------------------------------------- for those inside

    def decide(self, what: str, detail: str | None) -> None:
        """Note a decision for the record of the event that is being handled."""
        self.decided.append([what, detail])

    def ignore(self) -> None:
        """Note that the event is late."""
        self.ignored += 1
        self.decided.append(["ignored", None])

    def resume(self, target: Any) -> None:
        """Call `target.go_on()` from the agenda, so that chains don't recurse."""
        self.agenda.append((target, None))

    def stick(self, path: str, why: str) -> None:
        """Name what cannot be undone."""
        self.stuck.append([path, why])
        self.decide("stuck", f"{path}: {why}")

    def unwind(self, frame: Frame) -> None:
        """Undo what a discarded frame did, then tell it."""
        if not frame.effects:
            frame.unwound()
            return
        unwinding = Unwinding(frame)
        frame.unwinding = unwinding
        self.resume(unwinding)

    # -------------------------------------------------------------- the run as a host

    def frame_done(self, frame: Frame) -> None:
        """The flow returned; the run ends when everything it started has settled."""
        flow = self.program.flows[self.flow]
        self.outcome = ("completed", flow.codec.encode_result(frame.value), None)

    def frame_failed(self, frame: Frame, failure: Failure) -> None:
        """The flow failed and has unwound."""
        status = {"cancelled": "cancelled", "budget_exhausted": "budget_exhausted"}.get(failure.code, "failed")
        error = failure.as_json()
        if self.stuck:
            names = ", ".join(path for path, _ in self.stuck)
            error["message"] = f"{error['message']}; could not be undone: {names}"
        self.outcome = (status, None, error)

    def _end(self) -> None:
        assert self.outcome is not None
        self.status, result, error = self.outcome
        if self.deadline_us is not None:
            self.out.append(DropTimer(0, "time"))
        self.decide(self.status, error["code"] if error is not None else None)
        self.out.append(EndRun(0, self.status, result, error))

    # -------------------------------------------------------------- events of the run

    def _run_started(self, event: RunStarted) -> None:
        if self.root is not None:
            raise ImpossibleEvent(f"run {self.run} was started twice")
        flow = self.program.flows.get(event.flow)
        if flow is None:
            raise ImpossibleEvent(f"run {self.run} asks for the flow {event.flow!r}, which its plan does not have")
        self.flow = event.flow
        self.root_key = event.seed
        account = Account(flow.budget, None, None, flow.economy)
        root = Frame(self, flow.block, self, None, account, None, 1, "")
        account.frame = root
        self.account = account
        self.root = root
        try:
            values = flow.codec.decode_inputs(event.inputs)
        except (InvalidValue, Unverified) as error:
            root.fail(Failure("bad_input", str(error)))
            return
        root.values[: len(values)] = values
        if flow.budget.time_us is not None:
            self.deadline_us = event.time + flow.budget.time_us
            self.out.append(ArmTimer(0, "time", self.deadline_us))
        root.start()

    def _cancel_requested(self, event: CancelRequested) -> None:
        if self.root is None:
            raise ImpossibleEvent(f"run {self.run} was cancelled before it started")
        if self.root.failing is not None or self.outcome is not None:
            self.ignore()
            return
        self.decide("cancelled", event.reason)
        self.root.fail(Failure("cancelled", event.reason))

    def _engine_recovered(self, event: EngineRecovered) -> None:
        if self.root is None:
            raise ImpossibleEvent(f"run {self.run} was recovered before it started")
        self.decide("recovered", str(event.epoch))
        if self.deadline_us is not None:
            self.out.append(ArmTimer(0, "time", self.deadline_us))
        # What was stopping died with its engine: nobody will say that it has stopped.
        for key in sorted(self.stopping):
            self._stopped(self.stopping.pop(key), key)
        for activity in self.places[1:]:
            if activity is not None and activity.state != CLOSED:
                activity.reissue()

    def _timer_fired(self, event: TimerFired) -> None:
        if event.place == 0:
            assert self.root is not None
            if self.root.failing is None and self.outcome is None:
                self.root.fail(Failure("budget_exhausted", "the run used up its time budget"))
            else:
                self.ignore()
            return
        if event.timer.startswith("grace:"):
            stopping = self.stopping.pop((event.place, event.attempt), None)
            if stopping is None:
                self.ignore()
                return
            self.zombies += 1
            self.decide("zombie", stopping.agent)
            self._stopped(stopping, (event.place, event.attempt), timer=False)
            return
        activity = self._at(event)
        if isinstance(activity, Task):
            if event.timer != "within" and event.attempt != activity.attempt:
                self.ignore()
                return
            self._task(activity, event, TASK_TABLE, activity.timer)
        elif isinstance(activity, Applying):
            if event.attempt != activity.attempt:
                self.ignore()
                return
            self._task(activity, event, EFFECT_TABLE, activity.timer)
        elif isinstance(activity, Region):
            self._task(activity, event, REGION_TABLE, activity.timer)
        else:
            raise ImpossibleEvent(f"nothing at {activity.path()} has a timer")

    # -------------------------------------------------------------- events of tasks and effects

    def _at(self, event: Event) -> Activity:
        place = event.place
        if not 0 < place < len(self.places):
            raise ImpossibleEvent(f"{type(event).__name__} for place {place}, which run {self.run} does not have")
        activity = self.places[place]
        assert activity is not None
        return activity

    def _task(self, activity: Any, event: Event, table: Table, handler: Callable[[Any], None]) -> None:
        state = activity.state
        if state == CLOSED:
            self.ignore()
            return
        row = table.get((state, type(event)))
        if row is None:
            raise ImpossibleEvent(f"{type(event).__name__} at {activity.path()} while it is {STATE_NAMES[state]}")
        handler(event)
        assert activity.state in row, (activity.path(), event, activity.state)

    def _task_at(self, event: Event) -> Task:
        activity = self._at(event)
        if not isinstance(activity, Task):
            raise ImpossibleEvent(f"{type(event).__name__} at {activity.path()}, where no task stands")
        return activity

    def _effect_at(self, event: Event) -> Applying:
        activity = self._at(event)
        if not isinstance(activity, Applying):
            raise ImpossibleEvent(f"{type(event).__name__} at {activity.path()}, where no effect stands")
        return activity

    def _task_enrolled(self, event: TaskEnrolled) -> None:
        task = self._task_at(event)
        if event.attempt != task.attempt:
            self.ignore()
            return
        self._task(task, event, TASK_TABLE, task.enrolled)

    def _task_fulfilled(self, event: TaskFulfilled) -> None:
        task = self._task_at(event)
        if self._is_current(task, event):
            self._task(task, event, TASK_TABLE, task.fulfilled)

    def _task_failed(self, event: TaskFailed) -> None:
        task = self._task_at(event)
        if self._is_current(task, event):
            self._task(task, event, TASK_TABLE, task.failed)

    def _question_answered(self, event: QuestionAnswered) -> None:
        task = self._task_at(event)
        if event.attempt != task.attempt:
            self.ignore()
            return
        self._task(task, event, TASK_TABLE, task.answered)

    def _reuse_answered(self, event: ReuseAnswered) -> None:
        task = self._task_at(event)
        self._task(task, event, TASK_TABLE, task.reuse_answered)

    def _is_current(self, task: Task, event: TaskFulfilled | TaskFailed) -> bool:
        """Whether an outcome counts; that of an attempt that is over only costs."""
        stopping = self.stopping.pop((event.place, event.attempt), None)
        if stopping is not None:
            self.ignore()
            self._late_cost(stopping, event)
            self._stopped(stopping, (event.place, event.attempt))
            return False
        if task.state != CLOSED and event.attempt == task.attempt and event.dispatch == task.dispatch:
            return True
        self.ignore()
        if task.tier is not None and not (event.tokens_in is None and event.tokens_out is None and event.cost_pico is None):
            pico, tokens, _ = spent(task.tier, 0, 0, event.tokens_in, event.tokens_out, event.cost_pico)
            task.account.charge(pico, tokens)
        return False

    def _cost_reported(self, event: CostReported) -> None:
        stopping = self.stopping.get((event.place, event.attempt))
        if stopping is not None:
            self._late_cost(stopping, event)
            return
        task = self._task_at(event)
        if task.tier is not None:
            pico, tokens, _ = spent(task.tier, 0, 0, event.tokens_in, event.tokens_out, event.cost_pico)
            task.account.charge(pico, tokens)
            task.account.waste(pico)

    def _late_cost(self, stopping: Stopping, event: CostReported | TaskFulfilled | TaskFailed) -> None:
        if stopping.reported or (event.tokens_in is None and event.tokens_out is None and event.cost_pico is None):
            return
        stopping.reported = True
        pico, tokens, _ = spent(
            stopping.tier, stopping.pico, stopping.tokens, event.tokens_in, event.tokens_out, event.cost_pico
        )
        stopping.task.account.settle(stopping.pico, stopping.tokens, pico, tokens)
        stopping.task.account.waste(pico)
        self.room = True

    def _task_stopped(self, event: TaskStopped) -> None:
        stopping = self.stopping.pop((event.place, event.attempt), None)
        if stopping is None:
            self._task_at(event)
            self.ignore()
            return
        self._stopped(stopping, (event.place, event.attempt))

    def _stopped(self, stopping: Stopping, key: tuple[int, int], *, timer: bool = True) -> None:
        place, attempt = key
        if not stopping.reported:
            # Nobody said what it cost: it may have cost all that it was allowed to.
            account = stopping.task.account
            pico, tokens, estimated = spent(stopping.tier, stopping.pico, stopping.tokens, None, None, None)
            account.settle(stopping.pico, stopping.tokens, pico, tokens)
            account.waste(pico)
            if estimated:
                account.estimate(pico)
            self.room = True
        if timer:
            self.out.append(DropTimer(place, f"grace:{attempt}"))
        self.out.append(ReleaseGrant(place, attempt, stopping.outcome))

    def _effect_claimed(self, event: EffectClaimed) -> None:
        effect = self._effect_at(event)
        self._task(effect, event, EFFECT_TABLE, effect.claimed)

    def _effect_confirmed(self, event: EffectConfirmed) -> None:
        effect = self._effect_at(event)
        self._task(effect, event, EFFECT_TABLE, effect.confirmed)

    def _effect_refused(self, event: EffectRefused) -> None:
        # A refusal of an earlier send says nothing about the one that is under way.
        effect = self._effect_at(event)
        if event.attempt != effect.attempt or event.dispatch != effect.dispatch:
            self.ignore()
            return
        self._task(effect, event, EFFECT_TABLE, effect.refused)

    def _effect_unknown(self, event: EffectUnknown) -> None:
        effect = self._effect_at(event)
        if event.attempt != effect.attempt or event.dispatch != effect.dispatch:
            self.ignore()
            return
        self._task(effect, event, EFFECT_TABLE, effect.unknown)

    # -------------------------------------------------------------- for looking

    def path(self, place: int) -> str:
        """The path of a place; empty for the run itself."""
        activity = self.places[place]
        return activity.path() if activity is not None else ""

    def draw_key(self, place: int) -> int:
        """The place as a 64-bit number for draws."""
        activity = self.places[place]
        return activity.key() if activity is not None else self.root_key

    def open_places(self) -> list[int]:
        """The places where something is under way, ascending."""
        return [place for place, activity in enumerate(self.places) if activity is not None and activity.state != CLOSED]

    def quiet(self) -> bool:
        """Whether nothing is under way: the run has ended, or has not begun."""
        return self.root is None or self.status is not None


_HANDLERS: dict[type, Callable[[Kernel, Any], None]] = {
    RunStarted: Kernel._run_started,
    CancelRequested: Kernel._cancel_requested,
    EngineRecovered: Kernel._engine_recovered,
    TimerFired: Kernel._timer_fired,
    TaskEnrolled: Kernel._task_enrolled,
    TaskFulfilled: Kernel._task_fulfilled,
    TaskFailed: Kernel._task_failed,
    TaskStopped: Kernel._task_stopped,
    CostReported: Kernel._cost_reported,
    QuestionAnswered: Kernel._question_answered,
    ReuseAnswered: Kernel._reuse_answered,
    EffectClaimed: Kernel._effect_claimed,
    EffectConfirmed: Kernel._effect_confirmed,
    EffectRefused: Kernel._effect_refused,
    EffectUnknown: Kernel._effect_unknown,
}
