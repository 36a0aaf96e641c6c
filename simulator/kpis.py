"""The KPIs: a registry with one function for each, from the sections of a simulation to an estimate.

To add one, write a function here under `@_kpi(...)`: reports, expectations and charts find it by its name.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from orchspec.simulator import estimate as est
from orchspec.simulator.estimate import Estimate
from orchspec.simulator.observe import PoolObservation, Replication, RunObservation
from orchspec.simulator.sections import Section, cut_sections, pools_of, was_let_in

__all__ = ["KPIS", "STATISTICS", "Kpi", "Measures", "Shape"]

#: The statistics of a KPI of single runs.
STATISTICS = ("mean", "p50", "p90", "p95", "p99", "max")

#: `runs`: a distribution over runs; `value`: one number; `pool`: one number for each agent, tool or person.
Shape = Literal["runs", "value", "pool"]


@dataclass(slots=True, frozen=True)
class Kpi:
    """A KPI: its name, its unit (s, USD, 1/s, share, or what it counts), its shape, and what it is."""

    name: str
    unit: str
    shape: Shape
    doc: str
    compute: Callable[[Measures, str | None], Estimate]


class Measures:
    """The KPIs of a list of replications, computed when asked for.

    In mode `isolated` each run was alone in its world, so runs are independent: quantiles by order statistics, rates
    by the exact binomial. Otherwise sections (see `cut_sections`) carry the intervals.
    """

    def __init__(
        self,
        replications: Sequence[Replication],
        *,
        cut_s: float = 0.0,
        isolated: bool = False,
        level: float = 0.95,
        dated_faults: bool = False,
        period_s: float | None = None,
        short: str = "",
        heavy: Mapping[tuple[str, str | None], str] | None = None,
    ) -> None:
        """Measure `replications` (in the order of their index) from `cut_s` seconds on.

        `level` is that of the intervals (see `estimate.look_level`); `dated_faults` and `period_s` are those of
        `cut_sections`. `short` is what is told of replications that are too short for what waits in them to be
        bounded from above. `heavy` are means that no number of runs bounds from above, by KPI and target, and why.
        """
        self.replications = sorted(replications, key=lambda replication: replication.index)
        self.cut_s = 0.0 if isolated else cut_s
        self.isolated = isolated
        self.level = level
        self.short = short
        self.heavy = heavy or {}
        # Isolated runs have no common clock, so a chunk of them cannot be cut in time.
        self.sections = cut_sections(
            self.replications, self.cut_s, dated_faults=dated_faults or isolated, period_s=period_s
        )
        if isolated:
            self.sections = [Section(s.replication, s.from_s, s.to_s, tuple(s.replication.runs)) for s in self.sections]
        self.pools = pools_of(self.replications)
        self._known: dict[tuple[str, str | None, str | None], Estimate] = {}

    @property
    def runs(self) -> int:
        """How many runs were measured: those that arrived within the windows, after the warm-up."""
        return sum(len(section.runs) for section in self.sections)

    def resources(self) -> list[PoolObservation]:
        """Return the agents, tools and persons, without the queues that several of them share."""
        return [pool for pool in self.pools if pool.members == (pool.name,)]

    def estimate(self, name: str, statistic: str | None = None, target: str | None = None) -> Estimate:
        """Return the KPI `name`, its `statistic` (of runs; the mean unless said), for `target` (of pools).

        Raises `KeyError` for a name that is not in `KPIS` and `ValueError` for a statistic or target that is unknown.
        """
        key = (name, statistic, target)
        if key not in self._known:
            kpi = KPIS[name]
            if kpi.shape == "pool" and target not in {pool.name for pool in self.resources()}:
                # Never used in any run: the compiler knows the name, the simulation saw nothing of it.
                self._known[key] = est.undefined(f"nothing was asked of {target}")
            else:
                found = kpi.compute(self, target if kpi.shape == "pool" else statistic)
                self._known[key] = found if statistic not in (None, "mean") else self._with_tail(found, name, target)
        return self._known[key]

    # What the functions below are made of ------------------------------------------------------------------------

    def of_runs(
        self, value: Callable[[RunObservation], float], statistic: str | None, *, lower: bool = False
    ) -> Estimate:
        """Return a statistic of a value of the runs that were let in.

        `lower` says that the value of a run that goes on is a lower bound (what it has spent so far).
        """
        samples = [[value(run) for run in section.runs if was_let_in(run)] for section in self.sections]
        open_runs = sum(1 for s in self.sections for run in s.runs if was_let_in(run) and math.isinf(run.ended_s))
        result = self._statistic(samples, statistic or "mean")
        result = result.clamped(low=0.0)
        if open_runs and (lower or any(math.isinf(x) for sample in samples for x in sample)):
            result = result.noted(f"{open_runs} of {sum(map(len, samples))} runs had not ended")
        return result

    def bounded(self, estimate: Estimate) -> Estimate:
        """Return an estimate of what waits, without its upper end where replications are too short for one."""
        if not self.short or not math.isfinite(estimate.value):
            return estimate
        return replace(estimate, hi=math.inf).noted(self.short)

    def why_open(self, name: str, statistic: str | None = None, target: str | None = None) -> str:
        """Return why no number of runs bounds a statistic from above; nothing where that is not so."""
        if statistic not in (None, "mean"):
            return ""
        return self.heavy.get((name, target if KPIS[name].shape == "pool" else None), "")

    def _with_tail(self, estimate: Estimate, name: str, target: str | None) -> Estimate:
        """Return a mean without its upper end where its tail is too heavy for one."""
        why = self.why_open(name, None, target)
        if not why or not math.isfinite(estimate.value):
            return estimate
        return replace(estimate, hi=math.inf).noted(why)

    def _statistic(self, samples: list[list[float]], statistic: str) -> Estimate:
        if statistic == "mean":
            return self._mean(samples)
        everything = [x for sample in samples for x in sample]
        if statistic == "max":
            if not everything:
                return est.undefined("no run", "largest seen")
            top = max(everything)
            return Estimate(top, top, math.inf, len(everything), "largest seen")
        if statistic not in STATISTICS:
            raise ValueError(f"unknown statistic {statistic!r}: expected one of {', '.join(STATISTICS)}")
        share = int(statistic[1:]) / 100.0
        if self.isolated:
            return est.isolated_quantile(everything, share, self.level)
        return est.sectioned_quantile(samples, share, self.level)

    def _mean(self, samples: list[list[float]]) -> Estimate:
        """Return the mean of finite values; if some are infinite, no bound from above is claimed."""
        finite = [[x for x in sample if math.isfinite(x)] for sample in samples]
        if not any(finite):
            return est.undefined("no run has ended" if any(samples) else "no run", "mean")
        if self.isolated:
            result = est.mean([x for sample in finite for x in sample], self.level)
        else:
            result = self.ratio([math.fsum(sample) for sample in finite], [float(len(sample)) for sample in finite])
        if sum(map(len, finite)) < sum(map(len, samples)):
            result = Estimate(result.value, result.lo, math.inf, result.n, result.method, "of the runs that ended")
        return result

    def ratio(self, numerators: Sequence[float], denominators: Sequence[float]) -> Estimate:
        """Return a ratio of sums over sections."""
        return est.ratio(numerators, denominators, self.level)

    def rate(self, events: Sequence[int], trials: Sequence[int]) -> Estimate:
        """Return a rate from counts for each section."""
        if self.isolated:
            return est.binomial_rate(sum(events), sum(trials), self.level)
        return est.clustered_rate(events, trials, self.level)

    def pool_ratio(
        self,
        above: Callable[[PoolObservation, Section], float],
        below: Callable[[PoolObservation, Section], float],
        chosen: Callable[[PoolObservation], bool],
    ) -> Estimate:
        """Return a ratio of sums over the `chosen` pools of each section."""
        numerators, denominators = [], []
        for section in self.sections:
            pools = [pool for pool in section.replication.pools if chosen(pool)]
            numerators.append(math.fsum(above(pool, section) for pool in pools))
            denominators.append(math.fsum(below(pool, section) for pool in pools))
        return self.ratio(numerators, denominators)


KPIS: dict[str, Kpi] = {}

_Compute = Callable[[Measures, str | None], Estimate]


def _kpi(name: str, unit: str, shape: Shape) -> Callable[[_Compute], _Compute]:
    def register(compute: _Compute) -> _Compute:
        KPIS[name] = Kpi(name, unit, shape, " ".join((compute.__doc__ or "").split()), compute)
        return compute

    return register


# KPIs of single runs -----------------------------------------------------------------------------------------------


@_kpi("latency", "s", "runs")
def _latency(measures: Measures, statistic: str | None) -> Estimate:
    """Completion minus arrival of the runs that arrived in the window; an unended run is infinite in quantiles."""
    return measures.bounded(measures.of_runs(lambda run: run.latency_s, statistic))


@_kpi("cost", "USD", "runs")
def _cost(measures: Measures, statistic: str | None) -> Estimate:
    """What a run cost."""
    return measures.of_runs(lambda run: run.cost_usd, statistic, lower=True)


@_kpi("tokens", "tokens", "runs")
def _tokens(measures: Measures, statistic: str | None) -> Estimate:
    """Tokens that a run read and wrote."""
    return measures.of_runs(lambda run: float(run.tokens), statistic, lower=True)


@_kpi("retries", "retries", "runs")
def _retries(measures: Measures, statistic: str | None) -> Estimate:
    """Attempts of a run beyond the first of each task."""
    return measures.of_runs(lambda run: float(run.retries), statistic, lower=True)


@_kpi("escalations", "escalations", "runs")
def _escalations(measures: Measures, statistic: str | None) -> Estimate:
    """Questions of a run that went to a person."""
    return measures.of_runs(lambda run: float(run.escalations), statistic, lower=True)


# KPIs of the whole -------------------------------------------------------------------------------------------------


@_kpi("completion", "share", "value")
def _completion(measures: Measures, _: str | None) -> Estimate:
    """Runs completed and verified, of all that arrived, refused and unended ones included."""
    good = [sum(1 for run in s.runs if run.status == "completed" and run.verified) for s in measures.sections]
    return measures.rate(good, [len(s.runs) for s in measures.sections])


@_kpi("resume_success", "share", "value")
def _resume_success(measures: Measures, _: str | None) -> Estimate:
    """Runs in flight at a crash that completed well, of those whose undisturbed twin completes."""
    # Safety is counted from the first second: the warm-up hides no loss.
    events, trials = [], []
    for replication in measures.replications:
        end_s = math.inf if measures.isolated else replication.window_s[1]
        struck = [
            run
            for run in replication.runs
            if run.in_flight_at_crash and run.twin_completed is True and run.arrived_s < end_s
        ]
        trials.append(len(struck))
        events.append(sum(1 for run in struck if run.resumed_well is True))
    return measures.rate(events, trials)


@_kpi("duplicate_effects", "share", "value")
def _duplicate_effects(measures: Measures, _: str | None) -> Estimate:
    """Applications that the world saw beyond the first for their key, of the effects intended."""
    return measures.rate(
        [sum(effect.duplicates for effect in replication.effects) for replication in measures.replications],
        [sum(effect.intended for effect in replication.effects) for replication in measures.replications],
    )


@_kpi("lost_effects", "share", "value")
def _lost_effects(measures: Measures, _: str | None) -> Estimate:
    """Confirmed effects that the world lacks, of those confirmed."""
    return measures.rate(
        [sum(effect.lost for effect in replication.effects) for replication in measures.replications],
        [sum(effect.confirmed for effect in replication.effects) for replication in measures.replications],
    )


@_kpi("wasted", "share", "value")
def _wasted(measures: Measures, _: str | None) -> Estimate:
    """Spent on attempts that were not used, of what was spent (in tokens where nothing has a price)."""
    priced = any(run.cost_usd for section in measures.sections for run in section.runs)
    if priced:
        above = [math.fsum(run.wasted_usd for run in section.runs) for section in measures.sections]
        below = [math.fsum(run.cost_usd for run in section.runs) for section in measures.sections]
        return measures.ratio(above, below).clamped(0.0, 1.0)
    above = [float(sum(run.wasted_tokens for run in section.runs)) for section in measures.sections]
    below = [float(sum(run.tokens for run in section.runs)) for section in measures.sections]
    return measures.ratio(above, below).clamped(0.0, 1.0).noted("in tokens, nothing has a price")


@_kpi("throughput", "1/s", "value")
def _throughput(measures: Measures, _: str | None) -> Estimate:
    """Runs completed for each second of the window."""
    if measures.isolated:
        return est.undefined("isolated runs have no common clock")
    return measures.ratio(
        [float(section.ended("completed")) for section in measures.sections],
        [section.length_s for section in measures.sections],
    ).clamped(low=0.0)


@_kpi("overhead", "share", "value")
def _overhead(measures: Measures, _: str | None) -> Estimate:
    """Share of latency that is orchestration and journal writes."""
    ended = [[run for run in s.runs if was_let_in(run) and math.isfinite(run.ended_s)] for s in measures.sections]
    return measures.ratio(
        [math.fsum(run.overhead_s for run in runs) for runs in ended],
        [math.fsum(run.latency_s for run in runs) for runs in ended],
    ).clamped(0.0, 1.0)


# KPIs of pools -----------------------------------------------------------------------------------------------------


@_kpi("utilization", "share", "pool")
def _utilization(measures: Measures, target: str | None) -> Estimate:
    """Busy share of the slots that were there."""
    if any(pool.slots is None for pool in measures.pools if pool.name == target):
        return est.undefined("unlimited slots are never busy")
    return measures.pool_ratio(
        lambda pool, section: pool.busy.total(section.from_s, section.to_s),
        lambda pool, section: pool.slot_seconds(section.from_s, section.to_s),
        lambda pool: pool.name == target,
    ).clamped(0.0, 1.0)


@_kpi("busy", "slots", "pool")
def _busy(measures: Measures, target: str | None) -> Estimate:
    """Mean number of busy slots."""
    return measures.pool_ratio(
        lambda pool, section: pool.busy.total(section.from_s, section.to_s),
        lambda _, section: section.length_s,
        lambda pool: pool.name == target,
    ).clamped(low=0.0)


@_kpi("wait", "s", "pool")
def _wait(measures: Measures, target: str | None) -> Estimate:
    """Mean wait for a grant, of the pool: all tasks that it may take. A crash does not begin it anew."""
    found = measures.pool_ratio(
        lambda pool, section: pool.waited(section.from_s, section.to_s),
        lambda pool, section: pool.grants.total(section.from_s, section.to_s),
        lambda pool: target in pool.members,
    ).clamped(low=0.0)
    return measures.bounded(found) if found.value else found


@_kpi("queue", "tasks", "pool")
def _queue(measures: Measures, target: str | None) -> Estimate:
    """Mean number of tasks waiting for a grant, of the pool: all tasks that it may take."""
    found = measures.ratio(
        [
            math.fsum(
                pool.queue.total(section.from_s, section.to_s)
                for pool in section.replication.pools
                if target in pool.members
            )
            for section in measures.sections
        ],
        [section.length_s for section in measures.sections],
    ).clamped(low=0.0)
    return measures.bounded(found) if found.value else found


@_kpi("task_rate", "1/s", "pool")
def _task_rate(measures: Measures, target: str | None) -> Estimate:
    """Tasks begun for each second of the window."""
    return measures.pool_ratio(
        lambda pool, section: pool.takes.total(section.from_s, section.to_s),
        lambda _, section: section.length_s,
        lambda pool: pool.name == target,
    ).clamped(low=0.0)
