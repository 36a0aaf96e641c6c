"""Attempts under way: tools and threads that they hold, heartbeats, and what is late."""

from __future__ import annotations

import asyncio
import threading
import types

import pytest

from orchspec.runtime.driver.beats import KEPT_EVERY_S, Beats
from orchspec.runtime.journal import SQLiteStore
from orchspec.runtime.watching import Watcher
from tests.runtime.app.writing import GOOD, run


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
