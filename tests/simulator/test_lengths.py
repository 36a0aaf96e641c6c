"""Replications are as long as what they measure depends on itself, and what is too short says so."""

from __future__ import annotations

import math
import random

import pytest

from orchspec.simulator.lengths import RUNS_MOST, memory_of, next_size
from orchspec.simulator.observe import Replication, RunObservation
from orchspec.simulator.study import simulate
from tests.support.studies import plan_of


def queue(load: float, runs: int, seed: int = 1) -> list[Replication]:
    """Ten replications of an M/M/1 with services of 1 s, by Lindley's recursion."""
    found = []
    for index in range(10):
        rng = random.Random(100 * seed + index)
        at = free = 0.0
        seen = []
        for order in range(runs):
            at += rng.expovariate(load)
            free = max(at, free) + rng.expovariate(1.0)
            seen.append(RunObservation(order, at, free, "completed", verified=True))
        found.append(Replication(index, 1, (0.0, at + 1e-9), seen))
    return found


def spec(load: str, more: str, arrivals: str = "poisson") -> str:
    return f"""
orch 1
contract Answer(question: Text) -> Text
agent clerk fulfills Answer {{ slots = 1 }}
flow desk(question: Text) -> Text {{
  step answer = Answer(question) by clerk
  return answer
}}
profile clerk {{ latency = exponential(mean: 10s) }}
scenario "load" for desk {{ arrivals = {arrivals}({load})  {more} }}
"""


@pytest.mark.parametrize(("load", "least", "most"), [(0.5, 5, 16), (0.75, 25, 90)])
def test_the_memory_of_a_queue_is_that_of_its_autocorrelations(load: float, least: float, most: float) -> None:
    # M/M/1: 8.6 and 50 runs (Daley), known from ten replications to about a half.
    found = memory_of(queue(load, 1_500), 0.0)
    assert least <= found.runs <= most
    assert found.held == 1_500


def test_runs_that_depend_on_nobody_remember_nothing() -> None:
    rng = random.Random(2)
    alone = [
        Replication(i, 1, (0.0, 1e4), [RunObservation(o, 10.0 * o, 10.0 * o + rng.random()) for o in range(100)])
        for i in range(10)
    ]
    assert memory_of(alone, 0.0).runs <= 2.5
    assert memory_of(alone, 0.0).is_long
    same = [
        Replication(i, 1, (0.0, 1e4), [RunObservation(o, 10.0 * o, 10.0 * o + 3.0) for o in range(100)]) for i in (0, 1)
    ]
    assert memory_of(same, 0.0).runs == 1.0


def test_a_replication_is_made_longer_until_it_holds_its_memory_many_times() -> None:
    assert next_size(queue(0.1, 200), 200) == (200, False)
    assert next_size(queue(0.5, 150), 150) == (600, False)
    assert next_size(queue(0.9, 150), 150) == (600, True)
    # Never more than so many in all, and never fewer than were asked for.
    assert next_size(queue(0.9, 2_000), 2_000) == (RUNS_MOST // 10, False)
    assert next_size(queue(0.9, 100), RUNS_MOST) == (RUNS_MOST, False)


def test_a_system_that_takes_less_than_arrives_is_not_looked_at_for_longer() -> None:
    assert next_size(queue(1.6, 400), 400) == (400, False)


def test_a_load_of_so_many_runs_is_made_long_enough() -> None:
    plan = plan_of(spec("5 / 100s", "runs = 600"))
    study = simulate(plan, seed=3)
    assert study.size in (4 * 86, 16 * 86)
    assert study.document["runs"] >= 2_000
    found = study.measures.estimate("latency", "mean")
    assert found.lo <= 20.0 <= found.hi
    assert simulate(plan, seed=3, size=86).document["runs"] < 1_000


def test_a_load_that_is_too_short_says_so_and_what_to_do() -> None:
    study = simulate(plan_of(spec("9 / 100s", "duration = 20min  warmup = auto")), seed=3)
    (note,) = (note for note in study.document["notes"] if "too short" in note)
    assert "lengthen the load: a duration of at least" in note
    for name, target in (("latency", None), ("wait", "clerk"), ("queue", "clerk")):
        found = study.measures.estimate(name, "mean" if target is None else None, target)
        assert math.isinf(found.hi)
        assert note in found.note
    assert math.isfinite(study.measures.estimate("utilization", None, "clerk").hi)


def test_a_load_with_a_beginning_of_its_own_is_measured_as_it_is() -> None:
    for more in ("duration = 20min", "duration = 20min  warmup = 1min", "runs = 100  warmup = 0s"):
        study = simulate(plan_of(spec("9 / 100s", more)), seed=3, with_twin=False)
        assert not [note for note in study.document["notes"] if "too short" in note]
        assert study.size <= 143
