"""All runs of one process on one store: they share an engine and a lease, whoever asked for them.

A hub opens with the first run that is asked for and closes with the last: it takes the store's lease, drives a loop,
renews the lease, looks into the mailbox, and gives everything back. When the store fails under it, what is durable is
folded again into a fresh loop; when another engine has taken the store, it stops at once.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Final, cast

from orchspec.runtime.driver.clock import Clock, pace_of
from orchspec.runtime.driver.ears import Ears
from orchspec.runtime.driver.lease import Lease
from orchspec.runtime.driver.live import Heard, LiveRun, Request, Tell
from orchspec.runtime.driver.loop import EngineLoop
from orchspec.runtime.driver.stored import (
    check_inputs,
    check_same,
    halted_by,
    has_ended,
    new_row,
    overloaded,
    pinned_plan,
    reopened,
    stored_result,
)
from orchspec.runtime.errors import (
    CorruptStore,
    Fenced,
    Interrupted,
    LeaseHeld,
    OrchError,
    ReplayMismatch,
    StoreError,
    UnknownRun,
    UpgradeMisfit,
)
from orchspec.runtime.journal.owner import this_process
from orchspec.runtime.journal.records import RunRow
from orchspec.runtime.reopening import Reopening
from orchspec.runtime.result import RunResult, result_of

if TYPE_CHECKING:
    from orchspec.compiler.plan import Plan
    from orchspec.runtime.journal.records import RunStatus
    from orchspec.runtime.journal.store import Store
    from orchspec.runtime.kernel.commands import EndRun
    from orchspec.runtime.recording import Folded

__all__ = ["Hub"]

_POLL_S: Final = 0.2
_GRACE_S: Final = 2.0
"""What attempts under way are given to come back when the engine is told to stop."""


class Hub(Ears):
    """One engine on one store.

    Args:
        store: where runs are kept.
        speed: of the clock.
        owned: whether to close the store at the end.
        left: called when the hub is closed.
        tell: told what a person should know; the log `orchspec` unless given.
        heard: told of heartbeats.
        queue_max: while so many tasks wait, no new run is let in; None: every run is.
    """

    def __init__(
        self,
        store: Store,
        *,
        speed: float = 1.0,
        owned: bool = False,
        left: Callable[[], None] | None = None,
        tell: Tell | None = None,
        heard: Heard | None = None,
        queue_max: int | None = None,
    ) -> None:
        Ears.__init__(self, tell, heard)
        self.asyncio_loop = asyncio.get_running_loop()
        self._store = store
        self._owned, self._left = owned, left
        self._queue_max = queue_max
        self._pace = pace_of(self.asyncio_loop)
        self._clock = Clock(speed, self._pace.wall)
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="orch-writer")
        self._lease = Lease(store, this_process(str(id(self.asyncio_loop))), self._writer, self.lost)
        self._loop: EngineLoop | None = None
        self._runs: dict[str, LiveRun] = {}
        self._asked: dict[tuple[str, str], int] = {}
        self._poll: asyncio.TimerHandle | None = None
        self._beside: set[asyncio.Task[Any]] = set()
        self._reopening = Reopening()
        self._back: asyncio.Task[Any] | None = None
        self._parking = self.closed = self._inherits = False

    # -------------------------------------------------------------- asking for runs

    async def run(self, request: Request) -> RunResult:
        """Start a run, or go on with the run of that name, and wait until it has ended or is parked.

        Raises what `check_inputs` and `check_same` do, LeaseHeld, StoreError, MissingHandlers (from the crew),
        RunHalted, Interrupted.
        """
        try:
            live = self._runs.get(request.run)
            if live is not None:
                check_same(live.row, request.flow, request.inputs)
                return await self._wait(live)
            await self._while_lost()
            row = self._store.run(request.run)
            fork = request.fork
            if row is None and fork is not None:
                row = fork.begin(self._store, self._open(fork.plan).epoch, self._clock.now_us(), request.options)
            if row is None:
                return await self._wait(self._start(request))
            check_same(row, request.flow, request.inputs)
            if fork is not None:
                fork.check(row)
            if request.plan is not None and row.plan_hash != request.plan.hash:
                self.tell(f"run {row.run} goes on with the plan that it was started with; the spec has changed since")
            if has_ended(row):
                return stored_result(self._store, row, request.plan)
            return await self._wait(self._resume([(row, request)])[0])
        finally:
            await self._leave_if_done()

    async def resume(self, requests: list[Request]) -> list[RunResult | OrchError]:
        """Go on with runs, and wait for all of them.

        Returns, in the order of the requests, the result of each, or the error that keeps it from going on. Raises
        UnknownRun for a name that the store does not hold, MissingHandlers (from a crew), LeaseHeld, StoreError.
        """
        try:
            results: dict[str, RunResult | OrchError] = {}
            found: list[tuple[RunRow, Request]] = []
            for request in requests:
                row = self._store.run(request.run)
                if row is None:
                    raise UnknownRun(f"the store holds no run {request.run}; `orch status` lists those that it holds")
                if has_ended(row):
                    results[row.run] = stored_result(self._store, row)
                elif row.run not in self._runs:
                    found.append((row, request))
            resumed = {live.run: live for live in self._resume(found)}
            waiting = [resumed.get(each.run) or self._runs[each.run] for each in requests if each.run not in results]
            await self._wait_all(waiting)
            for live in waiting:
                error = live.future.exception()
                if error is not None and not isinstance(error, OrchError):
                    raise error
                results[live.run] = live.future.result() if error is None else error
            return [results[request.run] for request in requests]
        finally:
            await self._leave_if_done()

    def _start(self, request: Request) -> LiveRun:
        plan = request.plan
        assert plan is not None, "a run that the store does not hold needs a plan"
        check_inputs(plan, request.flow, request.inputs)
        crew = request.crew(plan, self._clock)
        loop = self._open(plan)
        row = new_row(request, plan, self._clock.now_us())
        live = LiveRun(row, plan, crew, self.asyncio_loop.create_future(), request.watch)
        if self._inherits:
            self._recover(loop, [])
        if not loop.start(live):
            raise overloaded(live.run, self._queue_max)
        self._runs[live.run] = live
        return live

    def _resume(self, found: list[tuple[RunRow, Request]]) -> list[LiveRun]:
        lives: list[LiveRun] = []
        for row, request in found:
            plan = request.upgrade or pinned_plan(self._store, row, request.plan)
            crew = request.crew(plan, self._clock)
            lives.append(LiveRun(row, plan, crew, self.asyncio_loop.create_future(), request.watch))
            lives[-1].options = request.options
        if lives:
            loop = self._open(lives[0].plan)
            self._runs.update({live.run: live for live in lives})
            self._go_on(loop, lives)
        return lives

    def _go_on(self, loop: EngineLoop, lives: list[LiveRun]) -> None:
        """Fold runs from the store, which is ours, and have the loop go on with them."""
        self._asked.update({(each.run, each.place): each.asked_us for each in self._store.questions()})
        states: list[tuple[LiveRun, Folded]] = []
        unknown: list[LiveRun] = []
        for live in lives:
            row = self._store.run(live.run)
            if row is None:
                unknown.append(live)
                continue
            try:
                state = reopened(self._store, live, row)
            except (ReplayMismatch, CorruptStore, UpgradeMisfit) as error:
                self._fail(live, error)
                continue
            if has_ended(row):
                self._settle(live, result_of(row, state.kernel))
            else:
                states.append((live, state))
        if states:
            self._clock.not_before(max(state.kernel.now for _, state in states))
        if states or self._inherits:
            self._recover(loop, states)
            loop.poll()
        for live in unknown:  # nothing of them was durable, so they come after those that were there
            if not loop.start(live):
                self._fail(live, overloaded(live.run, self._queue_max))

    # -------------------------------------------------------------- waiting

    async def _wait(self, live: LiveRun) -> RunResult:
        live.waiters += 1
        try:
            # As `shield`: whoever waits may be cancelled, the run goes on.
            ended: asyncio.Future[None] = self.asyncio_loop.create_future()
            live.future.add_done_callback(lambda _: None if ended.done() else ended.set_result(None))
            await ended
        finally:
            live.waiters -= 1
        return live.future.result()

    async def _wait_all(self, lives: list[LiveRun]) -> None:
        for live in lives:
            live.waiters += 1
        try:
            if lives:
                await asyncio.wait([live.future for live in lives])
        finally:
            for live in lives:
                live.waiters -= 1

    async def _leave_if_done(self) -> None:
        """Close when nobody waits for anything any more: a run that nobody awaits rests in the store."""
        if not self.closed and not any(live.waiters for live in self._runs.values()):
            await self.close()

    async def interrupt(self) -> None:
        """Leave in order (`EngineLoop.drain`), and give the lease back. Whoever waits gets `Interrupted`."""
        names = ", ".join(self._runs)
        await self.close(Interrupted(f"interrupted; what is durable of {names or 'the runs'} can be resumed"))

    async def close(self, error: OrchError | None = None) -> None:
        """Close; runs that have not ended rest in the store, whoever waits for one gets `error`."""
        if self.closed:
            return
        self.closed = True
        if self._left is not None:
            self._left()
        if self._poll is not None:
            self._poll.cancel()
        if self._loop is not None and not self._loop.closed:
            await self._loop.drain(_GRACE_S)
        self._shut(error)
        if self._loop is not None:
            await self._loop.gone()

    def _shut(self, error: OrchError | None) -> None:
        if self._loop is not None and not self._loop.closed:
            self._loop.close()
        if self._lease.epoch:
            self._lease.give_back()
        self._writer.shutdown(wait=False)
        for live in list(self._runs.values()):
            self._fail(live, error or Interrupted(f"nobody waits for run {live.run} any more; resume it"))
        if self._owned:
            with contextlib.suppress(StoreError):
                self._store.close()

    # -------------------------------------------------------------- the loop

    def _open(self, plan: Plan) -> EngineLoop:
        if self._loop is not None and not self._loop.closed:
            return self._loop
        self._lease.take(self._clock.now_us())
        loop = EngineLoop(
            self,
            self._store,
            self._clock,
            self._writer,
            plan,
            self._lease.epoch,
            ledger=self._store.ledger(),
            reuse=self._store.reuse(self._clock.now_us()),
            asked=self._asked,
            queue_max=self._queue_max,
        )
        self._loop = loop
        self._inherits = self._lease.inherited
        self._look()
        return loop

    def _recover(self, loop: EngineLoop, states: list[tuple[LiveRun, Folded]]) -> None:
        self._inherits = False  # even where no run goes on: nobody knows what is left of the rates
        loop.recover(states)

    def _look(self) -> None:
        # The mailbox is a table: other processes put into it, and nobody rings.
        if self._poll is not None:
            self._poll.cancel()
        if self.closed:
            return
        if self._loop is not None and not self._loop.closed and not self._parking:
            self._loop.poll()
        self._poll = self._pace.beside(_POLL_S, self._look)

    # -------------------------------------------------------------- what the loop tells

    def ended(self, live: LiveRun, command: EndRun) -> None:
        """See `House`."""
        assert live.kernel is not None
        status = cast("RunStatus", command.status)
        live.row = live.row.ended(status, command.result, command.error, live.row.ended_us)
        self._settle(live, result_of(live.row, live.kernel))

    def _settle(self, live: LiveRun, result: RunResult) -> None:
        self._runs.pop(live.run, None)
        if not live.future.done():
            live.future.set_result(result)

    def _fail(self, live: LiveRun, error: OrchError) -> None:
        self._runs.pop(live.run, None)
        if not live.future.done():
            live.future.set_exception(error)
            live.future.exception()  # whoever waits sees it; nobody else need be told

    def halted(self, live: LiveRun, error: Exception) -> None:
        """See `House`."""
        self._fail(live, halted_by(live.run, error))

    def quiet(self) -> None:
        """See `House`: park what waits for people."""
        if self._parking or self.closed or self._loop is None:
            return
        self._loop.poll()
        if self._loop.closed or self._loop.engine.inbox or not self._loop.engine.committer.idle:
            return
        self._parking = True
        self._spawn(self._park(self._loop))

    async def _park(self, loop: EngineLoop) -> None:
        lives = list(loop.lives.values())
        asked = {run for run, _ in loop.people.open} | loop.engine.signals.waiting
        loop.draining = True
        for live in lives:
            loop.park(live)
            if live.run not in asked:
                self.tell(f"run {live.run} waits for an effect or a result of another run: resume that one first")
        await loop.settle()
        self._parking = False
        if loop.closed:
            return  # The store failed under it: what is folded again will be quiet again.
        loop.close()
        for live in lives:
            if live.run in self._runs and live.kernel is not None:
                self._settle(live, result_of(live.row, live.kernel))

    # -------------------------------------------------------------- when the store fails

    def lost(self, error: Exception) -> None:
        """See `House`; the lease tells it too."""
        if self.closed:
            return
        if self._loop is not None and not self._loop.closed:
            self._loop.close()
        if isinstance(error, (Fenced, LeaseHeld)):
            self._give_up(error)
            return
        after_us = self._reopening.lost(round(self.asyncio_loop.time() * 1_000_000))
        if after_us is None:
            self._give_up(error)
            return
        self.tell(f"the store failed ({error}); what is durable is read again")
        self._back = self._spawn(self._reopen(after_us / 1_000_000))

    async def _while_lost(self) -> None:
        """Wait while the store is away. Raises StoreError if it is given up."""
        while (back := self._back) is not None and not back.done():
            await asyncio.wait([back])
        if back is not None and self.closed:
            raise StoreError("the store failed and was given up; ask again when it can be written")

    async def _reopen(self, after_s: float) -> None:
        old = self._loop
        if old is not None:
            await old.gone()
        await asyncio.sleep(after_s)
        if self.closed or not self._runs:
            return
        try:
            lives = list(self._runs.values())
            self._go_on(self._open(lives[0].plan), lives)
        except Exception as error:  # noqa: BLE001 - the store, or what it holds, is at fault: tried again, or told
            self.lost(error)

    def _give_up(self, error: Exception) -> None:
        known = error if isinstance(error, OrchError) else StoreError(f"the store failed: {error}")
        self.closed = True
        if self._left is not None:
            self._left()
        if self._poll is not None:
            self._poll.cancel()
        self._shut(known)

    def _spawn(self, work: Any) -> asyncio.Task[Any]:
        task = self.asyncio_loop.create_task(work)
        self._beside.add(task)
        task.add_done_callback(self._beside.discard)
        return task
