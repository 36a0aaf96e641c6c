"""What no checker may tell: a violation that is none."""

from orchspec.compiler import compile_text
from orchspec.simulator.chaos.chronicle import Chronicler
from orchspec.simulator.chaos.lines import read_fault
from orchspec.simulator.checkers import check_all

HEDGED = """orch 1
contract Check(q: Text) -> Text
agent ann fulfills Check { timeout = 30s  hedge = after(1s) }
flow checked(q: Text) -> Text {
  step found = Check(q) by ann
  return found
}
profile ann { latency = fixed(5s) }
"""
LOOPS = """orch 1
type Idea { text: Text  doubt: Float where doubt in 0.0..1.0 }
contract Lead(q: Text, so_far: List<Done>) -> Delegation<Idea>
contract Scout(q: Text) -> Idea
contract Talk(q: Text, so_far: Idea?) -> Turn<Idea>
agent boss fulfills Lead { timeout = 30s }
agent ann fulfills Scout, Talk { timeout = 20s }
agent bob fulfills Scout, Talk { timeout = 20s }
flow think(q: Text) -> Idea {
  let asked = q + "?"
  supervise led = Lead(asked) by boss { workers = [ann, bob]  rounds = 3  width = 2 }
  peers agreed = Talk(q) among [ann, bob] { start = ann  hops = 3  handoff ann -> bob  handoff bob -> ann }
  arbitrate best = [led, agreed] { decide = lowest(it.doubt) or first }
  return best
}
"""


def told(text, flow, *faults):
    plan = compile_text(text, "spec.orch").plan
    chronicler = Chronicler(plan, flow, folder=None, seed=5, runs=2, given={})
    return chronicler.chronicle([read_fault(f"fault {line}") for line in faults])


def test_an_unverified_output_beside_which_a_hedge_goes_on_was_not_taken():
    chronicle = told(HEDGED, "checked", "garbage(ann, nth: 1)")
    refused = [record for run in chronicle.runs.values() for record in run.records if record.type == "TaskFulfilled"]
    assert any(not record.decided for record in refused)
    assert not list(check_all(chronicle))


def test_two_loops_of_a_flow_are_each_held_to_their_own_limits():
    assert not list(check_all(told(LOOPS, "think")))


SECTION = """orch 1
contract Draft(q: Text) -> Text
agent ann fulfills Draft { timeout = 30s }
tool desk { slots = 2 }
flow post(q: Text) -> Text {
  step draft = Draft(q) by ann
  scope kept { tools = [desk]  give draft + "!" }
  return kept
}
"""
CHECKED = """orch 1
effect pay(q: Text) -> Text { check = paid(q: q)  settles = 5s  timeout = 3s }
effect paid(q: Text) -> Text? { idempotent = true  timeout = 3s }
flow buy(q: Text) -> Text { step receipt = pay(q)  return receipt }
profile pay { latency = fixed(12s) }
profile paid { latency = fixed(100ms) }
"""


def test_a_section_in_which_nothing_takes_time_is_given_back_at_once():
    chronicle = told(SECTION, "post")
    assert [run.status for run in chronicle.runs.values()] == ["completed", "completed"]
    assert not list(check_all(chronicle))


def test_what_settles_on_a_clock_that_was_set_may_land_once_more():
    chronicle = told(CHECKED, "buy", "skew(orchestrator, by: 45s, at: 3100ms, lasting: 10s)")
    assert any(each.twice for each in chronicle.applied)
    assert not list(check_all(chronicle))


OVERRUN = """orch 1
contract Draft(q: Text) -> Text
agent ann fulfills Draft { timeout = 30s  budget { tokens <= 2k } }
agent bob fulfills Draft { timeout = 30s  budget { tokens <= 2k } }
tool desk { slots = 2 }
flow posted(q: Text) -> Text {
  budget { tokens <= 10k }
  scope kept {
    tools = [desk]  timeout = 8s  attempts = 2
    step draft = Draft(q) by ann
    step other = Draft(q) by bob
    give draft + other
  }
  return kept
}
profile ann { latency = fixed(1s)  tokens_in = fixed(300)  tokens_out = fixed(50) }
profile bob { latency = fixed(20s) }
"""


def test_a_section_that_is_tried_again_reserves_nothing_of_a_budget_that_an_attempt_went_beyond():
    chronicle = told(OVERRUN, "posted", "overrun(ann, factor: 500, nth: 1)")
    assert "budget_exhausted" in [run.status for run in chronicle.runs.values()]
    assert not list(check_all(chronicle))
