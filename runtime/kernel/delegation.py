"""`supervise`: a lead says what is to be done, workers do it, the lead looks at what came, a bounded number of times.

A round is the lead's task, and then the tasks that it asked for, at most `width` at once. The lead holds no slot while
they run. What it asks for is checked before anything is begun: an unknown contract, somebody who is no worker or does
not do it, inputs that do not fit, more than `ASKS_MAX` tasks, or nothing at all is a failed attempt of the lead. A task
that failed for good is no failure of the loop: the lead is told, and goes on as it sees fit. An answer ends the loop;
what was asked for beside it is not begun. The last round has to bring it, since nobody would look at what came of that.

A worker whose contract gives a delegation leads in its turn, one level deeper, over the same workers. What it did is
a region of its own, which unwinds when it fails.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from orchspec.compiler.plan import ASKS_MAX, asked_of, so_far_of
from orchspec.runtime.kernel.expressions import compile_expr
from orchspec.runtime.kernel.frames import Activity, Failure, Frame
from orchspec.runtime.kernel.loops import Looping, LoopOp, region, shown
from orchspec.runtime.kernel.menus import Asks, Menu
from orchspec.runtime.kernel.program import Op, Program, Seat, op_for
from orchspec.runtime.kernel.scopes import Enclosure, ScopeOp
from orchspec.runtime.kernel.table import OPEN
from orchspec.runtime.kernel.tasks import Task
from orchspec.runtime.kernel.values import InvalidValue, Unverified

if TYPE_CHECKING:
    from orchspec.compiler.plan import Supervise
    from orchspec.runtime.kernel.budget import Account

__all__ = ["ERROR_MAX", "Rounds", "RoundsOp", "SuperviseOp"]

ERROR_MAX = 500
"""How much of the message of a failed task its lead is told."""


@op_for("supervise")
class SuperviseOp(LoopOp):
    """A compiled `supervise`; `nested` is the region of a worker who leads in its turn.

    `does` are the contracts that may be asked for, with who does each; `leading` are those of them that delegate, with
    the parameter that the kernel fills.
    """

    __slots__ = ("depth", "does", "leading", "leads", "nested", "prefer", "rounds", "workers")

    def __init__(self, program: Program, statement: Supervise, index: int) -> None:
        LoopOp.__init__(self, program, statement, index, "rounds")
        self.leads = {candidate.agent: Seat(program, candidate) for candidate in statement.leads}
        self.workers = {candidate.agent: Seat(program, candidate) for candidate in statement.workers}
        self.does = asked_of(statement.workers, program.plan.agents)
        found = {name: so_far_of(program.plan.contracts[name]) for name in self.does}
        self.leading = {name: place for name, place in found.items() if place is not None}
        self.rounds = statement.rounds
        self.depth = statement.depth
        self.width = compile_expr(statement.width) if statement.width is not None else None
        prefer = statement.prefer
        self.prefer = "in_order" if prefer in ("cheapest", "most_skilled") else prefer
        self.nested = ScopeOp(program, region("rounds", statement, inner=True), index)
        for shell in (self, self.nested):
            core = shell.body.ops[0]
            assert isinstance(core, RoundsOp)
            core.shell = self

    def errand(self, inputs: list[Any], width: int | None) -> list[Any]:
        """See `Rounds`."""
        return [self.contract, inputs, list(self.leads), None, width]


@op_for("rounds")
class RoundsOp(Op):
    """What stands in the region of a `supervise`."""

    __slots__ = ("shell",)

    shell: SuperviseOp

    def start(self, frame: Frame) -> None:
        """The first round."""
        Rounds(frame, self, frame, 0, 1, "").begin()


class Rounds(Looping):
    """A delegation under way.

    `errand` is [contract, inputs, who may lead, depth, width]; who took the lead keeps it. `asks` are the
    tasks of this round: [ask, inputs, who may do it], of which the first `next` were begun; `came` are their outcomes.
    """

    __slots__ = ("asks", "came", "depth", "next", "past", "round")

    def begin(self) -> None:
        """Ask the lead for the first time."""
        self._open()
        shell = self._shell()
        depth = self.errand[3]
        self.depth: int = self._left(shell.depth) if depth is None else depth
        self.round = 0
        self.past: list[dict[str, Any]] = []
        self.asks: list[list[Any]] = []
        self.came: dict[int, dict[str, Any]] = {}
        self.next = 0
        exhausted = self.account.too_deep(self.account.depth + 1) if self.depth < 1 else None
        if exhausted is None:
            self._ask_lead()
            return
        assert exhausted.frame is not None, "what has a depth is no step by agents"
        self.kernel.decide("budget exhausted", self.path())
        exhausted.frame.fail(Failure("budget_exhausted", f"no depth is left for {self.path()}", self.path()))

    def _left(self, depth: int) -> int:
        """How many levels of delegation the budgets around allow, at most `depth`: the first is that of the workers."""
        account: Account | None = self.account
        while account is not None:
            if account.cap.depth is not None:
                depth = min(depth, account.cap.depth - (self.account.depth - account.depth))
            account = account.parent
        return depth

    def _shell(self) -> SuperviseOp:
        assert isinstance(self.op, RoundsOp)
        return self.op.shell

    @property
    def errand(self) -> list[Any]:
        """It stands in the region's frame, where whoever asked looks up who led."""
        errand: list[Any] = self.frame.values[0]
        return errand

    def _so_far(self) -> int:
        shell, contract = self._shell(), self.errand[0]
        return shell.so_far if contract == shell.contract else shell.leading[contract]

    def _ask_lead(self) -> None:
        shell = self._shell()
        contract, given, who, _, _ = self.errand
        self.round += 1
        inputs = list(given)
        inputs[self._so_far()] = self.past
        seats = tuple([shell.leads.get(name) or shell.workers[name] for name in who])
        asking = shell.asking(contract, seats, shell.prefer, self)
        urgency = self.frame.urgency
        Task(self.frame, self.op, self, 0, self.round << 20, f"#{self.round}", asking, inputs, urgency).start()

    # -------------------------------------------------------------- what a lead may ask for

    def menu(self, task: Task) -> Menu:
        """The contracts that may be asked for at this depth."""
        shell = self._shell()
        deep = self.depth > 1
        contracts = {name: who for name, who in shell.does.items() if deep or name not in shell.leading}
        return Asks(contracts, shell.rounds - self.round + 1, self.errand[4])

    def vet(self, task: Task, value: Any) -> None:
        """Raises Unverified if the lead asks for something that cannot be begun, or for nothing."""
        tasks = value["tasks"]
        if value["answer"] is not None:
            self.asks = []
            return
        if not tasks:
            raise Unverified("result has neither an answer nor a task: give `answer`, or ask for something in `tasks`")
        if len(tasks) > ASKS_MAX:
            raise Unverified(f"result.tasks has {len(tasks)} tasks, and {ASKS_MAX} may be asked for at once")
        self.asks = [[ask, *self._taken(f"result.tasks[{index}]", ask)] for index, ask in enumerate(tasks)]

    def _taken(self, place: str, ask: dict[str, Any]) -> tuple[list[Any], list[str]]:
        """The inputs in their inner form, and who may do it."""
        shell = self._shell()
        contract, to = ask["contract"], ask["to"]
        able = shell.does.get(contract)
        if able is None:
            known = ", ".join(shell.does)
            raise Unverified(f"{place}.contract is {shown(contract)}, which no worker fulfills; there are {known}")
        if to is not None and to not in shell.workers:
            raise Unverified(f"{place}.to is {shown(to)}, who is no worker here; there are {', '.join(shell.workers)}")
        if to is not None and to not in able:
            raise Unverified(f"{place}.to is {to}, who does not fulfill {contract}; {', '.join(able)} can")
        leading = shell.leading.get(contract)
        if leading is not None and self.depth <= 1:
            raise Unverified(f"{place}.contract is {contract}, which delegates further than the depth permits")
        codec = self.kernel.program.contracts[contract]
        given = ask["input"]
        if leading is not None and type(given) is dict:
            name = codec.inputs.names[leading]
            if name in given:
                raise Unverified(f"{place}.input.{name}: it is filled in, leave it out")
            given = {**given, name: []}
        try:
            inputs = codec.decode_inputs(given)
        except InvalidValue as error:
            raise Unverified(str(error.within(f"{place}.input"))) from None
        return inputs, able if to is None else [to]

    # -------------------------------------------------------------- rounds

    def child_done(self, child: Activity, value: Any) -> None:
        """The lead has spoken, or a worker is done."""
        del self.live[child.index]
        if child.index:
            self._came(child, self._encoded(self.asks[child.index - 1][0]["contract"], value), None)
            return
        assert isinstance(child, Task)
        assert child.seat is not None
        self.errand[2] = [child.seat.agent]
        shell = self._shell()
        if value["answer"] is not None:
            self.kernel.decide(f"round {self.round}", "answered")
            self._give(value["answer"])
        elif self.round >= shell.rounds:
            self._exhausted(f"{self.path()} has no answer after {shell.rounds} rounds")
        else:
            self.kernel.decide(f"round {self.round}", f"asks for {len(self.asks)}")
            self.came = {}
            self.next = 0
            self.kernel.resume(self)

    def child_failed(self, child: Activity, failure: Failure) -> None:
        """A worker failed for good, and the lead is told; or the lead itself did, and the loop fails."""
        del self.live[child.index]
        if child.index:
            self._came(child, None, f"{failure.code}: {failure.message}"[:ERROR_MAX])
        else:
            self._fail(failure)

    def _came(self, child: Activity, result: Any, error: str | None) -> None:
        index = child.index - 1
        ask, _, able = self.asks[index]
        if isinstance(child, Enclosure):
            assert child.inner is not None
            able = child.inner.values[0][2]
        elif isinstance(child, Task) and child.seat is not None:
            able = [child.seat.agent]
        by = able[0] if len(able) == 1 else ""
        self.came[index] = {"ask": ask, "by": by, "result": result, "error": error}
        self.kernel.resume(self)

    def _encoded(self, contract: str, value: Any) -> Any:
        codec = self.kernel.program.contracts[contract]
        if contract in self._shell().leading:
            return codec.encode_result({"tasks": [], "answer": value})["answer"]
        return codec.encode_result(value)

    def go_on(self) -> None:
        """From the agenda: begin what the width allows; all done: the next round."""
        if self.state != OPEN or self.stopped:
            return
        width = self.errand[4]
        most = len(self.asks) if width is None else max(1, width)
        while self.next < len(self.asks) and len(self.live) < most and not self.stopped:
            self.next += 1
            self._begin(self.next)
        if self.state == OPEN and not self.stopped and not self.live and len(self.came) == len(self.asks):
            self.past = [*self.past, *[self.came[index] for index in range(len(self.asks))]]
            self._ask_lead()

    def _begin(self, index: int) -> None:
        shell = self._shell()
        ask, inputs, able = self.asks[index - 1]
        contract = ask["contract"]
        ordinal, label = (self.round << 20) + index, f"#{self.round}[{index - 1}]"
        if contract in shell.leading:
            errand = [contract, inputs, list(able), self.depth - 1, self.errand[4]]
            Enclosure(self.frame, shell.nested, self, index, ordinal, label).begin(errand, self.frame.urgency)
            return
        seats = tuple([shell.workers[name] for name in able])
        asking = shell.asking(contract, seats, shell.prefer)
        Task(self.frame, self.op, self, index, ordinal, label, asking, inputs, self.frame.urgency).start()
