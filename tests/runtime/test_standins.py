"""Stand-ins play what profiles say: the same seed plays the same run, people keep their hour."""

from __future__ import annotations

import asyncio

import pytest

import orchspec
from orchspec.compiler import compile_text
from orchspec.runtime.journal import MemoryStore
from orchspec.runtime.needs import needs_of
from orchspec.runtime.standins import columns_needed

SPEC = """orch 1
type Draft { id: Text  score: Float }
type Review { ok: Bool }
contract Write(topic: Text) -> Draft { expects = "Write it."  ensures = result.score >= 0.2 }
contract Judge(draft: Draft) -> Review { expects = "Is it good?" }
tool press { slots = 1 }
agent writer fulfills Write { tools = [press] }
agent poet fulfills Write {}
human editor fulfills Judge {}
human chief fulfills Judge {}
effect publish(draft: Draft) -> Url { key = draft.id  undo = retract(url: result) }
effect retract(url: Url) { key = url }
flow inner(topic: Text) -> Draft {
  step draft = Write(topic) by writer { attempts = 10  on_failure = ask(poet, within: 1h) or stop }
  return draft
}
flow outer(topics: List<Text>) -> Url {
  step drafts = Write(topic) by writer for topic in topics { attempts = 10 }
  step draft = inner("x")
  repeat judged 2 times {
    step review = Judge(draft) by editor
    until review.ok
    give review
  }
  step url = publish(draft: draft)
  return url
}
flow asked(topic: Text) -> Bool {
  step draft = Write(topic) by poet
  step review = Judge(draft) by chief { timeout = 1h }
  return review.ok
}
profile writer {
  latency = uniform(1s, 3s)  failure = 30%  garbage = 20%  tokens_in = fixed(100)  tokens_out = fixed(10)
  cost = $0.01  calls = { press: uniform(1, 2) }  output = { score: uniform(0.3, 0.9) }
}
profile editor { latency = fixed(10min)  output = { ok: chance(100%) } }
profile chief { never = 100% }

"""


@pytest.fixture(scope="module")
def plan():
    compiled = compile_text(SPEC, "spec.orch")
    assert compiled.plan is not None, compiled.errors
    return compiled.plan


def play(plan, seed, flow="outer", given=None, **settings):
    store = MemoryStore(encode=True)
    given = {"topics": ["a", "b", "c"]} if given is None else given
    result = orchspec.App(plan).run_sync(
        flow, given, stand_ins=True, seed=seed, speed=2_000, store=store, run_id="r", **settings
    )
    return result, store


def test_the_same_seed_plays_the_same_run_and_another_seed_another(plan):
    first, store = play(plan, 7)
    again, _ = play(plan, 7)
    other, _ = play(plan, 8)
    assert first.status == "completed", first.error
    assert (first.result, first.cost_usd, first.tokens, first.steps) == (
        again.result,
        again.cost_usd,
        again.tokens,
        again.steps,
    )
    assert first.result != other.result
    kinds = [record.type for record in store.records("r")]
    assert "TaskFailed" in kinds
    assert any(record.body.get("tool_calls") for record in store.records("r"))
    assert store.run("r").options == {"stand_ins": True, "speed": 2000}


def test_functions_go_before_stand_ins(plan):
    app = orchspec.App(plan)
    app.agent("poet")(lambda task, topic: {"id": "mine", "score": 1.0})
    app.human("chief")(lambda task, draft: {"ok": draft["id"] == "mine"})
    assert app.run_sync("asked", {"topic": "t"}, stand_ins=True, speed=100).result is True


def test_a_person_who_never_answers_runs_into_the_deadline(plan):
    result, store = play(plan, 1, "asked", {"topic": "t"})
    assert (result.status, result.error["code"]) == ("failed", "timeout")
    assert store.questions() == []


def test_a_person_answers_at_their_hour_however_often_they_are_asked_again(plan):
    store = MemoryStore(encode=True)
    app = orchspec.App(plan)

    async def interrupted_while_asked():
        from orchspec.runtime.driver.hubs import interrupt_all

        asked = asyncio.Event()

        def watch(record):
            if store.questions():
                asked.set()

        running = asyncio.ensure_future(
            app.run("outer", {"topics": []}, stand_ins=True, seed=3, speed=200, store=store, run_id="r", watch=watch)
        )
        await asked.wait()
        store.questions()
        stopping = asyncio.ensure_future(interrupt_all())
        await asyncio.gather(running, stopping, return_exceptions=True)

    with pytest.MonkeyPatch.context() as monkey:
        monkey.setattr("orchspec.runtime.driver.hub._GRACE_S", 0.01)
        asyncio.run(interrupted_while_asked())
    asked_us = store.questions()[0].asked_us
    result = asyncio.run(app.resume(store, "r"))
    assert result.status == "completed", result.error
    answered = next(record for record in store.records("r") if record.type == "QuestionAnswered")
    assert answered.time_us - asked_us < 700_000_000, "ten minutes since it was asked first, not since the last time"


def test_whom_a_flow_needs_is_found_through_chains_rounds_and_called_flows(plan):
    needs = needs_of(plan, "outer")
    assert list(needs.agents) == [("writer", "Write"), ("poet", "Write")]
    assert list(needs.humans) == [("editor", "Judge")]
    assert sorted(needs.effects) == ["publish", "retract"]


def test_columns_of_files_are_found_in_profiles(plan):
    from dataclasses import replace

    from orchspec.compiler.plan import Profile

    profile = Profile("writer", ["empirical", "a.csv", "latency"], output={"score": ["empirical", "a.csv", "score"]})
    assert columns_needed(replace(plan, profiles={"writer": profile})) == {("a.csv", "latency"), ("a.csv", "score")}
