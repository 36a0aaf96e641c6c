"""The way to the targets of effects and back, in virtual time.

A request that has left lands, whatever becomes of its sender: half of its time it is on the way there, half of it the
reply is on the way back. A reply to an engine that is dead is lost, and then the effect is in doubt.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from orchspec.runtime.kernel.events import EffectConfirmed, EffectRefused
from orchspec.simulator.attempts import THROTTLED_US

if TYPE_CHECKING:
    from orchspec.runtime.kernel.commands import TryEffect
    from orchspec.simulator.clock import Clock

__all__ = ["Targets"]


class Targets:
    """Requests and replies that are on their way. `open` counts those of each run that the present engine awaits."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.open: dict[str, int] = {}

    def moves(self, run: str) -> bool:
        """Whether the run awaits a reply."""
        return run in self.open

    def crash(self) -> None:
        """Nobody awaits the replies any more."""
        self.open.clear()

    def send(self, run: str, command: TryEffect) -> None:
        """Send an effect to its target."""
        clock = self._clock
        clock.reached("before_effect")
        visit = clock.visits[run]
        assert visit.kernel is not None
        if visit.done and (command.place, 0) in visit.done:
            visit.wronged = True
        key = visit.kernel.draw_key(command.place)
        player = clock.cast.players[command.effect]
        sampled = player.send(key, command.attempt)
        strike = clock.faults.strike(command.effect, key, command.attempt, clock.now)
        latency_us, refused = sampled.latency_us, "the target refused" if sampled.failed else None
        retry_after_us = 0
        if strike is not None:
            latency_us = strike.slowed(latency_us)
            if strike.throttled:
                latency_us, refused = THROTTLED_US, "429: the target is not serving now"
                retry_after_us = strike.retry_after_us
            elif strike.fail is not None:
                refused = strike.fail
        self.open[run] = self.open.get(run, 0) + 1
        now = clock.now
        if refused is not None:
            clock.at(now + latency_us, self._refused, (clock.epoch, run, command, refused, retry_after_us))
            return
        receipt = player.receipt(command.args, key)
        there_us = latency_us // 2
        clock.at(now + there_us, self._lands, (clock.epoch, run, command, receipt, latency_us - there_us))

    def _refused(self, event: Any) -> None:
        epoch, run, command, message, retry_after_us = event.value
        if epoch == self._clock.epoch:
            now = self._clock.now
            self._reply(
                run, EffectRefused(now, command.place, command.attempt, command.dispatch, message, retry_after_us)
            )

    def _lands(self, event: Any) -> None:
        epoch, run, command, receipt, back_us = event.value
        clock = self._clock
        receipt = clock.world.apply(run, command.effect, command.args, command.target_key, receipt)
        if epoch == clock.epoch:
            clock.reached("after_effect")
            clock.at(clock.now + back_us, self._confirmed, (epoch, run, command, receipt))

    def _confirmed(self, event: Any) -> None:
        epoch, run, command, receipt = event.value
        if epoch == self._clock.epoch:
            now = self._clock.now
            self._reply(run, EffectConfirmed(now, command.place, command.attempt, command.dispatch, receipt))

    def _reply(self, run: str, event: Any) -> None:
        left = self.open[run] - 1
        if left:
            self.open[run] = left
        else:
            del self.open[run]
        engine = self._clock.engine
        assert engine is not None
        engine.post(run, event)
