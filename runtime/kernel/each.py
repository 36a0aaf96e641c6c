"""A statement with `for` that is no step by agents: a region, a flow, an effect or a signal for each item.

Items start in order, at most `width` at once. Each goes along the statement's `on_failure` chain by itself; `need` is
the floor of how many must end well. Results stand in input order, whatever the order in which they came; that order is
kept beside them for arbitration. Below the floor the rest stops, and the whole fails once all has settled.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from orchspec.runtime.kernel.expressions import Env, ExpressionError, compile_expr
from orchspec.runtime.kernel.frames import STOPPED, Activity, Failure
from orchspec.runtime.kernel.program import Link, Op, Program
from orchspec.runtime.kernel.regions import Region
from orchspec.runtime.kernel.steps import Failed, Fan, floor_of
from orchspec.runtime.kernel.table import OPEN
from orchspec.runtime.kernel.timed import limited

if TYPE_CHECKING:
    from orchspec.compiler.plan import Budget, Need, Over
    from orchspec.runtime.kernel.expressions import FrameLike
    from orchspec.runtime.kernel.frames import Frame

__all__ = ["Each", "ItemsOp"]


class ItemsOp(Op):
    """A statement that may stand for each item of a list."""

    __slots__ = ("items", "links", "need", "width")

    def __init__(self, program: Program, statement: Any, index: int) -> None:
        Op.__init__(self, program, statement, index)
        over: Over | None = statement.over
        self.items = compile_expr(over.items) if over is not None else None
        self.width = compile_expr(over.width) if over is not None and over.width is not None else None
        self.need: Need | None = statement.need
        # There is no one agent's work here that somebody else could be asked to do.
        self.links = tuple(Link(program, link) for link in statement.on_failure if link.kind != "ask")

    def start_item(self, each: Each, index: int, label: str, env: FrameLike) -> None:
        """Begin what is done for one item; `env` is where its expressions are evaluated."""
        raise NotImplementedError

    def over(self, frame: Frame) -> tuple[list[Any], int | None]:
        """The items and how many of them at once. Raises ExpressionError."""
        assert self.items is not None
        return self.items(frame), self.width(frame) if self.width is not None else None

    def start_each(self, frame: Frame, items: list[Any], width: int | None, budget: Budget | None = None) -> None:
        """Begin the items; `budget` is that of the statement, for all of them."""
        owner, account = limited(frame, self, budget, self.links)
        each = Each(frame, self, owner, self.index, self.node, self.name)
        if budget is not None:
            each.account = account
            account.frame = each
        each.prepare(items, width)
        each.go_on()

    def refuse(self, frame: Frame, error: ExpressionError) -> None:
        """An expression failed before anything began: the statement fails along its chain, without retry."""
        failure = frame.evaluate_failure(self, error)
        Failed(frame, self, frame, self.index, self.node, self.name).fail(failure, self.links)


class Each(Region):
    """What is under way for the items of one statement."""

    __slots__ = ("came", "expired", "items", "last", "live", "lost", "next", "short", "skipped", "width")

    def prepare(self, items: list[Any], width: int | None) -> None:
        """Nothing of it has started; `go_on` starts what the width allows."""
        self._open()
        self.items = items
        self.width = max(1, width) if width is not None else max(1, len(items))
        self.next = 0
        self.live: dict[int, Activity] = {}
        self.came: list[tuple[int, Any]] = []
        self.lost: list[int] = []
        self.skipped = 0
        self.short = False
        self.last: Failure | None = None
        self.expired: Failure | None = None

    def go_on(self) -> None:
        """Start what the width allows; all ended: the list in input order."""
        while self.state == OPEN and not self.stopped and self.next < len(self.items) and len(self.live) < self.width:
            index = self.next
            self.next += 1
            self._start(index)
        if self.state == OPEN and not self.live and (self.stopped or self.next >= len(self.items)):
            self._complete()

    def _start(self, index: int) -> None:
        op = self.op
        assert isinstance(op, ItemsOp)
        if self.expired is not None:
            self.refuse(index, self.expired)
            return
        op.start_item(self, index, f"[{index}]", Env([self.items[index]], self.frame))

    def refuse(self, index: int, failure: Failure) -> None:
        """An item fails before it begins, or since nothing is left to spend on it."""
        op = self.op
        assert isinstance(op, ItemsOp)
        Failed(self.frame, op, self, index, index + 1, f"[{index}]").fail(failure, op.links)

    def _complete(self) -> None:
        op = self.op
        assert isinstance(op, ItemsOp)
        floor = floor_of(op.need, len(self.items) - self.skipped)
        if self.stopped:
            self._fall(STOPPED)
        elif len(self.came) < floor:
            reason = f"; the last failure: {self.last.message}" if self.last is not None else ""
            message = f"{self.path()} needs {floor} of {len(self.items)} results and {len(self.lost)} failed{reason}"
            spent = self.last is not None and self.last is self.expired
            self._fall(Failure("budget_exhausted" if spent else "need", message, self.path()))
        else:
            came = sorted(self.came, key=lambda pair: pair[0])
            rank = {index: position for position, (index, _) in enumerate(self.came)}
            missing = [self.items[index] for index in sorted(self.lost)]
            frame = self.frame
            if frame.fanouts is None:
                frame.fanouts = {}
            frame.fanouts[op.slot] = Fan([""] * len(came), missing, [rank[index] for index, _ in came], len(self.items))
            self._end([value for _, value in came])

    # -------------------------------------------------------------- as an owner

    def env(self, child: Activity) -> FrameLike:
        """With the item that it is for."""
        return Env([self.items[child.index]], self.frame)

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
        assert isinstance(op, ItemsOp)
        del self.live[child.index]
        self.lost.append(child.index)
        asked = len(self.items) - self.skipped
        if not self.short:
            self.last = failure
            if asked - len(self.lost) < floor_of(op.need, asked):
                self.short = True
                self.next = len(self.items)
                self._stop_live()
        self.kernel.resume(self)

    def child_stopped(self, child: Activity) -> None:
        """An item has stopped and unwound: as it was told to, or since nothing is left to spend on it."""
        self.live.pop(child.index, None)
        if self.expired is not None and not self.short and not self.stopped:
            self.refuse(child.index, self.expired)
            return
        self.kernel.resume(self)

    # -------------------------------------------------------------- stopping

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

    def fail(self, failure: Failure) -> None:
        """The account of the whole statement is exhausted."""
        self.expire(failure)

    def expire(self, failure: Failure) -> None:
        """Whatever has not ended fails for this reason, each item along its chain."""
        if self.expired is not None or self.stopped or self.short or self.state != OPEN:
            return
        self.expired = failure
        self._stop_live()
        self.kernel.resume(self)
