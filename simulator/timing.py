"""The time that the engine is told, and its timers: where faults of time strike.

`jump` sets the clock of the orchestrator ahead for good, `skew` for as long as it lasts (`shifts`); set back, it stands
until the world has caught up, as the runtime's does, and an engine that takes over goes on from where the journals end.
Timers fire when the engine's clock says so, but for those that `timer_early`, `timer_late` and `timer_twice` strike.
What the world measures (latencies, loads) goes by its own time.

Timers stand in the queue of the runtime, and one SimPy event rings for the soonest of them: most are dropped before
they come due, and a SimPy event can't be.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from orchspec.runtime.kernel.events import TimerFired
from orchspec.runtime.timers import TimerQueue
from orchspec.simulator.shifts import ahead_us

if TYPE_CHECKING:
    from orchspec.simulator.clock import Clock

__all__ = ["AGAIN_US", "Timing", "rings_us"]

AGAIN_US: Final = 1_000_000
"""How much later a timer fires again that fires twice."""

_Key = tuple[str, int, str]


def rings_us(at_us: int, now_us: int, late_us: int) -> int:
    """When a timer for a time rings that is late by so much, or early where that is below 0.

    Early by half of its time at most: a timer that fires at once, again and again, is no timer.
    """
    return max(now_us, at_us + max(late_us, (now_us - at_us) // 2))


class Timing:
    """The timers of one clock's engine. `shifted` says whether its clock may differ from the world's."""

    __slots__ = (
        "_ahead_us",
        "_alarms_us",
        "_clock",
        "_floor_us",
        "_queue",
        "_set_for",
        "_struck",
        "_shifts",
        "shifted",
    )

    def __init__(self, clock: Clock, on_shift: Callable[[], None]) -> None:
        self._clock = clock
        self._queue = TimerQueue()
        # Each is sooner than those before it, so the last one is the next to ring.
        self._alarms_us: list[int] = []
        # For when on the engine's clock, and whether twice: kept where faults of time may strike.
        self._set_for: dict[_Key, tuple[int, int, bool]] = {}
        self._shifts = clock.faults.shifts()
        self._ahead_us = self._floor_us = 0
        self._struck = clock.faults.strikes_timers
        self.shifted = bool(self._shifts)
        for shift in self._shifts:
            for at_us in shift.dates_us():
                clock.at(at_us, self._shift, (shift.every_us, on_shift))

    def told_us(self) -> int:
        """The engine's present, µs."""
        if not self.shifted:
            return self._clock.now
        self._floor_us = max(self._floor_us, self._clock.now + self._shift_us())
        return self._floor_us

    def _shift_us(self) -> int:
        return self._ahead_us + ahead_us(self._shifts, self._clock.now)

    def world_us(self, at_us: int) -> int:
        """When the engine's clock says this, in the world's time, as far as is known now."""
        return at_us - self._shift_us() if self.shifted else at_us

    def _shift(self, event: Any) -> None:
        now = self._clock.now
        every_us, on_shift = event.value
        if every_us:
            self._clock.at(now + every_us, self._shift, event.value)
        if self._clock.engine is not None:  # the last that it saw of its clock before that is set
            self._floor_us = max(self._floor_us, now + self._ahead_us + ahead_us(self._shifts, now - 1))
        # Those that are due by that ring in the order of their times.
        for key, (at_us, attempt, twice) in sorted(self._set_for.items(), key=lambda each: each[1][0]):
            self._set(key, at_us, attempt, 0, twice)
        on_shift()

    # -------------------------------------------------------------- timers

    def ways(self) -> tuple[Callable[[str, int, str, int, int], None], Callable[[str, int, str], None]]:
        """What arms and what drops a timer: straight to the queue where no fault of time can strike."""
        if self._struck or self.shifted:
            return self.arm, self.drop
        return self._stand, self._queue.drop

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
        told_us, now = self.told_us(), self._clock.now
        at_us = rings_us(at_us, told_us, late_us)
        self._set_for[key] = (at_us, attempt, twice)
        self._stand(*key, max(now, self.world_us(at_us)) if at_us > told_us else now, attempt)

    def _stand(self, run: str, place: int, timer: str, at_us: int, attempt: int) -> None:
        self._queue.arm(run, place, timer, at_us, attempt)
        if not self._alarms_us or at_us < self._alarms_us[-1]:
            self._alarms_us.append(at_us)
            self._clock.at(at_us, self._ring, None)

    def drop(self, run: str, place: int, timer: str) -> None:
        """See `Timers`."""
        self._queue.drop(run, place, timer)
        if self._set_for:
            self._set_for.pop((run, place, timer), None)

    def forget(self) -> None:
        """The engine is gone, and its timers with it."""
        self._queue.clear()
        self._set_for.clear()

    def restart(self) -> None:
        """Another process comes, which knows nothing of what this one saw of the clock."""
        self._ahead_us = self._floor_us = 0

    def not_before(self, at_us: int) -> None:
        """What a journal says has happened lies not in the future: an engine that takes over goes on from there."""
        if self.shifted:
            self._ahead_us += max(0, at_us - self.told_us())

    def moves(self, run: str) -> bool:
        """Whether the run has a timer."""
        return self._queue.has(run)

    def places(self, run: str) -> list[int]:
        """The places of the run that have timers."""
        return self._queue.places(run)

    def _ring(self, _event: Any) -> None:
        self._alarms_us.pop()
        clock = self._clock
        for due in self._queue.due(clock.now):
            key = (due.run, due.place, due.timer)
            known = self._set_for.pop(key, None)
            self._fire(key, due.attempt)
            if known is not None and known[2]:
                clock.at(clock.now + AGAIN_US, self._again, (clock.epoch, key, due.attempt))
        next_us = self._queue.next_us()
        if next_us is not None and (not self._alarms_us or next_us < self._alarms_us[-1]):
            self._alarms_us.append(next_us)
            clock.at(next_us, self._ring, None)

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
