"""An attempt: what was drawn for it, what faults make of it, and how far it is in virtual time."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from orchspec.runtime.sampling import Sampled, moments_of

if TYPE_CHECKING:
    from orchspec.runtime.kernel.commands import RunTask
    from orchspec.runtime.sampling import Moment
    from orchspec.simulator.cast import Cast
    from orchspec.simulator.faults import Strike
    from orchspec.simulator.visits import Visit

__all__ = ["THROTTLED_US", "Attempt", "Tried"]

THROTTLED_US: Final = 100_000
"""How long it takes a provider to say that it will not serve."""


class Tried(Sampled):
    """An attempt as profile and faults have it.

    What was drawn for it is `latency_us` and the rest of `Sampled`, what faults and calls made of its time is
    `takes_us`, and `share` how much of it was done by the time it failed. As with that, what most attempts don't have
    stays with the class.
    """

    strike: Strike | None = None
    share: float = 1.0
    takes_us: int = 0
    #: what it asks of others, once that was looked at
    way: list[Moment] | None = None

    def __init__(self, command: RunTask, key: int, now: int) -> None:
        self.command = command
        self.key = key
        self.since_us = now

    def struck(self, strike: Strike, cast: Cast) -> None:
        """What a fault makes of it: how long it takes, what comes of it, what it spends."""
        self.strike = strike
        command = self.command
        if strike.rejects:
            self.takes_us = THROTTLED_US
            return
        self.takes_us = strike.slowed(self.takes_us) + strike.zombie_us + strike.delay_us
        if strike.out_in_us is not None and strike.out_in_us < self.takes_us:
            self.share = strike.out_in_us / self.takes_us
            self.takes_us = strike.out_in_us
            strike.fail = "an outage broke the connection"
        if strike.fail is not None:
            self.failed = True
        elif not self.failed:
            kind = strike.broken or ("wrong" if strike.inconsistent and command.dispatch else None)
            if kind is not None:
                what = (command.agent, command.contract, command.inputs, self.key, command.attempt)
                self.output = cast.broken(*what, kind)
        if strike.price != 1.0 or strike.usage != 1.0:
            strike.spend(self, cast.plan.models.get(command.model or ""))

    def on_its_way(self, cast: Cast) -> list[Moment]:
        """What it asks of others, in order of time, as far as it gets; it is not over before its calls are."""
        cut = self.share < 1.0
        whole_us = round(self.takes_us / self.share) if cut and self.share else self.takes_us
        scale = whole_us / self.latency_us if self.latency_us else 1.0
        way = self.way = []
        for moment in moments_of(self, self.key, self.command.attempt, cast.holds):
            at_us = moment.at_us if scale == 1.0 else int(moment.at_us * scale)
            if cut and at_us >= self.takes_us:
                break
            way.append(moment if scale == 1.0 else moment._replace(at_us=at_us))
            if not cut:
                self.takes_us = max(self.takes_us, at_us + moment.held_us)
        return way

    def calls_made(self) -> int:
        """How many calls of tools it has made at its end."""
        return sum(each.args is None for each in self.way or ())


class Attempt(Tried):
    """One that is under way. It stands in the calendar itself (`callback`).

    It `waits` at the door of an agent whose capacity is short, and is `asking` for an effect.
    """

    left_us: int = 0
    moments: list[Moment] | None = None
    #: how much of the work was done when it went on last, and when that was; None: it waits for a call or an effect
    done_us: int = 0
    resumed_us: int | None = None
    #: how many calls of tools it has made that can be kept waiting
    called: int = 0
    #: how many effects it has asked for, and whether it waits for one
    asked: int = 0
    asking: Strike | bool = False
    done: bool = False
    waits: bool = False
    #: how many calls of tools it had made when it was told to stop, and did not hear (a zombie)
    deaf: int | None = None
    #: how long it was at tools, overlaps once, and until when that is known
    tool_us: int = 0
    tool_until_us: int = 0

    def __init__(self, callback: Callable[[Attempt], None], visit: Visit, command: RunTask, key: int, now: int) -> None:
        self.callback = callback
        self.visit = visit
        self.command = command
        self.key = key
        self.since_us = now

    def calls_until(self, now: int, scarce: frozenset[str]) -> int:
        """How many calls of tools it has made until now: those that are not `scarce` are made as work goes on."""
        if not self.way:
            return 0
        if self.moments is None:
            worked_us = now - self.since_us
        elif self.resumed_us is None:
            worked_us = self.left_us
        else:
            worked_us = self.done_us + max(0, now - self.resumed_us)
        others = sum(each.args is None and each.name not in scarce and each.at_us < worked_us for each in self.way)
        return self.called + others

    def at_tools_us(self, now: int) -> int:
        """How long at least one call of a tool was under way, until now."""
        return self.tool_us - max(0, self.tool_until_us - now) if self.tool_us else 0
