"""Damage to a SQLite store is told with its place, and what it cannot hold is refused whole."""

from __future__ import annotations

import sqlite3

import pytest

from orchspec.runtime.errors import CorruptStore, StoreError
from orchspec.runtime.journal import codec
from orchspec.runtime.journal.batch import Batch
from orchspec.runtime.journal.records import Record
from orchspec.runtime.journal.samples import NOW_US, full_batch, sample
from tests.runtime.sqlite.tampering import tamper


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


@pytest.mark.parametrize(
    ("statement", "match"),
    [
        ("UPDATE records SET body = CAST(x'ff22' AS TEXT) WHERE run_no = 1 AND seq = 1", "damaged"),
        ("DELETE FROM records WHERE run_no = 1 AND seq = 1", "record 1 is missing"),
    ],
    ids=["text that is not UTF-8", "a record is missing in the middle"],
)
def test_a_journal_that_was_tampered_with_is_corrupt(owned, path, statement, match):
    store, epoch = owned
    store.commit(epoch, full_batch())
    tamper(path, statement)
    with pytest.raises(CorruptStore, match=match):
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
