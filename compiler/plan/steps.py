"""Steps: what is asked for, of whom, for which items, and what happens when it fails."""

from __future__ import annotations

from dataclasses import field
from typing import Literal

from orchspec.compiler.plan.forms import Expr
from orchspec.compiler.plan.limits import Budget, Candidate, Policy, Prefer
from orchspec.slotted import dataclass

__all__ = [
    "EffectStep",
    "FlowStep",
    "Need",
    "OnFailure",
    "Over",
    "SignalStep",
    "TaskStep",
]


@dataclass(frozen=True, slots=True)
class Need:
    """The floor below which a fan-out fails: a number of results, or a share of those asked."""

    count: int | None = None
    share: float | None = None


@dataclass(frozen=True, slots=True)
class Over:
    """`for NAME in EXPR`: one task for each item, at most `width` at once (None: all)."""

    item: str
    items: Expr
    width: Expr | None = None


@dataclass(frozen=True, slots=True)
class OnFailure:
    """One link of an `on_failure` chain. `use` evaluates `value`.

    `ask` gives the same contract and arguments to `who`, for at most `within_us`.
    """

    kind: Literal["stop", "skip", "use", "ask"]
    value: Expr | None = None
    who: Candidate | None = None
    within_us: int | None = None


@dataclass(frozen=True, slots=True)
class TaskStep:
    """`step x = Contract(args) by …`.

    `one`: the only candidate. `any`: whichever candidate the dispatcher picks by `prefer`. `all`: each candidate.
    `some`: the only candidate `copies` times. `first`: each candidate, the first success wins. `args` stand in the
    order of the contract's parameters, none left out; under `over` they are evaluated in the item's frame. `only_if`
    is evaluated in the block's frame. `needs` are indices of statements of the same block. `gate` names its own limits
    among those of the plan.
    """

    kind: Literal["task"]
    node: int
    name: str
    slot: int
    needs: list[int]
    contract: str
    args: list[Expr]
    pattern: Literal["one", "any", "all", "some", "first"]
    candidates: list[Candidate]
    copies: int = 1
    over: Over | None = None
    need: Need | None = None
    prefer: Prefer = "least_busy"
    urgency: Expr | None = None
    only_if: Expr | None = None
    on_failure: list[OnFailure] = field(default_factory=list)
    budget: Budget | None = None
    gate: str | None = None


@dataclass(frozen=True, slots=True)
class EffectStep:
    """`step url = publish(report: d)`: the effect, with its arguments in the order of its parameters.

    Under `over` it is applied once for each item, and the arguments are evaluated in the item's frame. `gate` names the
    step's own limits, beside those of the effect.
    """

    kind: Literal["effect"]
    node: int
    name: str
    slot: int
    needs: list[int]
    effect: str
    args: list[Expr]
    policy: Policy
    only_if: Expr | None = None
    on_failure: list[OnFailure] = field(default_factory=list)
    over: Over | None = None
    need: Need | None = None
    budget: Budget | None = None
    gate: str | None = None


@dataclass(frozen=True, slots=True)
class FlowStep:
    """`step y = other_flow(a)`: a flow as a step; its frame is new, only its result comes back.

    `policy` holds for the flow as a whole: an attempt is one run of it, and what an attempt did is undone before the
    next. `urgency` is that of the tasks inside that say nothing of it. Under `over` it is called for each item. `gate`
    names its own limits among those of the plan, which each attempt passes.
    """

    kind: Literal["flow"]
    node: int
    name: str
    slot: int
    needs: list[int]
    flow: str
    args: list[Expr]
    only_if: Expr | None = None
    on_failure: list[OnFailure] = field(default_factory=list)
    budget: Budget | None = None
    policy: Policy = field(default_factory=Policy)
    urgency: Expr | None = None
    over: Over | None = None
    need: Need | None = None
    gate: str | None = None


@dataclass(frozen=True, slots=True)
class SignalStep:
    """`step y = paid(o.id) { timeout = 3d }`: waits for a signal with equal arguments, for at most `timeout_us`.

    Under `over` each item is waited for.
    """

    kind: Literal["signal"]
    node: int
    name: str
    slot: int
    needs: list[int]
    signal: str
    args: list[Expr]
    timeout_us: int | None = None
    only_if: Expr | None = None
    on_failure: list[OnFailure] = field(default_factory=list)
    over: Over | None = None
    need: Need | None = None
    budget: Budget | None = None
