"""What the analytic twin supposes, and a plan does not keep: what of it is broken where, in words.

What is in `HARMLESS` changes how long one waits, and not by much how long that is remembered.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Final

from orchspec.simulator.queueing import settling_time
from orchspec.simulator.units import format_quantity

if TYPE_CHECKING:
    from orchspec.compiler.plan import Agent, Plan, Scenario, Tool
    from orchspec.simulator.expected import Expected
    from orchspec.simulator.observe import Replication
    from orchspec.simulator.replicate import Stage
    from orchspec.simulator.station import Station

__all__ = ["HARMLESS", "NO_WAIT", "is_side_by_side", "tell_breaks", "tell_others", "tell_short", "told_of"]

NO_WAIT: Final = 1e-3
"""Waits that are so small a part of a run make no difference to it, wherever they are."""
#: A window of fewer settling times sees more of the beginning than of the mean.
_SETTLINGS: Final = 10.0
_FORKED: Final = "several tasks of a run come at once (fork and join)"
_RETRIED: Final = "retries come back soon after, not independently"
#: A part of what an attempt takes that makes no difference.
_LITTLE: Final = 0.01
_HEDGED: Final = "hedges come soon after, not independently"
_REUSED: Final = "work that was done is used again: what is left of it comes more evenly than at random"
_UNEVEN: Final = "times at work are very uneven: with several slots the formula is rough, and rather tells too much"
#: Allen and Cunneen are within some percent up to such a squared variation, and the third moment counts beyond it.
_EVEN: Final = 4.0
_OF_MODEL: Final = "waits for its model count among its own where they are simulated"
_APPROXIMATE: Final = "of several slots and times that are not exponential no formula is exact (Allen and Cunneen)"
HARMLESS: Final = frozenset({_FORKED, _RETRIED, _HEDGED, _REUSED, _APPROXIMATE, _UNEVEN, _OF_MODEL})


def is_side_by_side(pilot: Replication, alone_s: float) -> bool:
    """Whether a run has tasks at work at the same time: then waits do not add up along it."""
    workers = [pool for pool in pilot.pools if pool.kind not in ("tool", "model")]
    if math.fsum(pool.held_s.total() for pool in workers) > alone_s * len(pilot.runs) * (1.0 + 1e-6):
        return True
    bars = [bar for bar in pilot.sample_gantt or () if bar.kind in ("model", "human", "retry")]
    bars.sort(key=lambda bar: bar.start_s)
    ends = -math.inf
    for bar in bars:
        if bar.start_s < ends - 1e-9:
            return True
        ends = max(ends, bar.end_s)
    return False


def tell_breaks(plan: Plan, stations: Sequence[Station], pilot: Replication, *, side_by_side: bool) -> None:
    """Say what formulas suppose of pools and limits, whoever works there."""
    retried = any(run.retries for run in pilot.runs)
    for station in stations:
        told = station.breaks
        if len(station.members) > 1:
            told.append("taken for one pool in which anybody takes any task")
        if not math.isfinite(station.hold_scv):
            told.append(
                "the variance of its times is infinite, and no formula tells how long one waits"
                if math.isnan(station.wait_s)
                else "the variance of its times is infinite, so no mean wait settles"
            )
        elif station.slots is not None and station.utilization < 1.0 and station.tail <= 1.0 + 2.0 / station.held_up:
            told.append("its waits have a mean and no variance: what is simulated comes to it ever so slowly")
        elif (station.slots or 1) > 1 and station.hold_scv > _EVEN:
            told.append(_UNEVEN)
        if station.utilization >= 1.0:
            told.append("work comes faster than it can be done: there is no steady state")
        if side_by_side and station.visits > 1.0:
            told.append(_FORKED)
        if station.buffer_s is not None:
            told += _breaks_of_limit(station, stations)
            continue
        if retried and station.visits > 1.0 and not side_by_side:
            told.append(_RETRIED)
        for name in station.members:
            limited: Agent | Tool | None = plan.agents.get(name) or plan.tools.get(name)
            told += _limits_of(limited)
        if any(name in plan.tools for name in station.members):
            told.append("whoever waits for it holds a slot elsewhere: a finite population")


def _breaks_of_limit(station: Station, stations: Sequence[Station]) -> Iterable[str]:
    """What a bucket of a model is taken for and is not: alone and without a reserve that is given back it is exact."""
    assert station.buffer_s is not None
    if station.spare_s * station.works_s > _LITTLE * station.hold_s:
        yield "tokens are taken before they are used and given back after: for as many as are under way on the average"
    others = (each for each in stations if each is not station and each.works)
    if not station.model.startswith("M/") or any(each.wait_s > NO_WAIT * each.hold_s for each in others):
        yield "a rate: a token bucket, as a server of its own"


def tell_others(stations: Sequence[Station], walked: Expected) -> None:
    """Say what formulas suppose of hedges, of work that is used again, and of several slots."""
    for station in stations:
        told = station.breaks
        waits = station.wait_s > NO_WAIT * station.hold_s
        if station.hedged and not station.counted:
            told.append(_HEDGED)
            if waits:
                told.append("a hedge is taken to find a slot at once, and one that waits for it may never begin")
        if any(name in walked.again.less for name in station.members) and not station.counted:
            told.append(_REUSED)
        limits = (each for each in stations if set(each.draws) & set(station.members))
        if any(each.wait_s > NO_WAIT * station.hold_s for each in limits):
            told.append(_OF_MODEL)
        if (station.slots or 0) > 1 and waits and _UNEVEN not in told and station.model[2:4] in ("D/", "G/"):
            told.append(_APPROXIMATE)


def tell_short(stations: Sequence[Station], rate: float, window_s: float) -> None:
    """Say of which stations the window sees the beginning alone."""
    for station in stations:
        spread = 0.5 * (1.0 + station.hold_scv)
        settles_s = settling_time(rate * station.visits, station.hold_s, station.slots, spread)
        if window_s < _SETTLINGS * settles_s < math.inf:
            told = format_quantity(settles_s, "s")
            station.breaks.append(f"its queue takes about {told} to settle, and the window is short for that")


def _limits_of(limited: Agent | Tool | None) -> Iterable[str]:
    if limited is None:
        return
    if limited.rate is not None:
        yield "a rate: a token bucket, as a server of its own"
    most = getattr(limited, "slots_max", None) or getattr(limited, "slots", None)
    if limited.slots_min is not None and limited.slots_min != most:
        yield "slots follow the load: taken as if all were always there"
    if getattr(limited, "breaker", None) is not None:
        yield "a breaker sends nothing while it is open"
    if getattr(limited, "session", "fresh") != "fresh":
        yield "a session takes one task at a time"


def told_of(plan: Plan, scenario: Scenario, stage: Stage) -> list[str]:
    """What breaks everywhere."""
    told = []
    if scenario.faults:
        told.append("faults strike in the simulation alone")
    if stage.queue_max is not None:
        told.append(f"runs are refused while {stage.queue_max} tasks wait")
    if re.search(r'"urgency":(?!null)', plan.as_json()):
        told.append("urgent tasks go first: the mean over all of a pool is as told, not that of each")
    if any(flow.budget.time_us is not None for flow in plan.flows.values()):
        told.append("budgets of time end runs that wait for long")
    return told
