"""Expressions of a checked spec become expressions of a plan.

Everything was resolved and typed by the checks; what is decided here is only which operation of the plan says the same:
`field`, `field?`, `project` or `project?` by the type of the base, `add` or `concat` by the type of the sum, and that
what is known is a `const`.
"""

from __future__ import annotations

from typing import Any, assert_never

from orchspec.compiler.constants import evaluate
from orchspec.compiler.edges import edge_form
from orchspec.compiler.model import (
    Argument,
    BuiltinRef,
    Checked,
    FactRef,
    GiverRef,
    MemberRef,
    MissingRef,
    ParamRef,
    Reference,
)
from orchspec.compiler.plan import Expr as PlanExpr
from orchspec.compiler.types import DURATION, TEXT, URL, ListOf, MapOf, Optional, Scalar, Type, required
from orchspec.grammar import syntax

__all__ = ["lower_arguments", "lower_default", "lower_expression", "lower_optional"]

_COMPARISONS = {"==": "eq", "!=": "ne", "<": "lt", "<=": "le", ">": "gt", ">=": "ge", "in": "in"}
_LOGIC = {"and": "and", "or": "or", "??": "default"}
_ARITHMETIC = {"+": "add", "-": "sub", "*": "mul", "/": "div"}
_WHOLE = frozenset({"Money", "Duration", "Time"})

_SECOND_US = 1_000_000


def lower_optional(checked: Checked, expr: syntax.Expr | None) -> PlanExpr | None:
    """The expression of the plan, or none for none."""
    return None if expr is None else lower_expression(checked, expr)


def lower_expression(checked: Checked, expr: syntax.Expr) -> PlanExpr:
    """The expression of the plan that means the same, evaluated in the same frame."""
    lowered = _plain(checked, expr)
    if expr in checked.floats:
        return ["const", float(lowered[1])] if lowered[0] == "const" else ["float", lowered]
    return _at_edge(checked, expr, lowered) if expr in checked.edged else lowered


def _at_edge(checked: Checked, expr: syntax.Expr, lowered: PlanExpr) -> PlanExpr:
    form = edge_form(checked, checked.expr_types[expr])
    return lowered if form is None else ["edge", form, lowered]


def _plain(checked: Checked, expr: syntax.Expr) -> PlanExpr:
    match expr:
        case syntax.Name():
            return _name(checked, expr)
        case syntax.Text(value):
            symbol = checked.resolved.get(expr)
            return ["const", symbol.member if isinstance(symbol, MemberRef) else value]
        case syntax.Int(value) | syntax.Float(value) | syntax.Bool(value):
            return ["const", value]
        case syntax.NoneLit():
            return ["const", None]
        case syntax.DurationLit(us):
            return ["const", us]
        case syntax.MoneyLit(pico):
            return ["const", pico]
        case syntax.PercentLit(share):
            return ["const", float(share)]
        case syntax.ListLit(items):
            return ["list", [lower_expression(checked, item) for item in items]]
        case syntax.RecordLit():
            return _record(checked, expr)
        case syntax.Field():
            return _field(checked, expr)
        case syntax.Index():
            return _index(checked, expr)
        case syntax.Call():
            return _call(checked, expr)
        case syntax.Unary():
            return _negative(lower_expression(checked, expr.operand))
        case syntax.Not(operand):
            return ["not", lower_expression(checked, operand)]
        case syntax.Binary():
            return _binary(checked, expr)
        case syntax.Range(low, high):
            return ["range", lower_expression(checked, low), lower_expression(checked, high)]
        case syntax.Hole():
            raise AssertionError("a spec with a hole has errors and is never lowered")
        case _:
            assert_never(expr)


def _name(checked: Checked, expr: syntax.Name) -> PlanExpr:
    symbol = checked.resolved[expr]
    if isinstance(symbol, Reference):
        return ["ref", symbol.up, symbol.slot.index]
    if isinstance(symbol, MemberRef):
        return ["const", symbol.member]
    if isinstance(symbol, FactRef):
        return ["const", symbol.name] if symbol.status else ["fact", symbol.name, symbol.target]
    assert isinstance(symbol, ParamRef), f"{expr.text} is no value"
    return ["const", symbol.param.value]


def _record(checked: Checked, expr: syntax.RecordLit) -> PlanExpr:
    made = checked.literals.get(expr)
    if made is None:  # a Map or Json: the entries as they are
        entries = [[entry.name.text, lower_expression(checked, entry.value)] for entry in expr.entries]
        return ["record", "", entries]
    kind = required(checked.expr_types[expr])
    fields = [
        [
            field.name,
            lower_expression(checked, value) if value is not None else lower_default(checked, field.node.default),
        ]
        for field, value in made
    ]
    return ["record", getattr(kind, "name", ""), fields]


def lower_default(checked: Checked, default: syntax.Expr | None) -> PlanExpr:
    """What a field or parameter that was left out gets: its default, which is a constant, or none."""
    return ["const", None if default is None else evaluate(default, checked)]


def _field(checked: Checked, expr: syntax.Field) -> PlanExpr:
    symbol = checked.resolved.get(expr)
    if isinstance(symbol, MemberRef):
        return ["const", symbol.member]
    if isinstance(symbol, ParamRef):
        return ["const", symbol.param.value]
    operation = field_operation(checked.expr_types[expr.base])
    return [operation, lower_expression(checked, expr.base), expr.name.text]


def field_operation(base: Type) -> str:
    """The operation that reads a field of a value of type `base`."""
    inner = required(base)
    if isinstance(inner, ListOf):
        optional = isinstance(base, Optional) or isinstance(inner.item, Optional)
        return "project?" if optional else "project"
    return "field?" if isinstance(base, Optional) else "field"


def _index(checked: Checked, expr: syntax.Index) -> PlanExpr:
    symbol = checked.resolved.get(expr)
    if isinstance(symbol, GiverRef):
        return ["giver", symbol.up, symbol.slot.index, symbol.agent.name]
    operation = "lookup" if isinstance(required(checked.expr_types[expr.base]), MapOf) else "index"
    return [operation, lower_expression(checked, expr.base), lower_expression(checked, expr.index)]


def _call(checked: Checked, expr: syntax.Call) -> PlanExpr:
    symbol = checked.resolved[expr]
    if isinstance(symbol, MissingRef):
        return ["missing", symbol.up, symbol.slot.index]
    if isinstance(symbol, FactRef):
        return ["fact", symbol.name, symbol.target]
    assert isinstance(symbol, BuiltinRef), "only built-ins are called in expressions"
    arguments = [lower_expression(checked, arg.value) for arg in expr.args]
    if symbol.name == "text":
        arguments[0] = _at_edge(checked, expr.args[0].value, arguments[0])
    call: list[Any] = ["call", symbol.name, arguments]
    kind = required(checked.expr_types[expr])
    if symbol.name in {"avg", "round"} and isinstance(kind, Scalar) and kind.name in _WHOLE:
        call.append(kind.name)  # the kind of rounding depends on it
    return call


def _negative(operand: PlanExpr) -> PlanExpr:
    return ["const", -operand[1]] if operand[0] == "const" else ["neg", operand]


def _binary(checked: Checked, expr: syntax.Binary) -> PlanExpr:
    left, right = lower_expression(checked, expr.left), lower_expression(checked, expr.right)
    if expr.op in _COMPARISONS:
        return [_COMPARISONS[expr.op], left, right]
    if expr.op == "not in":
        return ["not", ["in", left, right]]
    if expr.op in _LOGIC:
        return [_LOGIC[expr.op], left, right]
    kind = required(checked.expr_types[expr])
    if isinstance(kind, ListOf) or kind in (TEXT, URL):
        return ["concat", left, right]
    # Of `min([]) + 1` nothing says what it is; there is nothing to add either, which the run finds out.
    return _arithmetic(checked, expr, kind.name if isinstance(kind, Scalar) else "Float", left, right)


def _arithmetic(checked: Checked, expr: syntax.Binary, kind: str, left: PlanExpr, right: PlanExpr) -> PlanExpr:
    if expr.op == "/" and kind == "Rate" and checked.expr_types[expr.right] == DURATION:
        # Durations count microseconds, rates events for each second.
        if left[0] == "const" and right[0] == "const" and right[1] != 0:
            return ["const", left[1] * _SECOND_US / right[1]]
        left = ["mul", "Float", left, ["const", float(_SECOND_US)]]
    return [_ARITHMETIC[expr.op], kind, left, right]


def lower_arguments(checked: Checked, arguments: tuple[Argument, ...]) -> list[PlanExpr]:
    """The arguments of a call in the order of the parameters, defaults filled in."""
    return [
        lower_default(checked, argument.param.node.default)
        if argument.value is None
        else lower_expression(checked, argument.value)
        for argument in arguments
    ]
