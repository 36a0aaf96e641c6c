"""The types of operators: logic, comparison, membership, arithmetic, joining and the choice for none."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchspec.compiler.codes import types as codes
from orchspec.compiler.context import Env
from orchspec.compiler.narrowing import facts, facts_without
from orchspec.compiler.report import replace
from orchspec.compiler.suggestions import NOTHING
from orchspec.compiler.types import (
    BOOL,
    DURATION,
    FLOAT,
    INT,
    MONEY,
    PERCENT,
    RATE,
    TEXT,
    TIME,
    UNKNOWN,
    URL,
    ListOf,
    MapOf,
    Optional,
    Round,
    Type,
    Unknown,
    is_unknown,
    optional,
    required,
    show,
    unify,
)
from orchspec.grammar.syntax import Binary, Expr, Int, ListLit, Name, NoneLit, Not, Range, RecordLit, Text, Unary

if TYPE_CHECKING:
    from orchspec.compiler.expressions import Typer

__all__ = ["ORDERED", "binary", "negation", "negative", "range_of"]

ORDERED = frozenset({INT, FLOAT, MONEY, DURATION, TIME, PERCENT, RATE, TEXT})
"""The types whose values are less or more than each other."""

_NUMBERS = frozenset({INT, FLOAT})
_SCALES = frozenset({INT, FLOAT, PERCENT})
_SIGNED = frozenset({INT, FLOAT, MONEY, DURATION, PERCENT, RATE})
_ALIKE = _SIGNED | {TIME}


def negation(typer: Typer, node: Not, env: Env) -> Type:
    """`not a`."""
    typer.truth(node.operand, env, "what `not` turns")
    return BOOL


def negative(typer: Typer, node: Unary, env: Env) -> Type:
    """`-a`."""
    found = typer.some(node.operand, env, "the operand of `-`")
    if isinstance(required(found), Unknown) or found in _SIGNED:
        return found
    typer.report.add(codes.OPERAND_TYPES, node, op="-", found=show(found))
    return UNKNOWN


def range_of(typer: Typer, node: Range, env: Env) -> Type:
    """`a..b` where a list is meant: of the whole numbers from a to b."""
    low, high = _ends(typer, node, env)
    if is_unknown(low) or is_unknown(high):
        return ListOf(INT)
    if low != INT or high != INT:
        typer.report.add(
            codes.OPERAND_TYPES,
            node,
            op="..",
            found=f"{show(low)} and {show(high)}",
            notes=["as a list it takes two Ints; after `in`, any two values that have an order"],
        )
        return UNKNOWN
    return ListOf(INT)


def _ends(typer: Typer, node: Range, env: Env) -> tuple[Type, Type]:
    low = typer.some(node.low, env, "the low end of the range")
    high = typer.some(node.high, env, "the high end of the range")
    return low, high


def binary(typer: Typer, node: Binary, env: Env, hint: Type | None) -> Type:
    """`a op b`."""
    match node.op:
        case "and" | "or":
            return _logic(typer, node, env)
        case "==" | "!=":
            return _equality(typer, node, env)
        case "<" | "<=" | ">" | ">=":
            return _order(typer, node, env)
        case "in" | "not in":
            return _membership(typer, node, env)
        case "??":
            return _default(typer, node, env, hint)
        case _:
            return _arithmetic(typer, node, env, hint)


def _logic(typer: Typer, node: Binary, env: Env) -> Type:
    typer.truth(node.left, env, f"the left side of `{node.op}`")
    known = (facts if node.op == "and" else facts_without)(node.left, typer.checked.resolved)
    typer.truth(node.right, env.knowing(known), f"the right side of `{node.op}`")
    return BOOL


def _refuse(typer: Typer, node: Binary, left: Type, right: Type) -> None:
    op = node.op
    typer.report.add(codes.OPERAND_TYPES, node, op=op, found=f"{show(left)} and {show(right)}")


def _untold(left: Type, right: Type) -> bool:
    """Whether too little is known of two types to say that they do not go together: a list and a number never do."""
    one, other = required(left), required(right)
    if isinstance(one, Unknown) or isinstance(other, Unknown):
        return True
    return type(one) is type(other) and (is_unknown(one) or is_unknown(other))


def _widen(typer: Typer, left: Expr, right: Expr) -> None:
    """Marks the Int of an Int and a Float as converted."""
    kinds = typer.checked.expr_types
    for one, other in ((left, right), (right, left)):
        if kinds.get(one) == INT and kinds.get(other) == FLOAT:
            typer.checked.floats.add(one)


def _both(typer: Typer, node: Binary, env: Env) -> tuple[Type, Type]:
    """Both operands; a literal takes its type from the other side."""
    op = node.op
    if isinstance(node.left, Text | ListLit | RecordLit) and not isinstance(node.right, Text | ListLit | RecordLit):
        right = typer.some(node.right, env, f"the right side of `{op}`")
        return typer.some(node.left, env, f"the left side of `{op}`", right), right
    left = typer.some(node.left, env, f"the left side of `{op}`")
    return left, typer.some(node.right, env, f"the right side of `{op}`", left)


def _is_nothing(expr: Expr) -> bool:
    """Whether `none` is meant; what is called so elsewhere is reported as an unknown name, and that is enough."""
    return isinstance(expr, NoneLit) or (isinstance(expr, Name) and expr.text.lower() in NOTHING)


def _equality(typer: Typer, node: Binary, env: Env) -> Type:
    if _is_nothing(node.left) or _is_nothing(node.right):
        typer.infer(node.left, env)
        typer.infer(node.right, env)
        return BOOL
    left, right = _both(typer, node, env)
    if not _untold(left, right):
        if unify(left, right) is None or isinstance(left, Round):
            _refuse(typer, node, left, right)
        else:
            _widen(typer, node.left, node.right)
    return BOOL


def _order(typer: Typer, node: Binary, env: Env) -> Type:
    left, right = _both(typer, node, env)
    if _untold(left, right):
        return BOOL
    if unify(left, right) is None or left not in ORDERED:
        _refuse(typer, node, left, right)
    else:
        _widen(typer, node.left, node.right)
    return BOOL


def _membership(typer: Typer, node: Binary, env: Env) -> Type:
    if isinstance(node.right, Range):
        left = typer.some(node.left, env, "the left side of `in`")
        low, high = _ends(typer, node.right, env)
        typer.checked.expr_types[node.right] = ListOf(left)
        if is_unknown(left) or is_unknown(low) or is_unknown(high):
            return BOOL
        if left not in ORDERED or unify(left, low) is None or unify(left, high) is None:
            of = f"{show(low)}..{show(high)}"
            typer.report.add(codes.OPERAND_TYPES, node, op="in", found=f"{show(left)} and {of}")
            return BOOL
        for end in (node.right.low, node.right.high):
            _widen(typer, node.left, end)
        return BOOL
    right = typer.some(node.right, env, "the right side of `in`")
    hint = right.item if isinstance(right, ListOf) else None
    left = typer.some(node.left, env, "the left side of `in`", hint)
    if left == TEXT and right in (TEXT, URL):
        return BOOL  # whether the one stands anywhere in the other
    if isinstance(required(left), Unknown) or _untold(left, right.item if isinstance(right, ListOf) else right):
        return BOOL
    if not isinstance(right, ListOf) or unify(left, required(right.item)) is None:
        keys = f"keys({node.right.span.text})"
        fix = replace(node.right, keys) if isinstance(right, MapOf) and left == TEXT else None
        found = f"{show(left)} and {show(right)}"
        typer.report.add(codes.OPERAND_TYPES, node, op=node.op, found=found, fix=fix)
    return BOOL


def _default(typer: Typer, node: Binary, env: Env, hint: Type | None) -> Type:
    left = typer.infer(node.left, env, hint)
    right = typer.infer(node.right, env, left if not is_unknown(left) else hint)
    if is_unknown(left):
        return right
    if not isinstance(left, Optional):
        # What was narrowed, or became certain since, is no mistake: the right side is merely never used.
        typer.report.add(codes.USELESS_DEFAULT, node, found=show(left))
        return left
    both = unify(left.inner, required(right))
    if both is None:
        if not is_unknown(right):
            _refuse(typer, node, left, right)
        return UNKNOWN
    if both == FLOAT:
        if left.inner == INT:
            typer.checked.floats.add(node.left)
        if required(right) == INT:
            typer.checked.floats.add(node.right)
    return optional(both) if isinstance(right, Optional) else both


# ------------------------------------------------------------------ arithmetic


def _arithmetic(typer: Typer, node: Binary, env: Env, hint: Type | None) -> Type:
    op = node.op
    lists = hint if hint is not None and isinstance(required(hint), ListOf) else None
    left = typer.some(node.left, env, f"the left side of `{op}`", lists)
    right = typer.some(node.right, env, f"the right side of `{op}`", left if isinstance(left, ListOf) else None)
    if isinstance(left, ListOf) and isinstance(right, ListOf) and op == "+":
        joined = unify(left, right)
        if joined is None:
            _refuse(typer, node, left, right)
        return joined or UNKNOWN
    if isinstance(required(left), Unknown) or isinstance(required(right), Unknown):
        return UNKNOWN
    result = _result(op, left, right)
    if result is None:
        _refuse(typer, node, left, right)
        return UNKNOWN
    if left in _NUMBERS and right in _NUMBERS:
        _widen(typer, node.left, node.right)
    if op == "/" and _is_zero(node.right):
        typer.report.absent(
            codes.OPERAND_TYPES,
            node,
            reach="statement",
            op=op,
            found=f"{show(left)} and 0",
            notes=["nothing divides by zero"],
        )
        return UNKNOWN
    return result


def _is_zero(expr: Expr) -> bool:
    return isinstance(expr, Int) and expr.value == 0


def _result(op: str, left: Type, right: Type) -> Type | None:
    if left in _NUMBERS and right in _NUMBERS:
        return INT if op != "/" and left == right == INT else FLOAT
    match op:
        case "+":
            return _sum(left, right)
        case "-":
            return _difference(left, right)
        case "*":
            return _product(left, right) or _product(right, left)
        case _:
            return _quotient(left, right)


def _sum(left: Type, right: Type) -> Type | None:
    if left == right and (left in _SIGNED or left == TEXT):
        return left
    return TIME if {left, right} == {TIME, DURATION} else None


def _difference(left: Type, right: Type) -> Type | None:
    if left == right and left in _ALIKE:
        return DURATION if left == TIME else left
    return TIME if (left, right) == (TIME, DURATION) else None


def _product(left: Type, right: Type) -> Type | None:
    if left in {MONEY, DURATION, RATE} and right in _SCALES:
        return left
    if left == PERCENT and right in _SCALES:
        return FLOAT
    return FLOAT if (left, right) == (RATE, DURATION) else None


def _quotient(left: Type, right: Type) -> Type | None:
    if left in {MONEY, DURATION, RATE} and right in _SCALES:
        return left
    if left == right and left in {MONEY, DURATION, PERCENT, RATE}:
        return FLOAT
    if left in _NUMBERS and right == DURATION:
        return RATE
    return FLOAT if left in _SCALES and right in _SCALES else None
