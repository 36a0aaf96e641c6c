"""Folding the journals again, once the orchestrator has crashed.

A journal that is long, because a run waits for weeks through a crash every hour, is folded whole at the first crash
that meets its run. From then on it is folded on: the kernel that the crash left behind, if all that it had handled is
durable, is what its journal folds to (S7), so only what the dispatcher learns from the new records is missing. One
that was ahead of its journal, by as little as a record, is thrown away, and the journal is folded whole.

Where that very law is tried (`orch chaos`, the comparison with the real engine), `thorough` folds whole each time.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from orchspec.runtime.errors import CorruptStore, ReplayMismatch
from orchspec.runtime.recording import Folded, folding_of

if TYPE_CHECKING:
    from orchspec.compiler.plan import Plan
    from orchspec.runtime.engine import Engine
    from orchspec.runtime.journal.records import RunRow
    from orchspec.runtime.recording import Folding
    from orchspec.simulator.journal import SimulatedJournal

__all__ = ["Refolds"]


class Refolds:
    """What is known of the journals of live runs from the crash before."""

    __slots__ = ("_known", "_left", "_plan", "thorough")

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._known: dict[str, Folding] = {}
        self._left: dict[str, int] = {}
        self.thorough = False

    def crash(self, engine: Engine) -> None:
        """The engine dies: this is how far its kernels had come, durable or not."""
        self._left = engine.seqs

    def fold(
        self, journal: SimulatedJournal, halt: Callable[[str, Exception], None]
    ) -> list[tuple[Plan, RunRow, Folded]]:
        """All live runs as their journals have them; `halt` is told of those whose journal does not fold."""
        folded = []
        known: dict[str, Folding] = {}
        for run, row in list(journal.live.items()):
            try:
                folding = known[run] = self._fold(run, journal)
            except (CorruptStore, ReplayMismatch) as error:
                halt(run, error)
                continue
            folded.append((self._plan, row, Folded(folding.kernel, folding.seq, folding.outcomes)))
        self._known = known
        return folded

    def _fold(self, run: str, journal: SimulatedJournal) -> Folding:
        records = journal.records.get(run)
        if not records:
            raise CorruptStore(f"run {run} is live and has no journal")
        folding = self._known.get(run)
        if folding is None or self.thorough or self._left.get(run) != len(records):
            return folding_of(self._plan, run, records)
        for record in records[folding.seq :]:
            folding.follow(record)
        return folding
