"""What every store must hold for those who look on: a part of the contract suite, see ``contract``."""

# ruff: noqa: D102 - a test says in its name what holds
from __future__ import annotations

from typing import TYPE_CHECKING

from orchspec.runtime.errors import StoreError
from orchspec.runtime.journal.records import Batch
from orchspec.runtime.journal.samples import refused, sample

if TYPE_CHECKING:
    from pathlib import Path

    from orchspec.runtime.journal.store import Store

__all__ = ["WeaveContract"]


class WeaveContract:
    """What holds for the records of all runs in one."""

    def owned(self, folder: Path) -> tuple[Store, int]:
        """A new store that is owned, and its epoch."""
        raise NotImplementedError

    def test_records_of_all_runs_come_in_the_order_of_their_commits_and_in_parts(self, tmp_path: Path) -> None:
        store, epoch = self.owned(tmp_path)
        assert store.weave() == []
        large = {"event": {"output": "y" * 50_000}}
        batches = [
            [sample.record("r1", 1), sample.record("r2", 1)],
            [sample.record("r2", 2, large)],
            [sample.record("r1", 2), sample.record("r2", 3)],
        ]
        store.commit(epoch, Batch(runs=[sample.run("r1"), sample.run("r2")]))
        for batch in batches:
            store.commit(epoch, Batch(records=batch))
        with refused(StoreError):
            store.commit(epoch, Batch(records=[sample.record("r1", 3), sample.record("r2", 9)]))
        woven = store.weave()
        assert [record for _, record in woven] == [record for batch in batches for record in batch]
        positions = [position for position, _ in woven]
        assert positions == sorted(set(positions))
        assert store.weave(limit=2) == woven[:2]
        assert store.weave(positions[1], limit=2) == woven[2:4]
        assert store.weave(positions[-1]) == []
        store.close()

    def test_records_of_a_removed_run_are_in_the_weave_no_more_and_positions_still_grow(self, tmp_path: Path) -> None:
        store, epoch = self.owned(tmp_path)
        records = [sample.record("r1", 1), sample.record("r2", 1)]
        store.commit(epoch, Batch(runs=[sample.ended("r1"), sample.run("r2")], records=records))
        (_, first), (position, _) = store.weave()
        assert first.run == "r1"
        store.remove_run(epoch, "r1")
        assert store.weave() == [(position, sample.record("r2", 1))]
        store.commit(epoch, Batch(records=[sample.record("r2", 2)]))
        assert [record.seq for _, record in store.weave(position)] == [2]
        store.close()
