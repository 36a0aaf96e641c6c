"""The driver keeps its word when people answer late, stores fail, engines change and somebody presses Ctrl-C."""

from __future__ import annotations

import asyncio
import itertools
import threading

import pytest

import orchspec
from orchspec.compiler import compile_text
from orchspec.runtime import reopening
from orchspec.runtime.driver import commits
from orchspec.runtime.driver import hub as hubs
from orchspec.runtime.driver.clock import Clock, wall_us
from orchspec.runtime.driver.hubs import hub_for, interrupt_all
from orchspec.runtime.driver.live import Request
from orchspec.runtime.errors import (
    CorruptStore,
    Fenced,
    Interrupted,
    LeaseHeld,
    ReplayMismatch,
    StoreBusy,
    StoreError,
    UnknownRun,
)
from orchspec.runtime.journal import MemoryStore
from orchspec.runtime.journal.records import Owner
from orchspec.runtime.kernel.events import EffectConfirmed, RunStarted

SPEC = """orch 1
type Draft { id: Text  body: Text }
type Review { ok: Bool  notes: Text }
contract Write(topic: Text) -> Draft { expects = "Write it." }
contract Judge(draft: Draft) -> Review { expects = "Is it good?" }
agent writer fulfills Write {}
human editor fulfills Judge {}
effect publish(draft: Draft) -> Url { key = draft.id  undo = retract(url: result) }
effect retract(url: Url) { key = url }
flow post(topic: Text) -> Url {
  step draft = Write(topic) by writer
  step url = publish(draft: draft)
  return url
}
flow judged(topic: Text) -> Bool {
  step draft = Write(topic) by writer
  step review = Judge(draft) by editor { timeout = 1h }
  return review.ok
}
flow withdrawn(topic: Text) -> Url {
  step draft = Write(topic) by writer
  step url = publish(draft: draft)
  step review = Judge(draft) by editor { after = [url] }
  fail "not good" when not review.ok
  return url
}
flow alone(topic: Text) -> Draft { step draft = Write(topic) by writer  return draft }
"""
GIVEN = {"topic": "t"}
DRAFT = {"id": "d", "body": "text"}


def compiled(text=SPEC):
    found = compile_text(text, "spec.orch")
    assert found.plan is not None, found.errors
    return found.plan


@pytest.fixture(scope="module")
def plan():
    return compiled()


@pytest.fixture
def app(plan):
    made = orchspec.App(plan)
    made.sent = []
    made.agent("writer")(lambda task, topic: orchspec.Output(DRAFT, cost_usd="0.1"))

    @made.effect("publish")
    async def publish(call, draft):
        made.sent.append(("publish", call.key))
        return "https://example.org/d"

    @made.effect("retract")
    async def retract(call, url):
        made.sent.append(("retract", call.key))

    return made


@pytest.fixture
def store():
    return MemoryStore(encode=True)


def answer(store, value, *, place="review", posted_us=None, run="r"):
    posted = wall_us() if posted_us is None else posted_us
    return store.post_mail("answer", posted_us=posted, run=run, place=place, value=value, by="Ada")


def resume(app, store, **settings):
    return asyncio.run(app.resume(store, "r", **settings))


def types(store, run="r"):
    return [record.type for record in store.records(run)]


# ------------------------------------------------------------------ people


def test_a_run_that_waits_for_a_person_is_parked_and_its_store_is_free(app, store):
    result = app.run_sync("judged", GIVEN, store=store, run_id="r")
    assert (result.status, result.result, result.cost_usd) == ("parked", None, "0.1")
    assert store.run("r").status == "parked"
    assert [question.place for question in store.questions()] == ["review"]
    store.acquire(Owner(1, "elsewhere", "x"), wall_us(), 1_000_000)  # nobody holds it


def test_an_answer_to_a_parked_run_counts_when_it_is_resumed(app, store):
    app.run_sync("judged", GIVEN, store=store, run_id="r")
    answer(store, {"ok": True, "notes": ""})
    result = resume(app, store)
    assert (result.status, result.result) == ("completed", True)
    assert store.questions() == []
    assert store.pending_mail() == []


def test_an_answer_to_a_run_under_way_counts_at_once(app, store):
    # A second run keeps the engine busy, so that the first is not parked.
    started, asked, release = asyncio.Event(), asyncio.Event(), asyncio.Event()

    @app.agent("writer")
    async def writer(task, topic):
        if task.run == "busy":
            started.set()
            await release.wait()
        return DRAFT

    async def both():
        busy = asyncio.ensure_future(app.run("alone", GIVEN, store=store, run_id="busy"))
        watch = lambda record: store.questions() and asked.set()  # noqa: E731
        judged = asyncio.ensure_future(app.run("judged", GIVEN, store=store, run_id="r", watch=watch))
        await started.wait()
        await asked.wait()
        answer(store, {"ok": True, "notes": ""})
        result = await judged
        release.set()
        return result, await busy

    result, busy = asyncio.run(both())
    assert (result.status, busy.status) == ("completed", "completed")


def test_an_answer_that_came_by_the_deadline_wins_over_it_and_a_later_one_loses(app, store):
    app.run_sync("judged", GIVEN, store=store, run_id="r")
    deadline_us = store.questions()[0].deadline_us
    answer(store, {"ok": True, "notes": ""}, posted_us=deadline_us)
    result = resume(app, store, speed=100_000)
    assert result.status == "completed"

    late = MemoryStore(encode=True)
    app.run_sync("judged", GIVEN, store=late, run_id="r")
    answer(late, {"ok": True, "notes": ""}, posted_us=late.questions()[0].deadline_us + 1)
    told = []
    result = resume(app, late, speed=100_000, tell=told.append)
    assert result.status == "parked"
    assert "after its deadline" in told[0]
    assert late.pending_mail() == []


def test_a_deadline_that_passed_while_a_run_was_parked_fires_when_it_is_resumed(app, store, monkeypatch):
    app.run_sync("judged", GIVEN, store=store, run_id="r")
    monkeypatch.setattr(hubs, "Clock", lambda speed, _wall: Clock(speed, lambda: wall_us() + 2 * 3_600_000_000))
    result = resume(app, store)
    assert (result.status, result.error["code"]) == ("failed", "timeout")
    assert store.questions() == []


def test_an_answer_that_the_contract_refuses_is_not_used_and_another_may_come(app, store):
    app.run_sync("judged", GIVEN, store=store, run_id="r")
    answer(store, {"ok": "maybe"})
    told = []
    assert resume(app, store, tell=told.append).status == "parked"
    assert "is not used: result.ok" in told[0]
    answer(store, {"ok": False, "notes": ""})
    assert resume(app, store).result is False


def test_an_answer_to_nothing_is_consumed_and_told(app, store):
    app.run_sync("judged", GIVEN, store=store, run_id="r")
    answer(store, 1, place="nowhere")
    answer(store, 1, place="draft")
    told = []
    assert resume(app, store, tell=told.append).status == "parked"
    assert len(told) == 2
    assert store.pending_mail() == []


def test_a_question_may_be_put_any_number_of_times(app, store):
    app.run_sync("judged", GIVEN, store=store, run_id="r")
    for _ in range(12):
        assert resume(app, store).status == "parked"
    answer(store, {"ok": True, "notes": ""})
    assert resume(app, store).status == "completed"


def test_a_function_may_answer_for_a_person(app, store):
    asked = []

    @app.human("editor")
    def editor(task, draft):
        asked.append((task.step, draft))
        return {"ok": True, "notes": "fine"}

    assert app.run_sync("judged", GIVEN, store=store, run_id="r").result is True
    assert asked == [("review", DRAFT)]
    assert store.questions() == []


def test_a_function_of_a_person_that_raises_fails_the_step_and_takes_the_question_back(app, store):
    @app.human("editor")
    def editor(task, draft):
        raise RuntimeError("asleep")

    result = app.run_sync("judged", GIVEN, store=store, run_id="r")
    assert (result.status, result.error["code"]) == ("failed", "agent_error")
    assert store.questions() == []


# ------------------------------------------------------------------ cancelling


def test_a_cancelled_run_undoes_what_it_did(app, store):
    assert app.run_sync("withdrawn", GIVEN, store=store, run_id="r").status == "parked"
    store.post_mail("cancel", posted_us=wall_us(), run="r", by="Ada")
    result = resume(app, store)
    assert (result.status, result.error["code"]) == ("cancelled", "cancelled")
    assert [name for name, _ in app.sent] == ["publish", "retract"]
    assert store.questions() == []


def test_cancelling_stops_what_is_under_way(app, store):
    ended = []

    @app.agent("writer")
    async def writer(task, topic):
        store.post_mail("cancel", posted_us=wall_us(), run="r")
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(task.stopped)

    assert app.run_sync("alone", GIVEN, store=store, run_id="r").status == "cancelled"
    assert ended == [True]


# ------------------------------------------------------------------ leaving


def test_interrupted_it_keeps_what_came_back_and_gives_the_store_back(app, store):
    inside = asyncio.Event()

    @app.agent("writer")
    async def writer(task, topic):
        inside.set()
        await asyncio.sleep(0.01)  # comes back within the grace
        return DRAFT

    async def interrupted():
        running = asyncio.ensure_future(app.run("post", GIVEN, store=store, run_id="r"))
        await inside.wait()
        await interrupt_all()
        with pytest.raises(Interrupted, match="r can be resumed"):
            await running

    asyncio.run(interrupted())
    assert "TaskFulfilled" in types(store)
    assert app.sent == [], "nothing new is sent"
    assert resume(app, store).status == "completed"
    assert len(app.sent) == 1


def test_a_caller_that_is_cancelled_leaves_the_run_to_be_resumed(app, store):
    inside = asyncio.Event()
    calls = []

    @app.agent("writer")
    async def writer(task, topic):
        calls.append(task.attempt)
        inside.set()
        if len(calls) == 1:
            await asyncio.Event().wait()
        return DRAFT

    async def cancelled(monkey):
        monkey.setattr(hubs, "_GRACE_S", 0.01)
        running = asyncio.ensure_future(app.run("alone", GIVEN, store=store, run_id="r"))
        await inside.wait()
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running

    with pytest.MonkeyPatch.context() as monkey:
        asyncio.run(cancelled(monkey))
    assert store.run("r").status == "running"
    assert resume(app, store).status == "completed"
    assert calls == [1, 1], "the same attempt is sent again"


# ------------------------------------------------------------------ resuming


def test_a_run_goes_on_with_the_plan_that_it_was_started_with(app, store):
    app.run_sync("judged", GIVEN, store=store, run_id="r")
    changed = orchspec.App(compiled(SPEC.replace("return review.ok", "return not review.ok")))
    changed.agent("writer")(lambda task, topic: DRAFT)
    answer(store, {"ok": True, "notes": ""})
    told = []
    result = changed.run_sync("judged", GIVEN, store=store, run_id="r", tell=told.append)
    assert result.result is True
    assert "the plan that it was started with" in told[0]


def test_all_that_is_left_is_resumed_together(app, store):
    for name in ("a", "b"):
        app.run_sync("judged", GIVEN, store=store, run_id=name)
        answer(store, {"ok": name == "a", "notes": ""}, run=name)
    app.run_sync("alone", GIVEN, store=store, run_id="ended")
    results = asyncio.run(app.resume(store))
    assert [(result.run, result.result) for result in results] == [("a", True), ("b", False)]
    assert asyncio.run(app.resume(store)) == []
    with pytest.raises(UnknownRun):
        asyncio.run(app.resume(store, "nobody"))


def test_a_journal_that_does_not_fold_stops_its_run_and_no_other(app, store):
    for name in ("a", "b"):
        app.run_sync("judged", GIVEN, store=store, run_id=name)
        answer(store, {"ok": True, "notes": ""}, run=name)
    del store._records["a"][1]

    async def both():
        hub = hub_for(store)
        crew = lambda plan, clock: app.handlers  # noqa: E731
        return await hub.resume([Request(name, crew) for name in ("a", "b")])

    broken, fine = asyncio.run(both())
    assert isinstance(broken, (ReplayMismatch, CorruptStore))
    assert fine.status == "completed"


# ------------------------------------------------------------------ stores that fail


class Failing(MemoryStore):
    """A store whose commits fail where a test says so."""

    def __init__(self):
        super().__init__(encode=True)
        self.before = lambda batch: None
        self.after = lambda batch: None
        self.commits = 0

    def commit(self, epoch, batch):
        self.commits += 1
        self.before(batch)
        super().commit(epoch, batch)
        self.after(batch)


def once(kind, error):
    """Raises an error at the first batch that holds an event of a kind."""
    left = [error]

    def fail(batch):
        if left and any(isinstance(record.event, kind) for record in batch.records):
            raise left.pop()

    return fail


@pytest.mark.parametrize("kind", [RunStarted, EffectConfirmed])
@pytest.mark.parametrize("landed", [False, True])
def test_a_commit_that_fails_discards_what_is_in_memory_and_both_foldings_are_valid(app, kind, landed):
    store = Failing()
    setattr(store, "after" if landed else "before", once(kind, StoreError("the disk failed")))
    told = []
    result = app.run_sync("post", GIVEN, store=store, run_id="r", tell=told.append)
    assert result.status == "completed"
    assert "the disk failed" in told[0]
    assert len({key for _, key in app.sent}) == 1
    assert len(app.sent) == (2 if kind is EffectConfirmed and not landed else 1)
    assert store.epoch() == 2
    assert types(store)[0] == "RunStarted"


def test_a_store_that_is_busy_is_asked_again_and_nothing_is_discarded(app):
    store = Failing()
    left = [StoreBusy("busy")] * 3

    def busy(batch):
        if left:
            raise left.pop()

    store.before = busy
    assert app.run_sync("post", GIVEN, store=store, run_id="r").status == "completed"
    assert (store.epoch(), len(app.sent)) == (1, 1)


def test_a_store_that_always_fails_is_given_up(app, monkeypatch):
    monkeypatch.setattr(reopening, "LOSSES_MAX", 2)
    store = Failing()

    def fail(batch):
        raise StoreError("the disk is gone")

    store.before = fail
    with pytest.raises(StoreError, match="the disk is gone"):
        app.run_sync("post", GIVEN, store=store, run_id="r", tell=lambda said: None)
    assert app.sent == []


def test_an_engine_that_lost_the_store_between_intent_and_send_sends_nothing(app):
    store = Failing()

    def overtaken(batch):
        if any(row.state == "intended" for row in batch.ledger):
            store.release(store.epoch())
            store.acquire(Owner(1, "elsewhere", "x"), wall_us(), 60_000_000)

    store.after = overtaken
    with pytest.raises(Fenced):
        app.run_sync("post", GIVEN, store=store, run_id="r")
    assert app.sent == []


def test_a_store_that_another_engine_owns_is_refused(app, store):
    store.acquire(Owner(1, "elsewhere", "x"), wall_us(), 60_000_000)
    with pytest.raises(LeaseHeld, match="elsewhere"):
        app.run_sync("alone", GIVEN, store=store)


def test_a_bug_of_ours_halts_the_run_that_met_it(app, store, monkeypatch):
    from orchspec.runtime.kernel.kernel import Kernel

    handle = Kernel.handle

    def broken(self, event):
        if self.run == "r" and type(event).__name__ == "TaskFulfilled":
            raise AssertionError("a bug")
        return handle(self, event)

    monkeypatch.setattr(Kernel, "handle", broken)

    async def both():
        runs = [app.run("alone", GIVEN, store=store, run_id=name) for name in ("r", "other")]
        return await asyncio.gather(*runs, return_exceptions=True)

    halted, other = asyncio.run(both())
    assert halted.code == "run_halted"
    assert "a bug" in halted.message
    assert other.status == "completed"


@pytest.mark.parametrize("slow", [False, True])
def test_many_runs_share_commits_and_a_slow_disk_is_waited_for_by_a_thread(app, monkeypatch, slow):
    store = Failing()
    threads = []
    store.before = lambda batch: threads.append(threading.current_thread().name.partition("_")[0])
    ticks = itertools.count(step=10.0) if slow else itertools.repeat(0.0)
    monkeypatch.setattr(commits, "perf_counter", lambda: next(ticks))

    async def all_of_them():
        return await asyncio.gather(*[app.run("post", GIVEN, store=store, run_id=f"r{n}") for n in range(40)])

    results = asyncio.run(all_of_them())
    assert [result.status for result in results] == ["completed"] * 40
    assert set(threads) == ({"MainThread", "orch-writer"} if slow else {"MainThread"})
    assert threads[1:] == ["orch-writer" if slow else "MainThread"] * (len(threads) - 1), "the first tells"
    records = sum(len(store.records(f"r{n}")) for n in range(40))
    assert store.commits < records / 2
