"""What `where` and `ensures` demand of a value that is yet to be made, read off their expressions.

A condition is taken apart into demands on single places of the value, each with another side that can be evaluated
before that place is made: a constant, the inputs, or places made earlier. `and` gives the demands of both sides, `or`
those of the first side that can be met so, `not` turns a comparison round. Forms that are understood, P being a place
(`result.confidence`, in a `where` the field itself):

    P op E, E op P            a bound, or the value itself         P in a..b, P in [..], P in E
    len(P) op E, len(P) in    a bound of the length                E in P      a text or list that holds E
    P, not P                  of a Bool                            all(P.field)  each item's field is true

Anything else demands nothing here: whoever writes it gives the field a distribution that meets it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from orchspec.compiler.plan import Expr, Plan, TypeExpr
from orchspec.runtime.kernel.expressions import Compiled, Env, ExpressionError, compile_expr, operands_of, reads

__all__ = ["EACH", "Demand", "Frames", "Op", "Reader", "demands"]

EACH = "[]"
"""The part of a path that stands for each item of a list."""

Op: TypeAlias = Literal["eq", "ne", "lt", "le", "gt", "ge", "in", "has"]
Frames: TypeAlias = list[Env]
"""The frames while a value is made: that of `ensures` or of a flow's parameters, then one for each record around."""

_FLIPPED: dict[str, Op] = {"eq": "eq", "ne": "ne", "lt": "gt", "le": "ge", "gt": "lt", "ge": "le"}
_NEGATED: dict[str, Op] = {"eq": "ne", "ne": "eq", "lt": "ge", "le": "gt", "gt": "le", "ge": "lt"}


@dataclass(frozen=True, slots=True)
class Demand:
    """The value at `path`, or its length, must stand in relation `op` to what `other` gives.

    `constant` says that `other` reads nothing, so that it may be evaluated once.
    """

    path: tuple[str, ...]
    length: bool
    op: Op
    other: Callable[[Frames], Any]
    constant: bool

    def below(self) -> Demand:
        """The same demand, seen from the place that the first part of the path leads to."""
        return Demand(self.path[1:], self.length, self.op, self.other, self.constant)


class Reader:
    """How the expressions of one frame name places: which slot is what, and in which order places are made.

    Args:
        plan: for the records that paths lead through.
        level: which of the frames the expressions are evaluated in.
        slots: for each slot of that frame, the path it begins, or None for what is there before anything is made.
        types: the types of the slots.
        order: names of the topmost fields in the order of making, which may be changed (see `prepare`).
    """

    def __init__(
        self,
        plan: Plan,
        level: int,
        slots: Sequence[tuple[str, ...] | None],
        types: Sequence[TypeExpr],
        order: list[str],
    ) -> None:
        self.plan = plan
        self.level = level
        self.slots = slots
        self.types = types
        self.order = order

    def path(self, expr: Expr) -> tuple[str, ...] | None:
        """The place an expression names; None if it names none, or one that is there already."""
        op = expr[0]
        if op == "ref":
            return self.slots[expr[2]] if expr[1] == 0 and expr[2] < len(self.slots) else None
        if op == "float":
            return self.path(expr[1])
        if op in {"field", "field?", "project", "project?"}:
            inner = self.path(expr[1])
            if inner is None:
                return None
            return (*inner, EACH, expr[2]) if op.startswith("project") else (*inner, expr[2])
        return None

    def rank(self, path: tuple[str, ...]) -> tuple[int, ...]:
        """When a place is made, as numbers that compare like the times of making."""
        head = self.order.index(path[0]) if path and path[0] in self.order else 0
        ranks = [head]
        type_ = self._type(path[:1])
        for part in path[1:]:
            type_ = _plain(type_)
            if part == EACH or not isinstance(type_, list) or type_[0] != "Record":
                break
            names = [field.name for field in self.plan.types[type_[1]].fields]
            if part not in names:
                break
            ranks.append(names.index(part))
            type_ = self.plan.types[type_[1]].fields[names.index(part)].type
        return tuple(ranks)

    def _type(self, path: tuple[str, ...]) -> TypeExpr:
        for slot, type_ in zip(self.slots, self.types, strict=True):
            if slot == path:
                return type_
            if slot == () and path:
                whole = _plain(type_)
                if isinstance(whole, list) and whole[0] == "Record":
                    return next((f.type for f in self.plan.types[whole[1]].fields if f.name == path[0]), "Nothing")
        return "Nothing"

    def places(self, expr: Expr) -> list[tuple[str, ...]]:
        """All places that an expression reads, lists as wholes."""
        found = self.path(expr)
        if found is not None:
            return [found[: found.index(EACH)] if EACH in found else found]
        return [place for part in operands_of(expr) for place in self.places(part)]

    def ready(self, expr: Expr, target: tuple[str, ...]) -> bool:
        """Whether an expression can be evaluated just before `target` is made."""
        rank = self.rank(target)
        return all(place != target[: len(place)] and self.rank(place) < rank for place in self.places(expr))

    def prepare(self, conditions: Sequence[Expr]) -> None:
        """Puts a field that is given by others (`total == a + b`) behind them in the order of making."""
        for condition in conditions:
            for part in _conjuncts(condition):
                if part[0] != "eq":
                    continue
                for one, other in ((part[1], part[2]), (part[2], part[1])):
                    target = self.path(one)
                    heads = [place[0] for place in self.places(other) if place and place[0] in self.order]
                    if target and target[0] in self.order and heads and target[0] not in heads:
                        if self.path(other) is None:
                            last = max(self.order.index(head) for head in heads)
                            if self.order.index(target[0]) < last:
                                self.order.remove(target[0])
                                self.order.insert(last, target[0])
                        break


def _plain(type_: TypeExpr) -> TypeExpr:
    while isinstance(type_, list) and type_[0] == "Option":
        type_ = type_[1]
    return type_


def _conjuncts(expr: Expr) -> list[Expr]:
    return [*_conjuncts(expr[1]), *_conjuncts(expr[2])] if expr[0] == "and" else [expr]


def demands(conditions: Sequence[Expr], reader: Reader) -> list[Demand]:
    """The demands of some conditions, as far as they have a form that is understood."""
    reader.prepare(conditions)
    found: list[Demand] = []
    for condition in conditions:
        for part in _conjuncts(condition):
            found += _demand(part, reader) or []
    return found


def _demand(expr: Expr, reader: Reader) -> list[Demand] | None:
    """The demands of one condition; None if it cannot be met by demands."""
    op = expr[0]
    if op == "and":
        left, right = _demand(expr[1], reader), _demand(expr[2], reader)
        return None if left is None or right is None else left + right
    if op == "or":
        return _demand(expr[1], reader) or _demand(expr[2], reader)
    if op == "not":
        return _negation(expr[1], reader)
    if op == "in":
        return _membership(expr[1], expr[2], reader)
    if op in _FLIPPED:
        return _comparison(op, expr[1], expr[2], reader)
    if op == "call" and expr[1] == "all" and len(expr[2]) == 1:
        path = reader.path(expr[2][0])
        return None if path is None or EACH not in path else [_is(path, value=True)]
    path = reader.path(expr)
    return None if path is None or EACH in path else [_is(path, value=True)]


def _is(path: tuple[str, ...], *, value: bool) -> Demand:
    return Demand(path, length=False, op="eq", other=lambda _frames: value, constant=True)


def _negation(expr: Expr, reader: Reader) -> list[Demand] | None:
    if expr[0] in _NEGATED:
        return _comparison(_NEGATED[expr[0]], expr[1], expr[2], reader)
    if expr[0] == "not":
        return _demand(expr[1], reader)
    path = reader.path(expr)
    return None if path is None or EACH in path else [_is(path, value=False)]


def _target(expr: Expr, reader: Reader) -> tuple[tuple[str, ...], bool] | None:
    length = expr[0] == "call" and expr[1] == "len" and len(expr[2]) == 1
    path = reader.path(expr[2][0] if length else expr)
    if path is None:
        return None
    if EACH in path:
        return (path[: path.index(EACH)], True) if length and path.count(EACH) == 1 else None
    return path, length


def _comparison(op: Any, left: Expr, right: Expr, reader: Reader) -> list[Demand] | None:
    for one, other, relation in ((left, right, op), (right, left, _FLIPPED[op])):
        target = _target(one, reader)
        if target is not None and reader.ready(other, target[0]):
            return [_side(target, relation, other, reader)]
    return None


def _membership(left: Expr, right: Expr, reader: Reader) -> list[Demand] | None:
    target = _target(left, reader)
    if target is not None and right[0] == "range":
        if reader.ready(right[1], target[0]) and reader.ready(right[2], target[0]):
            return [_side(target, "ge", right[1], reader), _side(target, "le", right[2], reader)]
        return None
    if target is not None and not target[1] and reader.ready(right, target[0]):
        return [_side(target, "in", right, reader)]
    if right[0] == "call" and right[1] in ("lower", "upper"):
        right = right[2][0]  # what holds a text in small letters holds it there too, when put into small letters
    holder = _target(right, reader) if right[0] != "range" else None
    if holder is not None and not holder[1] and reader.ready(left, holder[0]):
        return [_side(holder, "has", left, reader)]
    return None


def _side(target: tuple[tuple[str, ...], bool], op: Op, expr: Expr, reader: Reader) -> Demand:
    run, level = compile_expr(expr), reader.level
    if not reads(expr):
        value = _constant(run)
        return Demand(*target, op, lambda _frames: value, constant=True)
    return Demand(*target, op, lambda frames: run(frames[level]), constant=False)


def _constant(run: Compiled) -> Any:
    try:
        return run(Env([]))
    except ExpressionError:
        return None
