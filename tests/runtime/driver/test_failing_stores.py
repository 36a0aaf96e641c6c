"""The driver on stores that fail, are busy, slow or owned by another engine."""

from __future__ import annotations

import asyncio
import itertools
import threading

import pytest

from orchspec.runtime import reopening
from orchspec.runtime.driver import commits
from orchspec.runtime.driver.clock import wall_us
from orchspec.runtime.errors import (
    Fenced,
    LeaseHeld,
    StoreBusy,
    StoreError,
)
from orchspec.runtime.journal import MemoryStore
from orchspec.runtime.journal.records import Owner
from orchspec.runtime.kernel.events import EffectConfirmed, RunStarted
from tests.runtime.driver.posting import GIVEN, types


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
