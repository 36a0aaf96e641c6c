"""The second clock: SimPy carries out what the engine commands, in virtual time.

Nothing is decided here. A task takes a sampled time and gives a made output, an effect lands in the world, a person answers after a while, faults strike;
each comes back to the engine as an event. Work is callbacks on SimPy timeouts: no process for each task, no string on the hot path.

One instant. SimPy's events of one time are all processed; then the engine drains what they posted; what it decided is committed (which takes the time that
the profile of the orchestrator says); only then are its outward commands carried out, and whatever happens at the same time goes round again.

A crash drops the engine and what was not durable: attempts die with it, since agents are called from its process. What has left the process goes on: a
request on its way to a target still lands, a person still answers (into the mailbox), clients send their unacknowledged requests again. After `down` a new
engine folds the journals. Points at which a crash may strike:

    before_commit   a batch was handled and is not durable        after_effect   it landed, the reply is not handed on
    after_commit    it is durable, nothing of it was acted on     before_ack     a run's end is durable, nobody was told
    before_effect   an effect is about to be sent                 recovery       the journals are folded, nothing was issued again
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

import simpy

from orchspec.runtime.draws import FAULT, NEVER, TOOL, uniform
from orchspec.runtime.engine import TOOL_CALLS, Engine
from orchspec.runtime.journal.records import RunRow
from orchspec.runtime.kernel.commands import AskPerson, Command, EndRun, RunTask, StopTask, TryEffect
from orchspec.runtime.kernel.events import (
    CostReported,
    EffectConfirmed,
    EffectRefused,
    QuestionAnswered,
    TaskFailed,
    TaskFulfilled,
    TaskStopped,
    TimerFired,
)
from orchspec.runtime.kernel.kernel import Kernel
from orchspec.runtime.ledger import Ledger
from orchspec.runtime.recording import fold
from orchspec.runtime.sampling import Sampled, call_moments
from orchspec.simulator.faults import CRASH_POINTS, Crash, Faults, Strike
from orchspec.simulator.journal import SimulatedJournal
from orchspec.simulator.observe import FaultMark, RunObservation

if TYPE_CHECKING:
    from orchspec.compiler.plan import Plan
    from orchspec.runtime.dispatcher import Grant
    from orchspec.simulator.cast import Cast
    from orchspec.simulator.meter import Meter
    from orchspec.simulator.world import World

__all__ = ["Clock", "Visit"]

SECOND: Final = 1_000_000
THROTTLED_US: Final = 100_000
"""How long it takes a provider to say that it will not serve."""


class Visit:
    """One run as a client sees it."""

    __slots__ = ("arrived_us", "asked", "inputs", "kernel", "run", "seed", "seen", "source")

    def __init__(self, run: str, seed: int, inputs: dict[str, Any], seen: RunObservation, arrived_us: int) -> None:
        self.run = run
        self.seed = seed
        self.inputs = inputs
        self.seen = seen
        self.arrived_us = arrived_us
        self.kernel: Kernel | None = None
        self.asked = 0
        self.source = 0


class _Attempt:
    """An attempt under way."""

    __slots__ = ("calls", "command", "done", "key", "latency_us", "left_us", "run", "sampled", "since_us", "strike")

    def __init__(self, run: str, command: RunTask, key: int, sampled: Sampled, strike: Strike | None, now: int) -> None:
        self.run = run
        self.command = command
        self.key = key
        self.sampled = sampled
        self.strike = strike
        self.since_us = now
        self.latency_us = sampled.latency_us
        self.left_us = 0
        self.calls: list[tuple[int, str]] = []
        self.done = False


class _Crashed(Exception):  # noqa: N818 - not an error: the way out of whatever was going on
    def __init__(self, crash: Crash) -> None:
        super().__init__()
        self.crash = crash


class Clock:
    """One replication's engine, world and time. Implements `Timers` for the engine."""

    def __init__(
        self,
        plan: Plan,
        flow: str,
        cast: Cast,
        world: World,
        meter: Meter | None,
        faults: Faults,
        key: int,
        on_end: Callable[[Visit], None],
        watch: int = 0,
    ) -> None:
        self.plan = plan
        self.flow = flow
        self.cast = cast
        self.world = world
        self.meter = meter
        self.faults = faults
        self.key = key
        self.on_end = on_end
        self.env = simpy.Environment(initial_time=0)
        self.journal = SimulatedJournal(keep_records=bool(faults.crashes) or watch > 0)
        self.engine: Engine | None = Engine(plan, self, observer=meter)
        self.visits: dict[str, Visit] = {}
        self.watched: dict[str, list[Any]] = {}
        self.watch = watch
        self.write_us = cast.journal_write
        self._writes = 0
        self._epoch = 1
        self._attempts: dict[tuple[str, int, int], _Attempt] = {}
        self._timers: dict[tuple[str, int, str], simpy.Event] = {}
        self._tools: dict[tuple[str, int, int], tuple[_Attempt, str]] = {}
        self._people: dict[tuple[str, int, int], simpy.Event] = {}
        self._backlog: list[Visit] = []
        self._mail: list[tuple[str, Any]] = []
        self._wake_at: int | None = None
        self._armed: list[Crash] = []
        self._passed: dict[str, int] = {}
        self._striking: Crash | None = None
        for crash in faults.crashes:
            if crash.at_us is not None:
                self._at(crash.at_us, self._crash_due, crash)

    # -------------------------------------------------------------- time

    @property
    def now(self) -> int:
        """The present, µs since the start."""
        return int(self.env.now)

    def at(self, at_us: int, callback: Callable[[Any], None], value: Any) -> simpy.Event:
        """Call back at a time (µs since the start), with an event that has the value."""
        return self._at(at_us, callback, value)

    def ledger(self) -> Ledger:
        """What the system believes of its effects: the engine's ledger, or the durable one while it is down."""
        return self.engine.ledger if self.engine is not None else Ledger(self.journal.ledger.values())

    def _at(self, at_us: int, callback: Callable[[Any], None], value: Any) -> simpy.Event:
        env = self.env
        delay = at_us - env.now
        event = env.timeout(delay if delay > 0 else 0, value)
        event.callbacks.append(callback)
        return event

    def begin(self) -> None:
        """Handle what was posted before time began to pass."""
        try:
            self._settle(0)
        except _Crashed as crashed:
            self._die(crashed.crash)

    def run(self, until: Callable[[], bool], horizon_us: int) -> None:
        """Let time pass until `until()` says so, nothing more can happen, or the horizon is reached."""
        env = self.env
        peek, step = env.peek, env.step
        while True:
            now = peek()
            if now > horizon_us or until():
                return
            try:
                while peek() == now:
                    step()
                self._settle(int(now))
            except _Crashed as crashed:
                self._die(crashed.crash)

    def _settle(self, now: int) -> None:
        engine = self.engine
        if engine is None:
            return
        while True:
            engine.step(now)
            batch = engine.committer.take()
            if batch is None:
                break
            if self._strikes_at("before_commit"):
                raise _Crashed(self._struck())
            write_us = self._write_time()
            if write_us:
                self._charge_overhead(batch, write_us)
                self._at(now + write_us, self._committed, (self._epoch, batch))
                break
            self._commit(batch)
        wake_at = engine.dispatcher.next_wake_us(now)
        if wake_at is not None and (self._wake_at is None or wake_at < self._wake_at or self._wake_at <= now):
            self._wake_at = wake_at
            self._at(wake_at, self._woken, self._epoch)

    def _write_time(self) -> int:
        sample = self.write_us
        if sample is None:
            return 0
        self._writes += 1
        return sample(uniform(self.key, self._writes, FAULT - 1))

    def _charge_overhead(self, batch: Any, write_us: int) -> None:
        for run in {record.run: None for record in batch.records}:
            visit = self.visits.get(run)
            if visit is not None:
                visit.seen.overhead_s += write_us / SECOND

    def _committed(self, event: simpy.Event) -> None:
        epoch, batch = event.value
        if epoch == self._epoch and self.engine is not None:
            self._commit(batch)

    def _commit(self, batch: Any) -> None:
        engine = self.engine
        assert engine is not None
        self.journal.commit(batch)
        if self._strikes_at("after_commit"):
            raise _Crashed(self._struck())
        for run, command in engine.committed():
            _ACTS[type(command)](self, run, command)

    def _woken(self, event: simpy.Event) -> None:
        if event.value == self._epoch and self.engine is not None:
            self._wake_at = None
            self.engine.wake(self.now)

    # -------------------------------------------------------------- timers of the engine

    def arm(self, run: str, place: int, timer: str, at_us: int, attempt: int) -> None:
        """See `Timers`."""
        key = (run, place, timer)
        self._timers[key] = self._at(at_us, self._timer_due, (key, attempt))

    def drop(self, run: str, place: int, timer: str) -> None:
        """See `Timers`."""
        self._timers.pop((run, place, timer), None)

    def _timer_due(self, event: simpy.Event) -> None:
        key, attempt = event.value
        if self._timers.get(key) is event:
            del self._timers[key]
            run, place, timer = key
            assert self.engine is not None
            self.engine.post(run, TimerFired(self.now, place, timer, attempt))

    # -------------------------------------------------------------- runs

    def arrive(self, visit: Visit) -> None:
        """A client asks for a run; while the orchestrator is down, it keeps asking."""
        self.visits[visit.run] = visit
        if self.engine is None:
            self._backlog.append(visit)
        else:
            self._start(visit)

    def _start(self, visit: Visit) -> None:
        engine = self.engine
        assert engine is not None
        row = RunRow(
            visit.run, self.flow, self.plan.hash, visit.inputs, "running", None, None, self.now, None, visit.seed, {}
        )
        engine.start(self.plan, row, self.now)
        visit.kernel = engine.kernels[visit.run]

    def _end(self, run: str, command: EndRun) -> None:
        if self._strikes_at("before_ack"):
            raise _Crashed(self._struck())
        self._tell(run, command.status)

    def _tell(self, run: str, status: str) -> None:
        visit = self.visits.pop(run)
        kernel = visit.kernel
        seen = visit.seen
        seen.ended_s = self.env.now / SECOND
        seen.status = status
        seen.verified = status == "completed"
        seen.escalations = visit.asked
        if kernel is not None and kernel.account is not None:
            account = kernel.account
            seen.cost_usd = account.charged_pico / 1e12
            seen.tokens = account.charged_tokens
            seen.attempts = account.attempts
            seen.retries = account.retries
            seen.wasted_usd = account.wasted_pico / 1e12
        if seen.in_flight_at_crash:
            seen.resumed_well = status == "completed" and not self.world.did_wrong_by(run)
        if self.watch:
            self.watch -= 1
            self.watched[run] = self.journal.records.get(run, [])
        self.journal.acknowledge(run)
        self.on_end(visit)

    # -------------------------------------------------------------- tasks

    def _run_task(self, run: str, command: RunTask) -> None:
        visit = self.visits[run]
        assert visit.kernel is not None
        place, attempt = command.place, command.attempt
        key = visit.kernel.draw_key(place)
        now = self.now
        strike = self.faults.strike(command.agent, key, attempt, now)
        sampled = self.cast.players[command.agent].attempt(command.contract, command.inputs, key, attempt)
        under_way = _Attempt(run, command, key, sampled, strike, now)
        if strike is not None:
            self._strike(under_way, strike)
        self._attempts[run, place, attempt] = under_way
        if sampled.calls and not (strike is not None and strike.throttled):
            moments = [call for call in call_moments(sampled, key, attempt) if call[1] in self.cast.scarce]
            if moments:
                scale = under_way.latency_us / sampled.latency_us if sampled.latency_us else 1.0
                under_way.calls = [(int(at * scale), tool) for at, tool in reversed(moments)]
                self._to_next_call(under_way, 0)
                return
        event = self.env.timeout(under_way.latency_us, under_way)
        event.callbacks.append(self._task_due)

    def _strike(self, attempt: _Attempt, strike: Strike) -> None:
        attempt.latency_us = int(attempt.latency_us * strike.factor) + strike.by_us
        if strike.throttled:
            attempt.latency_us = THROTTLED_US
        elif strike.fail is not None:
            attempt.sampled.failed = True
        elif strike.garbage and not attempt.sampled.failed:
            command = attempt.command
            attempt.sampled.output = self.cast.broken(command.agent, command.contract, command.inputs, attempt.key, command.attempt)

    def _task_due(self, event: simpy.Event) -> None:
        attempt: _Attempt = event.value
        if attempt.done:
            return
        attempt.done = True
        command = attempt.command
        run, place = attempt.run, command.place
        del self._attempts[run, place, command.attempt]
        assert self.engine is not None
        sampled = attempt.sampled
        now = self.now
        strike = attempt.strike
        if strike is not None and strike.throttled:
            self._fail(attempt, "throttled", "429: the provider is not serving now", strike.retry_after_us, sent=False)
        elif sampled.failed:
            message = strike.fail if strike is not None and strike.fail else "the agent failed"
            self._fail(attempt, "agent_error", message, 0, sent=True)
        else:
            calls = sum(count for _, count in sampled.calls) if sampled.calls else 0
            self.engine.post(
                run,
                TaskFulfilled(
                    now,
                    place,
                    command.attempt,
                    command.dispatch,
                    sampled.output,
                    sampled.tokens_in,
                    sampled.tokens_out,
                    sampled.cost_pico,
                    calls,
                ),
            )

    def _fail(self, attempt: _Attempt, code: str, message: str, retry_after_us: int, *, sent: bool) -> None:
        assert self.engine is not None
        command = attempt.command
        sampled = attempt.sampled
        tokens_in, tokens_out, cost = (sampled.tokens_in, sampled.tokens_out, sampled.cost_pico) if sent else (0, 0, 0)
        self.engine.post(
            attempt.run,
            TaskFailed(
                self.now,
                command.place,
                command.attempt,
                command.dispatch,
                code,
                message,
                tokens_in,
                tokens_out,
                cost,
                0,
                sent,
                retry_after_us,
            ),
        )

    def _stop(self, run: str, command: StopTask) -> None:
        key = (run, command.place, command.attempt)
        if command.person:
            self._people.pop(key, None)
            return
        attempt = self._attempts.pop(key, None)
        assert self.engine is not None
        now = self.now
        if attempt is not None:
            attempt.done = True
            self._leave_tools(attempt)
            share = min(1.0, (now - attempt.since_us) / attempt.latency_us) if attempt.latency_us else 1.0
            sampled = attempt.sampled
            if sampled.tokens_out is not None or sampled.tokens_in is not None or sampled.cost_pico is not None:
                # Providers bill what was read, and what was written until they were stopped.
                tokens_out = int((sampled.tokens_out or 0) * share)
                cost = None if sampled.cost_pico is None else int(sampled.cost_pico * share)
                self.engine.post(
                    run, CostReported(now, command.place, command.attempt, sampled.tokens_in or 0, tokens_out, cost)
                )
        self.engine.post(run, TaskStopped(now, command.place, command.attempt, command.dispatch))

    # -------------------------------------------------------------- tools

    def _to_next_call(self, attempt: _Attempt, done_us: int) -> None:
        if attempt.calls:
            at_us, _ = attempt.calls[-1]
            attempt.left_us = at_us
            event = self.env.timeout(max(0, at_us - done_us), attempt)
            event.callbacks.append(self._call_due)
            return
        event = self.env.timeout(max(0, attempt.latency_us - done_us), attempt)
        event.callbacks.append(self._task_due)

    def _call_due(self, event: simpy.Event) -> None:
        attempt: _Attempt = event.value
        if attempt.done:
            return
        engine = self.engine
        assert engine is not None
        _, tool = attempt.calls.pop()
        command = attempt.command
        call = len(attempt.calls)
        strike = self.faults.strike(tool, attempt.key, (command.attempt << 10) + call, self.now)
        if strike is not None and (strike.throttled or strike.fail is not None):
            attempt.done = True
            del self._attempts[attempt.run, command.place, command.attempt]
            if strike.throttled:
                self._fail(attempt, "throttled", f"429: {tool} is not serving now", strike.retry_after_us, sent=True)
            else:
                self._fail(attempt, "tool_error", f"{tool}: {strike.fail}", 0, sent=True)
            return
        if strike is not None:
            attempt.left_us -= strike.by_us
        self._tools[attempt.run, command.place, TOOL_CALLS + (command.attempt << 16) + call] = (attempt, tool)
        grant = engine.call_tool(attempt.run, command.place, command.attempt, call, tool, self.now)
        if grant is not None:
            self.tool_granted(grant)

    def tool_granted(self, grant: Grant) -> None:
        """See `Timers`: the tool is held for as long as its profile says, and the attempt goes on with its work."""
        key = (grant.run, grant.place, grant.attempt)
        attempt, tool = self._tools[key]
        number = (grant.attempt - TOOL_CALLS) & 0xFFFF
        held_us = self.cast.tools[tool](uniform(attempt.key, attempt.command.attempt, TOOL + 0x8000 + (number & 0x7FFF)))
        self._at(self.now + held_us, self._call_over, (self._epoch, key))
        if not attempt.done:
            self._to_next_call(attempt, attempt.left_us)

    def _call_over(self, event: simpy.Event) -> None:
        epoch, key = event.value
        if epoch != self._epoch or self.engine is None or self._tools.pop(key, None) is None:
            return
        run, place, number = key
        number -= TOOL_CALLS
        self.engine.end_tool_call(run, place, number >> 16, number & 0xFFFF, self.now)

    def _leave_tools(self, attempt: _Attempt) -> None:
        engine = self.engine
        assert engine is not None
        for key in [key for key, (other, _) in self._tools.items() if other is attempt]:
            del self._tools[key]
            number = key[2] - TOOL_CALLS
            engine.end_tool_call(key[0], key[1], number >> 16, number & 0xFFFF, self.now)

    # -------------------------------------------------------------- people

    def _ask(self, run: str, command: AskPerson) -> None:
        place = (run, command.place, command.attempt)
        if place in self._people:
            return  # asked before a crash: the question still lies with them
        visit = self.visits[run]
        assert visit.kernel is not None
        visit.asked += 1
        key = visit.kernel.draw_key(command.place)
        player = self.cast.players[command.agent]
        strike = self.faults.strike(command.agent, key, command.attempt, self.now)
        sampled = player.attempt(command.contract, command.inputs, key, command.attempt)
        if uniform(key, command.attempt, NEVER) < player.profile.never:
            self._people[place] = self.env.event()
            return
        latency_us, output = sampled.latency_us, sampled.output
        if strike is not None:
            latency_us = int(latency_us * strike.factor) + strike.by_us
            if strike.garbage or strike.fail is not None:
                output = self.cast.broken(command.agent, command.contract, command.inputs, key, command.attempt)
        self._people[place] = self._at(self.now + latency_us, self._answer_due, (place, output, command.agent))

    def _answer_due(self, event: simpy.Event) -> None:
        (run, place, attempt), value, who = event.value
        if self._people.get((run, place, attempt)) is not event:
            return
        del self._people[run, place, attempt]
        if self.engine is None:
            self._mail.append((run, (place, attempt, value, who)))
        else:
            self.engine.post(run, QuestionAnswered(self.now, place, attempt, value, who))

    # -------------------------------------------------------------- effects

    def _try(self, run: str, command: TryEffect) -> None:
        if self._strikes_at("before_effect"):
            raise _Crashed(self._struck())
        visit = self.visits[run]
        assert visit.kernel is not None
        key = visit.kernel.draw_key(command.place)
        player = self.cast.players[command.effect]
        sampled = player.send(key, command.attempt)
        strike = self.faults.strike(command.effect, key, command.attempt, self.now)
        latency_us, refused = sampled.latency_us, "the target refused" if sampled.failed else None
        retry_after_us = 0
        if strike is not None:
            latency_us = int(latency_us * strike.factor) + strike.by_us
            if strike.throttled:
                latency_us, refused, retry_after_us = THROTTLED_US, "429: the target is not serving now", strike.retry_after_us
            elif strike.fail is not None:
                refused = strike.fail
        if refused is not None:
            sent = (self._epoch, run, command, refused, retry_after_us)
            self._at(self.now + latency_us, self._refusal_due, sent)
            return
        receipt = player.receipt(command.args, key)
        self._at(self.now + latency_us // 2, self._landing_due, (self._epoch, run, command, receipt, latency_us - latency_us // 2))

    def _refusal_due(self, event: simpy.Event) -> None:
        epoch, run, command, message, retry_after_us = event.value
        if epoch == self._epoch and self.engine is not None:
            refused = EffectRefused(self.now, command.place, command.attempt, command.dispatch, message, retry_after_us)
            self.engine.post(run, refused)

    def _landing_due(self, event: simpy.Event) -> None:
        epoch, run, command, receipt, back_us = event.value
        receipt = self.world.apply(run, command.effect, command.args, command.target_key, receipt)
        if epoch == self._epoch and self.engine is not None:
            if self._strikes_at("after_effect"):
                raise _Crashed(self._struck())
            self._at(self.now + back_us, self._reply_due, (epoch, run, command, receipt))

    def _reply_due(self, event: simpy.Event) -> None:
        epoch, run, command, receipt = event.value
        if epoch == self._epoch and self.engine is not None:
            confirmed = EffectConfirmed(self.now, command.place, command.attempt, command.dispatch, receipt)
            self.engine.post(run, confirmed)

    # -------------------------------------------------------------- crashes

    def _crash_due(self, event: simpy.Event) -> None:
        crash: Crash = event.value
        if crash.every_us:
            self._at(self.now + crash.every_us, self._crash_due, crash)
        if self.engine is None:
            return
        if crash.point is None:
            raise _Crashed(crash)
        self._armed.append(crash)

    def _strikes_at(self, point: str) -> bool:
        if not self.faults.crashes:
            return False
        assert point in CRASH_POINTS
        count = self._passed[point] = self._passed.get(point, 0) + 1
        for crash in self._armed:
            if crash.point == point:
                self._armed.remove(crash)
                self._striking = crash
                return True
        for crash in self.faults.crashes:
            if crash.at_us is None and (crash.point or "after_commit") == point:
                if (crash.first is not None and count <= crash.first) or crash.nth == count:
                    self._striking = crash
                    return True
        return False

    def _struck(self) -> Crash:
        assert self._striking is not None
        return self._striking

    def _die(self, crash: Crash) -> None:
        now = self.now
        self.faults.marks.append(FaultMark("crash", "orchestrator", now / SECOND, (now + crash.down_us) / SECOND))
        self.engine = None
        self._epoch += 1
        for attempt in self._attempts.values():
            attempt.done = True
        self._attempts.clear()
        self._timers.clear()
        self._tools.clear()
        self._wake_at = None
        if self.meter is not None:
            self.meter.crash(now)
        for visit in self.visits.values():
            visit.seen.in_flight_at_crash = True
        self._at(now + crash.down_us, self._recover, None)

    def _recover(self, _event: simpy.Event) -> None:
        now = self.now
        journal = self.journal
        for run, row in list(journal.ended.items()):
            if run in self.visits:
                self._tell(run, row.status)
        engine = Engine(
            self.plan, self, ledger=journal.ledger.values(), reuse=journal.reuse.values(), observer=self.meter
        )
        folded = []
        for run, row in journal.live.items():
            state = fold(self.plan, run, journal.records[run])
            self.visits[run].kernel = state.kernel
            folded.append((self.plan, row, state))
        if self._strikes_at("recovery"):
            raise _Crashed(self._struck())
        self.engine = engine
        engine.recover(folded, self._epoch, now)
        mail, self._mail = self._mail, []
        for run, (place, attempt, value, who) in mail:
            engine.post(run, QuestionAnswered(now, place, attempt, value, who))
        self._backlog.clear()
        for run, visit in self.visits.items():
            # Whoever was not told that the run is durable asks for it again, under the same id.
            if run not in journal.live:
                self._start(visit)


_ACTS: dict[type[Command], Callable[[Clock, str, Any], None]] = {
    RunTask: Clock._run_task,
    AskPerson: Clock._ask,
    StopTask: Clock._stop,
    TryEffect: Clock._try,
    EndRun: Clock._end,
}

