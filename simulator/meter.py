"""The meter: turns what the dispatcher says of its pools into observations, in seconds of simulated time.

What is said is written down, one or two numbers a time, and booked when much has gathered: a simulation says three such
things of each attempt, and booking each at once had taken as long as all else that the simulator does for it. A booking
adds columns of numbers to the series of `PoolObservation`, in the order in which they were said. Levels are booked by
the times at which they changed, waits and holds by what the dispatcher says of their beginning: two accounts of one
thing, which Little's law and the utilization law compare.
"""

from __future__ import annotations

from array import array
from typing import TYPE_CHECKING, Any, Final

from orchspec.runtime.dispatcher import limits_of
from orchspec.simulator.observe import PoolObservation, Series
from orchspec.simulator.units import format_rate

if TYPE_CHECKING:
    import numpy as np

    from orchspec.compiler.plan import Plan
    from orchspec.simulator.clock import Clock

__all__ = ["Meter"]

SECOND: Final = 1_000_000
_BOOK_AT: Final = 1 << 15
"""How many numbers of one kind are written down before they are booked."""


class _Comings:
    """What comes and goes, of one queue or of the slots of one pool: written down as µs, with what is not over.

    `came` are beginnings, `went` pairs of a beginning and an end. `gone` are such pairs too, of those who waited for
    nothing; `at_once` are times of those who went as they came.
    """

    __slots__ = ("at_once", "came", "gone", "left", "since_us", "went")

    def __init__(self) -> None:
        self.came = array("q")
        self.went = array("q")
        self.gone = array("q")
        self.left = array("q")
        self.at_once = array("q")
        self.since_us = 0

    @property
    def even(self) -> bool:
        """Whether whatever came has gone again."""
        return 2 * (len(self.left) + len(self.came)) == len(self.went) + len(self.gone)

    def book(self, level: Series, begun: Series | None, went: tuple[Series, Series], gone: Series | None) -> None:
        """Add what was written down.

        Args:
            level: Of how many there are, integrated over time.
            begun: Counts beginnings, by their time.
            went: Counts those that went, and adds how long each was there, by the time of its beginning.
            gone: Adds how long those were there who waited for nothing.
        """
        import numpy as np

        at_once, before = np.array(self.at_once, np.int64), np.array(self.left, np.int64)
        came = np.concatenate((np.array(self.came, np.int64), at_once))
        ended, left_early = (np.array(each, np.int64).reshape(-1, 2) for each in (self.went, self.gone))
        ended = np.concatenate((ended, np.repeat(at_once, 2).reshape(-1, 2)))
        if not (came.size or ended.size or left_early.size):
            return
        ends = np.concatenate((ended[:, 1], left_early[:, 1]))
        self._integrate(level, came, ends, len(before))
        if begun is not None:
            _add(begun, came / SECOND, None)
        count, lasted = went
        _add(count, ended[:, 0] / SECOND, None)
        _add(lasted, ended[:, 0] / SECOND, (ended[:, 1] / SECOND) - (ended[:, 0] / SECOND))
        if gone is not None:
            _add(gone, left_early[:, 0] / SECOND, (left_early[:, 1] / SECOND) - (left_early[:, 0] / SECOND))
        self.left = self._still(np.concatenate((before, came)), np.concatenate((ended[:, 0], left_early[:, 0])))
        self.came, self.went, self.gone = array("q"), array("q"), array("q")
        del self.at_once[:]

    def _still(self, came: np.ndarray[Any, Any], went: np.ndarray[Any, Any]) -> array[int]:
        """Who came and has not gone."""
        import numpy as np

        found, where = np.unique(np.concatenate((came, went)), return_inverse=True)
        counts = np.bincount(where[: came.size], minlength=found.size) - np.bincount(
            where[came.size :], minlength=found.size
        )
        assert not counts.size or counts.min() >= 0, "more went than came"
        return array("q", np.repeat(found, counts).astype(np.int64).tobytes())

    def _integrate(self, level: Series, came: np.ndarray[Any, Any], ends: np.ndarray[Any, Any], before: int) -> None:
        """Spread the level since the last booking, until the last change of it, over the bins that it crosses."""
        import numpy as np

        until_us = int(max(came.max(initial=self.since_us), ends.max(initial=self.since_us)))
        since_us, self.since_us = self.since_us, until_us
        if until_us <= since_us:
            return
        until_s = until_us / SECOND
        level.reach(until_s)
        width = level.bin_s
        first, last = int(since_us / SECOND / width), int(until_s / width)
        edges = np.arange(first, last + 2) * width
        edges[0], edges[-1] = since_us / SECOND, until_s
        spans = np.diff(edges)
        held = np.full(spans.size, float(before))
        part = np.zeros(spans.size)
        for times, sign in ((came, 1.0), (ends, -1.0)):
            at_s = times / SECOND
            where = np.clip((at_s / width).astype(np.int64) - first, 0, spans.size - 1)
            counts = np.bincount(where, minlength=spans.size)
            # Those that came before a bin are there for all of it, the others from when they came.
            held += sign * (np.cumsum(counts) - counts)
            part += sign * np.bincount(where, weights=edges[where + 1] - at_s, minlength=spans.size)
        np.frombuffer(level.sums)[first : last + 1] += np.maximum(held * spans + part, 0.0)


def _add(series: Series, at_s: np.ndarray[Any, Any], values: np.ndarray[Any, Any] | None) -> None:
    import numpy as np

    if not at_s.size:
        return
    series.reach(float(at_s.max()))
    where = (at_s / series.bin_s).astype(np.int64)
    np.frombuffer(series.sums)[:] += np.bincount(where, weights=values, minlength=len(series.sums))


class Meter:
    """A `PoolObserver`. Tasks that several agents may take wait in a pool of their own, named after all of them.

    `offset_us` is added to all times: isolated runs, each with a clock of its own, are laid end to end by it.
    """

    def __init__(self, plan: Plan, bin_s: float) -> None:
        self.offset_us = 0
        self._bin_s = bin_s
        self._pools: dict[str, PoolObservation] = {}
        self._queues: dict[tuple[str, ...], PoolObservation] = {}
        self._waiting: dict[tuple[str, ...], _Comings] = {}
        self._busy: dict[str, _Comings] = {}
        self._alone: dict[str, array[int]] = {}
        self._elastic: dict[str, int] = {}
        for agent in plan.agents.values():
            slots = agent.slots_max if agent.slots_max is not None else (1 if agent.kind == "human" else None)
            self._add(agent.name, agent.kind, agent.slots_min, slots)
        for tool in plan.tools.values():
            self._add(tool.name, "tool", tool.slots_min, tool.slots)
        # A limit of a model is a server with one slot that serves what its rate allows: busy for so much of its time.
        self._each_s: dict[str, float] = {}
        for model in plan.models.values():
            for attribute, limit in limits_of(model).items():
                self._add(limit, "model", None, 1)
                rate = model.rate if attribute == "rate" else model.token_rate
                assert rate is not None
                self._each_s[limit] = rate.per_us / rate.count / SECOND
                self._pools[limit].limit = format_rate(rate.count, rate.per_us / SECOND)

    def _add(self, name: str, kind: str, least: int | None, slots: int | None) -> None:
        pool = self._pools[name] = PoolObservation(name, kind, slots, self._bin_s)
        self._busy[name] = _Comings()
        if least is not None and slots is not None and least < slots:
            self._elastic[name] = least
            pool.resize(0.0, least)

    def _queue(self, names: tuple[str, ...]) -> _Comings:
        """The queue of tasks that any of these may take, seen for the first time."""
        members = tuple(sorted(names))
        if len(members) == 1:
            queue = self._pools[members[0]]
        else:
            name = " or ".join(members)
            found = self._pools.get(name)
            if found is None:
                slots = [self._pools[member].slots for member in members]
                known = [count for count in slots if count is not None]
                total = sum(known) if len(known) == len(slots) else None
                found = self._pools[name] = PoolObservation(name, "pool", total, self._bin_s, members)
            queue = found
        comings = next((self._waiting[other] for other, pool in self._queues.items() if pool is queue), None)
        self._queues[names] = queue
        self._waiting[names] = comings = _Comings() if comings is None else comings
        return comings

    def _stand_alone(self, pool: str) -> array[int]:
        """Where those of one pool are written down who never waited."""
        names = (pool,)
        comings = self._waiting.get(names) or self._queue(names)
        self._alone[pool] = comings.at_once
        return comings.at_once

    # -------------------------------------------------------------- what is said

    def requested(self, names: tuple[str, ...], now_us: int) -> None:
        """See `PoolObserver`."""
        comings = self._waiting.get(names) or self._queue(names)
        comings.came.append(now_us + self.offset_us)

    def granted(self, names: tuple[str, ...], pool: str, made_us: int, now_us: int) -> None:
        """See `PoolObserver`."""
        now_us += self.offset_us
        went = self._waiting[names].went
        went.append(made_us + self.offset_us)
        went.append(now_us)
        self._busy[pool].came.append(now_us)

    def taken(self, pool: str, now_us: int) -> None:
        """See `PoolObserver`."""
        now_us += self.offset_us
        (self._alone.get(pool) or self._stand_alone(pool)).append(now_us)
        self._busy[pool].came.append(now_us)

    def withdrawn(self, names: tuple[str, ...], made_us: int, now_us: int) -> None:
        """See `PoolObserver`."""
        self._waiting[names].gone.extend((made_us + self.offset_us, now_us + self.offset_us))

    def held(self, pool: str, now_us: int) -> None:
        """See `PoolObserver`."""
        self._busy[pool].came.append(now_us + self.offset_us)

    def released(self, pool: str, taken_us: int, now_us: int) -> None:
        """See `PoolObserver`."""
        went = self._busy[pool].went
        went.append(taken_us + self.offset_us)
        went.append(now_us + self.offset_us)
        if len(went) > _BOOK_AT:
            self._book()

    def drew(self, limit: str, since_us: int, now_us: int) -> None:
        """See `PoolObserver`."""
        went = self._waiting[limit,].went
        went.append(since_us + self.offset_us)
        went.append(now_us + self.offset_us)

    def spent(self, limit: str, amount: int, now_us: int) -> None:
        """See `PoolObserver`."""
        pool, at_s = self._pools[limit], (now_us + self.offset_us) / SECOND
        busy_s = amount * self._each_s[limit]
        pool.busy.add(at_s, busy_s)
        pool.held_s.add(at_s, busy_s)
        pool.takes.add(at_s)

    def resized(self, pool: str, slots: int, now_us: int) -> None:
        """See `PoolObserver`."""
        self._pools[pool].resize((now_us + self.offset_us) / SECOND, slots)

    # -------------------------------------------------------------- what is booked

    def _book(self) -> None:
        for names, pool in self._queues.items():
            self._waiting[names].book(pool.queue, pool.arrivals, (pool.grants, pool.wait_s), pool.abandoned_s)
        for name, comings in self._busy.items():
            pool = self._pools[name]
            comings.book(pool.busy, None, (pool.takes, pool.held_s), None)

    def crash(self, now_us: int) -> None:
        """The dispatcher is gone: whoever waited has left, whatever was taken is free.

        Who waited asks again once the engine is back. A wait is durable, so what was waited until now is part of it.
        """
        self._leave(now_us, comes_back=True)

    def _leave(self, now_us: int, *, comes_back: bool) -> None:
        now_us += self.offset_us
        for pool, least in self._elastic.items():
            self._pools[pool].resize(now_us / SECOND, least)
        if all(comings.even for comings in (*self._waiting.values(), *self._busy.values())):
            return
        self._book()
        for comings, queue in {self._waiting[names]: queue for names, queue in self._queues.items()}.items():
            for made_us in comings.left:
                comings.gone.extend((made_us, now_us))
                if comes_back:
                    queue.cut_s.add(made_us / SECOND, (now_us - made_us) / SECOND)
        for comings in self._busy.values():
            for taken_us in comings.left:
                comings.went.extend((taken_us, now_us))

    def follow(self, clock: Clock) -> None:
        """Take the world's time from this clock, where what is told may differ from it: here it is the same."""

    def settle(self, now_us: int) -> None:
        """An isolated run has ended: nothing waits and nothing is held any more."""
        self._leave(now_us, comes_back=False)

    def close(self, now_us: int) -> list[PoolObservation]:
        """All pools, with their integrals booked up to now, and so much of each wait and hold that is not over."""
        self._leave(now_us, comes_back=False)
        self._book()
        for pool in self._pools.values():
            pool.close((now_us + self.offset_us) / SECOND)
        return list(self._pools.values())
