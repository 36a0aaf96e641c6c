"""Expressions and values as words: what error messages and reasons say about them.

Nothing here is on the hot path: words are made when something has already failed.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from orchspec.compiler.plan import Expr, TypeExpr

__all__ = ["expression_text", "shape", "type_text"]

_CLIP = 60
_SIGNS = {
    "eq": "==",
    "ne": "!=",
    "lt": "<",
    "le": "<=",
    "gt": ">",
    "ge": ">=",
    "in": "in",
    "and": "and",
    "or": "or",
    "default": "??",
    "add": "+",
    "sub": "-",
    "mul": "*",
    "div": "/",
    "concat": "+",
}
_LOOSENESS = {"or": 1, "and": 2, "default": 4, "add": 5, "sub": 5, "concat": 5, "mul": 6, "div": 6}
_COMPARISON = 3


def shape(value: Any) -> str:
    """What a value looks like in a message: small scalars as JSON, the rest by kind and size, never long."""
    if value is None:
        return "none"
    if isinstance(value, str):
        if len(value) <= _CLIP:
            return json.dumps(value)
        return f"{json.dumps(value[:_CLIP])}… ({len(value)} characters)"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        # Python refuses to print integers of thousands of digits, so they are never printed.
        return str(value) if value.bit_length() <= 128 else f"an integer of {value.bit_length()} bits"
    if isinstance(value, float):
        return repr(value)
    if isinstance(value, (list, tuple)):
        return "an empty list" if not value else f"a list of {len(value)}"
    if isinstance(value, dict):
        if not value:
            return "an empty record"
        names = [str(name)[:20] for _, name in zip(range(5), value, strict=False)]
        more = ", …" if len(value) > len(names) else ""
        return f"a record of {', '.join(names)}{more}"
    return f"a Python {type(value).__name__}"


def type_text(type_: TypeExpr) -> str:
    """A type expression as the language writes it: `List<Url>`, `Text?`."""
    if isinstance(type_, str):
        return type_
    head, inner = type_[0], type_[1]
    if head == "List":
        return f"List<{type_text(inner)}>"
    if head == "Map":
        return f"Map<Text, {type_text(inner)}>"
    if head == "Option":
        return f"{type_text(inner)}?"
    return str(inner)


def expression_text(expr: Expr, names: Sequence[Sequence[str]] = ()) -> str:
    """An expression as the language writes it.

    Args:
        expr: an expression of a plan.
        names: the names of the slots, the innermost frame first; a slot without a name is written `slot N`.

    Returns:
        One line. Constants are shown in the inner form, since a plan does not say what they were.
    """
    return _text(expr, names, 0)


def _text(expr: Expr, names: Sequence[Sequence[str]], outer: int) -> str:
    op = expr[0]
    if op in _SIGNS:
        left, right = expr[-2], expr[-1]
        own = _LOOSENESS.get(op, _COMPARISON)
        text = f"{_text(left, names, own)} {_SIGNS[op]} {_text(right, names, own + 1)}"
        return f"({text})" if own < outer else text
    if op == "const":
        value = expr[1]
        return json.dumps(value, ensure_ascii=False) if value is not None else "none"
    if op == "ref":
        return _slot(expr[1], expr[2], names)
    if op in {"field", "field?", "project", "project?"}:
        return f"{_text(expr[1], names, 9)}.{expr[2]}"
    if op in {"index", "lookup"}:
        return f"{_text(expr[1], names, 9)}[{_text(expr[2], names, 0)}]"
    if op == "giver":
        return f"{_slot(expr[1], expr[2], names)}[{expr[3]}]"
    if op == "missing":
        return f"missing({_slot(expr[1], expr[2], names)})"
    if op == "record":
        return "{ " + ", ".join(f"{name}: {_text(part, names, 0)}" for name, part in expr[2]) + " }"
    if op == "list":
        return "[" + ", ".join(_text(part, names, 0) for part in expr[1]) + "]"
    if op == "range":
        return f"{_text(expr[1], names, 7)}..{_text(expr[2], names, 7)}"
    if op == "not":
        return f"not {_text(expr[1], names, 3)}"
    if op == "neg":
        return f"-{_text(expr[1], names, 8)}"
    if op in {"float", "edge"}:
        return _text(expr[-1], names, outer)
    if op == "call":
        return f"{expr[1]}({', '.join(_text(part, names, 0) for part in expr[2])})"
    return f"{op}(…)"


def _slot(up: int, slot: int, names: Sequence[Sequence[str]]) -> str:
    if up < len(names) and slot < len(names[up]):
        return names[up][slot]
    return f"slot {slot}"
