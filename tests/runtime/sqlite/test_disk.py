"""What a SQLite store survives below a transaction: full disks, torn logs, other processes."""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
import tempfile
from pathlib import Path

import pytest

from orchspec.runtime.errors import StoreBusy, StoreError, StoreFull
from orchspec.runtime.journal import schema
from orchspec.runtime.journal.batch import Batch
from orchspec.runtime.journal.owner import this_process
from orchspec.runtime.journal.samples import LEASE_US, NOW_US, contents, full_batch, sample
from orchspec.runtime.journal.sqlite import SQLiteStore


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
