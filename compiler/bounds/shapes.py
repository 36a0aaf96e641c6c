"""Shapes: what can be told of a value before there is one, by its type, its `where` and where it comes from.

Enough is kept to bound loops: between which numbers a number lies, how many items a list has, and the same of the
fields of a record and the items of a list. What is not known is `ANY`, so every shape is sound: no value at run time
lies outside of it, since values are checked against their constraints when they cross a handoff.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from orchspec.compiler.bounds.ranges import INF, Number
from orchspec.compiler.plan import Expr, Field, Plan, TypeExpr
from orchspec.slotted import dataclass

__all__ = ["ANY", "Shape", "field_of", "item_of", "joined", "narrowed", "of_type", "of_value", "satisfying"]

_VALUE_ITEMS_MAX: Final = 64
"""So many items of a constant list are looked at; with more, nothing is said of them."""


@dataclass(frozen=True, slots=True)
class Shape:
    """What is known of a value: its type (JSON, None if not known), the ends of a number, and of a length."""

    type: TypeExpr = None
    low: Number = -INF
    high: Number = INF
    fewest: Number = 0
    most: Number = INF
    item: Shape | None = None
    fields: Mapping[str, Shape] | None = None


ANY: Final = Shape()


def of_type(type_: TypeExpr) -> Shape:
    """All that a type alone says."""
    if type_ == "Percent":
        return Shape(type_, 0, 1)
    if isinstance(type_, list | tuple) and type_ and type_[0] == "Option":
        return of_type(type_[1])  # a value that is there; nobody loops over none
    return Shape(type_)


def of_value(value: Any) -> Shape:
    """A constant."""
    if isinstance(value, bool) or value is None:
        return ANY
    if isinstance(value, int | float):
        return Shape(None, value, value)
    if isinstance(value, str):
        return Shape(None, fewest=len(value), most=len(value))
    if isinstance(value, list | tuple):
        few = len(value) <= _VALUE_ITEMS_MAX
        item = joined([of_value(part) for part in value]) if value and few else ANY
        return Shape(None, fewest=len(value), most=len(value), item=item)
    if isinstance(value, dict):
        return Shape(None, fewest=len(value), most=len(value), fields={k: of_value(v) for k, v in value.items()})
    return ANY


def joined(shapes: list[Shape]) -> Shape:
    """Whatever is of one of these shapes."""
    first = shapes[0]
    if len(shapes) == 1:
        return first
    return Shape(
        first.type if all(shape.type == first.type for shape in shapes) else None,
        min(shape.low for shape in shapes),
        max(shape.high for shape in shapes),
        min(shape.fewest for shape in shapes),
        max(shape.most for shape in shapes),
    )


def field_of(plan: Plan, shape: Shape, name: str) -> Shape:
    """A field of a record, as its declaration and what is known besides constrain it."""
    if shape.fields is not None and name in shape.fields:
        return shape.fields[name]
    type_ = shape.type
    if isinstance(type_, list | tuple) and len(type_) == 2 and type_[0] == "Record":
        record = plan.types.get(type_[1])
        if record is not None:
            for index, field in enumerate(record.fields):
                if field.name == name:
                    return declared(plan, field, index)
    return ANY


def declared(plan: Plan, field: Field, index: int) -> Shape:
    """A field or parameter: `index` is its place in the frame that its `where` is evaluated in."""
    shape = of_type(field.type)
    return shape if field.where is None else satisfying(plan, shape, field.where, index)


def item_of(shape: Shape) -> Shape:
    """Any item of a list, or value of a map."""
    if shape.item is not None:
        return shape.item
    type_ = shape.type
    if isinstance(type_, list | tuple) and len(type_) == 2 and type_[0] in ("List", "Map"):
        return of_type(type_[1])
    return ANY


# ------------------------------------------------------------------ conditions


def satisfying(plan: Plan, shape: Shape, condition: Expr, slot: int) -> Shape:
    """A shape, given that `condition` holds, in which the value is `["ref", 0, slot]`."""
    pending = [condition]
    while pending:
        expr = pending.pop()
        if not isinstance(expr, list | tuple) or not expr:
            continue
        if expr[0] == "and":
            pending += [expr[1], expr[2]]
        elif expr[0] == "in" and _head(expr[2]) == "range":
            shape = _within(plan, shape, expr[1], slot, _constant(expr[2][1]), _constant(expr[2][2]))
        elif expr[0] in _SIDES:
            shape = _compared(plan, shape, expr, slot)
    return shape


_SIDES: Final = {"le": (False, True), "lt": (False, True), "ge": (True, False), "gt": (True, False), "eq": (True, True)}
"""Which ends (lower, upper) of its left side a comparison with a constant bounds; strict ones are taken as weak."""


def _compared(plan: Plan, shape: Shape, expr: Expr, slot: int) -> Shape:
    lower, upper = _SIDES[expr[0]]
    left, right = expr[1], expr[2]
    value = _constant(right)
    if value is None:
        value, left = _constant(left), right
        if expr[0] != "eq":
            lower, upper = upper, lower
    if value is None:
        return shape
    return _within(plan, shape, left, slot, value if lower else None, value if upper else None)


def _within(plan: Plan, shape: Shape, expr: Expr, slot: int, low: Number | None, high: Number | None) -> Shape:
    """Narrow what `expr` names (a path from the slot, or the `len` of one) to low..high."""
    length = _head(expr) == "call" and expr[1] == "len"
    if length:
        expr = expr[2][0]
    path: list[str] = []
    while _head(expr) in ("field", "field?"):
        path.append(expr[2])
        expr = expr[1]
    if _head(expr) != "ref" or expr[1] != 0 or expr[2] != slot:
        return shape
    return narrowed(plan, shape, path[::-1], length=length, low=low, high=high)


def narrowed(
    plan: Plan, shape: Shape, path: list[str], *, length: bool, low: Number | None, high: Number | None
) -> Shape:
    """A shape in which what lies at `path` is a number (or has a length) of low..high."""
    if path:
        inner = narrowed(plan, field_of(plan, shape, path[0]), path[1:], length=length, low=low, high=high)
        return replace(shape, fields={**(shape.fields or {}), path[0]: inner})
    if length:
        return replace(
            shape,
            fewest=shape.fewest if low is None else max(shape.fewest, low),
            most=shape.most if high is None else min(shape.most, max(high, 0)),
        )
    return replace(
        shape,
        low=shape.low if low is None else max(shape.low, low),
        high=shape.high if high is None else min(shape.high, high),
    )


def _head(expr: Expr) -> Any:
    return expr[0] if isinstance(expr, list | tuple) and expr else None


def _constant(expr: Expr) -> Number | None:
    if _head(expr) == "float":
        expr = expr[1]
    if _head(expr) == "const" and isinstance(expr[1], int | float) and not isinstance(expr[1], bool):
        return expr[1]
    return None
