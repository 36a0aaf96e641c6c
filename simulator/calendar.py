"""The calendar of events: SimPy's environment, with callbacks at times, and all of one instant at once.

A simulation of tasks has no use for processes: whatever it waits for is one time, and one callback then. Such a `Due`
goes straight into SimPy's queue, in SimPy's order (time, priority, sequence), without the lists and the event of a
`Timeout`; a tenth of a simulation went there. Events of SimPy's own are processed as ever.
"""

from __future__ import annotations

from collections.abc import Callable
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


class _Numbers:
    """What SimPy tells apart events of one time by: one count for its own and for ours."""

    __slots__ = ("last",)

    def __init__(self) -> None:
        self.last = -1

    def __next__(self) -> Any:
        self.last += 1
        return self.last


class Calendar:
    """What is to come, by its time in whole microseconds from 0, in the queue of a SimPy environment.

    Attributes:
        env: whose queue and clock these are; what is put into it as in any simulation of SimPy happens as well.
        queue: what is to come; the first entry is the next, and begins with its time.
    """

    __slots__ = ("_numbers", "env", "queue")

    def __init__(self) -> None:
        self.env = env = simpy.Environment(initial_time=0)
        self.queue: list[tuple[Any, ...]] = env._queue  # noqa: SLF001
        self._numbers = env._eid = _Numbers()  # type: ignore[assignment]  # noqa: SLF001

    def put(self, at_us: int, due: Any) -> None:
        """Call `due.callback(due)` at a time that has not passed."""
        numbers = self._numbers
        numbers.last = number = numbers.last + 1
        heappush(self.queue, (at_us, _NORMAL, number, due))

    def next_us(self) -> int | None:
        """When something happens next, or None."""
        return self.queue[0][0] if self.queue else None

    def pass_instant(self, now_us: int) -> None:
        """Process all that is due at the time of `next_us`, also what is put there meanwhile."""
        queue = self.queue
        self.env._now = now_us  # noqa: SLF001
        while queue and queue[0][0] == now_us:
            due: Any = queue[0][3]
            try:
                callback = due.callback
            except AttributeError:  # an event of SimPy's own
                self.env.step()
                continue
            heappop(queue)
            callback(due)
