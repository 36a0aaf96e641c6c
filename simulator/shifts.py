"""How far ahead of the world's time the orchestrator's clock is, where `jump` and `skew` set it.

`jump` sets it ahead for good, `skew` for as long as it lasts; with `every` this happens again and again. Times are
whole microseconds of the world, so what the clock said just before a moment is what it said one before.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ["Shift", "ahead_us"]


@dataclass(frozen=True, slots=True)
class Shift:
    """A clock that is set ahead by `by_us` at a time: for good, or for as long as it lasts; once, or every so often."""

    at_us: int
    by_us: int
    lasting_us: int | None = None
    every_us: int | None = None

    @classmethod
    def of(cls, args: Mapping[str, Any]) -> Shift:
        """What the arguments of a fault say."""
        every_us = args.get("every")
        return cls(args.get("at", every_us or 0), args["by"], args.get("lasting"), every_us)

    def ahead_us(self, now_us: int) -> int:
        """By how much the clock is ahead of the world's time; one that was set back is not."""
        since_us = now_us - self.at_us
        if since_us < 0:
            return 0
        if self.lasting_us is None:
            return self.by_us * (1 + since_us // self.every_us) if self.every_us else self.by_us
        if self.every_us:
            since_us %= self.every_us
        return self.by_us if since_us < self.lasting_us else 0

    def dates_us(self) -> tuple[int, ...]:
        """When the clock is set for the first time, ahead and back; each comes again `every_us`."""
        return (self.at_us,) if self.lasting_us is None else (self.at_us, self.at_us + self.lasting_us)

    def next_us(self, date_us: int, now_us: int) -> int | None:
        """When one of its dates comes next, after this moment; None: never again."""
        if date_us > now_us:
            return date_us
        return date_us + (1 + (now_us - date_us) // self.every_us) * self.every_us if self.every_us else None


def ahead_us(shifts: Iterable[Shift], now_us: int) -> int:
    """By how much all of them together set the clock ahead."""
    return sum([each.ahead_us(now_us) for each in shifts])
