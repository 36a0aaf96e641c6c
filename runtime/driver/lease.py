"""The lease of a store: taken with a new epoch, renewed in time, given back."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from concurrent.futures import Executor
from typing import TYPE_CHECKING, Final

from orchspec.runtime.driver.clock import wall_us
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
    """Keeps a store for one engine; `lost` is called, once, when it is ours no more."""

    def __init__(self, store: Store, owner: Owner, writer: Executor, lost: Callable[[Exception], None]) -> None:
        self._store = store
        self._owner = owner
        self._writer = writer
        self._lost = lost
        self._beating: asyncio.Task[None] | None = None
        self.epoch = 0

    def take(self) -> int:
        """Take the store; returns the new epoch. Raises LeaseHeld while another engine has it."""
        self.epoch = self._store.acquire(self._owner, wall_us(), LEASE_US)
        if self._beating is None:
            self._beating = asyncio.get_running_loop().create_task(self._beat())
        return self.epoch

    async def _beat(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(BEAT_US / 1_000_000)
            try:
                await loop.run_in_executor(self._writer, self._store.renew, self.epoch, wall_us(), LEASE_US)
            except StoreBusy:
                continue  # There is time for another beat.
            except StoreError as error:
                self._beating = None
                self._lost(error)
                return

    def give_back(self) -> None:
        """Release the store; whoever has taken it meanwhile keeps it."""
        if self._beating is not None:
            self._beating.cancel()
            self._beating = None
        with contextlib.suppress(StoreError):  # It runs out by itself.
            self._store.release(self.epoch)
