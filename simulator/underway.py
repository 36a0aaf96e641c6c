"""An attempt that is under way in virtual time: what was drawn for it, and how far it is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from orchspec.runtime.kernel.commands import RunTask
    from orchspec.runtime.sampling import Moment, Sampled
    from orchspec.simulator.cast import Cast
    from orchspec.simulator.faults import Strike

__all__ = ["THROTTLED_US", "Attempt"]

THROTTLED_US: Final = 100_000
"""How long it takes a provider to say that it will not serve."""


class Attempt:
    """One attempt. It `waits` at the door of an agent whose capacity is short, and is `asking` for an effect."""

    __slots__ = (
        "asked",
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
        self.calls: list[Moment] = []
        # How many effects it has asked for, and whether it waits for one.
        self.asked = 0
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

    def struck(self, strike: Strike, cast: Cast) -> None:
        """What a fault makes of it: how long it takes, what comes of it, what it spends."""
        command, sampled = self.command, self.sampled
        usual_us = self.latency_us
        if strike.rejects:
            self.latency_us = THROTTLED_US
            return
        self.latency_us = strike.slowed(usual_us) + strike.zombie_us + strike.delay_us
        if strike.out_in_us is not None and strike.out_in_us < self.latency_us:
            self.share = strike.out_in_us / self.latency_us
            self.latency_us = strike.out_in_us
            strike.fail = "an outage broke the connection"
        if strike.fail is not None:
            sampled.failed = True
        elif not sampled.failed:
            kind = strike.broken or ("wrong" if strike.inconsistent and command.dispatch else None)
            if kind is not None:
                what = (command.agent, command.contract, command.inputs, self.key, command.attempt)
                sampled.output = cast.broken(*what, kind)
        if strike.price != 1.0 or strike.usage != 1.0:
            strike.spend(sampled, cast.plan.models.get(command.model or ""))
