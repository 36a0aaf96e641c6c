"""Processes that replicate, for one study or for many, and the file in which what they did is kept.

Replications come back in the order of their numbers, whoever made them, so one process or several give the same bytes.
A process is started once and serves every study that follows: a sweep of a hundred settings starts as many as one.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self

from orchspec.compiler.plan import plan_from_json
from orchspec.simulator.kept import Kept, digest_of
from orchspec.simulator.replicate import Stage, Twinned

if TYPE_CHECKING:
    from orchspec.compiler.plan import Plan, Scenario

__all__ = ["WORTH_S", "Staged", "Workers"]

WORTH_S: Final = 4.0
"""Processes are started once so much work is left, since starting one takes the better part of a second."""
_STAGES_MAX: Final = 8


@dataclass(frozen=True, slots=True)
class _Order:
    """What a process must know of a study, small enough to send along with each replication."""

    study: str
    plan: str
    position: int
    seed: int
    folder: Path | None
    size: int
    queue_max: int | None


class Workers:
    """Processes, started when they pay.

    Args:
        jobs: how many; None: all cores, once what is left is seen to take long enough for that.
        kept: where what is done is kept, and looked for.
    """

    def __init__(self, jobs: int | None = None, kept: Kept | None = None) -> None:
        self.jobs = jobs
        self.kept = kept
        self.ahead = 0
        """Replications that will be asked for after those of the study at hand, as far as is known."""
        self.stopping = False
        self._pool: ProcessPoolExecutor | None = None

    def __enter__(self) -> Self:
        if self.jobs is not None and self.jobs > 1:
            self.spawn(self.jobs)
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        pool = self._pool
        if pool is None:
            return
        workers = list((getattr(pool, "_processes", None) or {}).values()) if self.stopping or kind else []
        # Not cancelled where processes are ended: the pool's thread tells each future that its process broke, and one
        # that was cancelled does not bear that (a traceback, up to Python 3.12).
        pool.shutdown(wait=not workers, cancel_futures=not workers)
        for worker in workers:  # what they are at is not wanted any more, and may take long
            worker.terminate()

    def spawn(self, jobs: int) -> None:
        """Starts so many processes."""
        context = multiprocessing.get_context("spawn")
        self._pool = ProcessPoolExecutor(jobs, mp_context=context, initializer=_begin)

    @property
    def pool(self) -> ProcessPoolExecutor | None:
        """The processes, once there are some."""
        return self._pool

    def stage(
        self, plan: Plan, scenario: Scenario, seed: int, folder: Path | None, size: int, queue_max: int | None
    ) -> Staged:
        """A study, ready to be replicated; the arguments are those of `Stage`.

        Raises:
            TableError: a file that it reads cannot be read.
        """
        return Staged(self, Stage(plan, scenario, seed, folder, size, queue_max), folder)


class Staged:
    """The replications of one study by number."""

    def __init__(self, workers: Workers, stage: Stage, folder: Path | None) -> None:
        self._workers = workers
        self._stage = stage
        plan, scenario = stage.plan, stage.scenario
        version = workers.kept.version if workers.kept is not None else ""
        how = {"seed": stage.seed, "size": stage.size, "queue_max": stage.queue_max, "version": version}
        self._study = digest_of(plan, scenario, [stage.cast.data, stage.times], **how)
        self._told = f"{plan.name}, {scenario.name}, seed {stage.seed}"
        self._order = _Order(
            *(self._study, plan.as_json(), plan.scenarios.index(scenario), stage.seed),
            *(folder, stage.size, stage.queue_max),
        )

    @property
    def stage(self) -> Stage:
        """That of this process."""
        return self._stage

    def replicate(self, start: int, stop: int) -> Iterator[Twinned]:
        """Replications `start` to `stop` (left out), in order: those that are kept, and the others made."""
        kept = self._workers.kept
        while start < stop:
            found = kept.get(self._study, start) if kept is not None else None
            if found is None:
                break
            disturbed, twin, calm = found
            yield Twinned(disturbed, twin, calm)
            start += 1
        for number, one in enumerate(self._make(start, stop), start):
            if kept is not None:
                kept.put(self._study, number, [one.disturbed, one.twin, one.calm], self._told)
            yield one

    def _make(self, start: int, stop: int) -> Iterator[Twinned]:
        workers = self._workers
        while workers.pool is None and start < stop:
            began = time.perf_counter()
            one = self._stage.replicate(start)
            start += 1
            left_s = (time.perf_counter() - began) * (stop - start + workers.ahead)
            yield one
            if workers.jobs is None and left_s > WORTH_S:
                cores = os.cpu_count() or 1
                if cores > 1:
                    workers.spawn(cores)
        if workers.pool is None or start >= stop:
            return
        try:
            with _deaf():
                made = workers.pool.map(partial(_replicate, self._order), range(start, stop))
            yield from made
        except KeyboardInterrupt:
            workers.stopping = True
            raise


_STAGES: dict[str, Stage] = {}
"""The studies that a process was last asked for."""


@contextmanager
def _deaf() -> Iterator[None]:
    """Holds back SIGINT: processes that start meanwhile never hear it, this one does afterwards at the latest.

    `_begin` is too late for those that are still importing.
    """
    held = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, held)


def _begin() -> None:
    # An interrupt from a terminal reaches all processes of its group; the first one decides what it means.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_leave_with_parent, daemon=True).start()


def _leave_with_parent() -> None:
    # A parent that is killed shuts no pool down, and a worker waits for its next call for ever: the other workers hold
    # the same pipe open. Whoever reads our output would wait as long.
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _replicate(order: _Order, index: int) -> Twinned:
    stage = _STAGES.pop(order.study, None)
    if stage is None:
        plan = plan_from_json(order.plan)
        stage = Stage(plan, plan.scenarios[order.position], order.seed, order.folder, order.size, order.queue_max)
    _STAGES[order.study] = stage
    while len(_STAGES) > _STAGES_MAX:
        del _STAGES[next(iter(_STAGES))]
    return stage.replicate(index)
