"""One engine on the real clock.

    drain ──▶ step ──▶ take ──▶ commit ──▶ committed ──▶ act ──▶ …outcomes are posted, and the loop turns again

Rules.
1. Whatever has happened when the loop turns is handled together, at one instant; mail is drained before timers.
2. Nothing that the outside may see is done before the commit that holds its cause.
3. What came back at once is handled at once, for a moment: then whatever else is ready has its turn (`Pace.linger_s`).
4. A quick disk is written to from here, a slow one from a thread (`tempo`); what is handled meanwhile goes together.
5. A commit that failed, or a store that another engine took, ends this loop: the house folds again, into another one.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Coroutine, Iterable
from concurrent.futures import Executor
from dataclasses import replace
from time import monotonic
from typing import TYPE_CHECKING, Any, ClassVar

from orchspec.runtime.driver.attempts import Attempts
from orchspec.runtime.driver.beats import Beats
from orchspec.runtime.driver.clock import pace_of
from orchspec.runtime.driver.coming import Coming
from orchspec.runtime.driver.commits import Commits
from orchspec.runtime.driver.people import People
from orchspec.runtime.driver.sending import Sending
from orchspec.runtime.driver.stored import plan_text
from orchspec.runtime.driver.uncollected import uncollected
from orchspec.runtime.engine import Engine
from orchspec.runtime.errors import Fenced, StoreBusy, StoreError
from orchspec.runtime.failpoints import ARMED, reached
from orchspec.runtime.kernel.commands import (
    AnswerCall,
    AskPerson,
    AwaitSignal,
    CheckEffect,
    Command,
    EndRun,
    RunTask,
    StopTask,
    TryEffect,
    WithdrawSignal,
)
from orchspec.runtime.kernel.events import Event, QuestionAnswered, TaskFailed, TimerFired
from orchspec.runtime.timers import TimerQueue

if TYPE_CHECKING:
    from orchspec.compiler.plan import Plan
    from orchspec.runtime.driver.clock import Clock
    from orchspec.runtime.driver.live import House, LiveRun
    from orchspec.runtime.journal.batch import Batch
    from orchspec.runtime.journal.records import LedgerRow, ReuseRow
    from orchspec.runtime.journal.store import Store
    from orchspec.runtime.recording import Folded

__all__ = ["EngineLoop"]


class EngineLoop:
    """Drives one `Engine`; see `live.Loop` for what its parts may ask of it.

    `asked`: when each open question was put first, in microseconds. Commits after `epoch` are refused (`Fenced`).
    """

    def __init__(
        self,
        house: House,
        store: Store,
        clock: Clock,
        writer: Executor,
        plan: Plan,
        epoch: int,
        *,
        ledger: Iterable[LedgerRow],
        reuse: Iterable[ReuseRow],
        asked: dict[tuple[str, str], int],
        queue_max: int | None = None,
    ) -> None:
        self.clock = clock
        self.epoch = epoch
        self.asyncio_loop = asyncio.get_running_loop()
        self._pace = pace_of(self.asyncio_loop)
        self.lives: dict[str, LiveRun] = {}
        self.closed = False
        self.draining = False
        self._house = house
        self._store = store
        self._writer = writer
        self._attempts: Attempts = Attempts(self)
        self._timers = TimerQueue(self._attempts.tool_granted)
        self.engine = Engine(plan, self._timers, ledger=ledger, reuse=reuse, sessions=store.turns, queue_max=queue_max)
        self.beats = Beats(self, store, writer, house.note_progress)
        self._sending = Sending(self)
        self.people = People(self, store, self._attempts, asked)
        self._coming: Coming = Coming(self, store)
        self._beside: set[asyncio.Task[Any]] = set()
        self._pinned: set[str] = set()
        self._commits = Commits(self, store, writer, lambda: not (self._attempts.open or self._sending.open))
        self._scheduled = self._called = self._going = self._watched = False
        self._alarm: asyncio.TimerHandle | None = None
        self._alarm_us: int | None = None
        self._wake_us: int | None = None
        self._settling: list[asyncio.Future[None]] = []

    # -------------------------------------------------------------- ways in

    def start(self, live: LiveRun) -> bool:
        """Begin a run, unless too many tasks wait."""
        plan = live.plan
        if not self.engine.start(plan, live.row, self.clock.now_us()):
            return False
        if plan.hash not in self._pinned:
            # For as long as the store is ours: others may remove the plans of runs that have ended.
            self._pinned.add(plan.hash)
            self.engine.committer.put_plan(plan.hash, plan_text(plan))
        self._admit(live)
        live.kernel = self.engine.kernels[live.run]
        self.schedule()
        return True

    def _admit(self, live: LiveRun) -> None:
        self.lives[live.run] = live
        self._watched = self._watched or live.watch is not None

    def recover(self, folded: list[tuple[LiveRun, Folded]]) -> None:
        """Go on with runs that were folded from the store."""
        for live, state in folded:
            self._admit(live)
            live.kernel = state.kernel
            if live.row.status != "running":
                live.row = replace(live.row, status="running")
                self.engine.committer.put_run(live.row)
        reached("recovering")
        self.engine.recover([(live.plan, live.row, state) for live, state in folded], self.epoch, self.clock.now_us())
        self._coming.resume()
        self.schedule()

    def post(self, run: str, event: Event, mail: int | None = None) -> None:
        """See `live.Loop`."""
        if self.closed:
            return
        kind = type(event)
        if kind is TaskFailed or (kind is QuestionAnswered and event.attempt):
            kernel = self.engine.kernels.get(run)
            if kernel is not None:
                self.people.answered(run, kernel, event.place)
        self.engine.post(run, event, mail)
        self.schedule()

    def schedule(self) -> None:
        """See `live.Loop`."""
        if not self.closed:
            self._scheduled = True
            if not self._going and not self._called:
                self._called = True
                self._pace.soon(self._turn)

    def look_again(self) -> None:
        """The clock was set: what waits for a time is looked at anew."""
        self._alarm_us = None
        self.schedule()

    def poll(self, *, first: bool = False) -> None:
        """Drain the mailbox; at first, before timers are looked at, of what came by its deadline."""
        if not self.closed:
            try:
                (self.people.resume if first else self.people.poll)()
            except StoreBusy:
                return  # It is looked into again soon.
            except StoreError as error:
                self.lose(error)

    def park(self, live: LiveRun) -> None:
        """Let a run rest in the store: its row says so with the next commit."""
        live.row = replace(live.row, status="parked")
        self.engine.committer.put_run(live.row)
        self.schedule()

    # -------------------------------------------------------------- the loop

    def _turn(self) -> None:
        self._called = False
        if self._scheduled and not self.closed:
            self.go_on(self._instant)

    @uncollected
    def go_on(self, first: Callable[[], None]) -> None:
        """Do something, and what follows from it, for a moment; what is left waits for its turn."""
        self._going = True
        until_s = monotonic() + self._pace.linger_s
        try:
            first()
            while self._scheduled and not self.closed and monotonic() < until_s:
                self._instant()
        finally:
            self._going = False
        if self.people.is_left and self.engine.committer.idle and not self.engine.inbox:
            self.poll()
        if not self.closed:
            if self._scheduled:
                self.schedule()
            self._set_alarm()

    def _instant(self) -> None:
        """Handle all that has happened by now, commit it and act on it."""
        self._scheduled = False
        now = self.clock.now_us()
        engine = self.engine
        due = self._timers.due(now)
        if due and (self.people.open or engine.signals.waiting):
            self.poll()
            if self.closed:
                return
        for timer in due:
            engine.post(timer.run, TimerFired(now, timer.place, timer.timer, timer.attempt))
        if self._wake_us is not None and now >= self._wake_us:
            self._wake_us = None
            engine.wake(now)
        for _, event, _ in engine.inbox:
            event.time = now
        try:
            engine.step(now)
        except StoreError as problem:  # sessions are read when they are first wanted
            self.lose(problem)
            return
        while engine.halted:
            self._halt(*engine.halted.popitem())
        self._commits.flush()

    def _set_alarm(self) -> None:
        now = self.clock.now_us()
        self._wake_us = self.engine.dispatcher.next_wake_us(now)
        at_us = min((at for at in (self._timers.next_us(), self._wake_us) if at is not None), default=None)
        if self._alarm is not None and at_us != self._alarm_us:
            self._alarm.cancel()
            self._alarm = None
        if at_us is not None and self._alarm is None:
            delay_s = max(self.clock.seconds(at_us - now), 0.0)
            self._alarm_us = at_us
            self._alarm = self.asyncio_loop.call_later(min(delay_s, self._pace.sleep_max_s), self._ring)
        self._tell_settled()
        if self._is_quiet():
            self._house.quiet()

    def _ring(self) -> None:
        self._alarm = None
        self.schedule()

    def _is_quiet(self) -> bool:
        engine = self.engine
        if self._scheduled or not self.lives or self.draining or engine.inbox or not engine.committer.idle:
            return False
        at_work = (self._attempts.busy, self._sending.busy, self._coming.busy, self._timers.active)
        if self._wake_us is not None or any(at_work):
            return False
        # Without a question, a deadline still makes something happen.
        return bool(self.people.open or self.engine.signals.waiting) or self._timers.next_us() is None

    # -------------------------------------------------------------- act

    def durable(self, batch: Batch) -> None:
        """Act on what a batch caused."""
        gated = self.engine.committed()
        if ARMED:
            reached("after_commit")
            if any(record.type == "EffectConfirmed" for record in batch.records):
                reached("before_acknowledge")
        lives = self.lives
        if self._watched:
            self._show(batch)
        for index, (run, command) in enumerate(gated):
            if self.closed:
                return
            if ARMED and index:
                reached("partly_acted")
            live = lives.get(run)
            act = self._ACTS.get(type(command))
            if live is not None and act is not None:  # mail is looked for anyway
                try:
                    act(self, live, command)
                except Exception as error:  # noqa: BLE001 - a bug of ours halts the run that met it and no other
                    self._halt(run, error)

    def _show(self, batch: Batch) -> None:
        for record in batch.records:
            live = self.lives.get(record.run)
            if live is not None and live.watch is not None:
                live.show(record, self.tell)

    def _run_task(self, live: LiveRun, command: RunTask) -> None:
        if not self.draining:
            self._attempts.run(live, command)

    def _ask(self, live: LiveRun, command: AskPerson) -> None:
        if not self.draining:
            self.people.ask(live, command)

    def _stop(self, live: LiveRun, command: StopTask) -> None:
        if command.person:
            assert live.kernel is not None
            self.people.withdraw(live.run, live.kernel, command)
        else:
            self._attempts.stop(live.run, command)

    def _send(self, live: LiveRun, command: TryEffect | CheckEffect) -> None:
        if not self.draining:
            self._sending.carry(live, command)

    def _end(self, live: LiveRun, command: EndRun) -> None:
        reached("before_result")
        self._forget(live.run)
        self._house.ended(live, command)

    def _forget(self, run: str) -> LiveRun | None:
        self._sending.forget(run)
        self._timers.forget(run)
        self.people.forget(run)
        return self.lives.pop(run, None)

    def _halt(self, run: str, error: Exception) -> None:
        if (live := self._forget(run)) is not None:
            self._house.halted(live, error)

    # -------------------------------------------------------------- for its parts

    def tell(self, message: str) -> None:
        """See `live.Loop`."""
        self._house.tell(message)

    def owns(self) -> bool:
        """See `live.Loop`."""
        try:
            newest = self._store.epoch()
        except StoreError as error:
            self.lose(error)
            return False
        if newest != self.epoch:
            self.lose(Fenced(f"epoch {self.epoch} no longer owns the store: another engine took over"))
            return False
        return True

    def spawn(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """See `live.Loop`."""
        task = self.asyncio_loop.create_task(work)
        self.beside(task)
        return task

    def beside(self, task: asyncio.Task[Any]) -> None:
        """See `live.Loop`."""
        self._beside.add(task)
        task.add_done_callback(self._beside.discard)

    # -------------------------------------------------------------- the end

    def lose(self, error: Exception) -> None:
        """The store is no longer what we think: this loop is over."""
        if not self.closed:
            self.close()
            self._house.lost(error)

    async def drain(self, grace_s: float) -> None:
        """Send nothing new, give what is under way a moment to come back, and commit what did."""
        self.draining = True
        pending = [*self._attempts.handles(), *self._sending.handles()]
        if pending:
            await asyncio.wait(pending, timeout=grace_s)
        if not self._is_settled():
            with contextlib.suppress(TimeoutError):  # a store that stays locked: what is not durable is done again
                await asyncio.wait_for(self.settle(), grace_s)

    async def settle(self) -> None:
        """Wait until all that was handled is durable (or the loop is closed)."""
        if not self._is_settled():
            settled = self.asyncio_loop.create_future()
            self._settling.append(settled)
            await settled

    def _is_settled(self) -> bool:
        return self.closed or not (self._scheduled or self.engine.inbox or not self.engine.committer.idle)

    def _tell_settled(self) -> None:
        if self._settling and self._is_settled():
            for waiting in self._settling:
                if not waiting.done():
                    waiting.set_result(None)
            self._settling.clear()

    def close(self) -> None:
        """Forget everything that is not durable; whatever is under way is cancelled and counts no more."""
        self.closed = True
        self._tell_settled()
        self.engine.committer.failed()
        self._commits.close()
        if self._alarm is not None:
            self._alarm.cancel()
        self._attempts.abandon()
        self.beats.close()
        self._coming.close()
        for task in list(self._beside):
            task.cancel()

    async def gone(self) -> None:
        """Wait for what was cancelled."""
        if pending := [task for task in self._beside if task is not asyncio.current_task()]:
            await asyncio.wait(pending, timeout=1.0)

    _ACTS: ClassVar[dict[type[Command], Callable[[EngineLoop, Any, Any], None]]] = {
        RunTask: _run_task,
        AskPerson: _ask,
        AwaitSignal: lambda self, live, command: self._coming.carry(live, command),
        WithdrawSignal: lambda self, live, command: self._coming.carry(live, command),
        AnswerCall: lambda self, live, command: self._attempts.answer_call(live.run, command),
        StopTask: _stop,
        TryEffect: _send,
        CheckEffect: _send,
        EndRun: _end,
    }
