"""What the checks found out about blocks and their statements; see the head of the package."""

from __future__ import annotations

from dataclasses import field
from typing import Literal

from orchspec.compiler.model.declarations import (
    AgentInfo,
    Argument,
    ChannelInfo,
    ContractInfo,
    EffectInfo,
    FlowInfo,
    ModelInfo,
    PolicyValues,
    SignalInfo,
    ToolInfo,
)
from orchspec.compiler.model.frames import Frame, Slot
from orchspec.compiler.plan import Budget, Need, Prefer
from orchspec.compiler.types import NOTHING, UNKNOWN, Type
from orchspec.grammar.syntax import (
    Arbitrate,
    Arm,
    Eval,
    Expr,
    Fail,
    Give,
    Handoff,
    Node,
    On,
    Peers,
    Repeat,
    Return,
    Route,
    Scope,
    Send,
    State,
    Statement,
    Step,
    Supervise,
    Until,
)
from orchspec.slotted import dataclass

__all__ = [
    "ArbitrateInfo",
    "ArmInfo",
    "BlockInfo",
    "CandidateInfo",
    "EvalInfo",
    "HandoffInfo",
    "HeardInfo",
    "LoopInfo",
    "MachineInfo",
    "OnFailureInfo",
    "PeersInfo",
    "RepeatInfo",
    "RouteInfo",
    "RuleInfo",
    "ScopeInfo",
    "SendInfo",
    "StateInfo",
    "StepInfo",
    "SuperviseInfo",
    "TierInfo",
]


@dataclass(slots=True, eq=False)
class BlockInfo:
    """A block: the body of a flow, scope or repeat, a repeat's `else`, or an arm of a route.

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

    Exactly one of `contract`, `effect`, `flow`, `signal` is set. `arguments` stand in the order of the parameters, none
    left out; with `loop` they are evaluated in the item's frame. `copies` is the N of `N of`. `only_if`, `urgency`,
    `width` are evaluated in the block's frame. `own` is what the step itself says, `policy` that of an effect or a
    signal with it; `candidates` hold it merged for each agent. `result` is the type of the step's name.
    """

    node: Step
    contract: ContractInfo | None = None
    effect: EffectInfo | None = None
    flow: FlowInfo | None = None
    signal: SignalInfo | None = None
    arguments: tuple[Argument, ...] = ()
    pattern: Literal["one", "any", "all", "some", "first"] = "one"
    candidates: tuple[CandidateInfo, ...] = ()
    copies: int = 1
    loop: LoopInfo | None = None
    need: Need | None = None
    prefer: Prefer = "least_busy"
    urgency: Expr | None = None
    only_if: Expr | None = None
    on_failure: tuple[OnFailureInfo, ...] = ()
    own: PolicyValues = field(default_factory=PolicyValues)
    policy: PolicyValues = field(default_factory=PolicyValues)
    budget: Budget | None = None
    result: Type = UNKNOWN

    @property
    def shown(self) -> str:
        """What messages call it: its name, or what it calls where it has none, as in an arm of a route."""
        called = self.contract or self.effect or self.flow or self.signal
        return self.node.name.text or (called.name if called is not None else "")


@dataclass(slots=True, eq=False)
class SuperviseInfo(StepInfo):
    """A `supervise`: a step whose `contract` is the lead's; the run fills its parameter number `so_far`.

    `arguments` leave that one out; `candidates` are all who may be asked, `budget` is that of the whole.
    """

    node: Supervise  # type: ignore[assignment]
    so_far: int = 0
    leads: tuple[CandidateInfo, ...] = ()
    workers: tuple[CandidateInfo, ...] = ()
    rounds: int = 1
    depth: int = 1
    width: Expr | None = None


@dataclass(frozen=True, slots=True, eq=False)
class HandoffInfo:
    """A handoff of a `peers`; its `when` is evaluated in a frame of the turn's value alone, within the block's."""

    node: Handoff
    source: AgentInfo
    targets: tuple[AgentInfo, ...]


@dataclass(slots=True, eq=False)
class PeersInfo(StepInfo):
    """A `peers`: `candidates` are those who talk; `so_far` and `arguments` as in `SuperviseInfo`."""

    node: Peers  # type: ignore[assignment]
    so_far: int = 0
    start: AgentInfo | None = None
    hops: int = 1
    handoffs: list[HandoffInfo] = field(default_factory=list)


@dataclass(slots=True, eq=False)
class EvalInfo:
    """An eval: the contract, who fulfills it, what it says itself (as at a step), and the share of times it is done."""

    node: Eval
    contract: ContractInfo | None = None
    arguments: tuple[Argument, ...] = ()
    pattern: Literal["one", "any", "all", "some"] = "one"
    candidates: tuple[CandidateInfo, ...] = ()
    copies: int = 1
    prefer: Prefer = "least_busy"
    sample: float = 1.0
    own: PolicyValues = field(default_factory=PolicyValues)


@dataclass(frozen=True, slots=True, eq=False)
class SendInfo:
    """`send channel(args)` in a block of `flow`."""

    node: Send
    channel: ChannelInfo
    flow: FlowInfo
    arguments: tuple[Argument, ...]


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
    policy: PolicyValues = field(default_factory=PolicyValues)
    only_if: Expr | None = None
    urgency: Expr | None = None
    on_failure: tuple[OnFailureInfo, ...] = ()
    tools: tuple[ToolInfo, ...] = ()
    result: Type = UNKNOWN

    @property
    def timeout_us(self) -> int | None:
        """How long one attempt may take, microseconds."""
        return self.policy.timeout_us


@dataclass(frozen=True, slots=True, eq=False)
class ArmInfo:
    """An arm of a route: its block, and, where the arm is a call, that step, whose value is the arm's."""

    node: Arm
    body: BlockInfo
    call: StepInfo | None = None

    @property
    def result(self) -> Type:
        """What the arm gives; `NOTHING` if it gives nothing."""
        return self.body.result if self.call is None else self.call.result

    @property
    def fails(self) -> bool:
        """Whether the arm always ends in `fail`."""
        return any(isinstance(item, Fail) and item.when is None for item in self.body.statements)


@dataclass(slots=True, eq=False)
class RouteInfo:
    """A route; subject, patterns and guards are evaluated in the frame of the block that it stands in."""

    node: Route
    arms: tuple[ArmInfo, ...] = ()
    result: Type = UNKNOWN


@dataclass(slots=True, eq=False)
class HeardInfo:
    """The signal of a transition; `slot` of the machine's frame gets its value, where `as` names it."""

    signal: SignalInfo
    slot: Slot | None = None
    arguments: tuple[Argument, ...] = ()


@dataclass(slots=True, eq=False)
class StateInfo:
    """A state of a machine; `slot` of the machine's frame is the record of its latest visit.

    `ways` are its transitions in order with their targets, those left out that were refused; `heard` are the signals
    of those that are on one.
    """

    node: State
    slot: Slot
    body: BlockInfo
    visits: int | None = None
    ways: list[tuple[On, StateInfo]] = field(default_factory=list)
    heard: dict[On, HeardInfo] = field(default_factory=dict)


@dataclass(slots=True, eq=False)
class MachineInfo:
    """The states of a machine by name; `cycling` are those that may be visited more than once."""

    states: dict[str, StateInfo] = field(default_factory=dict)
    initial: StateInfo | None = None
    cycling: set[State] = field(default_factory=set)
