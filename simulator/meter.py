"""The meter: turns what the dispatcher says of its pools into observations, in seconds of simulated time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from orchspec.simulator.observe import PoolObservation

if TYPE_CHECKING:
    from orchspec.compiler.plan import Plan

__all__ = ["Meter"]

SECOND: Final = 1_000_000


class Meter:
    """A `PoolObserver`. Tasks that several agents may take wait in a pool of their own, named after all of them.

    `offset_us` is added to all times: isolated runs, each with a clock of its own, are laid end to end by it.
    """

    def __init__(self, plan: Plan, bin_s: float) -> None:
        self.offset_us = 0
        self._bin_s = bin_s
        self._pools: dict[str, PoolObservation] = {}
        self._queues: dict[tuple[str, ...], PoolObservation] = {}
        self._waiting: dict[tuple[str, ...], dict[int, int]] = {}
        self._busy: dict[str, dict[int, int]] = {}
        self._elastic: dict[str, int] = {}
        for agent in plan.agents.values():
            slots = agent.slots_max if agent.slots_max is not None else (1 if agent.kind == "human" else None)
            self._add(agent.name, agent.kind, agent.slots_min, slots)
        for tool in plan.tools.values():
            self._add(tool.name, "tool", tool.slots_min, tool.slots)

    def _add(self, name: str, kind: str, least: int | None, slots: int | None) -> None:
        pool = self._pools[name] = PoolObservation(name, kind, slots, self._bin_s)
        if least is not None and slots is not None and least < slots:
            self._elastic[name] = least
            pool.resize(0.0, least)

    def _queue(self, names: tuple[str, ...]) -> PoolObservation:
        queue = self._queues.get(names)
        if queue is None:
            members = tuple(sorted(names))
            if len(members) == 1:
                queue = self._pools[members[0]]
            else:
                name = " or ".join(members)
                queue = self._pools.get(name)
                if queue is None:
                    slots = [self._pools[member].slots for member in members]
                    known = [count for count in slots if count is not None]
                    total = sum(known) if len(known) == len(slots) else None
                    queue = PoolObservation(name, "pool", total, self._bin_s, members)
                    self._pools[name] = queue
            self._queues[names] = queue
        return queue

    def requested(self, names: tuple[str, ...], now_us: int) -> None:
        """See `PoolObserver`."""
        now_us += self.offset_us
        self._queue(names).enqueue(now_us / SECOND)
        waiting = self._waiting.setdefault(names, {})
        waiting[now_us] = waiting.get(now_us, 0) + 1

    def granted(self, names: tuple[str, ...], pool: str, made_us: int, now_us: int) -> None:
        """See `PoolObserver`."""
        made_us += self.offset_us
        self._queue(names).grant((now_us + self.offset_us) / SECOND, made_us / SECOND)
        _less(self._waiting[names], made_us)
        self._take(pool, now_us)

    def withdrawn(self, names: tuple[str, ...], made_us: int, now_us: int) -> None:
        """See `PoolObserver`."""
        made_us += self.offset_us
        self._queue(names).withdraw((now_us + self.offset_us) / SECOND, made_us / SECOND)
        _less(self._waiting[names], made_us)

    def held(self, pool: str, now_us: int) -> None:
        """See `PoolObserver`."""
        self._take(pool, now_us)

    def released(self, pool: str, taken_us: int, now_us: int) -> None:
        """See `PoolObserver`."""
        taken_us += self.offset_us
        self._pools[pool].release((now_us + self.offset_us) / SECOND, taken_us / SECOND)
        _less(self._busy[pool], taken_us)

    def resized(self, pool: str, slots: int, now_us: int) -> None:
        """See `PoolObserver`."""
        self._pools[pool].resize((now_us + self.offset_us) / SECOND, slots)

    def _take(self, pool: str, now_us: int) -> None:
        now_us += self.offset_us
        self._pools[pool].take(now_us / SECOND)
        busy = self._busy.setdefault(pool, {})
        busy[now_us] = busy.get(now_us, 0) + 1

    def crash(self, now_us: int) -> None:
        """The dispatcher is gone: whoever waited has left, whatever was taken is free."""
        now_s = (now_us + self.offset_us) / SECOND
        for names, waiting in self._waiting.items():
            for made_us, count in waiting.items():
                for _ in range(count):
                    self._queue(names).withdraw(now_s, made_us / SECOND)
            waiting.clear()
        for pool, busy in self._busy.items():
            for taken_us, count in busy.items():
                for _ in range(count):
                    self._pools[pool].release(now_s, taken_us / SECOND)
            busy.clear()
        for pool, least in self._elastic.items():
            self._pools[pool].resize(now_s, least)

    def settle(self, now_us: int) -> None:
        """An isolated run has ended: nothing waits and nothing is held any more."""
        self.crash(now_us)

    def close(self, now_us: int) -> list[PoolObservation]:
        """All pools, with their integrals booked up to now, and so much of each wait and hold that is not over."""
        self.crash(now_us)
        for pool in self._pools.values():
            pool.close((now_us + self.offset_us) / SECOND)
        return list(self._pools.values())


def _less(counts: dict[int, int], at_us: int) -> None:
    left = counts[at_us] - 1
    if left:
        counts[at_us] = left
    else:
        del counts[at_us]
