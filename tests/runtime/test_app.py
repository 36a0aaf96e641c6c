"""Functions become a crew, and runs on the real clock do what their plan says."""

from __future__ import annotations

import asyncio
import dataclasses
import threading
import types
from datetime import datetime
from decimal import Decimal

import pydantic
import pytest

import orchspec
from orchspec.compiler import compile_text
from orchspec.runtime.driver.beats import KEPT_EVERY_S, Beats
from orchspec.runtime.errors import BadInput, MissingHandlers, NotAllowed, RunMismatch, UnknownName
from orchspec.runtime.handlers import BadHandler
from orchspec.runtime.journal import MemoryStore, SQLiteStore
from orchspec.runtime.watching import Watcher

SPEC = """orch 1
type Draft { id: Text  score: Float }
contract Write(topic: Text) -> Draft { expects = "Write it."  ensures = result.score >= 0.5 }
contract Judge(draft: Draft) -> Bool { expects = "Is it good?" }
model small { input = $1 / 1M  output = $2 / 1M  context = 10k }
tool press { slots = 1 }
agent writer fulfills Write { models = [small]  tools = [press] }
agent poet fulfills Write { models = [small] }
human editor fulfills Judge {}
effect publish(draft: Draft) -> Url { key = draft.id }
flow write(topic: Text) -> Draft { step draft = Write(topic) by writer { attempts = 2 }  return draft }
flow two(topic: Text) -> Int {
  step both = Write(topic) by all of [writer, poet]
  return len(both)
}
flow many(topics: List<Text>) -> Int {
  step all_of_them = Write(topic) by writer for topic in topics
  return len(all_of_them)
}
flow post(topic: Text) -> Url {
  step draft = Write(topic) by writer
  step url = publish(draft: draft)
  return url
}
flow timed(topic: Text) -> Draft { step draft = Write(topic) by writer { attempts = 2  timeout = 20s }  return draft }
"""
GOOD = {"id": "a", "score": 0.9}


@pytest.fixture(scope="module")
def plan():
    compiled = compile_text(SPEC, "spec.orch")
    assert compiled.plan is not None, compiled.errors
    return compiled.plan


@pytest.fixture
def app(plan):
    return orchspec.App(plan)


def run(app, flow="write", inputs=None, **settings):
    return app.run_sync(flow, {"topic": "t"} if inputs is None else inputs, **settings)


# ------------------------------------------------------------------ binding


def test_an_unknown_name_is_refused_when_it_is_bound_with_the_nearest(app):
    with pytest.raises(UnknownName, match="no agent 'writter'; did you mean 'writer'"):
        app.agent("writter")(lambda task, topic: None)
    with pytest.raises(UnknownName, match="editor is a person"):
        app.agent("editor")(lambda task, draft: None)
    with pytest.raises(UnknownName, match="no effect 'x'; it has publish"):
        app.effect("x")(lambda call: None)
    with pytest.raises(UnknownName, match="no human"):
        app.human("writer")(lambda task, topic: None)
    with pytest.raises(UnknownName, match="no contract"):
        app.contract("write_")(lambda task, topic: None)


def test_a_function_that_cannot_take_the_parameters_is_refused_when_it_is_bound(app):
    with pytest.raises(BadHandler, match=r"cannot be called with \(task, topic\)"):
        app.agent("writer")(lambda task, title: None)
    with pytest.raises(BadHandler, match=r"cannot be called with \(call, draft\)"):
        app.effect("publish")(lambda draft: None)


def test_all_who_are_missing_are_named_before_anything_starts(app):
    with pytest.raises(MissingHandlers) as caught:
        run(app, "post")
    assert "the agent writer (for Write)" in caught.value.message
    assert "the effect publish" in caught.value.message
    assert "--stand-ins" in caught.value.message


def test_a_contract_s_function_serves_all_agents_but_those_with_their_own(app):
    asked = []

    @app.contract("Write")
    def write(task, topic):
        asked.append(("contract", task.agent))
        return GOOD

    @app.agent("poet")
    async def poet(task, topic):
        asked.append(("agent", task.agent))
        return GOOD

    assert run(app, "two").result == 2
    assert sorted(asked) == [("agent", "poet"), ("contract", "writer")]


def test_inputs_that_do_not_fit_are_refused_before_anything_starts(app):
    app.contract("Write")(lambda task, topic: GOOD)
    with pytest.raises(BadInput, match="topic"):
        run(app, inputs={})
    with pytest.raises(BadInput, match="no JSON"):
        run(app, inputs={"topic": object()})
    with pytest.raises(BadInput, match="by name"):
        run(app, inputs=["t"])
    with pytest.raises(UnknownName, match="no flow 'wite'"):
        run(app, "wite")
    with pytest.raises(BadInput, match="no name of a run"):
        run(app, run_id="a b")


# ------------------------------------------------------------------ tasks and outputs


def test_a_task_says_what_an_agent_may_want_to_know(app):
    seen = []

    @app.agent("writer")
    async def writer(task: orchspec.Task, topic: str):
        seen.append(task)
        return GOOD

    result = run(app, "timed", run_id="r")
    assert result.status == "completed"
    (task,) = seen
    assert (task.run, task.step, task.agent, task.contract, task.attempt) == ("r", "draft", "writer", "Write", 1)
    assert (task.expects, task.model, task.tools) == ("Write it.", "small", ("press",))
    assert (task.previous_error, task.history, task.inbox) == (None, [], [])
    assert isinstance(task.deadline, datetime)
    assert task.inputs == {"topic": "t"}
    assert task.budget_left.tokens is None or task.budget_left.tokens > 0
    assert len(task.key) == 64


def test_usage_is_charged_as_told_else_priced_by_the_model(app):
    app.agent("writer")(lambda task, topic: orchspec.Output(GOOD, 100, 10, "0.5"))
    assert (run(app).cost_usd, run(app).tokens) == ("0.5", 110)
    app.agent("writer")(lambda task, topic: orchspec.Output(GOOD, 1000, 500))
    assert run(app).cost_usd == "0.002"


@dataclasses.dataclass
class DataDraft:
    id: str
    score: Decimal | float


class ModelDraft(pydantic.BaseModel):
    id: str
    score: float


@pytest.mark.parametrize("output", [DataDraft("a", 0.9), ModelDraft(id="a", score=0.9)])
def test_models_and_dataclasses_become_json(app, output):
    app.agent("writer")(lambda task, topic: output)
    assert run(app).result == GOOD


def nested(levels):
    value = 1
    for _ in range(levels):
        value = [value]
    return value


@pytest.mark.parametrize(
    ("output", "message"),
    [
        ({"id": "a", "score": float("nan")}, "nan"),
        ({"id": object(), "score": 1.0}, "is no JSON"),
        ({1: "a"}, "text keys"),
        (nested(70), "nests deeper than 64"),
        ({"id": "x" * (17 << 20), "score": 1.0}, "16777216"),
        (orchspec.Output(GOOD, tokens_in=-1), "tokens_in"),
        (orchspec.Output(GOOD, tokens_out=True), "tokens_out"),
        (orchspec.Output(GOOD, cost_usd="free"), "cost_usd"),
        (orchspec.Output(GOOD, cost_usd=-1), "cost_usd"),
        ({"id": "a", "score": 0.1}, "ensures"),
        ({"id": "a"}, "score"),
    ],
)
def test_an_output_that_cannot_cross_fails_the_attempt_and_the_next_is_told_why(app, output, message):
    told = []

    @app.agent("writer")
    def writer(task, topic):
        told.append(task.previous_error)
        return output if task.attempt == 1 else GOOD

    assert run(app).status == "completed"
    assert told[0] is None
    assert message in told[1]


def test_an_exception_fails_the_attempt_with_its_type_and_a_clipped_message(app):
    @app.agent("writer")
    async def writer(task, topic):
        raise ValueError("nothing " * 200)

    result = run(app)
    assert (result.status, result.error["code"], result.error["step"]) == ("failed", "agent_error", "draft")
    assert result.error["message"].startswith("ValueError: nothing")
    assert len(result.error["message"]) < 600


@pytest.mark.parametrize("ending", [SystemExit(3), StopIteration(), KeyError()])
def test_an_agent_that_wants_to_end_the_process_ends_its_attempt(app, ending):
    @app.contract("Write")
    def write(task, topic):
        raise ending

    @app.agent("poet")
    async def poet(task, topic):
        raise ending

    for flow, code in (("write", "agent_error"), ("two", "need")):
        result = run(app, flow)
        assert (result.status, result.error["code"]) == ("failed", code)


def test_no_store_is_made_for_a_run_that_cannot_start(app, tmp_path):
    with pytest.raises(MissingHandlers):
        run(app, store=tmp_path / "runs.db")
    assert list(tmp_path.iterdir()) == []


def test_what_no_spec_declares_is_refused_with_what_to_do(app):
    refused = []

    @app.agent("writer")
    async def writer(task, topic):
        for ask in (lambda: task.effect("publish", draft=GOOD), lambda: task.send("news"), lambda: task.tool("web")):
            with pytest.raises(NotAllowed) as caught:
                ask()
            refused.append(caught.value.message)
        with pytest.raises(NotAllowed, match="async with"), task.tool("press"):
            pass
        return GOOD

    assert run(app).status == "completed"
    assert ["give it `effects" in refused[0], "channel" in refused[1], "it has press" in refused[2]] == [True] * 3


def test_a_tool_is_held_by_no_more_than_its_slots(app):
    inside, most = [], []

    @app.agent("writer")
    async def writer(task, topic):
        for _ in range(2):
            async with task.tool("press"):
                inside.append(task.step)
                most.append(len(inside))
                await asyncio.sleep(0)
                inside.remove(task.step)
        return GOOD

    assert run(app, "many", {"topics": ["a", "b", "c", "d"]}).result == 4
    assert (max(most), len(most)) == (1, 8)


def test_synchronous_agents_run_beside_each_other_and_take_tools_too(app):
    both = threading.Barrier(3, timeout=20)
    calls = []

    @app.agent("writer")
    def writer(task, topic):
        both.wait()
        with task.tool("press"):
            calls.append(task.step)
        return GOOD

    assert run(app, "many", {"topics": ["a", "b", "c"]}).result == 3
    assert len(calls) == 3


def test_heartbeats_are_heard(app):
    heard = []

    @app.agent("writer")
    def writer(task, topic):
        task.progress(0.5, "reading")
        with pytest.raises(ValueError, match="between 0 and 1"):
            task.progress(2)
        return GOOD

    run(app, run_id="r", heard=lambda *said: heard.append(said))
    assert heard == [("r", "draft", 0.5, "reading")]


def test_the_last_heartbeat_is_in_the_store_while_the_attempt_works_and_not_after_its_run(app, tmp_path):
    path = tmp_path / "runs.db"
    kept = threading.Event()
    seen = []

    class Store(SQLiteStore):
        def put_beats(self, *args):
            super().put_beats(*args)
            kept.set()

    @app.agent("writer")
    def writer(task, topic):
        task.progress(0.25, "searching")
        task.progress(0.5, "reading")
        assert kept.wait(30)
        other = SQLiteStore(path, create=False)  # as another process has it
        seen.extend(Watcher(other).look("r")[0].open)
        other.close()
        return GOOD

    store = Store(path)
    assert run(app, run_id="r", store=store).status == "completed"
    (step,) = seen
    assert (step.step, step.agent) == ("draft", "writer")
    assert (step.share, step.note) in {(0.25, "searching"), (0.5, "reading")}, (
        "the one that was the last when it was kept"
    )
    assert 0 <= step.silent_s < 60
    assert store.beats() == []
    store.close()


class Clockless:
    """A loop of a driver for `Beats` alone: what it writes is written at once, when the test says so."""

    def __init__(self):
        self.asyncio_loop = self
        self.lives = {"r": types.SimpleNamespace(kernel=types.SimpleNamespace(path="p{}".format))}
        self.epoch = 1
        self.closed = False
        self.now_s = 100.0
        self.timers = []

    def time(self):
        return self.now_s

    def call_later(self, wait_s, callback):
        self.timers.append((round(wait_s, 6), callback))
        return types.SimpleNamespace(cancel=self.timers.clear)

    def run_in_executor(self, _writer, function, *args):
        function(*args)
        return types.SimpleNamespace(add_done_callback=lambda _: None)

    def ring(self):
        wait_s, callback = self.timers.pop()
        assert not self.timers
        self.now_s += wait_s
        callback()
        return wait_s


def test_heartbeats_are_kept_once_a_second_the_last_of_each_attempt_until_it_is_over():
    loop, told, put = Clockless(), [], []
    store = types.SimpleNamespace(
        put_beats=lambda epoch, beats, over: put.append(([(each.place, each.share) for each in beats], over))
    )
    beats = Beats(loop, store, None, lambda *said: told.append(said))
    for share in (0.1, 0.2, 0.3):
        beats.heard("r", 1, 1, share, "")
    assert loop.ring() == 0, "the first one at once"
    beats.heard("r", 1, 1, 0.4, "")
    beats.heard("r", 2, 1, 0.5, "")
    beats.heard("r", 3, 1, 0.6, "")
    beats.over("r", 3)
    beats.over("r", 4)
    assert loop.ring() == KEPT_EVERY_S
    beats.over("r", 1)
    loop.ring()
    assert put == [([("p1", 0.3)], []), ([("p1", 0.4), ("p2", 0.5)], []), ([], [("r", "p1")])]
    assert len(told) == 6, "who listens in this process hears all of them"
    beats.heard("other", 1, 1, 0.5, "")
    loop.closed = True
    beats.heard("r", 2, 1, 0.9, "")
    assert not loop.timers


def test_a_late_agent_is_cancelled_and_asked_again(app):
    ended = []

    @app.agent("writer")
    async def writer(task, topic):
        if task.attempt == 1:
            try:
                await asyncio.Event().wait()
            finally:
                ended.append(task.stopped)
        return GOOD

    assert run(app, "timed", speed=200).status == "completed"
    assert ended == [True]


def test_a_thread_that_does_not_return_keeps_nobody_waiting_after_its_grace(app):
    release = threading.Event()

    @app.agent("writer")
    def writer(task, topic):
        if task.attempt == 1:
            release.wait(30)
        return GOOD

    result = run(app, "timed", speed=200)
    release.set()
    assert result.status == "completed"


# ------------------------------------------------------------------ effects


def test_an_effect_gets_its_key_and_its_receipt_counts(app):
    calls = []
    app.agent("writer")(lambda task, topic: GOOD)

    @app.effect("publish")
    async def publish(call: orchspec.EffectCall, draft):
        calls.append((call.key, call.step, call.attempt, draft))
        return "https://example.org/a"

    result = run(app, "post")
    assert (result.status, result.result, result.steps) == ("completed", "https://example.org/a", 2)
    assert [(len(key), *rest) for key, *rest in calls] == [(64, "url", 1, GOOD)]


def test_an_effect_that_raises_was_not_done_and_the_run_fails(app):
    app.agent("writer")(lambda task, topic: GOOD)

    @app.effect("publish")
    def publish(call, draft):
        raise RuntimeError("closed")

    result = run(app, "post")
    assert (result.status, result.error["code"]) == ("failed", "effect_refused")
    assert "closed" in result.error["message"]


@pytest.mark.parametrize("doubt", [orchspec.InDoubt("who knows"), orchspec.InDoubt, TimeoutError("late")])
def test_an_effect_in_doubt_is_sent_again_with_the_same_key(app, doubt):
    keys = []
    app.agent("writer")(lambda task, topic: GOOD)

    @app.effect("publish")
    async def publish(call, draft):
        keys.append(call.key)
        if len(keys) == 1:
            raise doubt
        return "https://example.org/a"

    assert run(app, "post", speed=100).status == "completed"
    assert len(keys) == 2
    assert len(set(keys)) == 1


def test_arguments_that_an_effect_does_not_take_are_not_sent(plan):
    text = SPEC.replace("effect publish(draft: Draft)", "effect publish(draft: Draft where draft.score > 2.0)")
    compiled = compile_text(text, "spec.orch")
    assert compiled.plan is not None, compiled.errors
    app = orchspec.App(compiled.plan)
    sent = []
    app.agent("writer")(lambda task, topic: GOOD)
    app.effect("publish")(lambda call, draft: sent.append(draft))
    result = run(app, "post")
    assert (result.status, result.error["code"], sent) == ("failed", "bad_input", [])


def test_a_receipt_that_is_none_fails_the_step_though_it_was_done(app):
    told = []
    app.agent("writer")(lambda task, topic: GOOD)
    app.effect("publish")(lambda call, draft: object())
    result = run(app, "post", tell=told.append)
    assert (result.status, result.error["code"]) == ("failed", "bad_receipt")
    assert "was done" in told[0]


# ------------------------------------------------------------------ one run for a name, one engine for a store


@pytest.mark.parametrize("kind", ["memory", "sqlite", "path"])
def test_the_same_run_id_twice_is_one_run(app, tmp_path, kind):
    path = tmp_path / "runs.db"
    store = {"memory": lambda: MemoryStore(encode=True), "sqlite": lambda: SQLiteStore(path), "path": lambda: path}[
        kind
    ]()
    asked = []

    @app.agent("writer")
    def writer(task, topic):
        asked.append(topic)
        return orchspec.Output(GOOD, 10, 10, "0.25")

    first = run(app, store=store, run_id="r")
    again = run(app, store=store, run_id="r")
    assert first == again
    assert asked == ["t"]
    with pytest.raises(RunMismatch, match="other inputs"):
        run(app, inputs={"topic": "u"}, store=store, run_id="r")
    with pytest.raises(RunMismatch, match="of the flow write"):
        run(app, "timed", store=store, run_id="r")


def test_concurrent_runs_on_one_store_share_an_engine(app, tmp_path):
    gate = asyncio.Event()
    inside = []

    @app.agent("writer")
    async def writer(task, topic):
        inside.append(task.run)
        if len(inside) == 8:
            gate.set()
        await gate.wait()
        return GOOD

    async def all_of_them():
        path = tmp_path / "runs.db"
        runs = [app.run("write", {"topic": "t"}, store=path, run_id=f"r{index}") for index in range(8)]
        same = app.run("write", {"topic": "t"}, store=path, run_id="r0")
        return await asyncio.gather(*runs, same)

    results = asyncio.run(all_of_them())
    assert [result.status for result in results] == ["completed"] * 9
    assert sorted(inside) == [f"r{index}" for index in range(8)]
    store = SQLiteStore(tmp_path / "runs.db")
    assert store.epoch() == 1
    store.close()


def test_who_looks_on_and_fails_does_not_stop_the_run(app):
    def fail(*said):
        raise RuntimeError("blind")

    @app.agent("writer")
    def writer(task, topic):
        task.progress(0.1)
        task.progress(0.2)
        return GOOD

    assert run(app, watch=fail, tell=fail, heard=fail).status == "completed"


def test_run_sync_within_a_loop_says_what_to_write(app):
    async def inside():
        run(app)

    with pytest.raises(RuntimeError, match=r"await app\.run"):
        asyncio.run(inside())


def test_app_takes_what_load_gives_and_nothing_else(tmp_path):
    path = tmp_path / "spec.orch"
    path.write_text(SPEC, "utf-8")
    spec = orchspec.load(path)
    assert orchspec.App(spec).plan.hash == spec.plan.hash
    with pytest.raises(TypeError, match="not a str"):
        orchspec.App("spec.orch")


def test_load_raises_all_that_is_wrong(tmp_path):
    path = tmp_path / "spec.orch"
    path.write_text(SPEC.replace("by writer {", "by writr {").replace("len(both)", "lenn(both)"), "utf-8")
    with pytest.raises(orchspec.SpecError) as caught:
        orchspec.load(path)
    assert len([each for each in caught.value.diagnostics if each.severity == "error"]) >= 2
    assert "writr" in str(caught.value)
