"""Crashes of the orchestrator: at which moment which of them strikes.

Points at which a crash may strike, in the order in which a batch passes them:

    before_commit   a batch was handled and is not durable        after_effect   it landed, the reply is not handed on
    after_commit    it is durable, nothing of it was acted on     before_ack     a run's end is durable, nobody was told
    before_effect   an effect is about to be sent                 recovery       the journals are folded, nothing was
                                                                                 issued again

What a crash says decides when it strikes:

| it says | it strikes |
|---|---|
| `at`, `every` | at once, at those times: a date is a date, and most of them fall into the middle of work |
| `at`, `every` with `point` | at the next pass of the point after each of those times (once, however long that takes) |
| the same with `point: recovery` | at once, and again while that crash is recovered from |
| `every` with `first`, `nth`, `rate` | as above, at so many of those times, that one alone, or that share of them |
| `first`, `nth`, `rate` without `every` | at passes of its point (`after_commit` unless said), counted from `at` on |

A dated crash finds nothing to kill while the orchestrator is down. Who looks for the point that breaks a spec asks for
each of them; a date that was drawn among points would not be the one that was written.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchspec.simulator.faults import CRASH_POINTS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from orchspec.simulator.breakdowns import Breakdown
    from orchspec.simulator.faults import Crash

__all__ = ["Crashed", "Crashes"]


class Crashed(Exception):
    """The orchestrator dies here and now: the way out of whatever was going on."""

    def __init__(self, crash: Crash | Breakdown) -> None:
        super().__init__()
        self.crash = crash


class Crashes:
    """The crashes and breakdowns of one replication, with what has been counted of them."""

    __slots__ = ("_armed", "_breakdowns", "_counted", "_key", "_passed", "crashes")

    def __init__(self, crashes: Sequence[Crash], breakdowns: Sequence[Breakdown] = (), key: int = 0) -> None:
        self.crashes = crashes
        self._breakdowns = breakdowns
        self._key = key
        self._armed: dict[int, Crash] = {}
        self._counted = [crash for crash in crashes if not crash.dated]
        self._passed: dict[int, int] = {}

    def reached(self, point: str, now_us: int) -> None:
        """A point is passed. Raises Crashed where a crash strikes."""
        assert point in CRASH_POINTS
        for crash in self._armed.values():
            if crash.point == point:
                del self._armed[crash.index]
                raise Crashed(crash)
        for crash in self._counted:
            if (crash.point or "after_commit") != point or now_us < (crash.at_us or 0):
                continue
            count = self._passed[crash.index] = self._passed.get(crash.index, 0) + 1
            if crash.counts(count, self._key):
                raise Crashed(crash)
        for breakdown in self._breakdowns:
            if breakdown.point == point and breakdown.strikes(now_us, self._key):
                raise Crashed(breakdown)

    def due(self, crash: Crash) -> None:
        """The date of a crash has come while the orchestrator is up. Raises Crashed where it strikes at once."""
        count = self._passed[crash.index] = self._passed.get(crash.index, 0) + 1
        if not crash.counts(count, self._key):
            return
        if crash.point is not None:
            self._armed[crash.index] = crash
        if crash.point in (None, "recovery"):
            raise Crashed(crash)
