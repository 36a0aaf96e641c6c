"""The checked spec: what every later pass reads beside the syntax tree.

The tree is never changed; what was found out about it stands here, keyed by node (nodes are compared by identity). Who
lowers a checked spec finds every name resolved, every argument in its place, every constant computed and every order
settled, and looks nothing up by its text again.

Values of attributes and params are *inner values*: Duration int microseconds, Money int pico-dollars, Percent and Rate
float (a share; per second), an enum its member's name, a record a dict, a list a list, none None.

Frames. Expressions are evaluated in frames, as `orchspec.compiler.plan` describes them. A `Frame` holds named slots and
has a parent; a `Slot` in `Checked.resolved` says in which frame and at which index, and `Reference.up` how many frames
up from the one in which that very expression is evaluated. There is one frame for each of: the body of a flow (its
parameters first), of a scope (its item first, if it has one), of the rounds of a repeat (`past`, `prev` first), of a
repeat's `else` (no slots given); the item of a step's `for` (one slot, parent: the block's); `it` of an arbitration
(one slot, parent: the block's); the parameters and then `result` of a contract and of an effect (no parent); the fields
of a record type (no parent); the parameters of a flow for their `where` (no parent); a param's value for its `where`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from orchspec.compiler.plan import Backoff, Breaker, Budget, Need, Rate
from orchspec.compiler.types import NOTHING, UNKNOWN, Type
from orchspec.grammar.syntax import (
    AgentDecl,
    Arbitrate,
    ContractDecl,
    DecisionDecl,
    EffectDecl,
    EnumDecl,
    Expr,
    FieldDecl,
    File,
    FlowDecl,
    Give,
    ModelDecl,
    Node,
    ParamDecl,
    Parameter,
    PolicyDecl,
    ProfileDecl,
    RecordLit,
    Repeat,
    Return,
    ScenarioDecl,
    Scope,
    Statement,
    Step,
    TestDecl,
    ToolDecl,
    TypeDecl,
    Until,
)

__all__ = [
    "AgentInfo",
    "ArbitrateInfo",
    "Argument",
    "BlockInfo",
    "BuiltinRef",
    "CandidateInfo",
    "Checked",
    "ContractInfo",
    "DecisionInfo",
    "EffectInfo",
    "EnumInfo",
    "FactRef",
    "FieldInfo",
    "FlowInfo",
    "Frame",
    "GiverRef",
    "LoopInfo",
    "MemberRef",
    "MissingRef",
    "ModelInfo",
    "OnFailureInfo",
    "ParamInfo",
    "ParamRef",
    "PolicyInfo",
    "PolicyValues",
    "RecordInfo",
    "Reference",
    "RepeatInfo",
    "RuleInfo",
    "ScopeInfo",
    "Slot",
    "SlotKind",
    "StepInfo",
    "Symbol",
    "TierInfo",
    "ToolInfo",
    "UndoInfo",
]


# ------------------------------------------------------------------ frames and symbols

SlotKind: TypeAlias = Literal["local", "parameter", "field", "item", "it", "result", "past", "prev", "param"]


@dataclass(slots=True, eq=False)
class Frame:
    """Named slots in which expressions are evaluated.

    `node` is what the frame belongs to; `given` slots are filled when it starts; `parent` is the next frame outward.
    """

    node: Node
    parent: Frame | None = None
    slots: list[Slot] = field(default_factory=list)
    given: int = 0

    _by_name: dict[str, Slot] = field(default_factory=dict, repr=False)

    def add(self, name: str, kind: SlotKind, declared: Node, type_: Type = UNKNOWN) -> Slot:
        """A new slot at the end; if the name stands already, the first keeps it."""
        slot = Slot(name, kind, self, len(self.slots), declared, type_)
        self.slots.append(slot)
        self._by_name.setdefault(name, slot)
        return slot

    def find(self, name: str) -> Slot | None:
        """The slot of that name in this very frame, or none."""
        return self._by_name.get(name)

    def names(self) -> list[str]:
        """The names of the slots, in order."""
        return [slot.name for slot in self.slots]


@dataclass(slots=True, eq=False)
class Slot:
    """A named place in a frame.

    `declared` is the statement, parameter or field that gives it (for `past`, `prev` the Repeat; for `it` the
    Arbitrate; for an item of a `for` the Step or Scope; for `result` the contract's or effect's declaration). `type` is
    filled when it is known. `read` says whether any expression reads it.
    """

    name: str
    kind: SlotKind
    frame: Frame
    index: int
    declared: Node
    type: Type = UNKNOWN
    read: bool = False


@dataclass(frozen=True, slots=True)
class Reference:
    """A Name that reads a slot: `["ref", up, slot.index]`."""

    slot: Slot
    up: int


@dataclass(frozen=True, slots=True)
class ParamRef:
    """A Name that reads a file's param: a constant, `param.value`."""

    param: ParamInfo


@dataclass(frozen=True, slots=True)
class MemberRef:
    """`Verdict.accept` (on the Field node), or a Text literal where an enum is expected."""

    enum: EnumInfo
    member: str


@dataclass(frozen=True, slots=True)
class GiverRef:
    """`votes[critic]` (on the Index node): what `agent` gave to that fan-out: `["giver", up, slot, agent]`."""

    slot: Slot
    up: int
    agent: AgentInfo


@dataclass(frozen=True, slots=True)
class MissingRef:
    """`missing(found)` (on the Call node): the failed items of that `for` step or scope: `["missing", up, slot]`."""

    slot: Slot
    up: int


@dataclass(frozen=True, slots=True)
class BuiltinRef:
    """A call of a built-in function other than `missing` (on the Call node)."""

    name: str


@dataclass(frozen=True, slots=True)
class FactRef:
    """A fact of a run in what a test expects (on the Name or Call node): `["fact", name, target]`.

    With `status`, `name` is the status that `status` is compared with.
    """

    name: str
    target: str | None = None
    status: bool = False


# ------------------------------------------------------------------ declarations


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
    """A record `type`; `frame` holds all its fields in order."""

    name: str
    node: TypeDecl
    frame: Frame
    fields: list[FieldInfo] = field(default_factory=list)

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
    """A `param`; `value` is the inner value of its setting or default, `frame` that of its `where`."""

    name: str
    node: ParamDecl
    frame: Frame
    type: Type = UNKNOWN
    value: Any = None
    known: bool = False


@dataclass(slots=True, eq=False)
class ModelInfo:
    """A model: pico-dollars for each token in and out, and its context in tokens."""

    name: str
    node: ModelDecl
    input_pico: int | None = None
    output_pico: int | None = None
    context_tokens: int | None = None

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
    """The policy attributes of one place; None is "not said here"."""

    timeout_us: int | None = None
    attempts: int | None = None
    backoff: Backoff | None = None
    breaker: Breaker | None = None
    rate: Rate | None = None
    slots: int | None = None

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
    slots: int | None = None
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
    policy: PolicyValues = field(default_factory=PolicyValues)
    session: Literal["fresh", "per_run"] = "fresh"
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
    """`undo = retract(url: result)`; the arguments are evaluated in the effect's frame."""

    effect: EffectInfo
    arguments: tuple[Argument, ...]


@dataclass(slots=True, eq=False)
class EffectInfo:
    """An effect with a key. `frame` holds its parameters and then `result` (the receipt; for `undo` only)."""

    name: str
    node: EffectDecl
    frame: Frame
    params: list[FieldInfo] = field(default_factory=list)
    result: Type = NOTHING
    key: Expr | None = None
    undo: UndoInfo | None = None
    policy: PolicyValues = field(default_factory=PolicyValues)
    remembers_us: int | None = None


@dataclass(slots=True, eq=False)
class FlowInfo:
    """A flow. `block` is the table of its body, whose frame holds the parameters first.

    The `where` of parameters are evaluated in `frame`, which holds the parameters alone.
    """

    name: str
    node: FlowDecl
    frame: Frame
    params: list[FieldInfo] = field(default_factory=list)
    result: Type = NOTHING
    budget: Budget = field(default_factory=Budget)
    economy: float | None = None
    block: BlockInfo | None = None


# ------------------------------------------------------------------ blocks and statements


@dataclass(slots=True, eq=False)
class BlockInfo:
    """A block: the body of a flow, scope or repeat, or a repeat's `else`.

    `statements` are those that run, in written order (attributes, budgets, `require` and `every` are none of them);
    `needs[s]` are the statements of this same block that `s` waits for, in written order: those whose names it or
    anything nested in it reads, earlier effect steps, guards before effects, checkpoints, `after`, `require`.
    `result` is what it gives (`NOTHING` if it gives nothing), and `gives` the statement that does, if any.
    """

    node: Node
    frame: Frame
    statements: tuple[Statement, ...] = ()
    needs: dict[Node, tuple[Statement, ...]] = field(default_factory=dict)
    result: Type = NOTHING
    gives: Give | Return | None = None

    def index(self, statement: Node) -> int:
        """The place of a statement in `statements`."""
        return next(place for place, item in enumerate(self.statements) if item is statement)


@dataclass(frozen=True, slots=True)
class TierInfo:
    """A model an attempt may run on, with what is reserved before; None: only the profile can estimate it."""

    model: ModelInfo | None
    reserve_cost_pico: int | None
    reserve_tokens: int | None


@dataclass(frozen=True, slots=True, eq=False)
class CandidateInfo:
    """An agent at a step, with the policy merged for that place and its tiers (at least one), best model first."""

    agent: AgentInfo
    policy: PolicyValues
    tiers: tuple[TierInfo, ...]


@dataclass(frozen=True, slots=True, eq=False)
class LoopInfo:
    """`for NAME in items { width }`; `slot` is the item's; `items` and `width` are evaluated in the block's frame."""

    slot: Slot
    items: Expr
    width: Expr | None


@dataclass(frozen=True, slots=True, eq=False)
class OnFailureInfo:
    """One link of an `on_failure` chain; `value` is evaluated where the arguments are (the item's frame)."""

    kind: Literal["stop", "skip", "use", "ask"]
    value: Expr | None = None
    who: CandidateInfo | None = None
    within_us: int | None = None


@dataclass(slots=True, eq=False)
class StepInfo:
    """A step with everything resolved.

    Exactly one of `contract`, `effect`, `flow` is set. `arguments` stand in the order of the parameters, none left out;
    with `loop` they are evaluated in the item's frame. `copies` is the N of `N of`. `only_if`, `urgency`, `width` are
    evaluated in the block's frame. `policy` is what the step itself says (effects: merged with the effect's);
    `candidates` hold it merged for each agent. `result` is the type of the step's name.
    """

    node: Step
    contract: ContractInfo | None = None
    effect: EffectInfo | None = None
    flow: FlowInfo | None = None
    arguments: tuple[Argument, ...] = ()
    pattern: Literal["one", "any", "all", "some", "first"] = "one"
    candidates: tuple[CandidateInfo, ...] = ()
    copies: int = 1
    loop: LoopInfo | None = None
    need: Need | None = None
    prefer: Literal["least_busy", "fastest", "cheapest", "most_skilled", "round_robin"] = "least_busy"
    urgency: Expr | None = None
    only_if: Expr | None = None
    on_failure: tuple[OnFailureInfo, ...] = ()
    policy: PolicyValues = field(default_factory=PolicyValues)
    budget: Budget | None = None
    result: Type = UNKNOWN


@dataclass(frozen=True, slots=True, eq=False)
class RuleInfo:
    """One arbitration rule; `expr` (and a quorum's predicate) is evaluated in the frame of `it`, `n` in the block's."""

    kind: Literal["first", "highest", "lowest", "majority", "quorum", "unanimous", "priority", "ask", "stop"]
    expr: Expr | None = None
    n: Expr | None = None
    order: tuple[AgentInfo, ...] = ()
    who: CandidateInfo | None = None
    contract: ContractInfo | None = None
    within_us: int | None = None


@dataclass(slots=True, eq=False)
class ArbitrateInfo:
    """An arbitration. `source` is the fan-out step whose name the candidates are, or None for another list.

    `frame` is that of `it`; `group` is evaluated in it. For `ask(WHO)` without a contract, the asked work is the
    contract and arguments of `source`. `early` is what the attribute says (cancel the rest once the outcome is sure).
    """

    node: Arbitrate
    frame: Frame
    source: StepInfo | None = None
    source_slot: Slot | None = None
    rules: tuple[RuleInfo, ...] = ()
    group: Expr | None = None
    early: bool = False
    item: Type = UNKNOWN
    result: Type = UNKNOWN


@dataclass(slots=True, eq=False)
class RepeatInfo:
    """A repeat. `body` is the block of its rounds (`past`, `prev` first); `kept` are the names of its records."""

    node: Repeat
    body: BlockInfo
    until: Until | None = None
    every_us: int | None = None
    kept: tuple[str, ...] = ()
    otherwise: BlockInfo | None = None
    result: Type = UNKNOWN


@dataclass(slots=True, eq=False)
class ScopeInfo:
    """A scope, or with `loop` one region for each item (slot 0 of the body's frame)."""

    node: Scope
    body: BlockInfo
    loop: LoopInfo | None = None
    need: Need | None = None
    budget: Budget | None = None
    timeout_us: int | None = None
    on_failure: tuple[OnFailureInfo, ...] = ()
    result: Type = UNKNOWN


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
)
"""What a Name, Path, Field, Index or Call node refers to."""


@dataclass(slots=True, eq=False)
class Checked:
    """A checked spec.

    Declarations stand by name in the order of the text. `expr_types` has the type of every expression that was typed,
    narrowing applied (so the type of the base of a Field says whether it is `field`, `field?`, `project` or
    `project?`). `floats` are the Int expressions that stand where a Float is expected: `["float", e]`. `literals` say
    for each RecordLit what it makes: pairs of field and value (None: its default, or none) in the order of the type's
    fields; a RecordLit of type Map or Json is not in it, and is taken as its entries say.
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
    profiles: list[ProfileDecl] = field(default_factory=list)
    scenarios: list[ScenarioDecl] = field(default_factory=list)
    tests: list[TestDecl] = field(default_factory=list)
    opaque: set[str] = field(default_factory=set)
    """Names that constructs not built yet declare (refused already): nothing more is said about them."""

    expr_types: dict[Node, Type] = field(default_factory=dict)
    resolved: dict[Node, Symbol] = field(default_factory=dict)
    frames: dict[Node, Frame] = field(default_factory=dict)
    """The frame in which an expression is evaluated, for the outermost node of each."""
    floats: set[Node] = field(default_factory=set)
    literals: dict[RecordLit, tuple[tuple[FieldInfo, Expr | None], ...]] = field(default_factory=dict)
    constants: dict[Node, Any] = field(default_factory=dict)
    """Inner values of the expressions of attributes that had to be constant."""

    blocks: dict[Node, BlockInfo] = field(default_factory=dict)
    """By FlowDecl, Scope, Repeat (its rounds) and Block (its `else`)."""
    steps: dict[Step, StepInfo] = field(default_factory=dict)
    arbitrations: dict[Arbitrate, ArbitrateInfo] = field(default_factory=dict)
    repeats: dict[Repeat, RepeatInfo] = field(default_factory=dict)
    scopes: dict[Scope, ScopeInfo] = field(default_factory=dict)
    slots: dict[Node, Slot] = field(default_factory=dict)
    """The slot that a naming statement (Step, Arbitrate, Scope, Repeat, Let) gives."""
    rounds: dict[Repeat, dict[str, Type]] = field(default_factory=dict)
    """The fields of `Round` types."""
