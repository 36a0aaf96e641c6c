"""The driver and people: runs that wait for an answer, answers early, late, refused and to nothing."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace

from orchspec.runtime.driver import hub as hubs
from orchspec.runtime.driver.clock import Clock, wall_us
from orchspec.runtime.driver.people import People
from orchspec.runtime.journal import MemoryStore
from orchspec.runtime.journal.records import Mail, Owner
from tests.runtime.driver.posting import DRAFT, GIVEN, answer, resume


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

        def watch(record):
            if store.questions():
                asked.set()

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


def test_an_answer_that_came_by_the_deadline_wins_though_nobody_was_there_until_long_after(app, store, monkeypatch):
    app.run_sync("judged", GIVEN, store=store, run_id="r")
    answer(store, {"ok": True, "notes": ""}, posted_us=store.questions()[0].deadline_us)
    monkeypatch.setattr(hubs, "Clock", lambda speed, _wall: Clock(speed, lambda: wall_us() + 2 * 3_600_000_000))
    result = resume(app, store)
    assert (result.status, result.result) == ("completed", True)
    assert store.questions() == []
    assert store.pending_mail() == []


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


def test_mail_is_posted_once_and_remembered_only_while_it_lies_in_the_mailbox():
    posted, pending = [], []
    loop = SimpleNamespace(
        lives={"r": object()},
        engine=SimpleNamespace(kernels={"r": object()}),
        post=lambda run, event, mail: posted.append(mail),
    )
    people = People(loop, SimpleNamespace(pending_mail=lambda: list(pending)), None, {})
    for number in range(1, 4):
        pending.append(Mail(number, "cancel", "r", None, None, None, None, "Ada", 0))
        people.poll()
        people.poll()
    assert posted == [1, 2, 3]
    assert people._taken == {1, 2, 3}
    del pending[:2]  # their records are durable
    people.poll()
    assert people._taken == {3}
    pending.clear()
    people.poll()
    assert (posted, people._taken) == ([1, 2, 3], set())
