"""What lies ahead of a run that is under way: the worst case of each statement of its flow, for who asks how long yet.

Deadlines, where there are any, else the ends of profiles: a run of the simulator takes no longer. Somebody who has
stopped a run in its middle adds up what has not ended.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from typing import Any

from orchspec.compiler.bounds.flows import called_first, flow_bound
from orchspec.compiler.bounds.journal import GRACE_US
from orchspec.compiler.bounds.metrics import LATENCY, SETTLING, UNDOING, WORK
from orchspec.compiler.bounds.ranges import Range
from orchspec.compiler.bounds.walk import Walk
from orchspec.compiler.plan import Plan
from orchspec.slotted import dataclass

__all__ = ["Ahead", "ahead_of"]


@dataclass(frozen=True, slots=True)
class Ahead:
    """The worst cases of one flow, in microseconds.

    Attributes:
        statements: of each statement of its body: how long it takes where it waits for nobody, and how long everything
            in it takes one after another, turns at limits included.
        needs: which of them each waits for.
        undoing: everything that was done.
        time_us: after which the flow is stopped, if it is.
        settling: what cannot be stopped at once.
        grace_us: what was stopped and does not hear.
        meets: whether its runs may wait for each other: at slots, rates, models, breakers, sessions, identical work.
    """

    statements: tuple[tuple[Range, Range], ...]
    needs: tuple[tuple[int, ...], ...]
    undoing: Range
    time_us: int | None
    settling: Range
    grace_us: int
    meets: bool


def ahead_of(plan: Plan, name: str) -> Ahead:
    """The worst cases of a flow. Raises PlanError for a plan that no compiler wrote."""
    walk = Walk(plan, profiled=True)
    for called in called_first(plan):
        bound = flow_bound(walk, plan.flows[called])
        if called == name:
            break
    flow = plan.flows[name]
    cap = flow.budget.time_us
    return Ahead(
        tuple((each[LATENCY], each[WORK]) for each in walk.last),
        tuple(tuple(statement.needs) for statement in flow.body.statements),
        bound[UNDOING],
        cap,
        bound[SETTLING],
        GRACE_US,
        _meets(plan),
    )


def kinds_in(value: Any) -> Iterator[str]:
    """The kinds of all statements below a block; an eval is on no path, and is waited for at the end."""
    if isinstance(value, list | tuple):
        for each in value:
            yield from kinds_in(each)
    elif is_dataclass(value):
        kind = getattr(value, "kind", None)
        if isinstance(kind, str):
            yield kind
        for each in fields(value):
            yield from kinds_in(getattr(value, each.name))


def _meets(plan: Plan) -> bool:
    agents = plan.agents.values()
    return (
        bool(plan.gates)
        or any(kind == "eval" for flow in plan.flows.values() for kind in kinds_in(flow.body))
        or any(agent.slots_max is not None or agent.rate or agent.breaker for agent in agents)
        or any(agent.session != "fresh" for agent in agents)
        or any(tool.slots is not None or tool.rate for tool in plan.tools.values())
        or any(model.rate or model.token_rate for model in plan.models.values())
        or any(contract.reuse is not None for contract in plan.contracts.values())
        or bool(plan.effects)
        or any(flow.budget.cost_pico is not None or flow.budget.tokens is not None for flow in plan.flows.values())
    )
