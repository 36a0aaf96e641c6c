"""An attempt that is under way in virtual time: what was drawn for it, and how far it is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from orchspec.runtime.kernel.commands import RunTask
    from orchspec.runtime.sampling import Sampled
    from orchspec.simulator.faults import Strike

__all__ = ["Attempt", "usage_of"]


class Attempt:
    """One attempt. It `waits` at the door of an agent whose capacity is short, and is `asking` for an effect."""

    __slots__ = (
        "asking",
        "calls",
        "command",
        "done",
        "key",
        "latency_us",
        "left_us",
        "run",
        "sampled",
        "share",
        "since_us",
        "strike",
        "tool_until_us",
        "tool_us",
        "waits",
    )

    def __init__(self, run: str, command: RunTask, key: int, sampled: Sampled, strike: Strike | None, now: int) -> None:
        self.run = run
        self.command = command
        self.key = key
        self.sampled = sampled
        self.strike = strike
        self.since_us = now
        self.latency_us = sampled.latency_us
        self.left_us = 0
        self.calls: list[tuple[int, str, dict[str, Any] | None]] = []
        self.asking: Strike | bool = False
        self.done = False
        self.waits = False
        # How much of the attempt was done, by the time it failed.
        self.share = 1.0
        # How long it was at tools, overlaps once, and until when that is known.
        self.tool_us = self.tool_until_us = 0

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
