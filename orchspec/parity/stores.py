"""A store of SQLite whose disk a schedule of faults takes away: what fails here fails in SQLite, and its disk is real.

| fault | what is done |
|---|---|
| `store_error`, `disk_full` | the system lets this process write to no file (`RLIMIT_FSIZE`): so SQLite's write fails |
| `store_busy` | another connection holds the write lock |
| `torn` | the commit is written, the process is killed, and of what it wrote to the log the second half is taken away |
| `unsynced` | likewise, and all of it is taken away: it had not come to the disk when the power failed |
| `stale_lease` | another engine takes the lease, as if that had run out, just before the commit |

Nothing of this is told to the runtime in any other way than a broken disk tells it.
"""

from __future__ import annotations

import contextlib
import resource
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from orchspec.runtime.driver.clock import wall_us
from orchspec.runtime.journal import SQLiteStore
from orchspec.runtime.journal.owner import this_process

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from orchspec.parity.outside import Outside
    from orchspec.runtime.journal.batch import Batch
    from orchspec.runtime.journal.records import Owner

__all__ = ["DAMAGED", "StruckStore", "damage"]

DAMAGED: Final = "damaged-wal"
"""The file beside the store that holds what is left of its log."""
_BREAKS: Final = frozenset({"torn", "unsynced"})
_LAPSED_US: Final = 1 << 40
"""So far ahead is the clock of an engine that finds our lease run out."""


class StruckStore(SQLiteStore):
    """A store under a schedule.

    Args:
        path: of the store.
        outside: knows when the disk is full and the store is busy; counts commits.
        now_us: the world's present.
        dies: kills this process.

    Attributes:
        strikes: what the next commit meets.
        opened: whether this life has opened it; before that its disk is in order.
        retries: whether the next commit is one that was made before, and met a store that was busy.
    """

    def __init__(self, path: Path, outside: Outside, now_us: Callable[[], int], dies: Callable[[], None]) -> None:
        self._outside = outside
        self._now_us = now_us
        self._dies = dies
        super().__init__(path, "full" if outside.crashes.loses_power else "normal")
        self.opened = False
        self.strikes: str | None = None
        self.retries = False
        self._tries = 0

    def acquire(self, owner: Owner, now_us: int, lease_us: int, runs_us: int | None = None) -> int:
        """See `Store.acquire`."""
        if not self.opened:  # whoever had it was another process, or would have been, and is gone
            super().release(self.epoch())
        with self._disk():
            return super().acquire(owner, now_us, lease_us, runs_us)

    def release(self, epoch: int) -> None:
        """See `Store.release`."""
        with self._disk():
            super().release(epoch)

    def renew(self, epoch: int, now_us: int, lease_us: int) -> None:
        """Nothing: beats come in real time, so what they met would be luck; nobody is after this store in time."""

    def put_plan(self, plan_hash: str, json_text: str) -> None:
        """See `Store.put_plan`."""
        with self._disk():
            super().put_plan(plan_hash, json_text)

    def commit(self, epoch: int, batch: Batch) -> None:
        """See `Store.commit`."""
        outside, strikes = self._outside, self.strikes
        self.strikes = None
        if strikes == "stale_lease":
            self._usurp()
        now_us = self._now_us()
        # What fails by itself need not be kept waiting.
        self.retries = strikes is None and outside.faults.store_is_busy(
            outside.key + outside.commits, self._tries, now_us
        )
        if self.retries:
            self._tries += 1
            with self._locked():
                super().commit(epoch, batch)
        if strikes is None and self._tries and outside.finds_no_room(now_us):
            strikes = "disk_full"
        self._tries = 0
        if strikes in _BREAKS:
            self._half_written(strikes, epoch, batch)
        with _no_room() if strikes == "store_error" else self._disk():
            super().commit(epoch, batch)
        outside.commits += 1

    def _ready(self) -> None:
        """No room ahead: the log ends where its last commit does, so that it can be told what a commit wrote."""

    def _open_writer(self) -> sqlite3.Connection:
        connection = super()._open_writer()
        if self._outside.crashes.loses_power:  # what is in the log can be taken away again
            connection.execute("PRAGMA wal_autocheckpoint = 0")
        else:  # who dies here is the process, and not the machine: what was written stays
            connection.execute("PRAGMA synchronous = OFF")
        return connection

    # -------------------------------------------------------------- what is done to it

    def _disk(self) -> AbstractContextManager[Any]:
        full = self.opened and self._outside.crashes.disk_is_full(self._now_us())
        return _no_room() if full else contextlib.nullcontext()

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        """Somebody else writes, for longer than we wait."""
        writer = self._writer or self._open_writer()
        (patience_ms,) = writer.execute("PRAGMA busy_timeout").fetchone()
        other = sqlite3.connect(self.path, isolation_level=None)
        writer.execute("PRAGMA busy_timeout = 0")
        try:
            other.execute("BEGIN IMMEDIATE")
            yield
        finally:
            other.close()
            writer.execute(f"PRAGMA busy_timeout = {patience_ms}")

    def _usurp(self) -> None:
        other = SQLiteStore(self.path, create=False)
        with contextlib.closing(other):
            other.acquire(this_process("another engine"), wall_us() + _LAPSED_US, -_LAPSED_US)

    def _half_written(self, how: str, epoch: int, batch: Batch) -> None:
        log = self.path.with_name(f"{self.path.name}-wal")
        if self._writer is None:
            self._open_writer()
        before = log.read_bytes() if log.exists() else b""
        super().commit(epoch, batch)
        (self.path.parent / DAMAGED).write_bytes(damage(how, before, log.read_bytes()))
        self._dies()


def damage(how: str, before: bytes, after: bytes) -> bytes:
    """What is left of a log to which a commit was written: none of the commit (`unsynced`), or its first half."""
    if how == "unsynced":
        return before
    same = next((at for at, (one, other) in enumerate(zip(before, after, strict=False)) if one != other), len(before))
    half = (same + len(after)) // 2
    return after[:half] + before[half:]


@contextlib.contextmanager
def _no_room() -> Iterator[None]:
    """No file takes a byte more of this process; the kernel of the system says so to whoever writes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
