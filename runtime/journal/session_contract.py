"""What every store must hold of persistent sessions: a part of the contract suite, see ``contract``."""

# ruff: noqa: D102 - a test says in its name what holds
from __future__ import annotations

from typing import TYPE_CHECKING

from orchspec.runtime.errors import Fenced, StoreError
from orchspec.runtime.journal.batch import Batch
from orchspec.runtime.journal.owner import this_process
from orchspec.runtime.journal.samples import LEASE_US, NOW_US, refused, sample

if TYPE_CHECKING:
    from pathlib import Path

    from orchspec.runtime.journal.store import Store

__all__ = ["SessionContract"]


class SessionContract:
    """What holds for the sessions of every store."""

    def owned(self, folder: Path) -> tuple[Store, int]:
        """A new store that is owned, and its epoch."""
        raise NotImplementedError

    def test_turns_of_a_session_are_appended_replaced_and_dropped_as_the_newest_says(self, tmp_path: Path) -> None:
        store, epoch = self.owned(tmp_path)
        other = sample.turn(1, session="ann")
        store.commit(epoch, Batch(turns=[sample.turn(1), sample.turn(2), other]))
        store.commit(epoch, Batch(turns=[sample.turn(3)]))
        assert store.turns("ann/T-7") == [sample.turn(1), sample.turn(2), sample.turn(3)]
        assert store.turns("ann") == [other]
        assert store.turns("nobody") == []
        summary = sample.turn(3, inputs=None, output="all of it", since=3, folded=3)
        store.commit(epoch, Batch(turns=[summary]))
        assert store.turns("ann/T-7") == [summary]
        store.commit(epoch, Batch(turns=[sample.turn(4, since=4)]))
        assert store.turns("ann/T-7") == [sample.turn(4, since=4)]
        assert store.turns("ann") == [other]
        store.close()

    def test_turns_outlive_the_run_that_took_them(self, tmp_path: Path) -> None:
        store, epoch = self.owned(tmp_path)
        store.commit(epoch, Batch(runs=[sample.ended()], records=[sample.record()], turns=[sample.turn()]))
        store.remove_run(epoch, "r1")
        assert store.turns("ann/T-7") == [sample.turn()]
        store.close()

    def test_turn_of_an_older_epoch_or_of_a_refused_batch_is_not_there(self, tmp_path: Path) -> None:
        store, old = self.owned(tmp_path)
        epoch = store.acquire(this_process(), NOW_US, LEASE_US)
        with refused(Fenced):
            store.commit(old, Batch(turns=[sample.turn()]))
        with refused(StoreError):
            store.commit(epoch, Batch(turns=[sample.turn()], mail_taken=[99]))
        assert store.turns("ann/T-7") == []
        store.close()
