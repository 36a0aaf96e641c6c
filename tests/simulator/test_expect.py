"""Verdicts: the logic is Kleene's, intervals decide, and witnesses decide what intervals cannot."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import pytest

from orchspec.simulator.estimate import Estimate, binomial_rate, undefined
from orchspec.simulator.expect import judge
from orchspec.simulator.kpis import Measures

#: p95 of latency 40 to 60 s; no duplicate in 1000; 2 of 500 lost; 3 of 300 runs not completed; no crash.
KNOWN = {
    ("latency", "p95"): Estimate(50.0, 40.0, 60.0, 900, "sectioning"),
    ("latency", "p50"): Estimate(10.0, 9.0, 11.0, 900, "sectioning"),
    ("latency", "p99"): Estimate(math.inf, 70.0, math.inf, 900, "order statistics"),
    ("latency", "max"): Estimate(80.0, 80.0, math.inf, 900, "largest seen"),
    ("latency", "mean"): Estimate(180.0, 180.0, 180.0000000001, 900, "t"),
    ("retries", "mean"): Estimate(0.0, 0.0, 0.0, 900, "t"),
    ("cost", "mean"): Estimate(0.4, math.nan, math.nan, 1, "t"),
    ("duplicate_effects", None): binomial_rate(0, 1_000),
    ("lost_effects", None): binomial_rate(2, 500),
    ("completion", None): binomial_rate(297, 300),
    ("resume_success", None): binomial_rate(0, 0),
    ("wasted", None): Estimate(0.1, 0.05, 0.15, 10, "ratio"),
    ("overhead", None): undefined("no run has ended"),
    ("wait", "scout"): Estimate(2.0, 1.0, 3.0, 10, "ratio"),
}


class Known(Measures):
    """Measures with the estimates above instead of a simulation."""

    def estimate(self, name: str, statistic: str | None = None, target: str | None = None) -> Estimate:
        return KNOWN[name, target or statistic]


@pytest.fixture
def known() -> Known:
    return Known([])


def kpi(name: str, statistic: str | None = None, target: str | None = None) -> list[Any]:
    return ["kpi", name, statistic, target]


def const(value: float) -> list[Any]:
    return ["const", value]


P95 = kpi("latency", "p95")
PASSED, FAILED, OPEN = ["le", P95, ["const", 61]], ["le", P95, ["const", 39]], ["le", P95, ["const", 50]]


@pytest.mark.parametrize(
    ("expression", "outcome"),
    [
        (["le", P95, const(60)], "passed"),
        (["le", P95, const(59)], "undecided"),
        (["le", P95, const(39)], "failed"),
        (["lt", P95, const(60)], "undecided"),
        (["lt", P95, const(40)], "failed"),
        (["ge", P95, const(40)], "passed"),
        (["ge", P95, const(61)], "failed"),
        (["gt", P95, const(40)], "undecided"),
        (["eq", P95, const(50)], "undecided"),
        (["eq", P95, const(70)], "failed"),
        (["ne", P95, const(70)], "passed"),
        (["ge", const(60), P95], "passed"),
        (["le", kpi("latency", "p50"), P95], "passed"),
        (["lt", P95, kpi("latency", "p50")], "failed"),
        (["le", kpi("latency", "p99"), const(60)], "failed"),
        (["le", kpi("latency", "p99"), const(100)], "undecided"),
        (["eq", kpi("latency", "mean"), const(180)], "passed"),
        (["le", kpi("latency", "mean"), const(180)], "passed"),
        (["lt", kpi("latency", "mean"), const(180)], "failed"),
        (["le", kpi("wait", None, "scout"), const(3)], "passed"),
        (["le", kpi("cost", "mean"), const(1)], "undecided"),
        (["le", kpi("overhead"), const(1)], "undecided"),
        (["eq", kpi("overhead"), const(0)], "undecided"),
    ],
)
def test_intervals_decide_comparisons(known: Known, expression: list[Any], outcome: str) -> None:
    found = judge(expression, known)
    assert found.outcome == outcome
    assert f": {outcome}" in found.reason


@pytest.mark.parametrize(
    ("expression", "outcome"),
    [
        (["eq", kpi("duplicate_effects"), const(0)], "passed"),
        (["le", kpi("duplicate_effects"), const(0)], "passed"),
        (["gt", kpi("duplicate_effects"), const(0)], "failed"),
        (["ne", kpi("duplicate_effects"), const(0)], "failed"),
        (["eq", kpi("lost_effects"), const(0)], "failed"),
        (["gt", kpi("lost_effects"), const(0)], "passed"),
        (["eq", kpi("completion"), const(1)], "failed"),
        (["lt", kpi("completion"), const(1)], "passed"),
        (["ge", kpi("completion"), const(0.9)], "passed"),
        (["eq", kpi("resume_success"), const(1)], "undecided"),
        (["ge", kpi("resume_success"), const(0.5)], "undecided"),
        (["eq", kpi("retries", "mean"), const(0)], "passed"),
        (["eq", kpi("wasted"), const(0)], "failed"),
        (["le", kpi("latency", "max"), const(80)], "passed"),
        (["lt", kpi("latency", "max"), const(80)], "failed"),
        (["ge", kpi("latency", "max"), const(90)], "undecided"),
        (["eq", kpi("latency", "max"), const(80)], "passed"),
        (["eq", kpi("latency", "max"), const(79)], "failed"),
        (["eq", kpi("latency", "max"), const(90)], "undecided"),
    ],
)
def test_witnesses_decide_what_no_interval_can(known: Known, expression: list[Any], outcome: str) -> None:
    assert judge(expression, known).outcome == outcome


@dataclass
class Single:
    """One KPI with this interval."""

    found: Estimate
    level: float = 0.95

    def estimate(self, name: str, statistic: str | None, target: str | None) -> Estimate:
        return self.found


@pytest.mark.parametrize(
    ("interval", "bound", "said"),
    [
        ((10.0, 8.0, 13.0), 12.0, "about 2.2 times as many runs would tell"),
        ((10.0, 6.0, 13.0), 8.0, "about 4 times as many runs would tell"),
        ((10.0, 8.0, math.inf), 12.0, "too few runs to bound it on that side"),
        ((10.0, 8.0, 13.0), 10.01, "too near its bound to be told from it"),
        ((math.inf, 8.0, math.inf), 12.0, "runs that have not ended leave it open"),
    ],
)
def test_what_is_undecided_says_what_would_decide_it(interval, bound, said):
    measures: Any = Single(Estimate(*interval, 100, "t"))
    verdict = judge(["le", kpi("latency", "mean"), const(bound)], measures)
    assert verdict.outcome == "undecided"
    assert said in verdict.reason


TABLE = {
    # a, b: (a and b, a or b)
    ("passed", "passed"): ("passed", "passed"),
    ("passed", "failed"): ("failed", "passed"),
    ("passed", "undecided"): ("undecided", "passed"),
    ("failed", "failed"): ("failed", "failed"),
    ("failed", "undecided"): ("failed", "undecided"),
    ("undecided", "undecided"): ("undecided", "undecided"),
}


@pytest.mark.parametrize(("parts", "outcomes"), TABLE.items())
def test_logic_is_kleenes(known: Known, parts: tuple[str, str], outcomes: tuple[str, str]) -> None:
    expressions = {"passed": PASSED, "failed": FAILED, "undecided": OPEN}
    for a, b in (parts, parts[::-1]):
        assert judge(["and", expressions[a], expressions[b]], known).outcome == outcomes[0]
        assert judge(["or", expressions[a], expressions[b]], known).outcome == outcomes[1]


def test_not_turns_what_is_decided(known: Known) -> None:
    assert [judge(["not", each], known).outcome for each in (PASSED, FAILED, OPEN)] == ["failed", "passed", "undecided"]


@pytest.mark.parametrize(
    ("expression", "outcome"),
    [
        (["le", ["sub", P95, kpi("latency", "p50")], const(51)], "passed"),
        (["le", ["sub", "Float", P95, kpi("latency", "p50")], const(50.5)], "undecided"),
        (["le", ["div", P95, kpi("latency", "p50")], const(6.7)], "passed"),
        (["le", ["div", P95, kpi("duplicate_effects")], const(1)], "undecided"),
        (["le", P95, ["mul", const(7), kpi("latency", "p50")]], "passed"),
        (["le", ["add", const(30), const(30)], const(60)], "passed"),
        (["le", ["mul", kpi("latency", "p99"), kpi("duplicate_effects")], const(1)], "undecided"),
    ],
)
def test_arithmetic_carries_intervals(known: Known, expression: list[Any], outcome: str) -> None:
    assert judge(expression, known).outcome == outcome


def test_the_reason_quotes_values_with_their_intervals(known: Known) -> None:
    assert judge(OPEN, known).reason == (
        "p95(latency) is 50 s (95 % interval: 40 to 60 s), expected <= 50 s: undecided"
        " (too near its bound to be told from it)"
    )
    assert "none in 1000, at most 3/1000" in judge(["eq", kpi("duplicate_effects"), const(0)], known).reason
    assert "0/0" in judge(["eq", kpi("resume_success"), const(1)], known).reason
    assert "wait(scout) is 2 s" in judge(["le", kpi("wait", None, "scout"), const(5)], known).reason


def test_the_reason_names_the_level_of_the_look() -> None:
    assert "(99 % interval" in judge(OPEN, Known([], level=0.99)).reason


@pytest.mark.parametrize("expression", [["xor", PASSED, FAILED], ["le", ["text", "x"], const(1)]])
def test_a_tree_that_is_none_is_refused(known: Known, expression: list[Any]) -> None:
    with pytest.raises(ValueError, match="unknown"):
        judge(expression, known)
