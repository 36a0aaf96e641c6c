"""Loops that models drive, in virtual time: crashes change nothing, and made choices are ones that the loop permits."""

from dataclasses import replace

import pytest

from orchspec.compiler.plan import Fault
from orchspec.simulator.crashes import CRASH_POINTS
from tests.support.studies import gallery, plan_of, replicate, second, study

OFTEN = Fault(0, "crash", "orchestrator", {"every": 1200 * second, "down": 10 * second})


@pytest.mark.parametrize("name", ["research", "debate"])
@pytest.mark.parametrize("point", sorted(CRASH_POINTS))
def test_a_crash_at_every_point_changes_no_outcome(name, point):
    plan = gallery(name)
    scenario = replace(plan.scenarios[0], duration_us=3600 * second, warmup=0, faults=[])
    faults = [Fault(0, "crash", "orchestrator", {"point": point, "first": 7, "down": 20 * second}), OFTEN]
    made = replicate(plan, scenario, faults)
    assert made.disturbed.halted == []
    assert sum(effect.duplicates for effect in made.disturbed.effects) == 0
    ends = {run.ordinal: run.status for run in made.twin.runs}
    assert {run.ordinal: run.status for run in made.disturbed.runs} == ends


LEAD = """orch 1
contract Work(n: Int, by: Text?) -> Int
contract Lead(goal: Int, so_far: List<Done>) -> Delegation<Int>
contract Sub(so_far: List<Done>) -> Delegation<Int>
agent boss fulfills Lead
agent chief fulfills Sub
agent ann fulfills Work
flow main(start: Int) -> Int {
  supervise x = Lead(start) by boss { workers = [ann, chief]  rounds = ROUNDS  depth = DEPTH }
  return x
}
PROFILE
scenario "s" for main { runs = 60 }
"""


def led(rounds=4, depth=1, profile=""):
    workers = "[ann, chief]" if depth > 1 else "[ann]"
    text = LEAD.replace("ROUNDS", str(rounds)).replace("DEPTH", str(depth)).replace("[ann, chief]", workers)
    return study(text.replace("PROFILE", f"profile boss {{ {profile} }}" if profile else ""), seed=3)


def completion(found):
    ended = [run.status for made in found.replications for run in made.runs]
    return ended.count("completed") / len(ended)


def test_a_lead_without_a_profile_asks_once_and_answers():
    found = led()
    assert completion(found) == 1.0
    assert {run.attempts for made in found.replications for run in made.runs} == {5}


def test_a_lead_with_one_round_answers_at_once():
    assert completion(led(rounds=1)) == 1.0


def test_delegation_further_down_ends_too():
    assert completion(led(depth=3)) == 1.0


def test_a_profile_says_how_much_a_round_asks_for_and_how_likely_it_answers():
    found = led(profile="output = { tasks: size(fixed(7)), answer: chance(0%) }", rounds=2)
    assert completion(found) == 0.0
    assert completion(led(profile="output = { answer: chance(100%) }")) == 1.0


PEERS = """orch 1
contract Talk(goal: Int, so_far: Int?) -> Turn<Int>
agent ann fulfills Talk
agent bob fulfills Talk
flow main(start: Int) -> Int {
  peers x = Talk(start) among [ann, bob] {
    start = ann  hops = 2
    handoff ann -> bob when result > 4
    handoff bob -> ann
  }
  return x
}
scenario "s" for main { runs = 100 }
"""


def test_made_turns_hand_over_only_where_it_is_permitted_and_end():
    assert completion(study(PEERS, seed=3)) == 1.0


def test_a_peer_that_always_hands_over_uses_up_its_hops():
    profile = "profile ann { output = { to: chance(100%) } }\nprofile bob { output = { to: chance(100%) } }\n"
    assert 0.0 < completion(study(PEERS + profile, seed=3)) < 1.0


def test_a_profile_can_name_whom_it_hands_over_to():
    profile = 'profile ann { output = { to: choice("bob") } }\n'
    assert completion(study(PEERS + profile, seed=3)) == 1.0


def test_plans_with_loops_come_back_from_json():
    from orchspec.compiler.plan import plan_from_json

    plan = plan_of(PEERS)
    assert plan_from_json(plan.as_json()) == plan
