"""The lives of the real engine under one schedule: a process until it is killed, then another, until all is told."""

from __future__ import annotations

import asyncio
import contextlib
import multiprocessing
import os
import pickle
import signal
import tempfile
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from orchspec.parity.outside import Answer, Outside
from orchspec.runtime.errors import AlreadyAnswered
from orchspec.simulator.chaos.chronicle import Chronicler
from orchspec.simulator.crashes import Crashed

if TYPE_CHECKING:
    from orchspec.compiler.plan import Fault, Json, Plan
    from orchspec.runtime.journal.records import Record
    from orchspec.simulator.visits import Visit

__all__ = ["Job", "Lived", "live_through"]

_LIVES_MAX: Final = 200
_PRELOADED: Final = [
    "orchspec.parity.lives",
    "orchspec.parity.players",
    "orchspec.runtime.driver.hub",
    "orchspec.runtime.journal.sqlite",
    "orchspec.virtual",
]
_POINTS: Final = {
    "before_commit": "before_commit",
    "after_commit": "after_commit",
    "before_effect": "before_effect",
    "before_result": "before_ack",
    "recovering": "recovery",
}
"""What the simulator calls the failpoints of the runtime; `after_effect` is where a request lands."""


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
    """What the real engine made of a story: the durable records of each run, and how often its process was killed."""

    records: dict[str, list[Record]] = field(default_factory=dict)
    statuses: dict[str, str] = field(default_factory=dict)
    kills: int = 0


def live_through(job: Job) -> Lived:
    """Run a story with the real engine, and read its journals.

    Where the schedule has no crashes no process is made: the engine runs here.

    Raises:
        RuntimeError: a process ended otherwise than it should, or too many of them did.
    """
    chronicler = job.chronicler()
    outside = Outside.under(job.faults, 0)
    lived = Lived()
    with tempfile.TemporaryDirectory(prefix="orch-parity-") as name:
        folder = Path(name)
        if not outside.crashes.crashes:
            _live(job, outside, folder, chronicler)
        while outside.crashes.crashes:
            code = _in_a_process(job, outside, folder)
            if code == 0:
                break
            lived.kills += 1
            if code != -signal.SIGKILL or lived.kills > _LIVES_MAX:
                raise RuntimeError(f"life {lived.kills} of the real engine ended with {code}")
            outside = pickle.loads((folder / "outside").read_bytes())  # noqa: S301 - written by our own process
            outside.now_us = outside.back_us
        _read(folder / "runs.db", lived)
    return lived


def _read(path: Path, lived: Lived) -> None:
    from orchspec.runtime.journal import SQLiteStore

    with closing(SQLiteStore(path, create=False)) as store:
        for row in store.runs():
            lived.records[row.run] = store.records(row.run)
            lived.statuses[row.run] = row.status


_CONTEXT: list[Any] = []


def _in_a_process(job: Job, outside: Outside, folder: Path) -> int:
    if not _CONTEXT:
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(_PRELOADED)
        _CONTEXT.append(context)
    process = _CONTEXT[0].Process(target=_life, args=(job, outside, folder))
    process.start()
    process.join()
    code: int = process.exitcode
    process.close()
    return code


def _life(job: Job, outside: Outside, folder: Path) -> None:
    """One life, in a process of its own."""
    from orchspec.runtime import failpoints

    failpoints.ARMED = True  # type: ignore[misc]
    _live(job, outside, folder, job.chronicler())


def _live(job: Job, outside: Outside, folder: Path, chronicler: Chronicler) -> None:
    from orchspec.virtual import StandStill, VirtualClock

    clock = VirtualClock(0, 5.0, alone=True)
    clock.now_us = outside.now_us
    life = _Life(job, outside, folder, chronicler, clock)
    with contextlib.suppress(StandStill):  # somebody waits for what never comes
        clock.run(life.main())


class _Life:
    def __init__(self, job: Job, outside: Outside, folder: Path, chronicler: Chronicler, clock: Any) -> None:
        from orchspec.runtime.journal import SQLiteStore
        from orchspec.simulator.cast import Cast

        self._job = job
        self._outside = outside
        self._folder = folder
        self._clock = clock
        self._chronicler = chronicler
        self._store = SQLiteStore(folder / "runs.db", "normal")
        self._cast = Cast(chronicler.plan, chronicler.data, outside.faults.targets)
        self._hub: Any = None

    async def main(self) -> None:
        """Catch up with what happened outside, go on with what is in the store, and let the others arrive."""
        from orchspec.parity.players import Players
        from orchspec.runtime import failpoints

        outside = self._outside
        if outside.crashes.crashes:  # then this process is one that may die; in another the points are not ours
            failpoints._pass = self._passed  # noqa: SLF001
        outside.catch_up(outside.now_us, self._put_in)
        hub = self._hub = _house(self._store)
        self._players = Players(outside, self._cast, hub._clock, self._reached, self._put_in)  # noqa: SLF001
        for request in list(outside.requests):
            self._players.lands(request)
        for question, answer in list(outside.answers.items()):
            if answer is not None:
                self._players.comes(question, answer)
        for crash in outside.crashes.crashes:
            if crash.dated and crash.at_us is not None:
                self._expect(crash, crash.at_us)
        await self._runs()

    async def _runs(self) -> None:
        visits = [self._chronicler.visit(number) for number in range(self._job.runs)]
        known = {row.run: row for row in self._store.runs()}
        asked = [self._ask(visit) for visit in visits if visit.run not in known]
        live = [run for run, row in known.items() if row.ended_us is None]
        if live:
            asked.append(self._hub.resume([self._request(visit) for visit in visits if visit.run in live]))
        with closing(self._store):
            await asyncio.gather(*asked)
            await self._hub.close()

    async def _ask(self, visit: Visit) -> Any:
        await asyncio.sleep(max(0, visit.arrived_us - self._clock.now_us) / 1e6)
        return await self._hub.run(self._request(visit))

    def _request(self, visit: Visit) -> Any:
        from orchspec.runtime.driver.live import Request

        plan = self._chronicler.plan
        return Request(
            visit.run,
            lambda _plan, _clock: self._players,
            plan=plan,
            flow=self._job.flow,
            inputs=visit.inputs,
            seed=visit.seed,
        )

    # -------------------------------------------------------------- what happens outside

    def _put_in(self, answer: Answer, value: Any) -> None:
        with contextlib.suppress(AlreadyAnswered):  # who answers twice is told so
            self._store.post_mail(
                "answer", posted_us=self._clock.now_us, run=answer.run, place=answer.place, value=value, by=answer.who
            )
        loop = self._hub._loop if self._hub is not None else None  # noqa: SLF001
        if loop is not None:
            loop.poll()

    # -------------------------------------------------------------- crashes

    def _passed(self, name: str) -> None:
        point = _POINTS.get(name)
        if point is not None:
            self._reached(point)

    def _reached(self, point: str) -> None:
        try:
            self._outside.reached(point, self._clock.now_us)
        except Crashed:
            self._die()

    def _expect(self, crash: Any, at_us: int) -> None:
        if at_us >= self._clock.now_us:
            self._players.later(at_us, self._due, crash, at_us)
        elif crash.every_us:
            self._expect(crash, at_us + crash.every_us)

    def _due(self, crash: Any, at_us: int) -> None:
        if crash.every_us:
            self._expect(crash, at_us + crash.every_us)
        try:
            self._outside.crashes.due(crash)
        except Crashed as crashed:
            self._outside.dies(crashed, self._clock.now_us)
            self._die()

    def _die(self) -> None:
        partial = self._folder / "outside.part"
        partial.write_bytes(pickle.dumps(self._outside))
        partial.replace(self._folder / "outside")
        os.kill(os.getpid(), signal.SIGKILL)


def _house(store: Any) -> Any:
    """All runs of one story, on one engine from its first to its last, as a simulation has them."""
    from orchspec.runtime.driver.hub import Hub

    class House(Hub):
        async def _leave_if_done(self) -> None:
            """It waits for runs that arrive later."""

    return House(store)


def without_store_time(plan: Plan) -> Plan:
    """The plan with an orchestrator whose commits take no time: those of a real store take their own."""
    profiles = {
        name: replace(profile, journal_write=None) if name == "orchestrator" else profile
        for name, profile in plan.profiles.items()
    }
    return replace(plan, profiles=profiles)
