"""How long each single thing was waited for, held against what the plan and the profiles say of it.

An attempt ends with its deadline, a rest with its backoff, a timer fires when it is due (`waits`), and a grant comes as
soon as nothing stands in its way (`turns`). Only time after the last fault counts, and not where a fault struck what
was waited for.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from orchspec.runtime.kernel import commands as said
from orchspec.runtime.kernel import events
from orchspec.runtime.kernel.commands import HoldGrant, ReleaseGrant, RequestGrant
from orchspec.runtime.kernel.seeking import Seeking
from orchspec.runtime.kernel.table import CLOSED
from orchspec.simulator.chaos.told import was_ignored
from orchspec.simulator.checkers.turns import Turns
from orchspec.simulator.checkers.violation import Violation
from orchspec.simulator.checkers.waits import BOUNDED, Wait, in_words

if TYPE_CHECKING:
    from orchspec.runtime.recording import EventRecord
    from orchspec.simulator.chaos.proven import Proven
    from orchspec.simulator.chaos.told import Chronicle

__all__ = ["Held", "waits_of"]

SECOND: Final = 1_000_000
_SLACK_US: Final = SECOND
"""What commits and instants may add to any wait."""
_SLOW_STORE_US: Final = 60 * SECOND
"""The same where the profile of the orchestrator has no upper end."""
_AT_ONCE: Final = "with no fault any more, and its slots, rate and breaker allow it at once"
_ENDS: Final[dict[type, str]] = {
    events.TaskFulfilled: "attempt.",
    events.TaskFailed: "attempt.",
    events.QuestionAnswered: "attempt.",
    events.EffectConfirmed: "attempt.",
    events.EffectRefused: "attempt.",
    events.EffectUnknown: "attempt.",
    events.EffectChecked: "attempt.",
    events.SignalReceived: "attempt.",
    events.TaskStopped: "stop.",
}
"""Which wait of its place an event ends."""


@dataclass(slots=True)
class Held:
    """What came of holding all waits of a chronicle to their bounds.

    Attributes:
        broken: the waits that took too long.
        struck_us: until when something was waited for that a fault had struck, and that no deadline ends.
    """

    broken: list[Violation] = field(default_factory=list)
    struck_us: int = 0


def waits_of(chronicle: Chronicle) -> Held:
    """Hold every wait of a chronicle to its bound, as far as it fell after the last fault."""
    return _Holding(chronicle).all()


_Opened = tuple["EventRecord", Any]
"""The command with which a wait began, and its record; what it may take is asked for only where it took long."""


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
        self._open: dict[tuple[str, int, str], _Opened] = {}
        self._rests: dict[int, Wait] = {}
        self._turns = Turns.of(chronicle.plan)
        self._reopened_us = list(reversed(chronicle.reopened_us))
        # On a clock that was set, nobody outside can say when tokens came.
        self._counts = not any(fault.name in ("skew", "jump") for fault in chronicle.faults)
        self._floors: dict[tuple[str, int, int], int] = {}
        self._epoch = 1
        self.held = Held()
        self._happened: dict[type, Callable[[EventRecord, Any], None]] = {
            events.EngineRecovered: self._recovered,
            events.RunStarted: self._started,
            events.TimerFired: self._fired,
            events.TaskEnrolled: self._granted,
            **dict.fromkeys(_ENDS, self._ended),
        }
        self._commanded: dict[type, Callable[[EventRecord, Any], None]] = {
            **dict.fromkeys(BOUNDED, self._begin),
            RequestGrant: self._ask,
            ReleaseGrant: self._release,
            HoldGrant: self._hold,
            said.DropTimer: self._drop,
            said.WithdrawSignal: self._withdraw,
            said.EndRun: self._leave,
        }

    def all(self) -> Held:
        """Read it."""
        at_us = 0
        over = self._over()
        happened, commanded = self._happened.get, self._commanded.get
        for record in self._chronicle.order:
            if record.run in over:
                continue
            if record.time_us > at_us:
                if self._turns.waiting:
                    self._turns.look(at_us)
                at_us = record.time_us
            act = happened(type(record.event))
            if act is not None:
                act(record, record.event)
            for command in record.commands:
                act = commanded(type(command))
                if act is not None:
                    act(record, command)
        self._turns.look(at_us)
        self._end()
        return self.held

    def _over(self) -> set[str]:
        """Runs that had ended before the last fault was over: nothing of theirs counts, unless pools remember it."""
        if self._turns.remembers:
            return set()
        told = self._chronicle.runs.values()
        return {each.run for each in told if each.status is not None and each.records[-1].time_us < self._quiet_us}

    # -------------------------------------------------------------- what happened

    def _recovered(self, _record: EventRecord, event: events.EngineRecovered) -> None:
        if event.epoch != self._epoch:
            self._epoch = event.epoch
            self._reopen(event.time)
            self._turns.crash(event.time)
            self._open.clear()

    def _started(self, _record: EventRecord, event: events.RunStarted) -> None:
        self._reopen(event.time)

    def _reopen(self, at_us: int) -> None:
        """A crash that no run lived through is in no journal: there nobody was, and tokens begin anew."""
        while self._reopened_us and self._reopened_us[-1] <= at_us:
            self._turns.crash(self._reopened_us.pop())

    def _fired(self, record: EventRecord, event: events.TimerFired) -> None:
        self._close(record, event.place, event.timer, event.attempt)
        if event.timer == "attempt":
            self._close(record, event.place, "attempt.", event.attempt)
        elif event.timer.startswith("grace:"):
            self._close(record, event.place, "stop.", event.attempt)

    def _granted(self, record: EventRecord, event: events.TaskEnrolled) -> None:
        waited = self._turns.grant((record.run, event.place, event.attempt), event.agent, event.time)
        if waited is not None and waited.free_us is not None:
            self._served(record, event.agent, waited.free_us)

    def _ended(self, record: EventRecord, event: Any) -> None:
        if was_ignored(record):
            return
        # Whichever send did it, an effect that is done waits for no reply any more.
        attempt = 0 if isinstance(event, events.EffectConfirmed) else event.attempt
        self._close(record, event.place, _ENDS[type(event)], attempt)

    # -------------------------------------------------------------- what was commanded

    def _ask(self, record: EventRecord, command: RequestGrant) -> None:
        self._turns.ask((record.run, command.place, command.attempt), command)

    def _release(self, record: EventRecord, command: ReleaseGrant) -> None:
        self._turns.release((record.run, command.place, command.attempt), command.outcome, record.event.time)

    def _hold(self, record: EventRecord, command: HoldGrant) -> None:
        self._turns.hold((record.run, command.place, command.attempt), command)

    def _drop(self, record: EventRecord, command: said.DropTimer) -> None:
        self._open.pop((record.run, command.place, command.timer), None)

    def _withdraw(self, record: EventRecord, command: said.WithdrawSignal) -> None:
        self._open.pop((record.run, command.place, "attempt."), None)

    def _leave(self, record: EventRecord, _command: said.EndRun) -> None:
        for key in [key for key in self._open if key[0] == record.run]:
            del self._open[key]

    def _begin(self, record: EventRecord, command: Any) -> None:
        kind = type(command)
        name = "attempt."
        if kind is said.ArmTimer:
            name = command.timer
            if name == "backoff":
                self._asked_for(record, command)
        elif kind is said.StopTask:
            self._close(record, command.place, "attempt.", command.attempt)
            name = "stop."
            if command.person:
                return
        elif kind is said.AskPerson and not isinstance(record.kernel.places[command.place], Seeking):
            return
        self._open[record.run, command.place, name] = record, command

    def _bound(self, record: EventRecord, command: Any) -> Wait:
        """What it waits for, and for how long at most."""
        wait = self._rests.get(id(command))
        return wait or BOUNDED[type(command)](self._chronicle.plan, self._proven, record, command)

    def _asked_for(self, record: EventRecord, command: said.ArmTimer) -> None:
        """A rest that the other side asked for is no shorter after a crash, and is none of ours."""
        where = record.run, command.place, command.attempt
        if getattr(record.event, "retry_after_us", 0):
            self._floors[where] = command.at_us
        floor_us = self._floors.get(where)
        if floor_us is not None:
            wait = self._rests[id(command)] = self._bound(record, command)
            wait.most_us = max(wait.most_us, floor_us - record.event.time)
            self.held.struck_us = max(self.held.struck_us, floor_us)

    # -------------------------------------------------------------- what took too long

    def _close(self, record: EventRecord, place: int, name: str, attempt: int) -> None:
        """Something has ended, at the place and of the attempt that it is about (0: whichever)."""
        opened = self._open.get((record.run, place, name))
        if opened is None:
            return
        own = getattr(opened[1], "attempt", 0)
        if not own or not attempt or own == attempt:
            del self._open[record.run, place, name]
            self._held(record, place, opened, record.time_us)

    def _held(self, record: EventRecord, place: int, opened: _Opened, until_us: int) -> None:
        took_us = until_us - max(opened[0].time_us, self._quiet_us)
        if took_us <= self._slack_us:
            return
        wait = self._bound(*opened)
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
        last = {record.run: record for record in chronicle.order}
        for (run, place, _), opened in self._open.items():
            if chronicle.runs[run].status is not None or run in chronicle.halted:
                continue
            activity = last[run].kernel.places[place] if place else None
            if activity is None or activity.state != CLOSED:
                self._held(last[run], place, opened, chronicle.ended_us)
        for (run, place, _), each in self._turns.waiting.items():
            if chronicle.runs[run].status is None and each.free_us is not None and run in last:
                took_us = chronicle.ended_us - max(each.free_us, self._quiet_us)
                if took_us > self._slack_us and self._counts:
                    names = " or ".join(each.command.candidates)
                    self._tell(last[run], place, f"{names} is free and not granted for {in_words(took_us)}, {_AT_ONCE}")
