"""Between which values an expression lies, by its type, by the `where` of what it reads, and by where that comes from.

This is told for the text, whatever the params are set to: what depends on a param is not known here. Values are checked
against their constraints when they cross a handoff, so what is told holds in every run. The bounds of a plan know more
(`orchspec.compiler.bounds.shapes`), and no places in the text.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, TypeAlias

from orchspec.compiler.constants import NotConstant, evaluate
from orchspec.compiler.model import BuiltinRef, Checked, ParamRef, Reference, ScopeInfo, Slot, StepInfo
from orchspec.compiler.types import BOOL, FLOAT, INT, JSON, TEXT, ListOf, Optional, RecordOf, is_unknown, required
from orchspec.grammar.source import Span
from orchspec.grammar.syntax import (
    Binary,
    Bool,
    Call,
    DurationLit,
    Expr,
    Field,
    FieldDecl,
    Float,
    For,
    Int,
    Let,
    ListLit,
    MoneyLit,
    Name,
    Node,
    NoneLit,
    Not,
    Parameter,
    PercentLit,
    Range,
    Repeat,
    Scope,
    Step,
    Text,
    Unary,
    walk,
)
from orchspec.slotted import dataclass

__all__ = ["Extent", "compared", "length_of", "limits_of", "settled"]

_DEPTH_MAX: Final = 6
"""So many names are followed to what gives them."""

_Number: TypeAlias = int | float
_LITERALS: Final[Mapping[type[Node], Callable[[Any], _Number]]] = {
    Int: lambda node: node.value,
    Float: lambda node: node.value,
    DurationLit: lambda node: node.us,
    MoneyLit: lambda node: node.pico_usd,
    PercentLit: lambda node: float(node.share),
}


@dataclass(frozen=True, slots=True)
class Extent:
    """The ends between which a number lies, both in; `why` says who says so, `at` where."""

    low: _Number = -math.inf
    high: _Number = math.inf
    why: str = ""
    at: Span | None = None

    @property
    def known(self) -> bool:
        """Whether anything is known."""
        return self.low > -math.inf or self.high < math.inf


_ANY: Final = Extent()
_LENGTH: Final = Extent(0, why="a length is never negative")


# ------------------------------------------------------------------ conditions


def settled(checked: Checked, expr: Expr) -> bool | None:
    """Whether a condition holds, if that is the same in every run whatever the params are set to."""
    match expr:
        case Bool():
            return expr.value
        case Not():
            inner = settled(checked, expr.operand)
            return None if inner is None else not inner
        case Binary() if expr.op in ("and", "or"):
            both = (settled(checked, expr.left), settled(checked, expr.right))
            decisive = expr.op == "or"
            if decisive in both:
                return decisive
            return None if None in both else not decisive
        case Binary() if checked.expr_types.get(expr) is not None and _is_literal(checked, expr):
            try:
                value = evaluate(expr, checked)
            except NotConstant:
                return None
            return value if isinstance(value, bool) else None
    return None


def _is_literal(checked: Checked, expr: Expr) -> bool:
    types, resolved = checked.expr_types, checked.resolved
    return all(
        not isinstance(resolved.get(part), ParamRef | Reference) and not is_unknown(types.get(part, BOOL))
        for part in walk(expr)
    )


def compared(checked: Checked, expr: Binary) -> tuple[bool, Extent] | None:
    """Whether a comparison holds in every run, or in none, and why; none where it may go both ways, or is literal."""
    if expr.op in ("==", "!="):
        side = expr.left if isinstance(expr.right, NoneLit) else expr.right if isinstance(expr.left, NoneLit) else None
        if side is not None:
            kind = checked.expr_types.get(side)
            if kind is None or isinstance(kind, Optional) or is_unknown(kind) or kind == JSON:
                return None
            return expr.op == "!=", Extent(why=f"`{_short(side)}` is never none here")
    if expr.op not in _ORDER:
        return None
    ends = _sides(checked, expr)
    if ends is None:
        return None
    left, right = ends
    if expr.op in ("in", "not in"):
        inside = _in(left, right)
        return None if inside is None else (inside == (expr.op == "in"), left)
    holds = _ORDER[expr.op](left, right)
    return None if holds is None else (holds, left if left.why else right)


def _sides(checked: Checked, expr: Binary) -> tuple[Extent, Extent] | None:
    """The extents of both sides, unless both are literal, or nothing is known of one."""
    if type(expr.left) in _LITERALS and type(expr.right) in _LITERALS:
        return None
    left = _extent(checked, expr.left, 0)
    if not left.known:
        return None
    if isinstance(expr.right, Range):
        low, high = _extent(checked, expr.right.low, 0), _extent(checked, expr.right.high, 0)
        right = Extent(low.low, high.high) if low.low == low.high and high.low == high.high else _ANY
    else:
        right = _extent(checked, expr.right, 0)
    return (left, right) if right.known and (left.why or right.why) else None


def _less(left: Extent, right: Extent) -> bool | None:
    return True if left.high < right.low else False if left.low >= right.high else None


def _at_most(left: Extent, right: Extent) -> bool | None:
    return True if left.high <= right.low else False if left.low > right.high else None


def _equal(left: Extent, right: Extent) -> bool | None:
    return False if left.high < right.low or left.low > right.high else None


def _in(left: Extent, right: Extent) -> bool | None:
    if left.low >= right.low and left.high <= right.high:
        return True
    return _equal(left, right)


def _not(holds: bool | None) -> bool | None:
    return None if holds is None else not holds


_ORDER: Final[Mapping[str, Callable[[Extent, Extent], bool | None]]] = {
    "<": _less,
    "<=": _at_most,
    ">": lambda left, right: _less(right, left),
    ">=": lambda left, right: _at_most(right, left),
    "==": _equal,
    "!=": lambda left, right: _not(_equal(left, right)),
    "in": _in,
    "not in": _in,
}


def _short(expr: Expr) -> str:
    return " ".join(expr.span.text.split())


# ------------------------------------------------------------------ numbers


def _extent(checked: Checked, expr: Expr, depth: int) -> Extent:
    literal = _LITERALS.get(type(expr))
    if literal is not None:
        value = literal(expr)
        return Extent(value, value)
    if depth > _DEPTH_MAX:
        return _ANY
    match expr:
        case Unary():
            inner = _extent(checked, expr.operand, depth + 1)
            return Extent(-inner.high, -inner.low, inner.why, inner.at)
        case Binary():
            return _calculated(checked, expr, depth)
        case Call():
            return _called(checked, expr, depth)
        case Name() | Field():
            limits = _read(checked, expr, depth)
            return limits[0] if isinstance(limits, tuple) else _extent(checked, limits, depth + 1) if limits else _ANY
    return _ANY


def _calculated(checked: Checked, expr: Binary, depth: int) -> Extent:
    if expr.op == "??":
        both = [_extent(checked, side, depth + 1) for side in (expr.left, expr.right)]
        return Extent(min(each.low for each in both), max(each.high for each in both), both[0].why, both[0].at)
    plain = all(checked.expr_types.get(side) in (INT, FLOAT) for side in (expr.left, expr.right))
    if expr.op not in ("+", "-", "*") or not plain:
        return _ANY
    left, right = (_extent(checked, side, depth + 1) for side in (expr.left, expr.right))
    if not left.known or not right.known:
        return _ANY
    why, at = (left.why, left.at) if left.why else (right.why, right.at)
    if expr.op == "+":
        return Extent(left.low + right.low, left.high + right.high, why, at)
    if expr.op == "-":
        return Extent(left.low - right.high, left.high - right.low, why, at)
    ends = (left.low, left.high, right.low, right.high)
    if any(math.isinf(end) for end in ends):
        return _ANY
    products = [one * other for one in (left.low, left.high) for other in (right.low, right.high)]
    return Extent(min(products), max(products), why, at)


def _called(checked: Checked, expr: Call, depth: int) -> Extent:
    found = checked.resolved.get(expr)
    if not isinstance(found, BuiltinRef) or len(expr.args) != 1:
        return _ANY
    if found.name == "len":
        return length_of(checked, expr.args[0].value, depth + 1)
    if found.name == "count":
        items = length_of(checked, expr.args[0].value, depth + 1)
        return Extent(0, items.high, items.why, items.at)
    return Extent(0, why="tokens are never negative") if found.name == "tokens" else _ANY


# ------------------------------------------------------------------ lengths


def length_of(checked: Checked, expr: Expr, depth: int = 0) -> Extent:
    """How many items a list, or characters a text, has at least and at most."""
    if depth > _DEPTH_MAX:
        return _LENGTH
    match expr:
        case ListLit():
            return _counted(len(expr.items), expr.span)
        case Text() if checked.expr_types.get(expr) == TEXT:
            return _counted(len(expr.value), expr.span)
        case Binary() if expr.op == "+":
            left, right = (length_of(checked, side, depth + 1) for side in (expr.left, expr.right))
            return Extent(left.low + right.low, left.high + right.high, left.why, left.at)
        case Field() if isinstance(checked.expr_types.get(expr.base), ListOf):
            return length_of(checked, expr.base, depth + 1)
        case Name() | Field():
            found = checked.resolved.get(expr)
            if isinstance(found, Reference) and isinstance(found.slot.declared, Step | Scope):
                return _given(checked, found.slot, depth)
            if isinstance(found, Reference) and found.slot.kind == "past":
                return _before(found.slot.declared)
            limits = _read(checked, expr, depth)
            if isinstance(limits, tuple):
                return limits[1]
            return length_of(checked, limits, depth + 1) if limits is not None else _LENGTH
    return _LENGTH


def _counted(count: int, at: Span) -> Extent:
    return Extent(count, count, f"it has {count}", at)


def _before(node: Node) -> Extent:
    """How many rounds there were before one of a `repeat`."""
    if isinstance(node, Repeat) and isinstance(node.times, Int):
        return Extent(0, node.times.value - 1, f"there are {node.times.value} rounds", node.times.span)
    return _LENGTH


def _given(checked: Checked, slot: Slot, depth: int) -> Extent:
    """How many results a fan-out, or a step or scope with `for`, gives."""
    declared = slot.declared
    info: StepInfo | ScopeInfo | None = None
    if isinstance(declared, Step):
        info = checked.steps.get(declared)
    elif isinstance(declared, Scope):
        info = checked.scopes.get(declared)
    if info is None or any(link.kind == "use" for link in info.on_failure):
        return _LENGTH
    if info.loop is not None:
        asked = length_of(checked, info.loop.items, depth + 1)
    elif isinstance(info, StepInfo) and info.pattern in ("all", "some"):
        count = info.copies if info.pattern == "some" else len(info.candidates)
        asked = Extent(count, count, f"{count} are asked", info.node.name.span)
    else:
        return _LENGTH
    skips = info.loop is not None and any(link.kind == "skip" for link in info.on_failure)
    if info.need is None and not skips:
        return asked
    return Extent(0, asked.high, asked.why, asked.at)


# ------------------------------------------------------------------ what is read


def _read(checked: Checked, expr: Name | Field, depth: int) -> tuple[Extent, Extent] | Expr | None:
    """What a name or a field is limited to (as a number, and in its length), or the expression that it stands for."""
    found = checked.resolved.get(expr)
    if isinstance(found, ParamRef):
        return limits_of(checked, found.param.node.where, found.param.node.name.text)
    if isinstance(found, Reference):
        declared = found.slot.declared
        if isinstance(declared, Let):
            return declared.value
        if isinstance(declared, Parameter):
            return limits_of(checked, declared.where, declared.name.text)
        if isinstance(declared, For) and isinstance(declared.items, Range) and found.slot.kind == "item":
            low, high = (_extent(checked, end, depth + 1) for end in (declared.items.low, declared.items.high))
            return Extent(low.low, high.high, "it goes over these", declared.items.span), _LENGTH
        return None
    if isinstance(expr, Field):
        kind = required(checked.expr_types.get(expr.base, JSON))
        record = checked.records.get(kind.name) if isinstance(kind, RecordOf) else None
        field = None if record is None else record.field(expr.name.text)
        if field is not None and isinstance(field.node, FieldDecl):
            return limits_of(checked, field.node.where, field.name)
    return None


def limits_of(checked: Checked, where: Expr | None, name: str) -> tuple[Extent, Extent]:
    """Between which values, and between which lengths, a constraint holds what it is about."""
    number, length = _ANY, Extent(0)
    if where is None:
        return _ANY, _LENGTH
    for op, left, right in _conjuncts(where):
        for word, one, other in ((op, left, right), (_MIRRORED.get(op), right, left)):
            if word is None:
                continue
            ends = _ends(word, other)
            if ends is None:
                continue
            if isinstance(one, Name) and one.text == name:
                if checked.expr_types.get(one) == INT:
                    ends = _whole(word, ends)
                number = _both(number, ends, where)
            elif _is_length(checked, one, name):
                length = _both(length, _whole(word, ends), where)
    return number, length if length.at is not None else _LENGTH


def _conjuncts(where: Expr) -> Iterator[tuple[str, Expr, Expr]]:
    pending = [where]
    while pending:
        expr = pending.pop()
        if isinstance(expr, Binary) and expr.op == "and":
            pending += [expr.left, expr.right]
        elif isinstance(expr, Binary):
            yield expr.op, expr.left, expr.right


_MIRRORED: Final = {"<": ">", "<=": ">=", ">": "<", ">=": "<=", "==": "=="}


def _ends(op: str, other: Expr) -> tuple[_Number, _Number] | None:
    """What `x OP other` leaves of x, where the other side is literal."""
    if op == "in" and isinstance(other, Range):
        low, high = _literal(other.low), _literal(other.high)
        return None if low is None or high is None else (low, high)
    value = _literal(other)
    if value is None:
        return None
    if op in (">", ">="):
        return value, math.inf
    if op in ("<", "<="):
        return -math.inf, value
    return (value, value) if op == "==" else None


def _literal(expr: Expr) -> _Number | None:
    if isinstance(expr, Unary):
        inner = _literal(expr.operand)
        return None if inner is None else -inner
    read = _LITERALS.get(type(expr))
    return None if read is None else read(expr)


def _whole(op: str, ends: tuple[_Number, _Number]) -> tuple[_Number, _Number]:
    """The ends of what is counted: beyond 3 begins 4."""
    return ends[0] + (op == ">"), ends[1] - (op == "<")


def _is_length(checked: Checked, expr: Expr, name: str) -> bool:
    if not isinstance(expr, Call) or len(expr.args) != 1:
        return False
    found, arg = checked.resolved.get(expr), expr.args[0].value
    return isinstance(found, BuiltinRef) and found.name == "len" and isinstance(arg, Name) and arg.text == name


def _both(extent: Extent, ends: tuple[_Number, _Number], where: Expr) -> Extent:
    why = f"`where {_short(where)}`"
    return Extent(max(extent.low, ends[0]), min(extent.high, ends[1]), why, where.span)
