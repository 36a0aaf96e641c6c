"""The calendar of events: SimPy's environment, with callbacks at times, and all of one instant at once.

A simulation of tasks has no use for processes: whatever it waits for is one time, and one callback then. Such a `Due`
goes straight into SimPy's queue, in SimPy's order (time, priority, sequence), without the lists and the event of a
`Timeout`; a tenth of a simulation went there. Events of SimPy's own are processed as ever.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from heapq import heappop, heappush
from typing import Any, Final

import simpy

__all__ = ["Calendar", "Due"]

_NORMAL: Final = 1


class Due:
    """What is called back, with itself, when its time has come; `value` is whatever the callback wants to know."""

    __slots__ = ("callback", "value")

    def __init__(self, callback: Callable[[Any], None], value: Any) -> None:
        self.callback = callback
        self.value = value


class Calendar(simpy.Environment):
    """What is to come, by its time in whole microseconds from 0."""

    def __init__(self) -> None:
        super().__init__(initial_time=0)

    def put(self, at_us: int, due: Any) -> None:
        """Call `due.callback(due)` at a time that has not passed."""
        heappush(self._queue, (at_us, _NORMAL, next(self._eid), due))  # type: ignore[misc]

    @property
    def queue(self) -> Sequence[tuple[Any, ...]]:
        """What is to come; the first entry is the next, and begins with its time."""
        return self._queue

    def next_us(self) -> int | None:
        """When something happens next, or None."""
        return self._queue[0][0] if self._queue else None  # type: ignore[return-value]  # all times here are integers

    def pass_instant(self, now_us: int) -> None:
        """Process all that is due at the time of `next_us`, also what is put there meanwhile."""
        queue = self._queue
        self._now = now_us
        while queue and queue[0][0] == now_us:
            due: Any = queue[0][3]
            try:
                callback = due.callback
            except AttributeError:  # an event of SimPy's own
                self.step()
                continue
            heappop(queue)
            callback(due)
