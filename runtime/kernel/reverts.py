"""`revert`: what a statement did to the outside world is undone now, and the block goes on.

Reverted is what stands when the revert begins: the effects of the statement that have been confirmed, those of the
scopes, rounds, arms and flows in it included, latest intent first. They belong to the block no more: if it fails later,
they are not undone again. An undo that is stuck fails the revert, once the others are done, and is named.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchspec.runtime.kernel.applying import Done
from orchspec.runtime.kernel.frames import STOPPED, Failure, Frame
from orchspec.runtime.kernel.program import Op, Program, op_for
from orchspec.runtime.kernel.regions import Region
from orchspec.runtime.kernel.undoing import Unwinding

if TYPE_CHECKING:
    from orchspec.compiler.plan import Revert

__all__ = ["RevertOp", "Reverting"]


@op_for("revert")
class RevertOp(Op):
    """A compiled revert."""

    __slots__ = ("of", "up")

    def __init__(self, program: Program, statement: Revert, index: int) -> None:
        Op.__init__(self, program, statement, index)
        self.up = statement.up
        self.of = statement.of

    def start(self, frame: Frame) -> None:
        """Undo what the statement did; one that did nothing, or was reverted already, has nothing left to undo."""
        doer: Frame | None = frame
        for _ in range(self.up):
            assert doer is not None, "a revert names a statement of a block around it"
            doer = doer.parent
        assert doer is not None
        done = [each for each in doer.effects if each.by == self.of]
        doer.effects = [each for each in doer.effects if each.by != self.of]
        frame.kernel.decide("revert", self.name)
        if not done:
            frame.settle(self, None)
            return
        Reverting(frame, self, frame, self.index, self.node, f"!revert {self.name}").begin(done)


class Reverting(Region):
    """A revert under way: like all undoing it is exempt from budgets, and nobody stops it."""

    __slots__ = ("unwinding",)

    def begin(self, done: list[Done]) -> None:
        """Undo these."""
        self._open()
        self.unwinding = Unwinding(self.frame, self, done)
        self.kernel.resume(self.unwinding)

    def unwound(self) -> None:
        """All that could be undone is undone."""
        stuck = self.unwinding.stuck
        if self.stopped:
            self._fall(STOPPED)
        elif stuck:
            self._fall(Failure("undo_stuck", f"could not be undone: {', '.join(stuck)}", self.path()))
        else:
            self._end(None)

    def stop(self) -> None:
        """What was begun is brought to its end first."""
        self.stopped = True
