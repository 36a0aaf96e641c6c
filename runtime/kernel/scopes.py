"""`scope`: a region with its own budget, deadline, failure and undo; with `for`, one for each item."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from orchspec.runtime.kernel.budget import Account
from orchspec.runtime.kernel.commands import ArmTimer, DropTimer, HoldGrant, ReleaseGrant, RequestGrant
from orchspec.runtime.kernel.expressions import ExpressionError, compile_expr
from orchspec.runtime.kernel.frames import STOPPED, Activity, Failure, Frame
from orchspec.runtime.kernel.program import CompiledBlock, Link, Op, Program, op_for
from orchspec.runtime.kernel.regions import Region
from orchspec.runtime.kernel.steps import Failed, Fan, floor_of
from orchspec.runtime.kernel.table import CLOSED, OPEN, QUEUED

if TYPE_CHECKING:
    from orchspec.compiler.plan import Scope
    from orchspec.runtime.kernel.events import TaskEnrolled, TimerFired

__all__ = ["ScopeOp"]


@op_for("scope")
class ScopeOp(Op):
    """A compiled scope."""

    __slots__ = ("body", "budget", "items", "links", "need", "timeout_us", "tools", "width")

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
        self.tools = tuple(statement.tools)
        program.sections = program.sections or bool(self.tools)

    def start(self, frame: Frame) -> None:
        """One frame, or one for each item."""
        try:
            items = self.items(frame) if self.items is not None else None
            width = self.width(frame) if self.width is not None else None
        except ExpressionError as error:
            Failed(frame, self, frame, self.index, self.node, self.name).fail(
                frame.evaluate_failure(self, error), self.links
            )
            return
        if items is None:
            Enclosure(frame, self, frame, self.index, self.node, self.name).begin(None, self.links)
        else:
            Mapping(frame, self, frame, self.index, self.node, self.name).begin(items, width)


class Enclosure(Region):
    """One frame of a scope, with its account and deadline.

    A critical section asks for its tools first, and has them from the beginning of its frame until it has unwound.
    """

    __slots__ = ("deadline_us", "inner", "links")

    def begin(self, item: Any, links: tuple[Link, ...]) -> None:
        """Start the body; `item` fills slot 0 where the scope has a `for`."""
        op = self.op
        assert isinstance(op, ScopeOp)
        self._open()
        self.links = links
        account = self.account
        if op.budget is not None:
            account = Account(op.budget, account, None)
        self.inner = Frame(self.kernel, op.body, self, self.frame, account, self, 1, "")
        if op.budget is not None:
            account.frame = self.inner
        if op.items is not None:
            self.inner.values[0] = item
        self.deadline_us: int | None = None
        if op.tools:
            self.state = QUEUED
            self._request(op.tools)
        else:
            self._enter()

    def _request(self, tools: tuple[str, ...]) -> None:
        self.kernel.out.append(RequestGrant(self.place, 1, tools, "whole"))

    def enrolled(self, _event: TaskEnrolled) -> None:
        """All tools are there."""
        self.state = OPEN
        self._enter()

    def _enter(self) -> None:
        op = self.op
        assert isinstance(op, ScopeOp)
        kernel = self.kernel
        times = [
            time for time in (op.timeout_us, op.budget.time_us if op.budget is not None else None) if time is not None
        ]
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
        if self.op.tools:  # type: ignore[attr-defined]
            self.kernel.out.append(ReleaseGrant(self.place, 1, "stopped"))

    def timer(self, event: TimerFired) -> None:
        """The scope's time is up."""
        if self.inner.failing is not None:
            self.kernel.ignore()
            return
        self.inner.fail(Failure("timeout", f"{self.path()} took too long", self.path()))

    def stop(self) -> None:
        """Stop the body, or do not begin it."""
        self.stopped = True
        if self.state == QUEUED:
            self._fall(STOPPED)
        else:
            self.inner.stop()

    def reissue(self) -> None:
        """The tools, and the deadline."""
        op = self.op
        assert isinstance(op, ScopeOp)
        if self.state == QUEUED:
            self._request(op.tools)
        elif op.tools:
            self.kernel.out.append(HoldGrant(self.place, 1, "", tools=op.tools))
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
        if (
            self.state == OPEN
            and not self.live
            and (self.stopped or self.last is not None or self.next >= len(self.items))
        ):
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
