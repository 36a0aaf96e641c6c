"""The typed syntax tree of a spec: all node classes in one place, and the ways to go over a tree.

The classes stand in `expressions`, `statements` and `declarations`; import them from here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from orchspec.grammar import declarations, expressions, statements
from orchspec.grammar.declarations import *  # noqa: F403 - this module is the front of the three
from orchspec.grammar.expressions import *  # noqa: F403
from orchspec.grammar.expressions import Attribute, Budget, Expr, Field, Name, Node
from orchspec.grammar.source import Span
from orchspec.grammar.statements import *  # noqa: F403

__all__ = [
    "attribute",
    "attributes",
    "budgets",
    "children",
    "deep",
    "dotted",
    "shape",
    "statements_below",
    "statements_in",
    "walk",
]
__all__ += declarations.__all__
__all__ += expressions.__all__
__all__ += statements.__all__

_PLAIN = ("tuple[Span, ...]", "str", "bool", "int", "float", "Decimal", "Span", "Literal[")
_BLOCKS = frozenset({
    "Block", "Block | None", "tuple[Statement, ...]", "tuple[Arm, ...]", "tuple[Attribute | Budget | State, ...]",
    "tuple[Declaration, ...]", "tuple[TestItem, ...]",
})  # fmt: skip


class _Fields(dict[type[Node], tuple[str, ...]]):
    """The names of those fields of a kind of node whose annotation is `wanted`, found when first asked for."""

    def __init__(self, wanted: Callable[[str], bool]) -> None:
        super().__init__()
        self._wanted = wanted

    def __missing__(self, kind: type[Node]) -> tuple[str, ...]:
        declared = getattr(kind, "__dataclass_fields__", {})
        names = tuple(name for name, field in declared.items() if self._wanted(field.type))
        self[kind] = names
        return names


_saying = _Fields(lambda annotation: annotation != "Span")
_holding = _Fields(lambda annotation: not annotation.startswith(_PLAIN))
_framing = _Fields(_BLOCKS.__contains__)


def children(node: Node, fields: _Fields = _holding) -> list[Node]:
    """The nodes directly below `node`, in the order of their fields, which is that of the text."""
    found: list[Node] = []
    for name in fields[type(node)]:
        value = getattr(node, name)
        if type(value) is tuple:
            found += value
        elif value is not None:
            found.append(value)
    return found


def walk(node: Node, fields: _Fields = _holding) -> Iterator[Node]:
    """`node` and all nodes below it, parents first, in the order of the text; uses no recursion."""
    stack = [node]
    while stack:
        current = stack.pop()
        yield current
        if fields[type(current)]:
            below = children(current, fields)
            below.reverse()
            stack += below


def statements_below(node: Node) -> list[Node]:
    """The statements (declarations, states, arms, blocks) directly in `node`, in the order of the text."""
    return children(node, _framing)


def statements_in(node: Node) -> Iterator[Node]:
    """As `walk`, but for what stands in statements: declarations, states, blocks, arms, and the statements in them.

    That is a tenth of the nodes. Expressions, clauses and the settings of a step or an agent are left aside.
    """
    return walk(node, _framing)


def deep(node: Node, limit: int) -> Node | None:
    """A node more than `limit` nodes below and including `node`, or none; uses no recursion."""
    stack = [(node, 1)]
    while stack:
        current, level = stack.pop()
        if level > limit:
            return current
        stack.extend((child, level + 1) for child in children(current))
    return None


def shape(value: Any) -> Any:
    """A comparable structure of what a tree says, without spans and without comments that document nothing.

    Two texts mean the same to every later pass when the shapes of their trees are equal.
    """
    if isinstance(value, Node):
        names = (name for name in _saying[type(value)] if name != "comments")
        return (type(value).__name__, *((name, shape(getattr(value, name))) for name in names))
    if isinstance(value, tuple):
        return tuple(shape(item) for item in value)
    assert not isinstance(value, Span)
    return type(value).__name__, value


def attributes(items: Iterable[Node]) -> Iterator[Attribute]:
    """The attributes among settings or statements, in the order of the text."""
    return (item for item in items if isinstance(item, Attribute))


def attribute(items: Iterable[Node], name: str) -> Attribute | None:
    """The first attribute of that name among settings or statements, or none."""
    return next((item for item in attributes(items) if item.name.text == name), None)


def budgets(items: Iterable[Node]) -> Iterator[Budget]:
    """The budgets among settings or statements, in the order of the text."""
    return (item for item in items if isinstance(item, Budget))


def dotted(expr: Expr) -> str | None:
    """The dotted name that an expression spells (`std.panel`), or none when it is no chain of names."""
    parts: list[str] = []
    while isinstance(expr, Field):
        parts.append(expr.name.text)
        expr = expr.base
    if not isinstance(expr, Name):
        return None
    parts.append(expr.text)
    return ".".join(reversed(parts))
