"""Faults: what a scenario says goes wrong, and whether it strikes here and now.

How to add a fault: its entry in the compiler's table (targets and arguments), and a function of its name in `_EFFECTS`
below (crashes are `simulator.crashes`). What a fault does to an attempt is asked once for each sending of it, when it
begins; whether it strikes is a function of the place, the attempt and the time, never of the order of events, but for
`first` and `nth`, which count attempts in the order in which they begin, within the fault's own window. An attempt that
is sent again after a crash keeps its number.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Final, Literal

from orchspec.runtime.draws import FAULT, uniform
from orchspec.simulator.breakdowns import BREAKDOWNS, Breakdown
from orchspec.simulator.observe import FaultMark

if TYPE_CHECKING:
    from orchspec.compiler.plan import Fault
    from orchspec.runtime.made import Breakage

__all__ = ["BUILT", "CRASH_POINTS", "Crash", "Faults", "Strike"]

SECOND: Final = 1_000_000
CRASH_POINTS: Final = ("before_commit", "after_commit", "before_effect", "after_effect", "before_ack", "recovery")
"""Where a crash may strike; `simulator.crashes` says what each means."""
MARKS_MAX: Final = 1_000
HURRIED_US: Final = 100_000
"""How long an attempt takes that fails at once."""


@dataclass(slots=True)
class Strike:
    """What the faults do to one attempt or call: times in microseconds."""

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

    def slowed(self, latency_us: int) -> int:
        """How long it takes instead."""
        if self.hurried:
            return min(latency_us, HURRIED_US)
        return int(latency_us * self.factor) + self.by_us


@dataclass(slots=True, frozen=True)
class Crash:
    """The orchestrator dies, for `down_us`; when, see `simulator.crashes`."""

    index: int
    at_us: int | None
    every_us: int | None
    down_us: int
    point: str | None
    first: int | None
    nth: int | None

    @property
    def dated(self) -> bool:
        """Whether times decide when it strikes, not passes of a point."""
        return self.every_us is not None or (self.at_us is not None and self.first is None and self.nth is None)

    name: ClassVar[str] = "crash"

    def down_at(self, _now_us: int) -> int:
        """How long the orchestrator is away, µs."""
        return self.down_us

    def counts(self, number: int) -> bool:
        """Whether the occasion of that number (from 1) is meant."""
        if self.first is not None:
            return number <= self.first
        return self.nth is None or number == self.nth


class Faults:
    """The faults of one replication; counts what `first` and `nth` count.

    Args:
        faults: Those of the scenario, all of them: the draws of each go by its place in this list.
        without: Names of faults that don't strike here, as in an undisturbed twin.
    """

    def __init__(self, faults: Sequence[Fault], without: Collection[str] = ()) -> None:
        self._of: dict[str, list[tuple[int, Fault]]] = {}
        self._of_deeds: dict[str, list[tuple[int, Fault]]] = {}
        self._numbers: dict[int, dict[tuple[int, int], int]] = {}
        self.crashes: list[Crash] = []
        self.breakdowns: list[Breakdown] = []
        self.marks: list[FaultMark] = []
        for index, fault in enumerate(faults):
            if fault.name in without:
                continue
            if fault.name in ("crash", "crash_loop"):
                self.crashes.append(_crash(index, fault))
            if fault.name in BREAKDOWNS:
                self.breakdowns.append(Breakdown(index, fault.name, fault.args))
            elif fault.name != "crash":
                of = self._of_deeds if fault.name in _AT_DEEDS else self._of
                of.setdefault(fault.target, []).append((index, fault))

    @property
    def strikes_timers(self) -> bool:
        """Whether a fault is aimed at timers."""
        return any(fault.name.startswith("timer_") for _, fault in self._of.get("orchestrator", ()))

    def clock_windows(self) -> list[tuple[int, int | None, int]]:
        """When the orchestrator's clock goes ahead: from, until (None: for ever), and by how much, µs."""
        found: list[tuple[int, int | None, int]] = []
        for _, fault in self._of.get("orchestrator", ()):
            if fault.name in ("jump", "skew"):
                at_us, lasting_us = fault.args.get("at", 0), fault.args.get("lasting")
                found.append((at_us, None if lasting_us is None else at_us + lasting_us, fault.args["by"]))
        return found

    def store_is_busy(self, key: int, tries: int, now_us: int) -> bool:
        """Whether the store is too busy now for a commit (`key`) that was tried so many times."""
        for index, fault in self._of.get("orchestrator", ()):
            if fault.name == "store_busy" and self._strikes(index, fault.args, key, tries, now_us):
                return True
        return False

    def parted(self, target: str, now_us: int) -> bool:
        """Whether nothing goes through between the orchestrator and a target."""
        return any(
            fault.name == "partition" and _in_window(fault.args, now_us) for _, fault in self._of.get(target, ())
        )

    @property
    def targets(self) -> frozenset[str]:
        """Whom a fault is aimed at, the orchestrator apart."""
        return frozenset(self._of)

    def strike(self, target: str, key: int, attempt: int, now_us: int) -> Strike | None:
        """What strikes an attempt on `target` that begins now; None where nothing does."""
        return self._strike(self._of.get(target), key, attempt, now_us)

    def strike_deed(self, agent: str, key: int, number: int, now_us: int) -> Strike | None:
        """What strikes an agent that is about to do an effect now."""
        return self._strike(self._of_deeds.get(agent), key, number, now_us)

    def _strike(self, aimed: list[tuple[int, Fault]] | None, key: int, attempt: int, now_us: int) -> Strike | None:
        if aimed is None:
            return None
        strike: Strike | None = None
        for index, fault in aimed:
            effect = _EFFECTS.get(fault.name)
            if effect is None or not self._strikes(index, fault.args, key, attempt, now_us):
                continue
            if strike is None:
                strike = Strike()
            effect(strike, fault.args)
        if strike is not None and strike.shuffle_us:
            strike.delay_us += int(strike.shuffle_us * uniform(key, attempt, FAULT + 0x3FF))
        return strike

    def _strikes(self, index: int, args: dict[str, Any], key: int, attempt: int, now_us: int) -> bool:
        if not _in_window(args, now_us):
            return False
        if ("first" in args or "nth" in args) and not self._is_meant(index, args, (key, attempt)):
            return False
        return "rate" not in args or uniform(key, attempt, FAULT + index) < args["rate"]

    def _is_meant(self, index: int, args: dict[str, Any], attempt: tuple[int, int]) -> bool:
        # Only numbers up to the last that matters are kept, so this does not grow with runs.
        numbers = self._numbers.setdefault(index, {})
        first = args.get("first")
        last: int = first if first is not None else args["nth"]
        number = numbers.get(attempt)
        if number is None:
            if len(numbers) >= last:
                return False
            number = numbers[attempt] = len(numbers) + 1
        return first is not None or number == last

    def windows(self, end_us: int) -> list[FaultMark]:
        """When the dated faults hold, up to `end_us`, for charts; crashes mark themselves when they strike."""
        marks = list(self.marks)
        for aimed in (*self._of.values(), *self._of_deeds.values()):
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
    at_us: int = args["at"] if "at" in args else args.get("every", 0)
    lasting_us: int = args.get("lasting", end_us)
    every_us: int | None = args.get("every")
    marks: list[FaultMark] = []
    while at_us < end_us and len(marks) < MARKS_MAX:
        until_us = min(at_us + lasting_us, end_us)
        marks.append(FaultMark(fault.name, fault.target, at_us / SECOND, until_us / SECOND))
        if not every_us:
            break
        at_us += every_us
    return marks


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


def _crash_before_effect(strike: Strike, _args: dict[str, Any]) -> None:
    strike.dies_before = True


def _crash_after_effect(strike: Strike, _args: dict[str, Any]) -> None:
    strike.dies_after = True


_AT_DEEDS: Final = frozenset({"crash_before_effect", "crash_after_effect"})
"""Faults that strike when an agent does an effect, not when its attempt begins."""

_EFFECTS: Final[dict[str, Callable[[Strike, dict[str, Any]], None]]] = {
    "fail": _fail,
    "garbage": _broken("garbage"),
    "truncated": _broken("truncated"),
    "empty": _broken("empty"),
    "oversize": _broken("oversize"),
    "wrong": _broken("wrong"),
    "conflicting": _broken("conflicting"),
    "inconsistent": _inconsistent,
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
    "crash_before_effect": _crash_before_effect,
    "crash_after_effect": _crash_after_effect,
}
BUILT: Final = frozenset({*_EFFECTS, *BREAKDOWNS, "crash", "jump", "skew", "store_busy"})
"""Every fault that is carried out here, or by `crashes`, `breakdowns`, `timing` and `writing`."""
