"""What the longest path leaves out, bounded: turns at limits, patience without a deadline, doubts, and graces.

`LATENCY` is of runs that wait for nobody. Where they meet, somebody who holds what another waits for is at work himself
all the while, so everything that is left takes at most as long as all of it one after another: that sum is `WORK`. To
what is done in it comes, for each attempt, how long limits may keep it that no work of others explains: a token of a
rate or of a model, the rest of a breaker; and how long an attempt that was stopped still keeps its slot.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from orchspec.compiler.bounds.journal import GRACE_US
from orchspec.compiler.bounds.ranges import INF, Number, product
from orchspec.compiler.bounds.supports import highest
from orchspec.compiler.plan import Agent, Breaker, Effect, Model, Plan, Policy, Profile, Rate

__all__ = ["doubt_us", "patience", "turns_us"]

_RESEND_US: Final = 60_000_000
"""The longest rest before something in doubt is sent or asked again, where no backoff says: as the runtime's."""


def patience(plan: Plan, name: str, policy: Policy) -> Policy:
    """A policy with a deadline: its own, else what the profile of an agent, effect or signal ends with, if it ends."""
    if policy.timeout_us is not None:
        return policy
    usual_us = usually_us(plan, name)
    return policy if usual_us == INF else replace(policy, timeout_us=int(usual_us))


def usually_us(plan: Plan, name: str) -> Number:
    """Microseconds that somebody takes at most, says the profile, with the tools that are called on the way."""
    profile = plan.profiles.get(name, Profile(name))
    if profile.never or profile.effects:  # what an agent does on its way takes as long as the effects take
        return INF
    total = highest(profile.latency)
    for tool, calls in profile.calls.items():
        limits = plan.tools.get(tool)
        if limits is None:
            continue
        held = highest(plan.profiles.get(tool, Profile(tool)).latency)
        total += product(highest(calls), held + _token_us(limits.rate))
    return total


def turns_us(plan: Plan, names: list[str], attempts: Number) -> Number:
    """Microseconds that so many attempts of these wait for tokens and breakers, and keep slots after their end."""
    limits: list[tuple[Rate | None, Breaker | None]] = [(gate.rate, gate.breaker) for gate in plan.gates.values()]
    agents = [plan.agents[name] for name in names if name in plan.agents]
    limits += [(agent.rate, agent.breaker) for agent in agents]
    each = sum(_token_us(rate) + (breaker.rest_us if breaker is not None else 0) for rate, breaker in limits)
    models = dict.fromkeys(name for agent in agents for name in agent.models)
    each += sum(_quota_us(plan.models[name]) for name in models if name in plan.models)
    return product(each + (GRACE_US if any(_stops_late(agent) for agent in agents) else 0), attempts)


def _stops_late(agent: Agent) -> bool:
    return agent.kind != "human"


def _token_us(rate: Rate | None) -> int:
    return -(-rate.per_us // rate.count) if rate is not None else 0


def _quota_us(model: Model) -> int:
    """How long a model keeps an attempt that nobody is before: until its bucket, which may owe as much, is full."""
    return _token_us(model.rate) + (2 * model.token_rate.per_us if model.token_rate is not None else 0)


def doubt_us(plan: Plan, effect: Effect, sends: Number) -> Number:
    """Microseconds until an effect in doubt is settled, by so many sends of one that drops repeats, or by who looks."""
    policy = patience(plan, effect.name, effect.policy)
    rest_us = (
        _RESEND_US if effect.policy.backoff is None else max(effect.policy.backoff.from_us, effect.policy.backoff.to_us)
    )
    once: Number = INF if policy.timeout_us is None else policy.timeout_us
    total: Number = product(rest_us + once, sends)
    if effect.check is not None:
        check = plan.effects.get(effect.check.effect)
        total += effect.settles_us + 2 * _RESEND_US
        if check is not None:
            looking = patience(plan, check.name, check.policy).timeout_us
            total += 2 * (INF if looking is None else looking)
    if effect.in_doubt is not None:
        person = effect.in_doubt.who
        within = effect.in_doubt.within_us
        asked = patience(plan, person.agent, person.policy).timeout_us
        total += effect.settles_us + (within if within is not None else INF if asked is None else asked)
    return total
