"""`machine`: states that are entered one after another, along transitions, a bounded number of times.

A visit of a state runs its block in a frame of its own. When it has ended, the transitions of its event are tried in
written order, each with its guard: `done`, or `failed` (first `timeout`, where that is what it failed of). A visit that
failed has unwound before the machine goes on; what nobody catches fails the machine, which unwinds all of it. A state
whose visits are spent is not entered again: its `exhausted` says where the machine goes instead.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from orchspec.runtime.kernel.expressions import Compiled, ExpressionError, compile_expr
from orchspec.runtime.kernel.frames import STOPPED, Failure, Frame
from orchspec.runtime.kernel.program import CompiledBlock, Op, Program, op_for
from orchspec.runtime.kernel.regions import Region
from orchspec.runtime.kernel.table import OPEN

if TYPE_CHECKING:
    from orchspec.compiler.plan import Machine, State

__all__ = ["MachineOp"]


@op_for("machine")
class MachineOp(Op):
    """A compiled machine. `ways[state]` are (event, guard, target), `kept[state]` the slots of its record."""

    __slots__ = ("bodies", "initial", "kept", "states", "transitions", "ways")

    def __init__(self, program: Program, statement: Machine, index: int) -> None:
        Op.__init__(self, program, statement, index)
        self.states: list[State] = statement.states
        self.bodies = [CompiledBlock(program, state.body) for state in statement.states]
        self.kept = [
            [(name, body.names.index(name)) for name in state.kept]
            for state, body in zip(self.states, self.bodies, strict=True)
        ]
        self.ways: list[list[tuple[str, Compiled | None, int]]] = [
            [
                (way.event, compile_expr(way.when) if way.when is not None else None, way.target)
                for way in state.transitions
            ]
            for state in self.states
        ]
        self.initial = statement.initial
        self.transitions = statement.transitions

    def start(self, frame: Frame) -> None:
        """Enter the initial state."""
        Traversing(frame, self, frame, self.index, self.node, "").begin()


class Traversing(Region):
    """A machine under way: `here` is the state that is visited, or is to be entered next."""

    __slots__ = ("current", "here", "moved", "pasts", "visits")

    def begin(self) -> None:
        """Enter the initial state."""
        op = self.op
        assert isinstance(op, MachineOp)
        self._open()
        self.current: Frame | None = None
        self.visits = [0] * len(op.states)
        self.pasts: list[list[dict[str, Any]]] = [[] for _ in op.states]
        self.moved = 0
        self.here = op.initial
        self.go_on()

    def go_on(self) -> None:
        """From the agenda: enter the next state, or go where it says when its visits are spent."""
        op = self.op
        assert isinstance(op, MachineOp)
        if self.state != OPEN:
            return
        here, kernel = self.here, self.kernel
        state = op.states[here]
        if state.visits is not None and self.visits[here] >= state.visits:
            message = f"{self._where()} was visited {state.visits} times"
            self._leave(("exhausted",), self.frame, Failure("exhausted", message, self.path()))
            return
        self.visits[here] += 1
        visit = self.visits[here]
        between = "/" if self.path() else ""
        label = f"{between}{state.name}#{visit}"
        kernel.decide("enters", f"{state.name}#{visit}")
        frame = Frame(kernel, op.bodies[here], self, self.frame, self.account, self, (here + 1 << 32) + visit, label)
        past = self.pasts[here]
        frame.values[0] = past
        frame.values[1] = past[-1] if past else None
        self.current = frame
        frame.start()

    def frame_done(self, frame: Frame) -> None:
        """A visit ended well: in a final state the machine has."""
        op = self.op
        assert isinstance(op, MachineOp)
        self._absorb(frame)
        self.current = None
        state = op.states[self.here]
        if state.final:
            self._end(frame.value)
            return
        record = {name: frame.values[slot] for name, slot in op.kept[self.here]}
        self.frame.values[state.slot] = record
        self.pasts[self.here] = [*self.pasts[self.here], record]
        lost = Failure("no_transition", f"{self._where()} is done and leads nowhere", self.path())
        self._leave(("done",), frame, lost)

    def _absorb(self, frame: Frame) -> None:
        for done in frame.effects:
            done.by = -1 - self.here  # a `revert` names the state
        self.frame.effects.extend(frame.effects)

    def frame_failed(self, frame: Frame, failure: Failure) -> None:
        """A visit failed, and has unwound."""
        op = self.op
        assert isinstance(op, MachineOp)
        self.current = None
        if self.stopped or failure is STOPPED:
            self._fall(failure)
            return
        self.frame.values[op.states[self.here].slot] = None
        self._leave(("timeout", "failed") if failure.code == "timeout" else ("failed",), self.frame, failure)

    def _leave(self, events: tuple[str, ...], env: Frame, failure: Failure) -> None:
        """Take the first transition that fits; without one, the machine fails for that reason."""
        op = self.op
        assert isinstance(op, MachineOp)
        for event in events:
            for named, guard, target in op.ways[self.here]:
                if named != event:
                    continue
                try:
                    if guard is not None and not guard(env):
                        continue
                except ExpressionError as error:
                    self._fall(env.evaluate_failure(op, error))
                    return
                self._move(event, target)
                return
        self._fall(failure)

    def _move(self, event: str, target: int) -> None:
        op = self.op
        assert isinstance(op, MachineOp)
        self.moved += 1
        if op.transitions is not None and self.moved > op.transitions:
            message = f"{self._where()}: {op.name} goes from state to state {op.transitions} times at most"
            self._fall(Failure("exhausted", message, self.path()))
            return
        exhausted = self.account.move()
        if exhausted is not None:
            self.kernel.decide("budget exhausted", self._where())
            assert exhausted.frame is not None, "what counts transitions is no step by agents"
            exhausted.frame.fail(Failure("budget_exhausted", f"no transition is left for {self._where()}", self.path()))
            return
        self.kernel.decide(event, f"{op.states[self.here].name} -> {op.states[target].name}")
        self.here = target
        self.kernel.resume(self)

    def _where(self) -> str:
        op = self.op
        assert isinstance(op, MachineOp)
        prefix = self.path()
        return f"{prefix}/{op.states[self.here].name}" if prefix else op.states[self.here].name

    def stop(self) -> None:
        """Stop the visit that is under way."""
        self.stopped = True
        if self.current is not None:
            self.current.stop()
        else:
            self._fall(STOPPED)
