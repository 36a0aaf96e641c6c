"""Persistent minds on the real clock, through a real store and several processes' worth of engines."""

import asyncio

import pytest

import orchspec
from orchspec.compiler import compile_text
from orchspec.runtime.errors import OrchError
from orchspec.runtime.journal import SQLiteStore

SPEC = """orch 1
contract Reply(who: Text, text: Text) -> Text
contract Condense(history: Text) -> Text
agent clerk  fulfills Reply { timeout = 30s  session = persistent(by: who)  context = 60  fold = Condense }
agent scribe fulfills Condense { timeout = 30s }
flow support(who: Text, text: Text) -> Text {
  step answer = Reply(who, text) by clerk
  return answer
}
"""


def app(read, folded):
    made = orchspec.App(compile_text(SPEC, "spec.orch").plan)

    @made.agent("clerk")
    async def clerk(task, who, text):
        read.append([(turn.inputs.get("text"), turn.output, turn.folded) for turn in task.history])
        return orchspec.Output(f"re {text}", tokens_in=10 + 20 * len(task.history), tokens_out=10)

    @made.agent("scribe")
    async def scribe(task, history):
        folded.append(history)
        return orchspec.Output("in short", tokens_in=50, tokens_out=5)

    return made


def test_a_mind_outlives_runs_and_processes_and_is_folded_when_it_grows(tmp_path):
    path = tmp_path / "runs.db"
    read, folded = [], []
    for number, who in enumerate(("ann", "bob", "ann", "ann", "ann")):
        result = app(read, folded).run_sync("support", {"who": who, "text": str(number)}, store=str(path))
        assert result.status == "completed", result.error
    assert read == [[], [], [("0", "re 0", 0)], [("0", "re 0", 0), ("2", "re 2", 0)], [(None, "in short", 3)]]
    (lines,) = folded
    assert lines.splitlines()[0] == '{"inputs":{"text":"0","who":"ann"},"output":"re 0"}'
    store = SQLiteStore(path, create=False)
    assert [turn.output for turn in store.turns("clerk/ann")] == ["in short", "re 4"]
    assert [turn.output for turn in store.turns("clerk/bob")] == ["re 1"]
    store.close()


def test_runs_side_by_side_take_turns_with_one_mind(tmp_path):
    read, folded = [], []
    made = app(read, folded)

    async def both():
        store = str(tmp_path / "runs.db")
        asked = [made.run("support", {"who": "ann", "text": text}, store=store) for text in "xy"]
        return await asyncio.gather(*asked)

    assert [result.status for result in asyncio.run(both())] == ["completed", "completed"]
    assert read[0] == []
    assert len(read[1]) == 1


def test_who_summarizes_is_needed_before_a_run_starts(tmp_path):
    made = orchspec.App(compile_text(SPEC, "spec.orch").plan)
    made.agent("clerk")(lambda task, who, text: "x")
    with pytest.raises(OrchError, match="scribe") as caught:
        made.run_sync("support", {"who": "ann", "text": "t"}, store=str(tmp_path / "runs.db"))
    assert caught.value.code == "missing_handlers"
