"""The time of events on the real clock: microseconds since the epoch that never go backwards."""

from __future__ import annotations

import time
from collections.abc import Callable

__all__ = ["Clock", "wall_us"]


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
