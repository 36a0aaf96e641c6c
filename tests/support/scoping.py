"""Names in place of slots: statements that are not in a block yet, and what their names come to in one."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

__all__ = ["Draft", "Scoping", "field_of", "v"]


def v(name: str) -> list[Any]:
    """The value of a name in scope."""
    return ["$", name]


def field_of(expr: Any, name: str) -> list[Any]:
    """A field of a record."""
    return ["field", expr, name]


@dataclass
class Draft:
    """A statement whose names are not slots yet: `make` resolves them in its block."""

    kind: str
    name: str = ""
    after: tuple[str, ...] = ()
    make: Any = None
    slotted: bool = True


@dataclass
class Scoping:
    """Names by level, innermost first; `read` gathers the names of level `own` that were read."""

    levels: list[list[str]]
    own: int = 0
    read: list[str] = field(default_factory=list)

    def resolve(self, expr: Any, *above: list[str]) -> Any:
        """An expression with slots; `above` are frames between it and the block."""
        if isinstance(expr, (list, tuple)) and expr and isinstance(expr[0], str):
            if expr[0] in ("$", "$giver", "$missing"):
                return self._place(expr, above)
            if expr[0] in _OPERATIONS:
                return [expr[0], *(self._part(expr[0], part, above) for part in expr[1:])]
        return ["const", expr]

    def _part(self, op: str, part: Any, above: tuple[list[str], ...]) -> Any:
        if op == "const" or isinstance(part, str):
            return part
        if op in ("list", "call") and isinstance(part, list):
            return [self.resolve(item, *above) for item in part]
        if op == "record" and isinstance(part, list):
            return [[name, self.resolve(item, *above)] for name, item in part]
        return self.resolve(part, *above)

    def _place(self, expr: Any, above: tuple[list[str], ...]) -> Any:
        name = expr[1]
        for up, names in enumerate([*above, *self.levels]):
            if name in names:
                if up == len(above):
                    self.read.append(name)
                slot = names.index(name)
                return {
                    "$": ["ref", up, slot],
                    "$giver": ["giver", up, slot, expr[-1]],
                    "$missing": ["missing", up, slot],
                }[expr[0]]
        raise KeyError(name)


_OPERATIONS = frozenset(
    [
        "const",
        "field",
        "field?",
        "project",
        "index",
        "lookup",
        "record",
        "list",
        "range",
        "not",
        "neg",
        "and",
        "or",
        "default",
        "eq",
        "ne",
        "lt",
        "le",
        "gt",
        "ge",
        "in",
        "add",
        "sub",
        "mul",
        "div",
        "concat",
        "call",
        "float",
    ]
)
