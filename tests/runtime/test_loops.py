"""Loops that models drive, with handlers and a store: what handlers are told."""

import pytest

import orchspec
from orchspec.compiler import compile_text
from orchspec.runtime.journal import SQLiteStore

SPEC = """orch 1
contract Work(n: Int) -> Int
contract Lead(goal: Int, so_far: List<Done>) -> Delegation<Int>
contract Talk(goal: Int, so_far: Int?) -> Turn<Int>
agent boss fulfills Lead
agent ann fulfills Work, Talk
agent bob fulfills Work, Talk
flow led(goal: Int) -> Int {
  supervise x = Lead(goal) by boss { workers = [ann, bob]  rounds = 3  attempts = 2 }
  return x
}
flow talked(goal: Int) -> Int {
  peers x = Talk(goal) among [ann, bob] { start = ann  hops = 4  handoff ann -> bob  handoff bob -> ann }
  return x
}
"""


@pytest.fixture
def app():
    compiled = compile_text(SPEC, "spec.orch")
    assert compiled.plan is not None, compiled.errors
    made = orchspec.App(compiled.plan)
    made.contract("Work")(lambda task, n: n * (2 if task.agent == "ann" else 3))
    return made


def test_a_lead_is_told_whom_it_may_ask_what_came_and_what_was_wrong(app):
    seen = []

    @app.agent("boss")
    def boss(task, goal, so_far):
        seen.append((task.may_ask, task.turns_left, task.previous_error, [each["result"] for each in so_far]))
        if so_far:
            return {"tasks": [], "answer": sum(each["result"] for each in so_far)}
        to = "zed" if task.attempt == 1 else "bob"
        return {"tasks": [{"contract": "Work", "to": to, "input": {"n": goal}}], "answer": None}

    app.contract("Talk")(lambda task, goal, so_far: None)
    result = app.run_sync("led", {"goal": 5})
    assert (result.status, result.result) == ("completed", 15)
    assert [may for may, _, _, _ in seen] == [{"Work": ("ann", "bob"), "Talk": ("ann", "bob")}] * 3
    assert [(left, came) for _, left, _, came in seen] == [(3, []), (3, []), (2, [15])]
    assert seen[0][2] is None
    assert "'zed', who is no worker here" in seen[1][2]


def test_a_peer_is_told_to_whom_it_may_hand_over_and_what_was_said_last(app, tmp_path):
    said = []

    @app.contract("Talk")
    def talk(task, goal, so_far):
        said.append((task.agent, so_far, task.may_hand_to, task.turns_left))
        value = (so_far or goal) + 1
        return {"value": value, "to": None if value > goal + 2 else task.may_hand_to[0]}

    app.agent("boss")(lambda task, goal, so_far: None)
    result = app.run_sync("talked", {"goal": 5}, store=SQLiteStore(tmp_path / "runs.db"), run_id="r")
    assert (result.status, result.result) == ("completed", 8)
    assert said == [("ann", None, ("bob",), 4), ("bob", 6, ("ann",), 3), ("ann", 7, ("bob",), 2)]
