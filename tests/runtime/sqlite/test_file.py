"""The file of a SQLite store: who may read it, what is no store, and how it comes to be."""

from __future__ import annotations

import contextlib
import sqlite3
import stat
import threading

import pytest

from orchspec.runtime.errors import StoreError
from orchspec.runtime.journal import rows, schema
from orchspec.runtime.journal.owner import this_process
from orchspec.runtime.journal.samples import LEASE_US, NOW_US, full_batch
from orchspec.runtime.journal.sqlite import SQLiteStore


def test_new_store_and_its_companions_are_for_its_user_alone(owned, path):
    store, epoch = owned
    store.commit(epoch, full_batch())
    files = sorted(path.parent.iterdir())
    assert [file.name for file in files] == ["runs.db", "runs.db-shm", "runs.db-wal"]
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}


def test_missing_store_is_an_error_where_it_must_exist(path):
    with pytest.raises(StoreError, match="there is no store at"):
        SQLiteStore(path, create=False)
    assert list(path.parent.iterdir()) == []


def test_missing_folder_is_an_error_that_names_it(tmp_path):
    with pytest.raises(StoreError, match=r"gone/runs\.db.*existing folder"):
        SQLiteStore(tmp_path / "gone" / "runs.db")


def test_folder_in_place_of_a_file_is_an_error(tmp_path):
    with pytest.raises(StoreError, match="is not a file"):
        SQLiteStore(tmp_path)


def foreign_text(path):
    path.write_text("dear diary, " * 100)


def foreign_short(path):
    path.write_bytes(b"abc")


def foreign_database(path):
    connection = sqlite3.connect(path)
    with connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("CREATE TABLE mine (x)")
    connection.close()


@pytest.mark.parametrize("make", [foreign_text, foreign_short, foreign_database])
def test_file_that_is_no_store_is_refused_and_left_as_it_was(path, make):
    make(path)
    before = path.read_bytes()
    with pytest.raises(StoreError, match=r"not a store"):
        SQLiteStore(path)
    assert path.read_bytes() == before


def test_an_empty_file_becomes_a_store_where_one_may_be_made(path):
    path.write_bytes(b"")
    with pytest.raises(StoreError, match="not a store"):
        SQLiteStore(path, create=False)
    assert path.read_bytes() == b""
    made = SQLiteStore(path)
    made.put_plan("h", "{}")
    assert made.plan("h") == "{}"
    made.close()


def test_store_of_a_newer_schema_is_refused(path):
    SQLiteStore(path).close()
    connection = sqlite3.connect(path)
    connection.execute(f"PRAGMA user_version = {schema.SCHEMA_VERSION + 1}")
    connection.close()
    with pytest.raises(StoreError, match="newer orchspec"):
        SQLiteStore(path)


@pytest.mark.parametrize("empty", [False, True])
def test_stores_made_at_once_are_one_store(path, empty):
    if empty:
        path.write_bytes(b"")
    barrier = threading.Barrier(4)
    stores: list[SQLiteStore] = []

    def make() -> None:
        barrier.wait()
        stores.append(SQLiteStore(path))

    threads = [threading.Thread(target=make) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(stores) == 4
    stores[0].put_plan("h", "{}")
    assert [store.plan("h") for store in stores] == ["{}"] * 4
    for store in stores:
        store.close()
    assert [file.name for file in path.parent.iterdir()] == ["runs.db"]


def test_store_made_by_another_process_meanwhile_is_kept(path, monkeypatch):
    fill = schema._fill

    def fill_late(draft):
        monkeypatch.setattr(schema, "_fill", fill)
        with contextlib.closing(SQLiteStore(path)) as first:
            first.put_plan("h", "{}")
        fill(draft)

    monkeypatch.setattr(schema, "_fill", fill_late)
    with contextlib.closing(SQLiteStore(path)) as late:
        assert late.plan("h") == "{}"
    assert [file.name for file in path.parent.iterdir()] == ["runs.db"]


def test_creation_that_fails_leaves_nothing(path, monkeypatch):
    monkeypatch.setattr(schema, "_SCHEMA", "CREATE TABLE oops (")
    with pytest.raises(StoreError):
        SQLiteStore(path)
    assert list(path.parent.iterdir()) == []


@pytest.mark.parametrize(("durability", "level"), [("full", 2), ("normal", 1)])
def test_durability_sets_how_commits_are_synced(path, durability, level):
    store = SQLiteStore(path, durability)
    store.acquire(this_process(), NOW_US, LEASE_US)
    assert store._writer.execute("PRAGMA synchronous").fetchone() == (level,)
    assert store._writer.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    store.close()


def test_closed_store_says_so(owned):
    store, epoch = owned
    store.close()
    store.close()
    for call in (store.runs, lambda: store.records("r1"), lambda: store.commit(epoch, full_batch())):
        with pytest.raises(StoreError, match="has been closed"):
            call()


@pytest.mark.parametrize(
    ("statement", "index"),
    [
        (f"{rows.GET_RUNS} WHERE status = 'running' ORDER BY no", "runs_by_status"),
        (rows.GET_MAIL.replace("?", "7"), "pending"),
        ("SELECT seq FROM records WHERE run_no = 1 AND seq > 2 ORDER BY seq", "records_by_run"),
    ],
)
def test_what_an_engine_polls_and_folds_is_found_by_an_index(owned, statement, index):
    store, _ = owned
    plan = [row[3] for row in store._reader.execute(f"EXPLAIN QUERY PLAN {statement}")]
    assert len(plan) == 1
    assert f" {index} " in plan[0] + " "
