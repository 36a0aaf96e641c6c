"""Steps that wait for a signal: something that comes from outside, for whoever waits for it with equal arguments.

A wait names the signal and a key, the hash of its arguments; what comes is told apart by these alone, so whoever sends
a signal needs to know of no run. A value that is not of the signal's type is refused and the wait goes on. A wait ends
with its value, with its timeout (the step fails with the code `timeout`), or when it is stopped.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from orchspec.runtime.kernel.commands import ArmTimer, AwaitSignal, DropTimer, WithdrawSignal
from orchspec.runtime.kernel.each import Each, ItemsOp
from orchspec.runtime.kernel.expressions import Compiled, ExpressionError, compile_expr
from orchspec.runtime.kernel.frames import Activity, Failure, Frame, Owner
from orchspec.runtime.kernel.program import Link, Program, op_for
from orchspec.runtime.kernel.steps import Failed
from orchspec.runtime.kernel.table import CLOSED, WAITING
from orchspec.runtime.kernel.tasks import follow
from orchspec.runtime.kernel.timed import limited
from orchspec.runtime.kernel.values import InvalidValue

if TYPE_CHECKING:
    from orchspec.compiler.plan import SignalStep
    from orchspec.runtime.kernel.events import SignalReceived, TimerFired
    from orchspec.runtime.kernel.expressions import FrameLike
    from orchspec.runtime.kernel.values import SignalCodec

__all__ = ["Awaiting", "Hearer", "Listening", "SignalOp"]


@op_for("signal")
class SignalOp(ItemsOp):
    """A step that waits for a signal."""

    __slots__ = ("args", "budget", "codec", "only_if", "timeout_us")

    def __init__(self, program: Program, statement: SignalStep, index: int) -> None:
        ItemsOp.__init__(self, program, statement, index)
        self.codec = program.codecs.signal(statement.signal)
        self.args: list[Compiled] = [compile_expr(arg) for arg in statement.args]
        self.timeout_us = statement.timeout_us
        self.only_if = compile_expr(statement.only_if) if statement.only_if is not None else None
        self.budget = statement.budget

    def start(self, frame: Frame) -> None:
        """Wait for it, or for that of each item, unless `only_if` says otherwise."""
        try:
            if self.only_if is not None and not self.only_if(frame):
                frame.kernel.decide("only_if is false", self.name)
                frame.settle(self, None)
                return
            if self.items is not None:
                items, width = self.over(frame)
            else:
                args = [arg(frame) for arg in self.args]
                key = self.codec.key(args)
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
        owner, _ = limited(frame, self, self.budget, self.links)
        waiting = Awaiting(frame, self, owner, self.index, self.node, self.name)
        waiting.begin(self.codec, args, key, self.timeout_us, self.links)

    def start_item(self, each: Each, index: int, label: str, env: FrameLike) -> None:
        """Wait for the signal of one item."""
        path = each.path() + label
        try:
            args = [arg(env) for arg in self.args]
            key = self.codec.key(args)
        except ExpressionError as error:
            each.refuse(index, Failure("expression", f"{path}: {error}", path))
            return
        except InvalidValue as refused:
            each.refuse(index, Failure("bad_input", f"{path}: {refused}", path))
            return
        waiting = Awaiting(each.frame, self, each, index, index + 1, label)
        waiting.begin(self.codec, args, key, self.timeout_us, self.links)


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

    def command(self) -> AwaitSignal:
        """What says that it waits."""
        return AwaitSignal(self.place, self.signal, self.signal_key, self.inputs, self.since_us, self.deadline_us)

    def _await(self) -> None:
        self.kernel.out.append(self.command())

    def received(self, event: SignalReceived) -> None:
        """It came: its value, if it is of the signal's type."""
        kernel = self.kernel
        try:
            value = kernel.program.codecs.signal(self.signal).decode_result(event.value)
        except InvalidValue as error:
            kernel.decide("signal refused", f"{self.path()}: {error}")
            self._await()
            return
        self._take(value)

    def _take(self, value: Any) -> None:
        self._closed()
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

    def _closed(self) -> None:
        self._drop_timer()
        self.state = CLOSED
        self.kernel.decide("signal", self.signal)

    def _drop_timer(self) -> None:
        if self.deadline_us is not None:
            self.kernel.out.append(DropTimer(self.place, "within"))

    def _withdraw(self) -> None:
        self.kernel.out.append(WithdrawSignal(self.place, self.signal, self.signal_key))


class Hearer(Owner, Protocol):
    """Who listens to signals while something else is under way."""

    def heard(self, listening: Listening, value: Any) -> bool:
        """A signal of the right type came; whether it is taken. If not, the wait goes on, or was stopped."""
        ...


class Listening(Awaiting):
    """A wait for a signal beside what is under way; `ways` says what it is for. What is not taken is used up."""

    __slots__ = ("ways",)

    def listen(self, codec: SignalCodec, inputs: list[Any], key: str, ways: list[int]) -> None:
        """Begin, without a deadline: whoever listens says when it is over."""
        self.ways = ways
        self.begin(codec, inputs, key, None, ())

    def _take(self, value: Any) -> None:
        hearer: Any = self.owner
        if hearer.heard(self, value):
            self._closed()
        elif self.state == WAITING:
            self.kernel.decide("signal not taken", self.path())
            self._await()
