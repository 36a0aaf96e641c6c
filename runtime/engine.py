"""The engine: what both drivers share.

It feeds kernels, dispatcher, ledger and reuse table, at one instant after another, and keeps the order of effects.

    post(run, event) …            what happened goes into the inbox
    step(now)                     drain it: sort by (rank, run, place, attempt, dispatch), handle each, again until
    nothing more follows at this instant committer.take() → commit     what was handled becomes durable
    committed() → [(run, command)]  only now may the outside see what it caused

Inner commands (grants, timers, ledger, reuse) act at once, on uncommitted state: a crash undoes them together with
their cause. Outward ones wait for the commit that holds their cause. Pure: no I/O and no clock; a driver supplies the
present, carries out outward commands and keeps timers.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Final

from orchspec.runtime.committer import GroupCommitter
from orchspec.runtime.dispatcher import Dispatcher
from orchspec.runtime.grants import Grant, Outcome, PoolObserver
from orchspec.runtime.journal.records import LedgerRow, MatterRow, ReuseRow, RunRow
from orchspec.runtime.kernel.commands import (
    ArmTimer,
    AskPerson,
    AwaitSignal,
    ClaimEffect,
    Command,
    DropTimer,
    EndRun,
    HoldGrant,
    KeepReuse,
    KeepTurn,
    LookupReuse,
    ReleaseGrant,
    RequestGrant,
    RunTask,
    SettleEffect,
    StopTask,
    WithdrawSignal,
)
from orchspec.runtime.kernel.events import (
    EffectClaimed,
    EngineRecovered,
    Event,
    QuestionAnswered,
    ReuseAnswered,
    RunStarted,
    TaskEnrolled,
)
from orchspec.runtime.kernel.kernel import KERNEL_VERSION, Kernel
from orchspec.runtime.kernel.sessions import newest
from orchspec.runtime.ledger import Answer, Ledger, ReuseTable
from orchspec.runtime.outcomes import ended_row, question_row
from orchspec.runtime.recording import EventRecord, Folded
from orchspec.runtime.sessions import Load, SessionTable
from orchspec.runtime.signals import Arrival, SignalTable
from orchspec.runtime.timers import Timers

if TYPE_CHECKING:
    from collections.abc import Iterable

    from orchspec.compiler.plan import Plan

__all__ = ["TOOL_CALLS", "Engine", "Timers"]

TOOL_CALLS: Final = 1 << 32
"""Attempt numbers of tool calls start here: a call is a request of its own, beside that of the task."""

Posted = tuple[tuple[int, str, int, int, int], Event, int | None]
"""Its place among what happens at the same instant (rank, run, place, attempt, dispatch), what it is, and its mail."""
_ORDER: Final = itemgetter(0)


class Engine:
    """The runs of one engine. `halted` names runs that met a bug of ours, with the error.

    Nothing else of the engine is touched by that.
    """

    def __init__(
        self,
        plan: Plan,
        timers: Timers,
        *,
        ledger: Iterable[LedgerRow] = (),
        reuse: Iterable[ReuseRow] = (),
        sessions: Load | None = None,
        observer: PoolObserver | None = None,
        queue_max: int | None = None,
    ) -> None:
        self.timers = timers
        self.dispatcher = Dispatcher(plan, observer, queue_max)
        self.ledger = Ledger(ledger)
        self.reuse = ReuseTable(reuse)
        self.sessions = SessionTable(sessions)
        self.committer = GroupCommitter()
        self.signals = SignalTable(self.committer.take_mail, self.post)
        self.kernels: dict[str, Kernel] = {}
        self.rows: dict[str, RunRow] = {}
        self.seqs: dict[str, int] = {}
        self.halted: dict[str, Exception] = {}
        self.inbox: list[Posted] = []
        self.now = 0
        self._inner: dict[type, Callable[[str, Kernel, int, Any], None]] = {
            RequestGrant: self._request,
            HoldGrant: self._hold,
            ReleaseGrant: self._release,
            ClaimEffect: self._claim,
            SettleEffect: self._settle,
            ArmTimer: self._arm,
            DropTimer: self._drop,
            LookupReuse: self._lookup,
            KeepReuse: self._keep,
            KeepTurn: self._keep_turn,
        }
        self._beside: dict[type, Callable[[str, Kernel, Any], None]] = {
            AskPerson: self._question,
            AwaitSignal: self._await,
            WithdrawSignal: self._withdraw_signal,
            StopTask: self._withdraw,
            EndRun: self._end,
        }
        self._held_back: list[tuple[str, Kernel, int, Command]] | None = None

    # -------------------------------------------------------------- ways in

    def start(self, plan: Plan, row: RunRow, now: int) -> bool:
        """Begin a run: its row becomes durable with its first record. False, and nothing of it, where too many wait."""
        dispatcher = self.dispatcher
        if dispatcher.queue_max and dispatcher.is_full(sum(type(each[1]) is RunStarted for each in self.inbox)):
            return False
        dispatcher.admit(plan)
        self.kernels[row.run] = Kernel(plan, row.run)
        self.rows[row.run] = row
        self.seqs[row.run] = 0
        self.post(row.run, RunStarted(now, row.flow, row.input, plan.hash, KERNEL_VERSION, row.seed))
        return True

    def recover(self, folded: list[tuple[Plan, RunRow, Folded]], epoch: int, now: int) -> None:
        """Go on with runs that another engine left: grants that were open are held before anybody new is served."""
        outcomes: list[Outcome] = []
        for plan, row, state in folded:
            self.dispatcher.admit(plan)
            self.kernels[row.run] = state.kernel
            self.rows[row.run] = row
            self.seqs[row.run] = state.seq
            outcomes.extend(state.outcomes)
            if state.upgrade is not None:
                self.committer.put_run(row)  # with the record that says so
                self.post(row.run, replace(state.upgrade, time=now))
            self.post(row.run, EngineRecovered(now, epoch))
        self.dispatcher.recover(outcomes, now)
        self._held_back = []
        self.now = now
        self._drain_once()
        held_back, self._held_back = self._held_back, None
        for run, kernel, seq, command in held_back:
            self._inner[type(command)](run, kernel, seq, command)
        # Only now is it known who of all runs has waited longest.
        for signal, key in self.signals.waited_for():
            self.signals.match(signal, key, now)

    def post(self, run: str, event: Event, mail: int | None = None) -> None:
        """Something happened; `mail` is the number of the mail that brought it, consumed with its record."""
        self.inbox.append(((event.rank, run, event.place, event.attempt, event.dispatch), event, mail))

    def signal(self, arrival: Arrival, now: int) -> None:
        """A signal is in the mailbox; its mail is consumed with the record of whoever takes it."""
        self.now = now
        self.signals.arrive(arrival, now)

    def step(self, now: int) -> None:
        """Handle all that has happened at this instant, and all that follows from it."""
        self.now = now
        while self.inbox:
            self._drain_once()

    def wake(self, now: int) -> None:
        """Time has passed that the dispatcher waited for."""
        self.now = now
        self._granted(self.dispatcher.wake(now))

    def committed(self) -> list[tuple[str, Command]]:
        """The batch in flight is durable: what the outside may now see, in handle order."""
        gated: list[tuple[str, Command]] = self.committer.done()
        if self.sessions.many and self.committer.idle:
            self.sessions.rest()
        return gated

    # -------------------------------------------------------------- tools

    def call_tool(self, run: str, place: int, attempt: int, call: int, tool: str, now: int) -> Grant | None:
        """A slot and a token of a tool, for one call of an attempt: at once, or later by `Timers.tool_granted`."""
        key = TOOL_CALLS + (attempt << 16) + call
        kernel = self.kernels.get(run)
        section = kernel.section(place, tool) if kernel is not None else None
        return self.dispatcher.call(run, place, key, tool, now, section=section)

    def end_tool_call(self, run: str, place: int, attempt: int, call: int, now: int) -> None:
        """The call is over, or is not wanted any more."""
        self.now = now
        self._granted(self.dispatcher.release(run, place, TOOL_CALLS + (attempt << 16) + call, "ok", now))

    # -------------------------------------------------------------- inside

    def _drain_once(self) -> None:
        batch, self.inbox = self.inbox, []
        if len(batch) > 1:
            batch.sort(key=_ORDER)
        for order, event, mail in batch:
            self._handle(order[1], event, mail)

    def _handle(self, run: str, event: Event, mail: int | None) -> None:
        kernel = self.kernels.get(run)
        committer = self.committer
        signal = None
        if mail is not None:
            signal = self.signals.handed(mail)
            if signal is None:
                committer.take_mail(mail)
        if kernel is None:
            self.signals.settle(signal, self.now, used=False)
            return
        ignored = kernel.ignored
        try:
            commands = kernel.handle(event)
        except Exception as error:  # noqa: BLE001 - a bug of ours halts the run that met it and no other
            self._halt(run, error)
            self.signals.settle(signal, self.now, used=False)
            return
        if signal is not None:
            self.signals.settle(signal, self.now, used=kernel.ignored == ignored)
        seq = self.seqs[run] = self.seqs[run] + 1
        kind = type(event)
        if kind is RunStarted:
            committer.put_run(self.rows[run])  # before its commands, which may end it
        elif kind is QuestionAnswered and kernel.ignored == ignored:
            committer.close_question(run, kernel.path(event.place))
        gated: list[Any] = []
        for command in commands:
            if isinstance(command, ReleaseGrant):  # these four, of which an attempt has one each, are not looked up
                self._release(run, kernel, seq, command)
            elif isinstance(command, DropTimer):
                self._drop(run, kernel, seq, command)
            elif isinstance(command, ArmTimer):
                self._arm(run, kernel, seq, command)
            elif isinstance(command, RequestGrant):
                self._request(run, kernel, seq, command)
            elif (act := self._inner.get(type(command))) is not None:
                act(run, kernel, seq, command)
            else:
                gated.append((run, command))
                if isinstance(command, RunTask):
                    if command.session:
                        command.history = newest(self.sessions.history(command.session, command.version), command.room)
                elif (act_beside := self._beside.get(type(command))) is not None:
                    act_beside(run, kernel, command)
        committer.add(EventRecord(run, seq, event, kernel, commands), gated)  # type: ignore[arg-type]

    def _halt(self, run: str, error: Exception) -> None:
        self.halted[run] = error
        self._let_go(run)
        # A run that ends has let go of everything itself; one that is halted must not keep others waiting.
        self._granted(self.dispatcher.forget(run, self.now))
        for answer in self.reuse.abandon(run):
            self._looked_up(answer)

    def _let_go(self, run: str) -> None:
        del self.kernels[run], self.seqs[run]
        self.ledger.abandon(run)
        self.signals.forget(run)
        self.reuse.forget(run, self.now)
        self.sessions.forget(run)

    def _granted(self, grants: Iterable[Grant]) -> None:
        now = self.now
        for grant in grants:
            if grant.attempt >= TOOL_CALLS:
                self.timers.tool_granted(grant)
            else:
                event = TaskEnrolled(
                    now, grant.place, grant.attempt, grant.pool, grant.waited_us, grant.waited_for, grant.usual_us
                )
                if self.sessions.asked:
                    self.sessions.granted(grant.run, event)
                self.post(grant.run, event)

    # -------------------------------------------------------------- inner commands

    def _request(self, run: str, kernel: Kernel, seq: int, command: RequestGrant) -> None:
        if self._held_back is not None:
            self._held_back.append((run, kernel, seq, command))
            return
        now, dispatcher = self.now, self.dispatcher
        place, attempt, candidates = command.place, command.attempt, command.candidates
        grant: Grant | None
        if command.prefer == "whole":
            grant = dispatcher.enter(run, place, attempt, candidates, now, gates=command.gates)
        elif (
            len(candidates) > 1
            or command.sessions
            or command.gates
            or command.watch
            or command.draws
            or not dispatcher.take(run, place, attempt, candidates[0], now)
        ):
            grant = self._ask(run, command)
        else:
            event = TaskEnrolled(now, place, attempt, candidates[0])
            self.inbox.append(((event.rank, run, place, attempt, 0), event, None))
            return
        if grant is not None:
            self._granted((grant,))

    def _ask(self, run: str, command: RequestGrant) -> Grant | None:
        if command.keys:
            self.sessions.ask(run, command)
        where = (run, command.place, command.attempt, command.candidates, self.now)
        how = {"prefer": command.prefer, "urgency": command.urgency, "sessions": command.sessions}
        how |= {"gates": command.gates, "watch": command.watch, "draws": command.draws}
        return self.dispatcher.request(*where, **how)  # type: ignore[arg-type]

    def _hold(self, run: str, _kernel: Kernel, _seq: int, command: HoldGrant) -> None:
        where = (run, command.place, command.attempt)
        if command.tools:
            self.dispatcher.hold_section(*where, command.tools, self.now, gates=command.gates)
        else:
            dispatcher, gates, draws = self.dispatcher, command.gates, command.draws
            dispatcher.hold(*where, command.agent, self.now, session=command.session, gates=gates, draws=draws)

    def _release(self, run: str, _kernel: Kernel, _seq: int, command: ReleaseGrant) -> None:
        if self.sessions.asked:
            self.sessions.asked.pop((run, command.place, command.attempt), None)
        grants = self.dispatcher.release(run, command.place, command.attempt, command.outcome, self.now, command.used)
        if grants:
            self._granted(grants)

    def _claim(self, run: str, kernel: Kernel, seq: int, command: ClaimEffect) -> None:
        path = kernel.path(command.place)
        answer, rows = self.ledger.claim(
            *(run, command.place, path, command.effect, command.key, command.args_hash, seq, self.now, command.undoes),
            again=command.again,
        )
        for row in rows:
            self.committer.put_ledger(row)
        if answer is not None:
            self._claimed(answer)

    def _claimed(self, answer: Answer) -> None:
        event = EffectClaimed(self.now, answer.place, answer.standing, answer.generation, answer.value)
        self.post(answer.run, event)

    def _settle(self, run: str, kernel: Kernel, _seq: int, command: SettleEffect) -> None:
        answers, rows = self.ledger.settle(
            run, kernel.path(command.place), command.key, command.generation, command.state, command.receipt, self.now
        )
        for row in rows:
            self.committer.put_ledger(row)
        for answer in answers:
            self._claimed(answer)

    def _arm(self, run: str, _kernel: Kernel, _seq: int, command: ArmTimer) -> None:
        self.timers.arm(run, command.place, command.timer, command.at_us, command.attempt)

    def _drop(self, run: str, _kernel: Kernel, _seq: int, command: DropTimer) -> None:
        self.timers.drop(run, command.place, command.timer)

    def _lookup(self, run: str, kernel: Kernel, seq: int, command: LookupReuse) -> None:
        if command.ours:
            self.reuse.own(run, command.place, command.key)
        elif self._held_back is not None:
            self._held_back.append((run, kernel, seq, command))
        else:
            answer = self.reuse.lookup(run, command.place, command.key, self.now)
            if answer is not None:
                self._looked_up(answer)

    def _looked_up(self, answer: Answer) -> None:
        event = ReuseAnswered(self.now, answer.place, answer.standing == "hit", answer.value)
        self.post(answer.run, event)

    def _keep(self, run: str, kernel: Kernel, _seq: int, command: KeepReuse) -> None:
        where = (run, command.place, kernel.path(command.place))
        answers, row = self.reuse.keep(*where, command.key, command.ok, command.value, command.ttl_us, self.now)
        if row is not None and row.expires_us is not None:
            self.committer.put_reuse(row)
        for answer in answers:
            self._looked_up(answer)

    def _keep_turn(self, run: str, kernel: Kernel, _seq: int, command: KeepTurn) -> None:
        self.committer.put_turn(self.sessions.keep(command, run, kernel.path(command.place), self.now))

    # -------------------------------------------------------------- signals

    def _await(self, run: str, _kernel: Kernel, command: AwaitSignal) -> None:
        self.signals.wait(run, command.place, command.signal, command.key, command.since_us, command.deadline_us)
        if self._held_back is None:
            self.signals.match(command.signal, command.key, self.now)

    def _withdraw_signal(self, run: str, _kernel: Kernel, command: WithdrawSignal) -> None:
        self.signals.withdraw(run, command.place, command.signal, command.key)

    # -------------------------------------------------------------- rows that go with outward commands

    def _question(self, run: str, kernel: Kernel, command: AskPerson) -> None:
        self.committer.open_question(question_row(run, kernel, command, self.now))

    def _withdraw(self, run: str, kernel: Kernel, command: StopTask) -> None:
        if command.person:
            self.committer.close_question(run, kernel.path(command.place))

    def _end(self, run: str, kernel: Kernel, command: EndRun) -> None:
        for place, why in kernel.stuck:
            self.committer.leave(MatterRow(run, place, why, self.now))
        self.committer.put_run(ended_row(self.rows.pop(run), command, self.now))
        self._let_go(run)
