"""What loops that a model drives have in common: a region around them, and a say in what their agents may give.

The statement is a region like a scope, with its own budget, failure and undo. In it stands a single activity, which
asks agents one after another, and *vets* what they give: a value that is of its type, and asks for what this loop does
not permit, is a failed attempt like any other, and the next attempt is told why. What an agent may choose from is told
beforehand by a menu.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from orchspec.compiler.plan import Block, Scope
from orchspec.runtime.kernel.expressions import Compiled, ExpressionError, compile_expr
from orchspec.runtime.kernel.frames import Activity, Failure
from orchspec.runtime.kernel.scopes import Enclosure, ScopeOp
from orchspec.runtime.kernel.seeking import Asking
from orchspec.runtime.kernel.table import CLOSED, OPEN

if TYPE_CHECKING:
    from orchspec.compiler.plan import Peers, Supervise
    from orchspec.runtime.kernel.frames import Frame
    from orchspec.runtime.kernel.menus import Menu
    from orchspec.runtime.kernel.program import Program, Seat
    from orchspec.runtime.kernel.tasks import Task

__all__ = ["LoopOp", "Looping", "Vetting", "region", "shown"]

SHOWN_MAX = 60
"""How much is shown of a name that a model made up."""


class Vetting(Protocol):
    """Who has a say in what a task may give, beyond its contract."""

    def vet(self, task: Task, value: Any) -> None:
        """Raises Unverified for a verified value that is not permitted here."""

    def menu(self, task: Task) -> Menu:
        """What the task may choose from."""
        ...


class _Core:
    """The one statement in the region of a loop."""

    __slots__ = ("kind", "name", "needs", "node", "slot", "statement")

    def __init__(self, kind: str, statement: Supervise | Peers) -> None:
        self.kind = kind
        self.statement = statement
        self.node = 1
        self.name = ""
        self.slot = -1
        self.needs: list[int] = []


def region(kind: str, statement: Supervise | Peers, *, inner: bool = False) -> Scope:
    """The region around a loop: slot 0 is its errand, its statement of `kind`; `inner`: without limits of its own."""
    block = Block([_Core(kind, statement)], ["errand"], 1)  # type: ignore[list-item]
    return Scope(
        "scope",
        statement.node,
        statement.name,
        statement.slot,
        statement.needs,
        block,
        budget=None if inner else statement.budget,
        on_failure=[] if inner else statement.on_failure,
        only_if=None if inner else statement.only_if,
        urgency=None if inner else statement.urgency,
    )


class LoopOp(ScopeOp):
    """A compiled loop that a model drives: evaluates what is handed in, and opens the region."""

    __slots__ = ("args", "contract", "of_each", "so_far")

    def __init__(self, program: Program, statement: Supervise | Peers, index: int, core: str) -> None:
        ScopeOp.__init__(self, program, region(core, statement), index)
        self.contract = statement.contract
        self.so_far = statement.so_far
        # The limits that each attempt at one of its tasks passes.
        self.of_each: tuple[str, ...] = (statement.gate,) if statement.gate is not None else ()
        self.args: list[Compiled] = [compile_expr(arg) for arg in statement.args]

    def asking(
        self,
        contract: str,
        seats: tuple[Seat, ...],
        prefer: str = "in_order",
        vetting: Vetting | None = None,
    ) -> Asking:
        """What is asked of these, within the limits that the loop sets for each task."""
        watched = any(seat.double is not None for seat in seats)
        return Asking(
            contract,
            seats,
            prefer=prefer,
            reusable=True,
            gates=self.of_each,
            watched=watched,
            vetting=vetting,
        )

    def start(self, frame: Frame) -> None:
        """Skip, or open the region with its errand."""
        try:
            if self.only_if is not None and not self.only_if(frame):
                frame.kernel.decide("only_if is false", self.name)
                frame.settle(self, None)
                return
            inputs = [arg(frame) for arg in self.args]
            width = self.width(frame) if self.width is not None else None
            urgency = self.urgency(frame) if self.urgency is not None else frame.urgency
        except ExpressionError as error:
            self.refuse(frame, error)
            return
        enclosure = Enclosure(frame, self, frame, self.index, self.node, self.name)
        enclosure.begin(self.errand(inputs, width), urgency)

    def errand(self, inputs: list[Any], width: int | None) -> list[Any]:
        """What the activity inside begins with."""
        raise NotImplementedError


class Looping(Activity):
    """The activity of a loop: owns the tasks that it asks, and stops with them."""

    __slots__ = ("live", "stopped")

    def _open(self) -> None:
        self.state = OPEN
        self.stopped = False
        self.live: dict[int, Activity] = {}

    def _give(self, value: Any) -> None:
        """The loop has its value, which is that of the region."""
        self.state = CLOSED
        self.frame.value = value
        self.owner.child_done(self, value)

    def _fail(self, failure: Failure) -> None:
        self.state = CLOSED
        self.owner.child_failed(self, failure)

    def _exhausted(self, message: str) -> None:
        self.kernel.decide("failed", f"exhausted: {message}")
        self._fail(Failure("exhausted", message, self.path()))

    def adopt(self, child: Activity) -> None:
        """Keep what was asked until it has ended."""
        self.live[child.index] = child

    def child_skipped(self, child: Activity) -> None:
        """Nothing here has a chain that could skip it."""
        raise AssertionError("a task of a loop was skipped")

    def child_stopped(self, child: Activity) -> None:
        """Stopped, as it was told to."""
        self.live.pop(child.index, None)
        self._rest()

    def stop(self) -> None:
        """Stop what is under way; the owner learns when all of it has unwound."""
        self.stopped = True
        for index in sorted(self.live):
            child = self.live.get(index)
            if child is not None:
                child.stop()
        self._rest()

    def _rest(self) -> None:
        if self.stopped and not self.live and self.state == OPEN:
            self.state = CLOSED
            self.owner.child_stopped(self)


def shown(text: str) -> str:
    """What a model said, in quotes, and not more of it than fits a message."""
    return repr(text if len(text) <= SHOWN_MAX else text[: SHOWN_MAX - 1] + "…")
