"""What the expressions of a plan say, in words, and which names of which frame they read."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from orchspec.runtime.kernel.expressions import operands_of
from orchspec.runtime.kernel.wording import expression_text

if TYPE_CHECKING:
    from orchspec.compiler.plan import Expr, Plan

__all__ = ["Frames", "Reader", "crossing"]

Frames = Sequence[Sequence[str]]
"""The names of the slots, the innermost frame first."""

_ORDERED = ("eq", "ne", "lt", "le", "gt", "ge")
_PATHS = ("field", "field?", "project", "project?")
_CLIP = 60
_SECOND = 1_000_000
_PICO = 10**12


def crossing(names: Iterable[str]) -> str:
    """What crosses an edge: the names that are read, without the fields of what is read whole."""
    kept = list(names)
    whole = {f"{name}." for name in kept}
    return ", ".join(name for name in kept if not any(name.startswith(start) for start in whole))


class Reader:
    """Reads the expressions of one plan."""

    def __init__(self, plan: Plan) -> None:
        self._members = {member for enum in plan.enums.values() for member in enum.members}
        # A plan types its fields, not its expressions: a constant is an amount where all fields of that name are.
        self._fields: dict[str, set[str]] = {}
        for record in plan.types.values():
            for each in record.fields:
                self._fields.setdefault(each.name, set()).add(str(each.type))

    def text(self, expr: Expr, frames: Frames) -> str:
        """The expression as it would be written, members of enums bare, at most 60 characters long."""
        bare: list[str] = []
        shown = expression_text(self._worded(expr, len(frames), bare), [*frames, bare])
        return shown if len(shown) <= _CLIP else f"{shown[: _CLIP - 1]}…"

    def _worded(self, expr: Expr, up: int, bare: list[str]) -> Expr:
        """The expression with a slot, named so, for each constant that is not written as the plan holds it."""
        op = expr[0]
        if op == "const":
            member = isinstance(expr[1], str) and expr[1] in self._members
            return self._bare(expr[1], up, bare) if member else expr
        if op in ("ref", "giver", "missing"):
            return expr
        if op == "record":
            return [*expr[:-1], [[name, self._worded(part, up, bare)] for name, part in expr[-1]]]
        if op == "list":
            return [op, [self._worded(part, up, bare) for part in expr[1]]]
        if op == "call":
            return [op, expr[1], [self._worded(part, up, bare) for part in expr[2]], *expr[3:]]
        if op in _ORDERED:
            left, right = expr[1], expr[2]
            return [op, self._side(left, right, up, bare), self._side(right, left, up, bare)]
        head = [op, expr[1]] if op in ("add", "sub", "mul", "div") else [op]
        rest = expr[len(head) :]
        return [*head, *(self._worded(part, up, bare) if isinstance(part, (list, tuple)) else part for part in rest)]

    def _side(self, side: Expr, other: Expr, up: int, bare: list[str]) -> Expr:
        if side[0] == "const" and isinstance(side[1], int) and other[0] in _PATHS:
            kinds = self._fields.get(other[2], set())
            if kinds == {"Money"}:
                return self._bare(f"${side[1] / _PICO:,.2f}", up, bare)
            if kinds == {"Duration"}:
                return self._bare(f"{side[1] / _SECOND:g}s", up, bare)
        return self._worded(side, up, bare)

    def _bare(self, word: str, up: int, bare: list[str]) -> Expr:
        bare.append(word)
        return ["ref", up, len(bare) - 1]

    def reads(self, expr: Expr, frames: Frames, level: int) -> dict[int, dict[str, None]]:
        """Which slots of the frame `level` above the innermost are read, and as what: `{slot: {"outline.topics"}}`."""
        found: dict[int, dict[str, None]] = {}
        pending: list[Any] = [expr]
        while pending:
            node = pending.pop()
            path: list[str] = []
            inner = node
            while inner[0] in _PATHS:
                path.insert(0, inner[2])
                inner = inner[1]
            if inner[0] in ("ref", "giver", "missing"):
                if inner[1] == level:
                    name = expression_text(inner, frames)
                    found.setdefault(inner[2], {})[".".join([name, *path])] = None
            else:
                pending.extend(reversed(operands_of(inner)))
        return found
