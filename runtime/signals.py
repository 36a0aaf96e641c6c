"""The signal table: what came from outside and is not taken, and who waits for it, across all runs of an engine.

A pure object that mirrors the mailbox of the store: mail lies there until the record that consumes it is durable, so a
crash forgets this table and loses nothing. For each signal and key: first in first out, taken once, by the oldest
waiter; what comes early is kept for `KEPT_US`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

__all__ = ["KEPT_US", "Arrival", "SignalTable", "Taken"]

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


@dataclass(frozen=True, slots=True)
class Taken:
    """A signal and whose it is."""

    run: str
    place: int
    arrival: Arrival


@dataclass(slots=True)
class _Waiter:
    since_us: int
    run: str
    place: int
    deadline_us: int | None

    def order(self) -> tuple[int, str, int]:
        return (self.since_us, self.run, self.place)


class SignalTable:
    """Signals that nobody took, and who waits for which."""

    __slots__ = ("_arrived", "_tell", "_waiters")

    def __init__(self, tell: Callable[[int], None]) -> None:
        """`tell` is told the number of mail that nobody will take any more."""
        self._tell = tell
        self._arrived: dict[tuple[str, str], list[Arrival]] = {}
        self._waiters: dict[tuple[str, str], list[_Waiter]] = {}

    def arrive(self, arrival: Arrival, now_us: int) -> Taken | None:
        """A signal is in the mailbox: who takes it now, if anybody does; else it is kept, in the order of its mail."""
        kept = self._arrived.setdefault((arrival.signal, arrival.key), [])
        kept.append(arrival)
        kept.sort(key=lambda each: each.number)
        return self.match(arrival.signal, arrival.key, now_us)

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

    def match(self, signal: str, key: str, now_us: int) -> Taken | None:
        """The first signal of this key that somebody may take, and the oldest who may; both are gone from here."""
        at = (signal, key)
        arrived = self._arrived.get(at, [])
        for stale in [each for each in arrived if each.posted_us + KEPT_US < now_us]:
            arrived.remove(stale)
            self._tell(stale.number)
        found: Taken | None = None
        for arrival in arrived:
            for waiter in self._waiters.get(at, ()):
                # What came after a deadline is too late for it, even if both are seen only now.
                if waiter.deadline_us is None or arrival.posted_us <= waiter.deadline_us:
                    found = Taken(waiter.run, waiter.place, arrival)
                    break
            if found is not None:
                break
        if found is not None:
            arrived.remove(found.arrival)
            self.withdraw(found.run, found.place, signal, key)
        if not arrived:
            self._arrived.pop(at, None)
        return found

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
