"""Valid rows to try a store with, and small helpers of the contract suite."""

from __future__ import annotations

import dataclasses
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from orchspec.runtime.errors import StoreError
from orchspec.runtime.journal.batch import Batch
from orchspec.runtime.journal.records import BeatRow, LedgerRow, QuestionRow, Record, ReuseRow, RunRow, TurnRow

if TYPE_CHECKING:
    from collections.abc import Iterator

    from orchspec.runtime.journal.store import Store

__all__ = ["LEASE_US", "NOW_US", "contents", "full_batch", "refused", "sample"]

NOW_US = 1_700_000_000_000_000
LEASE_US = 10_000_000


class sample:  # noqa: N801 - a namespace of functions, not a type
    """Rows to write; every field that a test does not name has some valid value."""

    @staticmethod
    def record(run: str = "r1", seq: int = 1, body: dict[str, Any] | None = None) -> Record:
        """A record of one event."""
        return Record(run, seq, NOW_US + seq, "TaskFulfilled", {"event": {"n": seq}} if body is None else body)

    @staticmethod
    def run(run: str = "r1", **changes: Any) -> RunRow:
        """A run that is under way."""
        row = RunRow(run, "brief", "hash", {"topic": "x"}, "running", None, None, NOW_US, None, 2**64 - 1, {"width": 3})
        return dataclasses.replace(row, **changes)

    @staticmethod
    def ended(run: str = "r1") -> RunRow:
        """The same run, completed."""
        return sample.run(run, status="completed", result={"ok": True}, ended_us=NOW_US + 5)

    @staticmethod
    def ledger(key: str = "k1", **changes: Any) -> LedgerRow:
        """An intended effect."""
        row = LedgerRow("publish", key, 0, "intended", "args", "r1", "publish", 3, None, NOW_US)
        return dataclasses.replace(row, **changes)

    @staticmethod
    def turn(number: int = 1, **changes: Any) -> TurnRow:
        """A turn of a session, with all before it kept."""
        row = TurnRow("ann/T-7", number, {"topic": "x"}, ["said", number], 12, 1, "r1", "draft", NOW_US + number)
        return dataclasses.replace(row, **changes)

    @staticmethod
    def question(place: str = "approve", **changes: Any) -> QuestionRow:
        """A question without a deadline."""
        row = QuestionRow("r1", place, "Approve", "editor", {"draft": "d"}, "bool", NOW_US, None, [True, False])
        return dataclasses.replace(row, **changes)

    @staticmethod
    def beat(place: str = "draft", **changes: Any) -> BeatRow:
        """A heartbeat of a first attempt."""
        return dataclasses.replace(BeatRow("r1", place, 1, 0.5, "reading", NOW_US), **changes)


@contextmanager
def refused(*errors: type[StoreError]) -> Iterator[list[StoreError]]:
    """The block must raise one of ``errors``; the list then holds it."""
    caught: list[StoreError] = []
    try:
        yield caught
    except errors as error:
        caught.append(error)
    assert caught, f"nothing was raised; expected {' or '.join(error.__name__ for error in errors)}"


def contents(store: Store, now_us: int = NOW_US) -> dict[str, Any]:
    """All that can be read from a store, for comparing before with after and store with store."""
    return {
        "runs": store.runs(),
        "records": {row.run: store.records(row.run) for row in store.runs()},
        "ledger": store.ledger(),
        "reuse": store.reuse(now_us),
        "turns": store.turns("ann/T-7"),
        "questions": store.questions(),
        "mail": store.pending_mail(),
        "beats": store.beats(),
        "matters": store.matters(),
    }


def full_batch() -> Batch:
    """A batch with something in each of its lists but the mail."""
    return Batch(
        records=[sample.record("r1", 1), sample.record("r1", 2), sample.record("r2", 1)],
        ledger=[sample.ledger(), sample.ledger("k2", receipt={"id": 7}, state="confirmed")],
        reuse=[ReuseRow("input", [1, 2.5, None], NOW_US + 100, "r1", "draft")],
        turns=[sample.turn(1), sample.turn(2)],
        runs=[sample.run("r1"), sample.run("r2", options={})],
        questions_opened=[
            sample.question(),
            sample.question("sign", deadline_us=NOW_US + 9, messages=[["news", "a", {"n": 1}]]),
        ],
    )
