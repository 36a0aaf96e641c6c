"""One run for a name, one engine for a store, and whoever looks on."""

from __future__ import annotations

import asyncio

import pytest

import orchspec
from orchspec.runtime.errors import RunMismatch
from orchspec.runtime.journal import MemoryStore, SQLiteStore
from tests.runtime.app.writing import GOOD, run


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
