"""A flow as a step: a frame of its own, which sees nothing but its arguments; only its result comes back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from orchspec.compiler.plan import Budget
from orchspec.runtime.kernel.budget import Account
from orchspec.runtime.kernel.commands import ArmTimer, DropTimer
from orchspec.runtime.kernel.expressions import Compiled, ExpressionError, compile_expr
from orchspec.runtime.kernel.frames import Failure, Frame
from orchspec.runtime.kernel.program import Link, Op, Program, op_for
from orchspec.runtime.kernel.regions import Region
from orchspec.runtime.kernel.steps import Failed
from orchspec.runtime.kernel.table import CLOSED
from orchspec.runtime.kernel.values import InvalidValue

if TYPE_CHECKING:
    from orchspec.compiler.plan import FlowStep
    from orchspec.runtime.kernel.events import TimerFired

__all__ = ["FlowOp"]


@op_for("flow")
class FlowOp(Op):
    """A flow as a step."""

    __slots__ = ("args", "budget", "flow", "links", "only_if")

    def __init__(self, program: Program, statement: FlowStep, index: int) -> None:
        Op.__init__(self, program, statement, index)
        self.flow = statement.flow
        self.args: list[Compiled] = [compile_expr(arg) for arg in statement.args]
        self.only_if = compile_expr(statement.only_if) if statement.only_if is not None else None
        # A flow has no contract that somebody else could be asked to fulfill.
        self.links = tuple(Link(program, link) for link in statement.on_failure if link.kind != "ask")
        self.budget = statement.budget

    def start(self, frame: Frame) -> None:
        """A frame of its own, which sees nothing but its arguments."""
        try:
            if self.only_if is not None and not self.only_if(frame):
                frame.kernel.decide("only_if is false", self.name)
                frame.settle(self, None)
                return
            args = [arg(frame) for arg in self.args]
        except ExpressionError as error:
            Failed(frame, self, frame, self.index, self.node, self.name).fail(
                frame.evaluate_failure(self, error), self.links
            )
            return
        Calling(frame, self, frame, self.index, self.node, self.name).begin(args)


class Calling(Region):
    """A called flow under way."""

    __slots__ = ("deadlines", "inner")

    def begin(self, args: list[Any]) -> None:
        """Check the arguments against the flow's constraints and start its body."""
        op = self.op
        assert isinstance(op, FlowOp)
        self._open()
        kernel = self.kernel
        flow = kernel.program.flows[op.flow]
        account = self.account
        if op.budget is not None:
            account = Account(op.budget, account, None)
        account = Account(flow.budget, account, None, flow.economy)
        self.inner = Frame(kernel, flow.block, self, None, account, self, 1, "")
        account.frame = self.inner
        if account.parent is not None and op.budget is not None:
            account.parent.frame = self.inner
        self.inner.values[: len(args)] = args
        self.deadlines = _deadlines(kernel.now, flow.budget, op.budget)
        try:
            flow.codec.inputs.check(args)
        except InvalidValue as error:
            self._fall(Failure("bad_input", f"{self.path()}: {error}", self.path()), op.links)
            return
        if self.deadlines:
            kernel.out.append(ArmTimer(self.place, "time", self.deadlines))
        self.inner.start()

    def frame_done(self, frame: Frame) -> None:
        """Only the result comes back."""
        self._absorb(frame)
        self._end(frame.value)

    def frame_failed(self, frame: Frame, failure: Failure) -> None:
        """The flow failed and has unwound."""
        op = self.op
        assert isinstance(op, FlowOp)
        self._fall(failure, op.links)

    def _close(self) -> None:
        self.state = CLOSED
        if self.deadlines:
            self.kernel.out.append(DropTimer(self.place, "time"))

    def timer(self, event: TimerFired) -> None:
        """The time budget is used up."""
        if self.inner.failing is not None:
            self.kernel.ignore()
            return
        self.inner.fail(Failure("budget_exhausted", f"{self.path()} used up its time budget", self.path()))

    def stop(self) -> None:
        """Stop the body."""
        self.stopped = True
        self.inner.stop()

    def reissue(self) -> None:
        """The deadline."""
        if self.deadlines:
            self.kernel.out.append(ArmTimer(self.place, "time", self.deadlines))


def _deadlines(now: int, *budgets: Budget | None) -> int:
    times = [budget.time_us for budget in budgets if budget is not None and budget.time_us is not None]
    return now + min(times) if times else 0
