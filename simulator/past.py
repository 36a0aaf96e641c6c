"""Real runs, read back from their journals: when each came, with what, and what each of its attempts took and gave.

A journal is folded with the plan that wrote it. What came of an attempt is kept under the draw key of its place, the
number of the attempt, and who made it, which is how a simulation asks for it: the same place of the same run asks with
the same key, whatever was changed around it. An attempt that was stopped (a race that was lost, a timeout) is known to
have taken longer than that, and no more.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal

from orchspec.runtime.errors import OrchError
from orchspec.runtime.kernel.commands import AskPerson, AwaitSignal, Command, RunTask, TryEffect
from orchspec.runtime.kernel.events import (
    CostReported,
    EffectConfirmed,
    EffectRefused,
    EffectRequested,
    QuestionAnswered,
    SignalReceived,
    TaskFailed,
    TaskFulfilled,
    TaskStopped,
)
from orchspec.runtime.recording import Folding
from orchspec.simulator.observe import RunObservation
from orchspec.simulator.visits import Visit

if TYPE_CHECKING:
    from orchspec.compiler.plan import Plan
    from orchspec.runtime.journal.records import Record, RunRow

__all__ = ["NotReplayable", "Outcome", "PastRun", "read_run"]

SECOND: Final = 1_000_000
_ENDED: Final = frozenset({"completed", "failed", "budget_exhausted"})


class NotReplayable(OrchError):
    """A run whose journal cannot be played again; the message says why."""

    code = "not_replayable"


@dataclass(slots=True)
class Outcome:
    """What came of an attempt, a send, a question or a signal; times in µs since it was begun.

    `stopped`: it was still at work then, and nobody wanted it any more; what it had used is what it told. `effects`:
    what it asked for on its way, each with when and with which arguments.
    """

    kind: Literal["ok", "failed", "stopped"]
    took_us: int
    output: Any = None
    tokens_in: int | None = None
    tokens_out: int | None = None
    cost_pico: int | None = None
    effects: list[tuple[int, str, dict[str, Any]]] = field(default_factory=list)


@dataclass(slots=True)
class PastRun:
    """A run that has ended: its row, what was seen of it, and its outcomes by (draw key, attempt, who)."""

    row: RunRow
    seen: RunObservation
    outcomes: dict[tuple[int, int, str], Outcome]
    resent: bool = False
    at_tools_us: int = 0


def read_run(plan: Plan, row: RunRow, records: Sequence[Record]) -> PastRun:
    """Reads a run back.

    Args:
        plan: the one that it was started with.
        row: of the run.
        records: its whole journal.

    Raises:
        NotReplayable: it has not ended, or is not a run of one plan from its beginning.
        ReplayMismatch, CorruptStore: the journal does not fold.
    """
    if row.status not in _ENDED or row.ended_us is None:
        raise NotReplayable(f"it is {row.status}" if row.status != "running" else "it has not ended")
    if any(record.type in {"RunForked", "PlanUpgraded"} for record in records):
        raise NotReplayable("it was forked, or changed its plan on the way")
    folding = Folding(plan, row.run, records)
    reading = _Reading(folding)
    for record in records:
        event = folding.event(record)
        reading.take(event)
        reading.begin(record.time_us, folding.step(record, event))
    seen = RunObservation(0, row.created_us / SECOND, row.ended_us / SECOND, row.status)
    seen.verified = row.status == "completed"
    visit = Visit(row.run, row.seed, {}, seen, row.created_us)
    visit.kernel, visit.asked = folding.kernel, reading.asked
    visit.account()
    return PastRun(row, seen, reading.outcomes, reading.resent, reading.at_tools_us)


class _Reading:
    """What is under way while a journal is folded."""

    def __init__(self, folding: Folding) -> None:
        self.outcomes: dict[tuple[int, int, str], Outcome] = {}
        self.asked = 0
        self.resent = False
        self.at_tools_us = 0
        self._folding = folding
        self._open: dict[tuple[int, int], tuple[int, int, str]] = {}
        self._history: dict[tuple[int, int], int] = {}
        self._spent: dict[tuple[int, int], tuple[int | None, int | None, int | None]] = {}
        self._effects: dict[tuple[int, int], list[tuple[int, str, dict[str, Any]]]] = {}

    def begin(self, now_us: int, commands: Iterable[Command]) -> None:
        """Remember what a record set going."""
        for command in commands:
            match command:
                case RunTask() | AskPerson():
                    who, attempt = command.agent, command.attempt
                    self.asked += isinstance(command, AskPerson)
                case TryEffect():
                    who, attempt = command.effect, command.attempt
                case AwaitSignal():
                    who, attempt = command.signal, 0
                case _:
                    continue
            self.resent = self.resent or getattr(command, "dispatch", 0) > 0
            if isinstance(command, RunTask):
                self._history[command.place, attempt] = command.history_tokens
            key = self._folding.kernel.draw_key(command.place)
            self._open.setdefault((command.place, attempt), (now_us, key, who))

    def take(self, event: Any) -> None:
        """Keep what came of something; looked at before the event is handled, which may forget its place."""
        known = self._open.get((event.place, event.attempt))
        if known is None:
            return
        began_us, key, who = known
        took_us = max(0, event.time - began_us)
        self.resent = self.resent or getattr(event, "dispatch", 0) > 0
        self.at_tools_us += getattr(event, "tool_us", 0)
        match event:
            case TaskFulfilled():
                made = Outcome("ok", took_us, event.output, event.tokens_in, event.tokens_out, event.cost_pico)
            case TaskFailed():
                made = Outcome("failed", took_us, None, event.tokens_in, event.tokens_out, event.cost_pico)
            case TaskStopped():
                made = Outcome("stopped", took_us, None, *self._spent.pop((event.place, event.attempt), (None,) * 3))
            case QuestionAnswered():
                made = Outcome("ok", took_us, event.value, None, None, event.cost_pico)
            case SignalReceived():
                made = Outcome("ok", took_us, event.value)
            case EffectConfirmed():
                made = Outcome("ok", took_us, event.receipt, None, None, event.cost_pico)
            case EffectRefused():
                made = Outcome("failed", took_us)
            case CostReported():
                self._spent[event.place, event.attempt] = (event.tokens_in, event.tokens_out, event.cost_pico)
                return
            case EffectRequested():
                asked = self._effects.setdefault((event.place, event.attempt), [])
                asked.append((took_us, event.effect, event.args))
                return
            case _:
                return
        where = (event.place, event.attempt)
        made.effects = self._effects.pop(where, [])
        if made.tokens_in is not None:  # what was read beside the history, which whoever plays it again adds
            made.tokens_in = max(0, made.tokens_in - self._history.get(where, 0))
        self.outcomes.setdefault((key, event.attempt, who), made)
