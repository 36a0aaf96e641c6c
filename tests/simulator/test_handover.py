"""`upgrade`: the engine leaves in order, and a newer build goes on with all runs."""

from __future__ import annotations

from dataclasses import replace

import pytest

from orchspec.compiler.plan import Fault
from orchspec.simulator import clock as clock_module
from orchspec.simulator.chaos.chronicle import Chronicler
from orchspec.simulator.chaos.places import places_of
from orchspec.simulator.chaos.schedules import singles
from orchspec.simulator.checkers import check_all
from orchspec.simulator.handover import GRACE_US
from tests.support.studies import SPECS, gallery, plan_of, replicate, second, study

SPEC = """
orch 1
contract Draft(topic: Text) -> Text
agent ann fulfills Draft {{ timeout = 1min }}
effect mail(note: Text) {{ key = note  timeout = 10s }}
flow work(topic: Text) -> Text {{
  step draft = Draft(topic) by ann
  step sent  = mail(note: draft)
  step after = Draft(draft) by ann
  return after
}}
profile ann  {{ latency = fixed({latency})  cost = $0.02  tokens_out = 100 }}
profile mail {{ latency = fixed(1s) }}
scenario "load" for work {{
  arrivals = every(10s)
  duration = 10min  warmup = 0s
  fault upgrade(orchestrator, {when})
  expect completion == 100% and duplicate_effects == 0 and lost_effects == 0 and resume_success == 100%
}}
"""


def upgrade(**args: object) -> Fault:
    return Fault(0, "upgrade", "orchestrator", dict(args))


def changed(latency: str, **args: object):
    """A replication under upgrades, with its twin."""
    plan = plan_of(SPEC.format(latency=latency, when="at: 1s"))
    return replicate(plan, plan.scenarios[0], [upgrade(**args)])


def test_what_comes_back_within_the_grace_is_lost_to_nobody_and_paid_once():
    made = changed("1500ms", every=57 * second)
    marks = [mark for mark in made.disturbed.faults if mark.name == "upgrade"]
    assert len(marks) >= 9
    assert all(run.status == "completed" and not run.wasted_usd for run in made.disturbed.runs)
    assert [run.attempts for run in made.disturbed.runs] == [run.attempts for run in made.twin.runs]
    assert sum(effect.duplicates + effect.lost for effect in made.disturbed.effects) == 0
    assert any(run.in_flight_at_crash for run in made.disturbed.runs)
    assert all(run.resumed_well for run in made.disturbed.runs if run.in_flight_at_crash)


def test_an_engine_leaves_as_soon_as_nothing_is_under_way_and_at_the_latest_after_its_grace():
    left = {}
    for latency in ("500ms", "30s"):
        made = changed(latency, at=40 * second + 100_000)
        [mark] = [mark for mark in made.disturbed.faults if mark.name == "upgrade"]
        left[latency] = mark.at_s
    assert 40.1 <= left["500ms"] < 40.1 + GRACE_US / second
    assert left["30s"] == pytest.approx(40.1 + GRACE_US / second)


def test_an_attempt_longer_than_the_grace_is_sent_again_and_counts_as_no_retry():
    made = changed("30s", at=45 * second)
    runs = made.disturbed.runs
    assert all(run.status == "completed" and run.retries == 0 for run in runs)
    hit = [run for run in runs if run.in_flight_at_crash]
    assert hit
    assert all(run.resumed_well for run in hit)
    slower = [run.latency_s - twin.latency_s for run, twin in zip(runs, made.twin.runs, strict=True)]
    assert max(slower) > 5
    assert all(late == pytest.approx(0) for run, late in zip(runs, slower, strict=True) if not run.in_flight_at_crash)


def test_nothing_new_is_sent_and_nobody_is_let_in_while_an_engine_leaves(monkeypatch):
    sent = []
    for part, name in (("attempts", "begin"), ("targets", "send")):
        kind = {"attempts": clock_module.Attempts, "targets": clock_module.Targets}[part]
        real = getattr(kind, name)

        def watch(self, run, command, real=real):
            sent.append(self._clock.handover.leaving)
            real(self, run, command)

        monkeypatch.setattr(kind, name, watch)
    start = clock_module.Clock._start

    def begin(self, engine, visit):
        sent.append(self.handover.leaving)
        start(self, engine, visit)

    monkeypatch.setattr(clock_module.Clock, "_start", begin)
    changed("1500ms", every=10 * second)
    assert len(sent) > 100
    assert set(sent) == {None}


def test_who_comes_while_an_engine_leaves_is_served_by_the_next_one():
    made = changed("30s", at=49 * second, down=5 * second)
    [late] = [run for run in made.disturbed.runs if run.arrived_s == 50.0]
    assert late.status == "completed"
    assert not late.in_flight_at_crash
    assert late.latency_s == pytest.approx(49 + 2 + 5 - 50 + 60)


def test_a_crash_while_an_engine_leaves_is_a_crash():
    plan = plan_of(SPEC.format(latency="30s", when="at: 1s"))
    crash = Fault(1, "crash", "orchestrator", {"at": 45 * second + 500_000, "down": 3 * second})
    made = replicate(plan, plan.scenarios[0], [upgrade(at=45 * second), crash])
    assert [(mark.name, mark.at_s) for mark in made.disturbed.faults] == [("crash", 45.5)]
    assert all(run.status == "completed" for run in made.disturbed.runs)


def test_a_purchase_and_a_briefing_survive_upgrades_at_any_time():
    for name, number, per_s in (("refund", 0, 0.5), ("briefing", 1, 0.05)):
        plan = gallery(name)
        scenario = replace(
            plan.scenarios[number], arrivals=["poisson", per_s], duration_us=240 * second, warmup=0, faults=[]
        )
        made = replicate(plan, scenario, [upgrade(every=61 * second, down=second)])
        replication = made.disturbed
        assert replication.halted == []
        assert sum(effect.duplicates + effect.lost for effect in replication.effects) == 0
        assert [run.ordinal for run in replication.runs if run.status == "unended"] == []
        hit = [run for run in replication.runs if run.in_flight_at_crash and run.twin_completed]
        assert hit
        assert [run.ordinal for run in hit if not run.resumed_well] == []


def test_chaos_tries_it_and_every_checker_holds():
    plan = gallery("refund")
    chronicler = Chronicler(plan, next(iter(plan.flows)), folder=SPECS)
    calm = chronicler.chronicle([])
    tried = [faults for faults in singles(places_of(calm)) if faults[0].name == "upgrade"]
    assert len(tried) > 3
    for faults in tried:
        chronicle = chronicler.chronicle(faults)
        assert check_all(chronicle) == []
        assert "upgrade" in chronicle.struck or faults[0].args["at"] >= chronicle.ended_us


def test_a_scenario_says_it_and_is_the_same_in_two_processes():
    text = SPEC.format(latency="1500ms", when="every: 57s, down: 2s")
    one, two = (study(text, runs=120, seed=5, jobs=jobs) for jobs in (1, 2))
    assert [each["verdict"] for each in one.document["expectations"]] == ["passed"]
    assert one.document == two.document


def test_the_grace_is_that_of_the_driver():
    from orchspec.runtime.driver import hub

    assert hub._GRACE_S * second == GRACE_US
