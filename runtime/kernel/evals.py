"""`eval`: quality, looked at beside the run.

Rules. Whether a place is looked at is a draw of that place, so the same run is sampled alike whenever it is folded. An
eval stands on no critical path: the statement is settled as it begins, and its tasks belong to no frame. They have an
account of their own, so that they use up no budget; what they find, and that they failed, is recorded and changes
nothing. The run ends when they have, or when their time is up; a run that does not complete stops them at once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from orchspec.runtime.draws import SAMPLE, mix, uniform
from orchspec.runtime.kernel.budget import Account
from orchspec.runtime.kernel.expressions import Compiled, ExpressionError, compile_expr
from orchspec.runtime.kernel.frames import Activity, Failure, Frame
from orchspec.runtime.kernel.program import Op, Program, Seat, op_for
from orchspec.runtime.kernel.seeking import Asking
from orchspec.runtime.kernel.tasks import Task

if TYPE_CHECKING:
    from orchspec.compiler.plan import Evaluation
    from orchspec.runtime.kernel.expressions import FrameLike
    from orchspec.runtime.kernel.kernel import Kernel

__all__ = ["VERDICTS_MAX", "Aside", "EvalOp", "EvalTask", "alone", "give_up"]

VERDICTS_MAX: Final = 10_000
"""So many values of evals does a run keep at hand; all of them stand in its journal."""


@op_for("eval")
class EvalOp(Op):
    """A compiled eval."""

    __slots__ = ("args", "cap", "contract", "copies", "gates", "pattern", "prefer", "sample", "seats", "within_us")

    def __init__(self, program: Program, statement: Evaluation, index: int) -> None:
        Op.__init__(self, program, statement, index)
        self.contract = statement.contract
        self.args: list[Compiled] = [compile_expr(arg) for arg in statement.args]
        self.pattern = statement.pattern
        self.seats = tuple(Seat(program, candidate) for candidate in statement.candidates)
        self.copies = statement.copies
        self.prefer = "in_order" if statement.prefer in ("cheapest", "most_skilled") else statement.prefer
        self.sample = statement.sample
        self.within_us = statement.within_us
        self.cap = program.uncapped
        self.gates: tuple[str, ...] = (statement.gate,) if statement.gate is not None else ()

    def start(self, frame: Frame) -> None:
        """Look, or not; what waits for the statement goes on either way."""
        kernel = frame.kernel
        key = mix(frame.key(), self.node)
        if uniform(key, 0, SAMPLE) < self.sample:
            path = f"{frame.path()}/{self.name}".strip("/")
            try:
                inputs = [arg(frame) for arg in self.args]
            except ExpressionError as error:
                kernel.decide("eval failed", f"{path}: {error}")
            else:
                self._look(frame, Aside(kernel, self.name, frame.path(), key), inputs)
        frame.settle(self, None)

    def _look(self, frame: Frame, aside: Aside, inputs: list[Any]) -> None:
        if self.pattern in ("one", "any"):
            prefer = "in_order" if self.pattern == "one" else self.prefer
            groups = [(self.name, self._asking(self.seats, prefer))]
        else:
            seats = self.seats if self.pattern == "all" else self.seats[:1] * self.copies
            names = [seat.agent if self.pattern == "all" else str(index) for index, seat in enumerate(seats)]
            groups = [
                (f"{self.name}[{name}]", self._asking((seat,), "in_order"))
                for name, seat in zip(names, seats, strict=True)
            ]
        for index, (label, asking) in enumerate(groups):
            task = EvalTask(frame, self, aside, index, index + 1, label, asking, inputs)
            task.account = Account(self.cap, None, None)
            task.start()

    def _asking(self, seats: tuple[Seat, ...], prefer: str) -> Asking:
        return Asking(self.contract, seats, prefer=prefer, within_us=self.within_us, gates=self.gates)


class EvalTask(Task):
    """One asking of an eval."""

    __slots__ = ()

    def _finish(self, value: Any) -> None:
        # No step of the run: how many there are must not depend on what was sampled.
        self.kernel.steps -= 1
        Task._finish(self, value)  # noqa: SLF001 - that of its own class


class Aside:
    """Who owns the tasks of an eval: nobody who would wait for them, or fail with them."""

    __slots__ = ("kernel", "name", "own_key", "own_path")

    def __init__(self, kernel: Kernel, name: str, own_path: str, own_key: int) -> None:
        self.kernel = kernel
        self.name = name
        self.own_path = own_path
        self.own_key = own_key

    def path(self) -> str:
        """The path that those of its tasks begin with."""
        return self.own_path

    def key(self) -> int:
        """The key that those of its tasks are mixed from."""
        return self.own_key

    def env(self, child: Activity) -> FrameLike:
        """The block that the eval stands in."""
        return child.frame

    def adopt(self, child: Activity) -> None:
        """The run does not end before it."""
        self.kernel.asides.append(child)

    def child_done(self, child: Activity, value: Any) -> None:
        """A value: kept, and shown."""
        assert isinstance(child, EvalTask)
        kernel = self.kernel
        edge = kernel.program.contracts[child.asking.contract].encode_result(value)
        if len(kernel.verdicts) < VERDICTS_MAX:
            kernel.verdicts.append([self.name, child.path(), child.asking.contract, edge])
        kernel.decide("eval", child.path())
        self._leave(child)

    def child_skipped(self, child: Activity) -> None:
        """Evals have no chain that could skip."""
        raise AssertionError("an eval is never skipped")

    def child_failed(self, child: Activity, failure: Failure) -> None:
        """Nobody knows, and nothing follows from it."""
        self.kernel.decide("eval failed", f"{child.path()}: {failure.message}")
        self._leave(child)

    def child_stopped(self, child: Activity) -> None:
        """It was given up."""
        self.kernel.decide("eval given up", child.path())
        self._leave(child)

    def _leave(self, child: Activity) -> None:
        self.kernel.asides.remove(child)
        self.kernel.looked_pico += child.account.charged_pico


def alone(kernel: Kernel) -> bool:
    """Whether all that is still under way are evals."""
    return all(isinstance(stopping.task, EvalTask) for stopping in kernel.stopping.values())


def give_up(kernel: Kernel) -> None:
    """Stop what is looked at: the run has failed, or somebody does not want to wait."""
    for task in list(kernel.asides):
        task.stop()
