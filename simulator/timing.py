"""The time that the engine is told, and its timers: where faults of time strike.

`jump` sets the clock of the orchestrator ahead once, `skew` for as long as it lasts; set back, it stands until the
world has caught up, as the runtime's does. Timers fire when the engine's clock says so, but for those that
`timer_early`, `timer_late` and `timer_twice` strike. What the world measures (latencies, loads) goes by its own time.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from orchspec.runtime.kernel.events import TimerFired

if TYPE_CHECKING:
    import simpy

    from orchspec.simulator.clock import Clock

__all__ = ["Timing"]

_AGAIN_US: Final = 1_000_000
"""How much later a timer fires again that fires twice."""

_Key = tuple[str, int, str]


class Timing:
    """The timers of one clock's engine. `shifted` says whether its clock may differ from the world's."""

    __slots__ = ("_clock", "_floor_us", "_struck", "_timers", "_windows", "shifted")

    def __init__(self, clock: Clock, on_shift: Callable[[], None]) -> None:
        self._clock = clock
        self._timers: dict[_Key, tuple[simpy.Event, int, int, bool]] = {}
        self._windows = clock.faults.clock_windows()
        self._floor_us = 0
        self._struck = clock.faults.strikes_timers
        self.shifted = bool(self._windows)
        for from_us, until_us, _ in self._windows:
            for at_us in (from_us, until_us):
                if at_us is not None:
                    clock.at(at_us, self._shift, on_shift)

    def told_us(self) -> int:
        """The engine's present, µs."""
        if not self.shifted:
            return self._clock.now
        self._floor_us = max(self._floor_us, self._clock.now + self._shift_us())
        return self._floor_us

    def _shift_us(self) -> int:
        now = self._clock.now
        return sum(by for since, until, by in self._windows if since <= now and (until is None or now < until))

    def world_us(self, at_us: int) -> int:
        """When the engine's clock says this, in the world's time, as far as is known now."""
        return at_us - self._shift_us() if self.shifted else at_us

    def _shift(self, event: Any) -> None:
        for key, (_, at_us, attempt, twice) in list(self._timers.items()):
            self._set(key, at_us, attempt, 0, twice)
        event.value()

    # -------------------------------------------------------------- timers

    def arm(self, run: str, place: int, timer: str, at_us: int, attempt: int) -> None:
        """See `Timers`."""
        late_us, twice = 0, False
        if self._struck:
            visit = self._clock.visits.get(run)
            key = visit.kernel.draw_key(place) if visit is not None and visit.kernel is not None else place
            strike = self._clock.faults.strike("orchestrator", key, attempt, self._clock.now)
            if strike is not None:
                late_us, twice = strike.timer_us, strike.timer_twice
        self._set((run, place, timer), at_us, attempt, late_us, twice)

    def _set(self, key: _Key, at_us: int, attempt: int, late_us: int, twice: bool) -> None:
        clock = self._clock
        at = self.world_us(at_us)
        # Early by half of its time at most: a timer that fires at once, again and again, is no timer.
        at = max(clock.now, at + max(late_us, (clock.now - at) // 2))
        self._timers[key] = (clock.at(at, self._due, key), at_us, attempt, twice)

    def drop(self, run: str, place: int, timer: str) -> None:
        """See `Timers`."""
        self._timers.pop((run, place, timer), None)

    def forget(self) -> None:
        """The engine is gone, and its timers with it."""
        self._timers.clear()

    def moves(self, run: str) -> bool:
        """Whether the run has a timer."""
        return any(key[0] == run for key in self._timers)

    def _due(self, event: Any) -> None:
        key = event.value
        known = self._timers.get(key)
        if known is None or known[0] is not event:
            return
        del self._timers[key]
        self._fire(key, known[2])
        if known[3]:
            self._clock.at(self._clock.now + _AGAIN_US, self._again, (self._clock.epoch, key, known[2]))

    def _again(self, event: Any) -> None:
        epoch, key, attempt = event.value
        engine = self._clock.engine
        if epoch == self._clock.epoch and engine is not None and key[0] in engine.kernels:
            self._fire(key, attempt)

    def _fire(self, key: _Key, attempt: int) -> None:
        run, place, timer = key
        engine = self._clock.engine
        assert engine is not None
        engine.post(run, TimerFired(self.told_us(), place, timer, attempt))
