"""`peers`: agents fulfill the same contract in turn, and hand over along the edges that the spec permits.

A turn gives a value and says to whom it hands over; nobody ends the loop with that value. Whom it may hand over to
depends on who spoke and on what they said: an edge may have a condition. Handing over to anybody else is a failed
attempt. A handoff beyond the last hop fails the loop.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from orchspec.runtime.kernel.expressions import Compiled, Env, ExpressionError, compile_expr
from orchspec.runtime.kernel.frames import Activity, Failure, Frame
from orchspec.runtime.kernel.loops import Looping, LoopOp, shown
from orchspec.runtime.kernel.menus import Handoffs, Menu
from orchspec.runtime.kernel.program import Op, Program, Seat, op_for
from orchspec.runtime.kernel.table import OPEN
from orchspec.runtime.kernel.tasks import Task
from orchspec.runtime.kernel.values import Unverified

if TYPE_CHECKING:
    from orchspec.compiler.plan import Peers

__all__ = ["PeersOp", "Turns", "TurnsOp"]


@op_for("peers")
class PeersOp(LoopOp):
    """A compiled `peers`; `edges` are, for each peer, the groups of those it may hand over to, with their guards."""

    __slots__ = ("edges", "first", "hops", "peers")

    def __init__(self, program: Program, statement: Peers, index: int) -> None:
        LoopOp.__init__(self, program, statement, index, "turns")
        self.peers = {candidate.agent: Seat(program, candidate) for candidate in statement.peers}
        self.edges: dict[str, list[tuple[Compiled | None, list[str]]]] = {name: [] for name in self.peers}
        for handoff in statement.handoffs:
            guard = compile_expr(handoff.when) if handoff.when is not None else None
            self.edges[handoff.source].append((guard, list(handoff.targets)))
        self.first = statement.start
        self.hops = statement.hops
        core = self.body.ops[0]
        assert isinstance(core, TurnsOp)
        core.shell = self

    def errand(self, inputs: list[Any], width: int | None) -> list[Any]:
        """See `Turns.begin`."""
        return inputs

    def permitted(self, here: str, value: Any, frame: Frame | None) -> list[str]:
        """To whom a peer may hand over after a turn of this value; raises ExpressionError where a guard fails."""
        env = Env([value], frame)
        found: dict[str, None] = {}
        for guard, targets in self.edges[here]:
            if guard is None or guard(env):
                found.update(dict.fromkeys(targets))
        return list(found)


@op_for("turns")
class TurnsOp(Op):
    """What stands in the region of a `peers`."""

    __slots__ = ("shell",)

    shell: PeersOp

    def start(self, frame: Frame) -> None:
        """The first turn."""
        Turns(frame, self, frame, 0, 1, "").begin(frame.values[0])


class Turns(Looping):
    """A conversation under way: whose turn it is, how often it was handed on, and the value of the turn before."""

    __slots__ = ("here", "hops", "inputs", "value")

    def begin(self, inputs: list[Any]) -> None:
        """The turn of the one who starts."""
        self._open()
        self.inputs = inputs
        self.here = self._shell().first
        self.hops = 0
        self.value: Any = None
        self.go_on()

    def _shell(self) -> PeersOp:
        assert isinstance(self.op, TurnsOp)
        return self.op.shell

    def go_on(self) -> None:
        """From the agenda: the next turn."""
        if self.state != OPEN or self.stopped:
            return
        shell = self._shell()
        inputs = list(self.inputs)
        inputs[shell.so_far] = self.value
        seats = (shell.peers[self.here],)
        asking = shell.asking(shell.contract, seats, vetting=self)
        turn = self.hops + 1
        Task(self.frame, self.op, self, 0, turn, f"#{turn}", asking, inputs, self.frame.urgency).start()

    def menu(self, task: Task) -> Menu:
        """Those to whom this turn may hand over."""
        shell, here = self._shell(), self.here
        around = self.frame.parent
        targets = list(dict.fromkeys(name for _, names in shell.edges[here] for name in names))

        def permitted(value: Any) -> list[str]:
            try:
                return shell.permitted(here, value, around)
            except ExpressionError:
                return []

        return Handoffs(targets, shell.hops - self.hops, permitted)

    def vet(self, task: Task, value: Any) -> None:
        """Raises Unverified for a handoff that is not permitted."""
        to = value["to"]
        if to is None:
            return
        try:
            permitted = self._shell().permitted(self.here, value["value"], self.frame.parent)
        except ExpressionError as error:
            raise Unverified(f"a condition of the handoffs of {self.here} cannot be evaluated: {error}") from None
        if to not in permitted:
            may = f"may hand over to {', '.join(permitted)}" if permitted else "may hand over to nobody"
            raise Unverified(f"result.to is {shown(to)}, and {self.here} {may} after this turn, or end with none")

    def child_done(self, child: Activity, value: Any) -> None:
        """A turn: the end, or the next one's."""
        del self.live[child.index]
        shell, to = self._shell(), value["to"]
        if to is None:
            self.kernel.decide("ends", self.here)
            self._give(value["value"])
        elif self.hops >= shell.hops:
            self._exhausted(f"{self.path()} was handed on {shell.hops} times, and {self.here} hands it on again")
        else:
            self.kernel.decide("handoff", f"{self.here} -> {to}")
            self.hops += 1
            self.here = to
            self.value = value["value"]
            self.kernel.resume(self)

    def child_failed(self, child: Activity, failure: Failure) -> None:
        """A turn failed for good: so does the conversation."""
        del self.live[child.index]
        self._fail(failure)
