"""The durable store of a simulated engine: what survives its crashes, and no more than is live.

It keeps the runtime's own records as they are (nothing is encoded) and drops those of ended runs, so that memory does
not grow with runs. Three things outlive runs as they do in a store, and grow: the ledger (by a row for each effect),
values for reuse (by a row for each, until they expire), and persistent sessions. Where nothing crashes only the last
are kept here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from orchspec.runtime.journal.records import LIVE_STATUSES

if TYPE_CHECKING:
    from orchspec.runtime.journal.batch import Batch
    from orchspec.runtime.journal.records import LedgerRow, ReuseRow, RunRow, TurnRow
    from orchspec.runtime.recording import EventRecord
    from orchspec.runtime.signals import Arrival

__all__ = ["Endless", "SimulatedJournal"]

_REUSE_LEAST = 1_024
_ANY_NUMBER: Final = 1 << 62


class Endless(Exception):
    """More records than runs may write that are to end."""


class SimulatedJournal:
    """Rows, records and mail as a store would hold them.

    Args:
        survives: Whether a crash may come, so that rows are needed at all.
        keep_records: Whether records are kept until their run's client was told.

    Attributes:
        ended: Rows of runs whose client was not told yet.
        mail: Answers that no record has consumed, by number: (run, place, when or at which attempt, value, who, what
            it costs in pico-dollars).
        signals: Signals that no record has consumed, by number.
        commits: How many batches have become durable.
        records_max: How many records may be; with one more `commit` raises Endless.
        signalled: The places of live runs whose signal was put in, by run, each with the number of its mail: by this
            engine, or by one before it if nobody has consumed it.
        drawn: When and with what the signals of such places come, by run, if anything survives.
    """

    def __init__(self, *, survives: bool, keep_records: bool) -> None:
        self.survives = survives
        self.keep_records = keep_records
        self._keeps = survives or keep_records
        self.live: dict[str, RunRow] = {}
        self.ended: dict[str, RunRow] = {}
        self.records: dict[str, list[EventRecord]] = {}
        self.ledger: dict[tuple[str, str, int], LedgerRow] = {}
        self.reuse: dict[str, ReuseRow] = {}
        self._turns: dict[str, list[TurnRow]] = {}
        self.mail: dict[int, tuple[str, int, int, Any, str, int | None]] = {}
        self.signals: dict[int, Arrival] = {}
        self.signalled: dict[str, dict[int, int]] = {}
        self.drawn: dict[str, dict[int, tuple[int, Any] | None]] = {}
        self.commits = 0
        self.records_max = _ANY_NUMBER
        self._written = 0
        self._numbers = 0
        self._prune_at = _REUSE_LEAST

    def next_mail(self) -> int:
        """The number of the next mail."""
        self._numbers += 1
        return self._numbers

    def commit(self, batch: Batch) -> None:
        """All of the batch becomes durable."""
        self.commits += 1
        self._written += len(batch.records)
        if self._written > self.records_max:
            raise Endless
        if not self._keeps and not batch.mail_taken and not batch.turns:
            return
        if self.keep_records:
            records = self.records
            for record in batch.records:
                records.setdefault(record.run, []).append(record)  # type: ignore[arg-type]
        if batch.others:
            self._commit_others(batch)
        if not self.survives:
            return
        if batch.runs:
            for row in batch.runs:
                if row.status in LIVE_STATUSES:
                    self.live[row.run] = row
                else:
                    self.live.pop(row.run, None)
                    self.ended[row.run] = row
        if len(self.reuse) > self._prune_at and batch.records:
            self._prune(batch.records[-1].time_us)

    def _commit_others(self, batch: Batch) -> None:
        for number in batch.mail_taken:
            self.mail.pop(number, None)
            self.signals.pop(number, None)
        for turn in batch.turns:
            kept = [row for row in self._turns.get(turn.session, ()) if turn.since <= row.number != turn.number]
            self._turns[turn.session] = [*kept, turn]
        if self.survives:
            for ledger_row in batch.ledger:
                self.ledger[ledger_row.effect, ledger_row.key, ledger_row.generation] = ledger_row
            for reuse_row in batch.reuse:
                self.reuse[reuse_row.key] = reuse_row

    def turns(self, session: str) -> list[TurnRow]:
        """The turns of a persistent session: they outlive runs, whether or not something crashes."""
        return self._turns.get(session, [])

    def _prune(self, now_us: int) -> None:
        """Drop what has expired; the next time when twice as much has gathered, so that the cost stays spread."""
        kept = {key: row for key, row in self.reuse.items() if row.expires_us is None or row.expires_us > now_us}
        self.reuse = kept
        self._prune_at = max(_REUSE_LEAST, 2 * len(kept))

    def acknowledge(self, run: str) -> None:
        """Whoever asked for the run was told how it ended: nothing of it is needed any more."""
        self.ended.pop(run, None)
        self.records.pop(run, None)
        self._settle(run)

    def forget(self, run: str) -> None:
        """The run is given up; its records stay for whoever wants to know why."""
        self.live.pop(run, None)
        self.ended.pop(run, None)
        self._settle(run)

    def _settle(self, run: str) -> None:
        self.signalled.pop(run, None)
        self.drawn.pop(run, None)
