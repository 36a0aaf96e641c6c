"""The lease of a store, and what happens after a store has failed: when it is opened again, and what one finds then."""

import asyncio
from concurrent.futures import Executor, Future

import pytest

from orchspec.runtime.driver.lease import Lease
from orchspec.runtime.errors import Fenced
from orchspec.runtime.journal import MemoryStore
from orchspec.runtime.journal.owner import this_process
from orchspec.runtime.journal.records import Owner
from orchspec.runtime.reopening import CALM_US, LOSSES_MAX, Reopening

SECOND = 1_000_000


class Later(Executor):
    """Does what it is told when one says so."""

    def __init__(self):
        self.left = []

    def submit(self, fn, /, *args, **kwargs):
        future = Future()
        self.left.append((future, fn, args, kwargs))
        return future

    def work(self):
        future, fn, args, kwargs = self.left.pop(0)
        try:
            future.set_result(fn(*args, **kwargs))
        except Fenced as error:
            future.set_exception(error)


def beaten(between):
    """What a lease says of a beat that comes back after something happened."""
    store, writer, lost = MemoryStore(), Later(), []

    async def main():
        lease = Lease(store, this_process("us"), writer, lost.append)
        lease.take()
        lease._beat()
        between(store, lease)
        writer.work()
        await asyncio.sleep(0.01)
        lease.give_back()

    asyncio.run(main())
    return lost


def test_a_beat_that_was_under_way_as_the_store_was_taken_anew_is_no_word_of_another_engine():
    assert beaten(lambda _store, lease: lease.take()) == []


def test_a_beat_that_another_engine_fenced_says_so():
    found = beaten(lambda store, lease: (store.release(lease.epoch), store.acquire(Owner(1, "elsewhere", "x"), 0, 9)))
    assert [type(error) for error in found] == [Fenced]


def test_a_lease_knows_whether_it_was_given_back_before():
    store, writer = MemoryStore(), Later()

    async def main():
        first, second = (Lease(store, this_process(name), writer, pytest.fail) for name in ("one", "two"))
        first.take()
        assert not first.inherited
        first.take()
        assert first.inherited, "it was left in the middle"
        first.give_back()
        second.take()
        assert not second.inherited
        second.give_back()

    asyncio.run(main())


def test_the_wait_doubles_until_a_store_is_given_up_and_begins_anew_after_a_calm():
    reopening = Reopening()
    waits = [reopening.lost(now) for now in range(LOSSES_MAX + 1)]
    assert waits == [100_000, 200_000, 400_000, 800_000, 1_600_000, None]
    assert Reopening().lost(0) == reopening.lost(LOSSES_MAX + CALM_US) == 100_000
