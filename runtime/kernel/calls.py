"""A flow as a step: a frame of its own, which sees nothing but its arguments; only its result comes back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from orchspec.runtime.kernel.budget import Account
from orchspec.runtime.kernel.each import Each, ItemsOp
from orchspec.runtime.kernel.enclosures import Enclosing, ends_at
from orchspec.runtime.kernel.expressions import Compiled, ExpressionError, compile_expr
from orchspec.runtime.kernel.frames import Failure, Frame
from orchspec.runtime.kernel.program import Program, op_for
from orchspec.runtime.kernel.values import InvalidValue

if TYPE_CHECKING:
    from orchspec.compiler.plan import FlowStep
    from orchspec.runtime.kernel.expressions import FrameLike

__all__ = ["Calling", "FlowOp"]


@op_for("flow")
class FlowOp(ItemsOp):
    """A flow as a step."""

    __slots__ = ("args", "budget", "flow", "gates", "only_if", "policy", "urgency")

    def __init__(self, program: Program, statement: FlowStep, index: int) -> None:
        ItemsOp.__init__(self, program, statement, index)
        self.flow = statement.flow
        self.args: list[Compiled] = [compile_expr(arg) for arg in statement.args]
        self.only_if = compile_expr(statement.only_if) if statement.only_if is not None else None
        self.budget = statement.budget
        self.policy = statement.policy
        self.gates: tuple[str, ...] = (statement.gate,) if statement.gate is not None else ()
        self.urgency = compile_expr(statement.urgency) if statement.urgency is not None else None

    def start(self, frame: Frame) -> None:
        """The call, or one for each item."""
        try:
            if self.only_if is not None and not self.only_if(frame):
                frame.kernel.decide("only_if is false", self.name)
                frame.settle(self, None)
                return
            if self.items is not None:
                items, width = self.over(frame)
            else:
                args = [arg(frame) for arg in self.args]
                urgency = self.urgency(frame) if self.urgency is not None else frame.urgency
        except ExpressionError as error:
            self.refuse(frame, error)
            return
        budget = self.budget
        if self.items is not None:
            self.start_each(frame, items, width, budget)
            return
        calling = Calling(frame, self, frame, self.index, self.node, self.name)
        if budget is not None:
            calling.account = Account(budget, frame.account, calling)
        ends_us = ends_at(frame.kernel.now, budget.time_us) if budget is not None else None
        calling.begin(args, urgency, ends_us)

    def start_item(self, each: Each, index: int, label: str, env: FrameLike) -> None:
        """The call for one item."""
        try:
            args = [arg(env) for arg in self.args]
            urgency = self.urgency(each.frame) if self.urgency is not None else each.frame.urgency
        except ExpressionError as error:
            each.refuse(index, Failure("expression", f"{each.path()}{label}: {error}", each.path() + label))
            return
        calling = Calling(each.frame, self, each, index, index + 1, label)
        calling.account = each.account
        calling.begin(args, urgency, None)


class Calling(Enclosing):
    """A called flow under way."""

    __slots__ = ("args", "urgency")

    def begin(self, args: list[Any], urgency: int, ends_us: int | None) -> None:
        """Check the arguments against the flow's constraints, and that a call may stand so deep; start its body."""
        op = self.op
        assert isinstance(op, FlowOp)
        self.args = args
        self.urgency = urgency
        kernel = self.kernel
        self.prepare(op.policy, ends_us, op.links, op.gates)
        try:
            kernel.program.flows[op.flow].codec.inputs.check(args)
        except InvalidValue as error:
            self._fall(Failure("bad_input", f"{self.path()}: {error}", self.path()), op.links)
            return
        exhausted = self.account.too_deep(self.account.depth + 1)
        if exhausted is None:
            self.go_on()
            return
        assert exhausted.frame is not None, "what has a depth is no step by agents"
        kernel.decide("budget exhausted", self.path())
        exhausted.frame.fail(Failure("budget_exhausted", f"no depth is left for {self.path()}", self.path()))

    def _frame(self, label: str) -> Frame:
        op, kernel = self.op, self.kernel
        assert isinstance(op, FlowOp)
        flow = kernel.program.flows[op.flow]
        account = Account(flow.budget, self.account, None, flow.economy)
        account.depth += 1
        inner = Frame(kernel, flow.block, self, None, account, self, self.attempt, label)
        account.frame = inner
        inner.urgency = self.urgency
        inner.values[: len(self.args)] = self.args
        return inner

    def _allowed_us(self) -> tuple[int | None, str]:
        op = self.op
        assert isinstance(op, FlowOp)
        timeout_us, time_us = self.policy.timeout_us, self.kernel.program.flows[op.flow].budget.time_us
        if time_us is not None and (timeout_us is None or time_us < timeout_us):
            return time_us, "budget_exhausted"
        return timeout_us, "timeout"
