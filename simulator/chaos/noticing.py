"""Faults and crashes that write down where they struck: only what has struck says anything about what held."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from orchspec.simulator.crashes import Crashes
from orchspec.simulator.faults import CRASH_POINTS, Faults
from orchspec.simulator.shifts import Shift

if TYPE_CHECKING:
    from orchspec.compiler.plan import Fault
    from orchspec.simulator.faults import Aimed

__all__ = ["CountedCrashes", "NoticedFaults"]

SECOND: Final = 1_000_000
_OF_CLOCKS: Final = ("skew", "jump")
_AT_ONCE: Final = ("crash", "upgrade", "jump", "stale_lease", "store_error", "torn", "unsynced")
"""Faults that are over when they have struck, whatever else is said of them."""


class NoticedFaults(Faults):
    """Faults that know whom they have struck.

    Attributes:
        struck: indexes of those that have struck at least once.
        at_keys: names of faults by the draw key of the place whose attempt or timer they struck.
        at_times: when faults struck the orchestrator as a whole, µs, with their names; crashes are `marks`.
    """

    def __init__(self, faults: Sequence[Fault]) -> None:
        super().__init__(faults)
        self._all = list(faults)
        self.struck: set[int] = set()
        self.at_keys: dict[int, set[str]] = {}
        self.at_times: list[tuple[int, str]] = []
        self._last_us = 0

    def _note(self, index: int, key: int, now_us: int) -> None:
        fault = self._all[index]
        self.struck.add(index)
        self._last_us = max(self._last_us, now_us)
        if fault.target == "orchestrator" and not fault.name.startswith("timer_"):
            self.at_times.append((now_us, fault.name))
        else:
            self.at_keys.setdefault(key, set()).add(fault.name)

    def _strikes(self, fault: Aimed, key: int, attempt: int, now_us: int) -> bool:
        strikes = super()._strikes(fault, key, attempt, now_us)
        if strikes:
            self._note(fault.index, key, now_us)
        return strikes

    def _over_quota(self, fault: Aimed, attempt: tuple[int, int], now_us: int) -> int | None:
        rest_us = super()._over_quota(fault, attempt, now_us)
        if rest_us is not None:
            self._note(fault.index, attempt[0], now_us)
        return rest_us

    def capacity(self, target: str, now_us: int) -> tuple[int, int] | None:
        """See `Faults.capacity`."""
        short = super().capacity(target, now_us)
        if short is not None:
            self.at_times.append((now_us, "capacity"))
            self.struck |= {
                index for index, fault in enumerate(self._all) if (fault.name, fault.target) == ("capacity", target)
            }
        return short

    def close(self, ended_us: int) -> dict[str, set[str]]:
        """The end has come: the faults that have struck, by name, with their targets."""
        found: dict[str, set[str]] = {}
        for index, fault in enumerate(self._all):
            if fault.name in _OF_CLOCKS and Shift.of(fault.args).at_us <= ended_us:
                self._note(index, 0, Shift.of(fault.args).at_us)
            if index in self.struck:
                found.setdefault(fault.name, set()).add(fault.target)
        for mark in self.marks:
            found.setdefault(mark.name, set()).add("orchestrator")
            self.at_times.append((int(mark.at_s * SECOND), mark.name))
        self.at_times.sort()
        return found

    def quiet_us(self, ended_us: int) -> int | None:
        """When the last fault was over, as the engine's clock says it; none if one holds for ever.

        Dated faults and those that hold for a while are over with their window, others when they have struck last.
        """
        last_us, ahead_us = self._last_us, 0
        for fault in self._all:
            args = fault.args
            if fault.name in _OF_CLOCKS:
                if "every" in args:
                    return None
                ahead_us += max(0, args["by"])
            if args.get("at", 0) > ended_us or {"nth", "first", "rate"} & args.keys() or fault.name in _AT_ONCE:
                continue
            if "lasting" not in args or "every" in args:
                return None
            last_us = max(last_us, args.get("at", 0) + args["lasting"])
        for mark in self.marks:
            last_us = max(last_us, int(mark.until_s * SECOND))
        return last_us + ahead_us


class CountedCrashes(Crashes):
    """Crashes that count how often each point is passed, so that each pass can be struck in turn."""

    __slots__ = ("_strikes", "passes")

    def __init__(self, faults: Faults, key: int) -> None:
        super().__init__(faults.crashes, faults.breakdowns, key)
        self._strikes = bool(faults.crashes or faults.breakdowns)
        self.passes: dict[str, int] = dict.fromkeys(CRASH_POINTS, 0)

    def reached(self, point: str, now_us: int) -> None:
        """See `Crashes.reached`."""
        self.passes[point] += 1
        if self._strikes:
            super().reached(point, now_us)
