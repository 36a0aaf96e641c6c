"""Retention: ended runs leave a store whole, one transaction each; what spans runs stays.

The effect ledger, reusable values and sessions outlive the runs that they come from, so what was done once is not done
again after its run is gone. Runs that have not ended are never touched, however old they are.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

from orchspec.runtime.driver.clock import wall_us
from orchspec.runtime.driver.lease import BEAT_US, LEASE_US
from orchspec.runtime.driver.stored import has_ended
from orchspec.runtime.journal.owner import this_process

if TYPE_CHECKING:
    from orchspec.runtime.journal.records import RunRow
    from orchspec.runtime.journal.store import Store

__all__ = ["prunable", "prune"]


def prunable(
    store: Store, older_than_us: int, *, keep: int = 0, statuses: Collection[str] = (), now_us: int | None = None
) -> list[RunRow]:
    """The ended runs that may go, those that ended first before the others.

    Args:
        store: where they are.
        older_than_us: so long ago, in microseconds, they ended at least.
        keep: so many of those that ended last stay, however old they are.
        statuses: only runs that ended so; all unless given.
        now_us: the present; that of the system unless given.
    """
    now = wall_us() if now_us is None else now_us
    ended = [row for row in store.runs() if has_ended(row) and (not statuses or row.status in statuses)]
    ended.sort(key=_ended_us)
    return [row for row in ended[: max(0, len(ended) - keep)] if _ended_us(row) <= now - older_than_us]


def prune(store: Store, rows: list[RunRow]) -> int:
    """Removes ended runs, each in a transaction of its own, so that a crash in between leaves each whole or gone.

    Returns:
        How many went. One that somebody else removed meanwhile does not count.

    Raises:
        LeaseHeld: an engine is at work on the store. StoreError: what the world did.
    """
    if not rows:
        return 0
    now = wall_us()
    epoch = store.acquire(this_process("prune"), now, LEASE_US)
    renewed_us, removed = now, 0
    try:
        for row in rows:
            if wall_us() - renewed_us > BEAT_US:
                renewed_us = wall_us()
                store.renew(epoch, renewed_us, LEASE_US)
            if store.run(row.run) is not None:
                store.remove_run(epoch, row.run)
                removed += 1
    finally:
        store.release(epoch)
    return removed


def _ended_us(row: RunRow) -> int:
    return row.ended_us if row.ended_us is not None else row.created_us
