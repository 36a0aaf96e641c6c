"""What is declared or done and never used."""

from __future__ import annotations

from orchspec.compiler.checks.calls import called_first, steps_in
from orchspec.compiler.codes import names as codes
from orchspec.compiler.context import Context
from orchspec.compiler.model import AgentInfo, ContractInfo, FlowInfo
from orchspec.compiler.types import Nothing
from orchspec.grammar.syntax import Arbitrate, Let, Node, Repeat, Route, Scope, Step

__all__ = ["unused_declarations", "unused_names"]


def unused_declarations(context: Context) -> None:
    """Warns of declarations that nothing refers to; a file without flows is there for others and is left alone."""
    checked = context.checked
    if not checked.flows:
        return
    contracts, agents = _at_work(context)
    tables = {
        "type": checked.records,
        "enum": checked.enums,
        "param": checked.params,
        "model": checked.models,
        "decision": checked.decisions,
        "policy": checked.policies,
        "tool": checked.tools,
        "effect": checked.effects,
        "signal": checked.signals,
        "channel": checked.channels,
    }
    for kind, table in tables.items():
        for name, info in table.items():  # type: ignore[attr-defined]
            if info not in context.used:
                context.report.add(codes.UNUSED_DECLARATION, info.node.name, kind=kind, name=name)
    for name, contract in checked.contracts.items():
        if contract not in contracts:
            context.report.add(codes.UNUSED_DECLARATION, contract.node.name, kind="contract", name=name)
    for name, agent in checked.agents.items():
        # Nobody can ask an agent whose contracts nobody uses: that was told of the contracts.
        if agent not in agents and any(contract in contracts for contract in agent.fulfills):
            context.report.add(codes.UNUSED_DECLARATION, agent.node.name, kind=agent.kind, name=name)


def _at_work(context: Context) -> tuple[set[ContractInfo], set[AgentInfo]]:
    """The contracts that some step asks for, and the agents that may be asked."""
    contracts: set[ContractInfo] = set()
    agents: set[AgentInfo] = set()
    for step in context.checked.steps.values():
        if step.contract is not None:
            contracts.add(step.contract)
        agents.update(candidate.agent for candidate in step.candidates)
        agents.update(link.who.agent for link in step.on_failure if link.who is not None)
    for agent in context.checked.agents.values():
        if agent.fold is not None:
            contracts.add(agent.fold)
            agents.update(folder.agent for folder in agent.folders)
    for look in context.checked.evals.values():
        if look.contract is not None:
            contracts.add(look.contract)
        agents.update(candidate.agent for candidate in look.candidates)
    agents.update(effect.doubt_who for effect in context.checked.effects.values() if effect.doubt_who is not None)
    for arbitration in context.checked.arbitrations.values():
        for rule in arbitration.rules:
            if rule.contract is not None:
                contracts.add(rule.contract)
            if rule.who is not None:
                agents.add(rule.who.agent)
    return contracts, agents


def unused_names(context: Context) -> None:
    """Warns of results that nobody reads; what applies an effect is used by that."""
    acting: set[FlowInfo] = set()
    for flow in called_first(context):
        if _acts(context, flow.node, acting):
            acting.add(flow)
    for statement, slot in context.checked.slots.items():
        if slot.read or not isinstance(statement, Step | Arbitrate | Scope | Repeat | Route | Let):
            continue
        if isinstance(statement, Route) and _guards(context, statement):
            continue
        if not _acts(context, statement, acting):
            context.report.add(codes.UNUSED_NAME, statement.name, name=slot.name)


def _acts(context: Context, node: Node, acting: set[FlowInfo]) -> bool:
    """Whether something is done to the outside world, or waited for from there, in a statement or flows it calls."""
    return any(
        step.effect or step.signal or step.flow in acting or any(each.agent.effects for each in step.candidates)
        for step in steps_in(context, node)
    )


def _guards(context: Context, route: Route) -> bool:
    """Whether a route is there for what it does: it gives nothing, or an arm of it fails."""
    info = context.checked.routes[route]
    return isinstance(info.result, Nothing) or any(arm.fails for arm in info.arms)
