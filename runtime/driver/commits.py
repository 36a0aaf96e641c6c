"""What an engine has handled is made durable, one batch after another."""

from __future__ import annotations

import asyncio
from concurrent.futures import Executor
from functools import partial
from time import perf_counter
from typing import TYPE_CHECKING, Final, Protocol

from orchspec.runtime.driver.clock import pace_of
from orchspec.runtime.driver.tempo import Tempo
from orchspec.runtime.errors import StoreBusy
from orchspec.runtime.failpoints import ARMED, reached

if TYPE_CHECKING:
    from collections.abc import Callable

    from orchspec.runtime.engine import Engine
    from orchspec.runtime.journal.batch import Batch
    from orchspec.runtime.journal.store import Store

__all__ = ["Commits"]

_BUSY_S: Final = 0.05
"""First wait before a commit is tried again that the store was too busy for; it doubles, up to a second."""


class _Loop(Protocol):
    """What commits ask of the loop that they are of."""

    engine: Engine
    epoch: int
    asyncio_loop: asyncio.AbstractEventLoop
    closed: bool

    def durable(self, batch: Batch) -> None:
        """Act on what a batch caused."""

    def go_on(self, first: Callable[[], None]) -> None:
        """Do something, and what follows from it."""

    def lose(self, error: Exception) -> None:
        """The store is no longer what we think."""

    def tell(self, message: str) -> None:
        """Something that a person should know."""


class Commits:
    """The commits of one loop: one at a time, made here or by the writing thread (see `tempo`).

    What is handled while the thread writes shares the next one. `alone` says whether nothing else is under way.
    """

    def __init__(self, loop: _Loop, store: Store, writer: Executor, alone: Callable[[], bool]) -> None:
        self._loop = loop
        self._store = store
        self._writer = writer
        self._alone = alone
        self._tempo = Tempo()
        self._batch: Batch | None = None
        self._busy_s = _BUSY_S

    def flush(self) -> None:
        """Commit what has gathered, unless a commit is under way, and act on what is durable."""
        loop = self._loop
        take = loop.engine.committer.take
        while not loop.closed and (batch := take()) is not None:
            self._batch = batch
            if not self._commit(batch):
                return
            self._done(batch)

    def close(self) -> None:
        """Whatever is under way counts no more."""
        self._batch = None

    def _commit(self, batch: Batch) -> bool:
        """Whether it is durable by now."""
        if ARMED:
            reached("before_commit")
        if self._tempo.here(self._alone):
            try:
                self._write(batch)
            except Exception as error:  # noqa: BLE001 - whatever it was, the store is not what we think
                self._failed(error)
                return False
            return True
        writing = self._loop.asyncio_loop.run_in_executor(self._writer, self._write, batch)
        writing.add_done_callback(self._written)
        return False

    def _write(self, batch: Batch) -> None:
        began_s = perf_counter()
        try:
            self._store.commit(self._loop.epoch, batch)
        finally:
            self._tempo.took(perf_counter() - began_s, len(batch.records))

    def _written(self, writing: asyncio.Future[None]) -> None:
        batch = self._batch
        if self._loop.closed or writing.cancelled() or batch is None:
            return
        error = writing.exception()
        if error is None:
            self._loop.go_on(partial(self._act, batch))
        else:
            self._failed(error)

    def _act(self, batch: Batch) -> None:
        self._done(batch)
        self.flush()

    def _done(self, batch: Batch) -> None:
        self._batch = None
        self._busy_s = _BUSY_S
        self._loop.durable(batch)

    def _again(self) -> None:
        batch = self._batch
        if batch is not None and not self._loop.closed and self._commit(batch):
            self._loop.go_on(partial(self._act, batch))

    def _failed(self, error: BaseException) -> None:
        if isinstance(error, StoreBusy):
            if self._busy_s == _BUSY_S:
                self._loop.tell(f"{error}; nothing goes on until it can be written")
            # What comes back at that instant comes before: whether it was told to stop then does not hang on luck.
            loop = self._loop.asyncio_loop
            loop.call_later(self._busy_s, pace_of(loop).soon, self._again)
            self._busy_s = min(self._busy_s * 2, 1.0)
            return
        if not isinstance(error, Exception):
            raise error
        self._loop.lose(error)
