"""Appending records to an SQLite store: their numbers are checked, values that are large are kept apart."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from orchspec.runtime.errors import StoreError, UnknownRun
from orchspec.runtime.journal.codec import PAYLOAD_BYTES_MIN, PAYLOAD_MARK, encode_body
from orchspec.runtime.journal.rows import USE_PAYLOAD

if TYPE_CHECKING:
    import sqlite3

    from orchspec.runtime.journal.records import Record

__all__ = ["Encoded", "Heads", "append", "encode_records"]

Encoded: TypeAlias = tuple["Record", str, dict[str, str] | None]
"""A record, its body as text, and the values that are kept apart."""
Heads: TypeAlias = dict[str, tuple[int, int]]
"""By run: its small integer, and the number of its last record."""

_APPEND = "INSERT INTO records VALUES (?, ?, ?, ?, ?)"


def encode_records(records: list[Record]) -> list[Encoded]:
    """Records as text, before any lock is taken: it may take long, and it may fail. Errors as of `encode_body`."""
    encoded: list[Encoded] = []
    for record in records:
        try:
            text = record.text()
        except (ValueError, TypeError, RecursionError):
            text = None  # which of its values it is, the encoder tells
        if text is not None and len(text) <= PAYLOAD_BYTES_MIN and PAYLOAD_MARK not in text:
            encoded.append((record, text, None))
        else:
            encoded.append((record, *encode_body(record.body, record.run, record.seq)))
    return encoded


def append(connection: sqlite3.Connection, encoded: list[Encoded], known: Heads) -> Heads:
    """Append records within the open transaction; returns the heads that hold once it is committed.

    Raises StoreError for a gap or a repetition, UnknownRun.
    """
    heads: Heads = {}
    inserted: list[tuple[int, int, int, str, str]] = []
    of = None
    number = last = 0
    for record, text, payloads in encoded:
        run, seq = record.run, record.seq
        if run != of:
            number, last = heads.get(run) or known.get(run) or _load_head(connection, run, first=seq == 1)
            of = run
        if seq != last + 1:
            raise StoreError(f"record {seq} of run {run} leaves a gap or repeats; expected {last + 1}")
        last = seq
        heads[run] = (number, seq)
        inserted.append((number, seq, record.time_us, record.type, text))
        if payloads:
            connection.executemany("INSERT OR IGNORE INTO payloads VALUES (?, ?)", payloads.items())
            connection.executemany(USE_PAYLOAD, [(number, digest) for digest in payloads])
    if inserted:
        connection.executemany(_APPEND, inserted)
    return heads


def _load_head(connection: sqlite3.Connection, run: str, *, first: bool) -> tuple[int, int]:
    row = connection.execute("SELECT no FROM runs WHERE run = ?", (run,)).fetchone()
    if row is None:
        raise UnknownRun(f"records of run {run}, which has no row; put its row first")
    if first:
        return row[0], 0  # were there any, the index would refuse a second one
    last = connection.execute("SELECT max(seq) FROM records WHERE run_no = ?", row).fetchone()[0]
    return row[0], last or 0
