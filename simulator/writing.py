"""The writing of the journal in virtual time: a commit takes as long as the orchestrator's profile says.

A store that is too busy (`store_busy`) makes it wait, and it is tried again, each time after twice as long, up to a
second. Until it is made, the engine goes on handling; what it decides shares the next commit.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from orchspec.runtime.draws import VALUE, uniform

if TYPE_CHECKING:
    from orchspec.runtime.journal.batch import Batch
    from orchspec.simulator.clock import Clock

__all__ = ["Writing"]

SECOND: Final = 1_000_000
_BUSY_US: Final = 50_000


class Writing:
    """The commit that is under way, if there is one; `may_wait` says whether any takes time."""

    __slots__ = ("_clock", "_held_up", "flying", "may_wait")

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.flying: Batch | None = None
        self._held_up = False
        self.may_wait = clock.cast.journal_write is not None or clock.faults.keeps_store_busy

    def takes_time(self, batch: Batch) -> bool:
        """Begin a commit; False if it is made at once, which is left to the clock."""
        if self._is_busy(batch, 0):
            return True
        clock = self._clock
        if clock.cast.journal_write is None:
            return False
        write_us = self._write_time(batch)
        if write_us:
            self.flying = batch
            clock.at(clock.now + write_us, self._written, clock.epoch)
        return bool(write_us)

    def _is_busy(self, batch: Batch, tries: int) -> bool:
        clock = self._clock
        self._held_up = clock.faults.store_is_busy(clock.key + clock.journal.commits, tries, clock.now)
        if not self._held_up:
            return False
        self.flying = batch
        clock.at(clock.now + min(_BUSY_US << min(tries, 5), SECOND), self._last, (clock.epoch, tries + 1))
        return True

    def _last(self, event: Any) -> None:
        """What else happens at this instant comes before."""
        self._clock.at(self._clock.now, self._try_again, event.value)

    def _try_again(self, event: Any) -> None:
        epoch, tries = event.value
        batch = self.flying
        clock = self._clock
        if epoch == clock.epoch and batch is not None and not self._is_busy(batch, tries):
            if clock.crashes is not None:
                self._held_up = True  # where there is no room for it, it does not come through
                clock.crashes.written(clock.now)
            self._made()

    def _write_time(self, batch: Batch) -> int:
        """How long the commit takes: drawn where its first record stands, so that no other commit shifts it."""
        clock = self._clock
        sample = clock.cast.journal_write
        assert sample is not None
        if not batch.records:
            return sample(uniform(clock.key, clock.epoch, VALUE))
        first = batch.records[0]
        visit = clock.visits.get(first.run)
        return sample(uniform(visit.seed if visit is not None else clock.key, first.seq, VALUE))

    def _written(self, event: Any) -> None:
        if event.value == self._clock.epoch:
            self._made()

    def _made(self) -> None:
        batch, self.flying = self.flying, None
        assert batch is not None
        clock = self._clock
        now = clock.told
        for record in batch.records:
            visit = clock.visits.get(record.run)
            if visit is not None:
                # From the event until its record is durable, but for what an earlier commit of the run accounts for.
                visit.seen.overhead_s += (now - max(record.time_us, visit.committed_us)) / SECOND
                visit.committed_us = now
        clock.commit(batch)
        self._next()

    def _next(self) -> None:
        """What gathered meanwhile is committed next, before what the commit has caused is handled."""
        clock = self._clock
        engine = clock.engine
        assert engine is not None
        while (batch := engine.committer.take()) is not None:
            clock.reached("before_commit")
            if self.takes_time(batch):
                return
            clock.commit(batch)

    def lost(self) -> Batch | None:
        """The engine is gone: the commit that was under way, if it came through all the same, which is drawn."""
        batch, self.flying = self.flying, None
        clock = self._clock
        came_through = batch is not None and not self._held_up and uniform(clock.key, clock.epoch, VALUE) < 0.5
        return batch if came_through else None
