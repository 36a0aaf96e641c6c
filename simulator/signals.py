"""Signals in virtual time: what is waited for comes after a while, as its profile says, or never.

Whoever sends a signal stands outside the orchestrator: it comes whatever crashes meanwhile, into the mailbox, which is
durable, and is taken from there once. When it comes is counted from when it was waited for first. One that nobody waits
for any more is not sent: the one who would have sent it is part of the same story. An engine that takes over says who
still waits; what set out for others, and whatever of that came while there was no engine, was not sent.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from orchspec.runtime.kernel.commands import AwaitSignal, WithdrawSignal
from orchspec.runtime.kernel.signals import Awaiting
from orchspec.runtime.signals import Arrival

if TYPE_CHECKING:
    from orchspec.runtime.engine import Engine
    from orchspec.simulator.calendar import Due
    from orchspec.simulator.clock import Clock

__all__ = ["Signals"]

_Wait = tuple[str, int]


class Signals:
    """Signals that are on their way (None: one that never comes). `acts`: what carries out their commands."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._coming: dict[str, dict[int, Due | None]] = {}
        self._meanwhile: list[tuple[_Wait, int]] = []
        self.acts: dict[type, Callable[[str, Any], None]] = {AwaitSignal: self.wait, WithdrawSignal: self.withdraw}

    def moves(self, run: str) -> bool:
        """Whether a signal is on its way for the run."""
        return any(event is not None for event in self._coming.get(run, {}).values())

    def wait(self, run: str, command: AwaitSignal, *, back: bool = False) -> None:
        """A place waits for a signal: it sets out, unless it has already.

        With `back` an engine is there again after a crash: what would have come meanwhile has.
        """
        clock = self._clock
        wait = (run, command.place)
        if command.place in self._coming.get(run, ()) or command.place in clock.journal.signalled.get(run, ()):
            return
        coming = self._coming.setdefault(run, {})
        visit = clock.visits[run]
        assert visit.kernel is not None
        key = visit.kernel.draw_key(command.place)
        sent = clock.cast.players[command.signal].signal(command.inputs, key)
        strike = clock.faults.strike(command.signal, key, 1, clock.now)
        if sent is None or (strike is not None and (strike.never or strike.lost)):
            coming[command.place] = None
            return
        latency_us, value = sent
        what = (command.signal, command.signal, command.inputs, key, 1)
        if strike is not None:
            latency_us = strike.slowed(latency_us) + strike.delay_us
            if strike.broken is not None:
                value = clock.cast.broken(*what, strike.broken)
        in_us = command.since_us + latency_us - clock.told
        at_us = clock.now + max(0, in_us)
        if back and in_us < 0:
            clock.journal.signalled.setdefault(run, set()).add(command.place)
            self._put_in(command.signal, command.key, value, in_us)
        else:
            coming[command.place] = clock.at(at_us, self._came, (wait, command.signal, command.key, value))
        again = strike and (strike.again or ("same" if strike.duplicated else None))
        if again:
            other = value if again == "same" else clock.cast.broken(*what, again)
            clock.at(at_us, self._again, (wait, command.signal, command.key, other))

    def _again(self, event: Any) -> None:
        """It is sent once more: kept for whoever waits for its like."""
        wait, signal, key, value = event.value
        if wait[0] in self._clock.visits:
            self._put_in(signal, key, value)

    def withdraw(self, run: str, command: WithdrawSignal) -> None:
        """Nobody waits for it any more."""
        self._forget((run, command.place))

    def _came(self, event: Any) -> None:
        wait, signal, key, value = event.value
        if self._coming.get(wait[0], {}).get(wait[1]) is not event:
            return
        self._forget(wait)
        clock = self._clock
        if wait[0] not in clock.visits:
            return
        clock.journal.signalled.setdefault(wait[0], set()).add(wait[1])
        number = self._put_in(signal, key, value)
        if clock.engine is None:
            self._meanwhile.append((wait, number))

    def _forget(self, wait: _Wait) -> None:
        coming = self._coming.get(wait[0], {})
        coming.pop(wait[1], None)
        if not coming:
            self._coming.pop(wait[0], None)

    def _put_in(self, signal: str, key: str, value: Any, ago_us: int = 0) -> int:
        clock = self._clock
        arrival = Arrival(clock.journal.next_mail(), signal, key, value, clock.told + ago_us)
        clock.journal.signals[arrival.number] = arrival
        if clock.engine is not None:
            clock.engine.signal(arrival, clock.told)
        return arrival.number

    def deliver(self, engine: Engine) -> None:
        """After a crash: forget what set out for whoever waits no more, and hand over what lies in the mailbox."""
        waits, signals = engine.signals.waits, self._clock.journal.signals
        for wait in [(run, place) for run, coming in self._coming.items() for place in coming]:
            if not waits(*wait):
                self._forget(wait)
        for wait, number in self._meanwhile:
            if not waits(*wait):
                signals.pop(number, None)
        self._meanwhile.clear()
        for arrival in self._clock.journal.signals.values():
            engine.signal(arrival, self._clock.told)
        for run in list(engine.signals.waiting):
            kernel = self._clock.visits[run].kernel
            for place in engine.signals.places(run):
                assert kernel is not None
                activity = kernel.places[place]
                assert isinstance(activity, Awaiting)
                self.wait(run, activity.command(), back=True)
