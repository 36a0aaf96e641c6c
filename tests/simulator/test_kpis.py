"""KPIs: definitions by hand on tiny samples, theory on a queue with a known answer, and the two laws."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest

from orchspec.compiler.studies import kpis as language
from orchspec.simulator.kpis import KPIS, STATISTICS, Measures
from orchspec.simulator.laws import broken_laws, check_laws
from orchspec.simulator.meter import Meter
from orchspec.simulator.observe import EffectObservation, FaultMark, PoolObservation, Replication, RunObservation
from orchspec.simulator.sections import cut_sections
from tests.support.studies import plan_of, queue_spec, second

QueueSample = Callable[..., list[Replication]]


def run(ordinal: int, arrived_s: float, latency_s: float, status: str = "completed") -> RunObservation:
    return RunObservation(ordinal, arrived_s, arrived_s + latency_s, status, verified=status == "completed")


def replication(*runs: RunObservation, index: int = 0, window_s: tuple[float, float] = (0.0, 100.0)) -> Replication:
    return Replication(index, 1, window_s, list(runs))


def measures(*replications: Replication, isolated: bool = False) -> Measures:
    return Measures(replications, isolated=isolated)


# Definitions -------------------------------------------------------------------------------------------------------


def test_latency_is_of_the_runs_that_arrived_in_the_window_wherever_they_end() -> None:
    known = measures(replication(run(0, 5, 10), run(1, 99, 30), run(2, 101, 500), window_s=(2.0, 100.0)))
    assert known.runs == 2
    assert known.estimate("latency", "mean").value == 20.0
    assert known.estimate("latency", "max").value == 30.0


def test_the_warm_up_is_cut_afterwards() -> None:
    known = Measures([replication(run(0, 5, 10), run(1, 50, 30))], cut_s=20.0)
    assert known.estimate("latency", "mean").value == 30.0


def test_a_run_that_has_not_ended_is_infinite_in_quantiles_and_no_mean_is_bounded_from_above() -> None:
    known = measures(*(replication(run(0, 1, 10), run(1, 2, 10), RunObservation(2, 3.0), index=i) for i in range(10)))
    assert known.estimate("latency", "p50").value == 10.0
    assert known.estimate("latency", "p95").value == math.inf
    average = known.estimate("latency", "mean")
    assert (average.value, average.hi) == (10.0, math.inf)
    assert "10 of 30 runs had not ended" in average.note


def test_completion_counts_refused_unended_and_unverified_runs_against_it() -> None:
    unverified = RunObservation(4, 4.0, 5.0, "completed")
    known = measures(
        replication(run(0, 0, 1), run(1, 1, 1, "failed"), run(2, 2, 0, "refused"), RunObservation(3, 3.0), unverified)
    )
    completion = known.estimate("completion")
    assert (completion.events, completion.trials) == (1, 5)


def test_a_refused_run_has_no_latency() -> None:
    assert measures(replication(run(0, 0, 8), run(1, 1, 0, "refused"))).estimate("latency", "p50").value == 8.0


def test_resume_success_is_of_runs_in_flight_at_a_crash_whose_twin_completes() -> None:
    struck = [run(n, n, 9) for n in range(4)]
    for each in struck[:3]:
        each.in_flight_at_crash = True
    struck[0].resumed_well, struck[0].twin_completed = True, True
    struck[1].resumed_well, struck[1].twin_completed = False, True
    struck[2].resumed_well, struck[2].twin_completed = False, False
    known = measures(replication(*struck)).estimate("resume_success")
    assert (known.events, known.trials) == (1, 2)
    assert math.isnan(measures(replication(run(0, 0, 1))).estimate("resume_success").value)


def test_effects_are_counted_over_the_whole_replication() -> None:
    sample = replication(run(0, 1, 1), window_s=(50.0, 100.0))
    sample.effects = [EffectObservation("a", 8, 6, 9, 2, 1), EffectObservation("b", 2, 2, 2)]
    known = measures(sample)
    assert known.estimate("duplicate_effects").value == pytest.approx(2 / 10)
    assert known.estimate("lost_effects").value == pytest.approx(1 / 8)


def test_waste_is_in_money_or_in_tokens_where_nothing_has_a_price() -> None:
    priced, free = run(0, 1, 1), run(0, 1, 1)
    priced.cost_usd, priced.wasted_usd = 2.0, 0.5
    free.tokens, free.wasted_tokens = 100, 10
    assert measures(replication(priced)).estimate("wasted").value == 0.25
    unpriced = measures(replication(free)).estimate("wasted")
    assert unpriced.value == 0.1
    assert "tokens" in unpriced.note


def test_throughput_counts_what_ended_in_the_window() -> None:
    known = measures(replication(run(0, 1, 8), run(1, 2, 200), run(2, 50, 10, "failed"), run(3, 60, 10)))
    assert known.estimate("throughput").value == pytest.approx(2 / 100)


def test_the_wait_of_an_agent_is_that_of_all_pools_it_may_serve() -> None:
    shared = PoolObservation("scholar|scout", "pool", None, 1.0, ("scholar", "scout"))
    own = PoolObservation("scout", "agent", 4, 1.0)
    for at_s in (1.0, 2.0):
        shared.enqueue(at_s)
        shared.grant(at_s + 3.0, at_s)
    own.enqueue(10.0)
    own.grant(10.0, 10.0)
    own.take(10.0)
    own.release(60.0, 10.0)
    for pool in (shared, own):
        pool.close(100.0)
    sample = replication(run(0, 1, 1))
    sample.pools = [own, shared]
    known = measures(sample)
    assert [pool.name for pool in known.resources()] == ["scout"]
    assert known.estimate("wait", None, "scout").value == pytest.approx(2.0)
    assert known.estimate("queue", None, "scout").value == pytest.approx(0.06)
    assert known.estimate("utilization", None, "scout").value == pytest.approx(50 / 400)


def test_unlimited_slots_have_no_utilization_and_what_nobody_asked_has_none_either() -> None:
    sample = replication(run(0, 1, 1))
    sample.pools = [PoolObservation("planner", "agent", None, 1.0)]
    known = measures(sample)
    assert math.isnan(known.estimate("utilization", None, "planner").value)
    assert known.estimate("wait", None, "stranger").note == "nothing was asked of stranger"


def test_isolated_runs_go_by_order_statistics_and_the_binomial() -> None:
    known = measures(replication(*(run(n, 0, n + 1) for n in range(200))), isolated=True)
    assert known.estimate("latency", "p95").method == "order statistics"
    assert known.estimate("completion").method == "exact binomial"
    assert math.isnan(known.estimate("throughput").value)
    assert check_laws(known) == []


def test_every_kpi_says_what_it_is_and_bears_having_no_run_at_all() -> None:
    empty = measures(replication())
    for name, kpi in KPIS.items():
        assert kpi.doc.endswith(".")
        assert kpi.unit
        for statistic in STATISTICS if kpi.shape == "runs" else (None,):
            known = empty.estimate(name, statistic, "nobody")
            assert math.isnan(known.value) or known.value == 0.0


# Sections ----------------------------------------------------------------------------------------------------------


def test_one_long_replication_is_cut_into_batches_that_hold_each_run_once(queue_sample: QueueSample) -> None:
    sample = queue_sample(5, 1, window_s=(500.0, 20_000.0))
    sections = cut_sections(sample)
    assert len(sections) == 20
    ordinals = [each.ordinal for section in sections for each in section.runs]
    assert ordinals == sorted(set(ordinals))
    assert len(ordinals) == sum(1 for each in sample[0].runs if 500.0 <= each.arrived_s < 20_000.0)


def test_dated_faults_leave_replications_whole_and_periodic_ones_fill_batches(queue_sample: QueueSample) -> None:
    sample = queue_sample(5, 1, window_s=(0.0, 20_000.0))
    sample[0].faults = [FaultMark("crash", "orchestrator", 3_000.0, 3_030.0)]
    assert len(cut_sections(sample, dated_faults=True)) == 1
    sections = cut_sections(sample, period_s=1_500.0)
    assert len(sections) == 13
    assert all(section.length_s == 1_500.0 for section in sections[:-1])


# Theory ------------------------------------------------------------------------------------------------------------


def test_the_intervals_of_a_queue_cover_what_erlang_computed(queue_sample: QueueSample) -> None:
    # M/M/3 at load 2: mean wait 4/9 of the mean service, utilization 2/3 (Erlang C).
    hits = {"wait": 0, "utilization": 0, "latency": 0}
    for seed in range(30):
        known = Measures(queue_sample(seed))
        for name, truth in (("wait", 40 / 9), ("utilization", 2 / 3), ("latency", 10 + 40 / 9)):
            estimate = known.estimate(name, None, "clerk" if name != "latency" else None)
            hits[name] += estimate.lo <= truth <= estimate.hi
    assert all(count >= 26 for count in hits.values()), hits


def test_the_laws_hold_for_a_queue_that_is_counted_well(queue_sample: QueueSample) -> None:
    broken = [check for seed in range(10) for check in check_laws(Measures(queue_sample(seed))) if check.ok is not True]
    assert broken == []


def test_a_miscounted_wait_breaks_littles_law(queue_sample: QueueSample) -> None:
    sample = queue_sample(1)
    for each in sample:
        for at, value in enumerate(each.pools[0].wait_s.sums):
            each.pools[0].wait_s.sums[at] = 1.3 * value
    verdicts = {(check.law, check.pool): check.ok for check in check_laws(Measures(sample))}
    assert verdicts[("little", "clerk")] is False
    assert verdicts[("utilization", "clerk")] is True


def test_the_laws_hold_for_a_queue_that_only_grows_and_for_one_that_is_looked_at_for_a_moment(
    queue_sample: QueueSample,
) -> None:
    for sample in (queue_sample(1, arrivals_s=3.0), queue_sample(2, 2, window_s=(0.0, 30.0))):
        checks = check_laws(Measures(sample))
        assert {check.pool for check in checks if check.law == "little"} == {"runs", "clerk"}
        assert {check.ok for check in checks} == {True}


def test_a_law_that_does_not_hold_is_told_with_what_to_do(queue_sample: QueueSample) -> None:
    sample = queue_sample(1)
    sample[0].run_seconds *= 1.001
    (told,) = broken_laws(Measures(sample))
    assert told.startswith("Little's law does not hold for runs: ")
    assert told.endswith("please report it")


# The language ------------------------------------------------------------------------------------------------------


def test_every_kpi_of_the_language_is_computed_in_its_unit_and_shape() -> None:
    units = {"Duration": {"s"}, "Money": {"USD"}, "Share": {"share"}, "Rate": {"1/s"}}
    counts = {"tokens", "retries", "escalations", "tasks"}
    assert STATISTICS == language.STATISTICS
    for name, spoken in language.KPIS.items():
        assert KPIS[name].shape == spoken.shape
        assert KPIS[name].unit in units.get(spoken.unit, counts)


def test_a_wait_goes_on_where_a_crash_interrupted_it() -> None:
    # Asked at 10 s, twice lost in a crash (at 40 and 70 s), asked again at 41 and 71 s, granted at 80 s.
    meter = Meter(plan_of(queue_spec(1, "poisson(1 / 1min)", "fixed(1s)")), 1.0)
    for asked_s, crashed_s in ((10, 40), (41, 70)):
        meter.requested(("clerk",), asked_s * second)
        meter.crash(crashed_s * second)
    meter.requested(("clerk",), 71 * second)
    meter.granted(("clerk",), "clerk", 71 * second, 80 * second)
    meter.released("clerk", 80 * second, 90 * second)
    sample = Replication(0, 1, (0.0, 100.0), pools=meter.close(100 * second), lived_s=100.0)
    measures = Measures([sample])
    assert measures.estimate("wait", None, "clerk").value == 30.0 + 29.0 + 9.0
    assert measures.estimate("queue", None, "clerk").value == 0.68
    assert all(check.ok for check in check_laws(measures))


def test_a_wait_that_its_task_gave_up_is_no_wait_for_a_grant() -> None:
    meter = Meter(plan_of(queue_spec(1, "poisson(1 / 1min)", "fixed(1s)")), 1.0)
    meter.requested(("clerk",), 0)
    meter.withdrawn(("clerk",), 0, 50 * second)
    meter.requested(("clerk",), 60 * second)
    meter.granted(("clerk",), "clerk", 60 * second, 63 * second)
    sample = Replication(0, 1, (0.0, 100.0), pools=meter.close(100 * second), lived_s=100.0)
    assert Measures([sample]).estimate("wait", None, "clerk").value == 3.0
