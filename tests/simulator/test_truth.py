"""What the simulator measures meets what mathematics says of the same system.

Each number must lie within the simulator's own interval. A 95 % interval misses one time in twenty, so the seeds here
are fixed; that the intervals cover as often as they claim, over many seeds, is said in `test_intervals.py`.
"""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import pairwise

import pytest

from orchspec.runtime.distributions import compile_count
from orchspec.runtime.draws import uniform
from orchspec.simulator.cast import columns
from orchspec.simulator.estimate import Estimate
from orchspec.simulator.kpis import Measures
from orchspec.simulator.laws import check_laws
from orchspec.simulator.replicate import Stage
from orchspec.simulator.study import Study, simulate
from tests.support.studies import SPECS, gallery, queue_spec, second, study

MEAN_S = 10.0


def holds_the_laws(study: Study) -> bool:
    """Little's law and the utilization law, for each pool and for the runs."""
    checks = study.document["checks"]
    assert checks["little"]["pools"].keys() >= {"runs"}
    return checks["little"]["ok"] is True and checks["utilization"]["ok"] is True


def covers(estimate: Estimate, truth: float, *, within: float = 0.25) -> bool:
    """Whether the interval holds the truth, and is narrow enough to say something."""
    assert estimate.hi - estimate.lo <= within * 2 * truth, f"{estimate} says too little of {truth}"
    return estimate.lo <= truth <= estimate.hi


# ------------------------------------------------------------------ queues


def test_the_mm3_of_the_gallery_waits_as_erlang_says():
    plan = gallery("queue")
    shorter = replace(plan, scenarios=[replace(plan.scenarios[0], duration_us=4 * 3600 * second)])
    measured = simulate(shorter.sealed(), seed=2)
    assert covers(measured.measures.estimate("wait", None, "clerk"), 4.0 / 9.0 * MEAN_S)
    assert covers(measured.measures.estimate("utilization", None, "clerk"), 2.0 / 3.0)
    assert covers(measured.measures.estimate("latency", "mean"), 4.0 / 9.0 * MEAN_S + MEAN_S)
    assert holds_the_laws(measured)
    assert not measured.failed
    assert measured.document["kpis"]["completion"]["value"] == 1.0


@pytest.mark.parametrize(
    ("offered", "slots", "duration", "wait_times_rate"),
    [(2, 4, "4h", 2.0 / 23.0), (8, 10, "90min", 0.204590)],
    ids=["a2c4", "a8c10"],
)
def test_an_mmc_waits_as_erlang_says(offered, slots, duration, wait_times_rate):
    spec = queue_spec(slots, f"poisson({offered} / 10s)", "exponential(mean: 10s)", duration=duration)
    measured = study(spec, seed=1)
    assert covers(measured.measures.estimate("wait", None, "clerk"), wait_times_rate * MEAN_S, within=0.3)
    assert covers(measured.measures.estimate("utilization", None, "clerk"), offered / slots)
    assert holds_the_laws(measured)


@pytest.mark.slow
def test_many_slots_wait_as_erlang_says():
    spec = queue_spec(55, "poisson(48 / 10s)", "exponential(mean: 10s)", duration="1h", warmup="5min")
    measured = study(spec, seed=1)
    assert covers(measured.measures.estimate("wait", None, "clerk"), 0.034100 * MEAN_S, within=0.35)
    assert holds_the_laws(measured)


@pytest.mark.slow
def test_an_md1_that_is_nearly_full_waits_as_pollaczek_and_khinchine_say():
    measured = study(queue_spec(1, "poisson(9 / 100s)", "fixed(10s)", duration="40h", warmup="3h"), seed=2)
    assert covers(measured.measures.estimate("wait", None, "clerk"), 4.5 * MEAN_S)


def heavy(latency: str, square: float, mean: float) -> tuple[str, float]:
    """The wait of an M/G/1 with a run in 20 s, by Pollaczek and Khinchine."""
    return latency, square / 20.0 / 2.0 / (1.0 - mean / 20.0)


_SPREAD = math.log(21.0 / 6.0) / 1.6448536269514722


@pytest.mark.parametrize(
    ("latency", "wait_s"),
    [
        heavy("lognormal(p50: 6s, p95: 21s)", 36.0 * math.exp(2 * _SPREAD**2), 6.0 * math.exp(_SPREAD**2 / 2)),
        heavy("pareto(min: 5s, alpha: 3.5)", 3.5 * 25.0 / 1.5, 3.5 * 5.0 / 2.5),
    ],
    ids=["lognormal", "pareto"],
)
def test_an_mg1_with_a_heavy_tail_waits_as_pollaczek_and_khinchine_say(latency, wait_s):
    measured = study(queue_spec(1, "poisson(1 / 20s)", latency, duration="5h"), seed=1)
    assert covers(measured.measures.estimate("wait", None, "clerk"), wait_s, within=0.5)
    assert holds_the_laws(measured)


@pytest.mark.parametrize(
    ("load", "wait_times_rate"), [("5 / 100s", 0.5), ("8 / 100s", 2.0)], ids=["half", "four_fifths"]
)
def test_an_md1_waits_as_pollaczek_and_khinchine_say(load, wait_times_rate):
    spec = queue_spec(1, f"poisson({load})", "fixed(10s)", duration="7h")
    measured = study(spec, seed=1)
    assert covers(measured.measures.estimate("wait", None, "clerk"), wait_times_rate * MEAN_S)
    assert holds_the_laws(measured)


def test_the_latency_of_an_mm1_is_exponential():
    measured = study(queue_spec(1, "poisson(5 / 100s)", "exponential(mean: 10s)", duration="7h"), seed=1)
    rate = 1.0 / MEAN_S - 0.05
    assert covers(measured.measures.estimate("latency", "p95"), 2.9957 / rate)
    assert covers(measured.measures.estimate("latency", "p50"), math.log(2.0) / rate)
    assert holds_the_laws(measured)


def test_closed_users_meet_the_machine_repairman():
    # Two users who think 10 s, one server of 10 s: birth and death gives P(0, 1, 2 in the system) as 1:2:2.
    spec = queue_spec(1, "closed(users: 2, think: exponential(mean: 10s))", "exponential(mean: 10s)", duration="5h")
    measured = study(spec, seed=1)
    assert covers(measured.measures.estimate("utilization", None, "clerk"), 4.0 / 5.0)
    assert covers(measured.measures.estimate("throughput"), 4.0 / 5.0 / MEAN_S)
    assert holds_the_laws(measured)


def test_a_rate_is_a_server_of_its_own():
    # Poisson arrivals at a bucket of one token that fills in 10 s: an M/D/1 of 10 s, whatever the slots.
    spec = queue_spec(100, "poisson(5 / 100s)", "fixed(1s)", duration="6h", agent="rate = 1 / 10s")
    measured = study(spec, seed=1)
    assert covers(measured.measures.estimate("wait", None, "clerk"), 0.5 * MEAN_S)
    assert holds_the_laws(measured)


def loaded_specs() -> list[str]:
    """The specs of the gallery in which runs meet; that of the recorded trace is too large."""
    return sorted(path.stem for path in SPECS.glob("*.orch") if "arrivals" in path.read_text() and path.stem != "azure")


@pytest.mark.parametrize("name", loaded_specs())
def test_the_laws_are_exact_however_short_the_load_and_whatever_strikes(name):
    plan = gallery(name)
    for scenario in plan.scenarios:
        if scenario.arrivals is not None:
            short = replace(scenario, duration_us=600 * second, warmup=0)
            checks = check_laws(Measures([Stage(plan, short, 3, SPECS, 30).replicate(0).disturbed]))
            assert "runs" in {check.pool for check in checks}
            assert [check for check in checks if not check.ok] == []


@pytest.mark.parametrize(
    "fault",
    [
        "jump(orchestrator, at: 5min, by: 2min)",
        "skew(orchestrator, at: 3min, lasting: 2min, by: 1min)",
        "skew(orchestrator, every: 2min, lasting: 45s, by: 1min)",
        "jump(orchestrator, every: 90s, by: 20s)",
        "jump(orchestrator, at: 5min)  fault crash(orchestrator, at: 6min, down: 5s)",
    ],
)
def test_pools_are_measured_by_the_time_of_the_world_whatever_the_orchestrators_clock_says(fault):
    spec = queue_spec(2, "poisson(15 / 100s)", "fixed(10s)", duration="10min", warmup="0s", more=f"fault {fault}")
    measured = study(spec, seed=1)
    assert holds_the_laws(measured)
    assert measured.measures.estimate("utilization", None, "clerk").value < 1.0


# ------------------------------------------------------------------ patterns

PATTERNS = """
orch 1
contract Answer(question: Text) -> Text
agent clerk fulfills Answer
agent ann fulfills Answer
agent bob fulfills Answer
agent cy fulfills Answer
agent dora fulfills Answer { attempts = 4 }
flow slowest(question: Text) -> Int {
  step answers = Answer(question) by 5 of clerk
  return len(answers)
}
flow race(question: Text) -> Text {
  step answer = Answer(question) by first of [ann, bob, cy]
  return answer
}
flow stubborn(question: Text) -> Text {
  step answer = Answer(question) by dora { on_failure = use("nobody knows") }
  return answer
}
profile clerk { latency = exponential(mean: 10s) }
profile ann { latency = exponential(mean: 10s) }
profile bob { latency = exponential(mean: 10s) }
profile cy { latency = exponential(mean: 10s) }
profile dora { latency = fixed(1s)  failure = 40% }
scenario "slowest" for slowest { runs = 4_000 }
scenario "race" for race { runs = 4_000 }
scenario "stubborn" for stubborn { runs = 6_000 }
"""


def test_the_slowest_of_n_takes_the_nth_harmonic_number():
    measured = study(PATTERNS, "slowest", seed=1)
    harmonic = sum(1.0 / n for n in range(1, 6))
    assert covers(measured.measures.estimate("latency", "mean"), harmonic * MEAN_S, within=0.05)


def test_the_fastest_of_n_takes_an_nth():
    measured = study(PATTERNS, "race", seed=1)
    assert covers(measured.measures.estimate("latency", "mean"), MEAN_S / 3.0, within=0.05)


def test_attempts_are_a_geometric_series_cut_off():
    measured = study(PATTERNS, "stubborn", seed=1)
    runs = [run for replication in measured.replications for run in replication.runs]
    share = 0.4
    expected = (1.0 - share**4) / (1.0 - share)
    assert covers(measured.measures.estimate("latency", "mean"), expected, within=0.05)
    assert covers(measured.measures.estimate("retries", "mean"), expected - 1.0, within=0.1)
    assert measured.measures.estimate("latency", "max").value == 4.0
    assert sum(run.status == "completed" for run in runs) == 6_000


@pytest.mark.parametrize(("scenario", "seconds"), [("at the same time", 180.0), ("one after the other", 480.0)])
def test_the_website_takes_three_minutes_or_eight_to_the_second(scenario, seconds):
    measured = simulate(gallery("parallel"), scenario, seed=5, folder=SPECS)
    assert {run.latency_s for replication in measured.replications for run in replication.runs} == {seconds}
    assert not measured.failed


# ------------------------------------------------------------------ a recorded load


@pytest.fixture(scope="module")
def recorded() -> Measures:
    """One replication: the arrivals are the same in all of them."""
    plan = gallery("azure")
    return Measures([Stage(plan, plan.scenarios[0], 1, SPECS, 1).replicate(0).disturbed])


def test_a_trace_arrives_when_it_did(recorded):
    # The facts in the README of the data set.
    arrived = [run.arrived_s for run in recorded.replications[0].runs]
    gaps = [b - a for a, b in pairwise(arrived)]
    mean = math.fsum(gaps) / len(gaps)
    variance = math.fsum((gap - mean) ** 2 for gap in gaps) / len(gaps)
    assert len(arrived) == 19_366
    assert 1.0 / mean == pytest.approx(5.53, abs=0.01)
    assert variance / mean**2 == pytest.approx(1.2, abs=0.05)
    # What is measured ends with the file, not with the hour, in which nobody asked any more.
    assert recorded.estimate("throughput").value == pytest.approx(5.53, rel=0.01)


def test_tokens_are_those_of_the_trace(recorded):
    tokens = sorted(run.tokens for replication in recorded.replications[:1] for run in replication.runs)
    # Context and generated tokens are drawn apart, so the sum is theirs only at the ends of what each column allows.
    assert tokens[len(tokens) // 2] == pytest.approx(1020 + 129, rel=0.05)
    assert recorded.estimate("utilization", None, "server").value < 0.5


def test_empirical_columns_have_the_quantiles_of_the_trace():
    plan = gallery("azure")
    data = columns(plan, SPECS)
    facts = {"tokens_in": (1020, 4083, 4142), "tokens_out": (129, 451, 601)}
    for name, expected in facts.items():
        sample = compile_count(getattr(plan.profiles["server"], name), data)
        drawn = sorted(sample(uniform(11, number, 1)) for number in range(40_000))
        found = [drawn[int(len(drawn) * share)] for share in (0.50, 0.95, 0.99)]
        assert found == pytest.approx(expected, rel=0.02)
