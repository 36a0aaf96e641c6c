"""The kernel: every decision about a run, as a pure function of what has happened.

    handle(event) -> [command, …]

Rules.
1. Pure: no I/O, no clock, no randomness. Time arrives in events; what looks like chance (jitter) is a function of the
   run's seed and the place.
2. One event, one record, bounded work. What an event makes ready goes on the agenda and is worked off before `handle`
   returns.
3. An event of a place that is closed, or of an attempt that is over, is *late*: it is ignored and counted, only its
   costs are charged. An event that no driver may send is *impossible*: it raises before anything has changed, and
   halts the run.
4. Transitions are rows of the tables in `table.py`; a handler picks among the successors of its row.
5. Ties break on `(time, rank, run, place, attempt, dispatch)`, by whoever feeds the kernel.

So state is the fold of the events, resume is replay, and a test is a list of events.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any, Final

from orchspec.runtime.kernel import (
    arbitration,
    calls,
    delegation,
    effects,
    evals,
    machines,
    messages,
    repeats,
    reverts,
    routes,
    scopes,
    settling,
    signals,
    turns,
    waits,
)
from orchspec.runtime.kernel.budget import Account
from orchspec.runtime.kernel.commands import Command, DropTimer, EndRun
from orchspec.runtime.kernel.enclosures import Enclosing
from orchspec.runtime.kernel.events import Event
from orchspec.runtime.kernel.export import export_kernel, restore_kernel
from orchspec.runtime.kernel.folding import fold_task
from orchspec.runtime.kernel.frames import Activity, Failure, Frame
from orchspec.runtime.kernel.handlers import HANDLERS
from orchspec.runtime.kernel.program import Program, program_of
from orchspec.runtime.kernel.seeking import Seeking
from orchspec.runtime.kernel.stopping import Guess, Stopping
from orchspec.runtime.kernel.table import CLOSED, ImpossibleEvent
from orchspec.runtime.kernel.undoing import Unwinding

if TYPE_CHECKING:
    from orchspec.compiler.plan import Plan
    from orchspec.runtime.kernel.sessions import Folder, Mind
    from orchspec.runtime.kernel.tasks import Task

__all__ = ["KERNEL_VERSION", "Kernel"]

KERNEL_VERSION: Final = 1
"""Pinned in every RunStarted.

A journal is folded by the kernel that wrote it, or by one that proves that it folds it the same way.
"""

# Importing them registers their statements.
_STATEMENTS = (
    arbitration,
    calls,
    delegation,
    effects,
    evals,
    machines,
    messages,
    repeats,
    reverts,
    routes,
    scopes,
    settling,
    signals,
    turns,
    waits,
)
assert all(_STATEMENTS)


class Kernel:
    """One run of a plan. `handle` is all there is to it; the rest is for looking.

    Attributes:
        places: What stands at each place; index 0 is the run itself (None).
        decided: What the last `handle` decided, as [what, detail] pairs, for the record.
        ignored: How many late events there were.
        inherited: Effects up to this intent were done before it was forked, and are not its own.
        again: Whether it sends anew what others than itself have done, since it was forked so.
        steps: Tasks fulfilled, effects confirmed and arbitrations decided so far.
        unreported: What was charged for stopped attempts that nobody has reported the costs of, by place and attempt.
        stuck: What could not be undone: [path, why] pairs.
        mail: Messages that wait for the next task of their receiver.
        outcome_us: Since when the run waits for evals alone, if it does.
        asides: Tasks of evals that are under way; the end of the run waits for them, and nothing else does.
        verdicts: What evals found: [name, path, contract, value as JSON of the edge].
        looked_pico: What evals cost, beside the account of the run.
        status: None while it runs; then as in EndRun.
    """

    __slots__ = (
        "account",
        "again",
        "agenda",
        "asides",
        "decided",
        "deadline_us",
        "flow",
        "histories",
        "ignored",
        "inherited",
        "intents",
        "looked_pico",
        "mail",
        "now",
        "out",
        "outcome",
        "outcome_us",
        "places",
        "program",
        "reached",
        "room",
        "root",
        "root_key",
        "run",
        "status",
        "steps",
        "stopping",
        "stuck",
        "tasks_open",
        "tool_calls",
        "unfunded",
        "unreported",
        "verdicts",
        "zombies",
    )

    def __init__(self, plan: Plan, run: str = "run") -> None:
        self.program: Program = program_of(plan)
        self.run = run
        self.now = 0
        self.out: list[Command] = []
        self.decided: list[list[str | None]] = []
        self.agenda: deque[tuple[Any, Any]] = deque()
        self.places: list[Activity | None] = [None]
        self.histories: dict[str, list[Any]] = {}
        self.mail: dict[str, list[Any]] = {}
        self.asides: list[Activity] = []
        self.verdicts: list[list[Any]] = []
        self.looked_pico = 0
        self.unfunded: list[Seeking] = []
        self.stopping: dict[tuple[int, int], Stopping] = {}
        self.unreported: dict[tuple[int, int], Guess] = {}
        self.root: Frame | None = None
        self.account: Account | None = None
        self.root_key = 0
        self.flow = ""
        self.deadline_us: int | None = None
        self.outcome: tuple[str, Any, dict[str, Any] | None] | None = None
        self.outcome_us: int | None = None
        self.status: str | None = None
        self.reached: list[str] = []
        self.stuck: list[list[str]] = []
        self.room = False
        self.ignored = 0
        self.steps = 0
        self.tasks_open = 0
        self.tool_calls = 0
        self.intents = 0
        self.inherited = 0
        self.again = False
        self.zombies = 0

    # -------------------------------------------------------------- the one way in

    def handle(self, event: Event) -> list[Command]:
        """Take one event and return the commands it causes, in order.

        Raises ImpossibleEvent, with nothing changed, for an event that no driver may send.
        """
        handler = HANDLERS[type(event)]
        before_us = self.now
        self.now = event.time
        out: list[Command] = []
        self.out = out
        self.decided = []
        if self.status is not None:
            self.ignore()
            return out
        try:
            handler(self, event)
        except ImpossibleEvent:
            self.now = before_us
            raise
        if self.agenda or self.unfunded:
            self._go_along()
        self.room = False
        if self.outcome is not None:
            if not self.stopping and not self.asides:
                self._end()
            elif self.outcome_us is None and evals.alone(self):
                self.outcome_us = event.time
        return out

    def _go_along(self) -> None:
        """Work off the agenda, and try again whom room in a budget may have come free for, until nothing follows."""
        agenda = self.agenda
        while agenda or (self.room and self.unfunded):
            while agenda:
                target, op = agenda.popleft()
                if op is None:
                    target.go_on()
                elif target.failing is None:
                    op.start(target)
            if self.room and self.unfunded:
                self.room = False
                for task in list(self.unfunded):
                    task.refund()

    # -------------------------------------------------------------- for those inside

    def decide(self, what: str, detail: str | None) -> None:
        """Note a decision for the record of the event that is being handled."""
        self.decided.append([what, detail])

    def ignore(self) -> None:
        """Note that the event is late."""
        self.ignored += 1
        self.decided.append(["ignored", None])

    def resume(self, target: Any) -> None:
        """Call `target.go_on()` from the agenda, so that chains don't recurse."""
        self.agenda.append((target, None))

    def stick(self, path: str, why: str) -> None:
        """Name what cannot be undone."""
        self.stuck.append([path, why])
        self.decide("stuck", f"{path}: {why}")

    def unwind(self, frame: Frame) -> None:
        """Undo what a discarded frame did, then tell it."""
        if not frame.effects:
            frame.unwound()
            return
        unwinding = Unwinding(frame, frame, frame.effects)
        frame.unwinding = unwinding
        self.resume(unwinding)

    def fold(self, task: Task, owner: Folder, mind: Mind, key: str, ordinal: int) -> None:
        """Begin the fold that a task waits for."""
        fold_task(task, owner, mind, key, ordinal).start()

    # -------------------------------------------------------------- the run as a host

    def frame_done(self, frame: Frame) -> None:
        """The flow returned; the run ends when everything it started has settled."""
        flow = self.program.flows[self.flow]
        self.outcome = ("completed", flow.codec.encode_result(frame.value), None)

    def frame_failed(self, frame: Frame, failure: Failure) -> None:
        """The flow failed and has unwound."""
        status = {"cancelled": "cancelled", "budget_exhausted": "budget_exhausted"}.get(failure.code, "failed")
        error = failure.as_json()
        if self.stuck:
            names = ", ".join(path for path, _ in self.stuck)
            error["message"] = f"{error['message']}; could not be undone: {names}"
        self.outcome = (status, None, error)
        evals.give_up(self)

    def _end(self) -> None:
        assert self.outcome is not None
        self.status, result, error = self.outcome
        if self.deadline_us is not None:
            self.out.append(DropTimer(0, "time"))
        self.decide(self.status, error["code"] if error is not None else None)
        waited_us = self.now - self.outcome_us if self.outcome_us is not None else 0
        self.out.append(EndRun(0, self.status, result, error, waited_us))

    # -------------------------------------------------------------- for those who keep runs elsewhere

    def export(self) -> dict[str, Any]:
        """The state between two events as plain JSON, as large as what is live."""
        return export_kernel(self)

    @classmethod
    def restore(cls, plan: Plan, document: dict[str, Any]) -> Kernel:
        """The kernel that `export` gave the state of; it goes on exactly as that one would.

        What is open can be issued again: hand it an EngineRecovered. Raises PlanError for another plan's state, or
        for what is none.
        """
        kernel = cls(plan)
        restore_kernel(kernel, document)
        return kernel

    def dismantle(self) -> None:
        """The run has ended and nobody looks into it any more: its memory comes free at once.

        Places and kernel name each other, so it would else wait for a search for cyclic garbage, which took a third of
        the time of a simulation. What is counted stays: the account, the verdicts.
        """
        assert self.status is not None, "a run that has not ended was taken apart"
        self.places.clear()
        self.root = None
        if self.account is not None:
            self.account.frame = None

    # -------------------------------------------------------------- for looking

    def path(self, place: int) -> str:
        """The path of a place; empty for the run itself."""
        activity = self.places[place]
        return activity.path() if activity is not None else ""

    def draw_key(self, place: int) -> int:
        """The place as a 64-bit number for draws."""
        activity = self.places[place]
        return activity.key() if activity is not None else self.root_key

    def section(self, place: int, tool: str) -> tuple[int, int] | None:
        """The critical section around a place that holds a tool: place and attempt of its grant; None where none."""
        if not self.program.sections:
            return None
        node: Any = self.places[place]
        while node is not None and node is not self:
            if isinstance(node, Enclosing) and tool in node.tools:
                return node.place, node.attempt
            node = node.host if isinstance(node, Frame) else getattr(node, "owner", None)
        return None

    def open_places(self) -> list[int]:
        """The places where something is under way, ascending."""
        return [
            place for place, activity in enumerate(self.places) if activity is not None and activity.state != CLOSED
        ]

    def quiet(self) -> bool:
        """Whether nothing is under way: the run has ended, or has not begun."""
        return self.root is None or self.status is not None
