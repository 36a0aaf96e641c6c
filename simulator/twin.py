"""The analytic twin of a scenario: what queueing theory says of the same plan under the same load.

How often a run visits each pool follows from a walk over the plan (`expected`). What a walk cannot know is counted in
a few runs alone, each in a world of its own, where the kernel itself goes through routes, loops and retries; those also
tell how long a run takes that meets nobody. How long a visit holds its slot, and how that varies, is known from the
profile. Of each figure it is said where it comes from. The rest are formulas (`queueing`): arrivals times visits is the
rate of a pool, and its wait that of M/M/c or M/G/c; what a model lets through is a server of its own, with a bucket.

The formulas suppose what a plan need not keep. Each supposition that it breaks is said (`breaks`): where there are
none, the two must agree within the interval of the simulation; where there are, the difference is what they cost.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Final

from orchspec.runtime.distributions import mean_of
from orchspec.simulator.arrivals import mean_rate, replayed
from orchspec.simulator.estimate import Estimate
from orchspec.simulator.expected import expected_visits
from orchspec.simulator.holding import hold_of, timeouts_of
from orchspec.simulator.lengths import NOTHING_TOLD, Told
from orchspec.simulator.queueing import (
    Demand,
    burst_dispersion,
    closed_network,
    mean_wait,
    reserved_wait,
    settling_time,
    token_wait,
)
from orchspec.simulator.replicate import Stage
from orchspec.simulator.station import Station
from orchspec.simulator.stripped import without_hedges
from orchspec.simulator.tails import tail_of
from orchspec.simulator.twin_breaks import (
    HARMLESS,
    NO_WAIT,
    is_side_by_side,
    tell_breaks,
    tell_others,
    tell_short,
    told_of,
)
from orchspec.simulator.twin_limits import model_stations

if TYPE_CHECKING:
    from orchspec.compiler.plan import Agent, Plan, Scenario, Tool
    from orchspec.simulator.expected import Expected
    from orchspec.simulator.kpis import Measures
    from orchspec.simulator.observe import Replication

__all__ = ["PILOTS", "Station", "Twin", "twin_of"]

PILOTS: Final = 200
"""How many runs are looked at alone."""
#: More users than this are not stepped through one by one.
_USERS_MOST: Final = 100_000
_SECOND: Final = 1e6


@dataclass(slots=True)
class Twin:
    """What the formulas say of a scenario.

    `alone_s` is the mean latency of runs that meet nobody, `latency_s` that under the load, infinite where the system
    does not keep up, and `nan` where it cannot be told (`latency_note` says why).
    """

    arrivals_per_s: float
    alone_s: float
    latency_s: float
    latency_note: str
    stations: list[Station]
    breaks: list[str]
    told: Told = NOTHING_TOLD
    """What it tells of the length of a simulation."""


def twin_of(plan: Plan, scenario: Scenario, stage: Stage) -> Twin | None:
    """The twin of a scenario with arrivals, None of one whose runs are alone or never end; `stage` is that of both."""
    if scenario.arrivals is None:
        return None
    pilot = stage.alone(PILOTS)
    alone_s = _latency_of(pilot)
    walked = expected_visits(plan, scenario, stage)
    stations = _stations(plan, pilot, stage, walked)
    stations += model_stations(plan, pilot, stage, stations)
    if walked.holds:
        alone_s, side_by_side = _alone_hedged(stage, stations, walked, alone_s)
    else:
        side_by_side = is_side_by_side(pilot, alone_s)
        if not side_by_side:
            # What chance made of the few runs is taken out again, where work adds up along a run.
            alone_s += math.fsum(each.visits_alone * (each.hold_s - each.seen_s) for each in stations if each.works)
    rate, scv, breaks = _arrivals(scenario, stage, stations, alone_s)
    for station in stations:
        _serve(station, plan, rate, scv)
    if scenario.arrivals[0] == "closed":
        rate = _share_users(scenario, stage, stations, alone_s)
    tell_breaks(plan, stations, pilot, side_by_side=side_by_side)
    tell_others(stations, walked)
    if scenario.arrivals[0] != "closed" and scenario.duration_us is not None:
        tell_short(stations, rate, scenario.duration_us / _SECOND)
    breaks += told_of(plan, scenario, stage)
    latency_s, note = _latency(stations, alone_s, walked.saved_s, side_by_side=side_by_side)
    told = NOTHING_TOLD
    if scenario.arrivals[0] != "closed":
        is_all = not breaks and all(HARMLESS.issuperset(station.breaks) for station in stations)
        keeps_up = not scenario.faults and all(station.wait_s < math.inf for station in stations)
        told = Told(_remembered(stations, rate, scv, alone_s, side_by_side=side_by_side), is_all, keeps_up)
    return Twin(rate, alone_s, latency_s, note, stations, breaks, told)


def _latency_of(pilot: Replication) -> float:
    return math.fsum(run.latency_s for run in pilot.runs) / len(pilot.runs)


def _alone_hedged(stage: Stage, stations: Sequence[Station], walked: Expected, seen_s: float) -> tuple[float, bool]:
    """How long a run takes that meets nobody, some of whose tasks are hedged, and whether others work side by side.

    Two who are at one task are not told from two tasks, so it is looked at runs in which nothing is hedged: what they
    take beside work is the same.
    """
    plain = without_hedges(stage).alone(PILOTS)
    plain_s = _latency_of(plain)
    if is_side_by_side(plain, plain_s):
        return seen_s, True
    mixed = any(holds.alone[0] < (1.0 - 1e-6) * walked.alone.get(name, 0.0) for name, holds in walked.holds.items())
    if mixed or any(each.hedged and each.counted for each in stations):
        return seen_s, False
    held_s = math.fsum(pool.held_s.total() for pool in plain.pools if pool.kind not in ("tool", "model"))
    # As many rests as there were by chance.
    seen = sum(run.retries for run in plain.runs) / len(plain.runs)
    rests_s = walked.rests_s * seen / walked.retries if walked.retries else 0.0
    beside_s = plain_s - held_s / len(plain.runs) - rests_s
    works_s = math.fsum(each.visits_alone * each.hold_s for each in stations if each.works and not each.hedged)
    return beside_s + works_s + walked.hedged_s, False


# ------------------------------------------------------------------ stations


def _stations(plan: Plan, pilot: Replication, stage: Stage, walked: Expected) -> list[Station]:
    """Pools that can take the same tasks together, in the order of the plan."""
    groups: list[set[str]] = []
    for pool in pilot.pools:
        if pool.kind == "model" or (not pool.arrivals.total() and not pool.takes.total()):
            continue
        touched = [group for group in groups if group & set(pool.members)]
        joined = set(pool.members).union(*touched)
        groups = [group for group in groups if group not in touched] + [joined]
    order = {pool.name: at for at, pool in enumerate(pilot.pools)}
    timeouts = timeouts_of(plan)
    found = []
    for group in sorted(groups, key=lambda each: min(order[name] for name in each)):
        members = tuple(sorted(group, key=lambda name: order[name]))
        takes = {pool.name: pool.takes.total() for pool in pilot.pools if pool.name in group}
        held = {pool.name: pool.held_s.total() for pool in pilot.pools if pool.name in group}
        total = math.fsum(takes.values())
        if not total:
            continue
        slots = [pool.slots for pool in pilot.pools if pool.name in group]
        known = [count for count in slots if count is not None]
        mean_s, scv, by = hold_of(plan, stage, takes, held, walked)
        counted = total / len(pilot.runs)
        visits, why = _visits(members, walked, counted, len(pilot.runs))
        found.append(
            Station(
                " or ".join(members),
                members,
                sum(known) if len(known) == len(slots) else None,
                visits,
                mean_s,
                scv,
                math.fsum(held.values()) / total,
                not any(name in plan.tools for name in members),
                why,
                by,
                # What is ended by something that no profile tells has no tail.
                tail=min(tail_of(plan, name, timeouts.get(name, set())) for name in members)
                if by == "profile"
                else math.inf,
                visits_alone=counted if why else _sum(walked.alone, members),
                hedged=any(name in walked.holds for name in members),
            )
        )
    return found


def _visits(members: Sequence[str], walked: Expected, counted: float, runs: int) -> tuple[float, str]:
    """The visits of a run to a pool, and why they are those of the runs where the walk does not tell them."""
    why = next((walked.unknown[name] for name in members if name in walked.unknown), "")
    if not why and not any(name in walked.visits for name in members):
        why = "somebody else than the flow asks for it"
    if why:
        return counted, why
    told, alone = (_sum(visits, members) for visits in (walked.visits, walked.alone or walked.visits))
    # Counts are rarely more uneven than a geometric law; beyond five of its deviations the walk has missed something.
    if abs(alone - counted) > 5.0 * math.sqrt(alone * (1.0 + alone) / runs) + 1e-3:
        return counted, f"a walk over the plan tells {alone:.3g}, which the runs do not bear out"
    return told, ""


def _sum(visits: Mapping[str, float], members: Sequence[str]) -> float:
    return math.fsum(visits.get(name, 0.0) for name in members)


def _serve(station: Station, plan: Plan, rate: float, arrival_scv: float) -> None:
    """Fill in what an open load makes of a station."""
    arrivals = rate * station.visits
    offered = arrivals * station.hold_s
    letters = "D" if station.hold_scv < 1e-9 else "M" if abs(station.hold_scv - 1.0) < 0.01 else "G"
    first = "M" if abs(arrival_scv - 1.0) < 0.01 else "G"
    station.model = f"{first}/{letters}/{station.slots if station.slots is not None else '∞'}"
    station.utilization = offered / station.slots if station.slots else math.nan
    if station.buffer_s is not None:
        station.model = f"{first}/{letters}/1 + bucket"
        station.wait_s = reserved_wait(
            arrivals, station.takes_s, station.buffer_s, station.spare_s, rate * station.works_s, arrival_scv
        )
        station.queue = arrivals * station.wait_s
        return
    wait_s = mean_wait(arrivals, station.hold_s, station.slots, arrival_scv, station.hold_scv)
    if math.isinf(wait_s) and station.utilization < 1.0 and station.tail > 1.0 + 1.0 / station.held_up:
        wait_s = math.nan  # it has a mean (`tails`), which no formula tells
    for name in station.members:
        limited: Agent | Tool | None = plan.agents.get(name) or plan.tools.get(name)
        if limited is not None and limited.rate is not None and len(station.members) == 1:
            limit = limited.rate
            wait_s = max(wait_s, token_wait(arrivals, limit.count, limit.per_us / _SECOND, arrival_scv))
            station.model += " + rate"
    station.wait_s = wait_s
    station.queue = arrivals * wait_s


# ------------------------------------------------------------------ load


def _arrivals(
    scenario: Scenario, stage: Stage, stations: Sequence[Station], alone_s: float
) -> tuple[float, float, list[str]]:
    """The rate of runs, the squared coefficient of variation between them, and what of it no formula holds for."""
    spec = scenario.arrivals
    assert spec is not None
    times = replayed(stage.times, stage.size, scenario.duration_us)
    rate = mean_rate(spec, times)
    match spec[0]:
        case "poisson":
            return rate or 0.0, 1.0, []
        case "every":
            return rate or 0.0, 0.0, ["arrivals are regular: pools behind the first one see less of it"]
        case "burst":
            calm, peak, every_us, lasting_us = spec[1:]
            scv = burst_dispersion(calm, peak, (every_us - lasting_us) / _SECOND, lasting_us / _SECOND)
            told = f"arrivals come in bursts (index of dispersion {scv:.3g}): the formulas know only their spread"
            if any(_is_full(station, peak) for station in stations):
                told += ", and within a peak work comes faster than it can be done"
            return rate or 0.0, scv, [told]
        case "trace":
            gaps = [later - earlier for earlier, later in pairwise(times)]
            mean = math.fsum(gaps) / len(gaps) if gaps else 0.0
            scv = math.fsum((gap - mean) ** 2 for gap in gaps) / len(gaps) / mean**2 if mean else 1.0
            return rate or 0.0, scv, [f"arrivals are those of a trace (squared variation {scv:.3g}), not Poisson"]
        case _:
            users, think = spec[1], mean_of(spec[2], stage.cast.data, scale=_SECOND) / _SECOND
            told = f"{users} users: a finite population, which arrives less while it waits (mean value analysis)"
            return users / (think + alone_s) if think + alone_s else math.inf, 1.0, [told]


def _is_full(station: Station, rate: float) -> bool:
    return station.slots is not None and rate * station.visits * station.hold_s >= station.slots


def _share_users(scenario: Scenario, stage: Stage, stations: Sequence[Station], alone_s: float) -> float:
    """Fill in what a closed load makes of stations; returns the rate of runs."""
    assert scenario.arrivals is not None
    users = min(scenario.arrivals[1], _USERS_MOST)
    think_s = mean_of(scenario.arrivals[2], stage.cast.data, scale=_SECOND) / _SECOND
    limits = [each for each in stations if each.buffer_s is not None]
    stations = [each for each in stations if each.buffer_s is None]
    demands = [Demand(each.visits, each.hold_s, each.slots) for each in stations]
    # What a run spends outside of all pools (effects, timers) is thought, too.
    elsewhere_s = max(0.0, alone_s - math.fsum(demand.seconds for demand in demands))
    rate, waits = closed_network(users, think_s + elsewhere_s, demands)
    for station, wait_s in zip(stations, waits, strict=True):
        station.model = f"closed, {station.slots if station.slots is not None else '∞'} slot{'s'[: station.slots != 1]}"
        if station.slots is not None and abs(station.hold_scv - 1.0) >= 0.01:
            station.breaks.append("its times at work are not exponential, as mean value analysis takes them to be")
        station.wait_s = wait_s
        station.queue = rate * station.visits * wait_s
        if station.slots:
            station.utilization = min(1.0, rate * station.visits * station.hold_s / station.slots)
    for limit in limits:
        limit.utilization = min(1.0, rate * limit.visits * limit.hold_s)
        limit.wait_s = limit.queue = 0.0
        limit.breaks.append("a bucket in a closed network: nobody is taken to wait for it")
    return rate


# ------------------------------------------------------------------ what comes of it


def _remembered(
    stations: Sequence[Station], rate: float, arrival_scv: float, alone_s: float, *, side_by_side: bool
) -> float:
    """About how many runs depend on each other: as many as come while the slowest queue that matters settles."""

    def spread(station: Station) -> float:
        # Tasks that come at once are as uneven as there are of them.
        return 0.5 * (arrival_scv * (max(1.0, station.visits) if side_by_side else 1.0) + station.hold_scv)

    settles_s = [
        settling_time(rate * each.visits, each.hold_s, each.slots, spread(each))
        for each in stations
        if each.visits * each.wait_s > NO_WAIT * alone_s
    ]
    return max(1.0, rate * max((each for each in settles_s if math.isfinite(each)), default=0.0))


def _latency(stations: Sequence[Station], alone_s: float, saved_s: float, *, side_by_side: bool) -> tuple[float, str]:
    if not math.isfinite(alone_s):
        return math.nan, "some runs never end, even alone"
    for station in stations:
        if math.isinf(station.wait_s):
            told = (
                "a pool does not keep up"
                if station.utilization >= 1.0
                else f"the mean wait for {station.name} is infinite"
            )
            return math.inf, told
    for station in stations:
        if math.isnan(station.wait_s):
            return math.nan, f"no formula tells how long one waits for {station.name}"
    waits_s = math.fsum(station.visits * station.wait_s for station in stations)
    if side_by_side and waits_s > NO_WAIT * alone_s:
        return math.nan, "tasks of a run work side by side, so their waits do not add up"
    if side_by_side and abs(saved_s) > NO_WAIT * alone_s:
        return math.nan, "tasks of a run work side by side, so what hedges and work that was done save does not add up"
    return alone_s - saved_s + waits_s, ""


# ------------------------------------------------------------------ beside the simulation


def simulated(measures: Measures, station: Station) -> tuple[Estimate, Estimate]:
    """Utilization and wait of a station as they were simulated."""
    members = frozenset(station.members)
    busy = measures.pool_ratio(
        lambda pool, section: pool.busy.total(section.from_s, section.to_s),
        lambda pool, section: pool.slot_seconds(section.from_s, section.to_s),
        lambda pool: pool.name in members,
    )
    wait = measures.pool_ratio(
        lambda pool, section: pool.waited(section.from_s, section.to_s),
        lambda pool, section: pool.grants.total(section.from_s, section.to_s),
        lambda pool: members.issuperset(pool.members),
    )
    return busy.clamped(0.0, 1.0), wait.clamped(low=0.0)
