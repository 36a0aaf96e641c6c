"""The time of events on the real clock: microseconds since the epoch that never go backwards."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

__all__ = ["Clock", "Pace", "pace_of", "wall_us"]

_SLEEP_MAX_S: Final = 30.0
"""A loop looks at the clock this often at least: the system's may have been set."""

_LINGER_S: Final = 0.005
"""Others in the process wait for so long at most, and a turn of the loop costs a twentieth of a step."""


def wall_us() -> int:
    """Microseconds since the epoch, as the system's clock says."""
    return time.time_ns() // 1_000


class Clock:
    """A clock for one engine.

    Args:
        speed: how many times as fast as the real one it goes. The clock of a fast engine runs ahead of the system's.
        wall: where the time comes from, in microseconds.
    """

    __slots__ = ("_base_us", "_last_us", "_origin_us", "_wall", "speed")

    def __init__(self, speed: float = 1.0, wall: Callable[[], int] = wall_us) -> None:
        assert speed > 0
        self.speed = speed
        self._wall = wall
        self._origin_us = self._base_us = self._last_us = wall()

    def now_us(self) -> int:
        """The present. When the system's clock is set back, time stands until it has caught up."""
        elapsed = self._wall() - self._origin_us
        now = self._base_us + (elapsed if self.speed == 1.0 else int(elapsed * self.speed))
        self._last_us = max(self._last_us, now)
        return self._last_us

    def not_before(self, at_us: int) -> None:
        """Time goes on from `at_us` at least: what a journal says has happened lies not in the future."""
        if at_us > self.now_us():
            self._origin_us = self._wall()
            self._base_us = self._last_us = at_us

    def seconds(self, us: int) -> float:
        """How many seconds of the system's clock a time span of this clock lasts."""
        return us / 1_000_000 / self.speed


@dataclass(frozen=True, slots=True)
class Pace:
    """How time passes where an event loop runs. One that keeps a time of its own (`orchspec.virtual`) has a `pace`.

    Attributes:
        wall: the time, in microseconds since the epoch.
        soon: calls back when all that happens at this instant was told, as far as the loop can say.
        beside: calls back after so many seconds, for housekeeping that is no part of any story: time that is virtual
            does not go on for it.
        outside: told of a future that a thread works for.
        sleep_max_s: how long a sleep may be.
        linger_s: for how long an engine may go on, with what came back at once, before others have their turn.
    """

    wall: Callable[[], int]
    soon: Callable[[Callable[[], None]], Any]
    beside: Callable[[float, Callable[[], None]], asyncio.TimerHandle]
    outside: Callable[[asyncio.Future[Any]], None]
    sleep_max_s: float
    linger_s: float = 0.0


def pace_of(loop: asyncio.AbstractEventLoop) -> Pace:
    """The pace of an event loop: the system's clock, unless it says otherwise."""
    pace = getattr(loop, "pace", None)
    if isinstance(pace, Pace):
        return pace
    return Pace(wall_us, loop.call_soon, loop.call_later, lambda _future: None, _SLEEP_MAX_S, _LINGER_S)
