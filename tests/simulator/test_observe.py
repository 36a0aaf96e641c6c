"""What a replication leaves behind: exact integrals, bounded memory, and fit for another process."""

from __future__ import annotations

import math
import pickle

import pytest

from orchspec.simulator.observe import (
    MAX_BINS,
    Bar,
    EffectObservation,
    FaultMark,
    PoolObservation,
    Replication,
    RunObservation,
    Series,
)


def test_a_level_is_split_exactly_among_the_bins_it_crosses() -> None:
    series = Series(10.0)
    series.spread(5.0, 27.5, 2.0)
    assert list(series.sums) == [10.0, 20.0, 15.0]


def test_a_window_takes_the_share_of_the_bins_that_it_cuts() -> None:
    series = Series(10.0)
    series.spread(0.0, 100.0, 3.0)
    assert series.total(12.0, 45.0) == pytest.approx(99.0)
    assert series.total(12.0, 14.0) == pytest.approx(6.0)
    assert series.total(200.0, 300.0) == 0.0


def test_bins_stay_bounded_and_nothing_is_lost_when_time_goes_on() -> None:
    series = Series(1.0)
    for second in range(10_000):
        series.add(second + 0.5)
    assert len(series.sums) <= MAX_BINS
    assert series.total() == 10_000
    assert series.bin_s == 32.0


@pytest.mark.parametrize("bin_s", [0.0, -1.0, math.inf, math.nan])
def test_a_bin_without_length_is_refused(bin_s: float) -> None:
    with pytest.raises(ValueError, match="positive number of seconds"):
        Series(bin_s)


def test_a_pool_books_waits_at_their_beginning_and_levels_as_time_passes() -> None:
    pool = PoolObservation("scout", "agent", 1, 10.0)
    pool.enqueue(1.0)
    pool.grant(1.0, 1.0)
    pool.take(1.0)
    pool.enqueue(5.0)
    pool.enqueue(6.0)
    pool.release(15.0, 1.0)
    pool.grant(15.0, 5.0)
    pool.take(15.0)
    pool.withdraw(18.0, 6.0)
    pool.close(20.0)
    assert list(pool.wait_s.sums) == [10.0]
    assert list(pool.abandoned_s.sums) == [12.0]
    assert pool.queue.total() == pytest.approx(10.0 + 12.0)
    assert pool.busy.total() == pytest.approx(14.0 + 5.0)
    assert (pool.arrivals.total(), pool.grants.total()) == (3.0, 2.0)


def test_a_replication_survives_the_way_to_another_process() -> None:
    pool = PoolObservation("scout", "agent", None, 10.0)
    pool.enqueue(3.0)
    pool.grant(4.0, 3.0)
    sent = Replication(
        3, 7, (0.0, 60.0), [RunObservation(0, 1.0)], [pool], [EffectObservation("publish", 1)],
        [FaultMark("crash", "orchestrator", 5.0, 6.0)], [Bar("draft", "writer", "model", 0.0, 2.0)],
    )  # fmt: skip
    back = pickle.loads(pickle.dumps(sent))
    assert back.runs == sent.runs
    assert back.effects == sent.effects
    assert back.faults == sent.faults
    assert back.sample_gantt == sent.sample_gantt
    assert back.pools[0].wait_s == pool.wait_s
    assert back.runs[0].latency_s == math.inf
