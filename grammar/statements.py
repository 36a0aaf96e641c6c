"""The syntax tree, part two: the statements of flows, scopes, rounds, arms and states."""

from __future__ import annotations

from typing import TypeAlias

from orchspec.grammar.expressions import Arg, Attribute, Budget, Call, Expr, Hole, Ident, Node, Path, Setting
from orchspec.grammar.source import Span
from orchspec.slotted import dataclass

__all__ = [
    "Arbitrate",
    "Arm",
    "Block",
    "By",
    "ByAgent",
    "ByAll",
    "ByAny",
    "ByCount",
    "ByFirst",
    "Checkpoint",
    "Eval",
    "Every",
    "Fail",
    "For",
    "Give",
    "Handoff",
    "Let",
    "On",
    "Peers",
    "Repeat",
    "Require",
    "Return",
    "Revert",
    "Route",
    "Scope",
    "Send",
    "Statement",
    "Step",
    "Supervise",
    "Until",
    "Wait",
]


@dataclass(frozen=True, slots=True, eq=False)
class ByAgent(Node):
    """`by planner`: unicast."""

    agent: Path
    span: Span


@dataclass(frozen=True, slots=True, eq=False)
class ByAny(Node):
    """`by any` (`agents` none: whoever fulfills it) or `by any of [a, b]`."""

    agents: tuple[Path, ...] | None
    span: Span


@dataclass(frozen=True, slots=True, eq=False)
class ByAll(Node):
    """`by all` (`agents` none: all who fulfill it) or `by all of [a, b]`."""

    agents: tuple[Path, ...] | None
    span: Span


@dataclass(frozen=True, slots=True, eq=False)
class ByCount(Node):
    """`by 3 of critic`: one agent, asked several times."""

    count: Expr
    agent: Path
    span: Span


@dataclass(frozen=True, slots=True, eq=False)
class ByFirst(Node):
    """`by first of [a, b]`: a race."""

    agents: tuple[Path, ...]
    span: Span


By: TypeAlias = ByAgent | ByAny | ByAll | ByCount | ByFirst


@dataclass(frozen=True, slots=True, eq=False)
class For(Node):
    """`for name in items`."""

    name: Ident
    items: Expr
    span: Span


@dataclass(frozen=True, slots=True, eq=False)
class Step(Node):
    """`step name = CALL by AGENTS for x in xs { settings }`; the name is empty where an arm of a route is the call.

    `work` is a `Call` in every sound spec, else what stands in its place.
    """

    name: Ident
    work: Call | Hole
    by: By | None
    loop: For | None
    settings: tuple[Setting, ...]
    doc: str | None
    span: Span


@dataclass(frozen=True, slots=True, eq=False)
class Arbitrate(Node):
    """`arbitrate name = candidates { settings }`."""

    name: Ident
    candidates: Expr
    settings: tuple[Setting, ...]
    doc: str | None
    span: Span


@dataclass(frozen=True, slots=True, eq=False)
class Block(Node):
    """`{ statements }` of an arm or of an `else`; an arm that is a call, `give` or `fail` is a block of just that."""

    body: tuple[Statement, ...]
    span: Span


@dataclass(frozen=True, slots=True, eq=False)
class Scope(Node):
    """`scope name for x in xs { statements }`; attributes and budgets stand among the statements."""

    name: Ident
    loop: For | None
    body: tuple[Statement, ...]
    doc: str | None
    span: Span


@dataclass(frozen=True, slots=True, eq=False)
class Arm(Node):
    """`case a, b when E -> body` (patterns), `when E -> body` (patterns empty) or `else -> body` (both missing)."""

    patterns: tuple[Expr, ...]
    when: Expr | None
    body: Block
    doc: str | None
    span: Span

    @property
    def is_else(self) -> bool:
        """Whether this is the `else` arm."""
        return not self.patterns and self.when is None


@dataclass(frozen=True, slots=True, eq=False)
class Route(Node):
    """`route name on subject { arms }`, or without `on`."""

    name: Ident
    subject: Expr | None
    arms: tuple[Arm, ...]
    doc: str | None
    span: Span


@dataclass(frozen=True, slots=True, eq=False)
class Repeat(Node):
    """`repeat name N times { statements } else { statements }`."""

    name: Ident
    times: Expr
    body: tuple[Statement, ...]
    otherwise: Block | None
    doc: str | None
    span: Span


@dataclass(frozen=True, slots=True, eq=False)
class Until(Node):
    """`until condition` of a `repeat`."""

    condition: Expr
    doc: str | None
    span: Span


@dataclass(frozen=True, slots=True, eq=False)
class Every(Node):
    """`every 30s` of a `repeat`: the period of its rounds; `ahead` of the block or in it."""

    period: Expr
    doc: str | None
    span: Span
    ahead: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Supervise(Node):
    """`supervise name = CALL by lead { settings }`."""

    name: Ident
    work: Call | Hole
    by: By | None
    settings: tuple[Setting, ...]
    doc: str | None
    span: Span


@dataclass(frozen=True, slots=True, eq=False)
class Handoff(Node):
    """`handoff source -> target | target when E` of a peer network."""

    source: Path
    targets: tuple[Path, ...]
    when: Expr | None
    doc: str | None
    span: Span


@dataclass(frozen=True, slots=True, eq=False)
class Peers(Node):
    """`peers name = CALL among [a, b] { settings and handoffs }`."""

    name: Ident
    work: Call | Hole
    among: tuple[Path, ...]
    body: tuple[Attribute | Budget | Handoff, ...]
    doc: str | None
    span: Span


@dataclass(frozen=True, slots=True, eq=False)
class Eval(Node):
    """`eval name = CALL by AGENTS { settings }`."""

    name: Ident
    work: Call | Hole
    by: By | None
    settings: tuple[Setting, ...]
    doc: str | None
    span: Span


@dataclass(frozen=True, slots=True, eq=False)
class Let(Node):
    """`let name = value`."""

    name: Ident
    value: Expr
    doc: str | None
    span: Span


@dataclass(frozen=True, slots=True, eq=False)
class Fail(Node):
    """`fail message when condition`."""

    message: Expr
    when: Expr | None
    doc: str | None
    span: Span


@dataclass(frozen=True, slots=True, eq=False)
class Revert(Node):
    """`revert name`."""

    name: Ident
    doc: str | None
    span: Span


@dataclass(frozen=True, slots=True, eq=False)
class Checkpoint(Node):
    """`checkpoint name`."""

    name: Ident
    doc: str | None
    span: Span


@dataclass(frozen=True, slots=True, eq=False)
class Wait(Node):
    """`wait EXPR`: a duration or a time."""

    value: Expr
    doc: str | None
    span: Span


@dataclass(frozen=True, slots=True, eq=False)
class Send(Node):
    """`send channel(args)`."""

    message: Call | Hole
    doc: str | None
    span: Span


@dataclass(frozen=True, slots=True, eq=False)
class Return(Node):
    """`return value` of a flow or a final state."""

    value: Expr
    doc: str | None
    span: Span


@dataclass(frozen=True, slots=True, eq=False)
class Give(Node):
    """`give value` of a scope, a round or an arm."""

    value: Expr
    doc: str | None
    span: Span


@dataclass(frozen=True, slots=True, eq=False)
class Require(Node):
    """`require earlier before later`."""

    earlier: Ident
    later: Ident
    doc: str | None
    span: Span


@dataclass(frozen=True, slots=True, eq=False)
class On(Node):
    """`on event(args) as name when E -> target` of a machine's state.

    `event` is `done`, `failed`, `timeout`, `exhausted` or a signal; `args` is none when no parentheses were written.
    """

    event: Path
    args: tuple[Arg, ...] | None
    alias: Ident | None
    when: Expr | None
    target: Ident
    doc: str | None
    span: Span


Statement: TypeAlias = (
    Attribute
    | Budget
    | Step
    | Arbitrate
    | Scope
    | Route
    | Repeat
    | Until
    | Every
    | Supervise
    | Peers
    | Eval
    | Let
    | Fail
    | Revert
    | Checkpoint
    | Wait
    | Send
    | Return
    | Give
    | Require
    | On
)
