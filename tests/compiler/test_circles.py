"""Circles in what depends on what: the same ones that networkx finds."""

from itertools import pairwise

import networkx as nx
from hypothesis import given
from hypothesis import strategies as st

from orchspec.compiler.circles import circle, graph_of, knots, reachable

edges = st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), max_size=30)


def library(pairs):
    graph = nx.DiGraph()
    graph.add_edges_from(pairs)
    return graph


@given(edges)
def test_knots_are_the_components_that_hold_a_circle(pairs):
    graph = library(pairs)
    wanted = [part for part in nx.strongly_connected_components(graph) if len(part) > 1 or graph.has_edge(*[*part] * 2)]
    found = knots(graph_of(pairs))
    assert sorted(map(sorted, found)) == sorted(map(sorted, wanted))
    assert bool(found) != (not pairs or nx.is_directed_acyclic_graph(graph))


@given(edges)
def test_a_circle_is_closed_and_as_short_as_can_be(pairs):
    graph = graph_of(pairs)
    for knot in knots(graph):
        found = circle(graph, knot[0])
        assert found[0][0] == found[-1][1] == knot[0]
        assert all(one[1] == other[0] for one, other in pairwise(found))
        assert all(edge in pairs for edge in found)
        known = library(pairs)
        back = min(nx.shortest_path_length(known, other, knot[0]) for other in graph[knot[0]] if other in knot)
        assert len(found) == 1 + back


@given(edges, st.sets(st.integers(0, 9), max_size=3))
def test_reachable_is_what_a_walk_gets_to(pairs, starts):
    graph = library(pairs)
    wanted = set(starts).union(*(nx.descendants(graph, start) for start in starts if start in graph))
    assert reachable(graph_of(pairs), starts) == wanted


def test_a_long_chain_and_a_long_circle_need_no_recursion():
    chain = graph_of((number, number + 1) for number in range(50_000))
    assert knots(chain) == []
    chain[50_000][0] = None
    assert len(knots(chain)[0]) == len(circle(chain, 0)) == 50_001
