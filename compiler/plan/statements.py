"""Statements, blocks and flows: the topology."""

from __future__ import annotations

from dataclasses import field
from typing import Annotated, Literal, TypeAlias

from orchspec.compiler.plan.evals import Evaluation
from orchspec.compiler.plan.forms import ByKind, Expr, TypeExpr
from orchspec.compiler.plan.handoffs import Field
from orchspec.compiler.plan.limits import Budget, Candidate, Policy
from orchspec.compiler.plan.loops import Peers, Supervise
from orchspec.compiler.plan.messages import Send
from orchspec.compiler.plan.steps import EffectStep, FlowStep, Need, OnFailure, Over, SignalStep, TaskStep
from orchspec.slotted import dataclass

__all__ = [
    "Arbitrate",
    "Arm",
    "Block",
    "Checkpoint",
    "Fail",
    "Flow",
    "Give",
    "Let",
    "Machine",
    "Repeat",
    "Revert",
    "Route",
    "Rule",
    "Scope",
    "State",
    "Statement",
    "Transition",
    "Until",
    "Wait",
]


@dataclass(frozen=True, slots=True)
class Rule:
    """One arbitration rule.

    `expr` is evaluated in the frame of `it`, `n` is a quorum's count, `order` a priority of givers.

    `ask`: `who` decides, by `contract` over the candidates (one parameter, the list), or, if None, by doing the work
    of the candidates again.
    """

    kind: Literal["first", "highest", "lowest", "majority", "quorum", "unanimous", "priority", "ask", "stop"]
    expr: Expr | None = None
    n: Expr | None = None
    order: list[str] = field(default_factory=list)
    who: Candidate | None = None
    contract: str | None = None
    within_us: int | None = None


@dataclass(frozen=True, slots=True)
class Arbitrate:
    """`arbitrate v = source { group decide }`: candidates to one, or to one for each group.

    `source` evaluates to the list of candidates; `source_slot` is the slot of the fan-out that made them (its givers
    and journal order count; `source` then is `["ref", up, slot]`), or None for another list, where list order counts.
    `asks` are the contract and argument expressions (in the fan-out's frame) of the asked work, for `ask(WHO)`.
    `early`: the fan-out, which is of the same block, ends once its outcome is certain.
    """

    kind: Literal["arbitrate"]
    node: int
    name: str
    slot: int
    needs: list[int]
    source: Expr
    source_slot: int | None
    rules: list[Rule]
    group: Expr | None = None
    early: bool = False
    asks: tuple[str, list[Expr]] | None = None


@dataclass(frozen=True, slots=True)
class Let:
    """`let n = e`."""

    kind: Literal["let"]
    node: int
    name: str
    slot: int
    needs: list[int]
    value: Expr


@dataclass(frozen=True, slots=True)
class Fail:
    """`fail "why" when e`: fails the block when `when` is true (None: always)."""

    kind: Literal["fail"]
    node: int
    needs: list[int]
    message: Expr
    when: Expr | None = None


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """`checkpoint name`: needs everything above, needed by everything below (already in `needs`)."""

    kind: Literal["checkpoint"]
    node: int
    name: str
    needs: list[int]


@dataclass(frozen=True, slots=True)
class Wait:
    """`wait e`: a barrier, as `Checkpoint`, which opens after `value` (a Duration), or, if `until`, at it (a Time)."""

    kind: Literal["wait"]
    node: int
    needs: list[int]
    value: Expr
    until: bool = False


@dataclass(frozen=True, slots=True)
class Revert:
    """`revert name`: undoes what statement `of` of the block did that stands `up` blocks further out (0: this one).

    `of` below 0 is a state of the machine there: -1 the first one, -2 the second, …
    """

    kind: Literal["revert"]
    node: int
    name: str
    needs: list[int]
    up: int
    of: int


@dataclass(frozen=True, slots=True)
class Until:
    """`until e` of a repeat's round."""

    kind: Literal["until"]
    node: int
    needs: list[int]
    condition: Expr


@dataclass(frozen=True, slots=True)
class Give:
    """`return e` of a flow, `give e` of a round or a scope: the value of the block."""

    kind: Literal["give"]
    node: int
    needs: list[int]
    value: Expr


@dataclass(frozen=True, slots=True)
class Repeat:
    """`repeat name times { … }`: rounds of `body` until its `until` holds.

    The round's frame holds in slot 0 `past` (list of records of the names of earlier rounds, as `kept` says) and in
    slot 1 `prev` (the last of them, or none). When the rounds are exhausted: `otherwise` runs in a frame of its own,
    or, if None, the last value counts.
    """

    kind: Literal["repeat"]
    node: int
    name: str
    slot: int
    needs: list[int]
    times: Expr
    body: Block
    kept: list[str] = field(default_factory=list)
    every_us: int | None = None
    otherwise: Block | None = None


@dataclass(frozen=True, slots=True)
class Scope:
    """`scope name { … }`, or for each item of `over` (slot 0 of the body's frame).

    A region with its own budget, failure and undo. `policy` and `urgency` are as of a called flow. With `tools` a
    critical section: an attempt begins when it has all of them.
    """

    kind: Literal["scope"]
    node: int
    name: str
    slot: int
    needs: list[int]
    body: Block
    over: Over | None = None
    need: Need | None = None
    budget: Budget | None = None
    policy: Policy = field(default_factory=Policy)
    only_if: Expr | None = None
    urgency: Expr | None = None
    on_failure: list[OnFailure] = field(default_factory=list)
    tools: list[str] = field(default_factory=list)
    gate: str | None = None


@dataclass(frozen=True, slots=True)
class Arm:
    """An arm of a route: it is taken if the subject equals one of `patterns` (or there are none) and `when` holds."""

    patterns: list[Expr]
    when: Expr | None
    body: Block


@dataclass(frozen=True, slots=True)
class Route:
    """`route name on subject { arms }`: the first arm that fits runs in a frame of its own; no arm: none."""

    kind: Literal["route"]
    node: int
    name: str
    slot: int
    needs: list[int]
    subject: Expr | None
    arms: list[Arm]


@dataclass(frozen=True, slots=True)
class Transition:
    """`on event when e -> target` (an index): `when` is of the state's frame for `done`, else the machine's.

    On a signal, `args` are evaluated in the machine's frame when the state is entered, and its value goes into slot
    `bind` of that frame, before the guard.
    """

    event: Literal["done", "failed", "timeout", "exhausted", "signal"]
    target: int
    when: Expr | None = None
    signal: str | None = None
    args: list[Expr] = field(default_factory=list)
    bind: int | None = None


@dataclass(frozen=True, slots=True)
class State:
    """A state of a machine: its `body` (slot 0 `past`, slot 1 `prev`), and where it goes on, tried in order.

    `slot` of the machine's frame holds the record of its latest visit that ended well, of the names in `kept`; none
    before the first and after one that failed. `visits` bounds how often it is entered (None: only by the machine).
    """

    name: str
    slot: int
    body: Block
    kept: list[str] = field(default_factory=list)
    visits: int | None = None
    final: bool = False
    transitions: list[Transition] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Machine:
    """The states of a `machine`, which is a flow with this statement alone: `initial` is entered first.

    `transitions` bounds how often it goes from state to state. Its value is that of the final state it ends in.
    """

    kind: Literal["machine"]
    node: int
    name: str
    slot: int
    needs: list[int]
    states: list[State]
    initial: int
    transitions: int | None = None


Statement: TypeAlias = Annotated[
    TaskStep
    | EffectStep
    | FlowStep
    | SignalStep
    | Arbitrate
    | Let
    | Fail
    | Checkpoint
    | Wait
    | Revert
    | Send
    | Evaluation
    | Until
    | Give
    | Repeat
    | Scope
    | Route
    | Machine
    | Supervise
    | Peers,
    ByKind(),
]


@dataclass(frozen=True, slots=True)
class Block:
    """Statements with one frame.

    `slots` names its slots, the first `given` of which are filled when it starts (parameters, `past`, `prev`, an item).
    `statements[i].needs` holds indices below len(statements), never a cycle. A statement starts when all it needs has
    settled.
    """

    statements: list[Statement]
    slots: list[str]
    given: int = 0


@dataclass(frozen=True, slots=True)
class Flow:
    """A topology of steps, its parameters first in its body's frame; past `economy` of its budget, tiers fall."""

    name: str
    params: list[Field]
    result: TypeExpr
    body: Block
    budget: Budget = field(default_factory=Budget)
    economy: float | None = None
