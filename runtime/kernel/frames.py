"""Frames and activities: what is under way in a run.

A *block* of the plan that has been started is a `Frame`: its slots, how many of its statements still wait for what,
its account, the effects it has done. A *statement* that has been started is an `Activity`, which stands at a place (a
small integer; its path is spelled only when asked for). An activity has an *owner*, which learns how it ended by
exactly one of `child_done`, `child_skipped`, `child_failed`, `child_stopped`. Frames own the activities of their
statements; fan-outs own those of their items; a repeat hosts the frames of its rounds.

Theory of failing. A frame that fails stops what is under way in it, waits until each activity has said how it ended
(an effect that was sent is waited for: it may have landed), then unwinds: the effects that it did are undone, latest
intent first. Only then does its host learn that it failed. So a parent never goes on before a discarded scope has
unwound.

Nothing here recurses along a chain of statements: what becomes ready goes on the kernel's agenda.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from orchspec.runtime.draws import mix
from orchspec.runtime.kernel.expressions import ExpressionError

if TYPE_CHECKING:
    from orchspec.runtime.kernel.applying import Done
    from orchspec.runtime.kernel.budget import Account
    from orchspec.runtime.kernel.expressions import FanOut, FrameLike
    from orchspec.runtime.kernel.kernel import Kernel
    from orchspec.runtime.kernel.program import CompiledBlock, Op

__all__ = ["STOPPED", "Activity", "Failure", "Frame", "Host", "Owner"]


class Failure:
    """Why something failed: a code for programs, a message for people, and the path of the step where it began."""

    __slots__ = ("code", "message", "step")

    def __init__(self, code: str, message: str, step: str = "") -> None:
        self.code = code
        self.message = message
        self.step = step

    def as_json(self) -> dict[str, Any]:
        """The `error` of a run."""
        return {"code": self.code, "message": self.message, "step": self.step or None}


STOPPED = Failure("stopped", "stopped with the scope around it")
"""The failure of a frame that was stopped from outside: its host reports it as stopped, not failed."""


class Owner(Protocol):
    """Who learns how an activity ended."""

    def child_done(self, child: Activity, value: Any) -> None:
        """It ended well, with a value."""

    def child_skipped(self, child: Activity) -> None:
        """It was skipped, as its chain says."""

    def child_failed(self, child: Activity, failure: Failure) -> None:
        """It failed for good."""

    def child_stopped(self, child: Activity) -> None:
        """It has stopped, as it was told to."""

    def adopt(self, child: Activity) -> None:
        """It begins; the same index may be adopted again by what takes its place."""

    def path(self) -> str:
        """The path that those of its children begin with."""
        ...

    def key(self) -> int:
        """The key that those of its children are mixed from."""
        ...

    def env(self, child: Activity) -> FrameLike:
        """Where the expressions of a child's `on_failure` are evaluated: with the item, where there is one for each."""
        ...


class Host(Protocol):
    """Who learns how a frame ended."""

    def frame_done(self, frame: Frame) -> None:
        """It ended well."""

    def frame_failed(self, frame: Frame, failure: Failure) -> None:
        """It failed, or was stopped, and has unwound."""


class Activity:
    """Something under way at a place. Subclasses say what; all share place, owner, and the ways to end.

    `index` says which child of its owner it is (a statement of a frame, an item of a fan-out); `ordinal` and `label`
    tell it from its siblings in draws and in paths.
    """

    __slots__ = ("account", "frame", "index", "kernel", "label", "op", "ordinal", "owner", "place", "state")

    CLOSED = 0

    def __init__(self, frame: Frame, op: Op, owner: Owner, index: int, ordinal: int, label: str) -> None:
        kernel = frame.kernel
        self.kernel: Kernel = kernel
        self.frame = frame
        self.op: Any = op
        self.owner = owner
        self.index = index
        self.ordinal = ordinal
        self.label = label
        self.account: Account = frame.account
        self.state = -1
        self.place = len(kernel.places)
        kernel.places.append(self)
        owner.adopt(self)

    def path(self) -> str:
        """The path of the place: `draft#2/reviews[critic]`."""
        prefix = self.owner.path()
        if self.label[:1] in "[?!#~" or not prefix:
            return prefix + self.label
        return f"{prefix}/{self.label}"

    def key(self) -> int:
        """The place as a 64-bit number for draws: mixed from the owner's, so independent of the order of events."""
        return mix(self.owner.key(), self.ordinal)

    def stop(self) -> None:
        """Stop; the owner learns by `child_stopped`, at once or once what was sent has settled."""
        raise NotImplementedError

    def reissue(self) -> None:
        """After a crash: issue again the commands that have no outcome."""

    def adopt(self, child: Activity) -> None:
        """Only owners of several activities keep them."""

    def env(self, child: Activity) -> FrameLike:
        """The block that it stands in."""
        return self.frame

    def expire(self, failure: Failure) -> None:
        """What its budget allowed is used up; the owner of a single activity learns by `child_stopped`."""
        self.stop()


class Frame:
    """A block that has been started."""

    __slots__ = (
        "account",
        "block",
        "children",
        "effects",
        "failing",
        "fanouts",
        "given",
        "host",
        "kernel",
        "label",
        "left",
        "ordinal",
        "parent",
        "prefix",
        "running",
        "unwinding",
        "until",
        "urgency",
        "value",
        "values",
        "waiting",
    )

    def __init__(
        self,
        kernel: Kernel,
        block: CompiledBlock,
        host: Host,
        parent: Frame | None,
        account: Account,
        prefix: Any,
        ordinal: int,
        label: str,
    ) -> None:
        self.kernel = kernel
        self.block = block
        self.host = host
        self.parent = parent
        self.account = account
        self.prefix = prefix
        self.ordinal = ordinal
        self.label = label
        self.values: list[Any] = [None] * block.size
        self.fanouts: dict[int, FanOut] | None = None
        self.waiting = list(block.waiting)
        self.children: dict[int, Activity] = {}
        self.left = len(block.ops)
        self.running = 0
        self.given = False
        self.value: Any = None
        self.until: bool | None = None
        self.urgency: int = parent.urgency if parent is not None else 0
        self.failing: Failure | None = None
        self.effects: list[Done] = []
        self.unwinding: Any = None

    # -------------------------------------------------------------- naming

    def path(self) -> str:
        """The path before the names of this frame's statements."""
        return (self.prefix.path() if self.prefix is not None else "") + self.label

    def key(self) -> int:
        """The frame as a number for draws."""
        return mix(self.prefix.key() if self.prefix is not None else self.kernel.root_key, self.ordinal)

    # -------------------------------------------------------------- running

    def start(self) -> None:
        """Put the statements that wait for nothing on the agenda; an empty block is done."""
        agenda = self.kernel.agenda
        for op in self.block.ready:
            agenda.append((self, op))
        if self.left == 0:
            self.host.frame_done(self)

    def env(self, child: Activity) -> FrameLike:
        """The block itself."""
        return self

    def adopt(self, child: Activity) -> None:
        """Keep a statement's activity until it has ended."""
        children, index = self.children, child.index
        if index not in children:
            self.running += 1
        children[index] = child

    def settle(self, op: Op, value: Any) -> None:
        """A statement has its value (None also when skipped): what waited for it may start."""
        if op.slot >= 0:
            self.values[op.slot] = value
        if self.failing is not None:
            return
        self.left -= 1
        waiting = self.waiting
        for dependent in op.dependents:
            count = waiting[dependent.index] - 1
            waiting[dependent.index] = count
            if count == 0:
                self.kernel.agenda.append((self, dependent))
        if self.left == 0:
            self.host.frame_done(self)

    def child_done(self, child: Activity, value: Any) -> None:
        """A statement ended well."""
        del self.children[child.index]
        self.running -= 1
        self.settle(child.op, value)
        if self.failing is not None:
            self._close()

    def child_skipped(self, child: Activity) -> None:
        """A statement was skipped: its value is none."""
        self.child_done(child, None)

    def child_failed(self, child: Activity, failure: Failure) -> None:
        """A statement failed: the block fails."""
        self._drop(child)
        self.fail(failure)
        self._close()

    def child_stopped(self, child: Activity) -> None:
        """A statement was stopped, as this frame told it to."""
        self._drop(child)
        self._close()

    def _drop(self, child: Activity) -> None:
        del self.children[child.index]
        self.running -= 1

    # -------------------------------------------------------------- failing

    def fail(self, failure: Failure) -> None:
        """Fail (the first reason stands): stop what is under way, then unwind, then tell the host."""
        if self.failing is not None:
            return
        self.failing = failure
        self.running += 1
        for index in sorted(self.children):
            child = self.children.get(index)
            if child is not None:
                child.stop()
        self.running -= 1
        self._close()

    def stop(self) -> None:
        """Stop from outside; the host learns by `frame_failed` with STOPPED."""
        self.fail(STOPPED)

    def _close(self) -> None:
        if self.failing is None or self.running or self.unwinding is not None:
            return
        self.unwinding = True
        self.kernel.unwind(self)

    def unwound(self) -> None:
        """All that could be undone is undone."""
        assert self.failing is not None
        self.host.frame_failed(self, self.failing)

    def evaluate_failure(self, op: Op, error: ExpressionError) -> Failure:
        """The failure of a statement one of whose expressions failed."""
        path = f"{self.path()}/{op.name}".strip("/") if op.name else self.path()
        return Failure("expression", f"{path}: {error}", path)
