"""Exploring: every crash point and every single fault, then pairs within a budget, then schedules drawn at random.

What breaks something is shrunk to the fewest faults that still break the same thing: first whole faults go, then the
rest strikes earlier, then fewer runs meet.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Final, NamedTuple

from orchspec.runtime.draws import run_key
from orchspec.simulator.chaos.chronicle import Chronicler
from orchspec.simulator.chaos.coverage import Coverage
from orchspec.simulator.chaos.places import Places, places_of
from orchspec.simulator.chaos.proven import Pace
from orchspec.simulator.chaos.schedules import crash_singles, drawn, singles
from orchspec.simulator.chaos.shrinking import SHRINK_MAX, smaller
from orchspec.simulator.chaos.told import Chronicle
from orchspec.simulator.checkers import LIVENESS, Violation, check_all

if TYPE_CHECKING:
    from pathlib import Path

    from orchspec.compiler.plan import Fault, Json, Plan
    from orchspec.simulator.chaos.proven import Proven

__all__ = ["Explored", "Explorer", "Found", "Phase", "Tried"]

WORLDS_MAX: Final = 8
"""Worlds in which schedules are drawn: what everybody takes and gives is another in each."""
_EACH: Final = 6
"""A world is opened with every so many schedules, until there are all of them."""
_SEED_BITS: Final = 0x7FFF_FFFF


@dataclass(frozen=True, slots=True)
class Found:
    """A schedule that breaks something.

    Attributes:
        faults: the fewest that were found to break it.
        were: how many there were at first.
        runs: how many runs have to meet.
        violation: what is broken.
        after: how many schedules had been tried when it was found, this one included.
        seed: of what everybody takes and gives there.
    """

    faults: tuple[Fault, ...]
    were: int
    runs: int
    violation: Violation
    after: int = 0
    seed: int = 1

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
    """What came of it: the phases, how runs ended and at which pace, what was reached, what there was to strike."""

    flow: str
    seed: int
    phases: list[Phase]
    statuses: dict[str, int]
    coverage: Coverage
    places: Places
    pace: Pace

    @property
    def found(self) -> list[Found]:
        """All that broke, each thing once."""
        return [each for phase in self.phases for each in phase.found]

    @property
    def cut(self) -> bool:
        """Whether it was interrupted, so that not everything was tried."""
        return any(phase.cut for phase in self.phases)


Progress = Callable[[str, int, int | None], None]


class Tried(NamedTuple):
    """A schedule, and the seed of the world in which it is tried."""

    faults: Sequence[Fault]
    world: int


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
        proven: Proven | None = None,
    ) -> None:
        self.flow = flow
        self.seed = seed
        self.runs = runs
        self._make: Callable[[int, int], Chronicler] = lambda world, count: Chronicler(
            plan, flow, folder=folder, seed=world, runs=count, given=given, proven=proven
        )
        self._chroniclers: dict[tuple[int, int], Chronicler] = {}
        self.statuses: dict[str, int] = {}
        self.coverage = Coverage()
        self.pace = Pace(proven, runs)
        self._tried = 0
        self._broken: set[tuple[str, str | None]] = set()
        self._worlds: dict[int, Places] = {}
        self._until: Callable[[Found], bool] | None = None
        self._enough = False

    def chronicle(self, faults: Sequence[Fault], runs: int | None = None, world: int | None = None) -> Chronicle:
        """What happens under a schedule, in a world: the seed of what everybody takes and gives."""
        return self._chronicler(runs, world).chronicle(faults)

    def _chronicler(self, runs: int | None = None, world: int | None = None) -> Chronicler:
        which = self.seed if world is None else world, self.runs if runs is None else runs
        made = self._chroniclers.get(which)
        if made is None:
            made = self._chroniclers[which] = self._make(*which)
        return made

    def explore(
        self,
        *,
        examples: int = 0,
        exhaustive: bool = False,
        crashes: bool = False,
        pairs: int = 0,
        progress: Progress | None = None,
        until: Callable[[Found], bool] | None = None,
        first: Sequence[Sequence[Fault] | Tried] = (),
    ) -> Explored:
        """Explore.

        Args:
            examples: how many schedules are drawn, in up to `WORLDS_MAX` worlds.
            exhaustive: whether every crash point and every single fault is tried.
            crashes: whether every crash point is tried, without the other single faults.
            pairs: how many pairs of them are tried besides, spread over all.
            progress: told of each schedule: the phase, how many are done, how many there are.
            until: asked of each thing that is found; when it says so, nothing more is tried.
            first: schedules that are tried before all others: those that broke something the last time.

        Returns:
            The phases; the first is the undisturbed chronicle, which has to hold, too. Ctrl-C ends a phase, and what
            was found until then is kept.
        """
        self._until = until
        calm = self.chronicle([])
        places = places_of(calm)
        phases = [self._phase("undisturbed", 1, [[]], progress)]
        if first:
            phases.append(self._phase("remembered", len(first), first, progress))
        if exhaustive or crashes:
            at_points = list(crash_singles(places))
            phases.append(self._phase("crash points", len(at_points), at_points, progress))
        if exhaustive:
            others = list(singles(places))
            phases.append(self._phase("single faults", len(others), others, progress))
        if pairs:
            phases.append(self._pairs(places, pairs, progress))
        if examples:
            self._worlds[self.seed] = places
            phases.append(self._phase("drawn", None, self._drawn(examples), progress, examples))
        return Explored(self.flow, self.seed, phases, self.statuses, self.coverage, places, self.pace)

    def _drawn(self, examples: int) -> Iterator[Tried]:
        """Schedules, each in one of the worlds; a new one is opened with every few."""
        rng = random.Random(self.seed)
        for number in range(examples):
            if number % _EACH == _EACH - 1 and len(self._worlds) < WORLDS_MAX:
                world = run_key(self.seed, 0, 2, len(self._worlds)) & _SEED_BITS
                self._worlds[world] = places_of(self.chronicle([], world=world))
                yield Tried([], world)
                continue
            world = rng.choice(list(self._worlds))
            yield Tried(drawn(self._worlds[world], rng), world)

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
        schedules: Iterable[Sequence[Fault] | Tried],
        progress: Progress | None,
        most: int | None = None,
    ) -> Phase:
        phase = Phase(name, known)
        total = most if known is None or most is None else min(known, most)
        total = known if total is None else total
        try:
            for each in itertools.islice(schedules, most):
                if self._enough:
                    break
                self._try(phase, *(each if isinstance(each, Tried) else (each, self.seed)))
                if progress is not None:
                    progress(name, phase.tried, total)
        except KeyboardInterrupt:
            phase.cut = self._enough = True
        return phase

    def _try(self, phase: Phase, faults: Sequence[Fault], world: int) -> None:
        phase.tried += 1
        self._tried += 1
        after = self._tried
        with self._chronicler(world=world).looked_into(faults) as chronicle:
            for told in chronicle.runs.values():
                status = told.status or "unended"
                self.statuses[status] = self.statuses.get(status, 0) + 1
            read = partial(self.coverage.read, chronicle)
            broken = _distinct(check_all(chronicle, keep=False, reader=read))
            self.pace.add(chronicle.pace.values())
            if not any(violation.number == "S7" for violation in broken):
                self.coverage.note(chronicle)
        for violation in broken:
            root = _root(violation)
            if root not in self._broken:
                self._broken.add(root)
                found = self.shrink(faults, violation, after, world)
                phase.found.append(found)
                self._enough |= self._until is not None and self._until(found)

    # -------------------------------------------------------------- shrinking

    def shrink(self, faults: Sequence[Fault], violation: Violation, after: int = 0, world: int | None = None) -> Found:
        """The fewest faults that still break the same thing in that world; `after` so many schedules."""
        seed = self.seed if world is None else world
        left = SHRINK_MAX
        best = list(faults)
        runs = self.runs
        said = violation

        def still(candidate: Sequence[Fault], count: int) -> Violation | None:
            nonlocal left
            left -= 1
            if left < 0:
                return None
            with self._chronicler(count, seed).looked_into(candidate) as chronicle:
                found = check_all(chronicle, keep=False)
            return next((each for each in found if each.number == violation.number), None)

        for count in range(1, runs):
            fewer = still(best, count)
            if fewer is not None:
                runs, said = count, fewer
                break
        changed = True
        while changed and left > 0:
            changed = False
            for candidate in smaller(best):
                again = still(candidate, runs)
                if again is not None:
                    best, said, changed = candidate, again, True
                    break
        return Found(tuple(best), len(faults), runs, said, after, seed)


def _root(violation: Violation) -> tuple[str, str | None]:
    """What makes two violations the same thing: what is broken, and at which statement."""
    step = violation.step
    return violation.number, step if violation.node is None else f"@{violation.node}"


def _distinct(violations: Iterable[Violation]) -> list[Violation]:
    return list({_root(each): each for each in reversed(list(violations))}.values())[::-1]
