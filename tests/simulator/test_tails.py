"""What no number of runs bounds is left open and said, and what theory knows is not guessed from what was seen."""

from __future__ import annotations

import math
from typing import Any

import pytest

from orchspec.simulator.lengths import Told, memory_of, next_size
from orchspec.simulator.study import Study
from orchspec.simulator.tails import tail_index
from orchspec.simulator.twin import Twin
from tests.simulator.test_lengths import queue
from tests.support.studies import queue_spec, study, twin


def measured(alpha: float, *, slots: int = 1, load: str = "1 / 20s", agent: str = "", more: str = "") -> Study:
    latency = f"pareto(min: 6s, alpha: {alpha})"
    return study(queue_spec(slots, f"poisson({load})", latency, agent=agent, more=more, duration="1h"), runs=1)


def opened(found: Study) -> set[str]:
    parts: list[tuple[str, str | None, str | None]] = [("latency", "mean", None), ("latency", "p50", None)]
    parts += [(kpi, None, "clerk") for kpi in ("wait", "queue", "utilization")]
    open_ = [(kpi, part) for kpi, part, of in parts if math.isinf(found.measures.estimate(kpi, part, of).hi)]
    return {"p50" if part == "p50" else kpi for kpi, part in open_}


def test_the_tail_of_a_mixture_is_that_of_its_heaviest_part() -> None:
    assert tail_index(["mixture", [[0.9, ["fixed", 1.0]], [0.1, ["pareto", 1.0, 2.5]]]]) == 2.5
    assert tail_index(["mixture", [[1.0, ["fixed", 1.0]], [0.0, ["pareto", 1.0, 2.5]]]]) == math.inf
    assert tail_index(["lognormal", 1.0, 3.0]) == tail_index(None) == math.inf


@pytest.mark.parametrize(
    ("alpha", "how", "left_open"),
    [
        (2.5, {}, {"latency", "wait", "queue"}),
        (3.5, {}, set()),
        # What has no variance itself is not even busy for a share of time that can be bounded.
        (1.9, {}, {"latency", "wait", "queue", "utilization"}),
        # Two of three slots have to be held up at once before the third falls behind.
        (2.5, {"slots": 3, "load": "1 / 6s"}, set()),
        (2.5, {"agent": "timeout = 1h"}, set()),
    ],
    ids=["no variance", "a variance", "no second moment", "spare slots", "a timeout"],
)
def test_means_without_a_variance_are_bounded_from_below_alone(
    alpha: float, how: dict[str, Any], left_open: set[str]
) -> None:
    found = measured(alpha, **how)
    assert opened(found) == left_open
    notes = [note for note in found.document["notes"] if "has no variance" in note]
    assert bool(notes) == bool(left_open)
    assert all("p95(latency)" in note and "pareto" in note for note in notes)


def test_an_expectation_on_such_a_mean_says_that_more_runs_are_no_help() -> None:
    found = measured(2.5, more="expect mean(latency) <= 1h\n  expect mean(latency) >= 1s\n  expect p50(latency) <= 1h")
    hopeless, *others = found.document["expectations"]
    assert hopeless["verdict"] == "undecided"
    assert "expect a quantile" in hopeless["reason"]
    assert [each["verdict"] for each in others] == ["passed", "passed"]


def test_the_twin_says_which_waits_have_no_variance_and_which_no_formula_tells() -> None:
    def of(alpha: float, slots: int) -> Twin:
        return twin(queue_spec(slots, "poisson(1 / 20s)", f"pareto(min: 6s, alpha: {alpha})", duration="1h"))

    assert any("no variance" in each for each in of(2.5, 1).stations[0].breaks)
    assert not any("no variance" in each for each in of(3.5, 1).stations[0].breaks)
    assert of(1.9, 1).latency_note == "the mean wait for clerk is infinite"
    # One long time holds up one slot of three, so the mean wait is finite; but no formula is for it.
    assert "no formula" in of(1.9, 3).latency_note
    assert math.isnan(of(1.9, 3).stations[0].wait_s)


def test_means_of_isolated_runs_without_a_variance_are_left_open_too() -> None:
    text = queue_spec(1, "poisson(1 / 20s)", "pareto(min: 6s, alpha: 1.8)")
    alone = text[: text.index("scenario")] + 'scenario "alone" for desk { runs = 200 }'
    found = study(alone)
    assert math.isinf(found.measures.estimate("latency", "mean").hi)
    assert math.isfinite(found.measures.estimate("latency", "p50").hi)


@pytest.mark.parametrize(("load", "memory"), [("5 / 100s", 5.8), ("75 / 1000s", 41.8), ("9 / 100s", 341.0)])
def test_the_memory_of_a_queue_is_told_before_it_is_simulated(load: str, memory: float) -> None:
    text = queue_spec(1, f"poisson({load})", "exponential(mean: 10s)", duration="400h")
    told = twin(text).told
    assert told.memory == pytest.approx(memory, rel=0.01)
    assert told.is_all
    assert told.keeps_up
    striking = text.replace("duration = 400h", "duration = 400h  fault crash(orchestrator, every: 1h)")
    assert not twin(striking).told.keeps_up
    assert not twin(queue_spec(1, "poisson(1 / 5s)", "fixed(10s)")).told.keeps_up


def test_what_is_told_of_a_queue_is_not_overruled_by_calm_or_busy_replications() -> None:
    told = Told(memory=5.8, is_all=True, keeps_up=True)
    calm, busy = queue(0.2, 150), queue(0.95, 150)
    assert next_size(calm, 150, told) == next_size(busy, 150, told) == (600, False)
    assert memory_of(calm, 0.0, told).runs == memory_of(busy, 0.0, told).runs == 5.8
    # What is said to be no more than a part of it is the least.
    part = Told(memory=5.8)
    assert memory_of(calm, 0.0, part).runs == 5.8
    assert memory_of(busy, 0.0, part).runs > 10.0
    # It goes straight to where it has to be, and not beyond the most.
    assert next_size(calm, 150, Told(memory=41.8, is_all=True)) == (2_400, False)
    assert next_size(calm, 150, Told(memory=5_000.0, is_all=True)) == (4_000, False)
