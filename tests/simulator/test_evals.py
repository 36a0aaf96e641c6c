"""Evals in simulation: their means have intervals, and the KPIs are those of runs without them."""

import pytest

from orchspec.simulator.evals import scores_of
from tests.support.studies import plan_of

SPEC = """orch 1
enum Grade { good, poor }
type Opinion { grade: Grade  score: Float  ok: Bool?  why: Text }
contract Draft(topic: Text) -> Text
contract Judge(draft: Text) -> Opinion
agent ann fulfills Draft { timeout = 1min }
agent bob fulfills Judge { slots = 1  timeout = 1min }
flow work(topic: Text) -> Text {
  step a = Draft(topic) by ann
  EVAL
  return a
}
profile ann { latency = lognormal(p50: 2s, p95: 6s)  cost = $0.01 }
profile bob {
  latency = fixed(40s)  cost = $1  failure = 10%
  output = { grade: choice(good: 25%, poor: 75%), score: uniform(0.0, 10.0), ok: chance(40%) }
}
scenario "alone" for work { runs = 400 }
scenario "many" for work {
  arrivals = poisson(1 / 1min)
  duration = 4h
  fault crash(orchestrator, every: 1h, down: 30s)
}
"""


def simulated(statement, name):
    import orchspec
    from orchspec.compiler import compile_text

    spec = compile_text(SPEC.replace("EVAL", statement), "spec.orch")
    return orchspec.simulate(spec.plan, name, seed=3)


@pytest.mark.parametrize("name", ["alone", "many"])
def test_evals_leave_the_kpis_alone_and_are_estimated_beside_them(name):
    with_it = simulated("eval look = Judge(a) by bob { sample = 50% }", name)
    without = simulated("let x = a", name)
    told = {kpi: with_it["kpis"][kpi] for kpi in with_it["kpis"] if kpi != "resume_success"}
    # More runs are met by a crash: those that have their outcome, and are looked at.
    assert told == {kpi: without["kpis"][kpi] for kpi in told}
    assert with_it["kpis"]["resume_success"]["value"] in (1.0, None)
    assert without["evals"] == {}
    evals = with_it["evals"]
    assert set(evals) == {"look.grade.good", "look.grade.poor", "look.score", "look.ok"}
    truth = {"look.grade.good": 0.25, "look.grade.poor": 0.75, "look.score": 5.0, "look.ok": 0.4}
    for each, mean in truth.items():
        low, high = evals[each]["ci95"]
        assert low - (high - low) <= mean <= high + (high - low)
        assert low < high
    looked = evals["look.score"]["looked_at"]
    assert 0.3 * with_it["runs"] < looked < 0.6 * with_it["runs"]


def test_what_has_no_mean_is_left_out():
    plan = plan_of(SPEC.replace("EVAL", "eval look = Judge(a) by bob"))
    found = ["look", "look", "Judge", {"grade": "poor", "score": 2.5, "ok": None, "why": "text"}]
    assert scores_of(plan, [found]) == [("look.grade.good", 0.0), ("look.grade.poor", 1.0), ("look.score", 2.5)]
    assert scores_of(plan, []) is None
