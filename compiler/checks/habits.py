"""Advice about topology: what runs, costs more than it must, and is seldom what was meant."""

from __future__ import annotations

from collections.abc import Hashable

from orchspec.compiler.codes import habits as codes
from orchspec.compiler.context import Context
from orchspec.compiler.model import AgentInfo, GiverRef, Reference, Slot, StepInfo
from orchspec.grammar.diagnostics import Label
from orchspec.grammar.syntax import Attribute, Index, Int, Node, Step, walk

__all__ = ["one_answer_of_many", "twin_agents", "unpriced_models"]


def one_answer_of_many(context: Context) -> None:
    """Advises an arbitration where several give an answer and one of them is taken by its place."""
    fans = {
        context.checked.slots[node]: step
        for node, step in context.checked.steps.items()
        if isinstance(node, Step) and step.pattern in ("all", "some") and step.loop is None and _asked(step) > 1
    }
    if not fans:
        return
    picked: dict[Slot, list[Index]] = {}
    read: dict[Slot, int] = {}
    for flow in context.checked.flows.values():
        for node in walk(flow.node):
            found = context.checked.resolved.get(node)
            if isinstance(found, GiverRef):
                read[found.slot] = read.get(found.slot, 0) + 2  # the answer of somebody who is named is meant
            elif isinstance(found, Reference) and found.slot in fans:
                read[found.slot] = read.get(found.slot, 0) + 1
            if isinstance(node, Index) and isinstance(node.index, Int):
                base = context.checked.resolved.get(node.base)
                if isinstance(base, Reference) and base.slot in fans:
                    picked.setdefault(base.slot, []).append(node)
    for slot, places in picked.items():
        same = len({place.index.span.text for place in places}) == 1
        if same and len(places) == read.get(slot, 0):
            step = fans[slot]
            context.report.add(
                codes.NOBODY_DECIDES,
                places[0],
                name=slot.name,
                asked=_asked(step),
                labels=[Label(step.node.name.span, "asked here")],
            )


def _asked(step: StepInfo) -> int:
    return step.copies if step.pattern == "some" else len(step.candidates)


def twin_agents(context: Context) -> None:
    """Advises one agent where two differ in nothing but their names."""
    known: dict[Hashable, AgentInfo] = {}
    profiled = {profile.target.text for profile in context.checked.profiles}
    for agent in context.checked.agents.values():
        if agent.kind != "agent" or agent.open or agent.name in profiled or not agent.models:
            continue  # two programs may do quite different things; two prompts of one model do not
        first = known.setdefault(_self(agent), agent)
        if first is not agent:
            context.report.add(
                codes.TWIN_AGENTS,
                agent.node.name,
                name=agent.name,
                first=first.name,
                labels=[Label(first.node.name.span, "the same, under another name")],
            )


def _self(agent: AgentInfo) -> Hashable:
    settings = sorted(" ".join(item.span.text.split()) for item in agent.node.settings)
    return tuple(settings), tuple(sorted(contract.name for contract in agent.fulfills))


def unpriced_models(context: Context) -> None:
    """Advises a price for a model whose use nothing else bounds or estimates in money."""
    told: set[object] = set()
    costed = {
        profile.target.text
        for profile in context.checked.profiles
        if any(isinstance(item, Attribute) and item.name.text == "cost" for item in profile.settings)
    }
    for agent in context.checked.agents.values():
        if agent.budget.cost_pico is not None or agent.name in costed or agent in context.vague:
            continue
        for model in agent.models:
            if not model.priced and model not in told and model not in context.vague:
                told.add(model)
                at: Node = model.node.name
                labels = [Label(agent.node.name.span, "works with it")]
                context.report.add(codes.UNPRICED_MODEL, at, name=model.name, agent=agent.name, labels=labels)
