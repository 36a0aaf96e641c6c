"""Outages, errors, quotas, short capacity, what hangs or does not hear; scaling, hedges and sections in a load."""

import math

import pytest

from orchspec.compiler import compile_text
from orchspec.simulator.document import Subject, build
from orchspec.simulator.kpis import Measures
from orchspec.simulator.laws import check_laws
from orchspec.simulator.replicate import Stage

HEAD = """orch 1
model big { input = $1 / 1M  output = $1 / 1M }
contract Draft(topic: Text) -> Text
agent ann fulfills Draft { models = [big]  LIMITS }
agent bob fulfills Draft { models = [big]  tools = [ledger] }
tool ledger { slots = 1 }
effect publish(note: Text) -> Text { key = note  timeout = 5s  attempts = 3  backoff = fixed(2s) }
profile ann { latency = fixed(10s)  cost = $1 }
profile bob { latency = fixed(10s)  calls = { ledger: fixed(1) } }
profile ledger { latency = fixed(2s) }
profile publish { latency = fixed(1s) }
"""
STEP = 'step got = Draft("a") by ann { SETTINGS }\n  return got'


def replicate(load, body=STEP, limits="", settings="", index=0):
    body = body.replace("SETTINGS", settings)
    text = f'{HEAD.replace("LIMITS", limits)}flow main() -> Text {{\n  {body}\n}}\nscenario "s" for main {{ {load} }}\n'
    found = compile_text(text, "s.orch")
    assert not found.errors, found.errors
    plan = found.plan
    made = Stage(plan, plan.scenarios[0], 7, None, 1).replicate(index).disturbed
    assert made.halted == []
    return made


def latencies(made):
    return [round(run.latency_s, 3) for run in made.runs]


EVERY = "arrivals = every(20s)  duration = 100s"


def test_during_an_outage_nobody_answers_and_what_was_under_way_breaks():
    made = replicate(f"{EVERY}  fault outage(ann, at: 25s, lasting: 30s)", settings='on_failure = use("none")')
    assert latencies(made) == [5, 0.1, 10, 10, 10] or latencies(made)[1:3] == [5, 0.1]
    assert all(run.status == "completed" for run in made.runs)
    cost = [run.cost_usd for run in made.runs]
    assert min(cost) == 0
    assert any(0 < each < 1 for each in cost), "what was done before the connection broke was paid for"


def test_retries_outlive_an_outage():
    made = replicate(f"{EVERY}  fault outage(ann, at: 19s, lasting: 15s)", settings="attempts = 5  backoff = fixed(5s)")
    assert all(run.status == "completed" for run in made.runs)
    assert sum(run.retries for run in made.runs) >= 3


def test_a_correlated_outage_strikes_all_who_run_on_the_model():
    body = 'step got = Draft("a") by first of [ann, bob] { on_failure = use("none") }\n  return got'
    for who in ("big", "[ann, bob]", "ann, bob"):
        made = replicate(f"{EVERY}  fault correlated_outage({who}, at: 0s, lasting: 50s)", body)
        assert latencies(made)[:2] == [0.1, 0.1], who
        assert latencies(made)[-1] == 10


def test_a_server_error_costs_nothing_and_is_tried_again():
    made = replicate(f"{EVERY}  fault server_error(ann, first: 2)", settings="attempts = 3")
    assert sorted(latencies(made)) in ([10, 10, 10, 10, 10.2], [10, 10, 10, 10.1, 10.1])
    assert {run.cost_usd for run in made.runs} == {1}


def test_a_server_error_of_an_effect_leaves_a_doubt_that_the_key_settles():
    body = 'step got = publish(note: "a" + "b")\n  return got'
    made = replicate(f"{EVERY}  fault server_error(publish, rate: 50%)", body)
    assert all(run.status == "completed" for run in made.runs)
    assert sum(effect.duplicates for effect in made.effects) == 0


def test_a_quota_serves_so_many_and_says_when_there_is_more():
    load = "arrivals = every(10s)  duration = 60s  fault quota(ann, limit: 2, every: 30s)"
    made = replicate(load, settings="attempts = 3")
    assert all(run.status == "completed" for run in made.runs)
    assert max(latencies(made)) > 10.1, "who came too late was told to wait for the next one"
    refused = replicate("arrivals = every(10s)  duration = 60s  fault quota(ann, at: 5s, lasting: 20s)")
    assert sum(run.status == "failed" for run in refused.runs) == 2


def test_what_hangs_ends_by_its_timeout_alone():
    made = replicate(f"{EVERY}  fault hang(ann, first: 1)", settings="timeout = 15s  attempts = 2")
    assert sorted(latencies(made)) == [10, 10, 10, 10, 25]
    stuck = replicate(f"{EVERY}  fault hang(ann, first: 1)")
    assert sum(math.isinf(run.latency_s) for run in stuck.runs) == 1


def test_a_tool_that_hangs_keeps_its_caller():
    body = 'step got = Draft("a") by bob { timeout = 15s  attempts = 2 }\n  return got'
    made = replicate(f"{EVERY}  fault hang(ledger, first: 1)", body)
    *others, struck = sorted(latencies(made))
    assert others == [10, 10, 10, 10]
    assert 25 <= struck <= 27, "its second attempt may wait for the ledger, for one call at most"


def test_a_zombie_does_not_hear_and_is_paid_for_late():
    settings = "timeout = 15s  attempts = 2"
    made = replicate(f"{EVERY}  fault zombie(ann, first: 1, by: 7s)", settings=settings)
    assert sorted(latencies(made)) == [10, 10, 10, 10, 25]
    assert sorted(run.cost_usd for run in made.runs) == [1, 1, 1, 1, 2]


def test_short_capacity_makes_attempts_wait_at_the_agents_door():
    load = "arrivals = every(5s)  duration = 60s  fault capacity(ann, to: 1, at: 0s, lasting: 40s)"
    made = replicate(load)
    assert latencies(made)[:4] != [10, 10, 10, 10]
    assert max(latencies(made)) > 20
    assert latencies(made)[-1] <= 15
    impatient = replicate(load, settings='timeout = 12s  on_failure = use("none")')
    assert max(latencies(impatient)) <= 12


def test_elastic_slots_are_there_when_they_are_needed_and_busy_by_what_is_there():
    load = "arrivals = burst(calm: 1 / 1min, peak: 60 / 1min, every: 10min, lasting: 2min)  duration = 1h"
    elastic, least, most = (replicate(load, limits=f"slots = {slots}") for slots in ("1..20", "1", "20"))
    mean = [sum(latencies(made)) / len(made.runs) for made in (elastic, least, most)]
    assert mean[2] < mean[0] < mean[1] / 4
    busy = [Measures([made]).estimate("utilization", target="ann").value for made in (elastic, most)]
    assert busy[0] > 1.5 * busy[1]
    assert all(check.ok is not False for check in check_laws(Measures([elastic])))
    pools = [build(Subject("a day", "desk", 3, ""), Measures([made]))["pools"]["ann"] for made in (elastic, most)]
    assert [pool.get("elastic") for pool in pools] == [True, None]


def test_a_hedge_cuts_the_tail():
    load = "arrivals = every(20s)  duration = 1000s  fault slow(ann, rate: 20%, factor: 10)"
    plain, hedged = replicate(load), replicate(load, settings="hedge = after(p95)")
    assert sum(latency > 21 for latency in latencies(hedged)) < sum(latency > 21 for latency in latencies(plain)) / 2
    assert sum(run.cost_usd for run in hedged.runs) > sum(run.cost_usd for run in plain.runs)


@pytest.mark.parametrize("fault", ["", "fault crash(orchestrator, every: 37s, down: 3s)"])
def test_a_section_serializes_and_tools_inside_are_its_own(fault):
    body = 'scope s { tools = [ledger]\n step got = Draft("a") by bob\n give got }\n  return s'
    made = replicate(f"arrivals = every(5s)  duration = 60s  {fault}", body)
    assert all(run.status == "completed" for run in made.runs)
    if not fault:
        assert latencies(made)[:3] == [10, 15, 20] or latencies(made)[:2] == [10, 15]


def test_the_rate_of_an_effect_is_kept_in_a_load_with_crashes():
    body = 'step got = publish(note: "a" + "b") { rate = 1 / 10s }\n  return got'
    made = replicate("arrivals = every(5s)  duration = 60s  fault crash(orchestrator, every: 31s, down: 2s)", body)
    assert all(run.status == "completed" for run in made.runs)
    assert sum(effect.duplicates for effect in made.effects) == 0
