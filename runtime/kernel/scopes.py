"""`scope`: a region with its own budget, deadline, failure and undo; with `for`, one for each item."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from orchspec.runtime.kernel.budget import Account
from orchspec.runtime.kernel.each import Each, ItemsOp
from orchspec.runtime.kernel.enclosures import Enclosing, ends_at
from orchspec.runtime.kernel.expressions import ExpressionError, compile_expr
from orchspec.runtime.kernel.frames import Frame
from orchspec.runtime.kernel.program import CompiledBlock, Program, op_for

if TYPE_CHECKING:
    from orchspec.compiler.plan import Scope
    from orchspec.runtime.kernel.expressions import FrameLike

__all__ = ["Enclosure", "ScopeOp"]


@op_for("scope")
class ScopeOp(ItemsOp):
    """A compiled scope."""

    __slots__ = ("body", "budget", "gates", "only_if", "policy", "tools", "urgency")

    def __init__(self, program: Program, statement: Scope, index: int) -> None:
        ItemsOp.__init__(self, program, statement, index)
        self.body = CompiledBlock(program, statement.body)
        self.budget = statement.budget
        self.policy = statement.policy
        self.gates: tuple[str, ...] = (statement.gate,) if statement.gate is not None else ()
        self.tools = tuple(statement.tools)
        program.sections = program.sections or bool(self.tools)
        self.only_if = compile_expr(statement.only_if) if statement.only_if is not None else None
        self.urgency = compile_expr(statement.urgency) if statement.urgency is not None else None

    def start(self, frame: Frame) -> None:
        """One region, or one for each item."""
        try:
            if self.only_if is not None and not self.only_if(frame):
                frame.kernel.decide("only_if is false", self.name)
                frame.settle(self, None)
                return
            urgency = self.urgency(frame) if self.urgency is not None else frame.urgency
            if self.items is not None:
                items, width = self.over(frame)
        except ExpressionError as error:
            self.refuse(frame, error)
            return
        if self.items is not None:
            self.start_each(frame, items, width)
        else:
            Enclosure(frame, self, frame, self.index, self.node, self.name).begin(None, urgency)

    def start_item(self, each: Each, index: int, label: str, env: FrameLike) -> None:
        """The region of one item, with a budget and a deadline of its own."""
        try:
            urgency = self.urgency(each.frame) if self.urgency is not None else each.frame.urgency
        except ExpressionError as error:
            each.refuse(index, each.frame.evaluate_failure(self, error))
            return
        Enclosure(each.frame, self, each, index, index + 1, label).begin(each.items[index], urgency)


class Enclosure(Enclosing):
    """One region of a scope, with its account and deadline."""

    __slots__ = ("item", "urgency")

    def begin(self, item: Any, urgency: int) -> None:
        """Start the body; `item` fills slot 0 where the body has one that is given."""
        op = self.op
        assert isinstance(op, ScopeOp)
        self.item = item
        self.urgency = urgency
        budget = op.budget
        if budget is not None:
            self.account = Account(budget, self.account, self)
        ends_us = ends_at(self.kernel.now, budget.time_us) if budget is not None else None
        self.prepare(op.policy, ends_us, op.links, op.gates, op.tools)
        self.go_on()

    def _frame(self, label: str) -> Frame:
        op = self.op
        assert isinstance(op, ScopeOp)
        inner = Frame(self.kernel, op.body, self, self.frame, self.account, self, self.attempt, label)
        inner.urgency = self.urgency
        if op.body.given:
            inner.values[0] = self.item
        return inner
