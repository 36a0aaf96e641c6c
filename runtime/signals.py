"""The signal table: what came from outside and is not taken, and who waits for it, across all runs of an engine.

A pure object that mirrors the mailbox of the store: mail lies there until the record that consumes it is durable, so a
crash forgets this table and loses nothing. For each signal and key: first in first out, taken once, by the oldest
waiter; what comes early is kept for `KEPT_US`.

Thousands of runs may wait at once, for one signal or each for its own, and any of them may end: so who waits is found
by run as well as by signal, and nothing walks over all who wait.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Callable, KeysView
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


_At = tuple[str, str]
"""A signal and its key."""

_Waiter = tuple[int, str, int]
"""Since when somebody waits (µs), the run and the place: the order in which they are served."""


class SignalTable:
    """Signals that nobody took, and who waits for which."""

    __slots__ = ("_arrived", "_consume", "_handed", "_of_run", "_post", "_waiters")

    def __init__(self, consume: Callable[[int], None], post: Callable[[str, Event, int], None]) -> None:
        """`consume` is told the number of mail that is taken, or that nobody will take any more; `post` gets what
        happens to a run.
        """
        self._consume = consume
        self._post = post
        self._arrived: dict[_At, list[Arrival]] = {}
        self._handed: dict[int, Arrival] = {}
        # In their order, none of them empty; and each of them by its run: since when, and until when, it waits.
        self._waiters: dict[_At, list[_Waiter]] = {}
        self._of_run: dict[str, dict[tuple[_At, int], tuple[int, int | None]]] = {}

    def arrive(self, arrival: Arrival, now_us: int) -> None:
        """A signal is in the mailbox: handed to whoever waits for it, else kept, in the order of its mail."""
        kept = self._arrived.setdefault((arrival.signal, arrival.key), [])
        insort(kept, arrival, key=lambda each: each.number)
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
        at = (signal, key)
        mine = self._of_run.setdefault(run, {})
        if (at, place) not in mine:
            mine[at, place] = (since_us, deadline_us)
            insort(self._waiters.setdefault(at, []), (since_us, run, place))

    def withdraw(self, run: str, place: int, signal: str, key: str) -> None:
        """A place waits no longer."""
        mine = self._of_run.get(run, {})
        found = mine.pop(((signal, key), place), None)
        if found is None:
            return
        if not mine:
            del self._of_run[run]
        self._leave((signal, key), (found[0], run, place))

    def forget(self, run: str) -> None:
        """A run waits for nothing any more."""
        for (at, place), (since_us, _) in self._of_run.pop(run, {}).items():
            self._leave(at, (since_us, run, place))

    def match(self, signal: str, key: str, now_us: int) -> None:
        """Hand signals of this key to those who wait, the oldest first."""
        at = (signal, key)
        arrived = self._arrived.get(at, [])
        for arrival in list(arrived):
            if arrival.posted_us + KEPT_US < now_us:
                arrived.remove(arrival)
                self._consume(arrival.number)
                continue
            waiter = next((each for each in self._waiters.get(at, ()) if self._may_take(at, each, arrival)), None)
            if waiter is not None:
                _, run, place = waiter
                arrived.remove(arrival)
                self.withdraw(run, place, signal, key)
                self._handed[arrival.number] = arrival
                self._post(run, SignalReceived(now_us, place, arrival.value), arrival.number)
        if not arrived:
            self._arrived.pop(at, None)

    def awaits(self, signal: str, key: str) -> bool:
        """Whether somebody waits for a signal with this key that was not handed to them."""
        return (signal, key) in self._waiters

    def waits(self, run: str, place: int) -> bool:
        """Whether a place waits for a signal that was not handed to it."""
        return any(each == place for _, each in self._of_run.get(run, ()))

    def places(self, run: str) -> list[int]:
        """The places of a run that wait for a signal that was not handed to them."""
        return [place for _, place in self._of_run.get(run, ())]

    @property
    def waiting(self) -> KeysView[str]:
        """The runs that wait for a signal."""
        return self._of_run.keys()

    def waited_for(self) -> list[tuple[str, str]]:
        """The signals and keys that somebody waits for, the oldest wait first."""
        return sorted(self._waiters, key=lambda at: self._waiters[at][0])

    def _may_take(self, at: _At, waiter: _Waiter, arrival: Arrival) -> bool:
        """What came after a deadline is too late for it, even if both are seen only now."""
        _, run, place = waiter
        deadline_us = self._of_run[run][at, place][1]
        return deadline_us is None or arrival.posted_us <= deadline_us

    def _leave(self, at: _At, waiter: _Waiter) -> None:
        waiters = self._waiters[at]
        del waiters[bisect_left(waiters, waiter)]
        if not waiters:
            del self._waiters[at]
