"""Exploring: every crash point and every single fault, then pairs within a budget, then schedules drawn at random.

What breaks something is shrunk to the fewest faults that still break the same thing: first whole faults go, then the
rest strikes earlier, then fewer runs meet.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

from orchspec.simulator.chaos.chronicle import Chronicle, Chronicler
from orchspec.simulator.chaos.kinds import Places, crash_singles, drawn, places_of, singles
from orchspec.simulator.checkers import LIVENESS, Violation, check_all

if TYPE_CHECKING:
    from pathlib import Path

    from orchspec.compiler.plan import Fault, Json, Plan

__all__ = ["Explored", "Explorer", "Found", "Phase"]

SHRINK_MAX: Final = 300
"""Chronicles that shrinking a failure may take."""


@dataclass(frozen=True, slots=True)
class Found:
    """A schedule that breaks something: the fewest faults found, how many there were, and what is broken."""

    faults: tuple[Fault, ...]
    were: int
    runs: int
    violation: Violation

    @property
    def liveness(self) -> bool:
        """Whether it is liveness that is broken, not safety."""
        return self.violation.number == LIVENESS


@dataclass(slots=True)
class Phase:
    """A part of the exploration: how many schedules there are of its kind, how many were tried, what they broke."""

    name: str
    known: int | None
    tried: int = 0
    found: list[Found] = field(default_factory=list)
    cut: bool = False

    @property
    def held(self) -> bool:
        """Whether nothing broke."""
        return not self.found


@dataclass(slots=True)
class Explored:
    """What came of exploring a flow."""

    flow: str
    seed: int
    phases: list[Phase]
    statuses: dict[str, int]

    @property
    def found(self) -> list[Found]:
        """All that broke, each thing once."""
        return [each for phase in self.phases for each in phase.found]


Progress = Callable[[str, int, int | None], None]


class Explorer:
    """Explores one flow of a plan. Arguments as of `Chronicler`."""

    def __init__(
        self,
        plan: Plan,
        flow: str,
        *,
        folder: Path | None = None,
        seed: int = 1,
        runs: int = 2,
        given: dict[str, Json] | None = None,
    ) -> None:
        self.flow = flow
        self.seed = seed
        self.runs = runs
        self._make: Callable[[int], Chronicler] = lambda count: Chronicler(
            plan, flow, folder=folder, seed=seed, runs=count, given=given
        )
        self._chroniclers: dict[int, Chronicler] = {}
        self.statuses: dict[str, int] = {}
        self._broken: set[tuple[str, str | None]] = set()

    def chronicle(self, faults: Sequence[Fault], runs: int | None = None) -> Chronicle:
        """What happens under a schedule."""
        count = self.runs if runs is None else runs
        made = self._chroniclers.get(count)
        if made is None:
            made = self._chroniclers[count] = self._make(count)
        return made.chronicle(faults)

    def explore(
        self, *, examples: int = 0, exhaustive: bool = False, pairs: int = 0, progress: Progress | None = None
    ) -> Explored:
        """Explore.

        Args:
            examples: how many schedules are drawn.
            exhaustive: whether every crash point and every single fault is tried.
            pairs: how many pairs of them are tried besides, spread over all.
            progress: told of each schedule: the phase, how many are done, how many there are.

        Returns:
            The phases; the first is the undisturbed chronicle, which has to hold, too.
        """
        calm = self.chronicle([])
        places = places_of(calm)
        phases = [self._phase("undisturbed", 1, [[]], progress)]
        if exhaustive:
            crashes = list(crash_singles(places))
            others = list(singles(places))
            phases.append(self._phase("crash points", len(crashes), crashes, progress))
            phases.append(self._phase("single faults", len(others), others, progress))
        if pairs:
            phases.append(self._pairs(places, pairs, progress))
        if examples:
            rng = random.Random(self.seed)
            schedules = (drawn(places, rng) for _ in range(examples))
            phases.append(self._phase("drawn", None, schedules, progress, examples))
        return Explored(self.flow, self.seed, phases, self.statuses)

    def _pairs(self, places: Places, budget: int, progress: Progress | None) -> Phase:
        crashes = [each for each in crash_singles(places) if len(each) == 1]
        everything = [*crashes, *singles(places)]
        known = len(crashes) * (len(everything) - 1) - len(crashes) * (len(crashes) - 1) // 2
        every = ([*first, *second] for at, first in enumerate(crashes) for second in everything[at + 1 :])
        step = max(1, known // budget)
        return self._phase("pairs", known, itertools.islice(every, 0, None, step), progress, budget)

    def _phase(
        self,
        name: str,
        known: int | None,
        schedules: Iterable[Sequence[Fault]],
        progress: Progress | None,
        most: int | None = None,
    ) -> Phase:
        phase = Phase(name, known)
        total = most if known is None or most is None else min(known, most)
        total = known if total is None else total
        try:
            for faults in itertools.islice(schedules, most):
                self._try(phase, faults)
                if progress is not None:
                    progress(name, phase.tried, total)
        except KeyboardInterrupt:
            phase.cut = True
        return phase

    def _try(self, phase: Phase, faults: Sequence[Fault]) -> None:
        phase.tried += 1
        chronicle = self.chronicle(faults)
        for told in chronicle.runs.values():
            status = told.status or "unended"
            self.statuses[status] = self.statuses.get(status, 0) + 1
        for violation in _distinct(check_all(chronicle)):
            root = _root(violation)
            if root not in self._broken:
                self._broken.add(root)
                phase.found.append(self.shrink(faults, violation))

    # -------------------------------------------------------------- shrinking

    def shrink(self, faults: Sequence[Fault], violation: Violation) -> Found:
        """The fewest faults that still break the same thing."""
        left = SHRINK_MAX
        best = list(faults)
        runs = self.runs
        said = violation

        def still(candidate: Sequence[Fault], count: int) -> Violation | None:
            nonlocal left
            left -= 1
            if left < 0:
                return None
            found = check_all(self.chronicle(candidate, count))
            return next((each for each in found if each.number == violation.number), None)

        for smaller in range(1, runs):
            fewer = still(best, smaller)
            if fewer is not None:
                runs, said = smaller, fewer
                break
        changed = True
        while changed and left > 0:
            changed = False
            for candidate in _smaller(best):
                again = still(candidate, runs)
                if again is not None:
                    best, said, changed = candidate, again, True
                    break
        return Found(tuple(best), len(faults), runs, said)


def _smaller(faults: list[Fault]) -> Iterator[list[Fault]]:
    """Schedules that are simpler, the simplest first: one fault less, then one that strikes earlier or just once."""
    for index in range(len(faults)):
        yield faults[:index] + faults[index + 1 :]
    for index, fault in enumerate(faults):
        for args in _simpler(fault.args):
            yield [*faults[:index], replace(fault, args=args), *faults[index + 1 :]]


def _simpler(args: dict[str, Any]) -> Iterator[dict[str, Any]]:
    if "rate" in args:
        rest = {name: value for name, value in args.items() if name != "rate"}
        yield {**rest, "nth": 1}
    if "first" in args:
        rest = {name: value for name, value in args.items() if name != "first"}
        yield {**rest, "nth": args["first"]}
        if args["first"] > 1:
            yield {**args, "first": 1}
    if args.get("nth", 1) > 1:
        yield {**args, "nth": 1}
        yield {**args, "nth": args["nth"] // 2}
        yield {**args, "nth": args["nth"] - 1}
    if args.get("down", 0) > 1_000_000:
        yield {**args, "down": 1_000_000}


def _root(violation: Violation) -> tuple[str, str | None]:
    """What makes two violations the same thing: what is broken, and at which statement."""
    step = violation.step
    return violation.number, step if violation.node is None else f"@{violation.node}"


def _distinct(violations: Iterable[Violation]) -> list[Violation]:
    return list({_root(each): each for each in reversed(list(violations))}.values())[::-1]
