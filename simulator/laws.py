"""Two laws that hold for any queue, checked in every report: they find a miscount, or a system that never settles.

Little's law (J. D. C. Little, Operations Research 9, 1961): the mean number waiting is the rate of arrivals times the
mean wait. The utilization law: the mean number of busy slots is the rate of tasks times the mean time that one holds
a slot. The two sides are booked apart (levels as time passes; waits and holds when they end), so neither follows
from the other.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from orchspec.simulator.estimate import Estimate, mean
from orchspec.simulator.kpis import Measures
from orchspec.simulator.observe import PoolObservation, Series
from orchspec.simulator.sections import Section, was_let_in

__all__ = ["LawCheck", "check_laws"]

#: Differences below this are no finding, whatever their interval: waits that straddle the ends of the window.
_TOLERANCE = 0.02

#: The law, the pool, and for each section the integrals of the left and the right side.
_Sides = tuple[str, str, list[float], list[float]]


@dataclass(slots=True, frozen=True)
class LawCheck:
    """One law for one pool (`runs` is the whole system): its two sides, and their difference relative to the left.

    `ok` is `None` where there is nothing to compare, or no interval to judge by.
    """

    law: str
    pool: str
    left: float
    right: float
    difference: Estimate
    ok: bool | None


def check_laws(measures: Measures) -> list[LawCheck]:
    """Check Little's law for the runs and each queue, and the utilization law for each resource.

    The intervals share an error of 5 % among all checks (Bonferroni), so that a report of many pools does not cry
    wolf. Isolated runs have no common clock; they give no checks.
    """
    if measures.isolated:
        return []
    sections = _sections(measures)
    sides: list[_Sides] = [
        (
            "little",
            "runs",
            [section.run_seconds() for section in sections],
            [_latencies(section) for section in sections],
        )
    ]
    for pool in measures.pools:
        queued = _sides(sections, pool.name, lambda p: p.queue, lambda p: (p.wait_s, p.abandoned_s))
        busy = _sides(sections, pool.name, lambda p: p.busy, lambda p: (p.held_s,))
        sides.append(("little", pool.name, *queued))
        if any(busy[0]) or any(busy[1]):
            sides.append(("utilization", pool.name, *busy))
    level = 1.0 - 0.05 / len(sides)
    seconds = math.fsum(section.length_s for section in sections)
    return [_check(each, seconds, level) for each in sides]


def _sections(measures: Measures) -> Sequence[Section]:
    """The sections to compare: those of the measures, or, where a fault has its times, whole replications.

    What waits or works across the ends of a section averages out where all times are alike. A fault that strikes all
    replications at one time makes the ends differ from the rest, so that a whole life is compared there.
    """
    if not any(replication.faults for replication in measures.replications):
        return measures.sections
    whole = []
    for replication in measures.replications:
        ends = [run.ended_s for run in replication.runs if math.isfinite(run.ended_s)]
        bins = [len(one.sums) * one.bin_s for pool in replication.pools for one in (pool.queue, pool.busy)]
        end_s = max([replication.window_s[1], *ends, *bins]) + 1e-6
        whole.append(Section(replication, 0.0, end_s, tuple(replication.runs)))
    return whole


def _latencies(section: Section) -> float:
    return math.fsum(run.latency_s for run in section.runs if was_let_in(run) and math.isfinite(run.ended_s))


def _sides(
    sections: Sequence[Section],
    name: str,
    level: Callable[[PoolObservation], Series],
    sums: Callable[[PoolObservation], Sequence[Series]],
) -> tuple[list[float], list[float]]:
    left, right = [], []
    for section in sections:
        pools = [pool for pool in section.replication.pools if pool.name == name]
        left.append(_total(section, [level(pool) for pool in pools]))
        right.append(_total(section, [series for pool in pools for series in sums(pool)]))
    return left, right


def _total(section: Section, series: Sequence[Series]) -> float:
    return math.fsum(one.total(section.from_s, section.to_s) for one in series)


def _check(sides: _Sides, seconds: float, level: float) -> LawCheck:
    """Compare integrals over all sections; `seconds` is their length, by which both sides become means."""
    law, pool, left, right = sides
    above, below = math.fsum(left), math.fsum(right)
    size = max(above, below)
    if seconds <= 0.0 or size == 0.0:
        return LawCheck(law, pool, 0.0, 0.0, Estimate(0.0, 0.0, 0.0, len(left), "t"), None if seconds <= 0.0 else True)
    # Relative to the mean integral of a section; the t interval of the differences, as sections are independent.
    scale = size / len(left)
    difference = mean([(a - b) / scale for a, b in zip(left, right, strict=True)], level)
    ok: bool | None
    if abs(difference.value) <= _TOLERANCE:
        ok = True
    elif math.isnan(difference.lo):
        ok = None
    else:
        ok = difference.lo <= 0.0 <= difference.hi
    return LawCheck(law, pool, above / seconds, below / seconds, difference, ok)
