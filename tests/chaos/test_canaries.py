"""Planted bugs in kernel, dispatcher, ledger, journal and engine: what is drawn by default finds each, by its checker.

A checker that finds none of ours when nothing is planted proves nothing; these prove it. Each is planted by a patch in
the test alone. `-s` prints how many schedules it took and how long; `python bench/canaries.py` prints all as a table.
"""

import pytest

from orchspec.compiler import compile_text
from orchspec.compiler.load import compile_file
from orchspec.proving import proven_of
from orchspec.runtime.kernel.program import Program
from orchspec.simulator.chaos.explore import Explorer
from orchspec.simulator.chaos.lines import fault_lines
from tests.support.hunting import DEFAULT, SPECS, hunt
from tests.support.planted import (
    CANARIES,
    SLOW,
    confirmed_unasked,
    no_width,
    one_slot_too_many,
    reserves_nothing,
    serves_at_the_next_poll,
    waits_twice,
)

SPEC = """orch 1
decision release
type Note { text: Text  score: Float where score in 0.0..1.0 }
contract Write(topic: Text) -> Note
contract Judge(note: Note) -> Note { owns = release }
agent ann fulfills Write { slots = 1  attempts = 3  timeout = 30s  budget { tokens <= 2k  cost <= $0.10 } }
agent bob fulfills Write { slots = 2  attempts = 2  timeout = 30s  budget { tokens <= 2k  cost <= $0.10 } }
human eve fulfills Judge { slots = 1 }
effect reserve(id: Text) -> Text { key = id  undo = release_it(id: id)  timeout = 10s  attempts = 2 }
effect release_it(id: Text) { key = id  timeout = 10s }
effect post(id: Text) -> Text { key = id  timeout = 10s  attempts = 2 }
flow main(topic: Text) -> Text {
  budget { cost <= $0.40  tokens <= 9k }
  step place = reserve(topic)
  step one = Write(topic) by ann
  step more = Write(part) by bob for part in [topic, "b", "c"] { width = 2  need = 1 }
  step best = Judge(note: one) by eve
  fail "not good" when best.score < 0.05
  step sent = post(topic + best.text)
  return sent
}
profile ann { latency = uniform(1s, 4s)  tokens_in = fixed(500)  cost = $0.05 }
profile bob { latency = uniform(1s, 4s)  tokens_in = fixed(500)  cost = $0.05 }
profile eve { latency = uniform(5s, 20s) }
profile post { latency = uniform(1s, 2s) }
"""


PLANTS = {**CANARIES, **SLOW}
FOUND_IN = {
    reserves_nothing: "briefing",
    one_slot_too_many: "briefing",
    no_width: "briefing",
    serves_at_the_next_poll: "desk",
    waits_twice: "reminder",
}
"""Those that take more than refunds: a budget, slots that run short, a fan-out, a wait."""


def explored_by(**how):
    compiled = compile_text(SPEC, "canary.orch")
    assert compiled.plan is not None, compiled.errors
    Program.COMPILED.clear()  # what is planted where blocks are compiled must not meet an older compilation
    proven = proven_of(compiled.plan, "main")
    explored = Explorer(compiled.plan, "main", seed=2, runs=2, proven=proven).explore(**how)
    Program.COMPILED.clear()
    return explored


def test_nothing_is_found_where_nothing_is_planted():
    explored = explored_by(crashes=True, examples=DEFAULT)
    assert [(found.violation.number, found.violation.message) for found in explored.found] == []
    assert explored.statuses.keys() <= {"completed", "failed", "budget_exhausted"}
    assert explored.statuses["completed"] > 100


@pytest.mark.parametrize("plant", PLANTS, ids=lambda plant: plant.__name__)
def test_a_planted_bug_is_found_by_what_orch_chaos_draws_by_default_in_the_gallery(plant):
    catch = hunt(plant, PLANTS[plant], [FOUND_IN.get(plant, "refund")])
    assert catch is not None
    print(f"{plant.__name__}: {catch.number} in {catch.spec} after {catch.after} schedules, {catch.seconds:.2f} s")
    assert catch.faults <= max(1, catch.were)


def test_what_is_found_is_shrunk_to_few_faults(monkeypatch):
    confirmed_unasked(monkeypatch)
    explored = explored_by(examples=DEFAULT, until=lambda found: found.violation.number == "S2")
    lost = [each for each in explored.found if each.violation.number == "S2"]
    assert min(len(each.faults) for each in lost) == 1


@pytest.mark.parametrize("name", ["refund", "briefing", "desk"])
def test_every_crash_point_of_the_gallery_is_explored_and_holds(name):
    plan = compile_file(SPECS / f"{name}.orch").plan
    assert plan is not None
    flow = next(iter(plan.flows))
    explored = Explorer(plan, flow, folder=SPECS, seed=3).explore(crashes=True)
    assert [(each.violation.number, each.violation.message) for each in explored.found] == []
    (points,) = [phase for phase in explored.phases if phase.name == "crash points"]
    print(f"{name}: {points.tried} of {points.known} crash points explored")
    assert points.tried == points.known > 25


@pytest.mark.chaos
@pytest.mark.parametrize("path", sorted(SPECS.glob("*.orch")), ids=lambda path: path.stem)
def test_the_gallery_holds_under_every_single_fault_pairs_and_drawn_ones(path):
    plan = compile_file(path).plan
    assert plan is not None
    for flow in plan.flows:
        given = next((scenario.given for scenario in plan.scenarios if scenario.flow == flow), {})
        explorer = Explorer(plan, flow, folder=SPECS, given=given, proven=proven_of(plan, flow))
        explored = explorer.explore(exhaustive=True, examples=15, pairs=15)
        found = [(each.violation.number, each.violation.message, fault_lines(each.faults)) for each in explored.found]
        assert found == [], flow
