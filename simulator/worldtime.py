"""The meter where the orchestrator's clock may differ from the world's: `jump` and `skew` set it ahead.

The dispatcher tells its times by the engine's clock, and what is measured goes by the world's: a task that was under
way as the clock jumped was not a minute longer under way for that. So each time that is told is taken for the world's
time at which it was told first. While a clock that was set back stands, all that happens is told at the one time at
which it stands, and booked there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchspec.simulator.meter import Meter

if TYPE_CHECKING:
    from orchspec.compiler.plan import Plan
    from orchspec.simulator.clock import Clock
    from orchspec.simulator.faults import Faults

__all__ = ["WorldMeter", "meter_of"]


def meter_of(plan: Plan, bin_s: float, faults: Faults) -> Meter:
    """The meter of a replication that these faults may strike; `bin_s` is how wide its bins are, in seconds."""
    return WorldMeter(plan, bin_s) if faults.shifts() else Meter(plan, bin_s)


class WorldMeter(Meter):
    """A meter that takes what it is told for the world's time; `follow` says whose."""

    def __init__(self, plan: Plan, bin_s: float) -> None:
        super().__init__(plan, bin_s)
        self._seen: dict[int, int] = {}
        self._clock: Clock | None = None

    def follow(self, clock: Clock) -> None:
        """See `Meter`."""
        self._clock = clock
        self._seen.clear()

    def _world_us(self, told_us: int) -> int:
        assert self._clock is not None, "it follows no clock"
        return self._seen.setdefault(told_us, self._clock.now)

    def requested(self, names: tuple[str, ...], now_us: int) -> None:
        """See `PoolObserver`."""
        super().requested(names, self._world_us(now_us))

    def granted(self, names: tuple[str, ...], pool: str, made_us: int, now_us: int) -> None:
        """See `PoolObserver`."""
        super().granted(names, pool, self._world_us(made_us), self._world_us(now_us))

    def taken(self, pool: str, now_us: int) -> None:
        """See `PoolObserver`."""
        super().taken(pool, self._world_us(now_us))

    def withdrawn(self, names: tuple[str, ...], made_us: int, now_us: int) -> None:
        """See `PoolObserver`."""
        super().withdrawn(names, self._world_us(made_us), self._world_us(now_us))

    def held(self, pool: str, now_us: int) -> None:
        """See `PoolObserver`."""
        super().held(pool, self._world_us(now_us))

    def released(self, pool: str, taken_us: int, now_us: int) -> None:
        """See `PoolObserver`."""
        super().released(pool, self._world_us(taken_us), self._world_us(now_us))

    def drew(self, limit: str, since_us: int, now_us: int) -> None:
        """See `PoolObserver`."""
        super().drew(limit, self._world_us(since_us), self._world_us(now_us))

    def spent(self, limit: str, amount: int, now_us: int) -> None:
        """See `PoolObserver`."""
        super().spent(limit, amount, self._world_us(now_us))

    def resized(self, pool: str, slots: int, now_us: int) -> None:
        """See `PoolObserver`."""
        super().resized(pool, slots, self._world_us(now_us))

    def crash(self, now_us: int) -> None:
        """See `Meter`; whoever comes back tells the time anew."""
        super().crash(now_us)
        self._seen.clear()
