"""Limits: rates, breakers, backoff, budgets, and what holds for one attempt."""

from __future__ import annotations

from typing import Literal, TypeAlias

from orchspec.slotted import dataclass

__all__ = [
    "Backoff",
    "Breaker",
    "Budget",
    "Candidate",
    "Gate",
    "Hedge",
    "Policy",
    "Prefer",
    "Rate",
    "Tier",
]

Prefer: TypeAlias = Literal["least_busy", "fastest", "cheapest", "most_skilled", "round_robin"]
"""By what the dispatcher picks among candidates."""


@dataclass(frozen=True, slots=True)
class Rate:
    """At most `count` in each `per_us`; as a token bucket with `count` tokens that refills continuously."""

    count: int
    per_us: int


@dataclass(frozen=True, slots=True)
class Breaker:
    """Opens after `failures` within `within_us`, rests `rest_us`, then lets one probe through."""

    failures: int
    within_us: int
    rest_us: int


@dataclass(frozen=True, slots=True)
class Gate:
    """The limits that a step or an effect has of its own: all of its attempts pass it, over all runs.

    `slots_max` None is unlimited; `slots_min` < `slots_max` scales with the load.
    """

    slots_min: int | None = None
    slots_max: int | None = None
    rate: Rate | None = None
    breaker: Breaker | None = None


@dataclass(frozen=True, slots=True)
class Hedge:
    """After how long an attempt is doubled: `after_us`, or the time that `share` of such attempts take at most."""

    after_us: int | None = None
    share: float | None = None


@dataclass(frozen=True, slots=True)
class Backoff:
    """Time between attempts: `from_us` doubling to at most `to_us` (fixed: the two are equal).

    `jitter` is the share of it that is drawn.
    """

    from_us: int
    to_us: int
    jitter: float = 0.0


@dataclass(frozen=True, slots=True)
class Budget:
    """Caps; None is no cap. On an agent: of one attempt. On a flow, scope or step.

    Of everything inside, retries and attempts counted over the tree.
    """

    cost_pico: int | None = None
    tokens: int | None = None
    time_us: int | None = None
    retries: int | None = None
    attempts: int | None = None
    depth: int | None = None
    transitions: int | None = None


@dataclass(frozen=True, slots=True)
class Policy:
    """What holds for each attempt at one place.

    Merged by the compiler from agent, policies and step, the nearest place winning.
    """

    attempts: int = 1
    timeout_us: int | None = None
    backoff: Backoff | None = None
    hedge: Hedge | None = None


@dataclass(frozen=True, slots=True)
class Tier:
    """A model that an attempt may run on, best first.

    With what is reserved before it is sent and the prices that settle it.
    """

    model: str | None
    reserve_cost_pico: int = 0
    reserve_tokens: int = 0
    input_pico: int | None = None
    output_pico: int | None = None


@dataclass(frozen=True, slots=True)
class Candidate:
    """An agent that may take a step, with the policy and the tiers that hold for it there (at least one tier)."""

    agent: str
    policy: Policy
    tiers: list[Tier]
