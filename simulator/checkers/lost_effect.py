"""S2, no lost effect: what is confirmed was done, and what was done had a durable intent before it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from orchspec.runtime.kernel.applying import target_key
from orchspec.runtime.kernel.events import EffectConfirmed
from orchspec.simulator.checkers.violation import Violation

if TYPE_CHECKING:
    from orchspec.simulator.chaos.told import Chronicle, RunTold

__all__ = ["check", "of_run"]


def check(chronicle: Chronicle) -> Iterator[Violation]:
    """Rows of the ledger that the world knows nothing of, and deeds that the ledger knows nothing of."""
    landed = {each.key for each in chronicle.applied}
    intended = set()
    for row in chronicle.ledger:
        key = target_key(row.key, row.generation)
        intended.add(key)
        if row.state in ("confirmed", "undone") and key not in landed:
            said = f"{row.effect} is {row.state} in the ledger, and the world has not seen it"
            yield Violation("S2", said, row.owner_run, step=row.owner_place)
    for each in chronicle.applied:
        if each.key not in intended:
            yield Violation("S2", f"{each.effect} was done and no durable intent says so", each.run)


def of_run(chronicle: Chronicle, told: RunTold) -> Iterator[Violation]:
    """Confirmed effects of a run that the ledger knows nothing of."""
    for record in told.happened(EffectConfirmed):
        if not _claimed(chronicle, told.run, record.event.place):
            path = record.kernel.path(record.event.place)
            said = f"{path} was confirmed and the ledger has no row for it"
            yield Violation("S2", said, told.run, record.seq, path)


def _claimed(chronicle: Chronicle, run: str, place: int) -> bool:
    activity = chronicle.story(run).kernel.places[place]
    key = getattr(activity, "ledger_key", None)
    return key is None or any(row.key == key for row in chronicle.ledger)
