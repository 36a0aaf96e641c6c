"""The signal table: what came from outside and is not taken, and who waits for it, across all runs of an engine.

A pure object that mirrors the mailbox of the store: mail lies there until the record that consumes it is durable, so a
crash forgets this table and loses nothing. For each signal and key: first in first out, taken once, by the oldest
waiter; what comes early is kept for `KEPT_US`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from orchspec.runtime.kernel.events import SignalReceived

if TYPE_CHECKING:
    from orchspec.runtime.kernel.events import Event

__all__ = ["KEPT_US", "Arrival", "SignalTable"]

KEPT_US: Final = 7 * 24 * 3600 * 1_000_000
"""How long a signal is kept that nobody waits for."""


@dataclass(frozen=True, slots=True)
class Arrival:
    """A signal in the mailbox: the number of its mail, what it is, its value (JSON of the edge), when it was put in."""

    number: int
    signal: str
    key: str
    value: Any
    posted_us: int


@dataclass(slots=True)
class _Waiter:
    since_us: int
    run: str
    place: int
    deadline_us: int | None

    def order(self) -> tuple[int, str, int]:
        return (self.since_us, self.run, self.place)

    def may_take(self, arrival: Arrival) -> bool:
        return self.deadline_us is None or arrival.posted_us <= self.deadline_us


class SignalTable:
    """Signals that nobody took, and who waits for which."""

    __slots__ = ("_arrived", "_consume", "_handed", "_post", "_waiters")

    def __init__(self, consume: Callable[[int], None], post: Callable[[str, Event, int], None]) -> None:
        """`consume` is told the number of mail that is taken, or that nobody will take any more; `post` gets what
        happens to a run.
        """
        self._consume = consume
        self._post = post
        self._arrived: dict[tuple[str, str], list[Arrival]] = {}
        self._handed: dict[int, Arrival] = {}
        self._waiters: dict[tuple[str, str], list[_Waiter]] = {}

    def arrive(self, arrival: Arrival, now_us: int) -> None:
        """A signal is in the mailbox: handed to whoever waits for it, else kept, in the order of its mail."""
        kept = self._arrived.setdefault((arrival.signal, arrival.key), [])
        kept.append(arrival)
        kept.sort(key=lambda each: each.number)
        self.match(arrival.signal, arrival.key, now_us)

    def handed(self, number: int | None) -> Arrival | None:
        """The signal of this mail, if that is what it is and it was handed to a run."""
        return self._handed.pop(number, None) if number is not None else None

    def settle(self, arrival: Arrival | None, now_us: int, *, used: bool) -> None:
        """A signal that was handed to a run is used; or it has stopped waiting, and the next one may."""
        if arrival is None:
            return
        if used:
            self._consume(arrival.number)
        else:
            self.arrive(arrival, now_us)

    def wait(self, run: str, place: int, signal: str, key: str, since_us: int, deadline_us: int | None) -> None:
        """A place waits; `match` says whether there is something for it."""
        waiters = self._waiters.setdefault((signal, key), [])
        if all((each.run, each.place) != (run, place) for each in waiters):
            waiters.append(_Waiter(since_us, run, place, deadline_us))
            waiters.sort(key=_Waiter.order)

    def withdraw(self, run: str, place: int, signal: str, key: str) -> None:
        """A place waits no longer."""
        self._keep_waiters((signal, key), lambda each: (each.run, each.place) != (run, place))

    def forget(self, run: str) -> None:
        """A run waits for nothing any more."""
        for at in list(self._waiters):
            self._keep_waiters(at, lambda each: each.run != run)

    def match(self, signal: str, key: str, now_us: int) -> None:
        """Hand signals of this key to those who wait, the oldest first."""
        at = (signal, key)
        arrived = self._arrived.get(at, [])
        for arrival in list(arrived):
            if arrival.posted_us + KEPT_US < now_us:
                arrived.remove(arrival)
                self._consume(arrival.number)
                continue
            # What came after a deadline is too late for it, even if both are seen only now.
            able = (each for each in self._waiters.get(at, ()) if each.may_take(arrival))
            waiter = next(able, None)
            if waiter is not None:
                arrived.remove(arrival)
                self.withdraw(waiter.run, waiter.place, signal, key)
                self._handed[arrival.number] = arrival
                self._post(waiter.run, SignalReceived(now_us, waiter.place, arrival.value), arrival.number)
        if not arrived:
            self._arrived.pop(at, None)

    def awaits(self, signal: str, key: str) -> bool:
        """Whether somebody waits for a signal with this key that was not handed to them."""
        return (signal, key) in self._waiters

    @property
    def waiting(self) -> set[str]:
        """The runs that wait for a signal."""
        return {each.run for waiters in self._waiters.values() for each in waiters}

    def waited_for(self) -> list[tuple[str, str]]:
        """The signals and keys that somebody waits for, the oldest wait first."""
        return sorted(self._waiters, key=lambda at: self._waiters[at][0].order())

    def _keep_waiters(self, at: tuple[str, str], keep: Callable[[_Waiter], bool]) -> None:
        kept = [each for each in self._waiters.get(at, ()) if keep(each)]
        if kept:
            self._waiters[at] = kept
        else:
            self._waiters.pop(at, None)
