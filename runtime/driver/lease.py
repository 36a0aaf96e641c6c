"""The lease of a store: taken with a new epoch, renewed in time, given back."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from concurrent.futures import Executor
from functools import partial
from typing import TYPE_CHECKING, Final

from orchspec.runtime.driver.clock import pace_of, wall_us
from orchspec.runtime.errors import StoreBusy, StoreError

if TYPE_CHECKING:
    from orchspec.runtime.journal.records import Owner
    from orchspec.runtime.journal.store import Store

__all__ = ["BEAT_US", "LEASE_US", "Lease"]

LEASE_US: Final = 15_000_000
"""How long a store stays ours without a word: three heartbeats may fail. It is time of the system's clock."""
BEAT_US: Final = 4_000_000
"""How often a lease is renewed, likewise."""


class Lease:
    """Keeps a store for one engine; `lost` is called, once, when it is ours no more.

    `inherited`: whether whoever had it before did not give it back, as after a crash.
    """

    def __init__(self, store: Store, owner: Owner, writer: Executor, lost: Callable[[Exception], None]) -> None:
        self._store = store
        self._owner = owner
        self._writer = writer
        self._lost = lost
        self._timer: asyncio.TimerHandle | None = None
        self._renewing: asyncio.Future[None] | None = None
        self.epoch = 0
        self.inherited = False

    def take(self, runs_us: int | None = None) -> int:
        """Take the store; returns the new epoch. Raises LeaseHeld while another engine has it.

        `runs_us` is the present by the clock of the runs, where that is another than the system's, as in virtual time.
        """
        self.inherited = self._store.lease() is not None
        self.epoch = self._store.acquire(self._owner, wall_us(), LEASE_US, runs_us)
        if self._timer is None:
            self._beat_later()
        return self.epoch

    def _beat_later(self) -> None:
        self._timer = pace_of(asyncio.get_running_loop()).beside(BEAT_US / 1_000_000, self._beat)

    def _beat(self) -> None:
        renewing = asyncio.get_running_loop().run_in_executor(
            self._writer, self._store.renew, self.epoch, wall_us(), LEASE_US
        )
        self._renewing = renewing
        renewing.add_done_callback(partial(self._renewed, self.epoch))

    def _renewed(self, epoch: int, renewing: asyncio.Future[None]) -> None:
        error = None if renewing.cancelled() else renewing.exception()
        if self._timer is None:
            return  # given back meanwhile
        # A beat that was under way while we took the store anew is fenced by ourselves: it says nothing of others.
        if error is None or isinstance(error, StoreBusy) or epoch != self.epoch:  # there is time for another beat
            self._beat_later()
            return
        self._timer = None
        if not isinstance(error, StoreError):
            raise error
        self._lost(error)

    def give_back(self) -> None:
        """Release the store; whoever has taken it meanwhile keeps it."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._renewing is not None:
            self._renewing.cancel()  # how it ends is nobody's concern any more
        with contextlib.suppress(StoreError):  # It runs out by itself.
            self._store.release(self.epoch)
