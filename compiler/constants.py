"""Values that are known before a run: literals, params and what is computed from them.

The values are inner values (see `model`). Only typed expressions are evaluated; what they mean is what the kernel makes
of the same expression at run time: exact Money and Duration rounded half to even, Ints of 64 bits.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from decimal import Decimal
from fractions import Fraction
from typing import Any

from orchspec.compiler.edges import edge_value
from orchspec.compiler.model import BuiltinRef, Checked, MemberRef, ParamRef, Reference, Slot
from orchspec.compiler.types import (
    BOOL,
    DURATION,
    FLOAT,
    INT,
    MONEY,
    PERCENT,
    RATE,
    TEXT,
    EnumOf,
    ListOf,
    Optional,
    Type,
    required,
)
from orchspec.grammar.syntax import (
    Binary,
    Bool,
    Call,
    DurationLit,
    Expr,
    Field,
    Float,
    Index,
    Int,
    ListLit,
    MoneyLit,
    NoneLit,
    Not,
    PercentLit,
    Range,
    RecordLit,
    Text,
    Unary,
)

__all__ = ["NotConstant", "evaluate", "written"]

_WHOLE = frozenset({INT, MONEY, DURATION})
_RANGE_ITEMS_MAX = 100_000
_CENT_PICO = 10**10


class NotConstant(Exception):
    """An expression has no value before a run; the message says why."""

    code = "not_constant"


def evaluate(expr: Expr, checked: Checked, values: Mapping[Slot, Any] | None = None) -> Any:
    """The inner value of a typed expression; `values` are those of slots that are known.

    Raises NotConstant where it reads what is not known, or cannot be computed.
    """
    value = _evaluate(expr, checked, values or {})
    if expr in checked.edged:
        return edge_value(checked, value, checked.expr_types[expr])
    return float(value) if expr in checked.floats and value is not None else value


def _evaluate(expr: Expr, checked: Checked, values: Mapping[Slot, Any]) -> Any:
    match expr:
        case Int() | Float() | Bool():
            return expr.value
        case Text():
            return checked.moments.get(expr, expr.value)
        case NoneLit():
            return None
        case DurationLit():
            return expr.us
        case MoneyLit():
            return expr.pico_usd
        case PercentLit():
            return float(expr.share)
        case ListLit():
            return [evaluate(item, checked, values) for item in expr.items]
        case RecordLit():
            return _record(expr, checked, values)
        case Unary():
            return _negative(evaluate(expr.operand, checked, values))
        case Not():
            return not evaluate(expr.operand, checked, values)
        case Range():
            return _range(evaluate(expr.low, checked, values), evaluate(expr.high, checked, values))
        case Binary():
            return _binary(expr, checked, values)
        case Field():
            return _field(expr, checked, values)
        case Index():
            return _index(evaluate(expr.base, checked, values), evaluate(expr.index, checked, values))
        case Call():
            return _call(expr, checked, values)
        case _:
            return _named(expr, checked, values)


def _negative(value: Any) -> Any:
    if not isinstance(value, int | float):
        raise NotConstant("it cannot be computed")
    return -value


def _named(expr: Expr, checked: Checked, values: Mapping[Slot, Any]) -> Any:
    match checked.resolved.get(expr):
        case ParamRef(param) if param.known:
            return param.value
        case Reference(slot, _) if slot in values:
            return values[slot]
        case _:
            raise NotConstant(f"`{expr.span.text}` is known in a run only")


def _field(expr: Field, checked: Checked, values: Mapping[Slot, Any]) -> Any:
    found = checked.resolved.get(expr)
    if isinstance(found, MemberRef):
        return found.member
    if isinstance(found, ParamRef):
        return _named(expr, checked, values)
    base = evaluate(expr.base, checked, values)
    if isinstance(base, list):
        return [_read(item, expr.name.text) for item in base]
    return None if base is None else _read(base, expr.name.text)


def _read(record: Any, name: str) -> Any:
    if not isinstance(record, dict):
        raise NotConstant("it cannot be computed")  # of another type than was declared, which was reported
    return record.get(name)


def _index(base: Any, index: Any) -> Any:
    try:
        if isinstance(base, list) and index < 0:
            raise IndexError
        return base[index]
    except (IndexError, KeyError, TypeError):
        raise NotConstant(f"there is no item {index!r}") from None


def _record(expr: RecordLit, checked: Checked, values: Mapping[Slot, Any]) -> dict[str, Any]:
    parts = checked.literals.get(expr)
    if parts is None:
        return {entry.name.text: evaluate(entry.value, checked, values) for entry in expr.entries}
    record: dict[str, Any] = {}
    known: dict[Slot, Any] = dict(values)
    for field, value in parts:
        given = field.node.default if value is None else value
        record[field.name] = None if given is None else evaluate(given, checked, known)
        known[field.slot] = record[field.name]
    return record


def _range(low: Any, high: Any) -> list[int]:
    if not isinstance(low, int) or not isinstance(high, int):
        raise NotConstant("a range of these is no list")
    if high - low >= _RANGE_ITEMS_MAX:
        raise NotConstant(f"the range has more than {_RANGE_ITEMS_MAX} items")
    return list(range(low, high + 1))


_COMPARE: Mapping[str, Callable[[Any, Any], bool]] = {
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
    "==": lambda a, b: a == b,
    "!=": lambda a, b: a != b,
}


def _binary(expr: Binary, checked: Checked, values: Mapping[Slot, Any]) -> Any:
    left = evaluate(expr.left, checked, values)
    match expr.op:
        case "and":
            return left and evaluate(expr.right, checked, values)
        case "or":
            return left or evaluate(expr.right, checked, values)
        case "??":
            return evaluate(expr.right, checked, values) if left is None else left
        case "in" | "not in":
            return _contains(left, expr.right, checked, values) == (expr.op == "in")
    right = evaluate(expr.right, checked, values)
    try:
        if expr.op in _COMPARE:
            return _COMPARE[expr.op](left, right)
        return _calculate(expr, left, right, checked)
    except ZeroDivisionError:
        raise NotConstant("it divides by zero") from None
    except (TypeError, ValueError, OverflowError):
        raise NotConstant("it cannot be computed") from None


def _contains(value: Any, within: Expr, checked: Checked, values: Mapping[Slot, Any]) -> bool:
    try:
        if isinstance(within, Range):
            return bool(evaluate(within.low, checked, values) <= value <= evaluate(within.high, checked, values))
        return value in evaluate(within, checked, values)
    except TypeError:
        raise NotConstant("it cannot be computed") from None


def _calculate(expr: Binary, left: Any, right: Any, checked: Checked) -> Any:
    if expr.op == "+" and isinstance(left, str | list):
        return left + right
    kind = required(checked.expr_types[expr])
    kinds = {required(checked.expr_types[part]) for part in (expr.left, expr.right)}
    one, other = Fraction(left), Fraction(right)
    match expr.op:
        case "+":
            exact = one + other
        case "-":
            exact = one - other
        case "*":
            exact = one * other
            if kinds == {RATE, DURATION}:
                exact /= 1_000_000
        case _:
            exact = one / other
            if kind == RATE and DURATION in kinds:
                exact *= 1_000_000
    if kind in _WHOLE:
        whole = round(exact)
        if kind == INT and not -(2**63) <= whole < 2**63:
            raise NotConstant("the result does not fit 64 bits")
        return whole
    return float(exact)


def _call(expr: Call, checked: Checked, values: Mapping[Slot, Any]) -> Any:
    found = checked.resolved.get(expr)
    if not isinstance(found, BuiltinRef):
        raise NotConstant(f"`{expr.span.text}` is known in a run only")
    arguments = [evaluate(arg.value, checked, values) for arg in expr.args]
    rule = _FUNCTIONS.get(found.name)
    if rule is None:
        raise NotConstant(f"{found.name}() is computed in a run only")
    try:
        return rule(*arguments)
    except (TypeError, ValueError, OverflowError):
        raise NotConstant("it cannot be computed") from None


_FUNCTIONS: Mapping[str, Callable[..., Any]] = {
    "len": len,
    "min": lambda items: min(items, default=None),
    "max": lambda items: max(items, default=None),
    "sum": lambda items: math.fsum(items) if any(isinstance(item, float) for item in items) else sum(items),
    "any": any,
    "all": all,
    "keys": sorted,
    "upper": str.upper,
    "lower": str.lower,
    "round": round,
}


def written(value: Any, kind: Type) -> str:
    """An inner value as a spec writes it, for messages."""
    if value is None:
        return "none"
    match kind:
        case Optional(inner):
            return written(value, inner)
        case ListOf(item):
            return "[" + ", ".join(written(part, item) for part in value) + "]"
        case EnumOf(name):
            return f"{name}.{value}"
    if kind == MONEY:
        amount = Decimal(value).scaleb(-12).normalize()
        return f"${amount:.2f}" if value % _CENT_PICO == 0 else f"${amount:f}"
    if kind == DURATION:
        return _duration(value)
    if kind == PERCENT:
        return f"{value * 100:g}%"
    if kind == BOOL:
        return "true" if value else "false"
    if kind == TEXT:
        return f'"{value}"'
    return f"{value:g} / 1s" if kind == RATE else repr(value) if kind in {INT, FLOAT} else str(value)


def _duration(us: int) -> str:
    for unit, size in (("d", 86_400_000_000), ("h", 3_600_000_000), ("min", 60_000_000), ("s", 1_000_000)):
        if us and us % size == 0:
            return f"{us // size}{unit}"
    return f"{us / 1000:g}ms"
