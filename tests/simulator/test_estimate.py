"""Estimators: intervals cover the truth as often as they say, and give up a side rather than guess it."""

from __future__ import annotations

import math
import random
from collections.abc import Callable

import pytest

from orchspec.simulator import estimate as est
from orchspec.simulator.estimate import Estimate

REPETITIONS = 200


def coverage(make: Callable[[random.Random], Estimate], truth: float) -> float:
    rng = random.Random(20_260)
    hits = 0
    for _ in range(REPETITIONS):
        known = make(rng)
        hits += known.lo <= truth <= known.hi
    return hits / REPETITIONS


def autoregressive(rng: random.Random, count: int, memory: float = 0.7) -> list[float]:
    """A stationary AR(1) sequence with mean 0."""
    value = rng.gauss(0.0, 1.0 / math.sqrt(1.0 - memory * memory))
    found = []
    for _ in range(count):
        found.append(value)
        value = memory * value + rng.gauss(0.0, 1.0)
    return found


# Means and ratios --------------------------------------------------------------------------------------------------


def test_the_t_interval_is_that_of_the_textbook() -> None:
    # Law, Simulation Modeling and Analysis, example 4.26: ten weights, 90 % interval 1.34 +- 0.24.
    weights = [1.20, 1.50, 1.68, 1.89, 0.95, 1.49, 1.58, 1.55, 0.50, 1.09]
    known = est.mean(weights, 0.90)
    assert known.value == pytest.approx(1.343)
    assert known.half_width == pytest.approx(0.24, abs=0.005)


def test_the_t_interval_covers_the_mean_of_independent_replications() -> None:
    assert 0.90 <= coverage(lambda rng: est.mean([rng.gauss(3.0, 2.0) for _ in range(10)]), 3.0) <= 0.99


def test_batch_means_cover_the_mean_of_a_dependent_sequence_where_the_plain_interval_does_not() -> None:
    batched = coverage(lambda rng: est.batch_means(autoregressive(rng, 2_000)), 0.0)
    plain = coverage(lambda rng: est.mean(autoregressive(rng, 2_000)), 0.0)
    assert 0.90 <= batched <= 0.99
    assert plain < 0.75


def test_the_jackknifed_ratio_covers_a_ratio_of_sums_with_random_counts() -> None:
    def sample(rng: random.Random) -> Estimate:
        counts = [rng.randint(5, 60) for _ in range(12)]
        return est.ratio(
            [math.fsum(rng.expovariate(0.25) for _ in range(n)) for n in counts], [float(n) for n in counts]
        )

    assert 0.90 <= coverage(sample, 4.0) <= 0.99


def test_a_ratio_without_anything_below_is_undefined() -> None:
    known = est.ratio([0.0, 0.0], [0.0, 0.0])
    assert math.isnan(known.value)
    assert known.note == "0/0"


def test_one_observation_has_a_value_and_no_interval() -> None:
    known = est.mean([4.0])
    assert known.value == 4.0
    assert math.isnan(known.lo)


def test_equal_values_have_an_interval_of_no_width() -> None:
    known = est.ratio([180.0, 360.0, 180.0], [1.0, 2.0, 1.0])
    assert (known.lo, known.value, known.hi) == (180.0, 180.0, 180.0)


def test_looks_share_the_error() -> None:
    assert est.look_level(1) == 0.95
    assert est.look_level(5) == pytest.approx(0.99)
    with pytest.raises(ValueError, match="at least 1"):
        est.look_level(0)


# Rates -------------------------------------------------------------------------------------------------------------


def test_binomial_limits_are_those_of_clopper_and_pearson() -> None:
    # Their 1934 chart and every table since: 3 of 10 gives 6.67 % to 65.25 %.
    assert est.binomial_limits(3, 10) == pytest.approx((0.06674, 0.65245), abs=1e-5)


def test_none_in_n_is_at_most_three_in_n_and_never_zero_percent() -> None:
    known = est.binomial_rate(0, 1_000)
    assert known.value == 0.0
    assert known.hi == pytest.approx(3.0 / 1_000, rel=0.01)
    assert known.note == "none in 1000, at most 3/1000"


def test_a_rate_of_nothing_is_undefined() -> None:
    known = est.binomial_rate(0, 0)
    assert math.isnan(known.value)
    assert known.note == "0/0"


def test_the_exact_binomial_covers_at_least_as_often_as_it_says() -> None:
    assert coverage(lambda rng: est.binomial_rate(sum(rng.random() < 0.04 for _ in range(150)), 150), 0.04) >= 0.94


def test_a_clustered_rate_covers_where_the_plain_binomial_is_too_sure() -> None:
    def counts(rng: random.Random) -> tuple[list[int], list[int]]:
        trials = [rng.randint(40, 80) for _ in range(12)]
        shares = [min(1.0, max(0.0, rng.gauss(0.2, 0.1))) for _ in trials]
        return [sum(rng.random() < share for _ in range(n)) for n, share in zip(trials, shares, strict=True)], trials

    def plain(rng: random.Random) -> Estimate:
        events, trials = counts(rng)
        return est.binomial_rate(sum(events), sum(trials))

    assert coverage(lambda rng: est.clustered_rate(*counts(rng)), 0.2) >= 0.90
    assert coverage(plain, 0.2) < 0.85


def test_more_events_than_trials_keep_their_value() -> None:
    known = est.clustered_rate([3, 0], [1, 1])
    assert known.value == 1.5
    assert known.lo <= 1.5 <= known.hi


# Quantiles ---------------------------------------------------------------------------------------------------------


def test_a_quantile_is_the_smallest_value_with_its_share_at_or_below() -> None:
    values = [float(n) for n in range(1, 21)]
    assert est.quantile_of(values, 0.95) == 19.0
    assert est.quantile_of(values, 0.5) == 10.0
    assert est.quantile_of(values, 1.0) == 20.0


def test_order_statistics_cover_the_quantile_of_isolated_runs() -> None:
    truth = -math.log(0.1) / 0.5
    assert coverage(lambda rng: est.isolated_quantile([rng.expovariate(0.5) for _ in range(300)], 0.9), truth) >= 0.93


def test_order_statistics_bound_the_median_as_the_binomial_says() -> None:
    # n = 10: the tables give the 2nd and the 9th value for 95 % (97.9 % in fact).
    known = est.isolated_quantile([float(n) for n in range(1, 11)], 0.5)
    assert (known.lo, known.hi) == (2.0, 9.0)


def test_too_few_runs_do_not_bound_a_high_quantile_from_above() -> None:
    known = est.sectioned_quantile([[float(n) for n in range(10)]] * 3, 0.99)
    assert known.hi == math.inf
    assert "too few runs" in known.note


def correlated(rng: random.Random, sections: int, size: int) -> list[list[float]]:
    """Lognormal latencies of which a tenth of the variance is common to a section."""
    found = []
    for _ in range(sections):
        common = math.sqrt(0.1) * rng.gauss(0.0, 1.0)
        found.append([math.exp(common + math.sqrt(0.9) * rng.gauss(0.0, 1.0)) for _ in range(size)])
    return found


@pytest.mark.parametrize(("sections", "size"), [(20, 120), (12, 40)])
def test_sectioning_and_its_stand_in_cover_the_quantile_of_dependent_runs(sections: int, size: int) -> None:
    truth = math.exp(1.6448536269514722)
    covered = coverage(lambda rng: est.sectioned_quantile(correlated(rng, sections, size), 0.95), truth)
    assert 0.90 <= covered <= 1.0


def test_an_upper_end_is_left_open_where_few_bad_spells_reach_so_far() -> None:
    # 10 sections of 100: enough for a p95 of runs that depend on nobody; if those of a section are alike, for none.
    rng = random.Random(4)
    apart = [[rng.expovariate(1.0) for _ in range(100)] for _ in range(10)]
    alike = [[spell + 0.01 * rng.random() for _ in range(100)] for spell in range(10)]
    assert math.isfinite(est.sectioned_quantile(apart, 0.95).hi)
    known = est.sectioned_quantile(alike, 0.95)
    assert known.hi == math.inf
    assert "too few runs to bound it from above, about" in known.note
    assert math.isfinite(est.sectioned_quantile(apart * 2, 0.95).hi)


def test_a_quantile_of_what_never_varies_is_known() -> None:
    known = est.sectioned_quantile([[3.0] * 100] * 10, 0.99)
    assert (known.lo, known.value, known.hi) == (3.0, 3.0, 3.0)


def test_sections_of_one_run_each_are_order_statistics() -> None:
    rng = random.Random(6)
    values = [rng.random() for _ in range(200)]
    known, alone = est.sectioned_quantile([[value] for value in values], 0.5), est.isolated_quantile(values, 0.5)
    assert (known.lo, known.hi) == (alone.lo, alone.hi)


def test_a_skewed_mean_reaches_further_up_and_never_less_far_down() -> None:
    skewed = [1.0, 1.1, 0.9, 1.0, 1.2, 0.8, 1.0, 1.1, 0.9, 4.0]
    half = est.mean(skewed).half_width
    known = est.ratio(skewed, [1.0] * 10)
    assert known.hi - known.value > 1.5 * half
    assert known.value - known.lo == pytest.approx(half)
    turned = est.ratio([8.0 - value for value in skewed], [1.0] * 10)
    assert turned.value - turned.lo > 1.5 * half


def test_unended_runs_count_as_infinite() -> None:
    sections = [[1.0] * 90 + [math.inf] * 10 for _ in range(10)]
    assert est.sectioned_quantile(sections, 0.5).value == 1.0
    assert est.sectioned_quantile(sections, 0.95).value == math.inf
    assert est.sectioned_quantile(sections, 0.95).hi == math.inf


def test_sections_that_say_nothing_from_above_leave_the_interval_open_there() -> None:
    known = est.ratio([1.0, 400.0], [1.0, 1.0])
    assert known.hi == math.inf
    assert est.ratio([1.0, 1.2, 1.4], [1.0, 1.0, 1.0]).hi < 3.0
