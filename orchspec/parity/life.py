"""One life of the real engine under a schedule: from the moment it opens the store until it ends, or is ended."""

from __future__ import annotations

import asyncio
import contextlib
import os
import pickle
import signal
from contextlib import closing
from dataclasses import replace
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from orchspec.parity.outside import Sent
from orchspec.parity.players import Players
from orchspec.parity.stores import StruckStore
from orchspec.parity.timers import StruckTimers
from orchspec.runtime import failpoints
from orchspec.runtime.driver import commits, loop
from orchspec.runtime.driver.clock import Clock
from orchspec.runtime.driver.hub import Hub
from orchspec.runtime.driver.live import Request
from orchspec.runtime.errors import AlreadyAnswered, RunEnded
from orchspec.runtime.kernel.events import CostReported
from orchspec.runtime.kernel.program import program_of
from orchspec.runtime.kernel.signals import Awaiting
from orchspec.simulator.cast import Cast
from orchspec.simulator.chaos.chronicle import HORIZON_US
from orchspec.simulator.crashes import Crashed
from orchspec.simulator.shifts import Shift, ahead_us
from orchspec.virtual import StandStill, VirtualClock

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from orchspec.compiler.plan import Plan
    from orchspec.parity.lives import Job
    from orchspec.parity.outside import Answer, Outside
    from orchspec.runtime.driver.attempts import Usage
    from orchspec.runtime.grants import Grant
    from orchspec.runtime.task import Task
    from orchspec.runtime.timers import TimerQueue
    from orchspec.simulator.chaos.chronicle import Chronicler
    from orchspec.simulator.visits import Visit

__all__ = ["LEFT_BEHIND", "Ending", "Life"]

LEFT_BEHIND: Final = "outside"
"""The file beside the store by which a process that dies hands on what lies outside of it."""
_POINTS: Final = {
    "before_commit": "before_commit",
    "after_commit": "after_commit",
    "before_effect": "before_effect",
    "before_result": "before_ack",
    "recovering": "recovery",
}
"""What the simulator calls the failpoints of the runtime; `after_effect` is where a request lands."""
_WITH_POINTS: Final[tuple[Any, ...]] = (failpoints, loop, commits)
"""The modules that ask whether any point is armed."""
_KILLED_BY: Final = frozenset({"crash", "crash_loop"})


class Ending(Enum):
    """How a life ends that is not killed: `LEFT` made way for a newer build, `GAVE_UP` has lost the store."""

    TOLD = 0
    LEFT = 3
    GAVE_UP = 4


class Life:
    """One process, or what is one but for the process.

    Args:
        job: the story.
        outside: what goes on without it.
        folder: of the store.
        chronicler: who runs what, with which inputs.
    """

    def __init__(self, job: Job, outside: Outside, folder: Path, chronicler: Chronicler) -> None:
        self._job = job
        self._outside = outside
        self._folder = folder
        self._chronicler = chronicler
        self._time = VirtualClock(0, 5.0, alone=True)
        self._time.now_us = outside.now_us
        self._store = StruckStore(folder / "runs.db", outside, self._now, self._die)
        self._shifts = outside.faults.shifts()
        self._is_set = False
        self._cast = Cast(chronicler.plan, chronicler.data, outside.faults.targets)
        self._players: Players
        self._hub: Any = None
        self._leaving: Any = None
        self._waiting: list[asyncio.Future[None]] = []

    def live(self) -> Ending:
        """Live it; the outside is then as it is left behind."""
        with self._armed(), self._timed(), contextlib.suppress(StandStill):  # somebody waits for what never comes
            return self._time.run(self._main())
        return Ending.TOLD

    @contextlib.contextmanager
    def _timed(self) -> Iterator[None]:
        """The timers of our engines are struck, where any fault is aimed at them."""
        if not self._outside.faults.strikes_timers:
            yield
            return

        def made(granted: Callable[[Grant], None]) -> TimerQueue:
            return StruckTimers(granted, self._outside.faults, self._now, lambda: self._loop, self._players.later)

        module: Any = loop
        before, module.TimerQueue = module.TimerQueue, made
        try:
            yield
        finally:
            module.TimerQueue = before

    @contextlib.contextmanager
    def _armed(self) -> Iterator[None]:
        """The failpoints of this process are ours meanwhile, where there is anything to strike at them."""
        if not (self._outside.crashes.crashes or self._outside.crashes.breaks):
            yield
            return
        before = failpoints._pass, [module.ARMED for module in _WITH_POINTS]  # noqa: SLF001
        failpoints._pass = self._passed  # noqa: SLF001
        for module in _WITH_POINTS:
            module.ARMED = True
        try:
            yield
        finally:
            failpoints._pass = before[0]  # noqa: SLF001
            for module, armed in zip(_WITH_POINTS, before[1], strict=True):
                module.ARMED = armed

    @property
    def _loop(self) -> Any:
        """The loop of the engine that is up; None: nobody is."""
        return self._hub._loop if self._hub is not None else None  # noqa: SLF001

    def _now(self) -> int:
        return self._time.now_us

    def _told(self, now: int | None = None) -> int:
        """What the clock of this machine says now, or said, which may have been set."""
        now = self._now() if now is None else now
        return now + ahead_us(self._shifts, now - 1 if self._is_set else now)

    def _expect_set(self, shift: Shift, date_us: int) -> None:
        """The clock is set at a date, or when that comes again; beyond the horizon of a schedule nobody looks."""
        at_us = shift.next_us(date_us, self._now())
        if at_us is not None and at_us <= HORIZON_US:
            self._players.later(at_us, self._notices, shift, at_us)

    def _notices(self, shift: Shift, date_us: int) -> None:
        """An engine looks at its clock each 30 seconds, and here just before it is set, and after.

        When it does so is no part of the story.
        """
        loop = self._loop
        if loop is not None and not loop.closed:
            self._is_set = True
            loop.clock.now_us()
            self._is_set = False
            loop.look_again()
        self._expect_set(shift, date_us)

    def _billed(self, task: Task, usage: Usage) -> None:
        powers: Any = task.powers
        self._loop.post(task.run, CostReported(0, powers.place, task.attempt, *usage))

    def _waited_us(self, key: int) -> int:
        loop = self._loop
        for kernel in loop.engine.kernels.values():
            for place, activity in enumerate(kernel.places):
                if isinstance(activity, Awaiting) and kernel.draw_key(place) == key:
                    return int(loop.clock.now_us() - activity.since_us)
        return 0

    async def _main(self) -> Ending:
        """Catch up with what happened outside, go on with what is in the store, and let the others arrive."""
        outside = self._outside
        if self._shifts:
            loop: Any = asyncio.get_running_loop()
            loop.pace = replace(loop.pace, wall=self._told)
        with closing(self._store):
            outside.catch_up(outside.now_us, self._put_in)
            hub = self._hub = _House(self._store, tell=lambda _said: None)
            hub.over = self._over
            world = Clock(1.0, self._now)
            epoch = lambda: hub._lease.epoch  # noqa: E731, SLF001
            self._players = Players(
                outside, self._cast, world, self._reached, self._put_in, epoch, self._billed, self._waited_us
            )
            for shift in self._shifts:
                for date_us in shift.dates_us():
                    self._expect_set(shift, date_us)
            hub.settle_in(self._chronicler.plan)
            for request in list(outside.requests):
                self._players.lands(request)
            for question, answer in list(outside.answers.items()):
                if answer is not None:
                    self._players.comes(question, answer)
            for key in outside.sent_in_order():
                self._players.signals.comes_again(key)
            for crash in outside.crashes.crashes:
                if crash.dated and crash.at_us is not None:
                    self._expect(crash, crash.at_us)
            outside.begun = True
            await self._runs()
            await hub.close()
        if self._leaving is not None:
            return Ending.LEFT
        return Ending.GAVE_UP if hub.given_up else Ending.TOLD

    async def _runs(self) -> None:
        visits = [self._chronicler.visit(number) for number in range(self._job.runs)]
        known = {row.run: row for row in self._store.runs()}
        asked = [self._ask(visit) for visit in visits if visit.run not in known]
        live = [run for run, row in known.items() if row.ended_us is None]
        if live:
            asked.append(self._hub.resume([self._request(visit) for visit in visits if visit.run in live]))
        for ended in await asyncio.gather(*asked, return_exceptions=True):
            if isinstance(ended, BaseException) and not self._hub.closed:
                raise ended

    async def _ask(self, visit: Visit) -> Any:
        waiting = asyncio.ensure_future(asyncio.sleep(max(0, visit.arrived_us - self._now()) / 1e6))
        self._waiting.append(waiting)
        await waiting
        if self._hub.closed:  # it lets nobody in any more
            return None
        return await self._hub.run(self._request(visit))

    def _request(self, visit: Visit) -> Request:
        return Request(
            visit.run,
            lambda _plan, _clock: self._players,
            plan=self._chronicler.plan,
            flow=self._job.flow,
            inputs=visit.inputs,
            seed=visit.seed,
        )

    # -------------------------------------------------------------- what happens outside

    def _put_in(self, said: Answer | Sent, value: Any) -> None:
        now_us = self._told(said.at_us)
        if isinstance(said, Sent):
            key = program_of(self._chronicler.plan).codecs.signal(said.signal).key(said.inputs)
            self._store.post_mail("signal", posted_us=now_us, name=said.signal, key=key, value=value, by="outside")
        else:
            with contextlib.suppress(AlreadyAnswered, RunEnded):  # who answers twice, or too late, is told so
                self._store.post_mail(
                    "answer", posted_us=now_us, run=said.run, place=said.place, value=value, by=said.who
                )
        if self._loop is not None:
            self._loop.poll()

    # -------------------------------------------------------------- crashes

    @property
    def _is_up(self) -> bool:
        loop = self._hub._loop  # noqa: SLF001
        return loop is None or not loop.closed

    def _passed(self, name: str) -> None:
        point = _POINTS.get(name)
        if point is not None and not (name == "before_commit" and self._store.retries):
            self._reached(point)

    def _reached(self, point: str) -> None:
        try:
            self._outside.reached(point, self._now())
        except Crashed as crashed:
            if crashed.crash.name in _KILLED_BY:
                self._die()
            self._store.strikes = crashed.crash.name

    def _expect(self, crash: Any, at_us: int) -> None:
        if at_us == 0 and not self._outside.begun:  # who comes at the very beginning is let in before
            pace = self._hub._pace  # noqa: SLF001
            pace.soon(lambda: pace.soon(lambda: self._due(crash, 0)))
        elif at_us > self._now():  # at the very moment of a return there is nobody yet
            self._players.later(at_us, self._due, crash, at_us)
        elif crash.every_us:
            self._expect(crash, at_us + crash.every_us)

    def _due(self, crash: Any, at_us: int) -> None:
        if crash.every_us:
            self._expect(crash, at_us + crash.every_us)
        if not self._is_up:
            return
        if crash.name == "upgrade":
            if self._leaving is None:  # it makes way for a newer build, as a process does that is told to end
                self._leaving = crash
                self._hub._spawn(self._hub.interrupt())  # noqa: SLF001
            return
        try:
            self._outside.crashes.due(crash)
        except Crashed as crashed:
            self._outside.dies(crashed, self._now())
            self._die()

    def _over(self) -> None:
        """The engine is no more: what goes on outside does so in the next life, and who was to come comes there."""
        if self._leaving is not None:
            self._outside.dies(Crashed(self._leaving), self._now())
        self._players.over = True
        for waiting in self._waiting:
            waiting.cancel()

    def _die(self) -> None:
        leave_behind(self._outside, self._folder)
        os.kill(os.getpid(), signal.SIGKILL)


def leave_behind(outside: Outside, folder: Path) -> None:
    """Write down what the next process finds outside."""
    partial = folder / f"{LEFT_BEHIND}.part"
    partial.write_bytes(pickle.dumps(outside))
    partial.replace(folder / LEFT_BEHIND)


class _House(Hub):
    """All runs of one story, on one engine from its first to its last, as a simulation has them."""

    over: Callable[[], None]
    given_up = False

    def settle_in(self, plan: Plan) -> None:
        """Open the store before anybody comes."""
        store = self._store
        assert isinstance(store, StruckStore)
        loop = self._open(plan)
        if self._inherits and all(row.ended_us is not None for row in store.runs()):
            self._recover(loop, [])
        store.opened = True

    async def _leave_if_done(self) -> None:
        """It waits for runs that arrive later."""

    def _shut(self, error: Any) -> None:
        self.over()
        super()._shut(error)

    def _give_up(self, error: Exception) -> None:
        self.given_up = True
        super()._give_up(error)
