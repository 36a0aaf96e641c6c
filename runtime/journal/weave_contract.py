"""What every store must hold for those who look on: a part of the contract suite, see ``contract``."""

# ruff: noqa: D102 - a test says in its name what holds
from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from orchspec.runtime.errors import Fenced, StoreError
from orchspec.runtime.journal.batch import Batch
from orchspec.runtime.journal.owner import this_process
from orchspec.runtime.journal.records import MatterRow
from orchspec.runtime.journal.samples import LEASE_US, NOW_US, refused, sample

if TYPE_CHECKING:
    from pathlib import Path

    from orchspec.runtime.journal.store import Store

__all__ = ["WeaveContract"]


class WeaveContract:
    """What holds for the records of all runs in one, and for heartbeats."""

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

    def test_last_heartbeat_of_each_place_is_kept_until_it_is_over(self, tmp_path: Path) -> None:
        store, epoch = self.owned(tmp_path)
        store.commit(epoch, Batch(runs=[sample.run("r1"), sample.run("r2", status="parked")]))
        other = sample.beat("draft", run="r2", share=1.0, note="")
        store.put_beats(epoch, [sample.beat("b"), sample.beat("a"), other], [])
        later = sample.beat("b", attempt=2, share=0.75, time_us=NOW_US + 1)
        store.put_beats(epoch, [later], [("r1", "a"), ("r1", "nobody")])
        assert store.beats() == [later, other]
        store.put_beats(epoch, [], [("r1", "b")])
        assert store.beats() == [other]
        store.close()

    def test_heartbeats_go_with_their_run_and_none_comes_after_its_end(self, tmp_path: Path) -> None:
        store, epoch = self.owned(tmp_path)
        store.commit(epoch, Batch(runs=[sample.run("r1"), sample.run("r2")]))
        other = sample.beat(run="r2")
        store.put_beats(epoch, [sample.beat(), other], [])
        store.commit(epoch, Batch(runs=[sample.ended("r1")]))
        assert store.beats() == [other]
        store.put_beats(epoch, [sample.beat(), sample.beat(run="nobody")], [])
        assert store.beats() == [other]
        store.close()

    def test_heartbeats_of_an_engine_that_was_replaced_are_gone_and_it_gives_no_more(self, tmp_path: Path) -> None:
        store, old = self.owned(tmp_path)
        store.commit(old, Batch(runs=[sample.run("r1")]))
        store.put_beats(old, [sample.beat()], [])
        store.acquire(this_process(), NOW_US, LEASE_US)
        assert store.beats() == []
        with refused(Fenced):
            store.put_beats(old, [sample.beat()], [])
        assert store.beats() == []
        store.close()

    def test_what_was_left_to_people_outlives_its_run_and_is_closed_once(self, tmp_path: Path) -> None:
        store, epoch = self.owned(tmp_path)
        late = MatterRow("r1", "b!undo", "its target refused", NOW_US + 2)
        first = MatterRow("r1", "a", "nobody knows", NOW_US + 1)
        store.commit(epoch, Batch(runs=[sample.ended("r1")], matters=[late, first]))
        assert store.matters() == [first, late]
        store.remove_run(epoch, "r1")
        assert store.matters() == [first, late]
        assert not store.close_matter("r1", "nowhere", "Ada", None)
        store.release(epoch)
        assert store.close_matter("r1", "a", "Ada", {"done": True}), "needs no lease"
        assert not store.close_matter("r1", "a", "Eve", None), "it is closed once"
        assert store.matters() == [late]
        assert store.matters(closed=True) == [replace(first, closed_by="Ada", value={"done": True})]
        store.close()
