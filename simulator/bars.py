"""One run as bars for a Gantt, read from its journal alone: so it serves simulated and real runs alike.

The critical path is walked backwards from the last bar: before each bar on it stands the one that ended last of those
that ended by its beginning.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from orchspec.runtime.kernel.commands import ArmTimer
from orchspec.runtime.kernel.evals import EvalTask
from orchspec.runtime.kernel.events import (
    EffectClaimed,
    EffectConfirmed,
    EffectRefused,
    EffectUnknown,
    EngineRecovered,
    QuestionAnswered,
    TaskEnrolled,
    TaskFailed,
    TaskFulfilled,
    TaskStopped,
    TimerFired,
)
from orchspec.simulator.observe import Bar, BarKind

if TYPE_CHECKING:
    from orchspec.compiler.plan import Plan
    from orchspec.runtime.recording import EventRecord

__all__ = ["bars_of"]

SECOND: Final = 1_000_000


def bars_of(plan: Plan, records: Iterable[EventRecord], arrived_us: int) -> list[Bar]:
    """The stretches of time of one run.

    Args:
        plan: The run's plan.
        records: Its journal, in order, with events (as the recorder keeps them).
        arrived_us: When the run arrived; bars count from there.
    """
    reader = _Reader(plan, arrived_us)
    for record in records:
        reader.read(record)
    return _critical(reader.bars, reader.asides)


class _Reader:
    def __init__(self, plan: Plan, arrived_us: int) -> None:
        self.plan = plan
        self.arrived_us = arrived_us
        self.bars: list[Bar] = []
        self.asides: set[str] = set()
        self._attempts: dict[tuple[int, int], tuple[str, str, int]] = {}
        self._effects: dict[int, tuple[str, int]] = {}

    def read(self, record: EventRecord) -> None:
        event = record.event
        kernel = record.kernel
        now = event.time
        match event:
            case TaskEnrolled():
                path = kernel.path(event.place)
                agent = event.agent if event.agent in self.plan.agents else ""
                if isinstance(kernel.places[event.place], EvalTask):
                    self.asides.add(path)
                if event.waited_us:
                    self._bar(path, agent, "queue", now - event.waited_us, now, ok=True)
                if agent:
                    self._attempts[event.place, event.attempt] = (path, agent, now)
                elif event.place in self._effects:
                    self._effects[event.place] = (path, now)
            case TaskFulfilled() | TaskFailed() | QuestionAnswered() | TaskStopped():
                self._end_attempt(event.place, event.attempt, now, ok=_went_well(record))
            case EffectClaimed():
                if event.standing == "own":
                    self._effects[event.place] = (kernel.path(event.place), now)
            case EffectConfirmed() | EffectRefused() | EffectUnknown():
                self._end_effect(event.place, now, ok=isinstance(event, EffectConfirmed))
            case TimerFired():
                if event.timer in ("attempt", "within"):
                    self._end_attempt(event.place, event.attempt, now, ok=False)
                elif event.timer in ("settle", "backoff") and event.place not in self._effects:
                    path = kernel.path(event.place)
                    if path in {bar.place for bar in self.bars if bar.kind == "effect"}:
                        self._effects[event.place] = (path, now)
            case EngineRecovered():
                # Attempts died with the engine and begin anew; a question lies with its person all the while.
                for (place, attempt), (path, agent, _) in list(self._attempts.items()):
                    if self.plan.agents[agent].kind == "human":
                        continue
                    self._end_attempt(place, attempt, now, ok=False)
                    self._attempts[place, attempt] = (path, agent, now)
        for command in record.commands:
            if isinstance(command, ArmTimer) and command.timer in ("backoff", "settle") and command.at_us > now:
                self._bar(kernel.path(command.place), "", "retry", now, command.at_us, ok=False)

    def _end_attempt(self, place: int, attempt: int, now: int, *, ok: bool) -> None:
        started = self._attempts.pop((place, attempt), None)
        if started is None:
            return
        path, agent, since = started
        kind: BarKind = "human" if self.plan.agents[agent].kind == "human" else "model"
        self._bar(path, agent, kind, since, now, ok=ok)

    def _end_effect(self, place: int, now: int, *, ok: bool) -> None:
        started = self._effects.pop(place, None)
        if started is not None:
            self._bar(started[0], "", "effect", started[1], now, ok=ok)

    def _bar(self, path: str, agent: str, kind: BarKind, since: int, until: int, *, ok: bool) -> None:
        start_s = (since - self.arrived_us) / SECOND
        self.bars.append(Bar(path, agent, kind, max(0.0, start_s), (until - self.arrived_us) / SECOND, ok=ok))


def _went_well(record: EventRecord) -> bool:
    if not isinstance(record.event, (TaskFulfilled, QuestionAnswered)):
        return False
    return not any(what in ("retry", "failed", "ignored") for what, _ in record.decided)


def _critical(bars: list[Bar], asides: set[str]) -> list[Bar]:
    on_time = [index for index, bar in enumerate(bars) if bar.place not in asides]  # evals are on nobody's path
    order = sorted(on_time, key=lambda index: (bars[index].end_s, bars[index].start_s))
    on_path: set[int] = set()
    before_s = float("inf")
    for index in reversed(order):
        bar = bars[index]
        if bar.end_s <= before_s + 1e-9 and bar.end_s > bar.start_s:
            on_path.add(index)
            before_s = bar.start_s
    return [replace(bar, critical=index in on_path) for index, bar in enumerate(bars)]
