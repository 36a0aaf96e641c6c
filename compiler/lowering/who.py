"""Who may take a step, on what conditions: candidates with their policy and tiers, and chains of `on_failure`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, Literal

from orchspec.compiler.lowering.expressions import lower_optional
from orchspec.compiler.lowering.reserve import estimated
from orchspec.compiler.model import CandidateInfo, Checked, OnFailureInfo, PolicyValues, TierInfo
from orchspec.compiler.plan import Candidate, Gate, OnFailure, Policy, Profile, Tier

__all__ = [
    "EVAL_GRACE_US",
    "Prefer",
    "eval_within_us",
    "lower_candidate",
    "lower_candidates",
    "lower_gate",
    "lower_on_failure",
    "lower_policy",
]

EVAL_GRACE_US: Final = 10 * 60 * 1_000_000
"""What an eval is given at most beyond the time of its attempts, so that no run waits for it without end."""

Prefer = Literal["least_busy", "fastest", "cheapest", "most_skilled", "round_robin"]


def lower_policy(values: PolicyValues) -> Policy:
    """The policy of one place; what nobody said is one attempt without a timeout."""
    return Policy(values.attempts or 1, values.timeout_us, values.backoff, values.hedge)


def lower_gate(values: PolicyValues) -> Gate | None:
    """The limits that a place has of its own, or none."""
    if values.slots is None and values.rate is None and values.breaker is None:
        return None
    least, most = values.slots or (None, None)
    return Gate(least, most, values.rate, values.breaker)


def lower_candidate(candidate: CandidateInfo, profiles: Mapping[str, Profile]) -> Candidate:
    """An agent at a place, with the tiers it may run on."""
    profile = profiles.get(candidate.agent.name)
    tiers = [_tier(tier, profile) for tier in candidate.tiers]
    if candidate.agent.kind == "human":  # they cost nothing, unless their profile says so
        tiers = [Tier(None, reserve_cost_pico=estimated(profile, None).cost_pico or 0)]
    return Candidate(candidate.agent.name, lower_policy(candidate.policy), tiers)


def lower_candidates(
    candidates: Sequence[CandidateInfo], prefer: Prefer, profiles: Mapping[str, Profile]
) -> list[Candidate]:
    """The candidates of a step in the order in which they are looked at.

    That of the text; under `cheapest` by what an attempt on the first tier reserves, under `most_skilled` by skill, the
    highest first. Equals stay in the order of the text.
    """
    lowered = [lower_candidate(candidate, profiles) for candidate in candidates]
    if prefer == "cheapest":
        lowered.sort(key=lambda candidate: (candidate.tiers[0].reserve_cost_pico, candidate.tiers[0].reserve_tokens))
    elif prefer == "most_skilled":
        skills = {candidate.agent.name: candidate.agent.skill for candidate in candidates}
        lowered.sort(key=lambda candidate: -skills[candidate.agent])
    return lowered


def lower_on_failure(
    checked: Checked, chain: Sequence[OnFailureInfo], profiles: Mapping[str, Profile]
) -> list[OnFailure]:
    """The links of an `on_failure` chain."""
    return [
        OnFailure(
            link.kind,
            lower_optional(checked, link.value),
            None if link.who is None else lower_candidate(link.who, profiles),
            link.within_us,
        )
        for link in chain
    ]


def _tier(tier: TierInfo, profile: Profile | None) -> Tier:
    model = tier.model
    guess = estimated(profile, model)
    cost = tier.reserve_cost_pico if tier.reserve_cost_pico is not None else guess.cost_pico
    tokens = tier.reserve_tokens if tier.reserve_tokens is not None else guess.tokens
    return Tier(
        model=None if model is None else model.name,
        reserve_cost_pico=cost or 0,
        reserve_tokens=tokens or 0,
        input_pico=None if model is None else model.input_pico,
        output_pico=None if model is None else model.output_pico,
    )


def eval_within_us(candidates: Sequence[Candidate]) -> int:
    """For how long the end of a run waits for an eval by these: as long as its attempts may take, and a grace."""
    longest = 0
    for candidate in candidates:
        policy = candidate.policy
        rest_us = policy.backoff.to_us if policy.backoff is not None else 0
        longest = max(longest, policy.attempts * ((policy.timeout_us or 0) + rest_us))
    return longest + EVAL_GRACE_US
