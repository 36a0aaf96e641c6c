"""How often the intervals hold the truth, over many seeds and systems whose truth is known.

A 95 % interval holds it in 95 of 100 studies. Of 200 studies 180 to 198 are looked for (90 to 99 %): fewer would be
intervals that promise too much, more would be intervals so wide that they say too little. Each study here is short, ten
replications of a quarter of an hour, so that what is tested is the estimator and not the patience.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import pytest

from orchspec.simulator.study import simulate
from tests.support.studies import plan_of, queue_spec

STUDIES = 200
LEAST, MOST = 180, 198


@dataclass
class System:
    spec: str
    truths: dict[tuple[str, str | None, str | None], float]

    @property
    def runs(self) -> int:
        """Of isolated runs as many as are said, of a load as many as come."""
        return 300 if "runs = 300" in self.spec else 1


def single(
    load: str,
    latency: str,
    slots: int,
    truths: dict[tuple[str, str | None], float],
    times: tuple[str, str] = ("25min", "10min"),
) -> System:
    spec = queue_spec(slots, load, latency, duration=times[0], warmup=times[1])
    return System(spec, {(name, part, "clerk"): truth for (name, part), truth in truths.items()})


TANDEM = """
orch 1
contract Draft(question: Text) -> Text
contract Check(draft: Text) -> Text
agent ann fulfills Draft { slots = 1 }
agent bob fulfills Check { slots = 1 }
flow desk(question: Text) -> Text {
  step draft   = Draft(question) by ann
  step checked = Check(draft) by bob
  return checked
}
profile ann { latency = exponential(mean: 5s) }
profile bob { latency = exponential(mean: 4s) }
scenario "load" for desk { arrivals = poisson(1 / 10s)  duration = 25min  warmup = 10min }
"""

PATTERNS = """
orch 1
contract Answer(question: Text) -> Text
agent clerk fulfills Answer { attempts = 4 }
agent ann fulfills Answer
agent bob fulfills Answer
flow slowest(question: Text) -> Int {
  step answers = Answer(question) by 5 of ann
  return len(answers)
}
flow race(question: Text) -> Text {
  step answer = Answer(question) by first of [ann, bob]
  return answer
}
flow stubborn(question: Text) -> Text {
  step answer = Answer(question) by clerk { on_failure = use("nobody knows") }
  return answer
}
profile clerk { latency = fixed(1s)  failure = 40%% }
profile ann { latency = exponential(mean: 10s) }
profile bob { latency = exponential(mean: 10s) }
scenario "load" for %s { runs = 300 }
"""

# M/M/3, offered load 2: Erlang. M/M/1 at half load: the latency is exponential. M/D/1 and M/G/1 (lognormal: the square
# of its mean is that of its median times exp(s²)): Pollaczek and Khinchine. Tandem: Jackson's product form.
_S = (math.log(7.0) - math.log(2.5)) / 1.6448536269514722
_MEAN, _SQUARE = 2.5 * math.exp(_S**2 / 2), 6.25 * math.exp(2 * _S**2)
SYSTEMS = {
    "mm3": single(
        "poisson(2 / 10s)", "exponential(mean: 10s)", 3, {("wait", None): 40 / 9, ("utilization", None): 2 / 3}
    ),
    "mm1": single(
        "poisson(1 / 8s)",
        "exponential(mean: 4s)",
        1,
        {
            ("wait", None): 4.0,
            ("latency", "mean"): 8.0,
            ("latency", "p50"): 8 * math.log(2),
            ("latency", "p95"): 23.966,
        },
    ),
    "md1": single("poisson(1 / 8s)", "fixed(4s)", 1, {("wait", None): 2.0, ("utilization", None): 0.5}),
    "mg1": single(
        "poisson(1 / 8s)",
        "lognormal(p50: 2.5s, p95: 7s)",
        1,
        {("wait", None): _SQUARE / 8 / 2 / (1 - _MEAN / 8), ("utilization", None): _MEAN / 8},
    ),
    "mm4": single(
        "poisson(2 / 10s)", "exponential(mean: 10s)", 4, {("wait", None): 20 / 23, ("utilization", None): 0.5}
    ),
    "mm10": single(
        "poisson(8 / 10s)",
        "exponential(mean: 10s)",
        10,
        {("wait", None): 2.04590, ("utilization", None): 0.8},
        ("12min", "4min"),
    ),
    "mm55": single(
        "poisson(48 / 10s)",
        "exponential(mean: 10s)",
        55,
        {("wait", None): 0.341, ("utilization", None): 48 / 55},
        ("5min", "2min"),
    ),
    "md1, four fifths": single("poisson(2 / 10s)", "fixed(4s)", 1, {("wait", None): 8.0, ("utilization", None): 0.8}),
    "md1, nine tenths": single("poisson(9 / 10s)", "fixed(1s)", 1, {("wait", None): 4.5, ("utilization", None): 0.9}),
    # A variance of the wait is all that is left of its moments.
    "mg1, pareto": single(
        "poisson(1 / 7s)",
        "pareto(min: 2.5s, alpha: 3.5)",
        1,
        {("wait", None): 3.5 * 6.25 / 1.5 / 14.0 / 0.5, ("utilization", None): 0.5},
    ),
    "slowest": System(PATTERNS % "slowest", {("latency", "mean", None): 10.0 * sum(1.0 / n for n in range(1, 6))}),
    "race": System(PATTERNS % "race", {("latency", "mean", None): 5.0, ("latency", "p95", None): 5.0 * 2.9957}),
    "attempts": System(PATTERNS % "stubborn", {("retries", "mean", None): (1.0 - 0.4**4) / 0.6 - 1.0}),
    "tandem": System(
        TANDEM,
        {
            ("wait", None, "ann"): 5.0,
            ("wait", None, "bob"): 4 * 0.4 / 0.6,
            ("latency", "mean", None): 10.0 + 4 / 0.6,
        },
    ),
}


@pytest.mark.soak
@pytest.mark.parametrize("name", SYSTEMS)
def test_intervals_hold_the_truth_as_often_as_they_claim(name):
    system = SYSTEMS[name]
    plan = plan_of(system.spec)
    hits = dict.fromkeys(system.truths, 0)
    for seed in range(STUDIES):
        measures = simulate(plan, seed=1_000 + seed, runs=system.runs, with_twin=False).measures
        for (kpi, part, target), truth in system.truths.items():
            found = measures.estimate(kpi, part, target)
            hits[kpi, part, target] += found.lo <= truth <= found.hi
    print(name, hits)
    assert all(LEAST <= count <= MOST for count in hits.values()), hits


@pytest.mark.soak
@pytest.mark.parametrize("load", [0.5, 0.75])
def test_intervals_of_a_thousand_runs_hold_the_truth_or_say_that_they_cannot(load):
    spec = queue_spec(1, f"poisson({load:g} / 10s)", "exponential(mean: 10s)", duration="1h", warmup="1min")
    plan = plan_of(spec.replace("duration = 1h  warmup = 1min", "runs = 1_000"))
    mean = 10.0 / (1.0 - load)
    truths = {"mean": mean, **{f"p{share}": -mean * math.log(1.0 - share / 100.0) for share in (50, 95, 99)}}
    hits = dict.fromkeys([*truths, "utilization", "throughput"], 0)
    for seed in range(STUDIES):
        measures = simulate(plan, seed=1_000 + seed, with_twin=False).measures
        for part, truth in truths.items():
            found = measures.estimate("latency", part)
            hits[part] += found.lo <= truth <= found.hi
            assert math.isfinite(found.hi) or "would" in found.note or "lengthen the load" in found.note
        for kpi, target, truth in (("utilization", "clerk", load), ("throughput", None, load / 10.0)):
            found = measures.estimate(kpi, None, target)
            hits[kpi] += found.lo <= truth <= found.hi
    print(load, hits)
    assert all(count >= LEAST for count in hits.values()), hits
