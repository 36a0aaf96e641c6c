"""The embedded store: one SQLite file in WAL mode.

One connection writes, another reads: a reader sees the last commit and never waits for a writer, nor holds one up.
Everything is encoded before the write lock is taken; the epoch is compared inside each transaction. With durability
``full`` every commit is synced to the disk (it survives loss of power), with ``normal`` it survives a crash of the
process.
"""

from __future__ import annotations

import sqlite3
import threading
from contextlib import contextmanager
from dataclasses import astuple
from pathlib import Path
from typing import TYPE_CHECKING, Any

from orchspec.runtime.errors import AlreadyAnswered, CorruptStore, Fenced, RunEnded, StoreError, UnknownRun
from orchspec.runtime.journal import rows
from orchspec.runtime.journal.appending import Heads, append, encode_records
from orchspec.runtime.journal.codec import decode_body
from orchspec.runtime.journal.owner import is_gone, lease_held
from orchspec.runtime.journal.records import LIVE_STATUSES, Owner, Record
from orchspec.runtime.journal.schema import Durability, connect, ensure_store, ready_log, translated

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from orchspec.runtime.journal.batch import Batch
    from orchspec.runtime.journal.records import (
        BeatRow,
        LedgerRow,
        Mail,
        MailKind,
        MatterRow,
        QuestionRow,
        ReuseRow,
        RunRow,
        RunStatus,
        TurnRow,
    )

__all__ = ["SQLiteStore"]

_LEASE = "SELECT epoch, held, pid, host, started, instance, expires_us FROM lease"
_OWNS = "SELECT 1 FROM lease WHERE epoch = ? AND held"

# Numbers and names that no column holds are refused by the binding, each in its own way.
_ERRORS = (sqlite3.Error, OverflowError, UnicodeEncodeError)


class SQLiteStore:
    """A ``Store`` in the file ``path``; see the protocol for what its methods do."""

    def __init__(self, path: str | Path, durability: Durability = "full", *, create: bool = True) -> None:
        """Open the store at ``path``, making it (mode 0600) if it is missing and ``create``.

        Raises ``StoreError`` if it cannot be opened, is not a store or is of a newer schema; ``CorruptStore``.
        """
        self.path = Path(path)
        self.durability = durability
        ensure_store(self.path, create=create)
        self._reader: sqlite3.Connection | None = connect(self.path, durability, read_only=True)
        self._read_lock = threading.Lock()
        self._write_lock = threading.Lock()
        self._closed = False
        # Who only looks asks for no store to be made, and holds no writing connection unless it writes after all.
        self._writer: sqlite3.Connection | None = None
        self._is_ready = durability != "full"
        if create:
            self._ready()
        # True as long as this store's epoch stands, for no one else writes records then.
        self._heads: Heads = {}

    # ------------------------------------------------------------------ the lease

    def acquire(self, owner: Owner, now_us: int, lease_us: int, runs_us: int | None = None) -> int:
        """See ``Store.acquire``."""
        self._ready()
        with self._transaction(synced=False) as connection:
            self._heads = {}
            row = connection.execute(_LEASE).fetchone()
            epoch, held, holder, expires_us = row[0] + 1, row[1], Owner(*row[2:6]), row[6]
            if held and holder != owner and now_us < expires_us and not is_gone(holder):
                raise lease_held(holder, expires_us)
            connection.execute(
                "UPDATE lease SET epoch = ?, held = 1, pid = ?, host = ?, started = ?, instance = ?, expires_us = ?",
                (epoch, owner.pid, owner.host, owner.started, owner.instance, now_us + lease_us),
            )
            connection.execute("DELETE FROM reuse WHERE expires_us <= ?", (now_us if runs_us is None else runs_us,))
            connection.execute("DELETE FROM beats")
            return int(epoch)

    def renew(self, epoch: int, now_us: int, lease_us: int) -> None:
        """See ``Store.renew``."""
        with self._transaction(epoch, synced=False) as connection:
            connection.execute("UPDATE lease SET expires_us = ?", (now_us + lease_us,))

    def release(self, epoch: int) -> None:
        """See ``Store.release``."""
        with self._transaction(synced=False) as connection:
            connection.execute("UPDATE lease SET held = 0 WHERE epoch = ?", (epoch,))

    def epoch(self) -> int:
        """See ``Store.epoch``."""
        return int(self._read("SELECT epoch FROM lease")[0][0])

    def lease(self) -> tuple[Owner, int] | None:
        """See ``Store.lease``."""
        row = self._read(_LEASE)[0]
        return (Owner(*row[2:6]), int(row[6])) if row[1] else None

    # ------------------------------------------------------------------ writing

    def commit(self, epoch: int, batch: Batch) -> None:
        """See ``Store.commit``."""
        encoded = encode_records(batch.records)
        rest = rows.encode(batch)
        # Written out rather than by _transaction(): this is the hot path, and a context manager costs a microsecond.
        with self._write_lock:
            connection = self._writer or self._open_writer()
            execute = connection.execute
            try:
                execute("BEGIN IMMEDIATE")
                if execute(_OWNS, (epoch,)).fetchone() is None:
                    raise self._fenced(epoch)
                if batch.plans:
                    connection.executemany(rows.PUT_PLAN, batch.plans)
                if batch.runs:
                    connection.executemany(rows.PUT_RUN, rest.runs)
                if rest.ended:
                    connection.executemany(rows.FORGET_BEATS, rest.ended)
                heads = append(connection, encoded, self._heads)
                if rest.others:
                    self._put_rows(connection, batch, rest)
                execute("COMMIT")
            except BaseException as error:
                self._roll_back(connection)
                if isinstance(error, _ERRORS):
                    raise translated(error, self.path) from error
                raise
            self._heads.update(heads)

    def put_plan(self, plan_hash: str, json_text: str) -> None:
        """See ``Store.put_plan``."""
        with self._transaction() as connection:
            connection.execute(rows.PUT_PLAN, (plan_hash, json_text))

    def post_mail(
        self,
        kind: MailKind,
        *,
        posted_us: int,
        run: str | None = None,
        place: str | None = None,
        name: str | None = None,
        key: str | None = None,
        value: Any = None,
        by: str | None = None,
    ) -> int:
        """See ``Store.post_mail``."""
        text = rows.encode_mail_value(value, kind)
        with self._transaction() as connection:
            if kind != "signal" or run is not None:
                row = connection.execute("SELECT status FROM runs WHERE run = ?", (run,)).fetchone()
                if row is None:
                    raise _unknown_run(run)
                if row[0] not in LIVE_STATUSES:
                    raise RunEnded(f"run {run} has ended ({row[0]}); it takes no {kind} any more")
            if kind == "answer" and connection.execute(rows.FIND_ANSWER, (run, place)).fetchone() is not None:
                raise AlreadyAnswered(f"run {run}, {place}: this question has an answer already; it takes only one")
            cursor = connection.execute(rows.POST_MAIL, (kind, run, place, name, key, text, by, posted_us))
            return int(cursor.lastrowid or 0)

    def close_matter(self, run: str, place: str, by: str, value: Any) -> bool:
        """See ``Store.close_matter``."""
        text = rows.encode_mail_value(value, "answer")
        with self._transaction() as connection:
            return connection.execute(rows.CLOSE_MATTER, (by, text, run, place)).rowcount == 1

    def put_beats(self, epoch: int, beats: list[BeatRow], over: list[tuple[str, str]]) -> None:
        """See ``Store.put_beats``."""
        with self._transaction(epoch, synced=False) as connection:
            connection.executemany(rows.FORGET_BEATS, over)
            connection.executemany(rows.PUT_BEAT, [astuple(beat) for beat in beats])

    def remove_run(self, epoch: int, run: str) -> None:
        """See ``Store.remove_run``."""
        with self._transaction(epoch) as connection:
            self._heads = {}
            row = connection.execute("SELECT no, status, plan_hash FROM runs WHERE run = ?", (run,)).fetchone()
            if row is None:
                raise _unknown_run(run)
            number, status, plan_hash = row
            if status in LIVE_STATUSES:
                raise StoreError(f"run {run} is {status}; only an ended run can be removed: cancel it first")
            connection.execute(rows.REMOVE_PAYLOADS, {"no": number})
            for table in ("payload_uses", "records"):
                connection.execute(f"DELETE FROM {table} WHERE run_no = ?", (number,))  # noqa: S608 - our own names
            for table in ("questions", "mail", "runs"):
                connection.execute(f"DELETE FROM {table} WHERE run = ?", (run,))  # noqa: S608 - our own names
            connection.execute(rows.REMOVE_PLAN, (plan_hash,))

    # ------------------------------------------------------------------ reading

    def plan(self, plan_hash: str) -> str | None:
        """See ``Store.plan``."""
        found = self._read("SELECT json FROM plans WHERE hash = ?", (plan_hash,))
        return found[0][0] if found else None

    def run(self, run: str) -> RunRow | None:
        """See ``Store.run``."""
        found = self._read(f"{rows.GET_RUNS} WHERE run = ?", (run,))
        return rows.run_row(found[0]) if found else None

    def runs(self, status: RunStatus | None = None) -> list[RunRow]:
        """See ``Store.runs``."""
        if status is None:
            found = self._read(f"{rows.GET_RUNS} ORDER BY no")
        else:
            found = self._read(f"{rows.GET_RUNS} WHERE status = ? ORDER BY no", (status,))
        return [rows.run_row(row) for row in found]

    def records(self, run: str, after: int = 0) -> list[Record]:
        """See ``Store.records``."""
        with self._reading() as connection:
            row = connection.execute("SELECT no FROM runs WHERE run = ?", (run,)).fetchone()
            if row is None:
                raise _unknown_run(run)
            found = connection.execute(
                "SELECT seq, time_us, type, body FROM records WHERE run_no = ? AND seq > ? ORDER BY seq",
                (row[0], after),
            ).fetchall()
            fetch = _payloads(connection)
            records: list[Record] = []
            for expected, (seq, time_us, type_, text) in enumerate(found, start=max(after, 0) + 1):
                if seq != expected or type(time_us) is not int or type(type_) is not str:
                    raise CorruptStore(
                        f"run {run}: record {expected} is missing or damaged; restore the store from a copy"
                    )
                records.append(Record(run, seq, time_us, type_, decode_body(text, fetch, run, seq)))
            return records

    def weave(self, after: int = 0, limit: int = 1000) -> list[tuple[int, Record]]:
        """See ``Store.weave``."""
        with self._reading() as connection:
            found = connection.execute(rows.GET_WEAVE, (after, limit)).fetchall()
            fetch = _payloads(connection)
            woven: list[tuple[int, Record]] = []
            for position, run, seq, time_us, type_, text in found:
                if type(seq) is not int or type(time_us) is not int or type(type_) is not str:
                    raise CorruptStore(f"run {run}: a record is damaged; restore the store from a copy")
                woven.append((position, Record(run, seq, time_us, type_, decode_body(text, fetch, run, seq))))
            return woven

    def ledger(self) -> list[LedgerRow]:
        """See ``Store.ledger``."""
        return [rows.ledger_row(row) for row in self._read(rows.GET_LEDGER)]

    def reuse(self, now_us: int) -> list[ReuseRow]:
        """See ``Store.reuse``."""
        return [rows.reuse_row(row) for row in self._read(rows.GET_REUSE, (now_us,))]

    def turns(self, session: str) -> list[TurnRow]:
        """See ``Store.turns``."""
        return [rows.turn_row(row) for row in self._read(rows.GET_TURNS, (session,))]

    def questions(self) -> list[QuestionRow]:
        """See ``Store.questions``."""
        return [rows.question_row(row) for row in self._read(rows.GET_QUESTIONS)]

    def matters(self, *, closed: bool = False) -> list[MatterRow]:
        """See ``Store.matters``."""
        return [rows.matter_row(row) for row in self._read(rows.GET_MATTERS, (closed,))]

    def beats(self) -> list[BeatRow]:
        """See ``Store.beats``."""
        return [rows.beat_row(row) for row in self._read(rows.GET_BEATS)]

    def pending_mail(self, after_id: int = 0) -> list[Mail]:
        """See ``Store.pending_mail``."""
        return [rows.mail_row(row) for row in self._read(rows.GET_MAIL, (after_id,))]

    def integrity(self) -> list[str]:
        """What SQLite itself finds wrong with the file, a line each; no line for a sound one (for ``orch doctor``)."""
        found = [str(row[0]) for row in self._read("PRAGMA integrity_check(20)")]
        return [line for line in found if line != "ok"]

    def close(self) -> None:
        """See ``Store.close``."""
        with self._write_lock, self._read_lock:
            self._closed = True
            for connection in (self._reader, self._writer):
                if connection is not None:
                    connection.close()
            self._reader = self._writer = None

    # ------------------------------------------------------------------ inside

    def _put_rows(self, connection: sqlite3.Connection, batch: Batch, rest: rows.Encoded) -> None:
        connection.executemany(rows.PUT_LEDGER, rest.ledger)
        connection.executemany(rows.PUT_REUSE, rest.reuse)
        if batch.turns:
            connection.executemany(rows.PUT_TURN, rest.turns)
            connection.executemany(rows.FORGET_TURNS, [(row.session, row.since) for row in batch.turns])
        for number in batch.mail_taken:
            if connection.execute(rows.TAKE_MAIL, (number,)).rowcount != 1:
                raise StoreError(f"mail {number} is not pending; expected mail that no record has consumed")
            # Only an answer is still needed once it is taken: to refuse a second one.
            connection.execute("DELETE FROM mail WHERE id = ? AND kind <> 'answer'", (number,))
        connection.executemany("DELETE FROM questions WHERE run = ? AND place = ?", batch.questions_closed)
        connection.executemany(rows.PUT_QUESTION, rest.questions)
        connection.executemany(rows.PUT_MATTER, [(row.run, row.place, row.why, row.time_us) for row in batch.matters])
        connection.executemany(rows.FORGET_ANSWER, [(row.run, row.place) for row in batch.questions_opened])

    def _ready(self) -> None:
        """Prepare for an engine, which commits often."""
        if not self._is_ready:
            self._is_ready = True
            with self._write_lock:
                ready_log(self._writer or self._open_writer(), self.path)

    def _open_writer(self) -> sqlite3.Connection:
        """The writing connection. Call with the write lock held."""
        if self._closed:
            raise StoreError(f"the store {self.path} has been closed; open it again")
        self._writer = connect(self.path, self.durability, read_only=False)
        return self._writer

    @contextmanager
    def _transaction(self, epoch: int | None = None, *, synced: bool = True) -> Iterator[sqlite3.Connection]:
        """A write transaction, by the owner of ``epoch`` if one is given; everything is undone on any error.

        One that is not ``synced`` is seen by all at once and survives a crash of the process; the next commit that is
        makes it survive a loss of power.
        """
        with self._write_lock, self._unsynced(self._writer or self._open_writer(), synced=synced) as connection:
            try:
                connection.execute("BEGIN IMMEDIATE")
                if epoch is not None and connection.execute(_OWNS, (epoch,)).fetchone() is None:
                    raise self._fenced(epoch)
                yield connection
                connection.execute("COMMIT")
            except BaseException as error:
                self._roll_back(connection)
                if isinstance(error, _ERRORS):
                    raise translated(error, self.path) from error
                raise

    @contextmanager
    def _unsynced(self, connection: sqlite3.Connection, *, synced: bool) -> Iterator[sqlite3.Connection]:
        relaxed = not synced and self.durability == "full"
        if relaxed:
            connection.execute("PRAGMA synchronous = NORMAL")
        try:
            yield connection
        finally:
            if relaxed and self._writer is connection:
                connection.execute("PRAGMA synchronous = FULL")

    def _roll_back(self, connection: sqlite3.Connection) -> None:
        # Whatever was known of the numbers may be wrong now; it is read again.
        self._heads = {}
        if connection.in_transaction:
            try:
                connection.execute("ROLLBACK")
            except sqlite3.Error:
                # The connection is not to be trusted; closing it rolls back, and the next write opens another.
                connection.close()
                self._writer = None

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        """A read transaction: all that is read in it is of one moment."""
        with self._read_lock:
            if self._reader is None:
                raise StoreError(f"the store {self.path} has been closed; open it again")
            try:
                self._reader.execute("BEGIN")
                yield self._reader
            except _ERRORS as error:
                raise translated(error, self.path) from error
            finally:
                if self._reader.in_transaction:
                    self._reader.execute("ROLLBACK")

    def _read(self, statement: str, parameters: tuple[Any, ...] = ()) -> list[Any]:
        with self._read_lock:
            if self._reader is None:
                raise StoreError(f"the store {self.path} has been closed; open it again")
            try:
                return self._reader.execute(statement, parameters).fetchall()
            except _ERRORS as error:
                raise translated(error, self.path) from error

    def _fenced(self, epoch: int) -> Fenced:
        return Fenced(
            f"epoch {epoch} no longer owns the store {self.path}: another engine took over; nothing was written"
        )


def _payloads(connection: sqlite3.Connection) -> Callable[[str], str | None]:
    """What finds values that are stored apart, by their hash."""

    def fetch(digest: str) -> str | None:
        payload = connection.execute("SELECT json FROM payloads WHERE hash = ?", (digest,)).fetchone()
        return payload[0] if payload else None

    return fetch


def _unknown_run(run: str | None) -> UnknownRun:
    return UnknownRun(f"the store holds no run {run}; expected one of those that `orch status` lists")
