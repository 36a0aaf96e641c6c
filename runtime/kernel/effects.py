"""Effect steps: `step url = publish(report: d)`; `applying` is what they start."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from orchspec.runtime.kernel.applying import Applying
from orchspec.runtime.kernel.each import Each, ItemsOp
from orchspec.runtime.kernel.expressions import Compiled, Env, ExpressionError, compile_expr
from orchspec.runtime.kernel.frames import Failure, Frame
from orchspec.runtime.kernel.program import Program, op_for
from orchspec.runtime.kernel.steps import Failed
from orchspec.runtime.kernel.timed import limited
from orchspec.runtime.kernel.values import InvalidValue

if TYPE_CHECKING:
    from orchspec.compiler.plan import EffectStep
    from orchspec.runtime.kernel.expressions import FrameLike

__all__ = ["EffectOp"]


@op_for("effect")
class EffectOp(ItemsOp):
    """A compiled effect step."""

    __slots__ = ("args", "budget", "effect", "gates", "only_if", "policy")

    def __init__(self, program: Program, statement: EffectStep, index: int) -> None:
        ItemsOp.__init__(self, program, statement, index)
        self.effect = program.effects[statement.effect]
        self.args: list[Compiled] = [compile_expr(arg) for arg in statement.args]
        self.policy = statement.policy
        self.gates = self.effect.gates if statement.gate is None else (statement.gate, *self.effect.gates)
        self.only_if = compile_expr(statement.only_if) if statement.only_if is not None else None
        self.budget = statement.budget

    def start(self, frame: Frame) -> None:
        """Claim the effect, or that of each item, unless `only_if` says otherwise."""
        try:
            if self.only_if is not None and not self.only_if(frame):
                frame.kernel.decide("only_if is false", self.name)
                frame.settle(self, None)
                return
            if self.items is not None:
                items, width = self.over(frame)
            else:
                args, key = self._asked(frame)
        except ExpressionError as error:
            self.refuse(frame, error)
            return
        except InvalidValue as refused:
            path = f"{frame.path()}/{self.name}".strip("/")
            failed = Failed(frame, self, frame, self.index, self.node, self.name)
            failed.fail(Failure("bad_input", f"{path}: {refused}", path), self.links)
            return
        if self.items is not None:
            self.start_each(frame, items, width, self.budget)
            return
        owner, account = limited(frame, self, self.budget, self.links)
        applying = Applying(frame, self, owner, self.index, self.node, self.name)
        applying.account = account
        applying.begin(self.effect, args, key, self.policy, self.links, gates=self.gates)

    def _asked(self, env: FrameLike) -> tuple[list[Any], Any]:
        args = [arg(env) for arg in self.args]
        self.effect.codec.inputs.check(args)
        return args, self.effect.key(Env(args, None)) if self.effect.key is not None else None

    def start_item(self, each: Each, index: int, label: str, env: FrameLike) -> None:
        """Claim the effect of one item."""
        path = each.path() + label
        try:
            args, key = self._asked(env)
        except ExpressionError as error:
            each.refuse(index, Failure("expression", f"{path}: {error}", path))
            return
        except InvalidValue as refused:
            each.refuse(index, Failure("bad_input", f"{path}: {refused}", path))
            return
        applying = Applying(each.frame, self, each, index, index + 1, label)
        applying.account = each.account
        applying.begin(self.effect, args, key, self.policy, self.links, gates=self.gates)
