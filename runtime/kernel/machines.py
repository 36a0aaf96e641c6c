"""`machine`: states that are entered one after another, along transitions, a bounded number of times.

A visit of a state runs its block in a frame of its own. When it has ended, the transitions of its event are tried in
written order, each with its guard: `done`, or `failed` (first `timeout`, where that is what it failed of). A visit that
failed has unwound before the machine goes on; what nobody catches fails the machine, which unwinds all of it. A state
whose visits are spent is not entered again: its `exhausted` says where the machine goes instead.

While a state is visited the machine listens to the signals of its transitions. One that comes is used up; the first of
its transitions whose guard holds takes it: the visit is stopped, unwinds like one that failed, and then the machine
goes on. A state that does nothing and is never done rests until a signal comes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

from orchspec.runtime.kernel.expressions import Compiled, ExpressionError, compile_expr
from orchspec.runtime.kernel.frames import STOPPED, Activity, Failure, Frame
from orchspec.runtime.kernel.program import CompiledBlock, Op, Program, op_for
from orchspec.runtime.kernel.regions import Region
from orchspec.runtime.kernel.signals import Listening
from orchspec.runtime.kernel.table import OPEN
from orchspec.runtime.kernel.values import InvalidValue

if TYPE_CHECKING:
    from orchspec.compiler.plan import Machine, State
    from orchspec.runtime.kernel.values import SignalCodec

__all__ = ["MachineOp"]


_Signal: TypeAlias = "tuple[SignalCodec, list[Compiled], int, int | None]"


@op_for("machine")
class MachineOp(Op):
    """A compiled machine. `ways[state]` are (event, guard, target), `kept[state]` the slots of its record.

    `signals[state]` are the transitions on signals: (codec, arguments, number of the way, slot of the value or None);
    `rests[state]` says that the state does nothing but listen.
    """

    __slots__ = ("bodies", "initial", "kept", "rests", "signals", "states", "transitions", "ways")

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
        self.signals: list[list[_Signal]] = [
            [
                (program.codecs.signal(way.signal), [compile_expr(arg) for arg in way.args], number, way.bind)
                for number, way in enumerate(state.transitions)
                if way.signal is not None
            ]
            for state in self.states
        ]
        self.rests = [
            bool(signals) and not state.body.statements and all(way.event != "done" for way in state.transitions)
            for state, signals in zip(self.states, self.signals, strict=True)
        ]
        self.initial = statement.initial
        self.transitions = statement.transitions

    def start(self, frame: Frame) -> None:
        """Enter the initial state."""
        Traversing(frame, self, frame, self.index, self.node, "").begin()


class Traversing(Region):
    """A machine under way: `here` is the state that is visited, or is to be entered next.

    `hearing` are the waits for signals of this visit; `leaving` is [signal, target] once one is taken, or why the guard
    of one could not be told.
    """

    __slots__ = ("current", "hearing", "here", "leaving", "moved", "pasts", "visits")

    def begin(self) -> None:
        """Enter the initial state."""
        op = self.op
        assert isinstance(op, MachineOp)
        self._open()
        self.current: Frame | None = None
        self.hearing: dict[int, Activity] = {}
        self.leaving: list[Any] | Failure | None = None
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
        try:
            waits = self._waits()
        except (ExpressionError, InvalidValue) as error:
            code = "expression" if isinstance(error, ExpressionError) else "bad_input"
            self.current = None
            message = f"{self._where()}: {error}"
            self._leave(("failed",), self.frame, Failure(code, message, self.path()))
            return
        for index, (codec, inputs, key, ways) in enumerate(waits):
            ordinal = (index + 1 << 48) + (here + 1 << 32) + visit
            label = f"{state.name}#{visit}/{codec.name}" + (f"[{index}]" if len(waits) > 1 else "")
            Listening(self.frame, op, self, index, ordinal, label).listen(codec, inputs, key, ways)
        if not op.rests[here]:
            frame.start()

    # -------------------------------------------------------------- signals

    def _waits(self) -> list[tuple[SignalCodec, list[Any], str, list[int]]]:
        """What this visit listens to: transitions on the same signal with equal arguments are one wait."""
        op = self.op
        assert isinstance(op, MachineOp)
        waits: dict[str, tuple[SignalCodec, list[Any], str, list[int]]] = {}
        for index, (codec, args, _, _) in enumerate(op.signals[self.here]):
            inputs = [arg(self.frame) for arg in args]
            key = codec.key(inputs)
            waits.setdefault(key, (codec, inputs, key, []))[3].append(index)
        return list(waits.values())

    def heard(self, listening: Listening, value: Any) -> bool:
        """Take the first transition whose guard holds: the visit is cancelled, and unwinds."""
        op = self.op
        assert isinstance(op, MachineOp)
        assert self.current is not None
        frame = self.frame
        for index in listening.ways:
            codec, _, number, slot = op.signals[self.here][index]
            _, guard, target = op.ways[self.here][number]
            before = frame.values[slot] if slot is not None else None
            if slot is not None:
                frame.values[slot] = value
            try:
                if guard is None or guard(frame):
                    self.leaving = [codec.name, target]
                    break
            except ExpressionError as error:
                self.leaving = frame.evaluate_failure(op, error)
                break
            if slot is not None:
                frame.values[slot] = before
        else:
            return False
        del self.hearing[listening.index]
        self._hush()
        self.current.stop()
        return True

    def _hush(self) -> None:
        """Listen no longer."""
        for index in sorted(self.hearing):
            child = self.hearing.get(index)
            if child is not None:
                child.stop()

    def adopt(self, child: Activity) -> None:
        """Keep a wait for a signal."""
        self.hearing[child.index] = child

    def child_done(self, child: Activity, value: Any) -> None:
        """What is heard comes by `heard`."""
        raise AssertionError("a wait beside a visit was done by itself")

    def child_skipped(self, child: Activity) -> None:
        """It has no chain that could skip it."""
        raise AssertionError("a wait beside a visit was skipped")

    def child_failed(self, child: Activity, failure: Failure) -> None:
        """It has no deadline."""
        raise AssertionError("a wait beside a visit failed")

    def child_stopped(self, child: Activity) -> None:
        """It is listened to no longer."""
        del self.hearing[child.index]

    # -------------------------------------------------------------- visits that ended

    def frame_done(self, frame: Frame) -> None:
        """A visit ended well: in a final state the machine has."""
        op = self.op
        assert isinstance(op, MachineOp)
        self._absorb(frame)
        self.current = None
        self._hush()
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
        """A visit failed, or was cancelled by a signal, and has unwound."""
        op = self.op
        assert isinstance(op, MachineOp)
        self.current = None
        self._hush()
        leaving, self.leaving = self.leaving, None
        if self.stopped or (failure is STOPPED and leaving is None):
            self._fall(failure)
            return
        self.frame.values[op.states[self.here].slot] = None
        if isinstance(leaving, Failure):
            self._fall(leaving)
            return
        if leaving is not None:
            self._move(*leaving)
            return
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
        self._hush()
        if self.current is not None:
            self.current.stop()
        else:
            self._fall(STOPPED)
