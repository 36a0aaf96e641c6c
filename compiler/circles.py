"""Circles in what depends on what: whether there are any, which nodes lie on them, and one to show.

A graph is a mapping from each node to those that follow it. Written here and not taken from networkx because loading
that takes as long as everything else that a check of a small spec does.
"""

from __future__ import annotations

from collections.abc import Collection, Hashable, Iterable, Iterator, Mapping
from typing import TypeAlias, TypeVar

__all__ = ["Graph", "circle", "graph_of", "knots", "reachable"]

N = TypeVar("N", bound=Hashable)
Graph: TypeAlias = Mapping[N, Collection[N]]


def graph_of(edges: Iterable[tuple[N, N]]) -> dict[N, dict[N, None]]:
    """The graph of some edges, in their order."""
    graph: dict[N, dict[N, None]] = {}
    for node, following in edges:
        graph.setdefault(node, {})[following] = None
        graph.setdefault(following, {})
    return graph


def knots(graph: Graph[N]) -> list[list[N]]:
    """The sets of nodes that lie on circles with each other, each from the node first met on: none without a circle.

    These are the strongly connected components that hold an edge, found without recursion and in linear time (Tarjan,
    "Depth-first search and linear graph algorithms", 1972).
    """
    order: dict[N, int] = {}
    low: dict[N, int] = {}  # the earliest open node that is reached from here
    opened: dict[N, None] = {}
    found: list[list[N]] = []
    for start in graph:
        work: list[tuple[N, Iterator[N]]] = [] if start in order else [(start, iter(graph[start]))]
        while work:
            node, rest = work[-1]
            if node not in order:
                order[node] = low[node] = len(order)
                opened[node] = None
            for following in rest:
                if following not in order:
                    work.append((following, iter(graph[following])))
                    break
                if following in opened:
                    low[node] = min(low[node], order[following])
            else:
                work.pop()
                if work:
                    low[work[-1][0]] = min(low[work[-1][0]], low[node])
                if low[node] == order[node]:
                    knot = [node]
                    while (last := opened.popitem()[0]) != node:
                        knot.append(last)
                    if len(knot) > 1 or node in graph[node]:
                        found.append(knot)
    return found


def circle(graph: Graph[N], start: N) -> list[tuple[N, N]]:
    """The edges of a shortest circle through a node of a knot."""
    before: dict[N, N] = {}
    wave = [start]
    while start not in before:
        assert wave, "a node of a knot lies on a circle"
        reached: list[N] = []
        for node in wave:
            for following in graph[node]:
                if following not in before:
                    before[following] = node
                    reached.append(following)
        wave = reached
    edges = [(before[start], start)]
    while edges[-1][0] != start:
        edges.append((before[edges[-1][0]], edges[-1][0]))
    edges.reverse()
    return edges


def reachable(graph: Graph[N], starts: Iterable[N]) -> set[N]:
    """What can be reached from somewhere, the starts included."""
    seen = set(starts)
    pending = list(seen)
    while pending:
        for following in graph.get(pending.pop(), ()):
            if following not in seen:
                seen.add(following)
                pending.append(following)
    return seen
