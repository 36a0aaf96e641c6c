"""What an attempt reserves before it is sent, as far as the declarations tell.

A cap (of the agent or the step, the tighter one) comes first, else the largest context (the agent's or
the model's, the smaller one) at the model's price. A token
cap reserves the cap at the model's dearer price. What only a profile can estimate is left open.
"""

from __future__ import annotations

from orchspec.compiler.model import AgentInfo, ModelInfo, TierInfo
from orchspec.compiler.plan import Budget

__all__ = ["tiers_of"]


def tiers_of(agent: AgentInfo, budget: Budget) -> tuple[TierInfo, ...]:
    """The tiers of an agent at a place with this budget, best model first; at least one."""
    cost = _least(agent.budget.cost_pico, budget.cost_pico)
    tokens = _least(agent.budget.tokens, budget.tokens)
    if agent.kind == "human":
        return (TierInfo(None, 0, 0),)
    room = agent.context_tokens
    if tokens is None and not agent.models:
        tokens = room
    return tuple(_tier(model, cost, tokens, room) for model in agent.models) or (TierInfo(None, cost, tokens),)


def _least(one: int | None, other: int | None) -> int | None:
    return other if one is None else one if other is None else min(one, other)


def _tier(model: ModelInfo, cost: int | None, tokens: int | None, room: int | None) -> TierInfo:
    reserved = tokens if tokens is not None else _least(room, model.context_tokens)
    if cost is None and reserved is not None and model.input_pico is not None and model.output_pico is not None:
        cost = reserved * max(model.input_pico, model.output_pico)
    return TierInfo(model, cost, reserved)
