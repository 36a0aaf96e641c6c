"""Arrivals have their stated rates and shapes, and each is drawn from its own ordinal."""

from __future__ import annotations

import itertools
import math
from pathlib import Path

import pytest
from scipy import stats

from orchspec.compiler.plan import PlanError
from orchspec.runtime.draws import run_key
from orchspec.runtime.tables import read_times
from orchspec.simulator.arrivals import ClosedUsers, arrivals, mean_rate, prove_arrivals

TRACES = Path(__file__).resolve().parents[2] / "specs" / "data" / "azure-llm-2023"
KEY = run_key(1, 0, 0, -1)
SECOND = 1_000_000


def first(n, spec, key=KEY):
    return list(itertools.islice(arrivals(spec, key), n))


def gaps_of(times):
    return [after - before for before, after in itertools.pairwise(times)]


def scv(values):
    mean = sum(values) / len(values)
    return sum((value - mean) ** 2 for value in values) / (len(values) - 1) / mean**2


def test_poisson_gaps_are_exponential_and_independent():
    times = first(20_000, ["poisson", 0.5])
    gaps = gaps_of([0, *times])
    assert stats.kstest([gap / (2 * SECOND) for gap in gaps], "expon").pvalue > 0.001
    assert abs(stats.pearsonr(gaps[1:], gaps[:-1]).statistic) < 4 / math.sqrt(len(gaps))
    assert all(type(time) is int for time in times)


def test_poisson_counts_in_a_window_vary_as_much_as_their_mean():
    times = first(40_000, ["poisson", 10])
    counts = [0] * (times[-1] // SECOND)
    for time in times:
        if time // SECOND < len(counts):
            counts[time // SECOND] += 1
    mean = sum(counts) / len(counts)
    variance = sum((count - mean) ** 2 for count in counts) / (len(counts) - 1)
    assert mean == pytest.approx(10, rel=0.03)
    assert variance / mean == pytest.approx(1, abs=0.1)


def test_another_rate_moves_the_same_arrivals_in_proportion():
    slow, fast = first(1000, ["poisson", 1]), first(1000, ["poisson", 4])
    assert all(abs(a - 4 * b) <= 4 for a, b in zip(slow, fast, strict=True))


def test_every_key_has_its_own_arrivals_and_always_the_same():
    keys = [run_key(1, replication, source, -1) for replication in range(3) for source in range(3)]
    found = [tuple(first(5, ["poisson", 1], key)) for key in keys]
    assert len(set(found)) == len(keys)
    assert found == [tuple(first(5, ["poisson", 1], key)) for key in keys]


def test_every_starts_at_once_and_keeps_time():
    assert first(4, ["every", 10 * SECOND]) == [0, 10 * SECOND, 20 * SECOND, 30 * SECOND]


BURST = ["burst", 1.0, 20.0, 600 * SECOND, 60 * SECOND]


def test_a_burst_has_its_mean_rate():
    times = first(120_000, BURST)
    assert mean_rate(BURST) == pytest.approx((1.0 * 540 + 20.0 * 60) / 600)
    # some 70 cycles whose peaks vary by their own length: a tenth is two and a half standard errors
    assert len(times) / (times[-1] / SECOND) == pytest.approx(2.9, rel=0.25)
    assert times == sorted(times)


def test_a_burst_is_clumped_as_its_two_rates_say():
    # long phases: nearly every gap is drawn at one of the rates, so the gaps are a mixture of two exponentials
    times = first(60_000, BURST)
    peak = 20.0 * 60 / (540 + 20.0 * 60)
    mean = (1 - peak) / 1.0 + peak / 20.0
    second = 2 * ((1 - peak) / 1.0**2 + peak / 20.0**2)
    assert scv(gaps_of(times)) == pytest.approx(second / mean**2 - 1, rel=0.2)


def test_a_burst_of_equal_rates_is_poisson():
    gaps = gaps_of(first(20_000, ["burst", 2.0, 2.0, 10 * SECOND, 3 * SECOND]))
    assert stats.kstest([gap / (0.5 * SECOND) for gap in gaps], "expon").pvalue > 0.001


def test_a_burst_that_is_silent_when_calm_has_its_rate_too():
    spec = ["burst", 0, 100.0, 10 * SECOND, 1 * SECOND]
    times = first(100_000, spec)
    assert len(times) / (times[-1] / SECOND) == pytest.approx(10, rel=0.1)
    assert scv(gaps_of(times)) > 50


def test_peaks_stay_where_they_are_when_the_rates_change():
    def silences(rate):
        times = [t for t in first(20_000, ["burst", 0, rate, 100 * SECOND, 10 * SECOND]) if t < 1000 * SECOND]
        return [after for before, after in itertools.pairwise(times) if after - before > 20 * SECOND]

    some, many = silences(50.0), silences(200.0)
    assert len(some) == len(many) >= 3
    assert all(abs(a - b) < SECOND // 2 for a, b in zip(some, many, strict=True))


@pytest.mark.parametrize(("file", "rate", "burstiness"), [("conv.csv", 5.53, 1.2), ("code.csv", 2.567, 173)])
def test_a_trace_arrives_as_its_file_says_and_ends_with_it(file, rate, burstiness):
    times = read_times(TRACES / file, "TIMESTAMP")
    found = list(arrivals(["trace", file, "TIMESTAMP"], KEY, times))
    assert found == times
    assert mean_rate(["trace", file, "TIMESTAMP"], times) == pytest.approx(rate, rel=1e-3)
    assert scv(gaps_of(found)) == pytest.approx(burstiness, rel=0.04)


# ------------------------------------------------------------------ closed users


def test_closed_users_think_before_their_first_and_between_their_runs():
    users = ClosedUsers(3, ["exponential", 5 * SECOND], KEY)
    starts = users.first()
    assert [user for _, user in sorted(starts, key=lambda pair: pair[1])] == [0, 1, 2]
    assert starts == sorted(starts)
    assert all(time == users.think_us(user, 0) for time, user in starts)
    assert users.after(1, 0, 70 * SECOND) == 70 * SECOND + users.think_us(1, 1)


def test_what_a_user_thinks_is_drawn_by_user_and_visit():
    few, many = ClosedUsers(2, ["exponential", SECOND], KEY), ClosedUsers(200, ["exponential", SECOND], KEY)
    assert [few.think_us(1, visit) for visit in range(20)] == [many.think_us(1, visit) for visit in range(20)]
    thoughts = [many.think_us(user, visit) / SECOND for user in range(200) for visit in range(50)]
    assert stats.kstest(thoughts, "expon").pvalue > 0.001
    assert len(set(thoughts)) > 0.99 * len(thoughts)


def test_think_times_may_come_from_a_column_of_seconds():
    users = ClosedUsers(1, ["empirical", "t.csv", "s"], KEY, {("t.csv", "s"): [2.0, 2.0]})
    assert users.first() == [(2 * SECOND, 0)]


# ------------------------------------------------------------------ what is refused


@pytest.mark.parametrize(
    ("spec", "why"),
    [
        (None, "no arrivals"),
        ([], "no arrivals"),
        (["bursty", 1], "no arrivals"),
        (["poisson"], "0 parameters"),
        (["poisson", 0], "the rate is 0"),
        (["poisson", math.inf], "the rate is inf"),
        (["poisson", math.nan], "the rate is nan"),
        (["poisson", True], "the rate is True"),
        (["poisson", 1e-320], "the rate"),
        (["every", 0], "time between arrivals"),
        (["every", 1.5], "whole number"),
        (["burst", 1, 0, 10, 5], "the peak rate"),
        (["burst", -1, 1, 10, 5], "the calm rate"),
        (["burst", 1, 2, 5, 5], "lasting below every"),
        (["burst", 1, 2, 5], "3 parameters"),
        (["closed", 0, ["fixed", 1]], "number of users"),
        (["closed", 10**9, ["fixed", 1]], "at most 1000000"),
        (["trace", "t.csv"], "1 parameters"),
    ],
)
def test_impossible_arrivals_are_refused_at_once(spec, why):
    with pytest.raises(PlanError, match=why):
        prove_arrivals(spec)
    with pytest.raises(PlanError, match=why):
        arrivals(spec, KEY)


def test_closed_arrivals_are_no_open_source():
    with pytest.raises(PlanError, match="ClosedUsers"):
        arrivals(["closed", 3, ["fixed", 1]], KEY)
    assert mean_rate(["closed", 3, ["fixed", 1]]) is None


@pytest.mark.parametrize(
    ("spec", "rate"), [(["poisson", 3], 3.0), (["every", 250_000], 4.0), (["trace", "t.csv", "t"], None)]
)
def test_mean_rates_of_the_other_sources(spec, rate):
    assert mean_rate(spec) == rate


def test_closed_users_refuse_a_think_time_that_is_none():
    with pytest.raises(PlanError, match="no distribution"):
        ClosedUsers(1, ["sometimes"], KEY)
