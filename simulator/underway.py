"""An attempt that is under way in virtual time: what was drawn for it, and how far it is."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from orchspec.runtime.sampling import Sampled

if TYPE_CHECKING:
    from orchspec.runtime.kernel.commands import RunTask
    from orchspec.simulator.faults import Strike
    from orchspec.simulator.visits import Visit

__all__ = ["Attempt", "usage_of"]


class Attempt(Sampled):
    """One attempt. It `waits` at the door of an agent whose capacity is short, and is `asking` for an effect.

    It stands in the calendar itself (`callback`). What was drawn for it is `latency_us` and the rest of `Sampled`;
    what faults made of its time is `takes_us`. As with that, what most attempts don't have stays with the class.
    """

    strike: Strike | None = None
    left_us: int = 0
    moments: list[tuple[int, str, dict[str, Any] | None]] | None = None
    asking: Strike | bool = False
    done: bool = False
    waits: bool = False
    share: float = 1.0
    """How much of the attempt was done, by the time it failed."""
    tool_us: int = 0
    tool_until_us: int = 0
    """How long it was at tools, overlaps once, and until when that is known."""
    takes_us: int = 0

    def __init__(self, callback: Callable[[Attempt], None], visit: Visit, command: RunTask, key: int, now: int) -> None:
        self.callback = callback
        self.visit = visit
        self.command = command
        self.key = key
        self.since_us = now

    def at_tools_us(self, now: int) -> int:
        """How long at least one call of a tool was under way, until now."""
        return self.tool_us - max(0, self.tool_until_us - now) if self.tool_us else 0


def usage_of(sampled: Sampled, share: float) -> tuple[int | None, int | None, int | None]:
    """Tokens in and out and pico-dollars of a share of an attempt.

    Providers bill what was read, and what was written until they were stopped.
    """
    tokens_in, tokens_out, cost = sampled.tokens_in, sampled.tokens_out, sampled.cost_pico
    if share < 1.0:
        tokens_out = None if tokens_out is None else int(tokens_out * share)
        cost = None if cost is None else int(cost * share)
    return tokens_in, tokens_out, cost
