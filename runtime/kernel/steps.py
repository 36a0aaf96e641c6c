"""Steps by agents: `step x = Contract(args) by …`, alone or as a fan-out.

A fan-out starts its tasks in order, at most `width` at once, and starts the next one as soon as one has ended. `need`
is a floor: as soon as it can no longer be reached, the step fails and the rest is stopped. A race ends with the first
success. Results stand in input order, whatever the order in which they came; that order is kept beside them for
arbitration.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Protocol

from orchspec.runtime.kernel.expressions import Compiled, Env, ExpressionError, FanOut, compile_expr
from orchspec.runtime.kernel.frames import Activity, Failure, Frame
from orchspec.runtime.kernel.program import Link, Op, Program, Seat, op_for
from orchspec.runtime.kernel.table import CLOSED, OPEN, SETTLING
from orchspec.runtime.kernel.tasks import Asking, Task, follow
from orchspec.runtime.kernel.timed import limited

if TYPE_CHECKING:
    from orchspec.compiler.plan import Need, TaskStep
    from orchspec.runtime.kernel.expressions import FrameLike

__all__ = ["Fan", "FanOutStep", "TaskOp", "floor_of"]


class Fan(FanOut):
    """What stands behind the list of a fan-out: also the order in which results came, and how many were asked."""

    __slots__ = ("asked", "order")

    def __init__(self, givers: list[str], missing: list[Any], order: list[int], asked: int) -> None:
        FanOut.__init__(self, givers, missing)
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
    """A compiled step by agents."""

    __slots__ = (
        "args",
        "budget",
        "contract",
        "copies",
        "early",
        "gates",
        "items",
        "links",
        "need",
        "only_if",
        "pattern",
        "prefer",
        "seats",
        "urgency",
        "watched",
        "width",
    )

    def __init__(self, program: Program, statement: TaskStep, index: int) -> None:
        Op.__init__(self, program, statement, index)
        self.contract = statement.contract
        self.args: list[Compiled] = [compile_expr(arg) for arg in statement.args]
        self.pattern = statement.pattern
        self.seats = tuple(Seat(program, candidate) for candidate in statement.candidates)
        self.copies = statement.copies
        over = statement.over
        self.items = compile_expr(over.items) if over is not None else None
        self.width = compile_expr(over.width) if over is not None and over.width is not None else None
        self.need = statement.need
        prefer = statement.prefer
        self.prefer = "in_order" if prefer in ("cheapest", "most_skilled") else prefer
        self.urgency = compile_expr(statement.urgency) if statement.urgency is not None else None
        self.only_if = compile_expr(statement.only_if) if statement.only_if is not None else None
        self.links = tuple(Link(program, link) for link in statement.on_failure)
        self.budget = statement.budget
        self.gates: tuple[str, ...] = (statement.gate,) if statement.gate is not None else ()
        self.watched = any(seat.double is not None for seat in self.seats)
        # The arbitration over the results that lets the rest go once it is certain how it will decide.
        self.early: EarlyOp | None = None

    def start(self, frame: Frame) -> None:
        """Begin: skip, one task, or a fan-out. An expression that fails here fails the step, without retry."""
        try:
            if self.only_if is not None and not self.only_if(frame):
                frame.kernel.decide("only_if is false", self.name)
                frame.settle(self, None)
                return
            urgency = self.urgency(frame) if self.urgency is not None else frame.urgency
            single = self.items is None and self.pattern in ("one", "any")
            work = [[arg(frame) for arg in self.args]] if self.items is None else self.items(frame)
            width = self.width(frame) if self.width is not None else None
        except ExpressionError as error:
            Failed(frame, self, frame, self.index, self.node, self.name).fail(
                frame.evaluate_failure(self, error), self.links
            )
            return
        prefer = "in_order" if self.pattern == "one" else self.prefer
        if single:
            asking = self.asking(self.seats, prefer, urgency, links=self.links, reusable=True)
            if self.budget is None:
                Task(frame, self, frame, self.index, self.node, self.name, asking, work[0]).start()
                return
            owner, account = limited(frame, self, self.budget, self.links)
            task = Task(frame, self, owner, self.index, self.node, self.name, asking, work[0])
            task.account = account
            task.start()
            return
        owner, account = limited(frame, self, self.budget, self.links)
        fan = FanOutStep(frame, self, owner, self.index, self.node, self.name)
        fan.account = account
        fan.begin(work, width, urgency, prefer)

    def asking(
        self,
        seats: tuple[Seat, ...],
        prefer: str,
        urgency: int,
        *,
        links: tuple[Link, ...] = (),
        reusable: bool = False,
    ) -> Asking:
        """What is asked of these."""
        return Asking(
            self.contract,
            seats,
            links=links,
            prefer=prefer,
            urgency=urgency,
            reusable=reusable,
            gates=self.gates,
            watched=self.watched,
        )


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
        "askings",
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
        "width",
    )

    def begin(self, work: list[Any], width: int | None, urgency: int, prefer: str) -> None:
        """Start as many tasks as `width` allows. `work` is the arguments (once), or the items of a `for`."""
        op = self.op
        assert isinstance(op, TaskOp)
        self.state = OPEN
        self.tasks: dict[int, Activity] = {}
        self.came: list[tuple[int, Any]] = []
        self.lost: list[int] = []
        self.skipped = 0
        self.failure: Failure | None = None
        self.expired: Failure | None = None
        self.ending: tuple[str, Any] | None = None
        self.next = 0
        if op.items is not None:
            self.items: list[Any] | None = work
            self.asked = len(work)
            self.givers = [""] * self.asked
            self.askings = [op.asking(op.seats, prefer, urgency, links=op.links, reusable=True)]
            self.inputs: list[Any] = []
        else:
            self.items = None
            self.inputs = work[0]
            seats = list(op.seats) if op.pattern != "some" else [op.seats[0]] * op.copies
            self.asked = len(seats)
            self.givers = [seat.agent for seat in seats]
            self.askings = [op.asking((seat,), "in_order", urgency) for seat in seats]
        self.width = max(1, width) if width is not None else self.asked
        self._go_on()

    def _go_on(self) -> None:
        while self.state == OPEN and self.next < self.asked and len(self.tasks) < self.width:
            index = self.next
            self.next += 1
            self._start(index)
        if self.state == OPEN and not self.tasks and self.next >= self.asked:
            self._complete()

    def _start(self, index: int) -> None:
        op = self.op
        assert isinstance(op, TaskOp)
        inputs = self.inputs
        asking = self.askings[0] if self.items is not None else self.askings[index]
        label = self._label(index)
        if self.expired is not None:
            self._refuse(index, self.expired)
            return
        if self.items is not None:
            try:
                env = Env([self.items[index]], self.frame)
                inputs = [arg(env) for arg in op.args]
            except ExpressionError as error:
                self._refuse(index, Failure("expression", f"{self.path()}[{index}]: {error}", self.path() + label))
                return
        task = Task(self.frame, op, self, index, index + 1, label, asking, inputs)
        task.account = self.account
        task.start()

    def _label(self, index: int) -> str:
        op = self.op
        assert isinstance(op, TaskOp)
        if self.items is not None or op.pattern == "some":
            return f"[{index}]"
        return f"[{self.askings[index].seats[0].agent}]"

    def _refuse(self, index: int, failure: Failure) -> None:
        """A task that fails before it begins, or since nothing is left to spend on it."""
        op = self.op
        assert isinstance(op, TaskOp)
        item = Failed(self.frame, op, self, index, index + 1, self._label(index))
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
        assert isinstance(op, TaskOp)
        if isinstance(child, Task) and child.seat is not None:
            self.givers[child.index] = child.seat.agent
        if op.pattern == "first":
            self.kernel.decide("won", child.path())
            self._stop_rest()
            self._end(value)
            return
        if not self._ends_early():
            self.kernel.resume(self)

    def _ends_early(self) -> bool:
        """Let the rest go, if the arbitration over the results is certain to come out the same without them."""
        op = self.op
        assert isinstance(op, TaskOp)
        if op.early is None or not self.tasks:
            return False
        came = sorted(self.came, key=lambda pair: pair[0])
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
        assert isinstance(op, TaskOp)
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

    def go_on(self) -> None:
        """From the agenda: start what the width allows now."""
        if self.state == OPEN:
            self._go_on()

    # -------------------------------------------------------------- ending

    def _complete(self) -> None:
        op = self.op
        assert isinstance(op, TaskOp)
        floor = floor_of(op.need, self.asked - self.skipped)
        if len(self.came) < floor:
            self._fall_short(floor)
            return
        self._conclude(sorted(self.came, key=lambda pair: pair[0]))

    def _fan(self, came: list[tuple[int, Any]]) -> Fan:
        rank = {index: position for position, (index, _) in enumerate(self.came)}
        missing = [self.items[index] for index in sorted(self.lost)] if self.items is not None else []
        return Fan([self.givers[index] for index, _ in came], missing, [rank[index] for index, _ in came], self.asked)

    def _conclude(self, came: list[tuple[int, Any]]) -> None:
        frame = self.frame
        if frame.fanouts is None:
            frame.fanouts = {}
        frame.fanouts[self.op.slot] = self._fan(came)
        self._end([value for _, value in came])

    def _end(self, value: Any) -> None:
        self._close("done", value)

    def _close(self, how: str, what: Any = None) -> None:
        """End once all tasks have stopped: what a loser did is undone before the block goes on."""
        self.ending = (how, what)
        if not self.tasks:
            self._tell()

    def _tell(self) -> None:
        assert self.ending is not None
        how, what = self.ending
        op = self.op
        assert isinstance(op, TaskOp)
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
        op = self.op
        assert isinstance(op, TaskOp)
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
