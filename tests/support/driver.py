"""A deterministic driver of the engine on virtual time, with a fake world, scripted outcomes, and crashes at any point.

    driver = Driver(plan, ann=[failing(), done(7)], publish=[lost_reply()])
    run = driver.run({"x": 1})
    assert run.status == "completed"

Scripts name an agent or an effect and say how its attempts end, one after another, the last one for ever. An attempt
that is sent again after a crash ends as the script said the first time. Commits take no time; `crashes` are numbers
of points (before and after each commit, after each command that was carried out, between an effect and its reply) at
which the engine is dropped and built again from what the store holds.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from heapq import heappop, heappush
from typing import Any

from orchspec.compiler.plan import Plan
from orchspec.runtime.engine import Engine
from orchspec.runtime.errors import UpgradeMisfit
from orchspec.runtime.forking import Fork, prepare
from orchspec.runtime.journal.memory import MemoryStore
from orchspec.runtime.journal.records import Owner, RunRow
from orchspec.runtime.kernel.commands import AnswerCall, AskPerson, CheckEffect, EndRun, RunTask, StopTask, TryEffect
from orchspec.runtime.kernel.events import (
    CancelRequested,
    CostReported,
    EffectChecked,
    EffectConfirmed,
    EffectRefused,
    EffectRequested,
    EffectUnknown,
    QuestionAnswered,
    TaskFailed,
    TaskFulfilled,
    TaskStopped,
    TimerFired,
)
from orchspec.runtime.kernel.kernel import Kernel
from orchspec.runtime.recording import fold
from orchspec.runtime.refit import refit
from tests.support.plans import S

__all__ = [
    "Driver",
    "Ending",
    "World",
    "answers",
    "done",
    "failing",
    "hangs",
    "lost_reply",
    "lost_send",
    "never",
    "refuses",
    "silent",
]

STEPS_MAX = 20_000
"""More instants than any test needs: beyond it the run is taken to loop."""


class Crash(Exception):
    """The engine is gone; the driver builds it again."""


@dataclass
class Ending:
    """How an attempt of a task, an effect or a question ends: `kind` after `takes` microseconds."""

    kind: str = "done"
    value: Any = 1
    takes: int = S
    code: str = "agent_error"
    cost: int | None = 0
    tokens_in: int | None = 0
    tokens_out: int | None = 0
    sent: bool = True
    retry_after: int = 0
    stops: int | None = 0
    late_cost: int | None = None
    twice: bool = False
    asks: tuple[tuple[str, dict[str, Any]], ...] = ()
    tool_us: int = 0


def done(value: Any = 1, **rest: Any) -> Ending:
    """The agent gives a value; the effect happens."""
    return Ending("done", value, **rest)


def failing(code: str = "agent_error", **rest: Any) -> Ending:
    """The attempt fails."""
    return Ending("fails", code=code, **rest)


def hangs(**rest: Any) -> Ending:
    """Nothing ever comes; once stopped it stops after `stops` (None: never, a zombie), having cost `late_cost`."""
    return Ending("hangs", **rest)


never = hangs


def answers(value: Any, **rest: Any) -> Ending:
    """A person answers."""
    return Ending("done", value, **rest)


def refuses(**rest: Any) -> Ending:
    """The target says that it did not do it."""
    return Ending("refuses", **rest)


def lost_reply(**rest: Any) -> Ending:
    """The effect happens, and nobody learns that it did: in doubt."""
    return Ending("lost reply", **rest)


def lost_send(**rest: Any) -> Ending:
    """The effect does not happen, and nobody learns that it did not: in doubt."""
    return Ending("lost send", **rest)


def silent(**rest: Any) -> Ending:
    """The effect happens; no word comes at all."""
    return Ending("silent", **rest)


@dataclass
class World:
    """What effects did, by the key that their target received. A target drops what repeats a key."""

    applied: dict[str, tuple[str, Any, Any]] = field(default_factory=dict)
    deliveries: int = 0
    twice: list[str] = field(default_factory=list)

    def apply(self, effect: str, key: str, args: list[Any], value: Any, *, drops: bool = True) -> Any:
        """Do it, once; returns the receipt. A target that drops nothing does it twice."""
        self.deliveries += 1
        if key in self.applied and not drops:
            self.twice.append(effect)
        if key not in self.applied:
            receipt = value if value is not None else f"{effect}-{len(self.applied)}"
            self.applied[key] = (effect, args, receipt)
        return self.applied[key][2]

    def count(self, effect: str) -> int:
        """Applications of an effect."""
        return sum(1 for name, _, _ in self.applied.values() if name == effect)

    def standing(self) -> list[Any]:
        """Arguments of what was published and not retracted, in order."""
        gone = [args[0] for name, args, _ in self.applied.values() if name == "retract"]
        return [args[0] for name, args, receipt in self.applied.values() if name == "publish" and receipt not in gone]


@dataclass
class Stop:
    """How a run of the driver ended."""

    status: str | None
    result: Any
    error: Any
    kernel: Kernel
    driver: Driver
    ended_us: int

    def decided(self, what: str) -> list[Any]:
        """The details of all decisions of that name, in journal order."""
        return [
            detail
            for record in self.driver.records(self.kernel.run)
            for name, detail in record.body.get("decided", ())
            if name == what
        ]


class Driver:
    """See the head of the module. `now` starts at `start` so that no time is zero by chance."""

    def __init__(
        self,
        plan: Plan,
        *,
        crashes: frozenset[int] | set[int] = frozenset(),
        seed: int = 7,
        start: int = 1_000 * S,
        down: int = S,
        observer: Any = None,
        hangs_for: int | None = None,
        **scripts: Any,
    ) -> None:
        self.plan = plan
        self.plans = {plan.hash: plan}
        self.scripts = {
            name: list(script) if isinstance(script, (list, tuple)) else [script] for name, script in scripts.items()
        }
        self.crashes = crashes
        self.seed = seed
        self.now = start
        self.down = down
        self.observer = observer
        self.hangs_for = hangs_for  # after which what hangs without a deadline fails, or is answered, all the same
        self.world = World()
        self.store = MemoryStore(encode=True)
        self.epoch = self.store.acquire(Owner(1, "here", "now"), 0, 1 << 60)
        self.engine = Engine(plan, self, sessions=self.store.turns, observer=observer)
        self.kernels: dict[str, Kernel] = {}
        self.ended: dict[str, EndRun] = {}
        self.ended_at: dict[str, int] = {}
        self.points = 0
        self.recoveries = 0
        self.told: list[tuple[int, str, Any]] = []
        self.checks: list[Any] = []
        self._chosen: dict[tuple[str, str, str, int], Ending] = {}
        self._used: dict[str, int] = {}
        self._sequence = 0
        self._sends = 0
        self._asking: dict[tuple[str, int, int], tuple[RunTask, Ending]] = {}
        self.answers: list[Any] = []
        self._refused: dict[str, int] = {}
        self._heap: list[tuple[int, int, int, Any]] = []
        self._timers: dict[tuple[str, int, str], tuple[int, int]] = {}
        self._live: dict[tuple[str, int, int], Ending] = {}

    # -------------------------------------------------------------- what a test says

    def begin(self, inputs: dict[str, Any] | None = None, run: str = "r", flow: str = "main") -> str:
        """Start a run at the present."""
        row = RunRow(run, flow, self.plan.hash, inputs or {}, "running", None, None, self.now, None, self.seed, {})
        self.engine.start(self.plan, row, self.now)
        self.kernels[run] = self.engine.kernels[run]
        return run

    def run(self, inputs: dict[str, Any] | None = None, flow: str = "main") -> Stop:
        """One run, to its end."""
        run = self.begin(inputs, flow=flow)
        self.drain()
        return self.ending(run)

    def at(self, after: int, run: str, event: Any) -> None:
        """Post an event `after` microseconds from now; its time is set then."""
        self._push(self.now + after, ("post", run, event))

    def cancel(self, after: int, run: str = "r", reason: str = "enough") -> None:
        """Ask for the run to be cancelled."""
        self.at(after, run, CancelRequested(0, reason))

    def ending(self, run: str = "r") -> Stop:
        """How a run stands, or ended."""
        assert run not in self.engine.halted, self.engine.halted[run]
        end = self.ended.get(run)
        return Stop(
            end.status if end else None,
            end.result if end else None,
            end.error if end else None,
            self.kernels[run],
            self,
            self.ended_at.get(run, -1),
        )

    def records(self, run: str = "r") -> list[Any]:
        """The durable journal."""
        return self.store.records(run)

    def tried(self, kind: type) -> list[Any]:
        """Outward commands of a kind that were carried out, in order."""
        return [command for _, _, command in self.told if isinstance(command, kind)]

    # -------------------------------------------------------------- the loop

    def drain(self, until: int | None = None) -> None:
        """Run until nothing is left to happen (or until a time)."""
        self._guarded(self._settle)
        for _ in range(STEPS_MAX):
            if not self._heap or (until is not None and self._heap[0][0] > until):
                if until is not None:
                    self.now = max(self.now, until)
                return
            self.now = max(self.now, self._heap[0][0])
            while self._heap and self._heap[0][0] <= self.now:
                _, _, epoch, what = heappop(self._heap)
                # Sends that were on their way when the engine died still land; replies to it are lost.
                if epoch == self.epoch or what[0] in ("post", "land"):
                    self._guarded(lambda what=what: self._happen(*what))
            self._guarded(self._settle)
        raise AssertionError("the run does not end")

    def _guarded(self, act: Any) -> None:
        while True:
            try:
                act()
                return
            except Crash:
                act = self._recover

    def _point(self) -> None:
        self.points += 1
        if self.points in self.crashes:
            raise Crash

    def _settle(self) -> None:
        engine = self.engine
        while True:
            engine.step(self.now)
            for check in self.checks:
                check(self)
            batch = engine.committer.take()
            if batch is None:
                break
            self._point()
            self.store.commit(self.epoch, batch)
            self._point()
            for run, command in engine.committed():
                self._act(run, command)
                self._point()
        wake = engine.dispatcher.next_wake_us(self.now)
        if wake is not None:
            self._push(wake, ("wake",))

    def _recover(self) -> None:
        self.recoveries += 1
        self.now += self.down
        self._timers.clear()
        self._live.clear()
        self.epoch = self.store.acquire(
            Owner(1, "here", f"then {self.recoveries}"), self.now + (1 << 60) * self.recoveries, 1 << 60
        )
        self.engine = engine = Engine(
            self.plan,
            self,
            ledger=self.store.ledger(),
            reuse=self.store.reuse(self.now),
            sessions=self.store.turns,
            observer=self.observer,
        )
        rows = [row for row in self.store.runs("running") if row.run not in self.ended]
        folded = [self._folded(row) for row in rows]
        for _, row, state in folded:
            self.kernels[row.run] = state.kernel
        for row in self.store.runs():
            if row.status != "running" and row.run not in self.ended:  # its end was durable and nobody was told
                self.ended[row.run] = EndRun(0, row.status, row.result, row.error)
                self.ended_at[row.run] = self.now
        engine.recover(folded, self.epoch, self.now)
        for run in self.kernels:  # what was asked for and never became durable is asked for again
            if self.store.run(run) is None:
                self.begin(self._inputs(run), run)
        self._settle()

    def _folded(self, row: RunRow) -> tuple[Plan, RunRow, Any]:
        records = self.store.records(row.run)
        if row.plan_hash == self.plan.hash:
            return self.plan, row, fold(self.plan, row.run, records)
        state = refit(self.plans[row.plan_hash], self.plan, row.run, records)
        return self.plan, replace(row, plan_hash=self.plan.hash), state

    def upgrade(self, plan: Plan) -> None:
        """The engine is stopped, and another one goes on under a new plan. Raises UpgradeMisfit."""
        self.plans[plan.hash] = plan
        before, self.plan = self.plan, plan
        try:
            for row in self.store.runs("running"):
                self._folded(row)
        except UpgradeMisfit:
            self.plan = before
            raise
        self._guarded(self._recover)

    def fork(self, parent: str, at: str, run: str, *, again: bool = False) -> None:
        """Fork a run, and go on with the fork in the same engine."""
        self.store.put_plan(self.plan.hash, self.plan.as_json())
        fork = prepare(self.store, parent, at, run, again=again)
        self._guarded(lambda: self._begin(fork))

    def _begin(self, fork: Fork) -> None:
        self._point()
        row = fork.begin(self.store, self.epoch, self.now, {})
        self._point()
        state = fold(self.plan, row.run, self.store.records(row.run))
        self.kernels[row.run] = state.kernel
        self.engine.recover([(self.plan, row, state)], self.epoch, self.now)
        self._settle()

    def _inputs(self, run: str) -> dict[str, Any]:
        return {}

    # -------------------------------------------------------------- Timers

    def arm(self, run: str, place: int, timer: str, at_us: int, attempt: int) -> None:
        self._timers[run, place, timer] = (at_us, attempt)
        self._push(at_us, ("timer", run, place, timer, at_us, attempt))

    def drop(self, run: str, place: int, timer: str) -> None:
        self._timers.pop((run, place, timer), None)

    def tool_granted(self, grant: Any) -> None:
        self.told.append((self.now, grant.run, grant))

    # -------------------------------------------------------------- what happens

    def _push(self, at_us: int, what: Any) -> None:
        self._sequence += 1
        heappush(self._heap, (at_us, self._sequence, self.epoch, what))

    def _happen(self, kind: str, *what: Any) -> None:
        if kind == "timer":
            run, place, timer, at_us, attempt = what
            if self._timers.get((run, place, timer)) == (at_us, attempt):
                del self._timers[run, place, timer]
                self.engine.post(run, TimerFired(self.now, place, timer, attempt))
        elif kind == "wake":
            self.engine.wake(self.now)
        elif kind == "look":
            run, command = what
            known = command.doubt in self.world.applied
            receipt = self.world.applied[command.doubt][2] if known else None
            answer = {"done": known, "result": receipt}
            self.engine.post(run, QuestionAnswered(self.now, command.place, command.attempt, answer, command.agent))
        elif kind == "checked":
            run, command = what
            receipt = self.world.applied.get(command.target_key, (None, None, None))[2]
            where = (self.now, command.place, command.attempt, command.dispatch)
            self.engine.post(run, EffectChecked(*where, True, receipt))
        elif kind == "ask":
            run, command, number = what
            if (run, command.place, command.attempt) in self._live:
                effect, args = self._asking[run, command.place, command.attempt][1].asks[number]
                where = (self.now, command.place, command.attempt, command.dispatch)
                self.engine.post(run, EffectRequested(*where, number, effect, args))
        elif kind == "land":
            effect, key, args, value = what
            self.world.apply(effect, key, args, value)
        elif kind == "effect":
            self._effect_ends(*what)
        else:
            run, event = what
            if not isinstance(event, (TaskFulfilled, TaskFailed, QuestionAnswered)) or self._ends(run, event):
                self.engine.post(run, replace(event, time=self.now))

    def _ends(self, run: str, event: Any) -> bool:
        self._live.pop((run, event.place, event.attempt), None)
        return True

    def _choose(self, run: str, name: str, place: int, attempt: int) -> Ending:
        key = (run, name, self.engine.kernels[run].path(place) if run in self.engine.kernels else str(place), attempt)
        chosen = self._chosen.get(key)
        if chosen is None:
            script = self.scripts.get(name)
            if callable(script[0] if script else None):
                chosen = script[0](key[2], attempt)
            elif script:
                used = self._used.get(name, 0)
                self._used[name] = used + 1
                chosen = script[min(used, len(script) - 1)]
            else:
                chosen = Ending()
            self._chosen[key] = chosen
        return chosen

    def _act(self, run: str, command: Any) -> None:
        self.told.append((self.now, run, command))
        if isinstance(command, EndRun):
            assert run not in self.ended, "a run ended twice"
            self.ended[run] = command
            self.ended_at[run] = self.now
        elif isinstance(command, TryEffect):
            self._send(run, command)
        elif isinstance(command, CheckEffect):
            self._check(run, command)
        elif isinstance(command, StopTask):
            self._stop(run, command)
        elif isinstance(command, RunTask):
            ending = self._choose(run, command.agent, command.place, command.attempt)
            self._live[run, command.place, command.attempt] = ending
            if ending.kind == "hangs" and command.deadline_us is None and self.hangs_for is not None:
                ending = replace(ending, kind="fails", takes=self.hangs_for)
            if ending.asks:
                self._asking[run, command.place, command.attempt] = (command, ending)
                self._push(self.now + ending.takes // 2, ("ask", run, command, 0))
            elif ending.kind != "hangs":
                event = self._task_event(command, ending)
                self._push(self.now + ending.takes, ("report", run, event))
                if ending.twice:
                    self._push(self.now + ending.takes + S, ("report", run, event))
        elif isinstance(command, AnswerCall):
            self._answered(run, command)
        else:
            assert isinstance(command, AskPerson)
            ending = self._choose(run, command.agent, command.place, command.attempt)
            if ending.kind == "hangs" and command.deadline_us is None and self.hangs_for is not None:
                ending = replace(ending, kind="done", takes=self.hangs_for)
            if ending.kind != "hangs" and command.doubt and ending.value == 1:
                self._push(self.now + ending.takes, ("look", run, command))
            elif ending.kind != "hangs":
                answer = QuestionAnswered(0, command.place, command.attempt, ending.value, command.agent)
                for _ in range(2 if ending.twice else 1):
                    self._push(self.now + ending.takes, ("report", run, answer))

    def _answered(self, run: str, command: AnswerCall) -> None:
        """The attempt asks for the next effect, or ends as its script says; whoever is refused fails."""
        self.answers.append(command.receipt if command.problem is None else command.code)
        asked = self._asking.get((run, command.place, command.attempt))
        if asked is None or (run, command.place, command.attempt) not in self._live:
            return
        task, ending = asked
        if command.problem is not None:
            ending = replace(ending, kind="fails")
        elif command.call + 1 < len(ending.asks):
            self._push(self.now, ("ask", run, task, command.call + 1))
            return
        if ending.kind != "hangs":
            self._push(self.now + ending.takes // 2, ("report", run, self._task_event(task, ending)))

    def _task_event(self, command: RunTask, ending: Ending) -> Any:
        place, attempt, dispatch = command.place, command.attempt, command.dispatch
        usage = (ending.tokens_in, ending.tokens_out, ending.cost)
        if ending.kind == "done":
            value = ending.value(command.inputs) if callable(ending.value) else ending.value
            return TaskFulfilled(0, place, attempt, dispatch, value, *usage, tool_us=ending.tool_us)
        return TaskFailed(
            0, place, attempt, dispatch, ending.code, "it failed", *usage, 0, ending.sent, ending.retry_after
        )

    def _stop(self, run: str, command: StopTask) -> None:
        ending = self._live.get((run, command.place, command.attempt))
        if command.person:
            return
        if ending is None:
            self._push(self.now, ("report", run, TaskStopped(0, command.place, command.attempt)))
        elif ending.stops is not None:
            at_us = self.now + ending.stops
            if ending.late_cost is not None:
                late = CostReported(0, command.place, command.attempt, 0, 0, ending.late_cost)
                self._push(at_us, ("report", run, late))
            self._live.pop((run, command.place, command.attempt))
            self._push(at_us, ("report", run, TaskStopped(0, command.place, command.attempt)))

    def _send(self, run: str, command: TryEffect) -> None:
        self._sends += 1
        ending = self._choose(run, command.effect, command.place, command.attempt)
        if ending.kind == "refuses" and command.target_key in self.world.applied:
            ending = replace(ending, kind="done")  # a target that has done it gives the first receipt again
        if ending.kind in ("done", "lost reply", "silent"):
            self._push(self.now + ending.takes, ("effect", run, command, ending, self._sends))
        elif ending.kind != "hangs":
            if ending.kind == "refuses":
                # A target takes what it gets in order: after it has refused this one, no earlier one lands any more.
                self._refused[command.target_key] = self._sends
            self._push(self.now + ending.takes, ("report", run, self._effect_event(command, ending, None)))

    def _check(self, run: str, command: CheckEffect) -> None:
        ending = self._choose(run, command.check, command.place, command.attempt)
        if ending.kind == "done":
            self._push(self.now + ending.takes, ("checked", run, command))
        elif ending.kind != "hangs":
            where = (0, command.place, command.attempt, command.dispatch)
            answer = EffectChecked(*where, False, None, "it failed")
            self._push(self.now + ending.takes, ("report", run, answer))

    def _effect_ends(self, run: str, command: TryEffect, ending: Ending, number: int) -> None:
        if number < self._refused.get(command.target_key, 0):
            return
        value = None if ending.value == 1 else ending.value
        effect = self.plan.effects[command.effect]
        drops = effect.key is not None or effect.idempotent
        receipt = self.world.apply(command.effect, command.target_key, command.args, value, drops=drops)
        self._point()
        if ending.kind != "silent":
            event = self._effect_event(command, ending, receipt)
            self.engine.post(run, event)
            if ending.twice:
                self.engine.post(run, event)

    def _effect_event(self, command: TryEffect, ending: Ending, receipt: Any) -> Any:
        where = (self.now, command.place, command.attempt, command.dispatch)
        if ending.kind == "done":
            return EffectConfirmed(*where, receipt)
        if ending.kind == "refuses":
            return EffectRefused(*where, "not today", ending.retry_after)
        return EffectUnknown(*where, "no reply")
