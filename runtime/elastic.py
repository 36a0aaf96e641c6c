"""Elastic slots, `slots = 2..20`: capacity that follows the load.

The rule, the same in every driver, since it is a function of what the dispatcher is told and of nothing else:

1. A pool begins with its least slots.
2. While more requests wait for a slot than slots are on their way, and the most is not reached, one more is started
   for each; it serves `START_UP_US` later.
3. A pool that has been less than full for `IDLE_US` gives up whatever nobody needed in that time, down to the least.

After a crash it begins with as many slots as the journals say are taken, and at least the least.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from orchspec.runtime.pools import Pool

__all__ = ["IDLE_US", "START_UP_US", "Elastic"]

START_UP_US: Final = 10_000_000
"""How long a slot takes from the decision to have it until it serves."""
IDLE_US: Final = 60_000_000
"""How long a slot is kept that nobody needs."""


class Elastic:
    """How the slots of one pool change."""

    __slots__ = ("least", "most", "peak", "since_us", "starting")

    def __init__(self, least: int, most: int) -> None:
        self.least = least
        self.most = most
        # When the slots that were started will serve, ascending.
        self.starting: deque[int] = deque()
        # Since when the pool is not full, and how many were busy at once since then.
        self.since_us: int | None = 0
        self.peak = 0

    def taken(self, pool: Pool) -> None:
        """A slot was taken."""
        assert pool.slots is not None
        self.peak = max(self.peak, pool.busy)
        if pool.busy >= pool.slots:
            self.since_us = None

    def freed(self, pool: Pool, now_us: int) -> None:
        """A slot came free."""
        self._look(pool, now_us)

    def wanted(self, pool: Pool, now_us: int) -> None:
        """Somebody waits: start what is lacking."""
        assert pool.slots is not None
        if pool.busy < pool.slots or pool.locked:
            return
        lacking = min(pool.waiting, self.most - pool.slots) - len(self.starting)
        if lacking > 0:
            self.starting.extend([now_us + START_UP_US] * lacking)

    def held(self, pool: Pool) -> bool:
        """After a crash a grant counts as taken again: its slot is there. Whether there are more slots for that."""
        assert pool.slots is not None
        before = pool.slots
        pool.slots = max(before, pool.busy)
        self.taken(pool)
        return pool.slots > before

    def pass_time(self, pool: Pool, now_us: int) -> bool:
        """Let slots begin to serve, and give up idle ones; whether the number of slots has changed."""
        assert pool.slots is not None
        before = pool.slots
        if pool.locked:
            return False
        while self.starting and self.starting[0] <= now_us:
            self.starting.popleft()
            pool.slots += 1
        if pool.slots > before:
            self._look(pool, now_us)
        if self.since_us is not None and pool.slots > self.least and now_us - self.since_us >= IDLE_US:
            pool.slots = max(self.least, self.peak)
            self.since_us = None
            self._look(pool, now_us)
        return pool.slots != before

    def wake_us(self, pool: Pool) -> int | None:
        """When the number of slots may change by time alone."""
        assert pool.slots is not None
        if pool.locked:
            return None
        due = self.starting[0] if self.starting else None
        if self.since_us is not None and pool.slots > self.least:
            idle_us = self.since_us + IDLE_US
            due = idle_us if due is None else min(due, idle_us)
        return due

    def _look(self, pool: Pool, now_us: int) -> None:
        assert pool.slots is not None
        if self.since_us is None and pool.busy < pool.slots:
            self.since_us = now_us
            self.peak = pool.busy
