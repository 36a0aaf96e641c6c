"""Loops that a model drives, as pictures: who may ask or hand over to whom, and how often."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from orchspec.compiler.plan import Peers, Plan, Supervise, asked_of
from orchspec.graph.topology import Edge, Group, Node, NodeKind
from orchspec.graph.words import budget_words, failures

if TYPE_CHECKING:
    from orchspec.graph.reading import Frames, Reader

__all__ = ["peers_group", "supervise_group"]


def supervise_group(
    plan: Plan, reader: Reader, name: str, statement: Supervise, frames: Frames, new: Callable[[], str]
) -> Group:
    """A lead, its workers with what each may be asked for, and the ways there and back."""
    lines = []
    if statement.width is not None:
        lines.append(f"width {reader.text(statement.width, frames)}")
    if statement.depth > 1:
        lines.append(f"depth {statement.depth}")
    title = f"supervise {statement.name}, up to {_times(statement.rounds, 'round')}"
    group = Group(name, "repeat", title, (*lines, *_limits(reader, statement, frames)))
    leads = [candidate.agent for candidate in statement.leads]
    by = leads[0] if len(leads) == 1 else f"any of {', '.join(leads)}"
    lead = Node(new(), _kind(plan, leads), statement.contract, (f"by {by}",))
    group.items.append(lead)
    does = asked_of(statement.workers, plan.agents)
    for worker in statement.workers:
        contracts = tuple(contract for contract, who in does.items() if worker.agent in who)
        node = Node(new(), _kind(plan, [worker.agent]), worker.agent, contracts)
        group.items.append(node)
        group.edges.append(Edge(lead.id, node.id, "data", "asks"))
        group.edges.append(Edge(node.id, lead.id, "again", "so_far"))
    return group


def peers_group(
    plan: Plan, reader: Reader, name: str, statement: Peers, frames: Frames, new: Callable[[], str]
) -> Group:
    """The peers, and the handoffs that are permitted among them."""
    title = f"peers {statement.name}, up to {_times(statement.hops, 'hop')}"
    group = Group(name, "repeat", title, _limits(reader, statement, frames))
    nodes: dict[str, Node] = {}
    for candidate in statement.peers:
        first = ("starts",) if candidate.agent == statement.start else ()
        kind = _kind(plan, [candidate.agent])
        nodes[candidate.agent] = Node(new(), kind, candidate.agent, (statement.contract, *first))
    group.items.extend(nodes.values())
    for handoff in statement.handoffs:
        when = f"when {reader.text(handoff.when, [['result'], *frames])}" if handoff.when is not None else "hands over"
        for target in handoff.targets:
            group.edges.append(Edge(nodes[handoff.source].id, nodes[target].id, "way", when))
    return group


def _limits(reader: Reader, statement: Supervise | Peers, frames: Frames) -> tuple[str, ...]:
    only_if = [] if statement.only_if is None else [f"only if {reader.text(statement.only_if, frames)}"]
    return (*budget_words(statement.budget), *only_if, *failures(reader, statement.on_failure, frames))


def _kind(plan: Plan, agents: list[str]) -> NodeKind:
    return "person" if all(plan.agents[agent].kind == "human" for agent in agents) else "task"


def _times(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"
