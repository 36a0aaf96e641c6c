"""`repeat`: rounds of a block until its condition holds, a bounded number of times."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from orchspec.runtime.kernel.commands import ArmTimer, DropTimer
from orchspec.runtime.kernel.expressions import ExpressionError, compile_expr
from orchspec.runtime.kernel.frames import STOPPED, Failure, Frame
from orchspec.runtime.kernel.program import CompiledBlock, Op, Program, op_for
from orchspec.runtime.kernel.regions import Region
from orchspec.runtime.kernel.steps import Failed
from orchspec.runtime.kernel.table import OPEN

if TYPE_CHECKING:
    from orchspec.compiler.plan import Repeat
    from orchspec.runtime.kernel.events import TimerFired

__all__ = ["RepeatOp"]


@op_for("repeat")
class RepeatOp(Op):
    """A compiled repeat."""

    __slots__ = ("body", "every_us", "kept", "otherwise", "times")

    def __init__(self, program: Program, statement: Repeat, index: int) -> None:
        Op.__init__(self, program, statement, index)
        self.times = compile_expr(statement.times)
        self.body = CompiledBlock(program, statement.body)
        self.otherwise = CompiledBlock(program, statement.otherwise) if statement.otherwise is not None else None
        names = self.body.names
        self.kept = [(name, names.index(name)) for name in statement.kept]
        self.every_us = statement.every_us

    def start(self, frame: Frame) -> None:
        """The first round."""
        try:
            times = self.times(frame)
        except ExpressionError as error:
            Failed(frame, self, frame, self.index, self.node, self.name).fail(frame.evaluate_failure(self, error), ())
            return
        Repeating(frame, self, frame, self.index, self.node, self.name).begin(times)


class Repeating(Region):
    """A repeat under way."""

    __slots__ = ("current", "past", "round", "rounds", "wake_at_us")

    def begin(self, times: int) -> None:
        """Open round 1 of at most `times`; where there is none to run, they are exhausted at once."""
        op = self.op
        assert isinstance(op, RepeatOp)
        self._open()
        self.rounds = times
        self.round = 0
        self.past: list[dict[str, Any]] = []
        self.current: Frame | None = None
        self.wake_at_us: int | None = None
        if times >= 1:
            self._next_round()
        elif op.otherwise is not None:
            self.kernel.resume(self)
        else:
            self._fall(Failure("exhausted", f"{self.path()} may run for {times} rounds", self.path()))

    def _next_round(self) -> None:
        op = self.op
        assert isinstance(op, RepeatOp)
        self.round += 1
        frame = Frame(self.kernel, op.body, self, self.frame, self.account, self, self.round, f"#{self.round}")
        frame.values[0] = self.past
        frame.values[1] = self.past[-1] if self.past else None
        self.current = frame
        frame.start()

    def frame_done(self, frame: Frame) -> None:
        """A round, or the `else`, ended well."""
        op = self.op
        assert isinstance(op, RepeatOp)
        self._absorb(frame)
        self.current = None
        if frame.block is op.otherwise:
            self._end(frame.value)
            return
        self.kernel.decide(f"round {self.round}", "accepted" if frame.until else "not yet")
        if frame.until or (self.round >= self.rounds and op.otherwise is None):
            self._end(frame.value)
            return
        self.past = [*self.past, {name: frame.values[slot] for name, slot in op.kept}]
        if self.round < self.rounds and op.every_us is not None:
            self.wake_at_us = self.kernel.now + op.every_us
            self.kernel.out.append(ArmTimer(self.place, "every", self.wake_at_us, self.round))
        else:
            self.kernel.resume(self)

    def go_on(self) -> None:
        """From the agenda: the next round, or what stands for all of them."""
        op = self.op
        assert isinstance(op, RepeatOp)
        if self.state != OPEN:
            return
        if self.round < self.rounds:
            self._next_round()
            return
        assert op.otherwise is not None
        frame = Frame(self.kernel, op.otherwise, self, self.frame, self.account, self, 0, "#else")
        self.current = frame
        frame.start()

    def frame_failed(self, frame: Frame, failure: Failure) -> None:
        """A round failed (and has unwound): so does the repeat."""
        self.current = None
        self._fall(failure)

    def timer(self, event: TimerFired) -> None:
        """The period has passed; a timer may fire twice: that of an earlier round counts no more."""
        if self.wake_at_us is None or event.attempt != self.round:
            self.kernel.ignore()
            return
        self.wake_at_us = None
        self.go_on()

    def stop(self) -> None:
        """Stop the round that is under way."""
        self.stopped = True
        if self.wake_at_us is not None:
            self.wake_at_us = None
            self.kernel.out.append(DropTimer(self.place, "every"))
        if self.current is not None:
            self.current.stop()
        else:
            self._fall(STOPPED)

    def reissue(self) -> None:
        """The timer of the period; what the rounds have open is issued by themselves."""
        if self.wake_at_us is not None:
            self.kernel.out.append(ArmTimer(self.place, "every", self.wake_at_us, self.round))
