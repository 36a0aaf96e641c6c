"""Steps that wait for a signal: something that comes from outside, for whoever waits for it with equal arguments.

A wait names the signal and a key, the hash of its arguments; what comes is told apart by these alone, so whoever sends
a signal needs to know of no run. A value that is not of the signal's type is refused and the wait goes on. A wait ends
with its value, with its timeout (the step fails with the code `timeout`), or when it is stopped.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from orchspec.runtime.kernel.commands import ArmTimer, AwaitSignal, DropTimer, WithdrawSignal
from orchspec.runtime.kernel.expressions import Compiled, ExpressionError, compile_expr
from orchspec.runtime.kernel.frames import Activity, Failure, Frame
from orchspec.runtime.kernel.program import Link, Op, Program, op_for
from orchspec.runtime.kernel.steps import Failed
from orchspec.runtime.kernel.table import CLOSED, WAITING
from orchspec.runtime.kernel.tasks import follow
from orchspec.runtime.kernel.values import InvalidValue

if TYPE_CHECKING:
    from orchspec.compiler.plan import SignalStep
    from orchspec.runtime.kernel.events import SignalReceived, TimerFired
    from orchspec.runtime.kernel.values import SignalCodec

__all__ = ["Awaiting", "SignalOp"]


@op_for("signal")
class SignalOp(Op):
    """A step that waits for a signal."""

    __slots__ = ("args", "codec", "links", "only_if", "timeout_us")

    def __init__(self, program: Program, statement: SignalStep, index: int) -> None:
        Op.__init__(self, program, statement, index)
        self.codec = program.codecs.signal(statement.signal)
        self.args: list[Compiled] = [compile_expr(arg) for arg in statement.args]
        self.timeout_us = statement.timeout_us
        self.only_if = compile_expr(statement.only_if) if statement.only_if is not None else None
        # No agent does this, so there is no work that somebody else could be asked to do.
        self.links = tuple(Link(program, link) for link in statement.on_failure if link.kind != "ask")

    def start(self, frame: Frame) -> None:
        """Wait, unless `only_if` says otherwise."""
        try:
            if self.only_if is not None and not self.only_if(frame):
                frame.kernel.decide("only_if is false", self.name)
                frame.settle(self, None)
                return
            args = [arg(frame) for arg in self.args]
            key = self.codec.key(args)
        except ExpressionError as error:
            self._refuse(frame, frame.evaluate_failure(self, error))
            return
        except InvalidValue as error:
            path = f"{frame.path()}/{self.name}".strip("/")
            self._refuse(frame, Failure("bad_input", f"{path}: {error}", path))
            return
        waiting = Awaiting(frame, self, frame, self.index, self.node, self.name)
        waiting.begin(self.codec, args, key, self.timeout_us, self.links)

    def _refuse(self, frame: Frame, failure: Failure) -> None:
        Failed(frame, self, frame, self.index, self.node, self.name).fail(failure, self.links)


class Awaiting(Activity):
    """A wait for a signal."""

    __slots__ = ("deadline_us", "inputs", "links", "signal", "signal_key", "since_us")

    def begin(
        self, codec: SignalCodec, inputs: list[Any], key: str, timeout_us: int | None, links: tuple[Link, ...]
    ) -> None:
        """Wait for the signal with these arguments (inner values), for at most `timeout_us`."""
        kernel = self.kernel
        self.signal = codec.name
        self.inputs = inputs
        self.signal_key = key
        self.links = links
        self.since_us = kernel.now
        self.deadline_us = kernel.now + timeout_us if timeout_us is not None else None
        self.state = WAITING
        self.reissue()

    def reissue(self) -> None:
        """Wait, and keep the deadline: what comes from outside is not hurried by a crash of ours, nor given more time.

        Its mail outlives us too.
        """
        kernel = self.kernel
        if self.deadline_us is not None:
            kernel.out.append(ArmTimer(self.place, "within", self.deadline_us))
        self._await()

    def _await(self) -> None:
        command = AwaitSignal(self.place, self.signal, self.signal_key, self.inputs, self.since_us, self.deadline_us)
        self.kernel.out.append(command)

    def received(self, event: SignalReceived) -> None:
        """It came: its value, if it is of the signal's type."""
        kernel = self.kernel
        try:
            value = kernel.program.codecs.signal(self.signal).decode_result(event.value)
        except InvalidValue as error:
            kernel.decide("signal refused", f"{self.path()}: {error}")
            self._await()
            return
        self._drop_timer()
        self.state = CLOSED
        kernel.decide("signal", self.signal)
        self.owner.child_done(self, value)

    def timer(self, event: TimerFired) -> None:
        """Nothing came in time."""
        self._withdraw()
        self.state = CLOSED
        failure = Failure("timeout", f"{self.path()}: no signal {self.signal} came in time", self.path())
        follow(self, failure, self.links)

    def stop(self) -> None:
        """Wait no longer."""
        self._drop_timer()
        self._withdraw()
        self.state = CLOSED
        self.owner.child_stopped(self)

    def _drop_timer(self) -> None:
        if self.deadline_us is not None:
            self.kernel.out.append(DropTimer(self.place, "within"))

    def _withdraw(self) -> None:
        self.kernel.out.append(WithdrawSignal(self.place, self.signal, self.signal_key))
