"""Which flow calls which."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from orchspec.compiler.context import Context
from orchspec.compiler.model import AgentInfo, FlowInfo, StepInfo
from orchspec.grammar.syntax import Node, Peers, Step, Supervise, statements_in

__all__ = ["called_first", "doers", "steps_in"]


def steps_in(context: Context, node: Node) -> Iterator[StepInfo]:
    """The steps in a statement or a flow, also those of nested blocks."""
    for part in statements_in(node):
        step = context.checked.steps.get(part) if isinstance(part, Step | Supervise | Peers) else None
        if step is not None:
            yield step


def doers(step: StepInfo, agents: Collection[AgentInfo]) -> bool:
    """Whether one of those who may take a step is among these agents; most often there are none of these."""
    return bool(agents) and any(candidate.agent in agents for candidate in step.candidates)


def called_first(context: Context) -> list[FlowInfo]:
    """All flows, each after those that it calls (but for calls that close a circle)."""
    calls = {
        flow: [step.flow for step in steps_in(context, flow.node) if step.flow is not None]
        for flow in context.checked.flows.values()
    }
    order: list[FlowInfo] = []
    seen: set[FlowInfo] = set()
    for start, first in calls.items():
        stack = [(start, iter(first))] if start not in seen else []
        seen.add(start)
        while stack:
            flow, callees = stack[-1]
            callee = next((other for other in callees if other not in seen), None)
            if callee is None:
                order.append(flow)
                stack.pop()
            else:
                seen.add(callee)
                stack.append((callee, iter(calls[callee])))
    return order
