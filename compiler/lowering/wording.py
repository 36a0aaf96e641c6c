"""Expressions as the spec means them, in one way of writing: what reports quote does not change with the layout."""

from __future__ import annotations

from typing import assert_never

from orchspec.grammar import syntax

__all__ = ["written"]

_LEVELS = {"or": 1, "and": 2, "??": 5, "+": 7, "-": 7, "*": 8, "/": 8}
_NOT, _COMPARISON, _RANGE, _UNARY, _POSTFIX, _ATOM = 3, 4, 6, 9, 10, 11


def written(expr: syntax.Expr) -> str:
    """The expression with one space around operators, no comments, and only the parentheses that it needs.

    Literals stand as they were written.
    """
    return _text(expr)[0]


def _at(expr: syntax.Expr, level: int) -> str:
    text, own = _text(expr)
    return text if own >= level else f"({text})"


def _text(expr: syntax.Expr) -> tuple[str, int]:
    """The text of an expression and how tightly it binds."""
    match expr:
        case syntax.Name(text):
            return text, _ATOM
        case syntax.ListLit(items):
            return f"[{', '.join(written(item) for item in items)}]", _ATOM
        case syntax.RecordLit(entries):
            inner = ", ".join(f"{_key(entry)}: {written(entry.value)}" for entry in entries)
            return (f"{{ {inner} }}" if inner else "{}"), _ATOM
        case syntax.Field(base, name):
            return f"{_at(base, _POSTFIX)}.{name.text}", _POSTFIX
        case syntax.Index(base, index):
            return f"{_at(base, _POSTFIX)}[{written(index)}]", _POSTFIX
        case syntax.Call(callee, args):
            return f"{_at(callee, _POSTFIX)}({', '.join(_argument(arg) for arg in args)})", _POSTFIX
        case syntax.Unary(op, operand):
            return f"{op}{_at(operand, _UNARY)}", _UNARY
        case syntax.Not(operand):
            return f"not {_at(operand, _NOT)}", _NOT
        case syntax.Binary():
            return _binary(expr)
        case syntax.Range(low, high):
            return f"{_at(low, _RANGE + 1)}..{_at(high, _RANGE + 1)}", _RANGE
        case syntax.Hole():
            return "…", _ATOM
        case _:
            return _literal(expr)


def _key(entry: syntax.RecordEntry) -> str:
    return f'"{entry.name.text}"' if entry.quoted else entry.name.text


def _literal(
    expr: syntax.Text
    | syntax.Int
    | syntax.Float
    | syntax.Bool
    | syntax.NoneLit
    | syntax.DurationLit
    | syntax.MoneyLit
    | syntax.PercentLit,
) -> tuple[str, int]:
    match expr:
        case (
            syntax.Text()
            | syntax.Int()
            | syntax.Float()
            | syntax.Bool()
            | syntax.NoneLit()
            | syntax.DurationLit()
            | syntax.MoneyLit()
            | syntax.PercentLit()
        ):
            return expr.span.text, _ATOM
        case _:
            assert_never(expr)


def _binary(expr: syntax.Binary) -> tuple[str, int]:
    level = _LEVELS.get(expr.op, _COMPARISON)
    # All but comparisons, which do not chain, group to the left.
    left_level = level + 1 if level == _COMPARISON else level
    return f"{_at(expr.left, left_level)} {expr.op} {_at(expr.right, level + 1)}", level


def _argument(arg: syntax.Arg) -> str:
    if arg.label is not None:
        return f"{arg.label.text}: {written(arg.value)}"
    if arg.key is not None:
        return f"{written(arg.key)}: {written(arg.value)}"
    return written(arg.value)
