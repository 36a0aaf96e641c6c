"""Distributions fitted to samples whose truth is known, drawn here, so that no sampler of ours is trusted."""

from __future__ import annotations

import math
import random

import numpy as np
import pytest

from orchspec.simulator.drawing import LIGHT
from orchspec.simulator.fitting.choose import Fitted, fit
from orchspec.simulator.fitting.families import FAMILIES
from orchspec.simulator.fitting.likelihood import likelihood, limits
from orchspec.simulator.fitting.picture import fit_chart
from orchspec.simulator.fitting.sample import Sample

DRAWERS = {
    "exponential": (lambda draws: draws.expovariate(0.1), (10.0,)),
    "lognormal": (lambda draws: draws.lognormvariate(1.5, 0.6), (math.exp(1.5), math.exp(1.5 + 0.6 * 1.6448536))),
    "gamma": (lambda draws: draws.gammavariate(3.0, 2.0), (3.0, 2.0)),
    "normal": (lambda draws: draws.gauss(400.0, 50.0), (400.0, 50.0)),
    "pareto": (lambda draws: 2.0 * draws.paretovariate(1.8), (2.0, 1.8)),
    "uniform": (lambda draws: draws.uniform(2.0, 9.0), (2.0, 9.0)),
}


#: Where values are cut off that are not all seen.
CUT = {"exponential": 9.0, "lognormal": 9.0, "gamma": 9.0, "uniform": 6.5}


def drawn(name: str, seed: int, count: int) -> list[float]:
    draws = random.Random(seed)
    return [DRAWERS[name][0](draws) for _ in range(count)]


@pytest.mark.parametrize("name", DRAWERS)
def test_the_family_and_its_parameters_are_found_again(name):
    found = fit(Sample(drawn(name, 2, 600), "s"))
    assert found.family == name
    for value, (_, lo, hi) in zip(DRAWERS[name][1], found.parameters.values(), strict=True):
        assert lo <= value <= hi
        assert hi - lo < 0.5 * value
    assert found.chance > 0.05
    assert found.distance < 0.05
    assert min(found.aic, key=found.aic.get) == name


@pytest.mark.parametrize("name", DRAWERS)
def test_intervals_of_parameters_cover_as_often_as_they_claim(name):
    family, truth = FAMILIES[name], DRAWERS[name][1]
    hits = 0
    for seed in range(50):
        values = drawn(name, seed, 200)
        cut = CUT.get(name, math.inf) if seed % 2 else math.inf
        sample = Sample([x for x in values if x <= cut], "s", [cut] * sum(x > cut for x in values))
        found, _ = limits(family, sample, family.fit(sample))
        hits += sum(lo <= value <= hi for value, (lo, hi) in zip(truth, found, strict=True))
    # Exact binomial: of 95 in 100, 42 of 50 or fewer come once in 300 times; parameters of a family hang together.
    assert hits >= 43 * len(truth)


@pytest.mark.parametrize("name", CUT)
def test_what_is_cut_off_counts_as_longer_and_not_as_gone(name):
    values = drawn(name, 4, 2_000)
    cut = sorted(values)[1_300]
    seen = Sample([x for x in values if x <= cut], "s", [cut] * sum(x > cut for x in values))
    found = fit(seen)
    assert found.family == name
    for value, (_, lo, hi) in zip(DRAWERS[name][1], found.parameters.values(), strict=True):
        assert lo <= value <= hi
    ignored = FAMILIES[name].fit(Sample([x for x in values if x <= cut], "s"))
    assert ignored[-1] < 0.75 * found.dist[-1]


def test_who_never_answers_is_told_from_who_answers_late():
    draws = random.Random(5)
    values = [math.inf if draws.random() < 0.3 else draws.expovariate(1 / 20) for _ in range(800)]
    cut = [x for x in values if x > 60.0]
    found = fit(Sample([x for x in values if x <= 60.0], "s", [60.0] * len(cut), may_never=True))
    assert found.family == "exponential"
    assert found.never_limits[0] <= 0.3 <= found.never_limits[1]
    assert found.parameters["mean"][1] <= 20.0 <= found.parameters["mean"][2]
    # All of them answer: nobody is taken to be gone.
    all_answer = drawn("exponential", 6, 800)
    late = [x for x in all_answer if x > 25.0]
    again = fit(Sample([x for x in all_answer if x <= 25.0], "s", [25.0] * len(late), may_never=True))
    assert again.never < 0.03


@pytest.mark.parametrize("censored", [[5.0] * 40, [2.5, 3.0, 6.0, 6.5] * 8, [8.0] * 3, [1.0] * 30, []], ids=len)
def test_the_ends_of_a_uniform_law_are_where_the_likelihood_is_greatest(censored):
    family = FAMILIES["uniform"]
    values = [x for x in drawn("uniform", 3, 60) if x < 7.0]
    sample = Sample(values, "s", censored)
    low, high = family.fit(sample)
    best = likelihood(family, sample, (low, high))
    assert math.isfinite(best)
    assert low == min(values)
    assert high >= max([*values, *censored])
    for other in (0.999 * high, 1.001 * high, 1.5 * high, 3.0 * high):
        assert likelihood(family, sample, (low, other)) <= best
    assert likelihood(family, sample, (0.99 * low, high)) <= best


def test_an_end_that_nobody_saw_is_said_to_be_a_guess():
    values = drawn("uniform", 7, 400)
    seen = fit(Sample([x for x in values if x < 5.0], "s", [5.0] * sum(x >= 5.0 for x in values)))
    assert seen.family == "uniform"
    assert any("nobody saw where it ends" in note for note in seen.notes)
    assert fit(Sample(values, "s")).notes == ()


def test_of_a_law_that_ends_whoever_comes_no_more_never_comes():
    draws = random.Random(9)
    values = [math.inf if draws.random() < 0.25 else draws.uniform(2.0, 9.0) for _ in range(400)]
    gone = [20.0] * sum(math.isinf(x) for x in values)
    found = fit(Sample([x for x in values if x < 20.0], "s", gone, may_never=True))
    assert (found.family, found.never) == ("uniform", len(gone) / 400)
    assert found.never_limits[0] <= 0.25 <= found.never_limits[1]
    assert found.parameters["high"][1] <= 9.0 <= found.parameters["high"][2]


def test_values_that_are_all_equal_are_a_constant():
    found = fit(Sample([0.25] * 30, "s"))
    assert (found.dist, found.distance) == (["fixed", 0.25], 0.0)
    assert fit(Sample([0.0] * 30, "USD")).dist == ["fixed", 0.0]


def test_two_kinds_of_work_are_two_distributions():
    draws = random.Random(7)
    values = [
        draws.lognormvariate(0, 0.2) if draws.random() < 0.7 else draws.lognormvariate(3, 0.2) for _ in range(800)
    ]
    found = fit(Sample(values, "s"))
    (small, first), (large, second) = found.dist[1]
    assert small == pytest.approx(0.7, abs=0.04)
    assert large == pytest.approx(1.0 - small)
    assert [first[1], second[1]] == pytest.approx([1.0, math.exp(3)], rel=0.05)


def test_what_no_family_fits_is_drawn_as_it_is():
    values = [*np.linspace(1, 2, 300), *np.linspace(5, 5.1, 500), *np.linspace(20, 40, 200)]
    found = fit(Sample(values, "s"))
    assert found.family == "mixture"
    assert {part[1][0] for part in found.dist[1]} == {"uniform"}
    assert found.distance < 0.02
    assert sum(share for share, _ in found.dist[1]) == pytest.approx(1.0)


def test_noughts_are_a_part_of_their_own():
    values = [0.0] * 100 + drawn("lognormal", 8, 300)
    (share, nought), (_, rest) = fit(Sample(values, "s")).dist[1]
    assert (share, nought) == (0.25, ["fixed", 0.0])
    assert rest[0] == "lognormal"


def test_few_different_counts_are_told_one_by_one_or_as_uniform():
    draws = random.Random(9)
    assert fit(Sample([draws.randint(1, 4) for _ in range(400)], "calls")).dist == ["uniform", 1, 4]
    skewed = fit(Sample([1.0] * 90 + [3.0] * 10, "calls")).dist
    assert skewed == ["choice", [[1, 0.9], [3, 0.1]]]
    # Few are different because there are few: that says nothing.
    assert fit(Sample([31.0, 44.0, 47.0, 58.0, 60.0, 71.0], "tokens")).family != "choice"


def test_times_that_were_rounded_to_whole_seconds_are_no_worse_a_fit():
    values = [float(round(x)) for x in drawn("lognormal", 10, 500)]
    found = fit(Sample([x for x in values if x > 0], "s"))
    assert found.family in ("lognormal", "gamma")
    assert found.chance > 0.01


def test_a_tail_without_a_mean_is_told():
    draws = random.Random(11)
    found = fit(Sample([draws.paretovariate(0.8) for _ in range(300)], "s"))
    assert "infinite" in found.notes[0]


def test_the_same_sample_gives_the_same_fit_and_many_values_are_no_burden():
    values = drawn("gamma", 12, 5_000)
    first, again = fit(Sample(values, "s")), fit(Sample(values[::-1], "s"))
    assert (first.dist, first.distance, first.parameters) == (again.dist, again.distance, again.parameters)
    assert first.chance is None  # of many values the distance alone is told


def test_the_picture_shows_data_and_fit_with_their_unit():
    samples = {
        "latency": Sample(drawn("lognormal", 13, 200), "s", [12.0] * 9),
        "tokens_out": Sample([round(x) for x in drawn("normal", 14, 200)], "tokens"),
    }
    for attribute, sample in samples.items():
        found: Fitted = fit(sample)
        svg = fit_chart("a <scout>", attribute, found, "text").svg(LIGHT)
        assert "a &lt;scout&gt;" in svg
        assert "quantile of the data (" in svg
        assert "mathdefault" not in svg
