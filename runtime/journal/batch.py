"""What one transaction writes; one is made for each commit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from orchspec.runtime.journal.records import LedgerRow, MatterRow, QuestionRow, Record, ReuseRow, RunRow, TurnRow

__all__ = ["Batch"]


@dataclass(slots=True)
class Batch:
    """All that one transaction writes: everything or nothing.

    Applied in this order: plans (canonical JSON by content hash, as `put_plan` keeps them) and run rows, so that a
    run's first record may share the batch of its row and of the plan that it is pinned to; then records, ledger, reuse,
    turns, mail taken, questions closed, questions opened, matters. Of several rows with one identity the last stands
    (of plans the first: they are equal). Most batches have records and nothing else, so the rest are no lists until
    there is something.
    """

    records: list[Record] = field(default_factory=list)
    ledger: Sequence[LedgerRow] = ()
    reuse: Sequence[ReuseRow] = ()
    turns: Sequence[TurnRow] = ()
    runs: Sequence[RunRow] = ()
    mail_taken: Sequence[int] = ()
    questions_opened: Sequence[QuestionRow] = ()
    questions_closed: Sequence[tuple[str, str]] = ()
    matters: Sequence[MatterRow] = ()
    plans: Sequence[tuple[str, str]] = ()

    @property
    def others(self) -> bool:
        """Whether there is anything beside runs and records."""
        rows = self.ledger or self.reuse or self.turns or self.mail_taken
        return bool(rows or self.questions_opened or self.questions_closed or self.matters)
