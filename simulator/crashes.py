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

from typing import TYPE_CHECKING, Any

from orchspec.runtime.reopening import Reopening
from orchspec.simulator.breakdowns import RESTART_US, STORE_FAILS
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

    __slots__ = ("_armed", "_breakdowns", "_counted", "_key", "_passed", "_reopening", "crashes")

    def __init__(self, crashes: Sequence[Crash], breakdowns: Sequence[Breakdown] = (), key: int = 0) -> None:
        self.crashes = crashes
        self._breakdowns = breakdowns
        self._key = key
        self._armed: dict[int, Crash] = {}
        self._counted = [crash for crash in crashes if not crash.dated]
        self._passed: dict[int, int] = {}
        self._reopening = Reopening()

    def counted(self) -> tuple[Any, ...]:
        """See `Faults.counted`, which counts the breakdowns."""
        return list(self._armed), self._passed, self._reopening

    def count_on(self, counted: tuple[Any, ...]) -> None:
        """See `Faults.count_on`."""
        armed, self._passed, self._reopening = counted
        crashes = {crash.index: crash for crash in self.crashes}
        self._armed = {index: crashes[index] for index in armed}

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

    # -------------------------------------------------------------- how long it is away

    def down_us(self, crash: Crash | Breakdown, now_us: int) -> int:
        """How long the orchestrator is away that is struck now, µs.

        One whose store has failed opens it again by itself, until it gives it up; any other is a new process.
        """
        at_us = now_us
        if crash.name in STORE_FAILS:
            while (after_us := self._reopening.lost(at_us)) is not None:
                at_us += after_us
                if not self.disk_is_full(at_us):
                    return at_us - now_us
            while self.disk_is_full(at_us):
                at_us += max(each.room_in_us(at_us) for each in self._breakdowns)
            at_us = max(at_us, now_us + RESTART_US)
        self._reopening = Reopening()
        return at_us - now_us or crash.down_at(now_us)

    @property
    def in_place(self) -> bool:
        """Whether the process of whoever was struck last lives on, and opens its store again."""
        return self._reopening.going_on

    def gives_back(self, crash: Crash | Breakdown, now_us: int) -> bool:
        """Whether the process that is struck now gives its store back, so that nobody inherits what was granted.

        Ask after `down_us`: one whose store has failed too often gives it up, which takes a write.
        """
        gave_up = crash.name in STORE_FAILS and not self.in_place and not self.disk_is_full(now_us)
        return gave_up or crash.name == "upgrade"

    def written(self, now_us: int) -> None:
        """A commit that was kept waiting is made now. Raises Crashed where there is no room for it."""
        for breakdown in self._breakdowns:
            if breakdown.room_in_us(now_us):
                raise Crashed(breakdown)

    def disk_is_full(self, now_us: int) -> bool:
        """Whether nothing can be written now."""
        return any(each.room_in_us(now_us) for each in self._breakdowns)

    @property
    def kills(self) -> bool:
        """Whether a process dies of any of them, or makes way for another."""
        return bool(self.crashes) or self.loses_power or any(each.name == "crash_loop" for each in self._breakdowns)

    @property
    def breaks(self) -> bool:
        """Whether there is anything here beside crashes."""
        return bool(self._breakdowns)

    @property
    def loses_power(self) -> bool:
        """Whether the end of the journal may be lost."""
        return any(each.name in ("torn", "unsynced") for each in self._breakdowns)
