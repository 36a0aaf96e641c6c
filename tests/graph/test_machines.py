"""Machines as pictures: states are groups, transitions lead from one to another."""

from orchspec.graph.build import graph_of
from tests.support.studies import gallery


def test_states_are_groups_and_transitions_lead_between_them():
    graph = graph_of(gallery("tickets"), "tickets")
    machine = next(item for item in graph.items if getattr(item, "kind", "") == "machine")
    titles = {item.id: item.title for item in machine.items}
    assert list(titles.values())[:2] == ["initial state triage", "state answering"]
    ways = {(titles[edge.source], titles[edge.target], edge.label) for edge in machine.edges}
    assert ("state waiting", "final state apology", "timeout") in ways
    assert ("state answering", "final state closed", "done when reply.resolved") in ways
    assert len(ways) == 12
