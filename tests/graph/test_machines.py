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


def test_states_stand_below_those_that_lead_to_them_and_only_what_closes_a_circle_goes_up():
    from orchspec.graph.svg import _lay

    graph = graph_of(gallery("tickets"), "tickets")
    machine = next(item for item in graph.items if getattr(item, "kind", "") == "machine")
    laid = _lay(machine)
    titles = {item.id: item.title for item in machine.items}
    height = {titles[name]: y for name, (_, y) in laid.layout.centres.items()}
    assert height["initial state triage"] < height["state answering"] < height["state waiting"]
    assert [(titles[edge.source], titles[edge.target]) for edge in laid.again] == [("state waiting", "state answering")]


def test_peers_hand_over_downwards_first():
    from orchspec.graph.svg import _lay

    graph = graph_of(gallery("patterns"), "network")
    peers = next(item for item in graph.items if getattr(item, "title", "").startswith("peers"))
    laid = _lay(peers)
    assert len(laid.links) == 2
    assert len(laid.again) == 1
