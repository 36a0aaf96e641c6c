"""The second clock: SimPy carries out what the engine commands, in virtual time.

Nothing is decided here. A task takes a sampled time and gives a made output (`attempts`), an effect lands in the world
(`targets`), a person answers (`people`), faults strike (`faults`, `crashes`): to the engine, each of these is an event.

One instant. SimPy's events of one time are all processed; then the engine drains what they posted; what it decided is
committed (which takes the time that the profile of the orchestrator says); only then are its outward commands carried
out, and whatever happens at the same time goes round again.

A crash drops the engine and what was not durable; a batch whose commit was under way is durable or not, by a draw.
Attempts die with the engine, since agents are called from its process. What has left the process goes on: a request on
its way to a target still lands, a person still answers and a signal still comes (into the mailbox), clients send their
requests again. After `down` a new engine folds the journals. A run that does not fold is halted; the others go on.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, cast

from orchspec.runtime.engine import Engine
from orchspec.runtime.journal.records import RunRow
from orchspec.runtime.kernel.commands import AnswerCall, AskPerson, CheckEffect, EndRun, RunTask, StopTask, TryEffect
from orchspec.runtime.kernel.events import EffectConfirmed, QuestionAnswered, TaskFailed, TaskFulfilled
from orchspec.runtime.ledger import Ledger
from orchspec.simulator.attempts import Attempts
from orchspec.simulator.calendar import Calendar, Due
from orchspec.simulator.crashes import Crashed, Crashes
from orchspec.simulator.handover import Handover
from orchspec.simulator.journal import SimulatedJournal
from orchspec.simulator.observe import FaultMark
from orchspec.simulator.people import People
from orchspec.simulator.refolds import Refolds
from orchspec.simulator.signals import Signals
from orchspec.simulator.targets import Targets
from orchspec.simulator.timing import Timing
from orchspec.simulator.visits import Visit
from orchspec.simulator.writing import Writing

if TYPE_CHECKING:
    from orchspec.compiler.plan import Plan
    from orchspec.runtime.dispatcher import Grant
    from orchspec.runtime.journal.batch import Batch
    from orchspec.runtime.recording import EventRecord
    from orchspec.simulator.breakdowns import Breakdown
    from orchspec.simulator.calls import Calls
    from orchspec.simulator.cast import Cast
    from orchspec.simulator.faults import Crash, Faults
    from orchspec.simulator.meter import Meter
    from orchspec.simulator.world import World

__all__ = ["Clock", "Visit"]

SECOND: Final = 1_000_000
_OUTCOMES: Final = frozenset({TaskFulfilled, TaskFailed, QuestionAnswered})
_LEAP_US: Final = 14 * 24 * 3600 * SECOND


class Clock:
    """One replication's engine, world and time. Implements `Timers` for the engine.

    Args:
        plan: Sealed.
        flow: The flow that is run.
        cast: Who plays whom.
        world: Where effects land.
        meter: Measures the pools; None: nobody does.
        faults: What goes wrong here.
        key: Of the draws that belong to no run.
        on_end: Called with each run whose client was told how it ended.
        watch: Of how many runs, by their ends, the journals are kept (`watched`).
        queue_max: While so many tasks wait, no new run is let in; None: every run is.

    Attributes:
        now: The present, µs since the start.
        halted: Runs that met a mistake of ours, with the error; they never end.
        on_halt: Called with each of them.
    """

    def __init__(
        self,
        plan: Plan,
        flow: str,
        cast: Cast,
        world: World,
        meter: Meter | Calls | None,
        faults: Faults,
        key: int,
        on_end: Callable[[Visit], None],
        watch: int = 0,
        queue_max: int | None = None,
    ) -> None:
        self.plan = plan
        self.flow = flow
        self.cast = cast
        self.world = world
        self.meter = meter
        self.faults = faults
        self.key = key
        self.on_end = on_end
        self.on_halt: Callable[[Visit], None] | None = None
        self.env = Calendar()
        self.now = 0
        self.ask_from_us = 0
        falls = self._falls = bool(faults.crashes or faults.breakdowns)
        self.crashes = Crashes(faults.crashes, faults.breakdowns, key) if falls else None
        self.journal = SimulatedJournal(survives=falls, keep_records=falls or watch > 0)
        self.timing = Timing(self, self._set_clock)
        self.arm, self.drop = self.timing.ways()
        self.queue_max = queue_max
        self.engine: Engine | None = Engine(
            plan, self, sessions=self.journal.turns, observer=meter, queue_max=queue_max
        )
        self.epoch = 1
        self.visits: dict[str, Visit] = {}
        self.halted: dict[str, Exception] = {}
        self.watched: dict[str, list[EventRecord]] = {}
        self.watch = watch
        self.writing = Writing(self)
        self._wake_at: int | None = None
        self.attempts = Attempts(self)
        self.people = People(self)
        self.signals = Signals(self)
        self.targets = Targets(self)
        self.handover = Handover(self)
        self.refolds = Refolds(plan)
        self.tool_granted: Callable[[Grant], None] = self.attempts.tool_granted
        self._acts: dict[type, Callable[[str, Any], None]] = {
            RunTask: self.attempts.begin,
            AskPerson: self.people.ask,
            **self.signals.acts,
            AnswerCall: self.attempts.answered,
            StopTask: self._stop,
            TryEffect: self.targets.send,
            CheckEffect: self.targets.check,
            EndRun: self._end,
        }
        for crash in faults.crashes:
            if crash.dated and crash.at_us is not None:
                self.at(crash.at_us, self._crash_due, crash)

    # -------------------------------------------------------------- time

    @property
    def told(self) -> int:
        """The present as the engine's clock says it, µs."""
        return self.timing.told_us()

    def at(self, at_us: int, callback: Callable[[Any], None], value: Any) -> Due:
        """Call back at a time (µs since the start; at once if it has passed), with what holds the value."""
        due = Due(callback, value)
        self.env.put(max(self.now, at_us), due)
        return due

    def ledger(self) -> Ledger:
        """What the system believes of its effects: the engine's ledger, or the durable one while it is down."""
        return self.engine.ledger if self.engine is not None else Ledger(self.journal.ledger.values())

    def begin(self) -> None:
        """Handle what was posted before time began to pass."""
        try:
            self._settle(0)
        except Crashed as crashed:
            self._die(crashed.crash)

    def run(self, until: Callable[[], bool], horizon_us: int, *, leaps: bool = False) -> None:
        """Let time pass until `until()` says so, nothing more can happen, or the horizon is reached.

        It is asked from `ask_from_us` on. With `leaps` weeks in which nothing happens do not count: a date may be far.
        """
        env = self.env
        queue = env.queue
        while queue:
            now: int = queue[0][0]
            if leaps and now - self.now > _LEAP_US:
                horizon_us += now - self.now
            if now > horizon_us or (self.now >= self.ask_from_us and until()):
                return
            self.now = now
            try:
                env.pass_instant(now)
                self._settle(now)
            except Crashed as crashed:
                self._die(crashed.crash)

    def moves(self, run: str) -> bool:
        """Whether something will happen to a live run even if nothing happens to any other."""
        return (
            self.engine is None
            or self.attempts.moves(run)
            or self.people.moves(run)
            or self.signals.moves(run)
            or self.targets.moves(run)
            or self.timing.moves(run)
        )

    # -------------------------------------------------------------- handle, commit, act

    def _settle(self, now: int) -> None:
        engine = self.engine
        if engine is None:
            return
        committer = engine.committer
        shifted = self.timing.shifted
        told = self.told if shifted else now
        while True:
            if shifted:  # what is acted on tells at once what comes of it
                for _, event, _ in engine.inbox:
                    event.time = told
            engine.step(told)
            batch = committer.take()
            if batch is None:
                break
            if self.crashes is not None:
                self.crashes.reached("before_commit", now)
            if self.writing.may_wait and self.writing.takes_time(batch):
                break
            self.commit(batch)
            if not engine.inbox and not committer.dirty:
                break
        if self.people.is_left and committer.idle:
            self.people.take_what_is_left(engine)
            self._settle(now)
            return
        for run, error in engine.halted.items():
            self._halt(run, error)
        wake_at = engine.dispatcher.next_wake_us(told)
        if wake_at is not None:
            self._wake_later(wake_at, now)
        if self.handover.leaving is not None:
            self.handover.leave_if_done()

    def _wake_later(self, wake_at: int, now: int) -> None:
        """Ring for the dispatcher at a time on the engine's clock, if nothing does so before."""
        if self.timing.shifted:
            wake_at = self.timing.world_us(wake_at)
        if self._wake_at is None or wake_at < self._wake_at or self._wake_at <= now:
            self._wake_at = wake_at
            self.at(wake_at, self._woken, self.epoch)

    def commit(self, batch: Batch) -> None:
        """A batch is durable: what it decided may be seen outside."""
        engine = self.engine
        assert engine is not None
        self.journal.commit(batch)
        if self.crashes is not None:
            if self._falls:
                self._witness(batch)
            self.crashes.reached("after_commit", self.now)
        acts = self._acts
        for run, command in engine.committed():
            acts[type(command)](run, command)
        if self.crashes is not None:
            self.targets.leave()

    def _witness(self, batch: Batch) -> None:
        """Note what must not be done again, and what the system claims to have done and has not."""
        for each in batch.records:
            record = cast("EventRecord", each)
            visit = self.visits.get(record.run)
            if visit is None:
                continue
            event = record.event
            if type(event) in _OUTCOMES:
                visit.done.add((event.place, event.attempt))
            elif isinstance(event, EffectConfirmed):
                visit.done.add((event.place, 0))
        for row in batch.ledger:
            if row.state == "confirmed" and row.owner_run in self.visits and not self.world.has_done(row):
                self.visits[row.owner_run].wronged = True

    def _woken(self, event: Any) -> None:
        if event.value == self.epoch and self.engine is not None:
            self._wake_at = None
            self.engine.wake(self.told)

    def _set_clock(self) -> None:
        """The engine's clock was set: what waits for a time looks at it again."""
        if self.engine is not None:
            self._wake_at = None
            self.engine.wake(self.told)

    def reached(self, point: str) -> None:
        """A point is passed at which a crash may strike. Raises Crashed where one does."""
        if self.crashes is not None:
            self.crashes.reached(point, self.now)

    # -------------------------------------------------------------- runs

    def arrive(self, visit: Visit) -> None:
        """A client asks for a run; while the orchestrator is down, it keeps asking."""
        self.visits[visit.run] = visit
        if self.engine is not None and self.handover.leaving is None:
            self._start(self.engine, visit)

    def _start(self, engine: Engine, visit: Visit) -> None:
        told = self.told
        row = RunRow(
            visit.run, self.flow, self.plan.hash, visit.inputs, "running", None, None, told, None, visit.seed, {}
        )
        if not engine.start(self.plan, row, told):
            del self.visits[visit.run]
            visit.seen.status, visit.seen.ended_s = "refused", self.now / SECOND
            self.on_end(visit)
            return
        visit.kernel = engine.kernels[visit.run]

    def _stop(self, run: str, command: StopTask) -> None:
        if command.person:
            self.people.withdraw(run, command)
        else:
            self.attempts.stop(run, command)

    def _end(self, run: str, command: EndRun) -> None:
        self.reached("before_ack")
        self._tell(run, command.status, command.result, command.waited_us)

    def _tell(self, run: str, status: str, result: Any, waited_us: int = 0) -> None:
        """The client is told how its run ended; for `waited_us` only evals were waited for, which is no latency."""
        visit = self.visits.pop(run)
        if visit.tasks:
            self.attempts.orphan(visit)
        self.targets.forget(run)
        visit.result = result
        seen = visit.seen
        seen.ended_s = (self.now - waited_us) / SECOND
        seen.status = status
        seen.verified = status == "completed"
        visit.account()
        if seen.in_flight_at_crash:
            seen.resumed_well = status == "completed" and not visit.wronged and not self.world.did_wrong_by(run)
        if self.watch:
            self.watch -= 1
            self.watched[run] = self.journal.records.get(run, [])
        self.journal.acknowledge(run)
        self.on_end(visit)

    def _halt(self, run: str, error: Exception) -> None:
        if run in self.halted:
            return
        self.halted[run] = error
        self.journal.forget(run)
        self.targets.forget(run)
        visit = self.visits.pop(run, None)
        if visit is not None:
            self.attempts.orphan(visit)
            visit.seen.status = "halted"
            if visit.seen.in_flight_at_crash:
                visit.seen.resumed_well = False
            visit.account()
            if self.on_halt is not None:
                self.on_halt(visit)

    # -------------------------------------------------------------- crashes

    def _crash_due(self, event: Any) -> None:
        crash: Crash = event.value
        if crash.every_us:
            self.at(self.now + crash.every_us, self._crash_due, crash)
        if self.engine is not None and crash.name == "upgrade":
            self._acts = self.handover.begin(crash, self._acts)
        elif self.engine is not None:
            assert self.crashes is not None
            self.crashes.due(crash)

    def _die(self, crash: Crash | Breakdown) -> None:
        assert self.crashes is not None
        crash, now = self.handover.instead_of(crash), self.now
        back_us = now + self.crashes.down_us(crash, now)
        self.faults.marks.append(FaultMark(crash.name, "orchestrator", now / SECOND, back_us / SECOND))
        if (flying := self.writing.lost()) is not None:
            self.journal.commit(flying)
            self._witness(flying)
        if self.engine is not None:
            self.refolds.crash(self.engine)
        self.engine = None
        in_order = self.handover.leaving is not None
        self._acts = self.handover.over(self._acts)
        self.epoch += 1
        self.attempts.crash()
        self.targets.crash()
        self.timing.forget()
        if not self.crashes.in_place:
            self.timing.restart()
        self._wake_at = None
        if self.meter is not None:
            self.meter.crash(now)
        for visit in self.visits.values():  # who came while the engine was leaving was not let in
            if visit.kernel is not None or not in_order:
                visit.seen.in_flight_at_crash = True
        self.at(back_us, self._recover, self.crashes.gives_back(crash, now))

    def _recover(self, event: Any) -> None:
        """Another engine opens the store, which was given back in order or not."""
        journal = self.journal
        for run, row in list(journal.ended.items()):
            self._tell(run, row.status, row.result)
        folded = self.refolds.fold(journal, self._halt)
        for _, row, state in folded:
            self.visits[row.run].kernel = state.kernel
        if recovers := bool(folded) or not event.value:
            self.reached("recovery")
        engine = self.engine = Engine(
            self.plan,
            self,
            ledger=journal.ledger.values(),
            reuse=journal.reuse.values(),
            sessions=journal.turns,
            observer=self.meter,
            queue_max=self.queue_max,
        )
        if folded:
            self.timing.not_before(max(state.kernel.now for _, _, state in folded))
        if recovers:
            engine.recover(folded, self.epoch, self.told)
        self.signals.deliver(engine)
        for run, visit in list(self.visits.items()):
            # Whoever was not told that the run is durable asks for it again, under the same id.
            if run not in journal.live:
                self._start(engine, visit)
