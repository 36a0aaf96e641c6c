"""`wait`: a barrier that opens after a time, or at one.

The moment at which it opens is fixed when it is reached, so a crash makes it neither earlier nor later; one that has
passed meanwhile opens at once on resume. The time counts against the time budgets around it, as any other.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchspec.runtime.kernel.commands import ArmTimer, DropTimer
from orchspec.runtime.kernel.expressions import ExpressionError, compile_expr
from orchspec.runtime.kernel.frames import STOPPED, Frame
from orchspec.runtime.kernel.program import Op, Program, op_for
from orchspec.runtime.kernel.regions import Region

if TYPE_CHECKING:
    from orchspec.compiler.plan import Wait
    from orchspec.runtime.kernel.events import TimerFired

__all__ = ["WaitOp", "Waiting"]


@op_for("wait")
class WaitOp(Op):
    """A compiled wait."""

    __slots__ = ("until", "value")

    def __init__(self, program: Program, statement: Wait, index: int) -> None:
        Op.__init__(self, program, statement, index)
        self.value = compile_expr(statement.value)
        self.until = statement.until

    def start(self, frame: Frame) -> None:
        """Wait; what is not in the future is not waited for."""
        kernel = frame.kernel
        try:
            value = self.value(frame)
        except ExpressionError as error:
            frame.fail(frame.evaluate_failure(self, error))
            return
        opens_us = value if self.until else kernel.now + value
        if opens_us <= kernel.now:
            frame.settle(self, None)
            return
        Waiting(frame, self, frame, self.index, self.node, "wait").begin(opens_us)


class Waiting(Region):
    """A wait under way: a region of nothing but time."""

    __slots__ = ("opens_us",)

    def begin(self, opens_us: int) -> None:
        """Wait until then, in microseconds."""
        self._open()
        self.opens_us = opens_us
        self.reissue()

    def timer(self, event: TimerFired) -> None:
        """It is time."""
        self.kernel.decide("waited", None)
        self._end(None)

    def stop(self) -> None:
        """Wait no longer."""
        self.kernel.out.append(DropTimer(self.place, "wait"))
        self._fall(STOPPED)

    def reissue(self) -> None:
        """The same moment, whatever happened meanwhile."""
        self.kernel.out.append(ArmTimer(self.place, "wait", self.opens_us))
