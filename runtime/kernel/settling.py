"""Statements that settle as soon as they start: names, guards, barriers, conditions and values."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchspec.runtime.kernel.expressions import ExpressionError, compile_expr
from orchspec.runtime.kernel.frames import Failure, Frame
from orchspec.runtime.kernel.program import Op, Program, op_for

if TYPE_CHECKING:
    from orchspec.compiler.plan import Checkpoint, Fail, Give, Let, Until

__all__ = ["CheckpointOp", "FailOp", "GiveOp", "LetOp", "UntilOp"]


@op_for("let")
class LetOp(Op):
    """`let n = e`."""

    __slots__ = ("value",)

    def __init__(self, program: Program, statement: Let, index: int) -> None:
        Op.__init__(self, program, statement, index)
        self.value = compile_expr(statement.value)

    def start(self, frame: Frame) -> None:
        """Name the value."""
        try:
            value = self.value(frame)
        except ExpressionError as error:
            frame.fail(frame.evaluate_failure(self, error))
            return
        frame.settle(self, value)


@op_for("fail")
class FailOp(Op):
    """`fail "why" when e`."""

    __slots__ = ("message", "when")

    def __init__(self, program: Program, statement: Fail, index: int) -> None:
        Op.__init__(self, program, statement, index)
        self.message = compile_expr(statement.message)
        self.when = compile_expr(statement.when) if statement.when is not None else None

    def start(self, frame: Frame) -> None:
        """Fail the block if the guard says so."""
        try:
            if self.when is not None and not self.when(frame):
                frame.settle(self, None)
                return
            failure = Failure("failed", str(self.message(frame)), frame.path().strip("/"))
        except ExpressionError as error:
            failure = frame.evaluate_failure(self, error)
        frame.kernel.decide("failed", failure.message)
        frame.fail(failure)


@op_for("checkpoint")
class CheckpointOp(Op):
    """`checkpoint name`: a barrier, which the needs of its neighbours make, and a name for it."""

    __slots__ = ()

    def __init__(self, program: Program, statement: Checkpoint, index: int) -> None:
        Op.__init__(self, program, statement, index)

    def start(self, frame: Frame) -> None:
        """Reached."""
        frame.kernel.reached.append(self.name)
        frame.kernel.decide("checkpoint", self.name)
        frame.settle(self, None)


@op_for("until")
class UntilOp(Op):
    """`until e` of a round."""

    __slots__ = ("condition",)

    def __init__(self, program: Program, statement: Until, index: int) -> None:
        Op.__init__(self, program, statement, index)
        self.condition = compile_expr(statement.condition)

    def start(self, frame: Frame) -> None:
        """Note whether this round is the last."""
        try:
            frame.until = bool(self.condition(frame))
        except ExpressionError as error:
            frame.fail(frame.evaluate_failure(self, error))
            return
        frame.settle(self, None)


@op_for("give")
class GiveOp(Op):
    """`return e`, `give e`."""

    __slots__ = ("value",)

    def __init__(self, program: Program, statement: Give, index: int) -> None:
        Op.__init__(self, program, statement, index)
        self.value = compile_expr(statement.value)

    def start(self, frame: Frame) -> None:
        """The value of the block; the block ends when everything in it has settled."""
        try:
            frame.value = self.value(frame)
        except ExpressionError as error:
            frame.fail(frame.evaluate_failure(self, error))
            return
        frame.given = True
        frame.settle(self, None)
