"""Closures for what is read from frames and built from values: slots, fields, items, givers, records, lists, ranges,
and what stands in a value of type Json.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

from orchspec.compiler.plan import Expr, PlanError
from orchspec.runtime.kernel.arithmetic import ITEMS_MAX, ExpressionError
from orchspec.runtime.kernel.scalars import SCALARS
from orchspec.runtime.kernel.wording import shape

__all__ = ["ACCESS", "Build", "Compiled", "Part"]

Compiled: TypeAlias = Callable[[Any], Any]
"""A compiled expression: from a frame to an inner value."""
Part: TypeAlias = Callable[[Expr], Compiled]
"""Compiles an operand."""
Build: TypeAlias = Callable[[Any, Part], Compiled]
Encode: TypeAlias = Callable[[Any], Any]


# ------------------------------------------------------------------ slots, fields, items


def _const(expr: Any, _part: Part) -> Compiled:
    value = expr[1]
    return lambda _frame: value


def _place(up: Any, slot: Any) -> tuple[int, int]:
    if type(up) is not int or type(slot) is not int or up < 0 or slot < 0:
        raise PlanError(f"a slot is two numbers from 0, levels up and index, found {up!r} and {slot!r}")
    return up, slot


def _name(name: Any) -> str:
    if not isinstance(name, str):
        raise PlanError(f"a name is a text, found {shape(name)}")
    return name


def _above(frame: Any, up: int) -> Any:
    for _ in range(up):
        frame = frame.parent
    return frame


def _ref(expr: Any, _part: Part) -> Compiled:
    up, slot = _place(expr[1], expr[2])
    if up == 0:
        return lambda frame: frame.values[slot]
    if up == 1:
        return lambda frame: frame.parent.values[slot]
    if up == 2:
        return lambda frame: frame.parent.parent.values[slot]
    return lambda frame: _above(frame, up).values[slot]


def _no_field(value: Any, name: str) -> ExpressionError:
    return ExpressionError(f"there is no field {name} in {shape(value)}")


def _field(expr: Any, part: Part) -> Compiled:
    name = _name(expr[2])
    if expr[1][0] == "ref" and expr[1][1] == 0 and len(expr[1]) == 3:
        _, slot = _place(0, expr[1][2])

        def field_of_slot(frame: Any) -> Any:
            try:
                return frame.values[slot][name]
            except (KeyError, TypeError):
                raise _no_field(frame.values[slot], name) from None

        return field_of_slot
    inner = part(expr[1])

    def field(frame: Any) -> Any:
        value = inner(frame)
        try:
            return value[name]
        except (KeyError, TypeError):
            raise _no_field(value, name) from None

    return field


def _field_optional(expr: Any, part: Part) -> Compiled:
    inner, name = part(expr[1]), _name(expr[2])

    def field(frame: Any) -> Any:
        value = inner(frame)
        if value is None:
            return None
        try:
            return value[name]
        except (KeyError, TypeError):
            raise _no_field(value, name) from None

    return field


def _project(expr: Any, part: Part) -> Compiled:
    inner, name, optional = part(expr[1]), _name(expr[2]), expr[0] == "project?"

    def project(frame: Any) -> Any:
        items = inner(frame)
        if items is None and optional:
            return None
        try:
            # Only items may be none here, and only where the field is read through an optional.
            return [None if item is None and optional else item[name] for item in items]
        except (KeyError, TypeError):
            raise ExpressionError(f"there is no field {name} in an item of {shape(items)}") from None

    return project


def _index(expr: Any, part: Part) -> Compiled:
    inner, at = part(expr[1]), part(expr[2])

    def index(frame: Any) -> Any:
        items, position = inner(frame), at(frame)
        if type(items) is list and type(position) is int and 0 <= position < len(items):
            return items[position]
        raise ExpressionError(f"there is no item {shape(position)} in {shape(items)}; items count from 0")

    return index


def _lookup(expr: Any, part: Part) -> Compiled:
    inner, at = part(expr[1]), part(expr[2])

    def lookup(frame: Any) -> Any:
        entries, key = inner(frame), at(frame)
        if type(entries) is dict and type(key) is str and key in entries:
            return entries[key]
        raise ExpressionError(f"there is no key {shape(key)} in a map of {len(entries) if entries else 0}")

    return lookup


def _giver(expr: Any, _part: Part) -> Compiled:
    up, slot = _place(expr[1], expr[2])
    agent = _name(expr[3])

    def giver(frame: Any) -> Any:
        holder = _above(frame, up)
        fanout = None if holder.fanouts is None else holder.fanouts.get(slot)
        if fanout is None or agent not in fanout.givers:
            raise ExpressionError(f"{agent} gave no result")
        return holder.values[slot][fanout.givers.index(agent)]

    return giver


def _missing(expr: Any, _part: Part) -> Compiled:
    up, slot = _place(expr[1], expr[2])

    def missing(frame: Any) -> Any:
        holder = _above(frame, up)
        fanout = None if holder.fanouts is None else holder.fanouts.get(slot)
        if fanout is None:
            raise ExpressionError("missing() reads a fan-out that has not ended")
        return fanout.missing

    return missing


# ------------------------------------------------------------------ building


def _record(expr: Any, part: Part) -> Compiled:
    if any(len(pair) != 2 for pair in expr[2]):
        raise PlanError("a record is built from pairs of a name and an expression")
    fields = [(_name(pair[0]), part(pair[1])) for pair in expr[2]]
    return lambda frame: {name: value(frame) for name, value in fields}


def _build_list(expr: Any, part: Part) -> Compiled:
    items = [part(item) for item in expr[1]]
    return lambda frame: [item(frame) for item in items]


def _range(expr: Any, part: Part) -> Compiled:
    low, high = part(expr[1]), part(expr[2])

    def build(frame: Any) -> list[int]:
        first, last = low(frame), high(frame)
        if type(first) is not int or type(last) is not int:
            raise ExpressionError(f"a list can be made of whole numbers only, found {shape(first)}..{shape(last)}")
        if last - first >= ITEMS_MAX:
            raise ExpressionError(f"the range {first}..{last} would have more than {ITEMS_MAX} items")
        return list(range(first, last + 1))

    return build


# ------------------------------------------------------------------ the edge


def _edge(expr: Any, part: Part) -> Compiled:
    encode, inner = _encoder(expr[1], {}), part(expr[2])
    return lambda frame: encode(inner(frame))


def _encoder(form: Any, open_: dict[str, list[Encode]]) -> Encode:
    """What turns an inner value into that of the edge; `open_` are the encoders of the records around it."""
    match form:
        case "Money" | "Duration" | "Time":
            return SCALARS[form][1]
        case ["Option", inner]:
            some = _encoder(inner, open_)
            return lambda value: None if value is None else some(value)
        case ["List", inner]:
            item = _encoder(inner, open_)
            return lambda value: [item(each) for each in value]
        case ["Map", inner]:
            item = _encoder(inner, open_)
            return lambda value: {name: item(each) for name, each in value.items()}
        case ["Again", str(name)] if name in open_:
            itself = open_[name]
            return lambda value: itself[0](value)  # noqa: PLW0108 - it is there once the record is read
        case ["Fields", str(name), [*pairs]]:
            return _fields(name, pairs, open_)
    raise PlanError(f"this is no form of the edge: {shape(form)}")


def _fields(name: str, pairs: Any, open_: dict[str, list[Encode]]) -> Encode:
    itself: list[Encode] = []
    inner = {_name(field): _encoder(form, {**open_, name: itself}) for field, form in pairs}

    def encode(value: Any) -> Any:
        return {field: inner[field](each) if field in inner else each for field, each in value.items()}

    itself.append(encode)
    return encode


ACCESS: dict[str, tuple[Build, tuple[int, ...]]] = {
    "const": (_const, (1,)),
    "ref": (_ref, (2,)),
    "field": (_field, (2,)),
    "field?": (_field_optional, (2,)),
    "project": (_project, (2,)),
    "project?": (_project, (2,)),
    "index": (_index, (2,)),
    "lookup": (_lookup, (2,)),
    "giver": (_giver, (3,)),
    "missing": (_missing, (2,)),
    "record": (_record, (2,)),
    "list": (_build_list, (1,)),
    "range": (_range, (2,)),
    "edge": (_edge, (2,)),
}
"""What builds the closure of each operation, and how many operands the operation may have."""
