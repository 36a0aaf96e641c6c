"""The syntax tree, part one: names, types, expressions, attributes and budgets.

Nodes are frozen, slotted and compared by identity, so that side tables may be keyed by node. Every node has a `span`.
What recovery had to make up is marked: an `Ident` with the empty text stands for a missing name and a `Hole` for a
missing expression; both have been reported already, and whoever meets one should stay silent about it.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TypeAlias

from orchspec.grammar.source import Span
from orchspec.slotted import dataclass

__all__ = [
    "Arg",
    "Attribute",
    "Binary",
    "Bool",
    "Budget",
    "Call",
    "DurationLit",
    "Expr",
    "Field",
    "Float",
    "Hole",
    "Ident",
    "Index",
    "Int",
    "Limit",
    "ListLit",
    "MoneyLit",
    "Name",
    "Node",
    "NoneLit",
    "Not",
    "OptionalType",
    "Path",
    "PercentLit",
    "Range",
    "RecordEntry",
    "RecordLit",
    "Setting",
    "Text",
    "TypeExpr",
    "TypeName",
    "Unary",
]


class Node:
    """A node of the syntax tree."""

    __slots__ = ()
    span: Span


@dataclass(frozen=True, slots=True, eq=False)
class Ident(Node):
    """A single name where it is given or referred to; the empty text marks one that recovery inserted."""

    text: str
    span: Span


@dataclass(frozen=True, slots=True, eq=False)
class Path(Node):
    """A dotted name such as `std.Summarize`; at least one part."""

    parts: tuple[Ident, ...]
    span: Span

    @property
    def text(self) -> str:
        """The parts joined by dots."""
        return ".".join(part.text for part in self.parts)


@dataclass(frozen=True, slots=True, eq=False)
class TypeName(Node):
    """A type by its name, with arguments: `Text`, `List<Url>`, `std.Finding`."""

    path: Path
    args: tuple[TypeExpr, ...]
    span: Span


@dataclass(frozen=True, slots=True, eq=False)
class OptionalType(Node):
    """`T?`; `T??` is written as one more of these around it."""

    inner: TypeExpr
    span: Span


TypeExpr: TypeAlias = TypeName | OptionalType


@dataclass(frozen=True, slots=True, eq=False)
class Name(Node):
    """A name used as a value, also the words that attributes resolve (`fresh`, `all`, `first`, `skip`)."""

    text: str
    span: Span


@dataclass(frozen=True, slots=True, eq=False)
class Text(Node):
    """A string literal; `value` has the escapes resolved."""

    value: str
    span: Span


@dataclass(frozen=True, slots=True, eq=False)
class Int(Node):
    """A whole number, `k` and `M` applied; the compiler holds it to 64 bits."""

    value: int
    span: Span


@dataclass(frozen=True, slots=True, eq=False)
class Float(Node):
    """A number with a fraction, `k` and `M` applied."""

    value: float
    span: Span


@dataclass(frozen=True, slots=True, eq=False)
class Bool(Node):
    """`true` or `false`."""

    value: bool
    span: Span


@dataclass(frozen=True, slots=True, eq=False)
class NoneLit(Node):
    """`none`."""

    span: Span


@dataclass(frozen=True, slots=True, eq=False)
class DurationLit(Node):
    """A duration, in whole microseconds."""

    us: int
    span: Span


@dataclass(frozen=True, slots=True, eq=False)
class MoneyLit(Node):
    """An amount of US dollars, in whole pico-dollars (10^-12 USD)."""

    pico_usd: int
    span: Span


@dataclass(frozen=True, slots=True, eq=False)
class PercentLit(Node):
    """A share written in percent; `share` is exact, `75%` being 0.75."""

    share: Decimal
    span: Span


@dataclass(frozen=True, slots=True, eq=False)
class ListLit(Node):
    """`[a, b]`."""

    items: tuple[Expr, ...]
    span: Span


@dataclass(frozen=True, slots=True, eq=False)
class RecordEntry(Node):
    """`name: value` in a record literal; `quoted` when the key was written as a string."""

    name: Ident
    value: Expr
    quoted: bool
    span: Span


@dataclass(frozen=True, slots=True, eq=False)
class RecordLit(Node):
    """`{ a: e  b: e }`."""

    entries: tuple[RecordEntry, ...]
    span: Span


@dataclass(frozen=True, slots=True, eq=False)
class Field(Node):
    """`base.name`."""

    base: Expr
    name: Ident
    span: Span


@dataclass(frozen=True, slots=True, eq=False)
class Index(Node):
    """`base[index]`."""

    base: Expr
    index: Expr
    span: Span


@dataclass(frozen=True, slots=True, eq=False)
class Arg(Node):
    """An argument: positional (`label` and `key` none), named (`label: value`), or weighted (`30%: value`, `key`)."""

    label: Ident | None
    key: Expr | None
    value: Expr
    span: Span


@dataclass(frozen=True, slots=True, eq=False)
class Call(Node):
    """`callee(args)`; the callee is a `Name` or a `Field` chain in every sound spec."""

    callee: Expr
    args: tuple[Arg, ...]
    span: Span


@dataclass(frozen=True, slots=True, eq=False)
class Unary(Node):
    """`-operand`."""

    op: str
    operand: Expr
    span: Span


@dataclass(frozen=True, slots=True, eq=False)
class Not(Node):
    """`not operand`."""

    operand: Expr
    span: Span


@dataclass(frozen=True, slots=True, eq=False)
class Binary(Node):
    """`left op right`, op being one of `or and == != < <= > >= in not-in ?? + - * /` (`not in` is one op)."""

    op: str
    left: Expr
    right: Expr
    op_span: Span
    span: Span


@dataclass(frozen=True, slots=True, eq=False)
class Range(Node):
    """`low..high`, both ends in."""

    low: Expr
    high: Expr
    span: Span


@dataclass(frozen=True, slots=True, eq=False)
class Hole(Node):
    """Where recovery needed an expression and the text has none."""

    span: Span


Expr: TypeAlias = (
    Name
    | Text
    | Int
    | Float
    | Bool
    | NoneLit
    | DurationLit
    | MoneyLit
    | PercentLit
    | ListLit
    | RecordLit
    | Field
    | Index
    | Call
    | Unary
    | Not
    | Binary
    | Range
    | Hole
)


@dataclass(frozen=True, slots=True, eq=False)
class Attribute(Node):
    """`name = value`."""

    name: Ident
    value: Expr
    doc: str | None
    span: Span


@dataclass(frozen=True, slots=True, eq=False)
class Limit(Node):
    """`cost <= $4.00`."""

    name: Ident
    value: Expr
    span: Span


@dataclass(frozen=True, slots=True, eq=False)
class Budget(Node):
    """`budget { cost <= $4.00  tokens <= 400k }`."""

    limits: tuple[Limit, ...]
    doc: str | None
    span: Span


Setting: TypeAlias = Attribute | Budget
