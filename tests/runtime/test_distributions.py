"""Distributions meet their stated quantiles and moments, grow with the uniform, and refuse what is impossible."""

from __future__ import annotations

import math
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from scipy import stats

from orchspec.compiler.plan import PlanError
from orchspec.runtime.distributions import (
    KINDS,
    VALUE_MAX,
    columns_of,
    compile_cost,
    compile_count,
    compile_dist,
    compile_time,
    compile_whole,
    mean_of,
)
from orchspec.runtime.draws import uniform
from orchspec.runtime.gamma import SHAPE_MAX, GammaQuantile, gamma_quantile

ROOT = Path(__file__).resolve().parents[2]
LOWEST, HIGHEST = 2.0**-53, 1.0 - 2.0**-53
GRID = [LOWEST, 1e-12, 1e-6, *(i / 97 for i in range(1, 97)), 0.999, 1 - 1e-6, 1 - 1e-12, HIGHEST]
Z95 = 1.6448536269514722

CONTINUOUS = [
    (["uniform", -2, 7.5], stats.uniform(-2, 9.5)),
    (["normal", 4000, 1000], stats.norm(4000, 1000)),
    (["lognormal", 6.0, 21.0], stats.lognorm(math.log(21 / 6) / Z95, scale=6)),
    (["exponential", 6], stats.expon(scale=6)),
    (["gamma", 0.3, 2.0], stats.gamma(0.3, scale=2)),
    (["gamma", 2.5, 10], stats.gamma(2.5, scale=10)),
    (["gamma", 400, 0.5], stats.gamma(400, scale=0.5)),
    (["pareto", 2.0, 3.5], stats.pareto(3.5, scale=2)),
]
NAMES = [f"{dist[0]}-{dist[1]}" for dist, _ in CONTINUOUS]


def midpoints(n):
    return [(i + 0.5) / n for i in range(n)]


@pytest.mark.parametrize(("dist", "truth"), CONTINUOUS, ids=NAMES)
def test_quantiles_are_those_of_scipy(dist, truth):
    sample = compile_dist(dist)
    for u in GRID:
        expected = truth.ppf(u) if u < 0.5 else truth.isf(1.0 - u)
        assert sample(u) == pytest.approx(expected, rel=1e-9, abs=1e-12)


@pytest.mark.parametrize(("dist", "truth"), CONTINUOUS, ids=NAMES)
def test_means_are_those_of_scipy(dist, truth):
    assert mean_of(dist) == pytest.approx(truth.mean(), rel=1e-12)


@pytest.mark.parametrize(("dist", "truth"), CONTINUOUS, ids=NAMES)
def test_samples_over_draws_follow_the_distribution(dist, truth):
    sample = compile_dist(dist)
    values = [sample(uniform(11, i, 1)) for i in range(20_000)]
    assert stats.kstest(values, truth.cdf).pvalue > 0.001


@pytest.mark.parametrize(
    "dist",
    [
        *(dist for dist, _ in CONTINUOUS),
        ["gamma", 0.02, 1.0],
        ["empirical", "t.csv", "x"],
        ["size", ["normal", 5, 3]],
        ["uniform", 3, 3],
    ],
    ids=lambda dist: f"{dist[0]}-{dist[1]}",
)
def test_values_grow_with_the_uniform(dist):
    sample = compile_dist(dist, {("t.csv", "x"): [5.0, 1.0, 1.0, 8.5]})
    values = [sample(u) for u in [LOWEST, *midpoints(3001), HIGHEST]]
    assert values == sorted(values)
    whole = compile_whole(dist, {("t.csv", "x"): [5.0, 1.0, 1.0, 8.5]})
    counts = [whole(u) for u in [LOWEST, *midpoints(3001), HIGHEST]]
    assert counts == sorted(counts)
    assert all(type(count) is int and count >= 0 for count in counts)


def test_a_lognormal_meets_its_stated_p50_and_p95():
    sample = compile_time(["lognormal", 6_000_000, 21_000_000])
    assert abs(sample(0.5) - 6_000_000) <= 1
    assert abs(sample(0.95) - 21_000_000) <= 1
    times = sorted(sample(u) for u in midpoints(10_000))
    assert times[5000] == pytest.approx(6_000_000, rel=1e-3)
    assert times[9500] == pytest.approx(21_000_000, rel=2e-3)


# ------------------------------------------------------------------ gamma


@pytest.mark.parametrize("shape", [1e-3, 0.05, 0.5, 0.999, 1.0, 1.001, 2.0, 9.5, 100.0, 1e4, SHAPE_MAX])
def test_gamma_quantiles_are_exact_in_both_tails(shape):
    interpolated = GammaQuantile(shape)
    for u in GRID:
        expected = stats.gamma.ppf(u, shape) if u < 0.5 else stats.gamma.isf(1.0 - u, shape)
        assert gamma_quantile(shape, u) == pytest.approx(expected, rel=1e-9, abs=1e-280)
        assert interpolated(u) == pytest.approx(expected, rel=1e-9, abs=1e-280)


def test_a_gamma_of_shape_1_is_exponential():
    gamma, exponential = compile_dist(["gamma", 1, 6.0]), compile_dist(["exponential", 6.0])
    assert all(gamma(u) == pytest.approx(exponential(u), rel=1e-11) for u in GRID)


# ------------------------------------------------------------------ whole numbers


def test_a_time_is_in_whole_microseconds_and_never_negative():
    sample = compile_time(["normal", 1000, 1000])
    times = [sample(u) for u in GRID]
    assert all(type(time) is int for time in times)
    assert times[0] == 0
    assert sample(stats.norm.cdf(-1.5)) == 0
    assert sample(0.5) == 1000
    assert sample(stats.norm.cdf(1.0)) == 2000


def test_a_fixed_time_is_the_same_integer():
    assert compile_time(["fixed", 1_234_567])(0.3) == 1_234_567
    assert compile_time(["fixed", 2.5])(0.3) == 3
    assert compile_time(["fixed", -5])(0.3) == 0


def test_whole_uniforms_are_equally_often_each_with_both_ends_in():
    calls = compile_count(["uniform", 1, 4])
    assert Counter(calls(u) for u in midpoints(4000)) == {1: 1000, 2: 1000, 3: 1000, 4: 1000}
    assert (calls(LOWEST), calls(HIGHEST)) == (1, 4)
    far = compile_whole(["uniform", 2**60, 2**60 + 2])
    assert {far(u) for u in midpoints(30)} == {2**60, 2**60 + 1, 2**60 + 2}


def test_a_size_is_whole_and_its_ends_are_not_halved():
    size = compile_dist(["size", ["uniform", 3, 8]])
    assert Counter(size(u) for u in midpoints(6000)) == dict.fromkeys(range(3, 9), 1000)
    assert compile_dist(["size", ["normal", -5, 1]])(0.5) == 0


def test_a_mixture_of_whole_uniforms_stays_whole():
    calls = compile_count(["mixture", [[0.5, ["uniform", 1, 2]], [0.5, ["fixed", 9]]]])
    assert Counter(calls(u) for u in midpoints(400)) == {1: 100, 2: 100, 9: 200}


def test_a_uniform_of_fractions_is_rounded():
    assert Counter(compile_count(["uniform", 0.0, 1.0])(u) for u in midpoints(100)) == {0: 50, 1: 50}


def test_negative_whole_numbers_stay_where_they_are_wanted():
    sample = compile_whole(["uniform", -2, 1], least=None)
    assert Counter(sample(u) for u in midpoints(400)) == {-2: 100, -1: 100, 0: 100, 1: 100}
    assert compile_whole(["fixed", -2.4], least=None)(0.5) == -2
    assert compile_whole(["normal", -3, 1], least=2)(0.5) == 2


def test_heavy_tails_are_capped_not_overflowing():
    sample = compile_time(["pareto", 1_000_000, 0.4])
    assert sample(HIGHEST) == VALUE_MAX
    assert sample(0.5) == round(1_000_000 * 2**2.5)


def test_costs_are_whole_pico_dollars():
    assert compile_cost(["fixed", 20_000_000_000])(0.1) == 20_000_000_000
    assert compile_cost(["empirical", "t.csv", "usd"], {("t.csv", "usd"): [0.02, 0.02]})(0.4) == 20_000_000_000


# ------------------------------------------------------------------ choices, mixtures, chances, records


def test_a_choice_meets_its_shares_in_order():
    sample = compile_dist(["choice", [["accept", 0.85], ["never", 0.0], ["revise", 0.15]]])
    values = [sample(u) for u in midpoints(1000)]
    assert values == ["accept"] * 850 + ["revise"] * 150
    assert sample(HIGHEST) == "revise"


def test_a_part_without_a_share_is_never_picked_not_even_last():
    sample = compile_dist(["choice", [["a", 0.1], ["b", 0.2], ["c", 0.7], ["d", 0]]])
    assert {sample(u) for u in (LOWEST, 0.15, 0.5, HIGHEST)} == {"a", "b", "c"}


def test_a_chance_is_true_in_its_share():
    sample = compile_dist(["chance", 0.05])
    assert sum(sample(u) for u in midpoints(1000)) == 50
    assert not any(compile_dist(["chance", 0])(u) for u in GRID)
    assert all(compile_dist(["chance", 1])(u) for u in GRID)


def test_a_mixture_uses_one_uniform_for_the_part_and_its_value():
    sample = compile_dist(["mixture", [[0.9, ["uniform", 0, 1]], [0.1, ["exponential", 50]]]])
    values = [sample(u) for u in midpoints(10_000)]
    assert stats.kstest(values[:9000], "uniform").pvalue > 0.9
    assert stats.kstest(values[9000:], stats.expon(scale=50).cdf).pvalue > 0.9
    assert sum(values) / 10_000 == pytest.approx(0.9 * 0.5 + 0.1 * 50, rel=1e-3)
    assert math.isfinite(sample(LOWEST))
    assert math.isfinite(sample(0.9))
    assert math.isfinite(sample(HIGHEST))


def test_a_record_draws_its_fields_apart_and_by_name_not_by_order():
    one = compile_dist(["record", {"x": ["uniform", 0.0, 1.0], "b": ["record", {"y": ["uniform", 0.0, 1.0]}]}])
    other = compile_dist(["record", {"b": ["record", {"y": ["uniform", 0.0, 1.0]}], "x": ["uniform", 0.0, 1.0]}])
    records = [one(uniform(1, i, 1)) for i in range(5000)]
    assert records == [other(uniform(1, i, 1)) for i in range(5000)]
    xs, ys = [r["x"] for r in records], [r["b"]["y"] for r in records]
    assert stats.kstest(xs, "uniform").pvalue > 0.001
    assert stats.kstest(ys, "uniform").pvalue > 0.001
    assert abs(stats.pearsonr(xs, ys).statistic) < 0.06


# ------------------------------------------------------------------ columns


def test_an_empirical_distribution_interpolates_the_sorted_column():
    sample = compile_dist(["empirical", "t.csv", "x"], {("t.csv", "x"): [30.0, 10.0, 20.0]})
    assert [sample(u) for u in (LOWEST, 0.25, 0.5, 0.75, HIGHEST)] == pytest.approx([10, 15, 20, 25, 30])
    assert compile_dist(["empirical", "t.csv", "x"], {("t.csv", "x"): [7.0]})(0.3) == 7.0
    for rows in (2, 3, 1024, 1025, 100_001):
        ends = compile_dist(["empirical", "t.csv", "x"], {("t.csv", "x"): [float(i) for i in range(rows)]})
        assert 0.0 <= ends(LOWEST) < ends(HIGHEST) <= rows - 1


def test_a_column_of_seconds_gives_microseconds():
    sample = compile_time(["empirical", "t.csv", "s"], {("t.csv", "s"): [0.5, 1.5]})
    assert sample(0.5) == 1_000_000


def test_the_mean_of_a_column_is_that_of_its_samples():
    data = {("t.csv", "x"): [1.0, 2.0, 4.0, 100.0]}
    sample = compile_dist(["empirical", "t.csv", "x"], data)
    sampled = sum(sample(u) for u in midpoints(30_000)) / 30_000
    assert mean_of(["empirical", "t.csv", "x"], data) == pytest.approx(sampled, rel=1e-6)


def test_columns_are_found_wherever_they_stand():
    dist = ["mixture", [[0.5, ["empirical", "a.csv", "x"]], [0.5, ["size", ["empirical", "b.csv", "y"]]]]]
    nested = ["record", {"f": dist, "g": ["fixed", 1], "h": ["empirical", "a.csv", "z"]}]
    assert columns_of(nested) == {("a.csv", "x"), ("b.csv", "y"), ("a.csv", "z")}
    assert columns_of(["fixed", None]) == set()


# ------------------------------------------------------------------ means


@pytest.mark.parametrize(
    ("dist", "expected"),
    [
        (["fixed", 7], 7.0),
        (["pareto", 1, 1], math.inf),
        (["chance", 0.3], 0.3),
        (["choice", [[1, 0.25], [5, 0.75]]], 4.0),
        (["mixture", [[0.5, ["fixed", 2]], [0.5, ["exponential", 4]]]], 3.0),
        (["size", ["uniform", 3, 8]], 5.5),
    ],
)
def test_means_of_the_other_kinds(dist, expected):
    assert mean_of(dist) == pytest.approx(expected)


# ------------------------------------------------------------------ what is refused

IMPOSSIBLE = [
    (["fixed"], "takes a value"),
    (["zipf", 2], "no distribution"),
    ([], "no distribution"),
    ("fixed", "no distribution"),
    (None, "no distribution"),
    ([["fixed"], 1], "no distribution"),
    (["uniform", 4, 1], "swap them"),
    (["uniform", True, 4], "expected a number"),
    (["uniform", 1, math.inf], "expected a number"),
    (["normal", math.nan, 1], "expected a number"),
    (["normal", 0, -1], "at least 0"),
    (["normal", 10**5000, 1], "expected a number"),
    (["lognormal", 0, 1], "more than 0"),
    (["lognormal", 2, 1], "p95 1 is below p50 2"),
    (["lognormal", 1e-300, 1e300], "milder"),
    (["exponential", -1], "at least 0"),
    (["gamma", 0, 1], "expected 1e-06"),
    (["gamma", 1e9, 1], "normal(mean, sd)"),
    (["gamma", 1, 0], "more than 0"),
    (["pareto", 0, 1], "more than 0"),
    (["pareto", 1, 0.01], "milder"),
    (["pareto", 1, 1e-320], "milder"),
    (["choice", []], "sum to 0"),
    (["choice", [["a", 0.5], ["b", 0.4]]], "sum to 0.9"),
    (["choice", [["a", 1.5], ["b", -0.5]]], "a share is"),
    (["choice", [["a"]]], "list of pairs"),
    (["choice", "ab"], "list of pairs"),
    (["mixture", [[0.5, ["fixed", 1]]]], "sum to 0.5"),
    (["mixture", [[1.0, ["nothing"]]]], "no distribution"),
    (["chance", 1.2], "expected 0 to 1"),
    (["size", ["chance", 0.5]], "expected a distribution of numbers"),
    (["empirical", "t.csv", "gone"], "was not read"),
    (["empirical", "t.csv", []], "was not read"),
    (["empirical", "t.csv", "none"], "has no values"),
    (["record", [1]], "by field"),
]


@pytest.mark.parametrize(("dist", "why"), IMPOSSIBLE, ids=range(len(IMPOSSIBLE)))
def test_an_impossible_distribution_is_refused_with_its_reason(dist, why):
    with pytest.raises(PlanError) as raised:
        compile_dist(dist, {("t.csv", "none"): []})
    assert why in str(raised.value)
    assert len(str(raised.value)) < 400


@pytest.mark.parametrize(
    "dist",
    [["fixed", "a"], ["choice", [["a", 1.0]]], ["chance", 0.5], ["record", {}], ["mixture", [[1.0, ["chance", 0.5]]]]],
)
def test_times_and_means_take_numbers_only(dist):
    with pytest.raises(PlanError, match="number"):
        compile_time(dist)
    if dist != ["chance", 0.5]:
        with pytest.raises(PlanError, match="number"):
            mean_of(dist)


def test_distributions_within_each_other_without_end_are_refused():
    dist = ["fixed", 1]
    for _ in range(5000):
        dist = ["size", dist]
    with pytest.raises(PlanError, match="flatten"):
        compile_dist(dist)


def test_every_kind_is_tried_here():
    refused = [dist for dist, _ in IMPOSSIBLE if isinstance(dist, list) and dist]
    tried = {dist[0] for dist in [*(dist for dist, _ in CONTINUOUS), *refused] if isinstance(dist[0], str)}
    assert tried >= KINDS


def test_another_process_samples_the_same():
    code = (
        "from orchspec.runtime.distributions import compile_dist;"
        "print([compile_dist(d)(0.1 + i / 10) for i in range(9)"
        " for d in (['gamma', 0.7, 2], ['lognormal', 1, 3], ['normal', 0, 1], ['pareto', 1, 2])])"
    )
    outputs = {
        subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True).stdout
        for _ in range(2)
    }
    assert len(outputs) == 1


def test_importing_distributions_loads_nothing_heavy():
    code = (
        "import sys, orchspec.runtime.distributions, orchspec.runtime.tables;"
        "print({'numpy', 'scipy', 'pydantic', 'simpy', 'lark', 'random', 'statistics'} & set(sys.modules))"
    )
    found = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert found == "set()\n"
