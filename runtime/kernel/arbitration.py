"""Arbitration: candidates to one, or to one for each group, by rules that are tried in turn.

A rule decides, or hands on: a tie hands on those that are tied, everything else hands on the candidates as they came.
Where candidates agree, the first in list order is the value. `quorum`, `majority` and `unanimous` count those who
were asked, not those who answered. The rules themselves stand in `rules`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from orchspec.runtime.kernel.expressions import Compiled, Env, ExpressionError, compile_expr, value_key
from orchspec.runtime.kernel.frames import Activity, Failure, Frame
from orchspec.runtime.kernel.program import Op, Program, op_for
from orchspec.runtime.kernel.rules import RULES, Ballot, CompiledRule, Outstanding, is_certain
from orchspec.runtime.kernel.steps import Fan, TaskOp
from orchspec.runtime.kernel.table import CLOSED, OPEN, SETTLING
from orchspec.runtime.kernel.tasks import Asking, Task

if TYPE_CHECKING:
    from orchspec.compiler.plan import Arbitrate

__all__ = ["ArbitrateOp", "Deciding"]


@op_for("arbitrate")
class ArbitrateOp(Op):
    """A compiled arbitration."""

    __slots__ = ("asks_args", "asks_contract", "early", "group", "rules", "source", "source_slot", "source_up")

    def __init__(self, program: Program, statement: Arbitrate, index: int) -> None:
        Op.__init__(self, program, statement, index)
        self.source = compile_expr(statement.source)
        self.source_slot = statement.source_slot
        # A fan-out of a block further out is read from there.
        self.source_up: int = statement.source[1] if statement.source_slot is not None else 0
        self.rules = [CompiledRule(program, source) for source in statement.rules]
        self.group = compile_expr(statement.group) if statement.group is not None else None
        self.early = statement.early
        asks = statement.asks
        self.asks_contract = asks[0] if asks is not None else None
        self.asks_args: list[Compiled] = [compile_expr(arg) for arg in asks[1]] if asks is not None else []

    def bind(self, ops: list[Op]) -> None:
        """With `early`, the step behind the candidates asks when the outcome is certain."""
        if self.early:
            for op in ops:
                if isinstance(op, TaskOp) and op.slot == self.source_slot:
                    op.early = self

    def is_certain(self, frame: Frame, came: list[tuple[int, Any]], fan: Fan, open_to: list[str], lost: int) -> bool:
        """Whether those who have not come cannot change the outcome any more, given all that its rules read."""
        if frame.waiting[self.index] != 1:
            return False  # it waits for more than its candidates
        ballots = [
            Ballot(value, giver, order) for (_, value), giver, order in zip(came, fan.givers, fan.order, strict=True)
        ]
        try:
            return is_certain(self.rules, ballots, Outstanding(fan.asked, open_to, lost), frame)
        except ExpressionError:
            return False  # the arbitration will say so, when its time has come

    def start(self, frame: Frame) -> None:
        """Decide now, as far as nobody has to be asked."""
        deciding = Deciding(frame, self, frame, self.index, self.node, self.name)
        try:
            values = self.source(frame)
            fanouts = self.holder(frame).fanouts
            fan = fanouts.get(self.source_slot) if fanouts and self.source_slot is not None else None
            groups = self._groups(values, fan, frame)
        except ExpressionError as error:
            deciding.give_up(frame.evaluate_failure(self, error))
            return
        asked = fan.asked if isinstance(fan, Fan) and self.group is None else None
        deciding.begin(groups, asked)

    def holder(self, frame: Frame) -> Frame:
        """The frame of the fan-out behind the candidates, seen from that of the arbitration."""
        for _ in range(self.source_up):
            assert frame.parent is not None, "a fan-out stands in a block around its arbitration"
            frame = frame.parent
        return frame

    def _groups(self, values: list[Any], fan: Any, frame: Frame) -> list[list[Ballot]]:
        ballots = [Ballot(value, "", position) for position, value in enumerate(values)]
        if isinstance(fan, Fan) and len(fan.givers) == len(ballots):
            for ballot, giver, order in zip(ballots, fan.givers, fan.order, strict=True):
                ballot.giver = giver
                ballot.order = order
        if self.group is None:
            return [ballots]
        groups: dict[Any, list[Ballot]] = {}
        for ballot in ballots:
            groups.setdefault(value_key(self.group(Env([ballot.value], frame))), []).append(ballot)
        return list(groups.values())


class Deciding(Activity):
    """An arbitration under way: groups that have a winner, and groups that wait for somebody's word."""

    __slots__ = ("asking", "chosen", "ending", "groups", "rule_at", "undecided", "waiting")

    def begin(self, groups: list[list[Ballot]], asked: int | None) -> None:
        """Go along the rules for each group; `asked` is how many were asked (None: the size of the group)."""
        op = self.op
        assert isinstance(op, ArbitrateOp)
        self.state = OPEN
        self.ending: tuple[Failure | None] | None = None
        self.groups = groups
        self.chosen: list[Any] = [None] * len(groups)
        self.rule_at = [0] * len(groups)
        self.undecided = len(groups)
        self.waiting: dict[int, Activity] = {}
        self.asking = [asked if asked is not None else len(group) for group in groups]
        if op.group is None and not groups[0]:
            self.give_up(Failure("undecided", f"{self.path()} has no candidate to decide on", self.path()))
            return
        for index in range(len(groups)):
            if self.state == OPEN:
                self._go_along(index)
        if not groups:
            self._end([])

    def _go_along(self, index: int) -> None:
        op = self.op
        assert isinstance(op, ArbitrateOp)
        frame = self.frame
        while self.rule_at[index] < len(op.rules):
            current = op.rules[self.rule_at[index]]
            self.rule_at[index] += 1
            if current.kind == "stop":
                break
            try:
                if current.kind == "ask":
                    self._ask(index, current)
                    return
                verdict = RULES[current.kind](current, self.groups[index], self.asking[index], frame)
            except ExpressionError as error:
                self.give_up(frame.evaluate_failure(op, error))
                return
            self.groups[index] = verdict.left
            if verdict.winner is not None:
                self.kernel.decide(f"decided by {current.kind}", verdict.winner.giver or None)
                self._choose(index, verdict.winner.value)
                return
        rules = ", ".join(current.kind for current in op.rules)
        self.give_up(Failure("undecided", f"{self.path()}: none of its rules ({rules}) decided", self.path()))

    def _ask(self, index: int, current: CompiledRule) -> None:
        op = self.op
        assert isinstance(op, ArbitrateOp)
        assert current.seat is not None
        if current.contract is not None:
            contract = current.contract
            inputs = [[ballot.value for ballot in self.groups[index]]]
        else:
            assert op.asks_contract is not None
            contract = op.asks_contract
            inputs = [arg(op.holder(self.frame)) for arg in op.asks_args]
        label = f"?{current.seat.agent}" if op.group is None else f"[{index}]?{current.seat.agent}"
        asking = Asking(contract, (current.seat,), within_us=current.within_us)
        ordinal = (index + 1) * 64 + self.rule_at[index]
        task = Task(self.frame, op, self, index, ordinal, label, asking, inputs, self.frame.urgency)
        self.kernel.decide("asked", current.seat.agent)
        task.start()

    def _choose(self, index: int, value: Any) -> None:
        op = self.op
        assert isinstance(op, ArbitrateOp)
        self.chosen[index] = value
        self.undecided -= 1
        if self.undecided == 0:
            self._end(self.chosen if op.group is not None else self.chosen[0])

    def _end(self, value: Any) -> None:
        self.state = CLOSED
        self.kernel.steps += 1
        self.owner.child_done(self, value)

    def _tell(self) -> None:
        """Who was asked has stopped, and what they did is undone."""
        assert self.ending is not None
        self.state = CLOSED
        if self.ending[0] is None:
            self.owner.child_stopped(self)
        else:
            self.owner.child_failed(self, self.ending[0])

    def give_up(self, failure: Failure) -> None:
        """Nothing decides: the step fails."""
        self.kernel.decide("failed", f"{failure.code}: {failure.message}")
        if self.state == OPEN:
            self._stop_rest()
        self._close(failure)

    def _close(self, failure: Failure | None) -> None:
        self.ending = (failure,)
        if not self.waiting:
            self._tell()

    # -------------------------------------------------------------- as the owner of who is asked

    def adopt(self, child: Activity) -> None:
        """Keep the asking until it has ended."""
        self.waiting[child.index] = child

    def child_done(self, child: Activity, value: Any) -> None:
        """They decided."""
        del self.waiting[child.index]
        self.kernel.decide("decided by ask", None)
        self._choose(child.index, value)

    def child_skipped(self, child: Activity) -> None:
        """An asking has no chain that could skip it."""
        raise AssertionError("an asking was skipped")

    def child_failed(self, child: Activity, failure: Failure) -> None:
        """Nobody answered: the next rule."""
        del self.waiting[child.index]
        self._go_along(child.index)

    def child_stopped(self, child: Activity) -> None:
        """Stopped, as it was told to."""
        self.waiting.pop(child.index, None)
        if self.ending is not None and not self.waiting:
            self._tell()

    def _stop_rest(self) -> None:
        self.state = SETTLING
        for index in sorted(self.waiting):
            child = self.waiting.get(index)
            if child is not None:
                child.stop()

    def stop(self) -> None:
        """Withdraw the questions."""
        if self.ending is None:
            self._stop_rest()
        self._close(None)
