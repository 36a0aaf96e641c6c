"""What is reverted has an undo, and agents do only what stays single at them."""

from __future__ import annotations

from collections.abc import Collection, Container, Iterator

from orchspec.compiler.checks.calls import called_first, doers, steps_in
from orchspec.compiler.codes import effects as codes
from orchspec.compiler.context import Context
from orchspec.compiler.model import (
    AgentInfo,
    ContractInfo,
    EffectInfo,
    FlowInfo,
    Reference,
    Slot,
)
from orchspec.compiler.types import is_unknown, show
from orchspec.grammar.diagnostics import Label
from orchspec.grammar.syntax import (
    Expr,
    Node,
    Revert,
    attribute,
    statements_in,
    walk,
)

__all__ = ["deeds_of_agents", "nothing_to_revert", "raced_deeds"]


def nothing_to_revert(context: Context) -> None:
    """Reports a `revert` of what has no effect that could be undone."""
    undoable: set[FlowInfo] = set()
    agents = {
        agent for agent in context.checked.agents.values() if any(effect.undo is not None for effect in agent.effects)
    }
    for flow in called_first(context):
        if _undoable(context, flow.node, undoable, agents):
            undoable.add(flow)
        for node in statements_in(flow.node):
            found = context.checked.resolved.get(node.name) if isinstance(node, Revert) else None
            if not isinstance(node, Revert) or not isinstance(found, Reference):
                continue
            if not _undoable(context, found.slot.declared, undoable, agents):
                label = Label(found.slot.declared.span, "nothing in it applies an effect that has an `undo`")
                context.report.add(codes.NOTHING_TO_REVERT, node.name, name=node.name.text, labels=[label])


def _undoable(context: Context, node: Node, flows: Container[FlowInfo], agents: Collection[AgentInfo]) -> bool:
    """Whether a statement or a flow applies an effect that has an `undo`; `flows` and `agents` are those that do."""
    return any(
        (step.effect is not None and step.effect.undo is not None)
        or (step.flow is not None and step.flow in flows)
        or doers(step, agents)
        for step in steps_in(context, node)
    )


def _slots(context: Context, expr: Expr) -> Iterator[Slot]:
    for node in walk(expr):
        found = context.checked.resolved.get(node)
        if isinstance(found, Reference):
            yield found.slot


# ------------------------------------------------------------------ agents


def deeds_of_agents(context: Context) -> None:
    """Reports effects of agents whose key reads what no contract hands over, and those of reused contracts."""
    for agent in context.checked.agents.values():
        for effect in agent.effects:
            context.used.update(_with_helpers(effect))
            open_ones = [contract for contract in agent.fulfills if not _missing(context, contract, effect)]
            if not open_ones and agent.fulfills and not agent.open:
                _unkeyed(context, agent, effect)
            for contract in open_ones:
                at = attribute(contract.node.settings, "reuse")
                if contract.reuse is not None and at is not None:
                    here = Label(agent.node.name.span, f"`{agent.name}` may do it at `{contract.name}`")
                    context.report.add(
                        codes.REUSED_DEED,
                        at,
                        contract=contract.name,
                        agent=agent.name,
                        effect=effect.name,
                        labels=[here],
                    )


def _with_helpers(effect: EffectInfo) -> Iterator[EffectInfo]:
    yield effect
    for named in (effect.undo, effect.check):
        if named is not None:
            yield named.effect


def _missing(context: Context, contract: ContractInfo, effect: EffectInfo) -> list[Slot]:
    """The parameters in the key that a contract does not hand over, by name and type."""
    if effect.key is None:
        return []
    handed = {param.name: param.type for param in contract.params}
    return [
        slot
        for slot in dict.fromkeys(_slots(context, effect.key))
        if slot.name not in handed
        or not (handed[slot.name] == slot.type or is_unknown(handed[slot.name]) or is_unknown(slot.type))
    ]


def _unkeyed(context: Context, agent: AgentInfo, effect: EffectInfo) -> None:
    assert effect.key is not None
    nearest = min(agent.fulfills, key=lambda contract: len(_missing(context, contract, effect)))
    missing = _missing(context, nearest, effect)
    handed = {param.name: param.type for param in nearest.params}
    context.report.add(
        codes.KEY_OF_AGENT,
        effect.key,
        effect=effect.name,
        param=missing[0].name,
        contract=nearest.name,
        agent=agent.name,
        labels=[
            Label(agent.node.name.span, f"`{agent.name}` may do it at `{nearest.name}`"),
            Label(nearest.node.name.span, "the contract"),
        ],
        notes=[
            f"its `{slot.name}` is {show(handed[slot.name])}, here it is {show(slot.type)}"
            for slot in missing
            if slot.name in handed
        ],
    )


def raced_deeds(context: Context) -> None:
    """Reports races of agents who may do what has no key, since a loser may have done it, and evals of who may act."""
    for step in context.checked.steps.values():
        if step.pattern != "first":
            continue
        for candidate in step.candidates:
            for effect in candidate.agent.effects:
                if effect.key is None:
                    context.report.add(
                        codes.RACE_OF_DEEDS,
                        step.node.name,
                        agent=candidate.agent.name,
                        raced="in a race",
                        effect=effect.name,
                        labels=[Label(effect.node.name.span, "the effect")],
                    )
    for look in context.checked.evals.values():
        for candidate in look.candidates:
            for effect in candidate.agent.effects[:1]:
                context.report.add(codes.EVAL_ACTS, look.node.name, agent=candidate.agent.name, effect=effect.name)
