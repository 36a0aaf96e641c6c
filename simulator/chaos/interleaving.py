"""Any legal interleaving: the engine driven by choices, one at a time, instead of by a clock.

A clock lets things happen when their time has come. Here whoever chooses says what happens next: which of those asked
answers and how, whether a request lands, which timer is the next, when a commit is made, when the process dies. What is
legal is what a driver could see in the world: an answer to what was asked, a refusal by a target that did not do it and
has no request on its way, timers in the order of their times. So kernel and dispatcher meet orders that no sampled
latencies would bring about. Everything is written into a chronicle, for the checkers.

    begin(), answer(…), request(…), … choices, each of which is legal or does nothing
    settle()                          what was handled is committed, and then carried out
    crash(durable=…)                  the process dies; a commit that was under way is made or not
    finish()                          nothing goes wrong any more: everybody answers, and every run has to end
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Final

from orchspec.runtime.draws import mix, run_key, uniform
from orchspec.runtime.engine import Engine
from orchspec.runtime.errors import CorruptStore, ReplayMismatch
from orchspec.runtime.journal.records import RunRow
from orchspec.runtime.kernel.commands import (
    AnswerCall,
    AskPerson,
    AwaitSignal,
    CheckEffect,
    EndRun,
    RunTask,
    StopTask,
    TryEffect,
    WithdrawSignal,
)
from orchspec.runtime.kernel.events import TimerFired
from orchspec.runtime.kernel.life import CancelRequested
from orchspec.runtime.kernel.program import program_of
from orchspec.runtime.made import InputMaker
from orchspec.runtime.recording import fold
from orchspec.runtime.timers import TimerQueue
from orchspec.simulator.cast import Cast, columns
from orchspec.simulator.chaos.chronicle import SeenWorld
from orchspec.simulator.chaos.kept import KeptJournal
from orchspec.simulator.chaos.outsiders import Outsiders
from orchspec.simulator.chaos.told import Chronicle, RunTold
from orchspec.simulator.journal import Endless
from orchspec.simulator.stubs import without_chance_failures

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from orchspec.compiler.plan import Json, Plan
    from orchspec.runtime.dispatcher import Grant

__all__ = ["STEPS_MAX", "Interleaving"]

SECOND: Final = 1_000_000
STEPS_MAX: Final = 5_000
"""Steps that bring everything to its end; who needs more does not end."""
_TICK_US: Final = 1_000
_DOWN_US: Final = 5 * SECOND


class Interleaving:
    """One engine whose outside is chosen. Implements `Timers` for it.

    Args:
        plan: sealed.
        flow: one of its flows.
        folder: where the spec stands, for files that its profiles read.
        seed: of inputs and outputs.
        given: distributions of parameters, as of a scenario.
    """

    def __init__(
        self,
        plan: Plan,
        flow: str,
        *,
        folder: Path | None = None,
        seed: int = 1,
        given: dict[str, Json] | None = None,
    ) -> None:
        self.plan = without_chance_failures(plan)
        self.flow = flow
        self.seed = seed
        self.now = 0
        self.chronicle = Chronicle(self.plan, flow, ())
        data = columns(self.plan, folder, list((given or {}).values()))
        self.cast = Cast(self.plan, data)
        self._inputs = InputMaker(self.plan, flow, given or {}, data=data, codecs=program_of(plan).codecs)
        self.journal = KeptJournal(self.chronicle, self)
        self.world = SeenWorld(self.plan, self.chronicle)
        self.world.now = lambda: self.now
        self.queue = TimerQueue()
        self.arm, self.drop = self.queue.arm, self.queue.drop
        self.engine = self._opened()
        self.epoch = 1
        self.outside = Outsiders(self)
        self._rows: dict[str, RunRow] = {}
        self._acts: dict[type, Callable[[str, Any], None]] = {
            RunTask: self.outside.asked_agent,
            AskPerson: self.outside.asked_person,
            AwaitSignal: self.outside.awaited,
            WithdrawSignal: self.outside.withdrawn,
            AnswerCall: self.outside.answered_call,
            StopTask: self.outside.told_to_stop,
            TryEffect: self.outside.sent,
            CheckEffect: self.outside.checked,
            EndRun: self._ended,
        }

    def _opened(self) -> Engine:
        journal = self.journal
        return Engine(
            self.plan,
            self,
            ledger=journal.ledger.values(),
            reuse=journal.reuse.values(),
            sessions=journal.turns,
        )

    def tool_granted(self, _grant: Grant) -> None:
        """See `Timers`. Nobody here calls tools."""

    @property
    def live(self) -> list[str]:
        """Runs whose client was told nothing yet."""
        return [run for run, told in self.chronicle.runs.items() if not told.told and run not in self.engine.halted]

    # -------------------------------------------------------------- choices

    def begin(self) -> str:
        """A client asks for one more run. Gives its id."""
        number = len(self.chronicle.runs)
        seed = run_key(self.seed, 0, 0, number)
        inputs = self._inputs.make(partial(uniform, seed, 0))
        run = f"run{number}"
        row = RunRow(run, self.flow, self.plan.hash, inputs, "running", None, None, self.now, None, seed, {})
        self.chronicle.runs[run] = RunTold(run, inputs)
        self._rows[run] = row
        self.engine.start(self.plan, row, self.now)
        return run

    def cancel(self, number: int) -> None:
        """Somebody calls a run off."""
        live = [run for run in self.live if run in self.engine.kernels]
        if live:
            run = live[number % len(live)]
            self.engine.post(run, CancelRequested(self.now, "chosen"))

    def pass_time(self) -> bool:
        """Time passes until the next timer, or what the dispatcher waits for, comes due. False if nothing does."""
        wake_us = self.engine.dispatcher.next_wake_us(self.now)
        times = [at for at in (self.queue.next_us(), wake_us) if at is not None]
        if not times:
            return False
        self.now = max(self.now, min(times))
        for due in self.queue.due(self.now):
            if due.run in self.engine.kernels:
                self.engine.post(due.run, TimerFired(self.now, due.place, due.timer, due.attempt))
        if wake_us is not None and wake_us <= self.now:
            self.engine.wake(self.now)
        return True

    def handle(self) -> None:
        """What has happened is handled; a commit is begun if none is under way."""
        self.now += _TICK_US
        self.engine.step(self.now)
        self.chronicle.halted.update(self.engine.halted)

    def settle(self) -> None:
        """Handle, commit and act, until nothing follows any more."""
        self.handle()
        while self.commit():
            self.handle()

    def commit(self) -> bool:
        """The commit that is under way is made (one begins if need be), and what it held back is carried out."""
        committer = self.engine.committer
        batch = self._flying() or committer.take()
        if batch is None:
            return False
        self.journal.commit(batch)
        for run, command in self.engine.committed():
            self._acts[type(command)](run, command)
        return True

    def _flying(self) -> Any:
        return self.engine.committer.flying

    def crash(self, *, durable: bool = False) -> None:
        """The process dies and comes back; a commit that was under way is durable, or is not."""
        batch = self._flying() or self.engine.committer.take()
        if batch is not None and durable:
            self.journal.commit(batch)
        self.chronicle.crashes.append(self.now)
        self.queue.clear()
        self.outside.crash()
        self.now += _DOWN_US
        self.epoch += 1
        for run, row in list(self.journal.ended.items()):
            self._tell(run, row.status, row.result)
        folded = []
        for run, row in list(self.journal.live.items()):
            try:
                folded.append((self.plan, row, fold(self.plan, run, self.journal.records[run])))
            except (CorruptStore, ReplayMismatch) as error:
                self.chronicle.halted[run] = error
                self.journal.forget(run)
        self.engine = self._opened()
        self.engine.recover(folded, self.epoch, self.now)
        self.outside.deliver()
        for run in self.chronicle.runs:
            # Whoever was not told that the run is durable asks for it again, under the same id.
            if not self.chronicle.runs[run].told and run not in self.journal.live and run not in self.chronicle.halted:
                self.engine.start(self.plan, self._rows[run], self.now)

    # -------------------------------------------------------------- the end

    def _ended(self, run: str, command: EndRun) -> None:
        self._tell(run, command.status, command.result)

    def _tell(self, run: str, status: str, result: Any) -> None:
        self.chronicle.runs[run].told.append((self.now, status, result))
        self.journal.acknowledge(run)
        self.outside.forget(run)
        self.queue.forget(run)

    def draw_key(self, run: str, place: int) -> int:
        """Of the draws of a place."""
        kernel = self.engine.kernels.get(run)
        return kernel.draw_key(place) if kernel is not None else mix(self.seed, place)

    def go_on(self) -> bool:
        """Everybody who was asked answers well, or time passes; False if nothing is left to happen."""
        found = self.outside.all_answer() or self.pass_time()
        self.settle()
        return found

    def finish(self) -> Chronicle:
        """Nothing goes wrong any more: everybody answers well, and time passes, until every run has ended."""
        try:
            self.settle()
            for _ in range(STEPS_MAX):
                if not [run for run in self.live if run not in self.chronicle.halted] or not self.go_on():
                    break
            else:
                self.chronicle.endless = True
        except Endless:
            self.chronicle.endless = True
        self.chronicle.ended_us = self.now
        self.chronicle.ledger = list(self.journal.ledger.values())
        return self.chronicle
