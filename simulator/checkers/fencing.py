"""S11, fencing: in each journal epochs only rise, so nothing was committed by an engine that had been replaced."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from orchspec.runtime.kernel.events import EngineRecovered
from orchspec.simulator.checkers.violation import Violation

if TYPE_CHECKING:
    from orchspec.simulator.chaos.told import Chronicle

__all__ = ["check"]


def check(chronicle: Chronicle) -> Iterator[Violation]:
    """Records of an older epoch behind one of a newer."""
    newest = 1
    epochs: dict[str, int] = {}
    for record in chronicle.order:
        if isinstance(record.event, EngineRecovered):
            epoch = record.event.epoch
            if epoch < newest or epoch <= epochs.get(record.run, 0):
                said = f"a record of epoch {epoch} stands behind one of epoch {newest}"
                yield Violation("S11", said, record.run, record.seq)
            newest = max(newest, epoch)
            epochs[record.run] = epoch
