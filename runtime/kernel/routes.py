"""`route`: of several blocks the one that fits what was found out before."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from orchspec.runtime.kernel.expressions import Compiled, ExpressionError, compile_expr
from orchspec.runtime.kernel.frames import Failure, Frame
from orchspec.runtime.kernel.functions import equal
from orchspec.runtime.kernel.program import CompiledBlock, Op, Program, op_for
from orchspec.runtime.kernel.regions import Region
from orchspec.runtime.kernel.steps import Failed

if TYPE_CHECKING:
    from orchspec.compiler.plan import Arm, Route

__all__ = ["CompiledArm", "RouteOp", "Routing"]


class CompiledArm:
    """An arm: taken if the subject equals one of `patterns` (or there are none) and `when` holds."""

    __slots__ = ("body", "patterns", "when")

    def __init__(self, program: Program, arm: Arm) -> None:
        self.patterns: list[Compiled] = [compile_expr(pattern) for pattern in arm.patterns]
        self.when = compile_expr(arm.when) if arm.when is not None else None
        self.body = CompiledBlock(program, arm.body)

    def taken(self, frame: Frame, subject: Any) -> bool:
        """Whether the arm fits; what comes after the first that fits is not evaluated."""
        if self.patterns and not any(equal(subject, pattern(frame)) for pattern in self.patterns):
            return False
        return self.when is None or bool(self.when(frame))


@op_for("route")
class RouteOp(Op):
    """A compiled route."""

    __slots__ = ("arms", "subject")

    def __init__(self, program: Program, statement: Route, index: int) -> None:
        Op.__init__(self, program, statement, index)
        self.subject = compile_expr(statement.subject) if statement.subject is not None else None
        self.arms = [CompiledArm(program, arm) for arm in statement.arms]

    def start(self, frame: Frame) -> None:
        """Take the first arm that fits."""
        try:
            subject = self.subject(frame) if self.subject is not None else None
            number = next((number for number, arm in enumerate(self.arms, 1) if arm.taken(frame, subject)), 0)
        except ExpressionError as error:
            Failed(frame, self, frame, self.index, self.node, self.name).fail(frame.evaluate_failure(self, error), ())
            return
        if number == 0:
            frame.kernel.decide(f"route {self.name}", "no arm")
            frame.settle(self, None)
            return
        frame.kernel.decide(f"route {self.name}", f"arm {number}")
        Routing(frame, self, frame, self.index, self.node, self.name).begin(number)


class Routing(Region):
    """An arm under way. Its block is no scope of its own: it charges the same account, and fails the block around."""

    __slots__ = ("inner",)

    def begin(self, number: int) -> None:
        """Start arm `number`, from 1."""
        op = self.op
        assert isinstance(op, RouteOp)
        self._open()
        body = op.arms[number - 1].body
        self.inner = Frame(self.kernel, body, self, self.frame, self.account, self, number, "")
        self.inner.start()

    def frame_done(self, frame: Frame) -> None:
        """The value of the arm."""
        self._absorb(frame)
        self._end(frame.value)

    def frame_failed(self, frame: Frame, failure: Failure) -> None:
        """The arm failed (and has unwound): so does the route."""
        self._fall(failure)

    def stop(self) -> None:
        """Stop the arm."""
        self.stopped = True
        self.inner.stop()
