"""The checked spec as a whole: all tables; see the head of the package."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import Any, TypeAlias

from orchspec.compiler.model.blocks import (
    ArbitrateInfo,
    BlockInfo,
    EvalInfo,
    RepeatInfo,
    RouteInfo,
    ScopeInfo,
    SendInfo,
    StepInfo,
)
from orchspec.compiler.model.declarations import (
    AgentInfo,
    ChannelInfo,
    ContractInfo,
    DecisionInfo,
    EffectInfo,
    EnumInfo,
    FieldInfo,
    FlowInfo,
    ModelInfo,
    ParamInfo,
    PolicyInfo,
    RecordInfo,
    SignalInfo,
    ToolInfo,
)
from orchspec.compiler.model.frames import (
    BuiltinRef,
    FactRef,
    Frame,
    GiverRef,
    MemberRef,
    MissingRef,
    ParamRef,
    Reference,
    Slot,
)
from orchspec.compiler.model.modules import Module
from orchspec.compiler.types import Type
from orchspec.grammar.source import Source
from orchspec.grammar.syntax import (
    Arbitrate,
    Eval,
    Expr,
    File,
    Node,
    Peers,
    ProfileDecl,
    RecordLit,
    Repeat,
    Route,
    ScenarioDecl,
    Scope,
    Send,
    State,
    Step,
    Supervise,
    TestDecl,
)
from orchspec.slotted import dataclass

__all__ = ["Checked", "Symbol"]

Symbol: TypeAlias = (
    Reference
    | ParamRef
    | MemberRef
    | GiverRef
    | MissingRef
    | BuiltinRef
    | FactRef
    | RecordInfo
    | EnumInfo
    | ModelInfo
    | DecisionInfo
    | ContractInfo
    | PolicyInfo
    | ToolInfo
    | AgentInfo
    | EffectInfo
    | FlowInfo
    | SignalInfo
    | ChannelInfo
)
"""What a Name, Path, Field, Index or Call node refers to."""


@dataclass(slots=True, eq=False)
class Checked:
    """A checked spec.

    Declarations stand by their full names (`panel.Vote` for what is imported) in the order of the text. `expr_types`
    has the type of every expression that was typed, narrowing applied (so the type of the base of a Field says
    whether it is `field`, `field?`, `project` or `project?`). `floats` are the Int expressions that stand where a
    Float is expected: `["float", e]`; `edged` those that stand in a value of type Json: `["edge", form, e]`; `moments`
    the texts that say a Time (us), in inputs of studies. `literals` say for each RecordLit what it makes: pairs of
    field and value (None: its default, or none) in the order of the type's fields; a RecordLit of type Map or Json is
    not in it, and is taken as its entries say.
    """

    file: File
    settings: Mapping[str, str] = field(default_factory=dict)

    records: dict[str, RecordInfo] = field(default_factory=dict)
    enums: dict[str, EnumInfo] = field(default_factory=dict)
    params: dict[str, ParamInfo] = field(default_factory=dict)
    models: dict[str, ModelInfo] = field(default_factory=dict)
    decisions: dict[str, DecisionInfo] = field(default_factory=dict)
    contracts: dict[str, ContractInfo] = field(default_factory=dict)
    policies: dict[str, PolicyInfo] = field(default_factory=dict)
    tools: dict[str, ToolInfo] = field(default_factory=dict)
    agents: dict[str, AgentInfo] = field(default_factory=dict)
    effects: dict[str, EffectInfo] = field(default_factory=dict)
    flows: dict[str, FlowInfo] = field(default_factory=dict)
    signals: dict[str, SignalInfo] = field(default_factory=dict)
    channels: dict[str, ChannelInfo] = field(default_factory=dict)
    profiles: list[ProfileDecl] = field(default_factory=list)
    targets: dict[Node, Any] = field(default_factory=dict)
    """Whom a profile is about, by the Path that names it."""
    profile_of: dict[str, ProfileDecl] = field(default_factory=dict)
    """The profile that describes an agent, tool, effect, signal or the orchestrator, by its full name."""
    scenarios: list[ScenarioDecl] = field(default_factory=list)
    tests: list[TestDecl] = field(default_factory=list)
    modules: list[Module] = field(default_factory=list)
    """What names mean: the spec's own file first, then those that it imports, directly and through others."""
    module_of: dict[Source, Module] = field(default_factory=dict)

    expr_types: dict[Node, Type] = field(default_factory=dict)
    resolved: dict[Node, Symbol] = field(default_factory=dict)
    frames: dict[Node, Frame] = field(default_factory=dict)
    """The frame in which an expression is evaluated, for the outermost node of each."""
    floats: set[Node] = field(default_factory=set)
    edged: set[Node] = field(default_factory=set)
    moments: dict[Node, int] = field(default_factory=dict)
    literals: dict[RecordLit, tuple[tuple[FieldInfo, Expr | None], ...]] = field(default_factory=dict)
    constants: dict[Node, Any] = field(default_factory=dict)
    """Inner values of the expressions of attributes that had to be constant."""

    blocks: dict[Node, BlockInfo] = field(default_factory=dict)
    """By FlowDecl, Scope, Repeat (its rounds) and Block (its `else`, and the arms of a Route)."""
    steps: dict[Step | Supervise | Peers, StepInfo] = field(default_factory=dict)
    arbitrations: dict[Arbitrate, ArbitrateInfo] = field(default_factory=dict)
    repeats: dict[Repeat, RepeatInfo] = field(default_factory=dict)
    scopes: dict[Scope, ScopeInfo] = field(default_factory=dict)
    routes: dict[Route, RouteInfo] = field(default_factory=dict)
    sends: dict[Send, SendInfo] = field(default_factory=dict)
    evals: dict[Eval, EvalInfo] = field(default_factory=dict)
    slots: dict[Node, Slot] = field(default_factory=dict)
    """The slot that a naming statement (Step, Arbitrate, Scope, Repeat, Route, Let, Supervise, Peers) gives."""
    rounds: dict[Repeat, dict[str, Type]] = field(default_factory=dict)
    """The fields of `Round` types."""

    def blocks_of(self, statement: Node) -> tuple[BlockInfo, ...]:
        """The blocks that a statement holds, in the order of the text: a scope's or repeat's body, an `else`, the arms.

        None for a statement without any, and for one that could not be checked.
        """
        match statement:
            case Scope() | State():
                nodes: tuple[Node | None, ...] = (statement,)
            case Repeat():
                nodes = (statement, statement.otherwise)
            case Route():
                nodes = tuple(arm.body for arm in statement.arms)
            case _:
                return ()
        return tuple(self.blocks[node] for node in nodes if node is not None and node in self.blocks)
