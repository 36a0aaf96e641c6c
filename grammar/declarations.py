"""The syntax tree, part three: declarations, tests, scenarios and the file."""

from __future__ import annotations

from typing import Literal, TypeAlias

from orchspec.grammar.expressions import Attribute, Budget, Expr, Ident, Node, Path, Setting, Text, TypeExpr
from orchspec.grammar.source import Span
from orchspec.grammar.statements import Statement
from orchspec.slotted import dataclass

__all__ = [
    "AgentDecl",
    "ChannelDecl",
    "Comment",
    "ContractDecl",
    "DecisionDecl",
    "Declaration",
    "Edition",
    "EffectDecl",
    "EnumDecl",
    "EnumMember",
    "Expect",
    "Fault",
    "FieldDecl",
    "File",
    "FlowDecl",
    "Import",
    "MachineDecl",
    "ModelDecl",
    "ParamDecl",
    "Parameter",
    "PolicyDecl",
    "ProfileDecl",
    "ScenarioDecl",
    "SignalDecl",
    "State",
    "Stub",
    "TestDecl",
    "TestItem",
    "ToolDecl",
    "TypeDecl",
]


@dataclass(frozen=True, slots=True, eq=False)
class Edition(Node):
    """`orch 1`."""

    number: int
    span: Span


@dataclass(frozen=True, slots=True, eq=False)
class Import(Node):
    """`import "path" as alias with { bindings }`."""

    path: Text
    alias: Ident
    bindings: tuple[Attribute, ...]
    doc: str | None
    span: Span


@dataclass(frozen=True, slots=True, eq=False)
class ParamDecl(Node):
    """`param name: Type = default where condition` of a file."""

    name: Ident
    type: TypeExpr
    default: Expr | None
    where: Expr | None
    doc: str | None
    span: Span


@dataclass(frozen=True, slots=True, eq=False)
class Parameter(Node):
    """`name: Type = default where condition` between the parentheses of a contract, effect, signal, channel or flow."""

    name: Ident
    type: TypeExpr
    default: Expr | None
    where: Expr | None
    doc: str | None
    span: Span


@dataclass(frozen=True, slots=True, eq=False)
class FieldDecl(Node):
    """`name: Type = default where condition` of a record type."""

    name: Ident
    type: TypeExpr
    default: Expr | None
    where: Expr | None
    doc: str | None
    span: Span


@dataclass(frozen=True, slots=True, eq=False)
class EnumMember(Node):
    """One member of an enum."""

    name: Ident
    doc: str | None
    span: Span


@dataclass(frozen=True, slots=True, eq=False)
class EnumDecl(Node):
    """`enum Name { member, member }`."""

    name: Ident
    members: tuple[EnumMember, ...]
    doc: str | None
    span: Span


@dataclass(frozen=True, slots=True, eq=False)
class TypeDecl(Node):
    """`type Name { fields }`."""

    name: Ident
    fields: tuple[FieldDecl, ...]
    doc: str | None
    span: Span


@dataclass(frozen=True, slots=True, eq=False)
class ModelDecl(Node):
    """`model name { settings }`."""

    name: Ident
    settings: tuple[Setting, ...]
    doc: str | None
    span: Span


@dataclass(frozen=True, slots=True, eq=False)
class DecisionDecl(Node):
    """`decision name`."""

    name: Ident
    doc: str | None
    span: Span


@dataclass(frozen=True, slots=True, eq=False)
class ContractDecl(Node):
    """`contract Name(params) -> Type { settings }`."""

    name: Ident
    params: tuple[Parameter, ...]
    result: TypeExpr
    settings: tuple[Setting, ...]
    doc: str | None
    span: Span


@dataclass(frozen=True, slots=True, eq=False)
class AgentDecl(Node):
    """`agent name fulfills Contract, Contract { settings }`, and likewise `human` and `dispatcher`."""

    kind: Literal["agent", "human", "dispatcher"]
    name: Ident
    fulfills: tuple[Path, ...]
    settings: tuple[Setting, ...]
    doc: str | None
    span: Span


@dataclass(frozen=True, slots=True, eq=False)
class ToolDecl(Node):
    """`tool name { settings }`."""

    name: Ident
    settings: tuple[Setting, ...]
    doc: str | None
    span: Span


@dataclass(frozen=True, slots=True, eq=False)
class EffectDecl(Node):
    """`effect name(params) -> Type { settings }`; the result may be missing."""

    name: Ident
    params: tuple[Parameter, ...]
    result: TypeExpr | None
    settings: tuple[Setting, ...]
    doc: str | None
    span: Span


@dataclass(frozen=True, slots=True, eq=False)
class PolicyDecl(Node):
    """`policy name { settings }`."""

    name: Ident
    settings: tuple[Setting, ...]
    doc: str | None
    span: Span


@dataclass(frozen=True, slots=True, eq=False)
class SignalDecl(Node):
    """`signal name(params) -> Type`; result and settings may be missing."""

    name: Ident
    params: tuple[Parameter, ...]
    result: TypeExpr | None
    settings: tuple[Setting, ...]
    doc: str | None
    span: Span


@dataclass(frozen=True, slots=True, eq=False)
class ChannelDecl(Node):
    """`channel name(params) { from = [...]  to = [...] }`."""

    name: Ident
    params: tuple[Parameter, ...]
    settings: tuple[Setting, ...]
    doc: str | None
    span: Span


@dataclass(frozen=True, slots=True, eq=False)
class ProfileDecl(Node):
    """`profile target { settings }`."""

    target: Path
    settings: tuple[Setting, ...]
    doc: str | None
    span: Span


@dataclass(frozen=True, slots=True, eq=False)
class FlowDecl(Node):
    """`flow name(params) -> Type { statements }`; attributes and budgets stand among the statements."""

    name: Ident
    params: tuple[Parameter, ...]
    result: TypeExpr | None
    body: tuple[Statement, ...]
    doc: str | None
    span: Span


@dataclass(frozen=True, slots=True, eq=False)
class State(Node):
    """`initial state name { statements }`, `state ...`, `final state ...`; `on` clauses stand among the statements."""

    kind: Literal["initial", "state", "final"]
    name: Ident
    body: tuple[Statement, ...]
    doc: str | None
    span: Span


@dataclass(frozen=True, slots=True, eq=False)
class MachineDecl(Node):
    """`machine name(params) -> Type { settings and states }`."""

    name: Ident
    params: tuple[Parameter, ...]
    result: TypeExpr | None
    body: tuple[Attribute | Budget | State, ...]
    doc: str | None
    span: Span

    @property
    def states(self) -> tuple[State, ...]:
        """The states, in the order of the text."""
        return tuple(item for item in self.body if isinstance(item, State))


@dataclass(frozen=True, slots=True, eq=False)
class Stub(Node):
    """`stub agent.Contract = value then value` of a test."""

    target: Path
    values: tuple[Expr, ...]
    doc: str | None
    span: Span


@dataclass(frozen=True, slots=True, eq=False)
class Fault(Node):
    """`fault crash(orchestrator, every: 20min)` of a test or scenario."""

    fault: Expr
    doc: str | None
    span: Span


@dataclass(frozen=True, slots=True, eq=False)
class Expect(Node):
    """`expect condition` of a test or scenario."""

    condition: Expr
    doc: str | None
    span: Span


TestItem: TypeAlias = Attribute | Stub | Fault | Expect


@dataclass(frozen=True, slots=True, eq=False)
class TestDecl(Node):
    """`test "title" for flow { items }`."""

    __test__ = False  # pytest would take the class for a test case

    title: Text
    target: Path
    body: tuple[TestItem, ...]
    doc: str | None
    span: Span


@dataclass(frozen=True, slots=True, eq=False)
class ScenarioDecl(Node):
    """`scenario "title" for flow { items }`."""

    title: Text
    target: Path
    body: tuple[TestItem, ...]
    doc: str | None
    span: Span


Declaration: TypeAlias = (
    Import
    | ParamDecl
    | EnumDecl
    | TypeDecl
    | ModelDecl
    | DecisionDecl
    | ContractDecl
    | AgentDecl
    | ToolDecl
    | EffectDecl
    | PolicyDecl
    | SignalDecl
    | ChannelDecl
    | ProfileDecl
    | FlowDecl
    | MachineDecl
    | TestDecl
    | ScenarioDecl
)


@dataclass(frozen=True, slots=True, eq=False)
class Comment(Node):
    """A comment, `//` or `///`, without its line end; kept beside the tree for the formatter and for silencing."""

    text: str
    span: Span

    @property
    def is_doc(self) -> bool:
        """Whether this is a `///` comment."""
        return self.text.startswith("///") and not self.text.startswith("////")


@dataclass(frozen=True, slots=True, eq=False)
class File(Node):
    """A whole spec file.

    `sound` is false when there was any syntax error: the tree says more, or less, than the text. `patches` are the
    places where recovery guessed within what it read: what is missing from the tree may stand there. None if it may
    stand anywhere, since something was skipped or the braces had to be guessed: whoever reads such a tree should not
    report names as unknown on its evidence alone.
    """

    edition: Edition | None
    declarations: tuple[Declaration, ...]
    comments: tuple[Comment, ...]
    sound: bool
    patches: tuple[Span, ...] | None
    span: Span

    @property
    def whole(self) -> bool:
        """Whether nothing had to be guessed: what is missing from the tree is missing from the text."""
        return self.patches == ()
