"""Effects of agents in virtual time: sampled from profiles, once whatever strikes, undone with what is discarded."""

from __future__ import annotations

from dataclasses import replace

import pytest

from orchspec.compiler import compile_text
from orchspec.compiler.plan import Fault
from tests.support.studies import plan_of, replicate, second

DESK = """
orch 1
contract Reply(id: Text) -> Text
contract Look(id: Text) -> Bool
agent ann fulfills Reply { effects = [refund, pay, tag]  timeout = 10min }
human eve fulfills Look { slots = 100 }
effect refund(id: Text, why: Text) -> Text { key = id  undo = charge(receipt: result)  timeout = 3s }
effect charge(receipt: Text) { key = receipt  timeout = 3s }
effect paid(id: Text) -> Text? { idempotent = true }
effect pay(id: Text) -> Text { check = paid(id: id)  settles = 5s  timeout = 3s }
effect tag(line: Text) { idempotent = true  timeout = 3s }
flow desk(id: Text) -> Text {
  step answer = Reply(id) by ann { attempts = 9 }
  return answer
}
profile ann { latency = fixed(20s)  effects = { refund: 30%, pay: 50%, tag: 100% } }
scenario "load" for desk { arrivals = poisson(20 / 1min)  duration = 20min }
"""
MESSAGES = [
    Fault(0, name, target, {"rate": 0.1}) for name in ("lose", "lose_ack") for target in ("refund", "pay", "tag")
]


def crash(**args):
    return Fault(0, "crash", "orchestrator", {"every": 47 * second, "down": 3 * second, **args})


def seen(made, name):
    return next(effect for effect in made.disturbed.effects if effect.name == name)


def simulate(*faults, text=DESK):
    plan = plan_of(text)
    made = replicate(plan, plan.scenarios[0], list(faults))
    assert made.disturbed.halted == []
    return made


def assert_single(made):
    assert [(effect.name, effect.duplicates, effect.lost) for effect in made.disturbed.effects] == [
        (effect.name, 0, 0) for effect in made.disturbed.effects
    ]
    assert {run.status for run in made.disturbed.runs} == {"completed"}


def test_agents_do_as_often_what_their_profile_says():
    made = simulate()
    runs = seen(made, "tag").applied
    assert 0.24 < seen(made, "refund").applied / runs < 0.36
    assert 0.43 < seen(made, "pay").applied / runs < 0.57
    assert_single(made)


def test_an_agent_waits_for_its_effect():
    made = simulate(text=DESK.replace("profile ann", "profile pay { latency = fixed(2s) }\nprofile ann"))
    latencies = {round(run.latency_s) for run in made.disturbed.runs}
    assert latencies <= {21, 22, 23, 24}  # 20 s of its own, 1 s for a tag, 1 s for a refund, 2 s for a payment
    assert len(latencies) > 2


@pytest.mark.parametrize("point", [None, "before_commit", "after_commit", "before_effect", "after_effect", "recovery"])
def test_effects_of_agents_land_once_through_crashes_and_lost_messages(point):
    made = simulate(crash(**({"point": point} if point else {})), *MESSAGES)
    assert_single(made)
    assert sum(run.in_flight_at_crash for run in made.disturbed.runs) > 20


@pytest.mark.parametrize("name", ["crash_before_effect", "crash_after_effect"])
def test_an_agent_that_dies_around_its_effect_does_it_once_in_the_end(name):
    made = simulate(Fault(0, name, "ann", {"rate": 0.3}))
    calm = simulate()
    assert_single(made)
    for each in ("refund", "pay"):  # a retry may draw one that the first attempt did not, never another of its kind
        assert seen(made, each).applied <= seen(calm, each).applied * 1.6
    assert sum(run.retries for run in made.disturbed.runs) > 100


def test_an_agent_that_always_dies_after_its_effect_has_it_taken_back():
    text = DESK.replace("effects = { refund: 30%, pay: 50%, tag: 100% }", "effects = { refund: 100% }")
    plan = plan_of(text.replace("attempts = 9", "attempts = 2"))
    made = replicate(plan, plan.scenarios[0], [Fault(0, "crash_after_effect", "ann", {})])
    still_under_way = seen(made, "refund").applied - seen(made, "charge").applied
    assert 0 <= still_under_way < 10
    assert seen(made, "charge").applied > 100
    assert {run.status for run in made.disturbed.runs} == {"failed"}


def test_one_seed_gives_the_same_whatever_crashes():
    plan = plan_of(DESK)
    calm = replicate(plan, plan.scenarios[0], [])
    crashed = replicate(plan, plan.scenarios[0], [crash()])
    assert seen(calm, "refund").applied == pytest.approx(seen(crashed, "refund").applied, abs=3)


@pytest.mark.parametrize("name", ["crash_before_effect", "crash_after_effect"])
def test_a_fault_around_effects_needs_an_agent_that_does_some(name):
    text = DESK.replace("effects = [refund, pay, tag]", "")
    text = text.replace("  effects = { refund: 30%, pay: 50%, tag: 100% }", "")
    text = text.replace("duration = 20min", f"duration = 20min  fault {name}(ann)")
    assert [item.code.id for item in compile_text(text, "desk.orch").errors] == ["E0912"]


def test_faults_of_messages_leave_the_draws_of_others_alone():
    plan = plan_of(DESK)
    scenario = replace(plan.scenarios[0], duration_us=300 * second)
    calm, slow = replicate(plan, scenario, []), replicate(plan, scenario, [Fault(0, "delay", "tag", {"by": second})])
    assert [run.arrived_s for run in calm.disturbed.runs] == [run.arrived_s for run in slow.disturbed.runs]
