"""The file of an SQLite store: its tables, how it is made and opened, and what SQLite's errors mean.

The file is made whole under a temporary name and linked into place, so that no crash leaves half a store and two
processes that make it at once agree on one. A file that is not a store is never written to.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import sys
import tempfile
from pathlib import Path
from typing import Literal

from orchspec.runtime.errors import CorruptStore, StoreBusy, StoreError, StoreFull

__all__ = [
    "APPLICATION_ID",
    "LOG_BYTES",
    "SCHEMA_VERSION",
    "Durability",
    "connect",
    "ensure_store",
    "ready_log",
    "translated",
]

Durability = Literal["full", "normal"]

APPLICATION_ID = 0x4F726368  # "Orch"
SCHEMA_VERSION = 3
BUSY_TIMEOUT_MS = 5000
LOG_BYTES = 1 << 20
"""Room that the log of an engine's store is given ahead; it is reused, and larger still, after 1,000 pages."""

# Rows append to rowid tables. Runs are interned as small integers, so that the one index over records (by run and
# number: every reader wants the records of one run, in order) stays a few pages for all the runs that are live.
_SCHEMA = """
CREATE TABLE lease (id INTEGER PRIMARY KEY CHECK (id = 1), epoch INTEGER NOT NULL, held INTEGER NOT NULL,
    pid INTEGER NOT NULL, host TEXT NOT NULL, started TEXT NOT NULL, instance TEXT NOT NULL,
    expires_us INTEGER NOT NULL);
INSERT INTO lease VALUES (1, 0, 0, 0, '', '', '', 0);
CREATE TABLE plans (hash TEXT PRIMARY KEY, json TEXT NOT NULL);
CREATE TABLE runs (no INTEGER PRIMARY KEY, run TEXT NOT NULL UNIQUE, flow TEXT NOT NULL, plan_hash TEXT NOT NULL,
    input TEXT NOT NULL, status TEXT NOT NULL, result TEXT NOT NULL, error TEXT NOT NULL,
    created_us INTEGER NOT NULL, ended_us INTEGER, seed TEXT NOT NULL, options TEXT NOT NULL);
CREATE INDEX runs_by_status ON runs (status);
CREATE TABLE records (run_no INTEGER NOT NULL, seq INTEGER NOT NULL, time_us INTEGER NOT NULL, type TEXT NOT NULL,
    body TEXT NOT NULL);
CREATE UNIQUE INDEX records_by_run ON records (run_no, seq);
CREATE TABLE payloads (hash TEXT PRIMARY KEY, json TEXT NOT NULL);
CREATE TABLE payload_uses (run_no INTEGER NOT NULL, hash TEXT NOT NULL, UNIQUE (run_no, hash));
CREATE INDEX payload_uses_by_hash ON payload_uses (hash);
CREATE TABLE ledger (no INTEGER PRIMARY KEY, effect TEXT NOT NULL, key TEXT NOT NULL, generation INTEGER NOT NULL,
    state TEXT NOT NULL, args_hash TEXT NOT NULL, owner_run TEXT NOT NULL, owner_place TEXT NOT NULL,
    intent_seq INTEGER NOT NULL, receipt TEXT NOT NULL, time_us INTEGER NOT NULL, joined TEXT NOT NULL,
    UNIQUE (effect, key, generation));
CREATE TABLE reuse (key TEXT PRIMARY KEY, value TEXT NOT NULL, expires_us INTEGER, run TEXT NOT NULL,
    place TEXT NOT NULL);
CREATE TABLE turns (session TEXT NOT NULL, number INTEGER NOT NULL, inputs TEXT NOT NULL, output TEXT NOT NULL,
    tokens INTEGER NOT NULL, since INTEGER NOT NULL, run TEXT NOT NULL, place TEXT NOT NULL, time_us INTEGER NOT NULL,
    folded INTEGER NOT NULL, UNIQUE (session, number));
CREATE TABLE questions (run TEXT NOT NULL, place TEXT NOT NULL, contract TEXT NOT NULL, who TEXT NOT NULL,
    inputs TEXT NOT NULL, expects TEXT NOT NULL, asked_us INTEGER NOT NULL, deadline_us INTEGER,
    choices TEXT NOT NULL, messages TEXT NOT NULL, UNIQUE (run, place));
CREATE TABLE matters (run TEXT NOT NULL, place TEXT NOT NULL, why TEXT NOT NULL, time_us INTEGER NOT NULL,
    closed_by TEXT, value TEXT, UNIQUE (run, place));
CREATE TABLE beats (run TEXT NOT NULL, place TEXT NOT NULL, attempt INTEGER NOT NULL, share REAL NOT NULL,
    note TEXT NOT NULL, time_us INTEGER NOT NULL, UNIQUE (run, place));
CREATE TABLE mail (id INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT NOT NULL, run TEXT, place TEXT, name TEXT, key TEXT,
    value TEXT NOT NULL, by_whom TEXT, posted_us INTEGER NOT NULL, taken INTEGER NOT NULL DEFAULT 0);
CREATE INDEX pending ON mail (id) WHERE NOT taken;
CREATE UNIQUE INDEX answers ON mail (run, place) WHERE kind = 'answer';
"""


def ensure_store(path: Path, *, create: bool) -> None:
    """Make sure that ``path`` is a store of this schema, made (mode 0600) if it is missing or empty and ``create``.

    Raises ``StoreError`` for a missing file or folder, a file that is not a store, and a store of a newer schema;
    ``CorruptStore`` for a damaged one. The file of someone else is left as it is.
    """
    if not path.exists():
        if not create:
            raise StoreError(f"there is no store at {path}; expected one: name it with --store, or start a run first")
        _create(path)
    elif create and path.is_file() and path.stat().st_size == 0:
        _claim(path)
    if not path.is_file():
        raise StoreError(f"{path} is not a file; expected a store: name another path with --store")
    try:
        probe = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=BUSY_TIMEOUT_MS / 1000)
        try:
            application_id: int = probe.execute("PRAGMA application_id").fetchone()[0]
            version: int = probe.execute("PRAGMA user_version").fetchone()[0]
        finally:
            probe.close()
    except sqlite3.Error as error:
        raise translated(error, path) from error
    if application_id != APPLICATION_ID:
        raise StoreError(f"{path} is a database, but not a store of runs; name another path with --store")
    if version != SCHEMA_VERSION:
        advice = "use the newer orchspec that wrote it" if version > SCHEMA_VERSION else "restore it from a copy"
        raise StoreError(f"{path} has store schema {version}; this version reads schema {SCHEMA_VERSION}: {advice}")


def connect(path: Path, durability: Durability, *, read_only: bool) -> sqlite3.Connection:
    """A connection in autocommit mode, usable from any one thread at a time. Raises as ``translated`` says."""
    try:
        connection = sqlite3.connect(
            f"{path.absolute().as_uri()}?mode=rw",
            timeout=BUSY_TIMEOUT_MS / 1000,
            uri=True,
            isolation_level=None,
            check_same_thread=False,
        )
        try:
            connection.execute(f"PRAGMA synchronous = {durability.upper()}")
            if sys.platform == "darwin":
                # Without it macOS only hands data to the drive, which may lose it with the power.
                connection.execute(f"PRAGMA fullfsync = {int(durability == 'full')}")
            if read_only:
                connection.execute("PRAGMA query_only = 1")
        except sqlite3.Error:
            connection.close()
            raise
    except sqlite3.Error as error:
        raise translated(error, path) from error
    return connection


def ready_log(connection: sqlite3.Connection, path: Path) -> None:
    """Give the log of a store room ahead: a sync that need not make a file's growth durable as well takes half as long.

    Zeros are the end of a log to SQLite. They are appended under the write lock, so that nobody else writes there; it
    is not waited for, nor is it an error where there is no room.
    """
    if os.name != "posix":
        return
    try:
        connection.execute("PRAGMA busy_timeout = 0")
        try:
            connection.execute("BEGIN IMMEDIATE")
            log = os.open(f"{path}-wal", os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)
            try:
                missing = LOG_BYTES - os.fstat(log).st_size
                if missing > 0:
                    os.write(log, bytes(missing))
                    os.fsync(log)
            finally:
                os.close(log)
        finally:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            connection.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}")
    except (sqlite3.Error, OSError):
        return  # It is only slower.


def translated(error: Exception, path: Path) -> StoreError:
    """What an error of sqlite3 means for the user of the store at ``path``, and what to do."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return StoreBusy(f"the store {path} was locked by another process for {BUSY_TIMEOUT_MS} ms; try again")
    if code == sqlite3.SQLITE_FULL:
        return StoreFull(f"there is no room left to write to the store {path}; free some space, then resume")
    if code == sqlite3.SQLITE_NOTADB:
        return CorruptStore(f"{path} is not a store of runs, or its start is damaged; name another path with --store")
    if code == sqlite3.SQLITE_CORRUPT or "decode to UTF-8" in str(error):
        return CorruptStore(f"the store {path} is damaged ({error}); restore it from a copy")
    if code in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM, sqlite3.SQLITE_CANTOPEN):
        return StoreError(
            f"the store {path} cannot be opened for writing ({error}); expected the file and its folder to exist and "
            f"to be writable (a store keeps two more files beside it): change the permissions, or name another path"
        )
    if code == sqlite3.SQLITE_IOERR:
        return StoreError(f"the disk failed under the store {path} ({error}); check the disk, then resume")
    return StoreError(f"the store {path} refused: {error}")


def _create(path: Path) -> None:
    folder = path.absolute().parent
    try:
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=folder)
    except OSError as error:
        reason = error.strerror or error
        message = f"no store can be made at {path}: {reason}; expected an existing folder that is writable"
        raise StoreError(message) from error
    os.close(handle)
    draft = Path(name)
    try:
        _fill(draft)
        try:
            os.link(draft, path)
        except FileExistsError:
            return  # Another process was first; its store is as good.
        except OSError:
            draft.rename(path)  # A file system without hard links.
        _sync_folder(folder)
    except sqlite3.Error as error:
        raise translated(error, path) from error
    except OSError as error:
        raise StoreError(f"no store can be made at {path}: {error.strerror or error}; name another path") from error
    finally:
        draft.unlink(missing_ok=True)


def _claim(path: Path) -> None:
    """Makes a store of an empty file, such as `mktemp` leaves; of several processes the first does."""
    with contextlib.suppress(sqlite3.Error):  # whatever it has become meanwhile is looked at next
        _fill(path)


def _fill(draft: Path) -> None:
    connection = sqlite3.connect(draft, isolation_level=None, timeout=BUSY_TIMEOUT_MS / 1000)
    try:
        pragmas = f"PRAGMA application_id = {APPLICATION_ID};\nPRAGMA user_version = {SCHEMA_VERSION};"
        connection.executescript(f"BEGIN EXCLUSIVE;\n{_SCHEMA}\n{pragmas}\nCOMMIT;")
        # Last: until here all is in the main file, so that a look at it alone tells what it is.
        connection.execute("PRAGMA journal_mode = WAL")
    finally:
        connection.close()


def _sync_folder(folder: Path) -> None:
    """Make the new name durable, where the system lets folders be opened."""
    if os.name != "posix":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
