"""What is particular to the SQLite store: its file, its errors, and what it survives below a transaction."""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
import stat
import tempfile
import threading
from pathlib import Path

import pytest

from orchspec.runtime.errors import CorruptStore, StoreBusy, StoreError, StoreFull
from orchspec.runtime.journal import codec, rows, schema
from orchspec.runtime.journal.owner import this_process
from orchspec.runtime.journal.records import Batch, Record
from orchspec.runtime.journal.samples import LEASE_US, NOW_US, contents, full_batch, sample
from orchspec.runtime.journal.sqlite import SQLiteStore


@pytest.fixture
def path(tmp_path):
    return tmp_path / "runs.db"


@pytest.fixture
def owned(path):
    store = SQLiteStore(path)
    yield store, store.acquire(this_process(), NOW_US, LEASE_US)
    store.close()


def tamper(path: Path, statement: str, *parameters: object) -> None:
    connection = sqlite3.connect(path)
    with connection:
        connection.execute("PRAGMA ignore_check_constraints = 1")
        assert connection.execute(statement, parameters).rowcount == 1
    connection.close()


# ---------------------------------------------------------------------- the file


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


# ---------------------------------------------------------------------- damage


def test_damaged_json_names_run_and_record(owned, path):
    store, epoch = owned
    store.commit(epoch, full_batch())
    tamper(path, "UPDATE records SET body = '{\"event\":' WHERE run_no = 1 AND seq = 2")
    with pytest.raises(CorruptStore, match="record 2 of run r1"):
        store.records("r1")
    assert len(store.records("r2")) == 1


@pytest.mark.parametrize("body", ["[1]", "null", b"{}", "[" * 100_000])
def test_body_that_is_no_object_in_text_is_corrupt(owned, path, body):
    store, epoch = owned
    store.commit(epoch, full_batch())
    tamper(path, "UPDATE records SET body = ? WHERE run_no = 1 AND seq = 1", body)
    with pytest.raises(CorruptStore, match="record 1 of run r1"):
        store.records("r1")


def test_text_that_is_not_utf8_is_corrupt(owned, path):
    store, epoch = owned
    store.commit(epoch, full_batch())
    tamper(path, "UPDATE records SET body = CAST(x'ff22' AS TEXT) WHERE run_no = 1 AND seq = 1")
    with pytest.raises(CorruptStore, match="damaged"):
        store.records("r1")


def test_missing_record_in_the_middle_is_corrupt(owned, path):
    store, epoch = owned
    store.commit(epoch, full_batch())
    tamper(path, "DELETE FROM records WHERE run_no = 1 AND seq = 1")
    with pytest.raises(CorruptStore, match="record 1 is missing"):
        store.records("r1")


@pytest.mark.parametrize(
    ("statement", "match"),
    [
        ("UPDATE payloads SET json = '\"other\"'", "does not have that content"),
        ("UPDATE payloads SET json = json || 'ü'", "does not have that content"),
        ("DELETE FROM payloads", "is missing"),
    ],
)
def test_payload_that_is_not_what_its_hash_says_is_corrupt(owned, path, statement, match):
    store, epoch = owned
    record = sample.record(body={"event": {"output": "x" * 20_000}})
    store.commit(epoch, Batch(runs=[sample.run()], records=[record]))
    tamper(path, statement)
    with pytest.raises(CorruptStore, match=f"record 1 of run r1.*{match}"):
        store.records("r1")


@pytest.mark.parametrize(
    ("statement", "read"),
    [
        ("UPDATE runs SET status = 'sleeping' WHERE run = 'r1'", "runs"),
        ("UPDATE runs SET seed = 'x' WHERE run = 'r1'", "runs"),
        ("UPDATE runs SET options = '[]' WHERE run = 'r1'", "runs"),
        ("UPDATE runs SET input = '' WHERE run = 'r1'", "runs"),
        ("UPDATE ledger SET state = 'done' WHERE key = 'k1'", "ledger"),
        ("UPDATE ledger SET receipt = '{' WHERE key = 'k1'", "ledger"),
        ("UPDATE questions SET choices = '{' WHERE place = 'sign'", "questions"),
        ("UPDATE mail SET kind = 'letter'", "pending_mail"),
        ("UPDATE mail SET value = 'x'", "pending_mail"),
    ],
)
def test_damaged_row_is_corrupt(owned, path, statement, read):
    store, epoch = owned
    store.commit(epoch, full_batch())
    store.post_mail("signal", name="go", posted_us=NOW_US)
    tamper(path, statement)
    with pytest.raises(CorruptStore):
        getattr(store, read)()


def test_large_value_is_stored_once(owned, path):
    store, epoch = owned
    body = {"event": {"output": "x" * 20_000, "again": "x" * 20_000}}
    records = [sample.record("r1", 1, body), sample.record("r2", 1, body)]
    store.commit(epoch, Batch(runs=[sample.run("r1"), sample.run("r2")], records=records))
    connection = sqlite3.connect(path)
    assert connection.execute("SELECT count(*) FROM payloads").fetchone() == (1,)
    store.commit(epoch, Batch(runs=[sample.ended("r1"), sample.ended("r2")]))
    store.remove_run(epoch, "r1")
    assert connection.execute("SELECT count(*) FROM payloads").fetchone() == (1,)
    store.remove_run(epoch, "r2")
    for table in ("payloads", "payload_uses", "records"):
        assert connection.execute(f"SELECT count(*) FROM {table}").fetchone() == (0,)
    connection.close()


def test_value_above_the_cap_is_refused_and_nothing_written(owned, monkeypatch):
    monkeypatch.setattr(codec, "PAYLOAD_BYTES_MAX", 30_000)
    store, epoch = owned
    records = [sample.record(seq=1), sample.record(seq=2, body={"event": "x" * 30_000})]
    with pytest.raises(StoreError, match=r"record 2 of run r1 .*at most 30000") as caught:
        store.commit(epoch, Batch(runs=[sample.run()], records=records))
    assert caught.value.code == "payload_too_large"
    assert store.runs() == []


def endless():
    body = {}
    body["self"] = body
    return body


@pytest.mark.parametrize(
    "body", [{"x": object()}, {"x": float("nan")}, {"x": float("inf")}, {"seq": 1}, endless(), {"x": {1, 2}}]
)
def test_body_that_json_cannot_hold_is_refused_and_nothing_written(owned, body):
    store, epoch = owned
    with pytest.raises(StoreError, match="record 1 of run r1"):
        store.commit(epoch, Batch(runs=[sample.run()], records=[sample.record(body=body)]))
    assert store.runs() == []


@pytest.mark.parametrize("time_us", [2**63, None, "\ud800"])
def test_column_that_sqlite_cannot_hold_is_refused_and_nothing_written(owned, time_us):
    store, epoch = owned
    with pytest.raises(StoreError):
        store.commit(epoch, Batch(runs=[sample.run()], records=[Record("r1", 1, time_us, "T", {})]))
    assert store.runs() == []


# ---------------------------------------------------------------------- the disk and other processes


def test_full_disk_is_told_and_the_store_goes_on_once_there_is_room(owned):
    store, epoch = owned
    store.commit(epoch, full_batch())
    before = contents(store)
    pages = store._writer.execute("PRAGMA page_count").fetchone()[0]
    store._writer.execute(f"PRAGMA max_page_count = {pages + 2}")
    batch = Batch(records=[sample.record(seq=3, body={"event": {"output": "x" * 100_000}})])
    with pytest.raises(StoreFull, match="no room left"):
        store.commit(epoch, batch)
    assert contents(store) == before
    store._writer.execute("PRAGMA max_page_count = 1000000")
    store.commit(epoch, batch)
    assert store.records("r1")[2:] == batch.records


class FailsAfterCommit:
    """A connection whose commit lands although it reports a fault of the disk."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.connection = connection

    def execute(self, statement, *parameters):
        cursor = self.connection.execute(statement, *parameters)
        if statement == "COMMIT":
            raise sqlite3.OperationalError("disk I/O error")
        return cursor

    def __getattr__(self, name):
        return getattr(self.connection, name)


def test_commit_that_landed_although_it_failed_is_found_by_reading_again(owned):
    store, epoch = owned
    store.commit(epoch, full_batch())
    connection = store._writer
    store._writer = FailsAfterCommit(connection)
    with pytest.raises(StoreError, match="disk I/O error"):
        store.commit(epoch, Batch(records=[sample.record(seq=3)]))
    store._writer = connection
    assert [record.seq for record in store.records("r1")] == [1, 2, 3]
    with pytest.raises(StoreError, match="expected 4"):
        store.commit(epoch, Batch(records=[sample.record(seq=3)]))
    store.commit(epoch, Batch(records=[sample.record(seq=4)]))


def test_connection_that_cannot_roll_back_is_replaced(owned):
    store, epoch = owned
    store.commit(epoch, full_batch())

    class Broken(FailsAfterCommit):
        def execute(self, statement, *parameters):
            if statement in ("COMMIT", "ROLLBACK"):
                raise sqlite3.OperationalError("disk I/O error")
            return self.connection.execute(statement, *parameters)

    store._writer = Broken(store._writer)
    with pytest.raises(StoreError, match="disk I/O error"):
        store.commit(epoch, Batch(records=[sample.record(seq=3)]))
    assert len(store.records("r1")) == 2
    store.commit(epoch, Batch(records=[sample.record(seq=3)]))
    assert len(store.records("r1")) == 3


def test_lock_held_by_another_process_is_told_and_nothing_written(path, monkeypatch):
    monkeypatch.setattr(schema, "BUSY_TIMEOUT_MS", 1)
    store = SQLiteStore(path)
    epoch = store.acquire(this_process(), NOW_US, LEASE_US)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreBusy, match="try again"):
        store.commit(epoch, full_batch())
    assert store.runs() == []
    other.execute("ROLLBACK")
    other.close()
    store.commit(epoch, full_batch())
    assert len(store.runs()) == 2
    store.close()


def test_reader_neither_waits_for_a_writer_nor_holds_one_up(owned, path):
    store, epoch = owned
    store.commit(epoch, full_batch())
    before = contents(store)
    reader = SQLiteStore(path, create=False)
    store._writer.execute("BEGIN IMMEDIATE")
    store._writer.execute("DELETE FROM ledger")
    assert contents(reader) == before
    assert reader._writer is None
    store._writer.execute("ROLLBACK")
    reader._reader.execute("BEGIN")
    reader._reader.execute("SELECT * FROM runs").fetchall()
    store.commit(epoch, Batch(records=[sample.record(seq=3)]))
    reader._reader.execute("ROLLBACK")
    assert len(reader.records("r1")) == 3
    reader.close()


def drop_privileges(folder: Path) -> bool:
    """As root the modes of files bind nobody; become someone they bind. Returns whether that was needed."""
    if os.geteuid() != 0:
        return False
    os.chown(folder, 0, 0)
    os.seteuid(65534)
    return True


@pytest.mark.skipif(os.name != "posix", reason="modes of folders")
def test_folder_that_cannot_be_written_is_told():
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o555)
        dropped = drop_privileges(folder)
        try:
            with pytest.raises(StoreError, match=r"Permission denied.*writable"):
                SQLiteStore(folder / "runs.db")
        finally:
            if dropped:
                os.seteuid(0)
            folder.chmod(0o755)
        assert list(folder.iterdir()) == []


@pytest.mark.skipif(os.name != "posix", reason="modes of files")
def test_store_that_cannot_be_written_is_told():
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        path = folder / "runs.db"
        SQLiteStore(path).close()
        path.chmod(0o444)
        folder.chmod(0o555)
        dropped = drop_privileges(folder)
        try:
            with pytest.raises(StoreError, match=r"permissions"):
                SQLiteStore(path).put_plan("h", "{}")
        finally:
            if dropped:
                os.seteuid(0)
            folder.chmod(0o755)


@pytest.mark.parametrize("torn_bytes", [1, 24, 500, 4096, 5000])
def test_torn_end_of_the_log_loses_only_what_was_not_synced(owned, path, tmp_path, torn_bytes):
    store, epoch = owned
    store.commit(epoch, full_batch())
    checkpoint = sqlite3.connect(path)
    assert checkpoint.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0] == 0
    checkpoint.close()
    before = contents(store)
    sizes = []
    for seq in range(3, 9):
        store.commit(epoch, Batch(records=[sample.record(seq=seq)], ledger=[sample.ledger(f"t{seq}")]))
        sizes.append(Path(f"{path}-wal").stat().st_size)
    # What a loss of power leaves: the files as they were, the end of the log torn off.
    copy = tmp_path / "copy" / "runs.db"
    copy.parent.mkdir()
    shutil.copy(path, copy)
    log = Path(f"{path}-wal").read_bytes()
    Path(f"{copy}-wal").write_bytes(log[:-torn_bytes])
    kept = sum(size <= len(log) - torn_bytes for size in sizes)
    assert kept < len(sizes)
    survivor = SQLiteStore(copy)
    assert [record.seq for record in survivor.records("r1")] == list(range(1, 3 + kept))
    assert [row.key for row in survivor.ledger()] == ["k1", "k2", *(f"t{seq}" for seq in range(3, 3 + kept))]
    assert survivor.records("r2") == before["records"]["r2"]
    assert survivor.questions() == before["questions"]
    newer = survivor.acquire(this_process(), NOW_US, LEASE_US)
    assert newer == epoch + 1
    survivor.commit(newer, Batch(records=[sample.record(seq=3 + kept)]))
    survivor.close()


def test_scrambled_end_of_the_log_is_not_believed(owned, path, tmp_path):
    store, epoch = owned
    store.commit(epoch, full_batch())
    checkpoint = sqlite3.connect(path)  # and the room ahead is gone: the log ends where the last commit does
    assert checkpoint.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0] == 0
    checkpoint.close()
    shutil.copy(path, tmp_path / "copy.db")
    log = bytearray(Path(f"{path}-wal").read_bytes())
    store.commit(epoch, Batch(records=[sample.record(seq=3)]))
    full = bytearray(Path(f"{path}-wal").read_bytes())
    full[len(log) + 40 : len(log) + 80] = bytes(byte ^ 0x5A for byte in full[len(log) + 40 : len(log) + 80])
    Path(f"{tmp_path / 'copy.db'}-wal").write_bytes(bytes(full))
    survivor = SQLiteStore(tmp_path / "copy.db")
    assert [record.seq for record in survivor.records("r1")] == [1, 2]
    survivor.close()


def test_damaged_pages_are_an_error_of_ours(path):
    store = SQLiteStore(path)
    epoch = store.acquire(this_process(), NOW_US, LEASE_US)
    store.commit(epoch, Batch(runs=[sample.run()], records=[sample.record(seq=n) for n in range(1, 200)]))
    store.close()
    data = bytearray(path.read_bytes())
    data[4096:] = bytes(byte ^ 0x5A for byte in data[4096:])
    path.write_bytes(bytes(data))
    with pytest.raises(StoreError), contextlib.closing(SQLiteStore(path)) as damaged:
        contents(damaged)


def test_the_log_has_room_ahead_and_what_is_committed_there_outlives_the_process(path, tmp_path):
    store = SQLiteStore(path)
    log = path.with_name(path.name + "-wal")
    assert log.stat().st_size >= schema.LOG_BYTES
    epoch = store.acquire(this_process(), NOW_US, LEASE_US)
    store.commit(epoch, Batch(runs=[sample.run()], records=[sample.record(seq=number) for number in range(1, 9)]))
    assert log.stat().st_size == schema.LOG_BYTES, "it does not grow"
    left = tmp_path / "left.db"
    left.write_bytes(path.read_bytes())
    left.with_name("left.db-wal").write_bytes(log.read_bytes())
    assert [record.seq for record in SQLiteStore(left).records("r1")] == list(range(1, 9))
    store.close()


def test_a_store_that_somebody_is_writing_to_opens_without_waiting(path):
    first = SQLiteStore(path)
    with first._transaction():
        other = SQLiteStore(path)
        assert other.runs() == []
    assert other.acquire(this_process(), NOW_US, LEASE_US) == 1
    assert other._writer.execute("PRAGMA busy_timeout").fetchone() == (schema.BUSY_TIMEOUT_MS,)
    first.close()
    other.close()
