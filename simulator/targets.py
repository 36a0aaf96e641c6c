"""The way to the targets of effects and back, in virtual time.

A request that has left lands, whatever becomes of its sender: half of its time it is on the way there, half of it the
reply is on the way back. A reply to an engine that is dead is lost, and then the effect is in doubt.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from orchspec.runtime.draws import FAULT, mix, uniform
from orchspec.runtime.kernel.events import EffectChecked, EffectConfirmed, EffectRefused, EffectUnknown
from orchspec.runtime.sampling import CHECK, receipt_key, why_failed
from orchspec.simulator.underway import THROTTLED_US

if TYPE_CHECKING:
    from orchspec.runtime.kernel.commands import CheckEffect, TryEffect
    from orchspec.runtime.sampling import Sampled
    from orchspec.simulator.clock import Clock
    from orchspec.simulator.faults import Strike

__all__ = ["LANDED", "Targets", "outcome_of"]

LANDED: Final = FAULT + 0x8000
"""Draws of whether an effect was done that its target failed at."""


class Targets:
    """Requests and replies that are on their way.

    `open` counts those of each run that the present engine awaits and that will come, `silent` those that never will.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.open: dict[str, int] = {}
        self.silent: dict[str, int] = {}
        self._leaving: list[tuple[str, TryEffect]] = []

    def moves(self, run: str) -> bool:
        """Whether the run awaits a reply that will come."""
        return run in self.open

    @property
    def busy(self) -> bool:
        """Whether any reply is awaited; who awaits it does not know that it will not come."""
        return bool(self.open or self.silent)

    def forget(self, run: str) -> None:
        """A run has ended: nobody awaits a reply for it any more."""
        self.open.pop(run, None)
        self.silent.pop(run, None)
        if self._leaving:
            self._leaving = [each for each in self._leaving if each[0] != run]

    def crash(self) -> None:
        """Nobody awaits the replies any more."""
        self.open.clear()
        self.silent.clear()
        self._leaving.clear()

    def send(self, run: str, command: TryEffect) -> None:
        """Send an effect to its target: where something may crash, once all of the commit was acted on (`leave`)."""
        clock = self._clock
        if clock.crashes is None:
            self._send(run, command)
            return
        clock.reached("before_effect")
        self._leaving.append((run, command))

    def leave(self) -> None:
        """A commit was acted on: its requests leave, in their order."""
        if self._leaving:
            leaving, self._leaving = self._leaving, []
            for run, command in leaving:
                self._send(run, command)

    def _send(self, run: str, command: TryEffect) -> None:
        clock = self._clock
        visit = clock.visits[run]
        assert visit.kernel is not None
        if command.deadline_us is not None and command.deadline_us <= clock.told:
            # Its intent became durable too late: as in the driver, whoever settles doubts counts from the deadline.
            where = (clock.now, command.place, command.attempt, command.dispatch)
            self._post(run, EffectUnknown(*where, f"{command.effect} was not sent before its deadline"))
            return
        if visit.done and (command.place, 0) in visit.done:
            visit.wronged = True
        key = visit.kernel.draw_key(command.place)
        player = clock.cast.players[command.effect]
        sampled = player.send(key, command.attempt)
        strike = clock.faults.strike(command.effect, key, command.attempt, clock.now)
        if strike is not None and strike.hung:
            self._in_vain(run)  # no reply, and no broken connection either
            return
        latency_us, refused = outcome_of(command.effect, sampled, strike)
        now = clock.now
        if strike is not None and strike.server_error:
            # Who fails in the middle may have done it: half of the time they have.
            if uniform(key, command.attempt, LANDED) < 0.5:
                receipt = player.receipt(command.args, receipt_key(command.target_key))
                clock.at(now + latency_us // 2, self._lands, (clock.epoch, run, command, receipt, None))
            self._await(run)
            clock.at(now + latency_us, self._broken, (clock.epoch, run, command))
            return
        if refused is not None and not (strike is not None and strike.lost):
            self._await(run)
            retry_after_us = strike.retry_after_us if strike is not None else 0
            clock.at(now + latency_us, self._refused, (clock.epoch, run, command, refused, retry_after_us))
            return
        receipt = player.receipt(command.args, receipt_key(command.target_key))
        there_us = latency_us // 2
        back_us: int | None = latency_us - there_us
        if strike is not None:
            there_us += strike.delay_us
            if strike.lost or strike.ack_lost:
                self._goes_silent(run, command, now + latency_us)
                back_us = None
            if strike.lost:
                return
            if strike.duplicated:
                clock.at(now + there_us + latency_us, self._lands, (clock.epoch, run, command, receipt, None))
        if back_us is not None:
            self._await(run)
        clock.at(now + there_us, self._lands, (clock.epoch, run, command, receipt, back_us))

    def _goes_silent(self, run: str, command: TryEffect, broken_us: int) -> None:
        """No reply will come. Without a deadline the sender learns so much when its connection breaks."""
        if command.deadline_us is None:
            self._await(run)
            self._clock.at(broken_us, self._broken, (self._clock.epoch, run, command))
        else:
            self._in_vain(run)

    def _broken(self, event: Any) -> None:
        epoch, run, command = event.value
        if epoch == self._clock.epoch:
            where = (self._clock.now, command.place, command.attempt, command.dispatch)
            self._reply(run, EffectUnknown(*where, "the connection broke"))

    def check(self, run: str, command: CheckEffect) -> None:
        """Ask whether an effect was done: who answers sees what has landed when the question arrives."""
        clock = self._clock
        visit = clock.visits[run]
        assert visit.kernel is not None
        key = mix(visit.kernel.draw_key(command.place), CHECK)
        player = clock.cast.players[command.check]
        strike = clock.faults.strike(command.check, key, command.attempt, clock.now)
        latency_us, refused = outcome_of(command.check, player.send(key, command.attempt), strike)
        if strike is not None and strike.hung:
            self._in_vain(run)
            return
        if strike is not None and (strike.lost or strike.ack_lost or strike.server_error):
            refused = "no answer came"
        self._await(run)
        there_us = latency_us // 2 + (strike.delay_us if strike is not None else 0)
        back_us = latency_us - latency_us // 2
        clock.at(clock.now + there_us, self._looked_up, (clock.epoch, run, command, refused, back_us))

    def _looked_up(self, event: Any) -> None:
        epoch, run, command, refused, back_us = event.value
        clock = self._clock
        if epoch != clock.epoch:
            return
        known, receipt = clock.world.find(command.target_key)
        if known:
            player = clock.cast.players[command.check]
            receipt = player.found(command.args, int(command.target_key[:16], 16), receipt)
        where = (command.place, command.attempt, command.dispatch)
        answer = EffectChecked(0, *where, refused is None, receipt if known else None, refused or "")
        clock.at(clock.now + back_us, self._checked, (epoch, run, answer))

    def _checked(self, event: Any) -> None:
        epoch, run, answer = event.value
        if epoch == self._clock.epoch:
            answer.time = self._clock.now
            self._reply(run, answer)

    def _await(self, run: str) -> None:
        self.open[run] = self.open.get(run, 0) + 1

    def _in_vain(self, run: str) -> None:
        self.silent[run] = self.silent.get(run, 0) + 1

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
            if back_us is None:
                return
            if clock.faults.parted(command.effect, clock.now + back_us):
                self._loses_reply(run, command, back_us)
                return
            clock.at(clock.now + back_us, self._confirmed, (epoch, run, command, receipt))

    def _loses_reply(self, run: str, command: TryEffect, back_us: int) -> None:
        """It was awaited, and will not come."""
        if command.deadline_us is None:
            self._clock.at(self._clock.now + back_us, self._broken, (self._clock.epoch, run, command))
        else:
            self._left(run)
            self._in_vain(run)

    def _confirmed(self, event: Any) -> None:
        epoch, run, command, receipt = event.value
        if epoch == self._clock.epoch:
            now = self._clock.now
            where = (now, command.place, command.attempt, command.dispatch)
            self._reply(run, EffectConfirmed(*where, receipt, self._fee(run, command)))

    def _fee(self, run: str, command: TryEffect) -> int:
        player = self._clock.cast.players[command.effect]
        visit = self._clock.visits.get(run) if player.charges else None
        if visit is None or visit.kernel is None:
            return 0
        return player.fee(visit.kernel.draw_key(command.place), command.attempt)

    def _left(self, run: str) -> None:
        left = self.open.get(run, 0) - 1
        if left > 0:
            self.open[run] = left
        else:
            self.open.pop(run, None)

    def _reply(self, run: str, event: Any) -> None:
        self._left(run)
        self._post(run, event)

    def _post(self, run: str, event: Any) -> None:
        engine = self._clock.engine
        assert engine is not None
        engine.post(run, event)


def outcome_of(target: str, sampled: Sampled, strike: Strike | None) -> tuple[int, str | None]:
    """How long it takes (microseconds), and why it is refused, if it is."""
    latency_us, refused = sampled.latency_us, why_failed(target) if sampled.failed else None
    if strike is not None:
        latency_us = strike.slowed(latency_us)
        if strike.throttled:
            return THROTTLED_US, "429: the target is not serving now"
        if strike.out:
            return THROTTLED_US, "nobody answers: an outage"
        if strike.fail is not None:
            refused = strike.fail
    return latency_us, refused
