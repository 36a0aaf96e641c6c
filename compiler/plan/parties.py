"""Who and with what: agents, tools, effects."""

from __future__ import annotations

from dataclasses import field
from typing import Literal, TypeAlias

from orchspec.compiler.plan.forms import Expr, TypeExpr
from orchspec.compiler.plan.handoffs import Field
from orchspec.compiler.plan.limits import Breaker, Budget, Candidate, Policy, Rate
from orchspec.slotted import dataclass

__all__ = [
    "Agent",
    "Call",
    "Doubt",
    "Effect",
    "Fold",
    "SessionKind",
    "Signal",
    "Tool",
]

SessionKind: TypeAlias = Literal["fresh", "per_run", "persistent"]
"""What an agent remembers: nothing, its run, or across runs."""


@dataclass(frozen=True, slots=True)
class Fold:
    """What summarizes a session that outgrew its context: `contract`, whose only needed parameter takes the turns."""

    contract: str
    candidates: list[Candidate]


@dataclass(frozen=True, slots=True)
class Agent:
    """Who fulfills contracts. `slots_max` None is unlimited; `slots_min` < `slots_max` scales with the load."""

    name: str
    kind: Literal["agent", "human", "dispatcher"]
    fulfills: list[str]
    models: list[str] = field(default_factory=list)
    slots_min: int | None = None
    slots_max: int | None = None
    rate: Rate | None = None
    breaker: Breaker | None = None
    session: SessionKind = "fresh"
    session_by: dict[str, Expr] = field(default_factory=dict)
    context_tokens: int | None = None
    fold: Fold | None = None
    tools: list[str] = field(default_factory=list)
    effects: list[str] = field(default_factory=list)
    budget: Budget = field(default_factory=Budget)
    skill: float = 1.0


@dataclass(frozen=True, slots=True)
class Tool:
    """A shared resource, taken for each call; its limits hold over all agents and runs.

    `slots` None is unlimited; `slots_min` < `slots` scales with the load.
    """

    name: str
    slots: int | None = None
    rate: Rate | None = None
    slots_min: int | None = None


@dataclass(frozen=True, slots=True)
class Call:
    """A call of an effect, its arguments in the order of its parameters."""

    effect: str
    args: list[Expr]


@dataclass(frozen=True, slots=True)
class Doubt:
    """Who says whether an effect was done: the question is `contract`, of the effect's parameters."""

    who: Candidate
    contract: str
    within_us: int | None = None


@dataclass(frozen=True, slots=True)
class Effect:
    """Something done to the outside world, once; `undo` compensates it.

    How it stays single: `key` makes the target drop repeats, for `remembers_us` (None: for ever); `idempotent` says
    that a repeat changes nothing; `check` is the call of an effect that says whether it was done, and `in_doubt` whom
    to ask: both no earlier than `settles_us` after the send's deadline. `gate` names its own limits
    among those of the plan.
    """

    name: str
    params: list[Field]
    result: TypeExpr
    key: Expr | None = None
    undo: Call | None = None
    policy: Policy = field(default_factory=Policy)
    gate: str | None = None
    idempotent: bool = False
    check: Call | None = None
    in_doubt: Doubt | None = None
    settles_us: int = 0
    remembers_us: int | None = None


@dataclass(frozen=True, slots=True)
class Signal:
    """Something that comes from outside, for whoever waits for it with equal arguments."""

    name: str
    params: list[Field]
    result: TypeExpr
