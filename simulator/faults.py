"""Faults: what a scenario says goes wrong, and whether it strikes here and now.

How to add a fault: its entry in the compiler's table (targets and arguments), and a function of its name in `EFFECTS`
of `strikes` (crashes are `simulator.crashes`; what counts attempts, see `COUNTED`, is a method of `Faults`). What a
fault does to an attempt is asked once for each sending of it, when it begins; whether it strikes is a function of the
place, the attempt and the time, never of the order of events, but for `first` and `nth`, which count attempts in the
order in which they begin, within the fault's own window. An attempt that is sent again after a crash keeps its number.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from orchspec.runtime.draws import FAULT, uniform
from orchspec.simulator.breakdowns import BREAKDOWNS, Breakdown
from orchspec.simulator.observe import FaultMark
from orchspec.simulator.shifts import Shift
from orchspec.simulator.strikes import EFFECTS, Strike

if TYPE_CHECKING:
    from orchspec.compiler.plan import Fault

__all__ = ["BUILT", "CRASH_POINTS", "FOR_EVER_US", "Aimed", "Crash", "Faults", "Strike"]

SECOND: Final = 1_000_000
CRASH_POINTS: Final = ("before_commit", "after_commit", "before_effect", "after_effect", "before_ack", "recovery")
"""Where a crash may strike; `simulator.crashes` says what each means."""
MARKS_MAX: Final = 1_000
FOR_EVER_US: Final = 1 << 62


@dataclass(slots=True, frozen=True)
class Crash:
    """The orchestrator dies, or leaves (`upgrade`), for `down_us`; when, see `simulator.crashes` and `.handover`."""

    index: int
    at_us: int | None
    every_us: int | None
    down_us: int
    point: str | None
    first: int | None
    nth: int | None
    name: str = "crash"
    rate: float | None = None

    @property
    def dated(self) -> bool:
        """Whether times decide when it strikes, not passes of a point."""
        counted = self.first is not None or self.nth is not None or self.rate is not None
        return self.every_us is not None or (self.at_us is not None and not counted)

    def down_at(self, _now_us: int) -> int:
        """How long the orchestrator is away, µs."""
        return self.down_us

    def counts(self, number: int, key: int) -> bool:
        """Whether the occasion of that number (from 1) is meant; a `rate` of them is drawn from `key`."""
        if self.first is not None and number > self.first:
            return False
        if self.nth is not None and number != self.nth:
            return False
        return self.rate is None or uniform(key, number, FAULT + self.index) < self.rate


class Aimed:
    """A fault that is aimed at somebody: what has to be known of it each time that it may strike."""

    __slots__ = ("args", "counted", "effect", "index", "name", "outage", "quota", "rate", "salt", "windowed")

    def __init__(self, index: int, fault: Fault) -> None:
        args = fault.args
        self.index = index
        self.name = fault.name
        self.args: dict[str, Any] = args
        self.effect = EFFECTS.get(fault.name)
        self.quota = fault.name == "quota"
        self.outage = fault.name in _OUTAGES
        self.windowed = "at" in args or "every" in args or "lasting" in args
        self.counted = "first" in args or "nth" in args
        self.rate = float(args["rate"]) if "rate" in args else None
        self.salt = FAULT + index


class Faults:
    """The faults of one replication; counts what `first` and `nth` count.

    Args:
        faults: Those of the scenario, all of them: the draws of each go by its place in this list.
        without: Names of faults that don't strike here, as in an undisturbed twin.
    """

    def __init__(self, faults: Sequence[Fault], without: Collection[str] = ()) -> None:
        self._of: dict[str, list[Aimed]] = {}
        self._limited: dict[str, list[dict[str, Any]]] = {}
        self._served: dict[int, tuple[int, dict[tuple[int, int], None]]] = {}
        self._of_deeds: dict[str, list[Aimed]] = {}
        self._numbers: dict[int, dict[tuple[int, int], int]] = {}
        self.said = [fault for fault in faults if fault.name not in without]
        self.crashes: list[Crash] = []
        self.breakdowns: list[Breakdown] = []
        self.marks: list[FaultMark] = []
        for index, fault in enumerate(faults):
            if fault.name in without:
                continue
            if fault.name in ("crash", "crash_loop", "upgrade"):
                self.crashes.append(_crash(index, fault))
            if fault.name in BREAKDOWNS:
                self.breakdowns.append(Breakdown(index, fault.name, fault.args))
            elif fault.name == "capacity":
                self._limited.setdefault(fault.target, []).append(fault.args)
            elif fault.name not in ("crash", "upgrade"):
                of = self._of_deeds if fault.name in _AT_DEEDS else self._of
                for target in (fault.target, *fault.others):
                    of.setdefault(target, []).append(Aimed(index, fault))

    def counted(self) -> tuple[Any, ...]:
        """What has been counted so far, for another process that goes on from there (`count_on`)."""
        return self._served, self._numbers, self.marks, [(each.passed, each.struck) for each in self.breakdowns]

    def count_on(self, counted: tuple[Any, ...]) -> None:
        """Go on from what was `counted` of the same faults."""
        self._served, self._numbers, self.marks, breakdowns = counted
        for each, (passed, struck) in zip(self.breakdowns, breakdowns, strict=True):
            each.passed, each.struck = passed, struck

    @property
    def strikes_timers(self) -> bool:
        """Whether a fault is aimed at timers."""
        return any(each.name.startswith("timer_") for each in self._of.get("orchestrator", ()))

    def shifts(self) -> list[Shift]:
        """When the orchestrator's clock is set, and by how much."""
        aimed = self._of.get("orchestrator", ())
        return [Shift.of(each.args) for each in aimed if each.name in ("jump", "skew")]

    @property
    def keeps_store_busy(self) -> bool:
        """Whether the store is ever too busy for a commit."""
        return any(each.name == "store_busy" for each in self._of.get("orchestrator", ()))

    def store_is_busy(self, key: int, tries: int, now_us: int) -> bool:
        """Whether the store is too busy now for a commit (`key`) that was tried so many times."""
        for each in self._of.get("orchestrator", ()):
            if each.name == "store_busy" and self._strikes(each, key, tries, now_us):
                return True
        return False

    @property
    def parts(self) -> bool:
        """Whether anything is ever between the orchestrator and somebody."""
        return any(each.name == "partition" for aimed in self._of.values() for each in aimed)

    def parted(self, target: str, now_us: int) -> bool:
        """Whether nothing goes through between the orchestrator and a target."""
        return any(each.name == "partition" and _in_window(each.args, now_us) for each in self._of.get(target, ()))

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

    def _strike(self, aimed: list[Aimed] | None, key: int, attempt: int, now_us: int) -> Strike | None:
        if aimed is None:
            return None
        strike: Strike | None = None
        for each in aimed:
            if each.quota:
                rest_us = self._over_quota(each, (key, attempt), now_us)
                if rest_us is not None:
                    strike = strike or Strike()
                    strike.throttled = True
                    strike.retry_after_us = max(strike.retry_after_us, rest_us)
                continue
            if each.outage and not _in_window(each.args, now_us):
                strike = _out_soon(strike, each.args, now_us)
                continue
            if each.effect is None or not self._strikes(each, key, attempt, now_us):
                continue
            if strike is None:
                strike = Strike()
            each.effect(strike, each.args)
        if strike is not None and strike.shuffle_us:
            strike.delay_us += int(strike.shuffle_us * uniform(key, attempt, FAULT + 0x3FF))
        return strike

    def _strikes(self, fault: Aimed, key: int, attempt: int, now_us: int) -> bool:
        if fault.windowed and not _in_window(fault.args, now_us):
            return False
        if fault.counted and not self._is_meant(fault.index, fault.args, (key, attempt)):
            return False
        return fault.rate is None or uniform(key, attempt, fault.salt) < fault.rate

    @property
    def limits_capacity(self) -> bool:
        """Whether somebody's capacity is ever short."""
        return bool(self._limited)

    def capacity(self, target: str, now_us: int) -> tuple[int, int] | None:
        """How many attempts a target gets on with at once, and until when; None: with all of them."""
        short = [args for args in self._limited.get(target, ()) if _in_window(args, now_us)]
        if not short:
            return None
        return min(args["to"] for args in short), min(_ends_us(args, now_us) for args in short)

    def _over_quota(self, fault: Aimed, attempt: tuple[int, int], now_us: int) -> int | None:
        """Whether a quota is used up: how long until there is a new one (0: that is not known)."""
        index, args = fault.index, fault.args
        since_us = now_us - args.get("at", 0)
        every_us, lasting_us = args.get("every"), args.get("lasting")
        if since_us < 0:
            return None
        period, inside_us = divmod(since_us, every_us) if every_us else (0, since_us)
        if lasting_us is not None and inside_us >= lasting_us:
            return None
        counted, served = self._served.get(index, (-1, {}))
        if counted != period:
            served = {}
            self._served[index] = (period, served)
        if attempt in served or len(served) < args.get("limit", 0):
            served[attempt] = None
            return None
        length_us = lasting_us if lasting_us is not None else every_us
        return 0 if length_us is None else length_us - inside_us

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
        for target, aimed in (*self._of.items(), *self._of_deeds.items()):
            for each in aimed:
                marks.extend(_windows(each.name, target, each.args, end_us))
        for target, short in self._limited.items():
            for args in short:
                marks.extend(_windows("capacity", target, args, end_us))
        return sorted(marks, key=lambda mark: (mark.at_s, mark.name, mark.target))


def _crash(index: int, fault: Fault) -> Crash:
    args = fault.args
    at_us = args.get("at")
    every_us = args.get("every")
    if at_us is None and every_us is not None:
        at_us = every_us
    name = "upgrade" if fault.name == "upgrade" else "crash"
    point, first, nth = args.get("point"), args.get("first"), args.get("nth")
    return Crash(index, at_us, every_us, args.get("down", 0), point, first, nth, name, args.get("rate"))


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


def _ends_us(args: dict[str, Any], now_us: int) -> int:
    """When the window that holds now is over."""
    at_us, lasting_us, every_us = args.get("at", args.get("every", 0)), args.get("lasting"), args.get("every")
    if lasting_us is None:
        return FOR_EVER_US
    since_us: int = (now_us - at_us) % every_us if every_us else now_us - at_us
    return int(now_us - since_us + lasting_us)


def _out_soon(strike: Strike | None, args: dict[str, Any], now_us: int) -> Strike | None:
    """An attempt that begins before an outage is caught by it; one that strikes some attempts only catches none."""
    if {"rate", "first", "nth"} & args.keys():
        return strike
    at_us, every_us = args.get("at", args.get("every", 0)), args.get("every")
    if now_us < at_us:
        in_us = at_us - now_us
    elif every_us:
        in_us = every_us - (now_us - at_us) % every_us
    else:
        return strike
    strike = strike or Strike()
    strike.out_in_us = in_us if strike.out_in_us is None else min(strike.out_in_us, in_us)
    return strike


def _windows(name: str, target: str, args: dict[str, Any], end_us: int) -> list[FaultMark]:
    if not {"at", "every", "lasting"} & args.keys():
        return []
    at_us: int = args["at"] if "at" in args else args.get("every", 0)
    every_us: int | None = args.get("every")
    lasting_us: int = args.get("lasting", every_us or end_us)  # what does not end goes on until it begins again
    marks: list[FaultMark] = []
    while at_us < end_us and len(marks) < MARKS_MAX:
        until_us = min(at_us + lasting_us, end_us)
        marks.append(FaultMark(name, target, at_us / SECOND, until_us / SECOND))
        if not every_us:
            break
        at_us += every_us
    return marks


COUNTED: Final = frozenset({"capacity", "quota"})
"""Faults that rest on what else is under way, or came before: `Faults` keeps count of that itself."""
_OUTAGES: Final = frozenset({"outage", "correlated_outage"})


_AT_DEEDS: Final = frozenset({"crash_before_effect", "crash_after_effect"})
"""Faults that strike when an agent does an effect, not when its attempt begins."""

BUILT: Final = frozenset({*EFFECTS, *BREAKDOWNS, *COUNTED, "crash", "jump", "skew", "store_busy", "upgrade"})
"""Every fault that is carried out here, or by `crashes`, `handover`, `breakdowns`, `timing` and `writing`."""
