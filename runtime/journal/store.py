"""What every store must do. ``orchspec.runtime.journal.contract`` holds the tests that prove it.

One engine writes at a time. It owns the store by a lease with an epoch, and each of its writes compares the epoch
in the transaction that writes. Reading, and posting mail, need no lease. A store may be called from several threads.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from orchspec.runtime.journal.batch import Batch
    from orchspec.runtime.journal.records import (
        BeatRow,
        LedgerRow,
        Mail,
        MailKind,
        MatterRow,
        Owner,
        QuestionRow,
        Record,
        ReuseRow,
        RunRow,
        RunStatus,
        TurnRow,
    )

__all__ = ["Store"]


class Store(Protocol):
    """A durable home for runs. Every method may raise ``StoreError`` (or a subclass) for what the world did."""

    def acquire(self, owner: Owner, now_us: int, lease_us: int, runs_us: int | None = None) -> int:
        """Take the store until ``now_us + lease_us`` and return the new epoch, one above the last.

        An owner may acquire again what it holds. Raises ``LeaseHeld`` while another owner's lease runs, unless that
        owner is a process of this host that is gone: then it is taken over at once. Reuse rows that have expired by
        ``runs_us``, the clock of the runs (``now_us`` unless given), are dropped, and heartbeats: whoever gave them
        works no more.

        What is said of the lease is seen by everybody at once, but need not outlive a loss of power before the next
        ``commit`` does: whoever owned the store is gone then, and has done nothing that was seen.
        """
        ...

    def renew(self, epoch: int, now_us: int, lease_us: int) -> None:
        """Extend the lease to ``now_us + lease_us``. Raises ``Fenced`` if ``epoch`` no longer owns the store."""
        ...

    def release(self, epoch: int) -> None:
        """Give the store up; does nothing if ``epoch`` no longer owns it."""
        ...

    def lease(self) -> tuple[Owner, int] | None:
        """Whose the store is, and until when (µs since the epoch) without another word; None: it is free."""
        ...

    def epoch(self) -> int:
        """The newest epoch (0 before the first), as durable now; read just before an effect is sent."""
        ...

    def commit(self, epoch: int, batch: Batch) -> None:
        """Write the whole batch in one transaction, durably, and with it whatever was written before.

        Raises ``Fenced`` if ``epoch`` does not own the store, ``UnknownRun`` for records of a run without a row,
        ``StoreError`` for a gap or a duplicate in a run's numbers and for mail that is not pending. After any
        error nothing of the batch is there, except that a fault of the disk during the commit itself may leave
        all of it: whoever sees an error other than ``StoreBusy`` folds again from the store.
        """
        ...

    def put_plan(self, plan_hash: str, json_text: str) -> None:
        """Keep a plan's canonical JSON by its content hash, which the caller verifies. Needs no lease."""
        ...

    def plan(self, plan_hash: str) -> str | None:
        """The plan's JSON, or None."""
        ...

    def run(self, run: str) -> RunRow | None:
        """The row of a run, or None."""
        ...

    def runs(self, status: RunStatus | None = None) -> list[RunRow]:
        """All runs, or those of one status, in the order in which they were created."""
        ...

    def records(self, run: str, after: int = 0) -> list[Record]:
        """The run's records with a number above ``after``, in order. Raises ``UnknownRun``, ``CorruptStore``."""
        ...

    def weave(self, after: int = 0, limit: int = 1000) -> list[tuple[int, Record]]:
        """Records of all runs in one, in the order in which they were committed, each with its position.

        Positions only grow; they are not without gaps. Returns at most ``limit`` of those above ``after``, so that a
        store that is larger than memory is read in parts. Raises ``CorruptStore``.
        """
        ...

    def ledger(self) -> list[LedgerRow]:
        """The effect ledger of the whole store, in order of first appearance."""
        ...

    def reuse(self, now_us: int) -> list[ReuseRow]:
        """Values that may still be used again at ``now_us``, in order of their keys."""
        ...

    def turns(self, session: str) -> list[TurnRow]:
        """The turns of a persistent session that are kept, oldest first; none for one that nobody has had."""
        ...

    def questions(self) -> list[QuestionRow]:
        """Open questions, oldest first (by time asked, run, place)."""
        ...

    def matters(self, *, closed: bool = False) -> list[MatterRow]:
        """What was left to people and is not closed, or what is, oldest first (by time, run, place)."""
        ...

    def close_matter(self, run: str, place: str, by: str, value: Any) -> bool:
        """Say what became of it, durably; False if there is no such matter, or it is closed. Needs no lease."""
        ...

    def put_beats(self, epoch: int, beats: list[BeatRow], over: list[tuple[str, str]]) -> None:
        """Keep the last heartbeat of each (run, place), and forget those of the places that are over.

        Beside all commits: they may be lost in a crash. Those of a run that has ended, or is not there, are dropped;
        the commit of its end drops those that were kept. Raises ``Fenced``.
        """
        ...

    def beats(self) -> list[BeatRow]:
        """The last heartbeats that are kept, by run and place."""
        ...

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
        """Put mail in, durably, and return its id (ids only grow). Needs no lease.

        Raises ``AlreadyAnswered`` for a second answer to one asking of a question, ``UnknownRun`` and
        ``RunEnded`` for a run that cannot take it.
        """
        ...

    def pending_mail(self, after_id: int = 0) -> list[Mail]:
        """Mail not yet taken, with an id above ``after_id``, in order of ids."""
        ...

    def remove_run(self, epoch: int, run: str) -> None:
        """Remove an ended run whole, with its records and mail, in one transaction.

        With it go the payloads that no other run uses, and its plan if no other run is pinned to it.

        The effect ledger, reusable values, sessions and matters stay. Raises ``Fenced``, ``UnknownRun``, and
        ``StoreError`` for a run that has not ended.
        """
        ...

    def close(self) -> None:
        """Let go of files; the lease is not released by it. Closing twice is harmless."""
        ...
