"""What the checks found out about declarations; see the head of the package."""

from __future__ import annotations

from dataclasses import field
from typing import TYPE_CHECKING, Any, Literal

from orchspec.compiler.model.frames import Frame, Slot
from orchspec.compiler.plan import Backoff, Breaker, Budget, Hedge, Rate, SessionKind
from orchspec.compiler.types import NOTHING, UNKNOWN, Type
from orchspec.grammar.syntax import (
    AgentDecl,
    ChannelDecl,
    ContractDecl,
    DecisionDecl,
    EffectDecl,
    EnumDecl,
    Expr,
    FieldDecl,
    FlowDecl,
    ListLit,
    MachineDecl,
    ModelDecl,
    ParamDecl,
    Parameter,
    PolicyDecl,
    SignalDecl,
    ToolDecl,
    TypeDecl,
)
from orchspec.slotted import dataclass

if TYPE_CHECKING:
    from orchspec.compiler.model.blocks import BlockInfo, CandidateInfo, MachineInfo
    from orchspec.compiler.plan import Expr as PlanExpr

__all__ = [
    "AgentInfo",
    "Argument",
    "ChannelInfo",
    "ContractInfo",
    "DecisionInfo",
    "EffectInfo",
    "EnumInfo",
    "FieldInfo",
    "FlowInfo",
    "ModelInfo",
    "ParamInfo",
    "PolicyInfo",
    "PolicyValues",
    "RecordInfo",
    "SignalInfo",
    "ToolInfo",
    "UndoInfo",
]


@dataclass(slots=True, eq=False)
class FieldInfo:
    """A field of a record, or a parameter of a contract, effect or flow.

    `where` and `default` stand in the node; where evaluated in the declaration's frame (`slot`). `default` may stand
    although it is none: see `has_default`. An optional type without a default may be left out too, and is none then.
    """

    name: str
    type: Type
    node: FieldDecl | Parameter
    slot: Slot

    @property
    def has_default(self) -> bool:
        """Whether the spec gives a default."""
        return self.node.default is not None


@dataclass(slots=True, eq=False)
class RecordInfo:
    """A record `type`; `frame` holds all its fields in order; `built_in`: no spec declares it."""

    name: str
    node: TypeDecl
    frame: Frame
    fields: list[FieldInfo] = field(default_factory=list)
    built_in: bool = False

    def field(self, name: str) -> FieldInfo | None:
        """The field of that name, or none."""
        return next((item for item in self.fields if item.name == name), None)


@dataclass(slots=True, eq=False)
class EnumInfo:
    """An `enum` and its members in order."""

    name: str
    node: EnumDecl
    members: tuple[str, ...]


@dataclass(slots=True, eq=False)
class ParamInfo:
    """A `param`; `value` is the inner value of its setting, of what an import binds, or of its default.

    `frame` is that of its `where`; `bound` the value that an import binds, which stands in the importer.
    """

    name: str
    node: ParamDecl
    frame: Frame
    type: Type = UNKNOWN
    bound: Expr | None = None
    value: Any = None
    known: bool = False


@dataclass(slots=True, eq=False)
class ModelInfo:
    """A model: pico-dollars for each token in and out, its context in tokens, and what its provider lets through."""

    name: str
    node: ModelDecl
    input_pico: int | None = None
    output_pico: int | None = None
    context_tokens: int | None = None
    rate: Rate | None = None
    token_rate: Rate | None = None

    @property
    def priced(self) -> bool:
        """Whether both prices are known."""
        return self.input_pico is not None and self.output_pico is not None


@dataclass(slots=True, eq=False)
class DecisionInfo:
    """A `decision`, which one contract may own."""

    name: str
    node: DecisionDecl


@dataclass(slots=True, eq=False)
class ContractInfo:
    """A typed handoff. `frame` holds the parameters and then `result`: that of `ensures` and of parameters' `where`.

    `ensures` are the conditions, in order, a list literal `ensures = [a, b]` taken apart. `reuse` is None, "run", or a
    time in microseconds.
    """

    name: str
    node: ContractDecl
    frame: Frame
    params: list[FieldInfo] = field(default_factory=list)
    result: Type = UNKNOWN
    expects: str = ""
    ensures: list[Expr] = field(default_factory=list)
    reuse: int | Literal["run"] | None = None
    owns: DecisionInfo | None = None


@dataclass(frozen=True, slots=True)
class PolicyValues:
    """The policy attributes of one place; None is "not said here". `slots` are the least and the most."""

    timeout_us: int | None = None
    attempts: int | None = None
    backoff: Backoff | None = None
    breaker: Breaker | None = None
    rate: Rate | None = None
    slots: tuple[int, int] | None = None
    hedge: Hedge | None = None

    def over(self, wider: PolicyValues) -> PolicyValues:
        """These values, and where they say nothing those of the wider place."""
        return PolicyValues(
            *(
                mine if mine is not None else theirs
                for mine, theirs in (
                    (getattr(self, name), getattr(wider, name)) for name in PolicyValues.__dataclass_fields__
                )
            )
        )


@dataclass(slots=True, eq=False)
class PolicyInfo:
    """A `policy` and what it says."""

    name: str
    node: PolicyDecl
    values: PolicyValues = field(default_factory=PolicyValues)


@dataclass(slots=True, eq=False)
class ToolInfo:
    """A `tool` and its limits."""

    name: str
    node: ToolDecl
    slots: tuple[int, int] | None = None
    rate: Rate | None = None


@dataclass(slots=True, eq=False)
class AgentInfo:
    """An agent, human or dispatcher.

    `policy` is merged: its `policies` in order, the later winning, its own attributes over them; `slots` and `rate` of
    the agent stand in it (a human without `slots` has 1). `budget` caps one attempt.
    """

    name: str
    node: AgentDecl
    kind: Literal["agent", "human", "dispatcher"]
    fulfills: list[ContractInfo] = field(default_factory=list)
    models: list[ModelInfo] = field(default_factory=list)
    tools: list[ToolInfo] = field(default_factory=list)
    effects: list[EffectInfo] = field(default_factory=list)
    policy: PolicyValues = field(default_factory=PolicyValues)
    session: SessionKind = "fresh"
    session_by: dict[str, PlanExpr] = field(default_factory=dict)
    """What tells the minds of a persistent session apart, for each contract, over its parameters; lowered at once."""
    context_tokens: int | None = None
    fold: ContractInfo | None = None
    folders: tuple[CandidateInfo, ...] = ()
    """Who may summarize what it outgrows."""
    budget: Budget = field(default_factory=Budget)
    skill: float = 1.0
    open: bool = False
    """Whether it fulfills something that could not be resolved, so that "does not fulfill" would be a guess."""


@dataclass(frozen=True, slots=True, eq=False)
class Argument:
    """One parameter of a call with what it gets: `value` None takes the parameter's default, or none if it has none."""

    param: FieldInfo
    value: Expr | None


@dataclass(frozen=True, slots=True, eq=False)
class UndoInfo:
    """`undo = retract(url: result)`, or the call of a `check`; the arguments are evaluated in the effect's frame."""

    effect: EffectInfo
    arguments: tuple[Argument, ...]


@dataclass(slots=True, eq=False)
class EffectInfo:
    """An effect. `frame` holds its parameters and then `result` (the receipt; for `undo` only).

    It stays single by one of `key`, `idempotent`, `check` and `doubt_who` (whom to ask, for at most `doubt_within_us`);
    that one may also stand beside a key whose target forgets it after `remembers_us`. Times are microseconds.
    """

    name: str
    node: EffectDecl
    frame: Frame
    params: list[FieldInfo] = field(default_factory=list)
    result: Type = NOTHING
    key: Expr | None = None
    undo: UndoInfo | None = None
    policy: PolicyValues = field(default_factory=PolicyValues)
    idempotent: bool = False
    check: UndoInfo | None = None
    doubt_who: AgentInfo | None = None
    doubt_within_us: int | None = None
    settles_us: int | None = None
    remembers_us: int | None = None

    @property
    def doubtful(self) -> bool:
        """Whether a repeat would be a second deed: neither its target nor its nature drops it."""
        return self.key is None and not self.idempotent


@dataclass(slots=True, eq=False)
class SignalInfo:
    """A signal. `frame` holds its parameters."""

    name: str
    node: SignalDecl
    frame: Frame
    params: list[FieldInfo] = field(default_factory=list)
    result: Type = NOTHING


@dataclass(slots=True, eq=False)
class ChannelInfo:
    """A channel. `source` is the list of its `from`; `frame` holds its parameters."""

    name: str
    node: ChannelDecl
    frame: Frame
    params: list[FieldInfo] = field(default_factory=list)
    senders: list[AgentInfo | FlowInfo] = field(default_factory=list)
    receivers: list[AgentInfo] = field(default_factory=list)
    source: ListLit | None = None


@dataclass(slots=True, eq=False)
class FlowInfo:
    """A flow, or a machine. `block` is the table of its body, whose frame holds the parameters first.

    The statements of a machine's block are its states, and each has a block of its own.

    The `where` of parameters are evaluated in `frame`, which holds the parameters alone.
    """

    name: str
    node: FlowDecl | MachineDecl
    frame: Frame
    params: list[FieldInfo] = field(default_factory=list)
    result: Type = NOTHING
    budget: Budget = field(default_factory=Budget)
    economy: float | None = None
    block: BlockInfo | None = None
    machine: MachineInfo | None = None
