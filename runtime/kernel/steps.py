"""Steps by agents: `step x = Contract(args) by …`, alone or as a fan-out.

A fan-out starts its tasks in order, at most `width` at once, and starts the next one as soon as one has ended. `need`
is a floor: as soon as it can no longer be reached, the step fails and the rest is stopped. A race ends with the first
success. Results stand in input order, whatever the order in which they came; that order is kept beside them for
arbitration.
"""

from __future__ import annotations

import math
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Final, Protocol

from orchspec.runtime.kernel.expressions import Compiled, Env, ExpressionError, FanOut, compile_expr
from orchspec.runtime.kernel.frames import Activity, Failure, Frame
from orchspec.runtime.kernel.program import Link, Op, Program, Seat, op_for
from orchspec.runtime.kernel.table import CLOSED, OPEN, SETTLING
from orchspec.runtime.kernel.tasks import Asking, Task, follow
from orchspec.runtime.kernel.timed import limited

if TYPE_CHECKING:
    from orchspec.compiler.plan import Need, TaskStep
    from orchspec.runtime.kernel.expressions import FrameLike
    from orchspec.runtime.kernel.frames import Owner

__all__ = ["Fan", "FanOutStep", "TaskOp", "floor_of"]

_BY_INDEX: Final = itemgetter(0)


class Fan(FanOut):
    """What stands behind the list of a fan-out: also the order in which results came, and how many were asked."""

    __slots__ = ("asked", "order")

    def __init__(self, givers: list[str], missing: list[Any], order: list[int], asked: int) -> None:
        self.givers = givers
        self.missing = missing
        self.order = order
        self.asked = asked


def floor_of(need: Need | None, asked: int) -> int:
    """How many results a fan-out of `asked` needs: all of them unless `need` says a count or a share (rounded up)."""
    if need is None:
        return asked
    if need.count is not None:
        return need.count
    share = need.share if need.share is not None else 1.0
    return min(asked, math.ceil(share * asked - 1e-9))


class EarlyOp(Protocol):
    """An arbitration that can tell when its outcome is certain."""

    def is_certain(self, frame: Frame, came: list[tuple[int, Any]], fan: Fan, open_to: list[str], lost: int) -> bool:
        """Whether those who have not come (`open_to`, their givers) cannot change it; `lost` never will come."""
        ...


@op_for("task")
class TaskOp(Op):
    """A compiled step by agents.

    `askings` are what is asked: the same of all, or, in a fan-out without items, something else of each. Those have
    `labels`, and are the `givers`.
    """

    __slots__ = (
        "args",
        "askings",
        "budget",
        "contract",
        "early",
        "givers",
        "items",
        "labels",
        "links",
        "need",
        "only_if",
        "pattern",
        "single",
        "urgency",
        "width",
    )

    def __init__(self, program: Program, statement: TaskStep, index: int) -> None:
        Op.__init__(self, program, statement, index)
        self.contract = statement.contract
        self.args: list[Compiled] = [compile_expr(arg) for arg in statement.args]
        self.pattern = statement.pattern
        over = statement.over
        self.items = compile_expr(over.items) if over is not None else None
        self.width = compile_expr(over.width) if over is not None and over.width is not None else None
        self.need = statement.need
        self.urgency = compile_expr(statement.urgency) if statement.urgency is not None else None
        self.only_if = compile_expr(statement.only_if) if statement.only_if is not None else None
        self.links = tuple(Link(program, link) for link in statement.on_failure)
        self.budget = statement.budget
        self.single = over is None and statement.pattern in ("one", "any")
        self._compile_askings(program, statement)
        # The arbitration over the results that lets the rest go once it is certain how it will decide.
        self.early: EarlyOp | None = None

    def _compile_askings(self, program: Program, statement: TaskStep) -> None:
        seats = tuple(Seat(program, candidate) for candidate in statement.candidates)
        gates = (statement.gate,) if statement.gate is not None else ()
        watched = any(seat.double is not None for seat in seats)
        self.labels: list[str] = []
        self.givers: list[str] = []
        if self.single or self.items is not None:
            given = statement.pattern == "one" or statement.prefer in ("cheapest", "most_skilled")
            asking = Asking(
                self.contract,
                seats,
                links=self.links,
                prefer="in_order" if given else statement.prefer,
                reusable=program.ttl.get(self.contract) is not None,
                gates=gates,
                watched=watched,
            )
            self.askings: tuple[Asking, ...] = (asking,)
        else:
            self.askings = tuple([Asking(self.contract, (seat,), gates=gates, watched=watched) for seat in seats])
            self.givers = [seat.agent for seat in seats]
            self.labels = [f"[{seat.agent}]" for seat in seats]
            if statement.pattern == "some":
                self.askings = self.askings[:1]
                self.givers = self.givers[:1] * statement.copies
                self.labels = [f"[{index}]" for index in range(statement.copies)]

    def start(self, frame: Frame) -> None:
        """Begin: skip, one task, or a fan-out. An expression that fails here fails the step, without retry."""
        try:
            if self.only_if is not None and not self.only_if(frame):
                frame.kernel.decide("only_if is false", self.name)
                frame.settle(self, None)
                return
            urgency = self.urgency(frame) if self.urgency is not None else frame.urgency
            work = [[arg(frame) for arg in self.args]] if self.items is None else self.items(frame)
            width = self.width(frame) if self.width is not None else None
        except ExpressionError as error:
            Failed(frame, self, frame, self.index, self.node, self.name).fail(
                frame.evaluate_failure(self, error), self.links
            )
            return
        owner: Owner = frame
        account = frame.account
        if self.budget is not None:
            owner, account = limited(frame, self, self.budget, self.links)
        if self.single:
            asking = self.askings[0]
            task = Task(frame, self, owner, self.index, self.node, self.name, asking, work[0], urgency)
            task.account = account
            task.start()
            return
        fan = FanOutStep(frame, self, owner, self.index, self.node, self.name)
        fan.account = account
        fan.begin(work, width, urgency)


class Failed(Activity):
    """A statement that failed before it could start anything."""

    __slots__ = ()

    def fail(self, failure: Failure, links: tuple[Link, ...]) -> None:
        """Go along the chain at once."""
        self.state = CLOSED
        # Nothing was asked that somebody else could be asked, so an `ask` cannot help here.
        follow(self, failure, tuple(link for link in links if link.kind != "ask"))


class FanOutStep(Activity):
    """Several tasks of one step."""

    __slots__ = (
        "asked",
        "came",
        "ending",
        "expired",
        "failure",
        "givers",
        "inputs",
        "items",
        "lost",
        "next",
        "skipped",
        "tasks",
        "urgency",
        "width",
    )

    def begin(self, work: list[Any], width: int | None, urgency: int) -> None:
        """Start as many tasks as `width` allows. `work` is the arguments (once), or the items of a `for`."""
        op = self.op
        self.state = OPEN
        self.urgency = urgency
        self.tasks: dict[int, Activity] = {}
        self.came: list[tuple[int, Any]] = []
        self.lost: list[int] = []
        self.skipped = 0
        self.failure: Failure | None = None
        self.expired: Failure | None = None
        self.ending: tuple[str, Any] | None = None
        self.next = 0
        self.items: list[Any] | None = None
        self.inputs: list[Any] = []
        if op.items is not None:
            self.items = work
            self.asked = len(work)
            self.givers = [""] * self.asked
        else:
            self.inputs = work[0]
            self.givers = list(op.givers)
            self.asked = len(op.givers)
        self.width = max(1, width) if width is not None else self.asked
        self.go_on()

    def go_on(self) -> None:
        """Start what the width allows, and end once all have ended."""
        while self.next < self.asked and len(self.tasks) < self.width and self.state == OPEN:
            index = self.next
            self.next = index + 1
            self._start(index)
        if not self.tasks and self.next >= self.asked and self.state == OPEN:
            self._complete()

    def _start(self, index: int) -> None:
        op = self.op
        if self.expired is not None:
            self._refuse(index, self.expired)
            return
        inputs = self.inputs
        if self.items is None:
            asking, label = op.askings[index if len(op.askings) > 1 else 0], op.labels[index]
        else:
            asking, label = op.askings[0], f"[{index}]"
            try:
                env = Env([self.items[index]], self.frame)
                inputs = [arg(env) for arg in op.args]
            except ExpressionError as error:
                self._refuse(index, Failure("expression", f"{self.path()}[{index}]: {error}", self.path() + label))
                return
        task = Task(self.frame, op, self, index, index + 1, label, asking, inputs, self.urgency)
        task.account = self.account
        task.start()

    def _refuse(self, index: int, failure: Failure) -> None:
        """A task that fails before it begins, or since nothing is left to spend on it."""
        op = self.op
        label = f"[{index}]" if self.items is not None else op.labels[index]
        item = Failed(self.frame, op, self, index, index + 1, label)
        item.fail(failure, op.links if self.items is not None else ())

    # -------------------------------------------------------------- as an owner

    def env(self, child: Activity) -> FrameLike:
        """With the item that it is for."""
        return self.frame if self.items is None else Env([self.items[child.index]], self.frame)

    def adopt(self, child: Activity) -> None:
        """Keep a task until it has ended."""
        self.tasks[child.index] = child

    def child_done(self, child: Activity, value: Any) -> None:
        """A result, which is reported as it arrives."""
        del self.tasks[child.index]
        self.came.append((child.index, value))
        op = self.op
        if self.items is not None and isinstance(child, Task) and child.seat is not None:
            self.givers[child.index] = child.seat.agent
        if op.pattern == "first":
            self.kernel.decide("won", child.path())
            self._stop_rest()
            self._close("done", value)
        elif op.early is not None and self._ends_early():
            return
        elif not self.tasks or self.next < self.asked:
            self.kernel.agenda.append((self, None))

    def _ends_early(self) -> bool:
        """Let the rest go, if the arbitration over the results is certain to come out the same without them."""
        op = self.op
        if op.early is None or not self.tasks:
            return False
        came = sorted(self.came, key=_BY_INDEX)
        lost = len(self.lost) + self.skipped
        open_to = [self.givers[index] for index in sorted({*self.tasks, *range(self.next, self.asked)})]
        if not op.early.is_certain(self.frame, came, self._fan(came), open_to, lost):
            return False
        self.kernel.decide("certain", f"{len(came)} of {self.asked} were enough")
        self._stop_rest()
        self._conclude(came)
        return True

    def child_skipped(self, child: Activity) -> None:
        """An item that is left out, as its chain says; it counts as neither result nor failure."""
        del self.tasks[child.index]
        self.skipped += 1
        self.kernel.resume(self)

    def child_failed(self, child: Activity, failure: Failure) -> None:
        """A task failed for good: the floor may be out of reach."""
        del self.tasks[child.index]
        self.lost.append(child.index)
        self.failure = failure
        op = self.op
        floor = 1 if op.pattern == "first" else floor_of(op.need, self.asked - self.skipped)
        if self.asked - self.skipped - len(self.lost) < floor:
            self._fall_short(floor)
        elif not self._ends_early():
            self.kernel.resume(self)

    def child_stopped(self, child: Activity) -> None:
        """A task stopped, as it was told to."""
        self.tasks.pop(child.index, None)
        if self.ending is not None and not self.tasks:
            self._tell()
        elif self.expired is not None and self.state == OPEN:
            self._refuse(child.index, self.expired)

    # -------------------------------------------------------------- ending

    def _complete(self) -> None:
        floor = floor_of(self.op.need, self.asked - self.skipped)
        if len(self.came) < floor:
            self._fall_short(floor)
            return
        self._conclude(sorted(self.came, key=_BY_INDEX))

    def _fan(self, came: list[tuple[int, Any]]) -> Fan:
        """What stands behind the results `came`, which are in the order of who was asked."""
        givers, missing = self.givers, []
        if len(came) < self.asked:
            givers = [givers[index] for index, _ in came]
            if self.items is not None:
                missing = [self.items[index] for index in sorted(self.lost)]
        if came == self.came:
            order = list(range(len(came)))
        else:
            rank = {index: position for position, (index, _) in enumerate(self.came)}
            order = [rank[index] for index, _ in came]
        return Fan(givers, missing, order, self.asked)

    def _conclude(self, came: list[tuple[int, Any]]) -> None:
        frame = self.frame
        if frame.fanouts is None:
            frame.fanouts = {}
        frame.fanouts[self.op.slot] = self._fan(came)
        self._close("done", [value for _, value in came])

    def _close(self, how: str, what: Any = None) -> None:
        """End once all tasks have stopped: what a loser did is undone before the block goes on."""
        self.ending = (how, what)
        if not self.tasks:
            self._tell()

    def _tell(self) -> None:
        assert self.ending is not None
        how, what = self.ending
        op = self.op
        self.state = CLOSED
        if how == "done":
            self.owner.child_done(self, what)
        elif how == "stopped":
            self.owner.child_stopped(self)
        elif self.items is not None:
            self.owner.child_failed(self, what)  # the chain has been gone along for each item
        elif op.pattern == "first":
            follow(self, what, op.links, op.contract, self.inputs)
        else:
            follow(self, what, tuple(link for link in op.links if link.kind != "ask"))

    def _fall_short(self, floor: int) -> None:
        last = self.failure
        reason = f"; the last failure: {last.message}" if last is not None else ""
        lost = f"{len(self.lost)} failed, {self.skipped} were skipped"
        message = f"{self.path()} needs {floor} of {self.asked} results; {lost}{reason}"
        code = last.code if last is not None and (self.asked == 1 or last is self.expired) else "need"
        self._stop_rest()
        self._close("failed", Failure(code, message, self.path()))

    def _stop_rest(self) -> None:
        self.state = SETTLING
        for index in sorted(self.tasks):
            task = self.tasks.get(index)
            if task is not None:
                task.stop()

    def expire(self, failure: Failure) -> None:
        """The time of the step is up: what has not ended fails, each item along its chain."""
        self.expired = failure
        for index in sorted(self.tasks):
            task = self.tasks.get(index)
            if task is not None and self.state == OPEN:
                task.stop()
        if self.state == OPEN:
            self.kernel.resume(self)

    def stop(self) -> None:
        """Stop all tasks; each may take its grace, the step is over once what they did is undone."""
        if self.ending is None:
            self._stop_rest()
        self._close("stopped")
