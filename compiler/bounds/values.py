"""What an expression of the plan may come to, as a shape, by abstract interpretation.

To follow another form of expression, add its function to `_FORMS`; what has none may be anything.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import field
from typing import Final

from orchspec.compiler.bounds.ranges import INF, Number
from orchspec.compiler.bounds.shapes import ANY, Shape, field_of, item_of, joined, of_type, of_value
from orchspec.compiler.plan import Expr, Plan
from orchspec.slotted import dataclass

__all__ = ["Known", "shape_of"]

_DEPTH_MAX: Final = 60
"""An expression that nests deeper is not looked into: what is not known is `ANY`."""


@dataclass(slots=True)
class Known:
    """What is known of the slots of a frame, and of the frame around it.

    `items` are those of fan-outs, `early` the slots of fan-outs that are stopped once it is certain who wins.
    """

    plan: Plan
    slots: list[Shape]
    around: Known | None = None
    items: dict[int, Shape] = field(default_factory=dict)
    early: set[int] = field(default_factory=set)

    def up(self, levels: int) -> Known | None:
        """The frame so many levels further out."""
        known: Known | None = self
        for _ in range(levels):
            if known is None:
                return None
            known = known.around
        return known


def shape_of(expr: Expr, known: Known, depth: int = 0) -> Shape:
    """What an expression may come to in a frame of which so much is known."""
    if depth > _DEPTH_MAX or not isinstance(expr, list | tuple) or not expr:
        return ANY
    form = _FORMS.get(expr[0])
    return ANY if form is None else form(expr, known, depth + 1)


def _const(expr: Expr, _known: Known, _depth: int) -> Shape:
    return of_value(expr[1])


def _ref(expr: Expr, known: Known, _depth: int) -> Shape:
    frame = known.up(expr[1])
    return frame.slots[expr[2]] if frame is not None and expr[2] < len(frame.slots) else ANY


def _field(expr: Expr, known: Known, depth: int) -> Shape:
    return field_of(known.plan, shape_of(expr[1], known, depth), expr[2])


def _project(expr: Expr, known: Known, depth: int) -> Shape:
    values = shape_of(expr[1], known, depth)
    item = field_of(known.plan, item_of(values), expr[2])
    return Shape(None, fewest=values.fewest, most=values.most, item=item)


def _item(expr: Expr, known: Known, depth: int) -> Shape:
    return item_of(shape_of(expr[1], known, depth))


def _giver(expr: Expr, known: Known, depth: int) -> Shape:
    return item_of(_ref(expr, known, depth))


def _missing(expr: Expr, known: Known, _depth: int) -> Shape:
    frame = known.up(expr[1])
    items = ANY if frame is None else frame.items.get(expr[2], ANY)
    return Shape(items.type, fewest=0, most=items.most, item=items.item)


def _record(expr: Expr, known: Known, depth: int) -> Shape:
    fields = {name: shape_of(value, known, depth) for name, value in expr[2]}
    return Shape(["Record", expr[1]], fields=fields)


def _list(expr: Expr, known: Known, depth: int) -> Shape:
    items = [shape_of(item, known, depth) for item in expr[1]]
    return Shape(None, fewest=len(items), most=len(items), item=joined(items) if items else ANY)


def _range(expr: Expr, known: Known, depth: int) -> Shape:
    first, last = shape_of(expr[1], known, depth), shape_of(expr[2], known, depth)
    fewest = max(0, last.low - first.high + 1)
    most = max(0, last.high - first.low + 1)
    return Shape(None, fewest=fewest if fewest < INF else 0, most=most, item=Shape(None, first.low, last.high))


def _add(expr: Expr, known: Known, depth: int) -> Shape:
    a, b = shape_of(expr[2], known, depth), shape_of(expr[3], known, depth)
    return Shape(expr[1], a.low + b.low, a.high + b.high)


def _sub(expr: Expr, known: Known, depth: int) -> Shape:
    a, b = shape_of(expr[2], known, depth), shape_of(expr[3], known, depth)
    return Shape(expr[1], a.low - b.high, a.high - b.low)


def _mul(expr: Expr, known: Known, depth: int) -> Shape:
    a, b = shape_of(expr[2], known, depth), shape_of(expr[3], known, depth)
    ends = [_times(x, y) for x in (a.low, a.high) for y in (b.low, b.high)]
    return Shape(expr[1], min(ends), max(ends))


def _times(one: Number, other: Number) -> Number:
    return one * other if one and other else 0


def _neg(expr: Expr, known: Known, depth: int) -> Shape:
    value = shape_of(expr[1], known, depth)
    return Shape(value.type, -value.high, -value.low)


def _concat(expr: Expr, known: Known, depth: int) -> Shape:
    a, b = shape_of(expr[1], known, depth), shape_of(expr[2], known, depth)
    item = joined([item_of(a), item_of(b)])
    return Shape(a.type, fewest=a.fewest + b.fewest, most=a.most + b.most, item=item)


def _default(expr: Expr, known: Known, depth: int) -> Shape:
    a, b = shape_of(expr[1], known, depth), shape_of(expr[2], known, depth)
    both = joined([a, b])
    return both if a.type == b.type or a.type is None else Shape(a.type, both.low, both.high, both.fewest, both.most)


def _float(expr: Expr, known: Known, depth: int) -> Shape:
    return shape_of(expr[1], known, depth)


def _call(expr: Expr, known: Known, depth: int) -> Shape:
    function = _FUNCTIONS.get(expr[1])
    if function is None:
        return ANY
    return function([shape_of(argument, known, depth) for argument in expr[2]], known)


_FORMS: Final[Mapping[str, Callable[[Expr, Known, int], Shape]]] = {
    "const": _const,
    "ref": _ref,
    "field": _field,
    "field?": _field,
    "project": _project,
    "project?": _project,
    "index": _item,
    "lookup": _item,
    "giver": _giver,
    "missing": _missing,
    "record": _record,
    "list": _list,
    "range": _range,
    "add": _add,
    "sub": _sub,
    "mul": _mul,
    "neg": _neg,
    "concat": _concat,
    "default": _default,
    "float": _float,
    "call": _call,
}

# ------------------------------------------------------------------ built-in functions


def _len(args: Sequence[Shape], _known: Known) -> Shape:
    return Shape("Int", args[0].fewest, args[0].most)


def _count(args: Sequence[Shape], _known: Known) -> Shape:
    return Shape("Int", 0, args[0].most)


def _extreme(args: Sequence[Shape], _known: Known) -> Shape:
    return item_of(args[0])


def _distinct(args: Sequence[Shape], _known: Known) -> Shape:
    values = args[0]
    return Shape(values.type, fewest=min(values.fewest, 1), most=values.most, item=values.item)


def _flatten(args: Sequence[Shape], _known: Known) -> Shape:
    values = args[0]
    inner = item_of(values)
    return Shape(
        None,
        fewest=_times(values.fewest, inner.fewest),
        most=_times(values.most, inner.most),
        item=item_of(inner),
    )


def _keys(args: Sequence[Shape], _known: Known) -> Shape:
    return Shape(None, fewest=args[0].fewest, most=args[0].most, item=of_type("Text"))


_FUNCTIONS: Final[Mapping[str, Callable[[Sequence[Shape], Known], Shape]]] = {
    "len": _len,
    "count": _count,
    "min": _extreme,
    "max": _extreme,
    "distinct": _distinct,
    "flatten": _flatten,
    "keys": _keys,
}
