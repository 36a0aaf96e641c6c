"""Signals as a schedule of faults has them come: late, never, mistaken, or once more."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from orchspec.parity.outside import Sent

if TYPE_CHECKING:
    from orchspec.parity.outside import Answer, Outside
    from orchspec.runtime.crew import Caller
    from orchspec.runtime.driver.clock import Clock
    from orchspec.simulator.cast import Cast

__all__ = ["Signals"]


class Signals:
    """Who sends them.

    Args:
        outside: what of them comes after this process.
        cast: who plays whom.
        clock: of the world.
        put_in: puts one into the mailbox.
        waited_us: for how long a place (the key of its draws) has waited for its signal, on the engine's clock.
        later: calls back at a time, in this life.
    """

    def __init__(
        self,
        outside: Outside,
        cast: Cast,
        clock: Clock,
        put_in: Callable[[Answer | Sent, Any], None],
        waited_us: Callable[[int], int],
        later: Callable[..., None],
    ) -> None:
        self._outside = outside
        self._cast = cast
        self._clock = clock
        self._put_in = put_in
        self._waited_us = waited_us
        self._later = later
        self._again: set[int] = set()

    def comes_again(self, key: int) -> None:
        """A signal that is sent twice will come once more, after it has come."""
        sent = self._outside.sent[key]
        if sent is not None and key not in self._again:
            self._again.add(key)
            self._later(sent.at_us, self._comes_after, key, sent)

    def _comes_after(self, key: int, sent: Sent) -> None:
        self._later(self._clock.now_us(), self._came_again, key, sent)

    def _came_again(self, key: int, sent: Sent) -> None:
        self._outside.sent[key] = None
        self._put_in(sent, sent.value)

    def caller(self, name: str) -> Caller:
        """Who sends a signal."""

        def send(inputs: list[Any], key: int) -> tuple[int, Any] | None:
            known = self._outside.signals
            if key not in known:
                known[key] = set_out(inputs, key)
            return known[key]

        def set_out(inputs: list[Any], key: int) -> tuple[int, Any] | None:
            sent = self._cast.players[name].signal(inputs, key)
            strike = self._outside.faults.strike(name, key, 1, self._clock.now_us())
            if sent is None or (strike is not None and (strike.never or strike.lost)):
                return None
            latency_us, value = sent
            if strike is not None:
                latency_us = strike.slowed(latency_us) + strike.delay_us
                if strike.broken is not None:
                    value = self._cast.broken(name, name, inputs, key, 1, strike.broken)
                again = strike.again or ("same" if strike.duplicated else None)
                if again is not None:
                    other = value if again == "same" else self._cast.broken(name, name, inputs, key, 1, again)
                    at_us = self._clock.now_us() + max(0, latency_us - self._waited_us(key))
                    self._outside.send_again(key, Sent(at_us, name, inputs, other))
                    self.comes_again(key)
            return latency_us, value

        return send
