"""Faults: what a scenario says goes wrong, and whether it strikes here and now.

How to add a fault: its entry in the compiler's table (targets and arguments), and its name in one of the functions below. What a fault does to an attempt
is asked once, when the attempt begins; whether it strikes is a function of the place, the attempt and the time, never of the order of events.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from orchspec.runtime.draws import FAULT, uniform
from orchspec.simulator.observe import FaultMark

if TYPE_CHECKING:
    from orchspec.compiler.plan import Fault

__all__ = ["CRASH_POINTS", "Crash", "Faults", "Strike"]

SECOND: Final = 1_000_000
CRASH_POINTS: Final = ("before_commit", "after_commit", "before_effect", "after_effect", "before_ack", "recovery")
"""Where a crash may strike; see `simulator.clock` for what each means."""


@dataclass(slots=True)
class Strike:
    """What the faults do to one attempt or call: times in microseconds."""

    fail: str | None = None
    garbage: bool = False
    factor: float = 1.0
    by_us: int = 0
    throttled: bool = False
    retry_after_us: int = 0


@dataclass(slots=True, frozen=True)
class Crash:
    """The orchestrator dies at `at_us` (None: at passes of its point), for `down_us`.

    `point` None: at once. `first`, `nth` count passes of the point in a replication.
    """

    index: int
    at_us: int | None
    every_us: int | None
    down_us: int
    point: str | None
    first: int | None
    nth: int | None


class Faults:
    """The faults of one replication; counts what `first` and `nth` count."""

    def __init__(self, faults: list[Fault]) -> None:
        self._of: dict[str, list[tuple[int, Fault]]] = {}
        self._counts: dict[int, int] = {}
        self.crashes: list[Crash] = []
        self.marks: list[FaultMark] = []
        for index, fault in enumerate(faults):
            if fault.name == "crash":
                self.crashes.append(_crash(index, fault))
            else:
                self._of.setdefault(fault.target, []).append((index, fault))

    def __bool__(self) -> bool:
        return bool(self._of or self.crashes)

    def strike(self, target: str, key: int, attempt: int, now_us: int) -> Strike | None:
        """What strikes an attempt on `target` that begins now; None where nothing is aimed at it."""
        aimed = self._of.get(target)
        if aimed is None:
            return None
        strike = Strike()
        for index, fault in aimed:
            count = self._counts[index] = self._counts.get(index, 0) + 1
            if _strikes(fault.args, count, now_us, lambda index=index: uniform(key, attempt, FAULT + index)):  # type: ignore[misc]
                _EFFECTS[fault.name](strike, fault.args)
        return strike

    def windows(self, end_us: int) -> list[FaultMark]:
        """When the dated faults hold, up to `end_us`, for charts; crashes mark themselves when they strike."""
        marks = list(self.marks)
        for aimed in self._of.values():
            for _, fault in aimed:
                marks.extend(_windows(fault, end_us))
        return sorted(marks, key=lambda mark: (mark.at_s, mark.name, mark.target))


def _crash(index: int, fault: Fault) -> Crash:
    args = fault.args
    at_us = args.get("at")
    every_us = args.get("every")
    if at_us is None and every_us is not None:
        at_us = every_us
    return Crash(index, at_us, every_us, args.get("down", 0), args.get("point"), args.get("first"), args.get("nth"))


def _strikes(args: dict[str, Any], count: int, now_us: int, draw: Callable[[], float]) -> bool:
    if not _in_window(args, now_us):
        return False
    if "first" in args and count > args["first"]:
        return False
    if "nth" in args and count != args["nth"]:
        return False
    return "rate" not in args or draw() < args["rate"]


def _in_window(args: dict[str, Any], now_us: int) -> bool:
    at_us = args.get("at", args.get("every", 0))
    if now_us < at_us:
        return False
    lasting_us = args.get("lasting")
    if lasting_us is None:
        return True
    every_us = args.get("every")
    since_us = now_us - at_us
    if every_us:
        since_us %= every_us
    return bool(since_us < lasting_us)


def _windows(fault: Fault, end_us: int) -> list[FaultMark]:
    args = fault.args
    if not {"at", "every", "lasting"} & args.keys():
        return []
    at_us = args.get("at", args.get("every", 0))
    lasting_us = args.get("lasting", end_us)
    every_us = args.get("every")
    marks = []
    while at_us < end_us and len(marks) < 1000:
        until_us = min(at_us + lasting_us, end_us)
        marks.append(FaultMark(fault.name, fault.target, at_us / SECOND, until_us / SECOND))
        if not every_us:
            break
        at_us += every_us
    return marks


def _fail(strike: Strike, _args: dict[str, Any]) -> None:
    strike.fail = "injected failure"


def _garbage(strike: Strike, _args: dict[str, Any]) -> None:
    strike.garbage = True


def _slow(strike: Strike, args: dict[str, Any]) -> None:
    strike.factor *= args.get("factor", 1.0)
    strike.by_us += args.get("by", 0)


def _throttle(strike: Strike, args: dict[str, Any]) -> None:
    strike.throttled = True
    strike.retry_after_us = max(strike.retry_after_us, args.get("retry_after", 0))


_EFFECTS: Final[dict[str, Callable[[Strike, dict[str, Any]], None]]] = {
    "fail": _fail,
    "garbage": _garbage,
    "slow": _slow,
    "throttle": _throttle,
}
