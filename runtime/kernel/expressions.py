"""Expressions of a plan, compiled once to closures and evaluated in frames.

The operations are those at the head of `orchspec.compiler.plan`. Nothing is generated as source and nothing is looked
up by name at run time: each node of an expression becomes one small function that calls those of its parts, and the
shapes that routing is made of (a slot, a field of a slot, a comparison with a constant, the length of a slot) have
functions of their own. Evaluation is pure and bounded. What is wrong with the expression itself raises PlanError when
it is compiled; what fails for some values raises ExpressionError when it is evaluated.

`count` of a list of Bool counts what is true, of any other list its items. `keys` are sorted. `hash` is the SHA-256, in
hex, of the canonical JSON of the inner form. `tokens` is an estimate: a token for each four characters, rounded up.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol, TypeAlias

from orchspec.compiler.plan import Expr, PlanError
from orchspec.runtime.kernel.access import ACCESS, Build, Compiled
from orchspec.runtime.kernel.arithmetic import ExpressionError
from orchspec.runtime.kernel.functions import equal, value_key
from orchspec.runtime.kernel.operators import OPERATORS
from orchspec.runtime.kernel.wording import shape

__all__ = [
    "DEPTH_MAX",
    "Compiled",
    "Env",
    "ExpressionError",
    "FanOut",
    "FrameLike",
    "Leaf",
    "compile_expr",
    "equal",
    "operands_of",
    "reads",
    "value_key",
]

DEPTH_MAX = 200
"""How deep the expressions of a plan may nest; no Python stack is exhausted by that."""


class FanOut:
    """What stands behind the list of a fan-out: `givers[i]` gave item i of the list; `missing` are the items of a `for`
    that failed.
    """

    __slots__ = ("givers", "missing")

    def __init__(self, givers: list[str], missing: list[Any] | None = None) -> None:
        self.givers = givers
        self.missing: list[Any] = [] if missing is None else missing


class FrameLike(Protocol):
    """A frame as expressions see it: its slots, the frame above, and the fan-outs by slot."""

    values: list[Any]
    parent: Any
    fanouts: dict[int, FanOut] | None


class Env:
    """A frame for one evaluation: `it`, the fields of a record, the parameters and the result of a contract."""

    __slots__ = ("fanouts", "parent", "values")

    def __init__(self, values: list[Any], parent: Any = None, fanouts: dict[int, FanOut] | None = None) -> None:
        self.values = values
        self.parent = parent
        self.fanouts = fanouts


Leaf: TypeAlias = Callable[[Expr], Compiled]
"""Compiles an operation of the caller's own, such as `["kpi", …]` of an expectation."""


def compile_expr(expr: Expr, leaves: Mapping[str, Leaf] | None = None) -> Compiled:
    """Compiles an expression.

    Args:
        expr: an expression of a plan.
        leaves: operations beyond those of a plan, by name, for whoever evaluates other facts (KPIs, say) with the same
        operators.

    Returns:
        A function of a frame. It raises ExpressionError for what fails at run time: a division by zero, a missing
        index, key or giver, a number beyond its range, a text or list beyond its size.

    Raises:
        PlanError: an unknown operation, a wrong number of operands, or more than DEPTH_MAX levels.
    """
    _measure(expr)
    return _Compiler(leaves or {}).part(expr)


def reads(expr: Expr) -> list[tuple[int, int]]:
    """The slots an expression reads, as (up, slot), each once, in the order of reading."""
    _measure(expr)
    found: dict[tuple[int, int], None] = {}
    pending: list[Any] = [expr]
    while pending:
        node = pending.pop()
        if node[0] in {"ref", "giver", "missing"}:
            found[node[1], node[2]] = None
        else:
            pending.extend(reversed(operands_of(node)))
    return list(found)


def operands_of(node: Any) -> list[Any]:
    """The expressions directly within one; whatever else stands in a node (names, slots, constants) is skipped."""
    op = node[0]
    if op == "const":
        return []
    if op == "record":
        return [pair[1] for pair in node[-1]]
    if op == "edge":
        return [node[2]]
    if op in {"list", "call"}:
        return list(node[1] if op == "list" else node[2])
    return [part for part in node[1:] if isinstance(part, (list, tuple)) and part]


def _measure(expr: Any) -> None:
    """Refuses what is no expression or nests too deep, without recursion, so that compiling may recurse."""
    level, depth = [expr], 0
    while level:
        depth += 1
        if depth > DEPTH_MAX:
            raise PlanError(f"an expression nests deeper than {DEPTH_MAX} levels; write it with `let`")
        below: list[Any] = []
        for node in level:
            if not isinstance(node, (list, tuple)) or not node or not isinstance(node[0], str):
                raise PlanError(f"an expression is a list that begins with its operation, found {shape(node)}")
            try:
                below.extend(operands_of(node))
            except (TypeError, IndexError, KeyError):
                raise PlanError(f"the operation {node[0]!r} has operands of a wrong shape: {shape(node)}") from None
        level = below


_OPERATIONS: dict[str, tuple[Build, tuple[int, ...]]] = ACCESS | OPERATORS


class _Compiler:
    """Compiles the nodes of one expression; the depth was measured before, so it may recurse."""

    __slots__ = ("leaves",)

    def __init__(self, leaves: Mapping[str, Leaf]) -> None:
        self.leaves = leaves

    def part(self, expr: Any) -> Compiled:
        if not isinstance(expr, (list, tuple)) or not expr or not isinstance(expr[0], str):
            raise PlanError(f"an expression is a list that begins with its operation, found {shape(expr)}")
        op = expr[0]
        leaf = self.leaves.get(op)
        if leaf is not None:
            return leaf(expr)
        found = _OPERATIONS.get(op)
        if found is None:
            raise PlanError(f"no operation of an expression is called {op!r}")
        build, operands = found
        if len(expr) - 1 not in operands:
            raise PlanError(f"the operation {op!r} takes {operands[0]} operands, found {len(expr) - 1}")
        return build(expr, self.part)
