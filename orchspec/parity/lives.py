"""The lives of the real engine under one schedule: a process until it ends, then another, until all is told."""

from __future__ import annotations

import multiprocessing
import pickle
import signal
import tempfile
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from orchspec.parity.outside import Outside
from orchspec.runtime.draws import run_key
from orchspec.simulator.chaos.chronicle import Chronicler

if TYPE_CHECKING:
    from orchspec.compiler.plan import Fault, Json, Plan
    from orchspec.parity.life import Ending
    from orchspec.runtime.journal.records import Record

__all__ = ["Job", "Lived", "live_through"]

_LIVES_MAX: Final = 1_000
_PRELOADED: Final = ["orchspec.parity.life", "orchspec.parity.lives"]


@dataclass(frozen=True, slots=True)
class Job:
    """A story: what is run, and under which faults. Times in microseconds."""

    plan: Plan
    flow: str
    folder: Path | None
    seed: int
    runs: int
    given: dict[str, Json]
    faults: Sequence[Fault] = ()

    def chronicler(self) -> Chronicler:
        """Who simulates the story, and makes its inputs."""
        return Chronicler(
            self.plan, self.flow, folder=self.folder, seed=self.seed, runs=self.runs, given=dict(self.given)
        )


@dataclass(slots=True)
class Lived:
    """What the real engine made of a story: the durable records of each run, and how its lives went.

    Attributes:
        records, statuses: by run.
        kills: how often its process was killed with SIGKILL.
        lives: how many there were.
    """

    records: dict[str, list[Record]] = field(default_factory=dict)
    statuses: dict[str, str] = field(default_factory=dict)
    kills: int = 0
    lives: int = 0


def live_through(job: Job, chronicler: Chronicler | None = None) -> Lived:
    """Run a story with the real engine, and read its journals.

    Where nobody is killed and no newer build takes over no process is made: the engine runs here.

    Args:
        job: the story.
        chronicler: of the story, where there is one already.

    Raises:
        RuntimeError: a process ended otherwise than it should, or too many of them did.
    """
    chronicler = chronicler or job.chronicler()
    outside = Outside.under(job.faults, run_key(job.seed, 0, 1, 0))
    lived = Lived()
    with tempfile.TemporaryDirectory(prefix="orch-parity-") as name:
        folder = Path(name)
        (folder / "runs.db").write_bytes(_empty_store())
        ended = None
        while ended != 0:
            lived.lives += 1
            if lived.lives > _LIVES_MAX:
                raise RuntimeError(f"the real engine came to no end in {_LIVES_MAX} lives")
            if outside.crashes.kills:
                ended, outside = _in_a_process(job, outside, folder)
                lived.kills += ended == -signal.SIGKILL
                _break(folder)
            else:
                ended = _live(job, outside, folder, chronicler).value
            outside.now_us = outside.back_us
        _read(folder / "runs.db", lived)
    return lived


@cache
def _empty_store() -> bytes:
    """The bytes of a store that holds nothing: to make one takes a fifth of the time of a small story."""
    from orchspec.runtime.journal import SQLiteStore

    with tempfile.TemporaryDirectory(prefix="orch-parity-") as name:
        path = Path(name) / "runs.db"
        SQLiteStore(path).close()
        return path.read_bytes()


def _read(path: Path, lived: Lived) -> None:
    from orchspec.runtime.journal import SQLiteStore

    with closing(SQLiteStore(path, create=False)) as store:
        for row in store.runs():
            lived.records[row.run] = store.records(row.run)
            lived.statuses[row.run] = row.status


def _live(job: Job, outside: Outside, folder: Path, chronicler: Chronicler) -> Ending:
    from orchspec.parity.life import Life

    return Life(job, outside, folder, chronicler).live()


# ------------------------------------------------------------------ processes

_TASKS: Final = Path("/proc/self/task")
_CONTEXT: list[Any] = []


def _context() -> Any:
    """How a process is made: by a fork, which takes a fifth of the time, where no thread can be caught by it."""
    if _TASKS.exists() and len(list(_TASKS.iterdir())) == 1:
        return multiprocessing.get_context("fork")
    if not _CONTEXT:
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(_PRELOADED)
        _CONTEXT.append(context)
    return _CONTEXT[0]


def _in_a_process(job: Job, outside: Outside, folder: Path) -> tuple[int, Outside]:
    """One life in a process of its own: how it ended, and what is then outside."""
    from orchspec.parity.life import LEFT_BEHIND

    process = _context().Process(target=_life, args=(job, outside, folder))
    process.start()
    process.join()
    code: int = process.exitcode
    process.close()
    if code == 0:
        return code, outside
    left_behind = folder / LEFT_BEHIND
    if not left_behind.exists():
        raise RuntimeError(f"a life of the real engine ended with {code}")
    found: Outside = pickle.loads(left_behind.read_bytes())  # noqa: S301 - written by our own process
    left_behind.unlink()
    return code, found


def _life(job: Job, outside: Outside, folder: Path) -> None:
    from orchspec.parity.life import Ending, leave_behind

    ending = _live(job, outside, folder, job.chronicler())
    if ending is not Ending.TOLD:
        leave_behind(outside, folder)
        raise SystemExit(ending.value)


def _break(folder: Path) -> None:
    """What a failing disk or power has left of the journal's end takes its place."""
    from orchspec.parity.stores import DAMAGED

    damaged = folder / DAMAGED
    if damaged.exists():
        damaged.replace(folder / "runs.db-wal")


def without_store_time(plan: Plan) -> Plan:
    """The plan with an orchestrator whose commits take no time: those of a real store take their own."""
    profiles = {
        name: replace(profile, journal_write=None) if name == "orchestrator" else profile
        for name, profile in plan.profiles.items()
    }
    return replace(plan, profiles=profiles)
