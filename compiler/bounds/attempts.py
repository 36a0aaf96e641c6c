"""What one attempt, one task and one send of an effect may take, as the plan declares it."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from orchspec.compiler.bounds.metrics import (
    AMPLIFICATION,
    ATTEMPTS,
    COST,
    DEAREST_COST,
    DEAREST_TOKENS,
    HEDGES,
    LATENCY,
    RETRIES,
    SIZE,
    TASKS,
    TOKENS,
    WIDTH,
    WORK,
    Bound,
)
from orchspec.compiler.bounds.queueing import patience, turns_us
from orchspec.compiler.bounds.ranges import INF, NOTHING, Number, Range, Term, product
from orchspec.compiler.bounds.supports import highest, lowest
from orchspec.compiler.plan import Backoff, Budget, Candidate, Plan, Policy, Tier
from orchspec.slotted import dataclass

__all__ = ["RESEND", "UNDO_ATTEMPTS_MIN", "Place", "rests_us", "sends_us", "task_bound", "undo_us"]

RESEND: Final = Backoff(1_000_000, 60_000_000)
"""How an undo is sent again where its policy names no backoff: as the runtime's (a test compares them)."""
UNDO_ATTEMPTS_MIN: Final = 10
"""An undo is tried at least so often: as the runtime's."""
_DOUBLINGS_MAX: Final = 40


@dataclass(frozen=True, slots=True)
class Place:
    """Where something is asked: the statement, and its name in words."""

    node: int
    name: str


def rests_us(backoff: Backoff | None, attempts: Number) -> Number:
    """Microseconds of all rests between so many attempts, at most: jitter only makes them shorter."""
    if backoff is None or attempts <= 1:
        return 0
    total: Number = 0
    wait = backoff.from_us
    for _ in range(int(min(attempts - 1, _DOUBLINGS_MAX))):
        total += min(wait, backoff.to_us) if backoff.to_us > backoff.from_us else backoff.from_us
        wait <<= 1
    left = max(0, attempts - 1 - _DOUBLINGS_MAX)
    return total + product(left, max(backoff.from_us, backoff.to_us))


def _least(*values: int | None) -> int | None:
    known = [value for value in values if value is not None]
    return min(known) if known else None


def _cost(plan: Plan, candidate: Candidate, budget: Budget | None) -> tuple[Number, str]:
    """Pico-dollars of one attempt at most, and why they are unbounded."""
    agent = plan.agents.get(candidate.agent)
    if agent is None:
        return 0, ""
    if agent.kind == "human":
        return max((tier.reserve_cost_pico for tier in candidate.tiers), default=0), ""
    cap = _least(agent.budget.cost_pico, budget.cost_pico if budget is not None else None)
    if cap is not None:
        return cap, ""
    profile = plan.profiles.get(candidate.agent)
    profiled = highest(profile.cost) if profile is not None else INF
    tokens = _least(agent.budget.tokens, budget.tokens if budget is not None else None)
    most: Number = 0
    for tier in candidate.tiers:
        dearest = _dearest(tier)
        # Whoever says nothing of what an attempt took is charged what was reserved.
        size = tokens if tokens is not None else _context(plan, tier)
        own = product(size, dearest) if dearest is not None else INF
        most = max(most, tier.reserve_cost_pico, profiled if own == INF else own)
    if most < INF:
        return most, ""
    unpriced = next((tier.model for tier in candidate.tiers if tier.model and _dearest(tier) is None), None)
    if unpriced is not None:
        return INF, f"model `{unpriced}` has no price, and no budget caps an attempt of `{candidate.agent}`"
    return INF, f"nothing caps an attempt of `{candidate.agent}`: give it `budget {{ cost <= $0.10 }}`"


def _dearest(tier: Tier) -> int | None:
    if tier.input_pico is None or tier.output_pico is None:
        return None
    return max(tier.input_pico, tier.output_pico)


def _context(plan: Plan, tier: Tier) -> Number:
    model = plan.models.get(tier.model) if tier.model is not None else None
    return model.context_tokens if model is not None and model.context_tokens is not None else INF


def _tokens(plan: Plan, candidate: Candidate, budget: Budget | None) -> tuple[Number, str]:
    """Tokens of one attempt at most, and why they are unbounded."""
    agent = plan.agents.get(candidate.agent)
    if agent is None or agent.kind == "human":
        return 0, ""
    cap = _least(agent.budget.tokens, budget.tokens if budget is not None else None)
    if cap is not None:
        return cap, ""
    profile = plan.profiles.get(candidate.agent)
    profiled: Number = INF
    if profile is not None and (profile.tokens_in is not None or profile.tokens_out is not None):
        profiled = sum(highest(dist) for dist in (profile.tokens_in, profile.tokens_out) if dist is not None)
    most: Number = 0
    for tier in candidate.tiers:
        context = _context(plan, tier)
        most = max(most, tier.reserve_tokens, profiled if context == INF else context)
    if most < INF:
        return most, ""
    return INF, f"nothing caps the tokens of an attempt of `{candidate.agent}`: give it `budget {{ tokens <= 20k }}`"


def _cheapest(plan: Plan, candidate: Candidate) -> tuple[Number, Number]:
    """Pico-dollars and tokens of one attempt at least, as profiled."""
    profile = plan.profiles.get(candidate.agent)
    agent = plan.agents.get(candidate.agent)
    if profile is None or agent is None:
        return 0, 0
    if agent.kind == "human":
        return lowest(profile.cost) if profile.cost is not None else 0, 0
    tokens_in, tokens_out = lowest(profile.tokens_in), lowest(profile.tokens_out)
    if profile.cost is not None:
        return lowest(profile.cost), tokens_in + tokens_out
    if profile.tokens_in is None and profile.tokens_out is None:
        return 0, 0
    prices = [
        product(tokens_in, tier.input_pico or 0) + product(tokens_out, tier.output_pico or 0)
        for tier in candidate.tiers
        if tier.input_pico is not None or tier.output_pico is not None
    ]
    return (min(prices) if len(prices) == len(candidate.tiers) else 0), tokens_in + tokens_out


def task_bound(
    plan: Plan,
    place: Place,
    candidate: Candidate,
    budget: Budget | None,
    within_us: int | None,
    *,
    profiled: bool = False,
) -> Bound:
    """One task by one candidate: its attempts, one after another.

    Args:
        plan: whose declarations hold.
        place: where it is asked.
        candidate: who.
        budget: of the step, which also caps a single attempt.
        within_us: after which the whole task is given up, if it is.
        profiled: whether its profile says how long an attempt takes that has no deadline.
    """
    if profiled:
        candidate = replace(candidate, policy=patience(plan, candidate.agent, candidate.policy))
    policy = candidate.policy
    attempts = max(1, policy.attempts)
    doubled = 2 if policy.hedge is not None and within_us is None else 1
    sent = doubled * attempts  # each attempt may have a hedge
    who = f"{place.name} by {candidate.agent}"
    cost, unpriced = _cost(plan, candidate, budget)
    tokens, uncapped = _tokens(plan, candidate, budget)
    least_cost, least_tokens = _cheapest(plan, candidate)
    found = [NOTHING] * SIZE
    found[COST] = _range(least_cost, product(cost, sent), place, who, unpriced)
    found[TOKENS] = _range(least_tokens, product(tokens, sent), place, who, uncapped)
    found[TASKS] = Range(1, 1 if doubled == 1 else 1 + attempts)
    found[RETRIES] = Range(0, attempts - 1, Term(place.node, who, attempts - 1))
    found[ATTEMPTS] = Range(1, sent, Term(place.node, who, sent))
    found[LATENCY] = _latency(plan, place, candidate, within_us, who)
    found[WORK] = _work(plan, found[LATENCY], candidate.agent, sent)
    found[WIDTH] = Range(1, doubled, Term(place.node, who, doubled))
    found[AMPLIFICATION] = Range(1, sent, Term(place.node, who, sent))
    found[HEDGES] = Range(0, doubled - 1)
    found[DEAREST_COST] = Range(0, cost)
    found[DEAREST_TOKENS] = Range(0, tokens)
    return found


def _range(best: Number, worst: Number, place: Place, who: str, why: str) -> Range:
    if not worst:
        return NOTHING
    return Range(min(best, worst), worst, Term(place.node, who, worst, why if worst == INF else ""))


def _latency(plan: Plan, place: Place, candidate: Candidate, within_us: int | None, who: str) -> Range:
    policy = candidate.policy
    attempts = max(1, policy.attempts)
    profile = plan.profiles.get(candidate.agent)
    best = lowest(profile.latency) if profile is not None else 0
    worst = sends_us(policy, attempts)
    if policy.hedge is not None:
        worst += policy.timeout_us or 0  # a hedge begins before the last attempt is over, and is waited for
    why = f"`{candidate.agent}` has no timeout here" if worst == INF else ""
    if within_us is not None and within_us < worst:
        worst, why = within_us, ""
    return Range(min(best, worst), worst, Term(place.node, who, worst, why))


def _work(plan: Plan, latency: Range, agent: str, sent: int) -> Range:
    """Its time with its turns at limits; the term is that of its time, if that is the greater part."""
    turns = turns_us(plan, [agent], sent)
    term = latency.term
    if term is not None and not term.why:
        term = replace(term, amount=term.amount + turns)
    return Range(0, latency.worst + turns, term)


def sends_us(policy: Policy, attempts: Number) -> Number:
    """Microseconds of so many attempts under a policy, the rests between them included; infinity without a timeout."""
    if policy.timeout_us is None:
        return INF
    return product(policy.timeout_us, attempts) + rests_us(policy.backoff, attempts)


def undo_us(policy: Policy) -> Number:
    """Microseconds that one undo takes, by its own policy, as patiently as an undo is tried."""
    attempts = max(policy.attempts, UNDO_ATTEMPTS_MIN)
    return sends_us(Policy(attempts, policy.timeout_us, policy.backoff or RESEND), attempts)
