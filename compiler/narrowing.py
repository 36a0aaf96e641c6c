"""How a name is found in frames, and what a condition says about names being not none."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from orchspec.compiler.context import Fact
from orchspec.compiler.model import Frame, Reference, Slot
from orchspec.grammar.syntax import Binary, Expr, Field, Node, NoneLit, Not

__all__ = ["fact_of", "facts", "facts_without", "lookup"]


def lookup(frame: Frame, name: str) -> tuple[Slot, int] | None:
    """The slot that a name means in a frame, and how many frames up it stands."""
    up = 0
    current: Frame | None = frame
    while current is not None:
        slot = current.find(name)
        if slot is not None:
            return slot, up
        current = current.parent
        up += 1
    return None


def facts(expr: Expr, resolved: Mapping[Node, Any]) -> set[Fact]:
    """What is not none once the condition holds: `x != none`, and both sides of `and`; the expression is typed."""
    if isinstance(expr, Binary) and expr.op == "and":
        return facts(expr.left, resolved) | facts(expr.right, resolved)
    if isinstance(expr, Not) and isinstance(expr.operand, Binary) and expr.operand.op == "==":
        return _compared(expr.operand, resolved)
    if isinstance(expr, Binary) and expr.op == "!=":
        return _compared(expr, resolved)
    return set()


def facts_without(expr: Expr, resolved: Mapping[Node, Any]) -> set[Fact]:
    """What is not none once the condition does not hold: `x == none`, and both sides of `or`."""
    if isinstance(expr, Binary) and expr.op == "or":
        return facts_without(expr.left, resolved) | facts_without(expr.right, resolved)
    if isinstance(expr, Not):
        return facts(expr.operand, resolved)
    if isinstance(expr, Binary) and expr.op == "==":
        return _compared(expr, resolved)
    return set()


def _compared(expr: Binary, resolved: Mapping[Node, Any]) -> set[Fact]:
    if isinstance(expr.right, NoneLit):
        key = fact_of(expr.left, resolved)
    elif isinstance(expr.left, NoneLit):
        key = fact_of(expr.right, resolved)
    else:
        return set()
    # `a.b != none` says that neither a nor a.b is none.
    return set() if key is None else {key[:length] for length in range(1, len(key) + 1)}


def fact_of(expr: Expr, resolved: Mapping[Node, Any]) -> Fact | None:
    """The slot and the fields that a chain of names reads, if it is one; the expression is typed."""
    fields: list[str] = []
    while isinstance(expr, Field):
        fields.append(expr.name.text)
        expr = expr.base
    found = resolved.get(expr)
    return (found.slot, *reversed(fields)) if isinstance(found, Reference) else None
