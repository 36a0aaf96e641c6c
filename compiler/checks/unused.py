"""What is declared or done and never used."""

from __future__ import annotations

from orchspec.compiler.checks.calls import called_first, doers, steps_in
from orchspec.compiler.codes import names as codes
from orchspec.compiler.context import Context
from orchspec.compiler.model import AgentInfo, ContractInfo, FlowInfo, SuperviseInfo
from orchspec.compiler.types import Nothing
from orchspec.grammar.syntax import Arbitrate, Let, Node, Peers, Repeat, Route, Scope, Step, Supervise

__all__ = ["unused_declarations", "unused_names"]


def unused_declarations(context: Context) -> None:
    """Warns of what the spec declares or imports and nothing refers to.

    A file without flows is there for others and is left alone, as are the files that are imported.
    """
    spec = context.checked.modules[0]
    own = spec.tables
    if not own.get("flows"):
        return
    contracts, agents = _at_work(context)
    for kind, table in _TABLES.items():
        for name, info in own.get(table, {}).items():
            if info not in context.used:
                context.report.add(codes.UNUSED_DECLARATION, info.node.name, kind=kind, name=name)
    for alias, node in spec.imports.items():
        if spec.aliases[alias] not in context.used:
            context.report.add(codes.UNUSED_DECLARATION, node.alias, kind="import", name=alias)
    for name, contract in own.get("contracts", {}).items():
        if contract not in contracts:
            context.report.add(codes.UNUSED_DECLARATION, contract.node.name, kind="contract", name=name)
    for name, agent in own.get("agents", {}).items():
        # Nobody can ask an agent whose contracts nobody uses: that was told of the contracts.
        if agent not in agents and any(contract in contracts for contract in agent.fulfills):
            context.report.add(codes.UNUSED_DECLARATION, agent.node.name, kind=agent.kind, name=name)


_TABLES = {
    "type": "records",
    "enum": "enums",
    "param": "params",
    "model": "models",
    "decision": "decisions",
    "policy": "policies",
    "tool": "tools",
    "effect": "effects",
    "signal": "signals",
    "channel": "channels",
}


def _at_work(context: Context) -> tuple[set[ContractInfo], set[AgentInfo]]:
    """The contracts that some step asks for, and the agents that may be asked."""
    contracts: set[ContractInfo] = set()
    agents: set[AgentInfo] = set()
    for step in context.checked.steps.values():
        if step.contract is not None:
            contracts.add(step.contract)
        if isinstance(step, SuperviseInfo):
            contracts.update(contract for worker in step.workers for contract in worker.agent.fulfills)
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
    agents = {agent for agent in context.checked.agents.values() if agent.effects}
    for flow in called_first(context):
        if _acts(context, flow.node, acting, agents):
            acting.add(flow)
    for statement, slot in context.checked.slots.items():
        if slot.read or not isinstance(statement, Step | Arbitrate | Scope | Repeat | Route | Let | Supervise | Peers):
            continue
        if isinstance(statement, Route) and _guards(context, statement):
            continue
        if not _acts(context, statement, acting, agents):
            context.report.add(codes.UNUSED_NAME, statement.name, name=slot.name)


def _acts(context: Context, node: Node, acting: set[FlowInfo], agents: set[AgentInfo]) -> bool:
    """Whether something is done to the outside world, or waited for from there, in a statement or flows it calls.

    `acting` are the flows that do something, `agents` those who may.
    """
    return any(
        step.effect or step.signal or step.flow in acting or doers(step, agents) for step in steps_in(context, node)
    )


def _guards(context: Context, route: Route) -> bool:
    """Whether a route is there for what it does: it gives nothing, or an arm of it fails."""
    info = context.checked.routes[route]
    return isinstance(info.result, Nothing) or any(arm.fails for arm in info.arms)
