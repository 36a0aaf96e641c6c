"""Capacity planning: the least or the cheapest setting under which a scenario meets its target.

Every setting is simulated with the same seed, so that settings differ in what was set and not in luck (common random
numbers), and is judged by intervals; `least` says in which order. Since the answer was chosen among many by the same
draws, it is proved again on fresh ones, and where it does not hold there the search goes on above it.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal

from orchspec.simulator.document import JsonDict, estimate_json, outcome_of
from orchspec.simulator.kpis import KPIS
from orchspec.simulator.least import Outcome, Point, contradictions, find_least
from orchspec.simulator.units import format_quantity

if TYPE_CHECKING:
    from orchspec.simulator.estimate import Estimate
    from orchspec.simulator.study import Study

__all__ = ["Axis", "Sizing", "Term", "Tried", "terms_of"]

PROOFS_MAX: Final = 4
"""How many answers are tried on fresh seeds before it is said that nothing is sure."""
FRESH: Final = 1_000_003
"""What lies between the seed of a search and those of its proofs."""

Simulate = Callable[[Mapping[str, str], int], "Study"]


@dataclass(frozen=True, slots=True)
class Axis:
    """Something that is varied: its name, its values as they are written, and what each weighs."""

    name: str
    values: tuple[str, ...]
    weights: tuple[float, ...]

    @staticmethod
    def of(name: str, values: Sequence[str], times: float = 1.0) -> Axis:
        """An axis whose values weigh what they say, or, where they are no numbers, their position from 1."""
        try:
            weights = [float(value) for value in values]
        except ValueError:
            weights = [float(position) for position in range(1, len(values) + 1)]
        order = sorted(range(len(values)), key=lambda at: weights[at])
        return Axis(name, tuple(values[at] for at in order), tuple(times * weights[at] for at in order))


@dataclass(frozen=True, slots=True)
class Term:
    """A KPI of a target with the bound that it is held against (None: something that is computed)."""

    text: str
    kpi: str
    statistic: str | None
    of: str | None
    bound: float | None


@dataclass(slots=True)
class Tried:
    """A setting that was simulated, and what came of it."""

    settings: dict[str, str]
    seed: int
    verdict: Outcome
    expectations: list[JsonDict]
    estimates: dict[str, Estimate]
    cost: Estimate
    runs: int
    replications: int
    proof: bool
    busy: dict[str, float] = field(default_factory=dict)
    shares: dict[str, float] = field(default_factory=dict)

    def as_json(self) -> JsonDict:
        """As it stands in the document."""
        return {
            "settings": self.settings,
            "verdict": self.verdict,
            "expectations": self.expectations,
            "measured": {text: estimate_json(known) for text, known in self.estimates.items()},
            "cost": estimate_json(self.cost),
            "runs": self.runs,
            "replications": self.replications,
            "seed": self.seed,
            "proof": self.proof,
        }


class Interrupted(Exception):
    """The user has seen enough: what is done counts."""


class Sizing:
    """The search for one answer; what it tried stays readable when it is interrupted.

    Args:
        axes: what is varied, at least one.
        simulate: makes a study of settings and a seed, whose expectations are the target. A study that is interrupted
            ends the search, as an interrupt does.
        seed: of the search; those of the proofs follow from it.
        minimize: `weight`, the sum of what the values weigh, or `cost`, the mean cost of a run, for which every setting
            is tried.
    """

    def __init__(
        self, axes: Sequence[Axis], simulate: Simulate, *, seed: int = 1, minimize: Literal["weight", "cost"] = "weight"
    ) -> None:
        self.axes = tuple(axes)
        self.seed = seed
        self.minimize = minimize
        self.terms: list[Term] = []
        self.tried: dict[Point, Tried] = {}
        self.proofs: list[Tried] = []
        self.answer: Point | None = None
        self.proved = False
        self.interrupted = False
        self.subject: JsonDict = {}
        self._simulate = simulate
        self._known: dict[Point, Outcome] = {}

    def settings(self, point: Point) -> dict[str, str]:
        """What is set at a point of the grid."""
        return {axis.name: axis.values[at] for axis, at in zip(self.axes, point, strict=True)}

    def weight(self, point: Point) -> float:
        """What a setting weighs."""
        return math.fsum(axis.weights[at] for axis, at in zip(self.axes, point, strict=True))

    def search(self) -> None:
        """Finds the answer and proves it, or finds that there is none."""
        try:
            for number in range(1, PROOFS_MAX + 1):
                self.answer = self._cheapest() if self.minimize == "cost" else self._least()
                if self.answer is None:
                    return
                proof = self._try(self.answer, self.seed + FRESH * number, proof=True)
                self.proofs.append(proof)
                if proof.verdict == "passed":
                    self.proved = True
                    return
                # Chance had a hand in it: as far as is known now, this setting is none that passes.
                self._known[self.answer] = proof.verdict
        except (KeyboardInterrupt, Interrupted):
            self.interrupted = True

    @property
    def verdict(self) -> Literal["met", "not_met", "undecided"]:
        """Whether some setting meets the target."""
        if self.answer is not None:
            return "met" if self.proved else "undecided"
        open_ = self.interrupted or any(outcome == "undecided" for outcome in self._known.values())
        return "undecided" if open_ else "not_met"

    # -------------------------------------------------------------- trials

    def _least(self) -> Point | None:
        sizes = [len(axis.values) for axis in self.axes]
        return find_least(sizes, self.weight, self._outcome, self._guess)

    def _cheapest(self) -> Point | None:
        grid = itertools.product(*(range(len(axis.values)) for axis in self.axes))
        passing = [point for point in grid if self._outcome(point) == "passed"]
        return min(passing, key=lambda point: (self.tried[point].cost.value, self.weight(point)), default=None)

    def _outcome(self, point: Point) -> Outcome:
        if point not in self._known:
            self.tried[point] = self._try(point, self.seed, proof=False)
            self._known[point] = self.tried[point].verdict
        return self._known[point]

    def _try(self, point: Point, seed: int, *, proof: bool) -> Tried:
        settings = self.settings(point)
        study = self._simulate(settings, seed)
        if study.interrupted:
            raise Interrupted
        if not self.terms:
            self.terms = [term for expect in study.scenario.expects for term in terms_of(expect.expr)]
            self.subject = {name: study.document[name] for name in ("scenario", "flow")}
            self.subject["target"] = [expect.text for expect in study.scenario.expects]
            self.subject["faults"] = study.document["faults"]
        document, measures = study.document, study.measures
        busy = {pool.name: measures.estimate("busy", None, pool.name).value for pool in measures.resources()}
        shares = {name: measures.estimate("utilization", None, name).value for name in busy}
        return Tried(
            settings=settings,
            seed=seed,
            verdict=outcome_of(document),
            expectations=document["expectations"],
            estimates={term.text: measures.estimate(term.kpi, term.statistic, term.of) for term in self.terms},
            cost=measures.estimate("cost", "mean"),
            runs=measures.runs,
            replications=len(study.replications),
            proof=proof,
            busy=busy,
            shares={name: share for name, share in shares.items() if math.isfinite(share)},
        )

    def _guess(self, axis: int) -> int | None:
        """Where to look first on an axis of slots: by the utilization law, fewer than are busy can't do the work."""
        name, _, attribute = self.axes[axis].name.rpartition(".")
        most = self.tried.get(tuple(len(each.values) - 1 for each in self.axes))
        busy = most.busy.get(name, math.nan) if most is not None else math.nan
        if attribute != "slots" or not math.isfinite(busy):
            return None
        values = self.axes[axis].values
        enough = (at for at, value in enumerate(values) if value.isdigit() and int(value) > busy)
        return next(enough, None)

    # -------------------------------------------------------------- what came of it

    def document(self) -> JsonDict:
        """The document of `orch size --json`, in a fixed order of keys."""
        answer = None
        if self.answer is not None:
            tried = self.tried[self.answer]
            answer = {
                "settings": tried.settings,
                "weight": self.weight(self.answer),
                "cost": estimate_json(tried.cost),
                "proved": self.proved,
            }
        order = sorted(self.tried, key=lambda point: (self.weight(point), point))
        return {
            **self.subject,
            "verdict": self.verdict,
            "answer": answer,
            "vary": {axis.name: list(axis.values) for axis in self.axes},
            "minimize": self.minimize,
            "seed": self.seed,
            "tried": [self.tried[point].as_json() for point in order],
            "proofs": [proof.as_json() for proof in self.proofs],
            "monotone": not any(contradictions(self._known)),
            "interrupted": self.interrupted,
            "notes": self.notes(),
        }

    def notes(self) -> list[str]:
        """What a reader must know beside the answer."""
        found = []
        if self.interrupted:
            found.append("interrupted: the search did not end")
        broken = next(contradictions(self._known), None)
        if broken is not None:
            less, more = (_told(self.settings(point)) for point in broken)
            found.append(
                f"more is not always better here: {less} meets the target and {more} does not. A bisection may have "
                "missed lesser settings that do; look at the whole curve with --sweep"
            )
        top = self.tried.get(tuple(len(axis.values) - 1 for axis in self.axes))
        if self.answer is None and top is not None and top.shares:
            name = max(top.shares, key=lambda each: top.shares[each])
            share = format_quantity(top.shares[name], "share")
            found.append(f"with {_told(top.settings)} the busiest is {name}, {share} of its slots; is it varied?")
        if self.answer is not None:
            open_ = [point for point, outcome in self._known.items() if outcome == "undecided" and point in self.tried]
            found += [f"{_told(self.settings(point))} stayed undecided: perhaps less is enough" for point in open_]
            if self.proofs and not self.proved and not self.interrupted:
                found.append("it did not hold on fresh seeds: the target lies within chance of what is measured")
            elif len(self.proofs) > 1:
                found.append(f"{len(self.proofs) - 1} lesser settings passed in the search, but not on fresh seeds")
        return found


def _told(settings: Mapping[str, str]) -> str:
    return ", ".join(f"{name}={value}" for name, value in settings.items())


def terms_of(expression: Sequence[Any]) -> Iterator[Term]:
    """The KPIs of an expectation (see `expect`), each once, with the bound where it is compared with a number."""
    found: dict[str, Term] = {}
    _collect(expression, None, found)
    yield from found.values()


def _collect(expression: Any, bound: float | None, found: dict[str, Term]) -> None:
    if not isinstance(expression, list):
        return
    if expression[0] == "kpi":
        _, name, statistic, target = expression
        shown = statistic or ("mean" if KPIS[name].shape == "runs" else None)
        text = f"{shown}({name})" if shown else f"{name}({target})" if target else str(name)
        found.setdefault(text, Term(text, name, statistic, target, bound))
        return
    parts = expression[1:]
    constants = [part[1] for part in parts if isinstance(part, list) and part[0] == "const"]
    compared = expression[0] in {"le", "lt", "ge", "gt", "eq", "ne"}
    for part in parts:
        _collect(part, float(constants[0]) if compared and constants else None, found)
