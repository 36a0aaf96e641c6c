"""Signals in virtual time: what is waited for comes after a while, as its profile says, or never.

Whoever sends a signal stands outside the orchestrator: it comes whatever crashes meanwhile, into the mailbox, which is
durable, and is taken from there once. When it comes is counted from when it was waited for first. Others who wait for
its like, for longer, may take it; so it comes though its place was served by another, as long as anybody waits for its
like. As in the runtime (`runtime.driver.coming`) an engine that takes over sets out anew the signals of the places that
still wait, by its own clock: what came meanwhile is put in as of then, and what another has taken comes once more.
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
        self._meanwhile: list[tuple[int, str, str, Any]] = []
        self.acts: dict[type, Callable[[str, Any], None]] = {AwaitSignal: self.wait, WithdrawSignal: self.withdraw}

    def moves(self, run: str) -> bool:
        """Whether a signal is on its way for the run."""
        return any(event is not None for event in self._coming.get(run, {}).values())

    def wait(self, run: str, command: AwaitSignal) -> None:
        """A place waits for a signal: it sets out, unless it has already."""
        clock, place = self._clock, command.place
        if place in self._coming.get(run, ()) or place in clock.journal.signalled.get(run, ()):
            return
        engine = clock.engine
        assert engine is not None
        if clock.handover.leaving is not None:
            return
        sent = self._sent(run, command)
        if sent is None:
            self._coming.setdefault(run, {})[place] = None
            return
        in_us = command.since_us + sent[0] - clock.told
        if in_us <= 0 and not engine.signals.waits(run, place):
            return  # it came before a crash, or another was there
        what = ((run, place), command.signal, command.key, sent[1])
        self._coming.setdefault(run, {})[place] = clock.at(clock.now + max(0, in_us), self._came, what)

    def _sent(self, run: str, command: AwaitSignal) -> tuple[int, Any] | None:
        """After how long the signal of a place comes, µs, and with what: drawn once, however often engines die."""
        clock, drawn = self._clock, self._clock.journal.drawn.get(run)
        if drawn is not None and command.place in drawn:
            return drawn[command.place]
        sent = self._set_out(run, command)
        if clock.journal.survives:
            clock.journal.drawn.setdefault(run, {})[command.place] = sent
        return sent

    def _set_out(self, run: str, command: AwaitSignal) -> tuple[int, Any] | None:
        clock = self._clock
        visit = clock.visits[run]
        assert visit.kernel is not None
        key = visit.kernel.draw_key(command.place)
        sent = clock.cast.players[command.signal].signal(command.inputs, key)
        strike = clock.faults.strike(command.signal, key, 1, clock.now)
        if strike is None or sent is None:
            return sent
        if strike.never or strike.lost:
            return None
        what = (command.signal, command.signal, command.inputs, key, 1)
        latency_us, value = sent
        latency_us = strike.slowed(latency_us) + strike.delay_us
        if strike.broken is not None:
            value = clock.cast.broken(*what, strike.broken)
        again = strike.again or ("same" if strike.duplicated else None)
        if again:
            other = value if again == "same" else clock.cast.broken(*what, again)
            at_us = clock.now + max(0, command.since_us + latency_us - clock.told)
            # After it has come itself, which is for that instant, too.
            clock.at(at_us, self._twice, (command.signal, command.key, other))
        return latency_us, value

    def _twice(self, event: Any) -> None:
        self._clock.at(self._clock.now, self._again, event.value)

    def _again(self, event: Any) -> None:
        """It is sent once more: kept for whoever waits for its like."""
        if self._clock.engine is not None:
            self._put_in(*event.value)
        else:  # after what came before it, which who takes over puts in
            self._meanwhile.append((self._clock.told, *event.value))

    def withdraw(self, run: str, command: WithdrawSignal) -> None:
        """Nobody waits for it any more."""
        self._forget((run, command.place))

    def _came(self, event: Any) -> None:
        wait, signal, key, value = event.value
        if self._coming.get(wait[0], {}).get(wait[1]) is not event:
            return
        engine = self._clock.engine
        if engine is None:
            return  # who takes over sees that it has come
        self._forget(wait)
        if engine.signals.awaits(signal, key):
            self._send(wait, signal, key, value)

    def _forget(self, wait: _Wait) -> None:
        coming = self._coming.get(wait[0], {})
        coming.pop(wait[1], None)
        if not coming:
            self._coming.pop(wait[0], None)

    def _send(self, wait: _Wait, signal: str, key: str, value: Any, ago_us: int = 0) -> None:
        number = self._put_in(signal, key, value, ago_us)
        if wait[0] in self._clock.visits:
            self._clock.journal.signalled.setdefault(wait[0], {})[wait[1]] = number

    def _put_in(self, signal: str, key: str, value: Any, ago_us: int = 0) -> int:
        clock = self._clock
        arrival = Arrival(clock.journal.next_mail(), signal, key, value, clock.told - ago_us)
        clock.journal.signals[arrival.number] = arrival
        if clock.engine is not None:
            clock.engine.signal(arrival, clock.told)
        return arrival.number

    def deliver(self, engine: Engine) -> None:
        """After a crash: hand over what lies in the mailbox, and put in what came since for those who still wait."""
        clock, journal = self._clock, self._clock.journal
        clock.people.resume(engine)
        self._coming.clear()
        for arrival in list(journal.signals.values()):
            engine.signal(arrival, clock.told)
        for signalled in journal.signalled.values():
            for place in [place for place, number in signalled.items() if number not in journal.signals]:
                del signalled[place]
        came: list[tuple[int, str, int, AwaitSignal, Any]] = []
        for run in list(engine.signals.waiting):
            kernel = clock.visits[run].kernel
            assert kernel is not None
            for place in engine.signals.places(run):
                activity = kernel.places[place]
                assert isinstance(activity, Awaiting)
                command = activity.command()
                sent = self._sent(run, command)
                if sent is not None and command.since_us + sent[0] < clock.told:
                    came.append((command.since_us + sent[0], run, place, command, sent[1]))
        for at_us, run, place, command, value in sorted(came, key=lambda each: each[:3]):
            known = place in journal.signalled.get(run, ())
            if not known and engine.signals.awaits(command.signal, command.key):
                self._send((run, place), command.signal, command.key, value, clock.told - at_us)
        meanwhile, self._meanwhile = self._meanwhile, []
        for at_us, signal, key, value in meanwhile:
            self._put_in(signal, key, value, clock.told - at_us)
