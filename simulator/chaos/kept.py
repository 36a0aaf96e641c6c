"""A journal of which everything is kept, as long as a chronicle is looked at."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from orchspec.simulator.journal import SimulatedJournal

if TYPE_CHECKING:
    from orchspec.runtime.journal.batch import Batch
    from orchspec.simulator.chaos.interleaving import Interleaving
    from orchspec.simulator.chaos.told import Chronicle
    from orchspec.simulator.clock import Clock

__all__ = ["KeptJournal"]

RECORDS_MAX: Final = 20_000
"""Records of a chronicle after which it is taken to loop."""


class KeptJournal(SimulatedJournal):
    """A journal that writes into a chronicle what became durable, and when."""

    def __init__(self, chronicle: Chronicle, clock: Clock | Interleaving) -> None:
        super().__init__(survives=True, keep_records=False)
        self.records_max = RECORDS_MAX
        self._chronicle = chronicle
        self._clock = clock

    def commit(self, batch: Batch) -> None:
        """See `SimulatedJournal.commit`."""
        super().commit(batch)
        # What survives a crash is written down.
        self._chronicle.keep(batch.records, self.commits, self._clock.now, self.records)
