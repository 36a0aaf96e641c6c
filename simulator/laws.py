"""Two laws that hold for any queue, checked in every report: where one does not, something was counted wrongly.

Little's law (J. D. C. Little, Operations Research 9, 1961): the mean number waiting is the rate of arrivals times the
mean wait. The utilization law: the mean number of busy slots is the rate of tasks times the mean time that one holds
a slot. The two sides are booked apart (levels as time passes; waits and holds when they end), so neither follows
from the other.

In a window cut out of a longer life the two sides differ by what straddles its ends, which is no mistake. Over a finite
horizon that starts and ends empty they are equal, whatever the arrivals, whatever the order of service, and however
short it is (J. D. C. Little and S. C. Graves in *Building Intuition*, 2008, 5.2; S. Stidham, Operations Research 22,
1974). So the whole life of each replication is compared, from its empty beginning to its end, where whatever is still
under way is booked with as much of it as has passed; and no chance is left that the comparison would have to allow for.
Whether the system ever settles is another question, which the warm-up answers.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from orchspec.simulator.kpis import Measures
from orchspec.simulator.observe import PoolObservation, Replication, Series

__all__ = ["LAWS", "LawCheck", "broken_laws", "check_laws"]

#: What sums of floating-point seconds may differ by, relative to the greater side.
_EXACT = 1e-6

LAWS = {"little": "Little's law", "utilization": "the utilization law"}
"""What each law is called, by its key in the document."""


@dataclass(slots=True, frozen=True)
class LawCheck:
    """One law for one pool (`runs` is the whole system).

    `left` is the level seen, `right` the rate times the mean time, both over whole lives; `difference` is that of the
    two relative to the greater one. `ok` is `None` where no time has passed.
    """

    law: str
    pool: str
    left: float
    right: float
    difference: float
    ok: bool | None

    def told(self) -> str:
        """What a reader is told of a law that does not hold."""
        return (
            f"{LAWS[self.law]} does not hold for {self.pool}: a level of {self.left:.6g} was seen, and rate times"
            f" time is {self.right:.6g}. One is miscounted: believe no figure of {self.pool}, and please report it"
        )


def check_laws(measures: Measures) -> list[LawCheck]:
    """Check Little's law for the runs and each queue, and the utilization law for each resource.

    Isolated runs have no common clock; they give no checks.
    """
    if measures.isolated:
        return []
    lives = measures.replications
    seconds = math.fsum(life.lived_s for life in lives)
    counted = [life for life in lives if life.run_seconds is not None]
    checks = []
    if counted:
        left = math.fsum(life.run_seconds or 0.0 for life in counted)
        right = math.fsum(_latencies(life) for life in counted)
        checks.append(_check("little", "runs", left, right, math.fsum(life.lived_s for life in counted)))
    for pool in measures.pools:
        left, right = _sides(lives, pool.name, lambda p: p.queue, lambda p: (p.wait_s, p.abandoned_s))
        checks.append(_check("little", pool.name, left, right, seconds))
        left, right = _sides(lives, pool.name, lambda p: p.busy, lambda p: (p.held_s,))
        if left or right:
            checks.append(_check("utilization", pool.name, left, right, seconds))
    return checks


def broken_laws(measures: Measures) -> list[str]:
    """What is told of each law that does not hold; nothing where all do."""
    return [check.told() for check in check_laws(measures) if check.ok is False]


def _latencies(life: Replication) -> float:
    """How long the measured runs were in the system until it ended, together, in seconds."""
    return math.fsum(min(run.ended_s, life.lived_s) - run.arrived_s for run in life.runs)


def _sides(
    lives: Sequence[Replication],
    name: str,
    level: Callable[[PoolObservation], Series],
    sums: Callable[[PoolObservation], Sequence[Series]],
) -> tuple[float, float]:
    pools = [pool for life in lives for pool in life.pools if pool.name == name]
    left = math.fsum(level(pool).total() for pool in pools)
    return left, math.fsum(series.total() for pool in pools for series in sums(pool))


def _check(law: str, pool: str, left: float, right: float, seconds: float) -> LawCheck:
    """Compare two integrals; `seconds` is the length of the lives, by which both become means."""
    greater = max(left, right)
    difference = (left - right) / greater if greater > 0.0 else 0.0
    if seconds <= 0.0:
        return LawCheck(law, pool, 0.0, 0.0, difference, None)
    return LawCheck(law, pool, left / seconds, right / seconds, difference, abs(difference) <= _EXACT)
