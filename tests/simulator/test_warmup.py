"""MSER-5: it cuts the transient, leaves a steady series alone, and says when nothing is steady."""

from __future__ import annotations

import math
import random
from collections.abc import Callable

from orchspec.simulator.observe import Replication, RunObservation
from orchspec.simulator.warmup import mser5, warm_up


def replications(count: int, runs: int, latency_s: Callable[[int, random.Random], float]) -> list[Replication]:
    found = []
    for index in range(count):
        rng = random.Random(index)
        made = [
            RunObservation(order, 10.0 * order, 10.0 * order + latency_s(order, rng), "completed", verified=True)
            for order in range(runs)
        ]
        found.append(Replication(index, 1, (0.0, 10.0 * runs), made))
    return found


def test_a_transient_is_cut_where_it_ends() -> None:
    rng = random.Random(1)
    series = [10.0 * math.exp(-order / 20.0) + rng.gauss(5.0, 0.5) for order in range(600)]
    cut, steady = mser5(series)
    assert 40 <= cut <= 120
    assert steady


def test_a_steady_series_is_hardly_cut() -> None:
    rng = random.Random(2)
    cut, steady = mser5([rng.gauss(5.0, 1.0) for _ in range(600)])
    assert cut <= 150
    assert steady


def test_a_series_that_grows_throughout_has_no_steady_state() -> None:
    rng = random.Random(3)
    _, steady = mser5([order + rng.gauss(0.0, 5.0) for order in range(600)])
    assert steady is False


def test_the_cut_is_a_multiple_of_five() -> None:
    cut, _ = mser5([100.0] * 13 + [1.0, 2.0] * 100)
    assert cut == 15


def test_a_short_series_is_not_judged() -> None:
    assert mser5([1.0] * 39) == (0, None)


def test_of_what_goes_on_a_quarter_is_left_out_whatever_came_in_it():
    found = warm_up(replications(10, 400, lambda order, rng: rng.expovariate(1.0)), quarter=True)
    assert (found.runs, found.steady) == (100, True)
    assert found.cut_s == 1_000.0
    assert "the first quarter of each replication, 100 runs, is left out" in found.note


def test_more_than_a_quarter_is_left_out_where_mser5_asks_for_it():
    found = warm_up(replications(10, 200, lambda order, rng: 1.0 + rng.random() + 50.0 * (order < 80)), quarter=True)
    assert 80 <= found.runs <= 100
    assert found.note == f"MSER-5 cuts the first {found.runs} runs of each replication"


def test_the_warm_up_is_given_in_runs_and_in_seconds_of_arrival() -> None:
    found = warm_up(replications(10, 400, lambda order, rng: 30.0 * math.exp(-order / 15.0) + rng.expovariate(1.0)))
    assert found.steady
    assert 20 <= found.runs <= 120
    assert found.cut_s == 10.0 * found.runs


def test_an_overloaded_system_says_no_steady_state() -> None:
    found = warm_up(replications(10, 300, lambda order, rng: 2.0 * order + rng.expovariate(1.0)))
    assert found.steady is False
    assert "no steady state" in found.note


def test_a_rare_long_run_at_the_start_does_not_pass_for_a_transient() -> None:
    long_at = 170
    found = warm_up(
        replications(
            4, 300, lambda order, rng: 1.0 + rng.random() + (900.0 if order == long_at and rng.random() < 0.5 else 0.0)
        )
    )
    assert found.steady


def test_runs_that_never_end_leave_the_rest_to_be_judged() -> None:
    found = warm_up(replications(10, 100, lambda order, rng: math.inf if rng.random() < 0.3 else 5.0 + rng.random()))
    assert found.steady
    none = warm_up(replications(3, 100, lambda order, rng: math.inf))
    assert none.steady is False


def test_few_runs_are_said_to_be_few() -> None:
    found = warm_up(replications(10, 12, lambda order, rng: 5.0))
    assert found.steady is None
    assert "40 are needed" in found.note
