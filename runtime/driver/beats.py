"""Heartbeats: what agents at work tell of their progress, for whoever looks on.

They are told at once to who listens in this process, and kept in the store for others: the last one of each attempt,
no more than once a second, beside the journal. Nothing waits for them and nothing is decided by them, so whatever
fails in keeping them is no concern of the run.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor
from typing import TYPE_CHECKING, Final

from orchspec.runtime.driver.clock import wall_us
from orchspec.runtime.errors import StoreError
from orchspec.runtime.journal.records import BeatRow

if TYPE_CHECKING:
    from orchspec.runtime.driver.live import Loop
    from orchspec.runtime.journal.store import Store

__all__ = ["KEPT_EVERY_S", "Beats"]

KEPT_EVERY_S: Final = 1.0
"""How often heartbeats are written at most."""


class Beats:
    """The heartbeats of one loop.

    Args:
        loop: that runs the attempts.
        store: where the last ones are kept.
        writer: the thread that writes.
        told: told of each: run, step, share, note.
    """

    def __init__(
        self, loop: Loop, store: Store, writer: Executor, told: Callable[[str, str, float, str], None]
    ) -> None:
        self._loop = loop
        self._store = store
        self._writer = writer
        self._told = told
        self._fresh: dict[tuple[str, int], BeatRow] = {}
        self._kept: dict[tuple[str, int], str] = {}
        self._over: list[tuple[str, str]] = []
        self._timer: asyncio.TimerHandle | None = None
        self._wrote_s = 0.0

    def heard(self, run: str, place: int, attempt: int, share: float, note: str) -> None:
        """An attempt tells how far it is."""
        loop = self._loop
        live = loop.lives.get(run)
        if live is None or live.kernel is None or loop.closed:
            return
        path = live.kernel.path(place)
        self._told(run, path, share, note)
        self._fresh[run, place] = BeatRow(run, path, attempt, share, note, wall_us())
        self._write_soon()

    def over(self, run: str, place: int) -> None:
        """An attempt is over; most have told nothing."""
        if not self._fresh and not self._kept:
            return
        self._fresh.pop((run, place), None)
        path = self._kept.pop((run, place), None)
        if path is not None:
            self._over.append((run, path))
            self._write_soon()

    def close(self) -> None:
        """Write no more."""
        if self._timer is not None:
            self._timer.cancel()

    def _write_soon(self) -> None:
        if self._timer is None:
            asyncio_loop = self._loop.asyncio_loop
            wait_s = self._wrote_s + KEPT_EVERY_S - asyncio_loop.time() if self._wrote_s else 0.0
            self._timer = asyncio_loop.call_later(max(0.0, wait_s), self._write)

    def _write(self) -> None:
        self._timer = None
        if self._loop.closed:
            return
        fresh, self._fresh = self._fresh, {}
        over, self._over = self._over, []
        self._kept.update((key, beat.place) for key, beat in fresh.items())
        self._wrote_s = self._loop.asyncio_loop.time()
        writing = self._loop.asyncio_loop.run_in_executor(
            self._writer, self._store.put_beats, self._loop.epoch, list(fresh.values()), over
        )
        writing.add_done_callback(self._written)

    def _written(self, writing: asyncio.Future[None]) -> None:
        error = None if writing.cancelled() else writing.exception()
        if error is not None and not isinstance(error, StoreError):
            self._loop.tell(f"heartbeats could not be kept: {type(error).__name__}: {error}")
