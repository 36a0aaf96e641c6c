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

from dataclasses import dataclass, replace
from heapq import heappop, heappush
from typing import Any

from orchspec.compiler.plan import Plan
from orchspec.runtime.engine import Engine
from orchspec.runtime.errors import UpgradeMisfit
from orchspec.runtime.forking import Fork, prepare
from orchspec.runtime.journal.memory import MemoryStore
from orchspec.runtime.journal.records import Owner, RunRow
from orchspec.runtime.kernel.commands import EndRun
from orchspec.runtime.kernel.events import CancelRequested, TimerFired
from orchspec.runtime.kernel.kernel import Kernel
from orchspec.runtime.recording import fold
from orchspec.runtime.refit import refit
from tests.support.endings import Ending, answers, done, failing, hangs, lost_reply, lost_send, never, refuses, silent
from tests.support.outside import Outside, World
from tests.support.plans import S

__all__ = [
    "Driver",
    "Ending",
    "Stop",
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


class Driver(Outside):
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
        super().__init__(scripts, hangs_for)
        self.plan = plan
        self.plans = {plan.hash: plan}
        self.crashes = crashes
        self.seed = seed
        self.now = start
        self.down = down
        self.observer = observer
        self.store = MemoryStore(encode=True)
        self.epoch = self.store.acquire(Owner(1, "here", "now"), 0, 1 << 60)
        self.engine = Engine(plan, self, sessions=self.store.turns, observer=observer)
        self.kernels: dict[str, Kernel] = {}
        self.points = 0
        self.recoveries = 0
        self.checks: list[Any] = []
        self._sequence = 0
        self._heap: list[tuple[int, int, int, Any]] = []  # time, sequence, epoch, what
        self._timers: dict[tuple[str, int, str], tuple[int, int]] = {}

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
                # What a test posts comes all the same; timers of an engine that died, and replies to it, are lost.
                if epoch == self.epoch or what[0] == "post":
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
        else:
            super()._happen(kind, *what)
