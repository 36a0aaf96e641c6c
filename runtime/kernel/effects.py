"""Effect steps: `step url = publish(report: d)`; `applying` is what they start."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchspec.runtime.kernel.applying import Applying
from orchspec.runtime.kernel.expressions import Compiled, Env, ExpressionError, compile_expr
from orchspec.runtime.kernel.frames import Failure, Frame
from orchspec.runtime.kernel.program import Link, Op, Program, op_for
from orchspec.runtime.kernel.steps import Failed
from orchspec.runtime.kernel.values import InvalidValue

if TYPE_CHECKING:
    from orchspec.compiler.plan import EffectStep

__all__ = ["EffectOp"]


@op_for("effect")
class EffectOp(Op):
    """A compiled effect step."""

    __slots__ = ("args", "effect", "links", "only_if", "policy")

    def __init__(self, program: Program, statement: EffectStep, index: int) -> None:
        Op.__init__(self, program, statement, index)
        self.effect = program.effects[statement.effect]
        self.args: list[Compiled] = [compile_expr(arg) for arg in statement.args]
        self.policy = statement.policy
        self.only_if = compile_expr(statement.only_if) if statement.only_if is not None else None
        self.links = tuple(Link(program, link) for link in statement.on_failure)

    def start(self, frame: Frame) -> None:
        """Claim the effect, unless `only_if` says otherwise."""
        try:
            if self.only_if is not None and not self.only_if(frame):
                frame.kernel.decide("only_if is false", self.name)
                frame.settle(self, None)
                return
            args = [arg(frame) for arg in self.args]
            self.effect.codec.inputs.check(args)
            key = self.effect.key(Env(args, None)) if self.effect.key is not None else None
        except ExpressionError as error:
            self._refuse(frame, frame.evaluate_failure(self, error))
            return
        except InvalidValue as error:
            path = f"{frame.path()}/{self.name}".strip("/")
            self._refuse(frame, Failure("bad_input", f"{path}: {error}", path))
            return
        applying = Applying(frame, self, frame, self.index, self.node, self.name)
        applying.begin(self.effect, args, key, self.policy, self.links)

    def _refuse(self, frame: Frame, failure: Failure) -> None:
        Failed(frame, self, frame, self.index, self.node, self.name).fail(failure, self.links)
