"""Statements that hold blocks of their own (repeat, scope, flow), and the small ones that settle at once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from orchspec.compiler.plan import Budget
from orchspec.runtime.kernel.budget import Account
from orchspec.runtime.kernel.commands import ArmTimer, DropTimer
from orchspec.runtime.kernel.expressions import Compiled, ExpressionError, compile_expr
from orchspec.runtime.kernel.frames import STOPPED, Activity, Failure, Frame
from orchspec.runtime.kernel.program import CompiledBlock, Link, Op, Program, op_for
from orchspec.runtime.kernel.steps import Failed, Fan, floor_of
from orchspec.runtime.kernel.table import CLOSED, OPEN
from orchspec.runtime.kernel.tasks import follow
from orchspec.runtime.kernel.values import InvalidValue

if TYPE_CHECKING:
    from orchspec.compiler.plan import Checkpoint, Fail, FlowStep, Give, Let, Repeat, Scope, Until
    from orchspec.runtime.kernel.events import TimerFired

__all__ = ["CheckpointOp", "FailOp", "FlowOp", "GiveOp", "LetOp", "RepeatOp", "ScopeOp", "UntilOp"]


# ------------------------------------------------------------------ statements that settle at once


@op_for("let")
class LetOp(Op):
    """`let n = e`."""

    __slots__ = ("value",)

    def __init__(self, program: Program, statement: Let, index: int) -> None:
        Op.__init__(self, program, statement, index)
        self.value = compile_expr(statement.value)

    def start(self, frame: Frame) -> None:
        """Name the value."""
        try:
            value = self.value(frame)
        except ExpressionError as error:
            frame.fail(frame.evaluate_failure(self, error))
            return
        frame.settle(self, value)


@op_for("fail")
class FailOp(Op):
    """`fail "why" when e`."""

    __slots__ = ("message", "when")

    def __init__(self, program: Program, statement: Fail, index: int) -> None:
        Op.__init__(self, program, statement, index)
        self.message = compile_expr(statement.message)
        self.when = compile_expr(statement.when) if statement.when is not None else None

    def start(self, frame: Frame) -> None:
        """Fail the block if the guard says so."""
        try:
            if self.when is not None and not self.when(frame):
                frame.settle(self, None)
                return
            failure = Failure("failed", str(self.message(frame)), frame.path().strip("/"))
        except ExpressionError as error:
            failure = frame.evaluate_failure(self, error)
        frame.kernel.decide("failed", failure.message)
        frame.fail(failure)


@op_for("checkpoint")
class CheckpointOp(Op):
    """`checkpoint name`: a barrier, which the needs of its neighbours make, and a name for it."""

    __slots__ = ()

    def __init__(self, program: Program, statement: Checkpoint, index: int) -> None:
        Op.__init__(self, program, statement, index)

    def start(self, frame: Frame) -> None:
        """Reached."""
        frame.kernel.reached.append(self.name)
        frame.kernel.decide("checkpoint", self.name)
        frame.settle(self, None)


@op_for("until")
class UntilOp(Op):
    """`until e` of a round."""

    __slots__ = ("condition",)

    def __init__(self, program: Program, statement: Until, index: int) -> None:
        Op.__init__(self, program, statement, index)
        self.condition = compile_expr(statement.condition)

    def start(self, frame: Frame) -> None:
        """Note whether this round is the last."""
        try:
            frame.until = bool(self.condition(frame))
        except ExpressionError as error:
            frame.fail(frame.evaluate_failure(self, error))
            return
        frame.settle(self, None)


@op_for("give")
class GiveOp(Op):
    """`return e`, `give e`."""

    __slots__ = ("value",)

    def __init__(self, program: Program, statement: Give, index: int) -> None:
        Op.__init__(self, program, statement, index)
        self.value = compile_expr(statement.value)

    def start(self, frame: Frame) -> None:
        """The value of the block; the block ends when everything in it has settled."""
        try:
            frame.value = self.value(frame)
        except ExpressionError as error:
            frame.fail(frame.evaluate_failure(self, error))
            return
        frame.given = True
        frame.settle(self, None)


# ------------------------------------------------------------------ regions


class Region(Activity):
    """An activity that hosts frames: takes over the effects of those that end well, reports how the whole ended."""

    __slots__ = ("stopped",)

    def _open(self) -> None:
        self.state = OPEN
        self.stopped = False

    def _absorb(self, frame: Frame) -> None:
        self.frame.effects.extend(frame.effects)

    def _end(self, value: Any) -> None:
        self._close()
        self.owner.child_done(self, value)

    def _fall(self, failure: Failure, links: tuple[Link, ...] = ()) -> None:
        self._close()
        if self.stopped or failure is STOPPED:
            self.owner.child_stopped(self)
        else:
            follow(self, failure, links)

    def _close(self) -> None:
        self.state = CLOSED

    def timer(self, event: TimerFired) -> None:
        """A region's own timer."""
        raise NotImplementedError


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
        """Open round 1 of at most `times`."""
        self._open()
        self.rounds = times
        self.round = 0
        self.past: list[dict[str, Any]] = []
        self.current: Frame | None = None
        self.wake_at_us: int | None = None
        if times < 1:
            self._fall(Failure("exhausted", f"{self.path()} may run for {times} rounds", self.path()))
            return
        self._next_round()

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
            self.kernel.out.append(ArmTimer(self.place, "every", self.wake_at_us))
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
        """The period has passed."""
        self.wake_at_us = None
        self.go_on()

    def stop(self) -> None:
        """Stop the round that is under way."""
        self.stopped = True
        if self.wake_at_us is not None:
            self.kernel.out.append(DropTimer(self.place, "every"))
        if self.current is not None:
            self.current.stop()
        else:
            self._fall(STOPPED)

    def reissue(self) -> None:
        """The timer of the period; what the rounds have open is issued by themselves."""
        if self.wake_at_us is not None:
            self.kernel.out.append(ArmTimer(self.place, "every", self.wake_at_us))


@op_for("flow")
class FlowOp(Op):
    """A flow as a step."""

    __slots__ = ("args", "budget", "flow", "links", "only_if")

    def __init__(self, program: Program, statement: FlowStep, index: int) -> None:
        Op.__init__(self, program, statement, index)
        self.flow = statement.flow
        self.args: list[Compiled] = [compile_expr(arg) for arg in statement.args]
        self.only_if = compile_expr(statement.only_if) if statement.only_if is not None else None
        self.links = tuple(Link(program, link) for link in statement.on_failure)
        self.budget = statement.budget

    def start(self, frame: Frame) -> None:
        """A frame of its own, which sees nothing but its arguments."""
        try:
            if self.only_if is not None and not self.only_if(frame):
                frame.kernel.decide("only_if is false", self.name)
                frame.settle(self, None)
                return
            args = [arg(frame) for arg in self.args]
        except ExpressionError as error:
            Failed(frame, self, frame, self.index, self.node, self.name).fail(frame.evaluate_failure(self, error), self.links)
            return
        Calling(frame, self, frame, self.index, self.node, self.name).begin(args)


class Calling(Region):
    """A called flow under way."""

    __slots__ = ("deadlines", "inner")

    def begin(self, args: list[Any]) -> None:
        """Check the arguments against the flow's constraints and start its body."""
        op = self.op
        assert isinstance(op, FlowOp)
        self._open()
        kernel = self.kernel
        flow = kernel.program.flows[op.flow]
        account = self.account
        if op.budget is not None:
            account = Account(op.budget, account, None)
        account = Account(flow.budget, account, None, flow.economy)
        self.inner = Frame(kernel, flow.block, self, None, account, self, 1, "")
        account.frame = self.inner
        if account.parent is not None and op.budget is not None:
            account.parent.frame = self.inner
        self.inner.values[: len(args)] = args
        self.deadlines = _deadlines(kernel.now, flow.budget, op.budget)
        try:
            flow.codec.inputs.check(args)
        except InvalidValue as error:
            self._fall(Failure("bad_input", f"{self.path()}: {error}", self.path()), op.links)
            return
        if self.deadlines:
            kernel.out.append(ArmTimer(self.place, "time", self.deadlines))
        self.inner.start()

    def frame_done(self, frame: Frame) -> None:
        """Only the result comes back."""
        self._absorb(frame)
        self._end(frame.value)

    def frame_failed(self, frame: Frame, failure: Failure) -> None:
        """The flow failed and has unwound."""
        op = self.op
        assert isinstance(op, FlowOp)
        self._fall(failure, op.links)

    def _close(self) -> None:
        self.state = CLOSED
        if self.deadlines:
            self.kernel.out.append(DropTimer(self.place, "time"))

    def timer(self, event: TimerFired) -> None:
        """The time budget is used up."""
        self.inner.fail(Failure("budget_exhausted", f"{self.path()} used up its time budget", self.path()))

    def stop(self) -> None:
        """Stop the body."""
        self.stopped = True
        self.inner.stop()

    def reissue(self) -> None:
        """The deadline."""
        if self.deadlines:
            self.kernel.out.append(ArmTimer(self.place, "time", self.deadlines))


def _deadlines(now: int, *budgets: Budget | None) -> int:
    times = [budget.time_us for budget in budgets if budget is not None and budget.time_us is not None]
    return now + min(times) if times else 0


@op_for("scope")
class ScopeOp(Op):
    """A compiled scope."""

    __slots__ = ("body", "budget", "items", "links", "need", "timeout_us", "width")

    def __init__(self, program: Program, statement: Scope, index: int) -> None:
        Op.__init__(self, program, statement, index)
        self.body = CompiledBlock(program, statement.body)
        over = statement.over
        self.items = compile_expr(over.items) if over is not None else None
        self.width = compile_expr(over.width) if over is not None and over.width is not None else None
        self.need = statement.need
        self.budget = statement.budget
        self.timeout_us = statement.timeout_us
        self.links = tuple(Link(program, link) for link in statement.on_failure if link.kind != "ask")

    def start(self, frame: Frame) -> None:
        """One frame, or one for each item."""
        try:
            items = self.items(frame) if self.items is not None else None
            width = self.width(frame) if self.width is not None else None
        except ExpressionError as error:
            Failed(frame, self, frame, self.index, self.node, self.name).fail(frame.evaluate_failure(self, error), self.links)
            return
        if items is None:
            Enclosure(frame, self, frame, self.index, self.node, self.name).begin(None, self.links)
        else:
            Mapping(frame, self, frame, self.index, self.node, self.name).begin(items, width)


class Enclosure(Region):
    """One frame of a scope, with its account and deadline."""

    __slots__ = ("deadline_us", "inner", "links")

    def begin(self, item: Any, links: tuple[Link, ...]) -> None:
        """Start the body; `item` fills slot 0 where the scope has a `for`."""
        op = self.op
        assert isinstance(op, ScopeOp)
        self._open()
        kernel = self.kernel
        self.links = links
        account = self.account
        if op.budget is not None:
            account = Account(op.budget, account, None)
        self.inner = Frame(kernel, op.body, self, self.frame, account, self, 1, "")
        if op.budget is not None:
            account.frame = self.inner
        if op.items is not None:
            self.inner.values[0] = item
        times = [time for time in (op.timeout_us, op.budget.time_us if op.budget is not None else None) if time is not None]
        self.deadline_us = kernel.now + min(times) if times else None
        if self.deadline_us is not None:
            kernel.out.append(ArmTimer(self.place, "time", self.deadline_us))
        self.inner.start()

    def frame_done(self, frame: Frame) -> None:
        """The scope's value."""
        self._absorb(frame)
        self._end(frame.value)

    def frame_failed(self, frame: Frame, failure: Failure) -> None:
        """The scope failed and has unwound."""
        self._fall(failure, self.links)

    def _close(self) -> None:
        self.state = CLOSED
        if self.deadline_us is not None:
            self.kernel.out.append(DropTimer(self.place, "time"))

    def timer(self, event: TimerFired) -> None:
        """The scope's time is up."""
        self.inner.fail(Failure("timeout", f"{self.path()} took too long", self.path()))

    def stop(self) -> None:
        """Stop the body."""
        self.stopped = True
        self.inner.stop()

    def reissue(self) -> None:
        """The deadline."""
        if self.deadline_us is not None:
            self.kernel.out.append(ArmTimer(self.place, "time", self.deadline_us))


class Mapping(Region):
    """A scope for each item, at most `width` at once."""

    __slots__ = ("came", "items", "last", "live", "lost", "next", "skipped", "width")

    def begin(self, items: list[Any], width: int | None) -> None:
        """Start the first items."""
        self._open()
        self.items = items
        self.width = max(1, width) if width is not None else max(1, len(items))
        self.next = 0
        self.live: dict[int, Activity] = {}
        self.came: list[tuple[int, Any]] = []
        self.lost: list[int] = []
        self.skipped = 0
        self.last: Failure | None = None
        self.go_on()

    def go_on(self) -> None:
        """Start what the width allows; all ended: the list in input order."""
        op = self.op
        assert isinstance(op, ScopeOp)
        while self.state == OPEN and not self.stopped and self.next < len(self.items) and len(self.live) < self.width:
            index = self.next
            self.next += 1
            item = Enclosure(self.frame, op, self, index, index + 1, f"[{index}]")
            item.begin(self.items[index], op.links)
        if self.state == OPEN and not self.live and (self.stopped or self.last is not None or self.next >= len(self.items)):
            self._complete()

    def _complete(self) -> None:
        op = self.op
        assert isinstance(op, ScopeOp)
        asked = len(self.items) - self.skipped
        floor = floor_of(op.need, asked)
        if self.stopped:
            self._fall(STOPPED)
        elif len(self.came) < floor:
            reason = f"; the last failure: {self.last.message}" if self.last is not None else ""
            message = f"{self.path()} needs {floor} of {len(self.items)} results and {len(self.lost)} failed{reason}"
            self._fall(Failure("need", message, self.path()))
        else:
            came = sorted(self.came, key=lambda pair: pair[0])
            rank = {index: position for position, (index, _) in enumerate(self.came)}
            missing = [self.items[index] for index in sorted(self.lost)]
            frame = self.frame
            if frame.fanouts is None:
                frame.fanouts = {}
            frame.fanouts[op.slot] = Fan([""] * len(came), missing, [rank[index] for index, _ in came], len(self.items))
            self._end([value for _, value in came])

    def adopt(self, child: Activity) -> None:
        """Keep an item until it has ended."""
        self.live[child.index] = child

    def child_done(self, child: Activity, value: Any) -> None:
        """An item ended well."""
        del self.live[child.index]
        self.came.append((child.index, value))
        self.kernel.resume(self)

    def child_skipped(self, child: Activity) -> None:
        """An item that is left out."""
        del self.live[child.index]
        self.skipped += 1
        self.kernel.resume(self)

    def child_failed(self, child: Activity, failure: Failure) -> None:
        """An item failed: when the floor is out of reach, the rest stops."""
        op = self.op
        assert isinstance(op, ScopeOp)
        del self.live[child.index]
        self.lost.append(child.index)
        asked = len(self.items) - self.skipped
        if asked - len(self.lost) < floor_of(op.need, asked):
            self.last = failure
            self.next = len(self.items)
            self._stop_live()
        self.kernel.resume(self)

    def child_stopped(self, child: Activity) -> None:
        """An item has stopped and unwound."""
        self.live.pop(child.index, None)
        self.kernel.resume(self)

    def _stop_live(self) -> None:
        for index in sorted(self.live):
            child = self.live.get(index)
            if child is not None:
                child.stop()

    def stop(self) -> None:
        """Stop every item; the owner learns when the last has unwound."""
        self.stopped = True
        self._stop_live()
        self.kernel.resume(self)
