"""Scenarios: arrivals, lengths and inputs, lowered, and each mistake once."""

import pytest

from tests.compiler.studies.spec import SECOND, found, plan_of, scenario, spec_test


@pytest.mark.parametrize(
    ("arrivals", "lowered"),
    [
        ("poisson(30 / 1min)", ["poisson", 0.5]),
        ("every(10s)", ["every", 10 * SECOND]),
        (
            "burst(calm: 1 / 1s, peak: 5 / 1s, every: 1h, lasting: 5min)",
            ["burst", 1.0, 5.0, 3600 * SECOND, 300 * SECOND],
        ),
        ("closed(users: 10, think: exponential(mean: 3s))", ["closed", 10, ["exponential", 3 * SECOND]]),
    ],
)
def test_arrivals_are_lowered_to_rates_a_second_and_microseconds(arrivals, lowered):
    plan = plan_of(scenario(f"arrivals = {arrivals}  duration = 2h  warmup = auto"))
    made = plan.scenarios[0]
    assert (made.arrivals, made.duration_us, made.runs, made.warmup) == (lowered, 7200 * SECOND, None, "auto")


def test_given_values_are_distributions():
    made = plan_of(scenario('runs = 10  given = { topic: "a", size: uniform(1, 3) }')).scenarios[0]
    assert made.given == {"topic": ["fixed", "a"], "size": ["uniform", 1.0, 3.0]}
    assert (made.arrivals, made.runs, made.warmup) == (None, 10, 0)


@pytest.mark.parametrize(
    ("items", "code", "at"),
    [
        ("arrivals = poison(1 / 1s)  duration = 1h", "E0908", "poison"),
        ("arrivals = poisson  duration = 1h", "E0908", "poisson"),
        ("arrivals = poisson(3)  duration = 1h", "E0301", "3"),
        ("arrivals = poisson(0 / 1s)  duration = 1h", "E0909", "0 / 1s"),
        ("arrivals = every(1min, 2min)  duration = 1h", "E0311", "every(1min, 2min)"),
        (
            "arrivals = burst(calm: 1 / 1s, peak: 5 / 1s, every: 1min, lasting: 2min)  duration = 1h",
            "E0909",
            "burst(calm: 1 / 1s, peak: 5 / 1s, every: 1min, lasting: 2min)",
        ),
        ("arrivals = every(1min)", "E0910", '"s"'),
        ("expect completion == 100%", "E0910", '"s"'),
        ("arrivals = every(1min)  duration = 1h  runs = 3", "E0909", "runs = 3"),
        ("arrivals = every(1min)  duration = 1h  warmup = 1h", "E0909", "warmup = 1h"),
        ("duration = 1h  runs = 3", "E0909", "duration = 1h"),
        ("runs = 0", "E0909", "0"),
        ("runs = 1h", "E0301", "1h"),
        ("run = 3", "E0401", "run"),
        ("runs = 3  given = { topics: 3 }", "E0309", "topics"),
        ("runs = 3  given = { topic: 3 }", "E0301", "3"),
        ("runs = 3  given = 3", "E0301", "3"),
    ],
)
def test_a_mistake_in_a_load_is_told_once(items, code, at):
    assert found(scenario(items)) == [(code, at)]


def test_a_study_is_of_a_flow():
    assert found('scenario "s" for wrok { runs = 3 }') == [("E0201", "wrok")]
    assert found('test "t" for ann { expect status == completed }') == [("E0203", "ann")]


def test_two_studies_do_not_share_a_title():
    assert found(scenario("runs = 3") + scenario("runs = 4")) == [("E0202", '"s"')]


def test_mistakes_of_several_studies_are_told_in_one_go():
    text = (
        "profile ann { latency = lognorml(p50: 1s, p95: 2s)  failure = 3 }\n"
        + scenario("runs = 3  fault fale(ann)  expect p95(latency) <= $1")
        + spec_test("stub bob.Count = 3s  expect status == complete")
    )
    assert sorted(code for code, _ in found(text)) == ["E0301", "E0301", "E0901", "E0911", "E0916", "E0918"]
