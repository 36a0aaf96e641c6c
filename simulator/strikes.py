"""What a fault does to one attempt, call, answer or timer: a function for each, by its name in `EFFECTS`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

if TYPE_CHECKING:
    from orchspec.compiler.plan import Model
    from orchspec.runtime.made import Breakage
    from orchspec.runtime.sampling import Sampled

__all__ = ["EFFECTS", "HURRIED_US", "PAUSE_US", "Strike"]

SECOND: Final = 1_000_000
HURRIED_US: Final = 100_000
"""How long an attempt takes that fails at once."""
PAUSE_US: Final = 60 * SECOND
"""How long a zombie pauses unless its fault says."""


@dataclass(slots=True)
class Strike:
    """What the faults do to one attempt or call: times in microseconds.

    `out`: nobody answers at the other end; `out_in_us`: so long after the beginning that will be so.
    """

    fail: str | None = None
    broken: Breakage | None = None
    inconsistent: bool = False
    factor: float = 1.0
    by_us: int = 0
    throttled: bool = False
    retry_after_us: int = 0
    lost: bool = False
    ack_lost: bool = False
    duplicated: bool = False
    delay_us: int = 0
    shuffle_us: int = 0
    price: float = 1.0
    usage: float = 1.0
    hurried: bool = False
    never: bool = False
    again: Breakage | Literal["same"] | None = None
    timer_us: int = 0
    timer_twice: bool = False
    dies_before: bool = False
    dies_after: bool = False
    hung: bool = False
    zombie_us: int = 0
    out: bool = False
    out_in_us: int | None = None
    server_error: bool = False

    @property
    def rejects(self) -> bool:
        """Whether nothing is done at all."""
        return self.throttled or self.out or self.server_error

    @property
    def silent(self) -> bool:
        """Whether no answer of an attempt ever comes: it hangs, or what was sent is lost on the way."""
        return self.hung or self.lost or self.ack_lost

    @property
    def failing(self) -> str | None:
        """Why a call that it strikes fails at once, if it does."""
        if self.throttled:
            return "429: it is not serving now"
        if self.out:
            return "nobody answers: an outage"
        return "503: it failed" if self.server_error else self.fail

    def spend(self, sampled: Sampled, model: Model | None) -> None:
        """It takes more than it should, or costs more than its model's price says."""
        if sampled.tokens_in is not None:
            sampled.tokens_in = round(sampled.tokens_in * self.usage)
        if sampled.tokens_out is not None:
            sampled.tokens_out = round(sampled.tokens_out * self.usage)
        if sampled.cost_pico is not None:
            sampled.cost_pico = round(sampled.cost_pico * self.usage * self.price)
        elif self.price != 1.0 and model is not None:
            read, written = sampled.tokens_in or 0, sampled.tokens_out or 0
            cost = read * (model.input_pico or 0) + written * (model.output_pico or 0)
            sampled.cost_pico = round(cost * self.price)

    def slowed(self, latency_us: int) -> int:
        """How long it takes instead."""
        if self.hurried:
            return min(latency_us, HURRIED_US)
        return int(latency_us * self.factor) + self.by_us


def _fail(strike: Strike, _args: dict[str, Any]) -> None:
    strike.fail = "injected failure"


def _broken(kind: Breakage) -> Callable[[Strike, dict[str, Any]], None]:
    def strikes(strike: Strike, _args: dict[str, Any]) -> None:
        strike.broken = kind

    return strikes


def _inconsistent(strike: Strike, _args: dict[str, Any]) -> None:
    strike.inconsistent = True


def _slow(strike: Strike, args: dict[str, Any]) -> None:
    strike.factor *= args.get("factor", 1.0)
    strike.by_us += args.get("by", 0)


def _throttle(strike: Strike, args: dict[str, Any]) -> None:
    strike.throttled = True
    strike.retry_after_us = max(strike.retry_after_us, args.get("retry_after", 0))


def _lose(strike: Strike, _args: dict[str, Any]) -> None:
    strike.lost = True


def _lose_ack(strike: Strike, _args: dict[str, Any]) -> None:
    strike.ack_lost = True


def _duplicate(strike: Strike, _args: dict[str, Any]) -> None:
    strike.duplicated = True


def _reorder(strike: Strike, args: dict[str, Any]) -> None:
    strike.shuffle_us += args["by"]


def _never(strike: Strike, _args: dict[str, Any]) -> None:
    strike.never = True


def _late(strike: Strike, args: dict[str, Any]) -> None:
    strike.by_us += args["by"]


def _twice(strike: Strike, _args: dict[str, Any]) -> None:
    strike.again = strike.again or "same"


def _contradictory(strike: Strike, _args: dict[str, Any]) -> None:
    strike.again = "conflicting"


def _price(strike: Strike, args: dict[str, Any]) -> None:
    strike.price *= args["factor"]


def _overrun(strike: Strike, args: dict[str, Any]) -> None:
    strike.usage *= args["factor"]


def _retry_storm(strike: Strike, _args: dict[str, Any]) -> None:
    strike.fail = "it failed at once"
    strike.hurried = True


def _timer_early(strike: Strike, args: dict[str, Any]) -> None:
    strike.timer_us -= args["by"]


def _timer_late(strike: Strike, args: dict[str, Any]) -> None:
    strike.timer_us += args["by"]


def _timer_twice(strike: Strike, _args: dict[str, Any]) -> None:
    strike.timer_twice = True


def _delay(strike: Strike, args: dict[str, Any]) -> None:
    strike.delay_us += args["by"]


def _hang(strike: Strike, _args: dict[str, Any]) -> None:
    strike.hung = True


def _zombie(strike: Strike, args: dict[str, Any]) -> None:
    strike.zombie_us = max(strike.zombie_us, args.get("by", PAUSE_US))


def _outage(strike: Strike, _args: dict[str, Any]) -> None:
    strike.out = True


def _server_error(strike: Strike, _args: dict[str, Any]) -> None:
    strike.server_error = True


def _crash_before_effect(strike: Strike, _args: dict[str, Any]) -> None:
    strike.dies_before = True


def _crash_after_effect(strike: Strike, _args: dict[str, Any]) -> None:
    strike.dies_after = True


EFFECTS: Final[dict[str, Callable[[Strike, dict[str, Any]], None]]] = {
    "fail": _fail,
    "garbage": _broken("garbage"),
    "truncated": _broken("truncated"),
    "empty": _broken("empty"),
    "oversize": _broken("oversize"),
    "wrong": _broken("wrong"),
    "conflicting": _broken("conflicting"),
    "inconsistent": _inconsistent,
    "poisoned": _broken("poisoned"),
    "never": _never,
    "late": _late,
    "twice": _twice,
    "contradictory": _contradictory,
    "price": _price,
    "overrun": _overrun,
    "retry_storm": _retry_storm,
    "timer_early": _timer_early,
    "timer_late": _timer_late,
    "timer_twice": _timer_twice,
    "reorder": _reorder,
    "partition": _lose,
    "slow": _slow,
    "throttle": _throttle,
    "lose": _lose,
    "lose_ack": _lose_ack,
    "duplicate": _duplicate,
    "delay": _delay,
    "hang": _hang,
    "zombie": _zombie,
    "outage": _outage,
    "correlated_outage": _outage,
    "server_error": _server_error,
    "crash_before_effect": _crash_before_effect,
    "crash_after_effect": _crash_after_effect,
}
