"""The driver when it is told to cancel, when it is left, and when what was left is resumed."""

from __future__ import annotations

import asyncio

import pytest

import orchspec
from orchspec.runtime.driver import hub as hubs
from orchspec.runtime.driver.clock import wall_us
from orchspec.runtime.driver.hubs import hub_for, interrupt_all
from orchspec.runtime.driver.live import Request
from orchspec.runtime.errors import (
    CorruptStore,
    Interrupted,
    ReplayMismatch,
    UnknownRun,
)
from tests.runtime.driver.posting import DRAFT, GIVEN, SPEC, answer, compiled, resume, types

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
        return await hub.resume([Request(name, lambda plan, clock: app.handlers) for name in ("a", "b")])

    broken, fine = asyncio.run(both())
    assert isinstance(broken, (ReplayMismatch, CorruptStore))
    assert fine.status == "completed"
