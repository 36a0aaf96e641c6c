"""The bounds of each flow of a plan, as they are shown and checked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from orchspec.compiler.bounds import evals, loops, machines, regions, statements, steps
from orchspec.compiler.bounds.journal import GRACE_US, PAYLOAD_BYTES_MAX, START
from orchspec.compiler.bounds.metrics import (
    ATTEMPTS,
    BYTES,
    DEPTH,
    LATENCY,
    METRICS,
    PAYLOADS,
    UNDOING,
    Bound,
    all_of,
)
from orchspec.compiler.bounds.ranges import Number, Range, product, summed
from orchspec.compiler.bounds.shapes import declared
from orchspec.compiler.bounds.walk import Limit, Stack, Walk
from orchspec.compiler.plan import Flow, Plan
from orchspec.slotted import dataclass

__all__ = ["FlowBounds", "bounds_of", "called_first", "flow_bound"]

# Importing them registers what bounds their statements.
assert all((evals, loops, machines, regions, statements, steps))


@dataclass(frozen=True, slots=True)
class FlowBounds:
    """The bounds of one flow, run by itself.

    Attributes:
        flow: its name.
        ranges: by the names of `METRICS`: pico-dollars, microseconds, bytes and counts.
        payloads: how many values from outside a journal may hold, each of up to 16 MiB, which `journal_bytes` counts.
        structure: bytes of the journal apart from these.
        limits: its budgets and those in it, each with what its place takes without it.
        stacks: retries around retries in it that no budget of retries limits.
    """

    flow: str
    ranges: Mapping[str, Range]
    payloads: Range
    structure: Range
    limits: Sequence[Limit]
    stacks: Sequence[Stack]

    def __getitem__(self, name: str) -> Range:
        return self.ranges[name]


def bounds_of(plan: Plan) -> dict[str, FlowBounds]:
    """The bounds of all flows of a plan, in its order.

    Raises PlanError for a plan that no compiler wrote.
    """
    walk = Walk(plan)
    for name in called_first(plan):
        flow_bound(walk, plan.flows[name])
    limits: dict[str, list[Limit]] = {name: [] for name in plan.flows}
    for limit in walk.limits:
        limits[limit.flow].append(limit)
    stacks = {name: [stack for stack in walk.stacks if stack.flow == name] for name in plan.flows}
    return {name: _shown(name, walk.flows[name], limits[name], stacks[name]) for name in plan.flows}


def flow_bound(walk: Walk, flow: Flow) -> Bound:
    """The bound of a flow whose callees were bounded before; it is noted in the walk."""
    walk.flow = flow.name
    params = [declared(walk.plan, param, index) for index, param in enumerate(flow.params)]
    bound, _ = walk.block(flow.body, walk.frame(flow.body, None, params), 0)
    found = list(walk.capped(bound, flow.budget, None, f"`{flow.name}`"))
    depth = found[DEPTH]
    found[DEPTH] = Range(depth.best + 1, depth.worst + 1, depth.term)
    walk.flows[flow.name] = found
    return found


def _shown(name: str, bound: Bound, limits: Sequence[Limit], stacks: Sequence[Stack]) -> FlowBounds:
    started = statements.own(-1, f"`{name}`", len(name), START)
    whole = list(all_of([bound, started]))
    # What fails is undone before anybody goes on, whatever the time budgets say; each effect once at most. And a run
    # ends when what it stopped has stopped, or its grace is over.
    grace: Number = GRACE_US if bound[ATTEMPTS].worst else 0
    latency = summed([bound[LATENCY], bound[UNDOING]])
    whole[LATENCY] = Range(bound[LATENCY].best, latency.worst + grace, latency.term)
    size, payloads = whole[BYTES], whole[PAYLOADS]
    whole[BYTES] = Range(size.best, size.worst + product(payloads.worst, PAYLOAD_BYTES_MAX), payloads.term)
    return FlowBounds(name, {metric.name: whole[metric.index] for metric in METRICS}, payloads, size, limits, stacks)


def called_first(plan: Plan) -> list[str]:
    """Flows, each after those it calls; a circle, which no compiler lets through, is met as a flow without bounds."""
    calls = {name: _calls(flow) for name, flow in plan.flows.items()}
    order: list[str] = []
    seen: set[str] = set()
    for start, first in calls.items():
        stack = [] if start in seen else [(start, iter(first))]
        seen.add(start)
        while stack:
            name, callees = stack[-1]
            callee = next((other for other in callees if other not in seen and other in calls), None)
            if callee is None:
                order.append(name)
                stack.pop()
            else:
                seen.add(callee)
                stack.append((callee, iter(calls[callee])))
    return order


def _calls(flow: Flow) -> list[str]:
    """The flows that a flow calls, in the order of its statements, nested blocks included."""
    found: list[str] = []
    pending: list[object] = [flow.body]
    while pending:
        block = pending.pop()
        for statement in getattr(block, "statements", ()):
            if statement.kind == "flow":
                found.append(statement.flow)
            pending += [getattr(statement, "body", None), getattr(statement, "otherwise", None)]
            pending += [part.body for part in getattr(statement, "arms", ())]
            pending += [part.body for part in getattr(statement, "states", ())]
    return found
