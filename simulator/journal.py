"""The durable store of a simulated engine: what survives its crashes, and no more than is live.

It keeps the runtime's own records as they are (nothing is encoded) and drops those of ended runs, so that memory does not grow with runs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchspec.runtime.journal.records import LIVE_STATUSES

if TYPE_CHECKING:
    from orchspec.runtime.journal.records import Batch, LedgerRow, ReuseRow, RunRow
    from orchspec.runtime.recording import EventRecord

__all__ = ["SimulatedJournal"]


class SimulatedJournal:
    """Rows and records as a store would hold them. `ended` are rows whose result nobody was told yet."""

    def __init__(self, *, keep_records: bool) -> None:
        self.keep_records = keep_records
        self.live: dict[str, RunRow] = {}
        self.ended: dict[str, RunRow] = {}
        self.records: dict[str, list[EventRecord]] = {}
        self.ledger: dict[tuple[str, str, int], LedgerRow] = {}
        self.reuse: dict[str, ReuseRow] = {}
        self.mail_taken: set[int] = set()

    def commit(self, batch: Batch) -> None:
        """All of the batch becomes durable."""
        for row in batch.runs:
            if row.status in LIVE_STATUSES:
                self.live[row.run] = row
            else:
                self.live.pop(row.run, None)
                self.ended[row.run] = row
        if self.keep_records:
            records = self.records
            for record in batch.records:
                records.setdefault(record.run, []).append(record)  # type: ignore[arg-type]
        for ledger_row in batch.ledger:
            self.ledger[ledger_row.effect, ledger_row.key, ledger_row.generation] = ledger_row
        for reuse_row in batch.reuse:
            self.reuse[reuse_row.key] = reuse_row
        self.mail_taken.update(batch.mail_taken)

    def acknowledge(self, run: str) -> None:
        """Whoever asked for the run was told how it ended: nothing of it is needed any more."""
        self.ended.pop(run, None)
        self.records.pop(run, None)
