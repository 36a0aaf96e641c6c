"""What a scenario expects of its KPIs, in their units, and each mistake once."""

import pytest

from orchspec.compiler.studies.kpis import KPIS, STATISTICS
from tests.compiler.studies.spec import found, plan_of, scenario

LATENCY_P95 = ["kpi", "latency", "p95", None]


@pytest.mark.parametrize(
    ("expect", "lowered"),
    [
        ("p95(latency) <= 8min", ["le", LATENCY_P95, ["const", 480.0]]),
        ("mean(cost) <= $1.50", ["le", ["kpi", "cost", "mean", None], ["const", 1.5]]),
        ("cost <= $1.50", ["le", ["kpi", "cost", "mean", None], ["const", 1.5]]),
        ("duplicate_effects == 0", ["eq", ["kpi", "duplicate_effects", None, None], ["const", 0.0]]),
        ("resume_success == 100%", ["eq", ["kpi", "resume_success", None, None], ["const", 1.0]]),
        ("utilization(ann) <= 80%", ["le", ["kpi", "utilization", None, "ann"], ["const", 0.8]]),
        ("wait(search) < think", ["lt", ["kpi", "wait", None, "search"], ["const", 5.0]]),
        ("queue(eve) <= 2", ["le", ["kpi", "queue", None, "eve"], ["const", 2.0]]),
        ("throughput >= 3", ["ge", ["kpi", "throughput", None, None], ["const", 3.0]]),
        ("throughput >= 3 / 1h", ["ge", ["kpi", "throughput", None, None], ["const", 3 / 3600]]),
        (
            "p95(latency) in 1min..8min",
            ["and", ["ge", LATENCY_P95, ["const", 60.0]], ["le", LATENCY_P95, ["const", 480.0]]],
        ),
        ("p95(tokens) <= 2 * 10k", ["le", ["kpi", "tokens", "p95", None], ["const", 20_000.0]]),
        (
            "not p95(latency) > 2 * mean(latency)",
            ["not", ["gt", LATENCY_P95, ["mul", "Float", ["const", 2.0], ["kpi", "latency", "mean", None]]]],
        ),
        (
            "p95(latency) / mean(latency) < 3 or wasted < 10%",
            [
                "or",
                ["lt", ["div", "Float", LATENCY_P95, ["kpi", "latency", "mean", None]], ["const", 3.0]],
                ["lt", ["kpi", "wasted", None, None], ["const", 0.1]],
            ],
        ),
    ],
)
def test_an_expectation_is_lowered_to_the_units_of_the_kpis(expect, lowered):
    made = plan_of(scenario(f"runs = 3  expect {expect}")).scenarios[0].expects[0]
    assert (made.text, made.expr) == (expect, lowered)


@pytest.mark.parametrize(
    ("expect", "code", "at"),
    [
        ("p95(latency) <= $1", "E0916", "p95(latency) <= $1"),
        ("mean(cost) <= 3", "E0916", "mean(cost) <= 3"),
        ("completion >= 5s", "E0916", "completion >= 5s"),
        ("p95(latency) + mean(cost) <= 3s", "E0916", "p95(latency) + mean(cost)"),
        ("throughput >= $3", "E0916", "throughput >= $3"),
        ("p95(latensy) <= 1s", "E0914", "latensy"),
        ("p96(latency) <= 1s", "E0914", "p96"),
        ("complete >= 95%", "E0914", "complete"),
        ("utilization <= 80%", "E0915", "utilization"),
        ("p95(completion) <= 80%", "E0915", "p95(completion)"),
        ("latency(ann) <= 3s", "E0915", "latency(ann)"),
        ("utilization(anne) <= 80%", "E0201", "anne"),
        ("utilization(publish) <= 80%", "E0203", "publish"),
        ("p95(latency)", "E0917", "p95(latency)"),
        ("1 < 2", "E0917", "1 < 2"),
        ('completion == "all"', "E0917", '"all"'),
    ],
)
def test_a_mistake_in_an_expectation_is_told_once(expect, code, at):
    assert found(scenario(f"runs = 3  expect {expect}")) == [(code, at)]


def test_the_simulator_computes_every_kpi_in_the_unit_it_is_typed_with():
    simulated = pytest.importorskip("orchspec.simulator.kpis")
    units = {"Duration": "s", "Money": "USD", "Share": "share", "Rate": "1/s"}
    for kpi in KPIS.values():
        theirs = simulated.KPIS[kpi.name]
        assert theirs.shape == kpi.shape
        assert theirs.unit == units.get(kpi.unit, theirs.unit)
    assert tuple(simulated.STATISTICS) == STATISTICS
