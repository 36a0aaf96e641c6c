"""How long each single thing was waited for, held against what the plan and the profiles say of it.

An attempt ends with its deadline, a rest with its backoff, a grant comes as soon as nothing stands in its way, a timer
fires when it is due. What each kind of wait may take is a function under `@bounded`; a wait without one is bounded by
what is waited for there. Only time after the last fault counts, and not where a fault struck what was waited for.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from orchspec.runtime.kernel import commands as said
from orchspec.runtime.kernel import events
from orchspec.runtime.kernel.commands import HoldGrant, ReleaseGrant, RequestGrant
from orchspec.runtime.kernel.deeds import Deed
from orchspec.runtime.kernel.seeking import Seeking
from orchspec.runtime.kernel.table import CLOSED
from orchspec.simulator.checkers.turns import Turns
from orchspec.simulator.checkers.violation import Violation

if TYPE_CHECKING:
    from orchspec.compiler.plan import Backoff, Plan
    from orchspec.runtime.recording import EventRecord
    from orchspec.simulator.chaos.chronicle import Chronicle
    from orchspec.simulator.chaos.proven import Proven

__all__ = ["Held", "in_words", "waits_of"]

SECOND: Final = 1_000_000
_SLACK_US: Final = SECOND
"""What commits and instants may add to any wait."""
_SLOW_STORE_US: Final = 60 * SECOND
"""The same where the profile of the orchestrator has no upper end."""
_GRACE_US: Final = 10 * SECOND
_RESEND: Final = (1 * SECOND, 60 * SECOND)
"""How something in doubt is sent again where no backoff says how."""
_DOUBLINGS_MAX: Final = 40
_AT_ONCE: Final = "with no fault any more, and its slots, rate and breaker allow it at once"


@dataclass(slots=True)
class Wait:
    """Something that is waited for.

    Attributes:
        what: in words, to follow the path of the place.
        since_us: from when on.
        most_us: for how long at most, and `by` what that is said.
        profiled: whether it is a profile that says so, not the plan.
    """

    attempt: int
    what: str
    since_us: int
    most_us: float
    by: str
    profiled: bool = False


@dataclass(slots=True)
class Held:
    """What came of holding all waits of a chronicle to their bounds.

    Attributes:
        broken: the waits that took too long.
        struck_us: until when something was waited for that a fault had struck, and that no deadline ends.
        unbounded: what has no bound, with why, by the words for it.
    """

    broken: list[Violation] = field(default_factory=list)
    struck_us: int = 0
    unbounded: dict[str, str] = field(default_factory=dict)


BOUNDED: Final[dict[type, Callable[[Any, Proven, EventRecord, Any], Wait | None]]] = {}
"""What a command that begins a wait waits for, by its type: from plan, what is proved, record and command."""
_ENDS: Final[dict[type, str]] = {
    events.TaskFulfilled: "attempt",
    events.TaskFailed: "attempt",
    events.QuestionAnswered: "attempt",
    events.EffectConfirmed: "attempt",
    events.EffectRefused: "attempt",
    events.EffectUnknown: "attempt",
    events.EffectChecked: "attempt",
    events.SignalReceived: "attempt",
    events.TaskStopped: "stop",
}
"""Which wait of its place an event ends."""


def bounded(command: type) -> Callable[[Any], Any]:
    """Registers what a command waits for."""

    def register(function: Any) -> Any:
        BOUNDED[command] = function
        return function

    return register


# ------------------------------------------------------------------ what each may take


def _answer(proven: Proven, name: str, command: Any, at_us: int, timeout_us: int | None, what: str) -> Wait:
    """The answer of somebody outside: within its deadline, else as long as the profile says."""
    if timeout_us is not None:
        return Wait(getattr(command, "attempt", 0), what, at_us, timeout_us, "its timeout")
    usual_us = proven.usual_us.get(name, math.inf)
    return Wait(getattr(command, "attempt", 0), what, at_us, usual_us, f"the profile of {name}", profiled=True)


@bounded(said.RunTask)
@bounded(said.AskPerson)
def _attempt(_plan: Plan, proven: Proven, record: EventRecord, command: Any) -> Wait | None:
    task = record.kernel.places[command.place]
    if not isinstance(task, Seeking):
        return None
    timeouts = [seat.timeout_us for seat in task.asking.seats if seat.agent == command.agent]
    what = f"attempt {command.attempt} by {command.agent}"
    return _answer(proven, command.agent, command, record.event.time, timeouts[0] if timeouts else None, what)


@bounded(said.TryEffect)
def _send(_plan: Plan, proven: Proven, record: EventRecord, command: Any) -> Wait | None:
    deed = record.kernel.places[command.place]
    timeout_us = deed.policy.timeout_us if isinstance(deed, Deed) else None
    return _answer(proven, command.effect, command, record.event.time, timeout_us, f"the reply of {command.effect}")


@bounded(said.CheckEffect)
def _check(plan: Plan, proven: Proven, record: EventRecord, command: Any) -> Wait | None:
    timeout_us = plan.effects[command.check].policy.timeout_us
    return _answer(proven, command.check, command, record.event.time, timeout_us, f"the check {command.check}")


@bounded(said.AwaitSignal)
def _signal(_plan: Plan, proven: Proven, record: EventRecord, command: Any) -> Wait | None:
    return _answer(proven, command.signal, command, record.event.time, None, f"the signal {command.signal}")


@bounded(said.StopTask)
def _stop(_plan: Plan, _proven: Proven, record: EventRecord, command: Any) -> Wait | None:
    if command.person:
        return None
    return Wait(command.attempt, f"the end of attempt {command.attempt}", record.event.time, _GRACE_US, "the grace")


@bounded(said.ArmTimer)
def _timer(plan: Plan, _proven: Proven, record: EventRecord, command: Any) -> Wait | None:
    at_us, timer = record.event.time, command.timer
    due_us = max(0, command.at_us - at_us)
    found = Wait(command.attempt, f"the timer {timer}", at_us, due_us, "when it was due")
    if timer == "backoff":
        found.what, found.by = f"the rest before attempt {command.attempt}", "its backoff"
        found.most_us = min(due_us, _rest_us(record, command))
    elif timer == "settle":
        found.what, found.by = "the rest of what is in doubt", "backoff and `settles`"
        found.most_us = min(due_us, _doubt_us(plan, record, command))
    return found


def _rest_us(record: EventRecord, command: Any) -> float:
    """The longest backoff of whoever may be asked."""
    activity: Any = record.kernel.places[command.place]
    if isinstance(activity, Seeking):
        rests = [seat.backoff for seat in activity.asking.seats]
    else:
        policy = getattr(activity, "policy", None)
        rests = [policy.backoff if policy is not None else None]
    return max((_doubled_us(each, command.attempt - 1) for each in rests), default=0)


def _doubled_us(backoff: Backoff | None, retry: int) -> int:
    if backoff is None:
        return 0
    return min(backoff.from_us << min(max(0, retry - 1), _DOUBLINGS_MAX), max(backoff.from_us, backoff.to_us))


def _doubt_us(plan: Plan, record: EventRecord, command: Any) -> float:
    deed = record.kernel.places[command.place]
    if not isinstance(deed, Deed):
        return math.inf
    effect = plan.effects[deed.effect.name]
    backoffs = [deed.policy.backoff]
    if effect.check is not None:
        backoffs.append(plan.effects[effect.check.effect].policy.backoff)
    rest_us = max(
        min(_RESEND[0] << min(max(0, command.attempt - 2), _DOUBLINGS_MAX), _RESEND[1])
        if each is None
        else _doubled_us(each, command.attempt - 1)
        for each in backoffs
    )
    return max(rest_us, effect.settles_us + (deed.policy.timeout_us or 0))


# ------------------------------------------------------------------ holding them


def waits_of(chronicle: Chronicle) -> Held:
    """Hold every wait of a chronicle to its bound, as far as it fell after the last fault."""
    return _Holding(chronicle).all()


class _Holding:
    """One reading of all durable records, in the order of their commits."""

    def __init__(self, chronicle: Chronicle) -> None:
        assert chronicle.proven is not None
        assert chronicle.quiet_us is not None
        self._chronicle = chronicle
        self._proven: Proven = chronicle.proven
        self._quiet_us = chronicle.quiet_us
        write_us = chronicle.proven.write_us
        self._slack_us = _SLACK_US + (4 * write_us if write_us < math.inf else _SLOW_STORE_US)
        self._open: dict[tuple[str, int, str], Wait] = {}
        self._turns = Turns.of(chronicle.plan)
        self._reopened_us = list(reversed(chronicle.reopened_us))
        # On a clock that was set, nobody outside can say when tokens came.
        self._counts = not any(fault.name in ("skew", "jump") for fault in chronicle.faults)
        self._floors: dict[tuple[str, int, int], int] = {}
        self._epoch = 1
        self.held = Held()

    def all(self) -> Held:
        """Read it."""
        at_us = 0
        for _, record in self._chronicle.order:
            if record.time_us > at_us:
                if self._turns.waiting:
                    self._turns.look(at_us)
                at_us = record.time_us
            self._read(record)
        self._turns.look(at_us)
        self._end()
        return self.held

    def _read(self, record: EventRecord) -> None:
        event, run = record.event, record.run
        if isinstance(event, events.EngineRecovered):
            if event.epoch != self._epoch:
                self._epoch = event.epoch
                self._reopen(event.time)
                self._turns.crash(event.time)
                self._open.clear()
        elif isinstance(event, events.RunStarted):
            self._reopen(event.time)
        elif isinstance(event, events.TimerFired):
            self._close(record, event.timer, event.attempt)
            if event.timer == "attempt":
                self._close(record, "attempt.", event.attempt)
            elif event.timer.startswith("grace:"):
                self._close(record, "stop.", event.attempt)
        elif isinstance(event, events.TaskEnrolled):
            key = (run, event.place, event.attempt)
            waited = self._turns.grant(key, event.agent, event.time)
            if waited is not None and waited.free_us is not None:
                self._served(record, event.agent, waited.free_us)
        elif type(event) in _ENDS and not any(what == "ignored" for what, _ in record.decided):
            # Whichever send did it, an effect that is done waits for no reply any more.
            attempt = 0 if isinstance(event, events.EffectConfirmed) else event.attempt
            self._close(record, f"{_ENDS[type(event)]}.", attempt)
        for command in record.commands:
            self._command(record, command)

    def _reopen(self, at_us: int) -> None:
        """A crash that no run lived through is in no journal: there nobody was, and tokens begin anew."""
        while self._reopened_us and self._reopened_us[-1] <= at_us:
            self._turns.crash(self._reopened_us.pop())

    def _command(self, record: EventRecord, command: Any) -> None:
        run, now = record.run, record.event.time
        kind = type(command)
        if kind is RequestGrant:
            self._turns.ask((run, command.place, command.attempt), command, now)
        elif kind is ReleaseGrant:
            self._turns.release((run, command.place, command.attempt), command.outcome, now)
        elif kind is HoldGrant:
            self._turns.hold((run, command.place, command.attempt), command)
        elif kind is said.DropTimer:
            self._open.pop((run, command.place, command.timer), None)
        elif kind is said.WithdrawSignal:
            self._open.pop((run, command.place, "attempt."), None)
        elif kind is said.EndRun:
            for key in [key for key in self._open if key[0] == run]:
                del self._open[key]
        elif kind in BOUNDED:
            self._begin(record, command)

    def _begin(self, record: EventRecord, command: Any) -> None:
        kind = type(command)
        name = "attempt."
        if kind is said.ArmTimer:
            name = command.timer
        elif kind is said.StopTask:
            self._close(record, "attempt.", command.attempt, place=command.place)
            name = "stop."
        wait = BOUNDED[kind](self._chronicle.plan, self._proven, record, command)
        if wait is None:
            return
        if wait.most_us == math.inf:
            self.held.unbounded.setdefault(wait.what, f"nothing bounds it: {wait.by} has no upper end")
        if name == "backoff":
            self._asked_for(record, command, wait)
        self._open[record.run, command.place, name] = wait

    def _asked_for(self, record: EventRecord, command: Any, wait: Wait) -> None:
        """A rest that the other side asked for is no shorter after a crash, and is none of ours."""
        where = record.run, command.place, command.attempt
        if getattr(record.event, "retry_after_us", 0):
            self._floors[where] = command.at_us
        floor_us = self._floors.get(where)
        if floor_us is not None:
            wait.most_us = max(wait.most_us, floor_us - wait.since_us)
            self.held.struck_us = max(self.held.struck_us, floor_us)

    def _close(self, record: EventRecord, name: str, attempt: int, place: int | None = None) -> None:
        at = record.event.place if place is None else place
        wait = self._open.get((record.run, at, name))
        if wait is None or (wait.attempt and attempt and wait.attempt != attempt):
            return
        del self._open[record.run, at, name]
        self._held(record, at, name, wait, record.event.time)

    def _held(self, record: EventRecord, place: int, name: str, wait: Wait, until_us: int) -> None:
        took_us = until_us - max(wait.since_us, self._quiet_us)
        if took_us <= wait.most_us + self._slack_us:
            return
        struck = self._chronicle.at_keys.get(record.kernel.draw_key(place), ())
        if struck and (wait.profiled or any(fault.startswith("timer_") for fault in struck)):
            self.held.struck_us = max(self.held.struck_us, until_us)
            return
        most = f"and {wait.by} allows {in_words(wait.most_us)}"
        self._tell(record, place, f"{wait.what} took {in_words(took_us)} with no fault any more, {most}")

    def _served(self, record: EventRecord, name: str, free_us: int) -> None:
        took_us = record.event.time - max(free_us, self._quiet_us)
        if took_us > self._slack_us and self._counts:
            said = f"{name} was free and granted {in_words(took_us)} later"
            self._tell(record, record.event.place, f"{said}, {_AT_ONCE}")

    def _tell(self, record: EventRecord, place: int, what: str) -> None:
        kernel = record.kernel
        path = kernel.path(place) or "the run"
        activity = kernel.places[place] if place else None
        node = activity.op.node if activity is not None else None
        self.held.broken.append(Violation("L1", f"{path}: {what}", record.run, record.seq, path, node))

    def _end(self) -> None:
        """What is still waited for by runs that have not ended."""
        chronicle = self._chronicle
        last = {record.run: record for _, record in chronicle.order}
        for (run, place, name), wait in self._open.items():
            if chronicle.runs[run].status is not None or run in chronicle.halted:
                continue
            activity = last[run].kernel.places[place] if place else None
            if activity is None or activity.state != CLOSED:
                self._held(last[run], place, name, wait, chronicle.ended_us)
        for (run, place, _), each in self._turns.waiting.items():
            if chronicle.runs[run].status is None and each.free_us is not None and run in last:
                took_us = chronicle.ended_us - max(each.free_us, self._quiet_us)
                if took_us > self._slack_us and self._counts:
                    names = " or ".join(each.command.candidates)
                    self._tell(last[run], place, f"{names} is free and not granted for {in_words(took_us)}, {_AT_ONCE}")


def in_words(us: float) -> str:
    """A time as people read it."""
    if us == math.inf:
        return "for ever"
    for size, name, lesser, short in ((86_400, "d", 3_600, "h"), (3_600, "h", 60, "min"), (60, "min", 1, "s")):
        if us >= 2 * size * SECOND:
            whole, rest = divmod(round(us / SECOND), size)
            return f"{whole} {name}" + (f" {rest // lesser} {short}" if rest // lesser else "")
    return f"{us / SECOND:.3g} s"
