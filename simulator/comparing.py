"""Contenders beside each other: the same load and the same draws, and for each KPI the difference with its interval.

Replication i of each contender has the arrivals and the inputs of replication i of the others, and the draws of the
same places (see `aligned`), so differences are taken within replications (common random numbers; A. M. Law, *Simulation
Modeling and Analysis*, ch. 10 and 11.2). A difference is that of the KPIs as they are defined, over all runs; its
variance is the jackknife's over replications (J. Shao and D. Tu, *The Jackknife and Bootstrap*, 1995, 2.3: deleting
groups serves quantiles too). A mean that no number of runs bounds from above (`tails`) leaves that end of its
differences open: what hardly any sample holds is no more in the difference of two samples than in each. Among k
contenders there are k(k-1)/2 differences of a KPI, and each is judged at 1 - 0.05 / that (Bonferroni).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, Literal

from orchspec.simulator.document import JsonDict, estimate_json, number
from orchspec.simulator.estimate import Estimate, look_level, t_quantile
from orchspec.simulator.kpis import KPIS, Measures

if TYPE_CHECKING:
    from orchspec.simulator.study import Study

__all__ = ["COMPARED", "Contender", "Line", "Pair", "compare", "comparison_json", "difference", "left_open"]

COMPARED: Final[tuple[tuple[str, str | None], ...]] = (
    *(("latency", statistic) for statistic in ("mean", "p50", "p95", "p99")),
    *((name, "mean") for name in ("cost", "tokens", "retries", "escalations")),
    *((name, None) for name in ("completion", "throughput", "wasted", "duplicate_effects", "lost_effects")),
    ("resume_success", None),
)
_MORE_IS_BETTER: Final = frozenset({"completion", "throughput", "resume_success"})

Verdict = Literal["better", "worse", "same", "undecided"]


@dataclass(frozen=True, slots=True)
class Contender:
    """Something that is compared: its name, what it is, and what was simulated of it."""

    name: str
    about: JsonDict
    study: Study


@dataclass(frozen=True, slots=True)
class Pair:
    """How one contender differs from another in a KPI: the first minus the second."""

    one: str
    other: str
    difference: Estimate
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class Line:
    """One KPI of all contenders, their differences, and who is best: all that are not seen to be worse than another."""

    kpi: str
    statistic: str | None
    estimates: dict[str, Estimate]
    pairs: list[Pair]
    best: list[str]

    @property
    def title(self) -> str:
        """The KPI as a scenario names it."""
        return f"{self.statistic}({self.kpi})" if self.statistic else self.kpi

    def against(self, one: str, other: str) -> Pair:
        """The difference of one contender from another."""
        return next(pair for pair in self.pairs if (pair.one, pair.other) == (one, other))


def compare(contenders: Sequence[Contender]) -> list[Line]:
    """Compare all contenders in every KPI that some of them have a value for, but for zeros."""
    count = len(contenders)
    level = look_level(max(1, count * (count - 1) // 2))
    together = min(len(each.study.replications) for each in contenders)
    cut_s = max(each.study.measures.cut_s for each in contenders)
    whole = [_measures(each, range(together), cut_s) for each in contenders]
    parts = [[_measures(each, _without(at, together), cut_s) for at in range(together)] for each in contenders]
    names = [each.name for each in contenders]
    # What the rest of a window would have brought is not known of any KPI.
    cut = next((one.given_up for each in whole for one in each.replications if one.given_up), "")
    found = []
    for kpi, statistic in COMPARED:
        estimates = {name: measures.estimate(kpi, statistic) for name, measures in zip(names, whole, strict=True)}
        if all(not known.value or math.isnan(known.value) for known in estimates.values()):
            continue
        values = [[part.estimate(kpi, statistic).value for part in each] for each in parts]
        points = [estimates[name].value for name in names]
        heavy = [measures.why_open(kpi, statistic) for measures in whole]
        pairs = [
            _pair(
                kpi,
                (names[a], names[b]),
                left_open(
                    difference((points[a], points[b]), (values[a], values[b]), level), cut or heavy[a], cut or heavy[b]
                ),
            )
            for a, b in itertools.permutations(range(count), 2)
        ]
        beaten = {pair.one for pair in pairs if pair.verdict == "worse"}
        found.append(Line(kpi, statistic, estimates, pairs, [name for name in names if name not in beaten]))
    return found


def difference(whole: tuple[float, float], parts: tuple[Sequence[float], Sequence[float]], level: float) -> Estimate:
    """The difference of two values with its interval, from both without each replication in turn (jackknife)."""
    value = whole[0] - whole[1]
    n = len(parts[0])
    left = [a - b for a, b in zip(*parts, strict=True)]
    method = "paired jackknife"
    if n < 2 or not all(math.isfinite(each) for each in (value, *left)):
        return Estimate(value, math.nan, math.nan, n, method, "no interval: a value is not finite, or stands alone")
    centre = math.fsum(left) / n
    spread = math.sqrt((n - 1) / n * math.fsum((each - centre) ** 2 for each in left))
    half = t_quantile(level, n - 1) * spread
    return Estimate(value, value - half, value + half, n, method)


def left_open(found: Estimate, one: str, other: str) -> Estimate:
    """A difference without the ends that no number of runs bounds.

    `one` and `other` say why the mean of the first and that of the second are not bounded from above, if they are not.
    Where replications do not differ at all, all of it is known.
    """
    if not (one or other) or math.isnan(found.lo) or found.lo == found.hi == 0.0:
        return found
    lo, hi = -math.inf if other else found.lo, math.inf if one else found.hi
    return replace(found, lo=lo, hi=hi, note="; ".join(dict.fromkeys(why for why in (one, other) if why)))


def _pair(kpi: str, names: tuple[str, str], found: Estimate) -> Pair:
    if found.lo <= 0.0 <= found.hi or math.isnan(found.lo):
        same = found.lo == found.hi == 0.0
        return Pair(*names, found, "same" if same else "undecided")
    good = (found.lo > 0.0) is (kpi in _MORE_IS_BETTER)
    return Pair(*names, found, "better" if good else "worse")


def _without(left_out: int, count: int) -> list[int]:
    return [at for at in range(count) if at != left_out]


def _measures(contender: Contender, chosen: Sequence[int], cut_s: float) -> Measures:
    measures = contender.study.measures
    return Measures(
        [measures.replications[at] for at in chosen],
        cut_s=cut_s,
        isolated=measures.isolated,
        # Whole replications: what is deleted together is what depends on each other.
        dated_faults=True,
        short=measures.short,
        heavy=measures.heavy,
    )


def comparison_json(contenders: Sequence[Contender], lines: Sequence[Line], notes: Sequence[str] = ()) -> JsonDict:
    """Return the document of `orch compare --json`, in a fixed order of keys."""
    from orchspec.simulator.compare_charts import front

    count = len(contenders)
    first = contenders[0].study.document
    return {
        "scenario": first["scenario"],
        "seed": first["seed"],
        "replications": min(len(each.study.replications) for each in contenders),
        "level": look_level(max(1, count * (count - 1) // 2)),
        "contenders": [{"name": each.name, **each.about, "document": each.study.document} for each in contenders],
        "kpis": [_line_json(line) for line in lines],
        "pareto": front(contenders),
        "notes": [*notes, *dict.fromkeys(note for each in contenders for note in each.study.document["notes"])],
    }


def _line_json(line: Line) -> JsonDict:
    return {
        "kpi": line.kpi,
        "statistic": line.statistic,
        "unit": KPIS[line.kpi].unit,
        "better": "higher" if line.kpi in _MORE_IS_BETTER else "lower",
        "values": {name: estimate_json(known) for name, known in line.estimates.items()},
        "best": line.best,
        "differences": [_pair_json(pair, line) for pair in line.pairs],
    }


def _pair_json(pair: Pair, line: Line) -> dict[str, Any]:
    base = line.estimates[pair.other].value
    known = pair.difference
    return {
        "of": pair.one,
        "from": pair.other,
        "value": number(known.value),
        "interval": [number(known.lo), number(known.hi)],
        "relative": number(known.value / base) if base and math.isfinite(base) else None,
        "verdict": pair.verdict,
        "note": known.note,
    }
