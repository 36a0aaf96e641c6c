"""The rules of arbitration: from the candidates to a winner, or to those that the next rule looks at.

Beside each rule stands, where it has one, its *bound*: whether it is certain, before all have come, that it will decide
(whoever else comes, for the same camp), or that it will not. `early` rests on these alone.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from orchspec.runtime.kernel.expressions import Env, compile_expr, value_key
from orchspec.runtime.kernel.frames import Frame
from orchspec.runtime.kernel.program import Program, Seat

if TYPE_CHECKING:
    from orchspec.compiler.plan import Rule

__all__ = ["RULES", "Ballot", "CompiledRule", "Outstanding", "Verdict", "bound", "is_certain", "rule"]


@dataclass(slots=True)
class Ballot:
    """One candidate: its value, who gave it (empty: nobody), and its rank in the order of arrival."""

    value: Any
    giver: str
    order: int


@dataclass(slots=True)
class Verdict:
    """What a rule says: a winner, or the candidates that the next rule looks at."""

    winner: Ballot | None
    left: list[Ballot]


class CompiledRule:
    """A rule with its expressions compiled."""

    __slots__ = ("contract", "expr", "kind", "n", "order", "seat", "within_us")

    def __init__(self, program: Program, source: Rule) -> None:
        self.kind = source.kind
        self.expr = compile_expr(source.expr) if source.expr is not None else None
        self.n = compile_expr(source.n) if source.n is not None else None
        self.order = source.order
        self.seat = Seat(program, source.who) if source.who is not None else None
        self.contract = source.contract
        self.within_us = source.within_us

    def of(self, ballot: Ballot, frame: Frame) -> Any:
        """The rule's expression with the candidate as `it`."""
        assert self.expr is not None
        return self.expr(Env([ballot.value], frame))


RuleFunction = Callable[[CompiledRule, list[Ballot], int, Frame], Verdict]
RULES: dict[str, RuleFunction] = {}


def rule(name: str) -> Callable[[RuleFunction], RuleFunction]:
    """Registers a rule: (rule, candidates in list order, how many were asked, frame) -> verdict."""

    def register(function: RuleFunction) -> RuleFunction:
        RULES[name] = function
        return function

    return register


@rule("first")
def _first(_rule: CompiledRule, ballots: list[Ballot], _asked: int, _frame: Frame) -> Verdict:
    return Verdict(min(ballots, key=lambda ballot: ballot.order), ballots)


def _extreme(the_rule: CompiledRule, ballots: list[Ballot], frame: Frame, sign: int) -> Verdict:
    scored = [(the_rule.of(ballot, frame), ballot) for ballot in ballots]
    scored = [(score, ballot) for score, ballot in scored if score is not None]
    if not scored:
        return Verdict(None, ballots)
    best = max(score for score, _ in scored) if sign > 0 else min(score for score, _ in scored)
    tied = [ballot for score, ballot in scored if score == best]
    return Verdict(tied[0] if len(tied) == 1 else None, tied)


@rule("highest")
def _highest(the_rule: CompiledRule, ballots: list[Ballot], _asked: int, frame: Frame) -> Verdict:
    return _extreme(the_rule, ballots, frame, 1)


@rule("lowest")
def _lowest(the_rule: CompiledRule, ballots: list[Ballot], _asked: int, frame: Frame) -> Verdict:
    return _extreme(the_rule, ballots, frame, -1)


@rule("majority")
def _majority(the_rule: CompiledRule, ballots: list[Ballot], asked: int, frame: Frame) -> Verdict:
    camps: dict[Any, list[Ballot]] = {}
    for ballot in ballots:
        camps.setdefault(value_key(the_rule.of(ballot, frame)), []).append(ballot)
    for camp in camps.values():
        if 2 * len(camp) > asked:
            return Verdict(camp[0], ballots)
    return Verdict(None, ballots)


@rule("unanimous")
def _unanimous(the_rule: CompiledRule, ballots: list[Ballot], asked: int, frame: Frame) -> Verdict:
    opinions = {value_key(the_rule.of(ballot, frame)): None for ballot in ballots}
    agree = len(opinions) == 1 and len(ballots) == asked
    return Verdict(ballots[0] if agree else None, ballots)


@rule("quorum")
def _quorum(the_rule: CompiledRule, ballots: list[Ballot], _asked: int, frame: Frame) -> Verdict:
    assert the_rule.n is not None
    in_favour = [ballot for ballot in ballots if the_rule.of(ballot, frame)]
    enough = in_favour and len(in_favour) >= the_rule.n(frame)
    return Verdict(in_favour[0] if enough else None, ballots)


@rule("priority")
def _priority(the_rule: CompiledRule, ballots: list[Ballot], _asked: int, _frame: Frame) -> Verdict:
    for giver in the_rule.order:
        for ballot in ballots:
            if ballot.giver == giver:
                return Verdict(ballot, ballots)
    return Verdict(None, ballots)


# ------------------------------------------------------------------ bounds


@dataclass(slots=True)
class Outstanding:
    """Who has not come: of `asked`, `lost` never will, and `open_to` are the givers of the others (empty: nobody's)."""

    asked: int
    open_to: list[str]
    lost: int


BoundFunction = Callable[[CompiledRule, list[Ballot], Outstanding, Frame], bool | None]
BOUNDS: dict[str, BoundFunction] = {}


def bound(name: str) -> Callable[[BoundFunction], BoundFunction]:
    """Registers a bound: True, it is certain to decide; False, that it will not; None, that is open."""

    def register(function: BoundFunction) -> BoundFunction:
        BOUNDS[name] = function
        return function

    return register


def is_certain(rules: list[CompiledRule], ballots: list[Ballot], rest: Outstanding, frame: Frame) -> bool:
    """Whether the outcome of a chain of rules is certain: the first that may still decide is certain to."""
    for current in rules:
        certain = BOUNDS.get(current.kind)
        decides = certain(current, ballots, rest, frame) if certain is not None else None
        if decides is not False:
            return bool(decides)
    return True  # nobody decides, whatever comes


@bound("first")
def _first_came(_rule: CompiledRule, ballots: list[Ballot], _rest: Outstanding, _frame: Frame) -> bool | None:
    return True if ballots else None


@bound("stop")
def _stops(_rule: CompiledRule, _ballots: list[Ballot], _rest: Outstanding, _frame: Frame) -> bool | None:
    return True


@bound("ask")
def _asks(the_rule: CompiledRule, ballots: list[Ballot], _rest: Outstanding, _frame: Frame) -> bool | None:
    # Who is shown the candidates must see all of them; who does the work again looks at none.
    return True if ballots and the_rule.contract is None else None


@bound("majority")
def _majority_certain(the_rule: CompiledRule, ballots: list[Ballot], rest: Outstanding, frame: Frame) -> bool | None:
    camps: dict[Any, int] = {}
    for ballot in ballots:
        key = value_key(the_rule.of(ballot, frame))
        camps[key] = camps.get(key, 0) + 1
    most = max(camps.values(), default=0)
    if 2 * most > rest.asked:
        return True
    return False if 2 * (most + len(rest.open_to)) <= rest.asked else None


@bound("unanimous")
def _unanimous_certain(the_rule: CompiledRule, ballots: list[Ballot], rest: Outstanding, frame: Frame) -> bool | None:
    opinions = {value_key(the_rule.of(ballot, frame)): None for ballot in ballots}
    return False if len(opinions) > 1 or rest.lost else None


@bound("quorum")
def _quorum_certain(the_rule: CompiledRule, ballots: list[Ballot], rest: Outstanding, frame: Frame) -> bool | None:
    assert the_rule.n is not None
    needed = max(1, the_rule.n(frame))
    in_favour = sum(1 for ballot in ballots if the_rule.of(ballot, frame))
    if in_favour >= needed:
        return True
    return False if in_favour + len(rest.open_to) < needed else None


@bound("priority")
def _priority_certain(the_rule: CompiledRule, ballots: list[Ballot], rest: Outstanding, _frame: Frame) -> bool | None:
    came = {ballot.giver: None for ballot in ballots}
    for giver in the_rule.order:
        if giver in came:
            return True
        if giver in rest.open_to:
            return None
    return False
