"""Group commit as a pure object: no I/O, no clock, no thread. Both drivers use it.

The order is handle, append, commit, act. What the outside may see (its type is the driver's own: the committer never
looks inside) is gated behind the commit that holds its cause. One commit is in flight at a time; whatever is handled
meanwhile gathers in the next batch, so that concurrent runs share a commit, and commit order is handle order.

    add(...), add(...)       handled, gathering
    take()  -> Batch         in flight: give it to the store; None if one is in flight or there is nothing to write
    done()  -> gated         the store has it: carry these out, in handle order
    failed() -> runs         the store has not: all in flight and pending is dropped; fold these runs again
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from orchspec.runtime.journal.batch import Batch

if TYPE_CHECKING:
    from orchspec.runtime.journal.records import LedgerRow, MatterRow, QuestionRow, Record, ReuseRow, RunRow, TurnRow

__all__ = ["GroupCommitter"]


class GroupCommitter:
    """Gathers what was handled into batches, and holds back what has to wait for them.

    `dirty`: whether there is anything to write; cheaper than asking ten lists at each turn.
    """

    __slots__ = ("_flying", "_flying_gated", "_gated", "_pending", "dirty")

    def __init__(self) -> None:
        self._pending = Batch()
        self._gated: list[Any] = []
        self.dirty = False
        self._flying: Batch | None = None
        self._flying_gated: list[Any] = []

    @property
    def in_flight(self) -> bool:
        """Whether a batch was taken and neither done nor failed yet."""
        return self._flying is not None

    @property
    def flying(self) -> Batch | None:
        """The batch that was taken, while it is neither done nor failed."""
        return self._flying

    @property
    def idle(self) -> bool:
        """Whether nothing is pending and nothing in flight."""
        return self._flying is None and not self.dirty

    def add(self, record: Record, gated: list[Any]) -> None:
        """One record, and what may be done once it is durable."""
        self._pending.records.append(record)
        self.dirty = True
        if gated:
            self._gated.extend(gated)

    def put_plan(self, plan_hash: str, json_text: str) -> None:
        """Keep a plan with the next batch, that of the first run which is pinned to it."""
        self._put("plans", (plan_hash, json_text))

    def put_run(self, row: RunRow) -> None:
        """Write a run's row with the next batch."""
        self._put("runs", row)

    def put_ledger(self, row: LedgerRow) -> None:
        """Write a ledger row with the next batch."""
        self._put("ledger", row)

    def put_reuse(self, row: ReuseRow) -> None:
        """Write a reusable value with the next batch."""
        self._put("reuse", row)

    def put_turn(self, row: TurnRow) -> None:
        """Write a turn of a session with the next batch, that of the record which verified it."""
        self._put("turns", row)

    def take_mail(self, number: int) -> None:
        """Consume mail with the next batch, the one of the record that consumes it."""
        self._put("mail_taken", number)

    def open_question(self, row: QuestionRow) -> None:
        """Show a question to people from the next batch on."""
        self._put("questions_opened", row)

    def leave(self, row: MatterRow) -> None:
        """Leave something to people with the next batch, that of the end of its run."""
        self._put("matters", row)

    def close_question(self, run: str, place: str) -> None:
        """Take a question back with the next batch."""
        pending = self._pending
        # A store closes before it opens; what was asked in this very batch and is closed again is never shown.
        pending.questions_opened = [row for row in pending.questions_opened if (row.run, row.place) != (run, place)]
        self._put("questions_closed", (run, place))

    def _put(self, part: str, row: Any) -> None:
        rows = getattr(self._pending, part)
        if rows:
            rows.append(row)
        else:
            setattr(self._pending, part, [row])
        self.dirty = True

    def take(self) -> Batch | None:
        """The next batch to commit, now in flight; None while one is, and if there is nothing to write."""
        if self._flying is not None or not self.dirty:
            return None
        self._flying, self._pending = self._pending, Batch()
        self._flying_gated, self._gated = self._gated, []
        self.dirty = False
        return self._flying

    def done(self) -> list[Any]:
        """The batch in flight is durable: returns what waited for it, in handle order."""
        assert self._flying is not None, "done() without a batch in flight"
        gated, self._flying_gated = self._flying_gated, []
        self._flying = None
        return gated

    def failed(self) -> list[str]:
        """The commit failed or the lease was lost: drop all that is not durable.

        Returns the runs whose state in memory is now ahead of the store, in handle order; they are folded again.
        What was gated is never carried out.
        """
        runs: dict[str, None] = {}
        for batch in (self._flying, self._pending):
            if batch is not None:
                runs.update(dict.fromkeys(record.run for record in batch.records))
                runs.update(dict.fromkeys(row.run for row in batch.runs))
        self._flying, self._pending = None, Batch()
        self._flying_gated, self._gated = [], []
        self.dirty = False
        return list(runs)
