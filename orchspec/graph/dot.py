"""DOT, the language of Graphviz."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Iterator, Sequence
from typing import Final

from orchspec.graph.topology import Edge, FlowGraph, Group, Node

__all__ = ["as_dot"]

_SHAPES: Final = {
    "input": 'shape=box, style="rounded,filled", fillcolor="#f0f2f4"',
    "give": 'shape=box, style="rounded,filled", fillcolor="#f0f2f4"',
    "fail": 'shape=box, style="rounded,filled", fillcolor="#fbe1d4"',
    "task": 'shape=box, style=filled, fillcolor="#dcebf7"',
    "person": 'shape=box, style=filled, fillcolor="#fcefd0"',
    "effect": 'shape=box, style="bold,filled", fillcolor="#d9f2e9"',
    "undo": 'shape=box, style="dashed,filled", fillcolor="#d9f2e9"',
    "flow": 'shape=box, peripheries=2, style=filled, fillcolor="#e6e2f5"',
    "arbitrate": 'shape=hexagon, style=filled, fillcolor="#f6e3ee"',
    "let": 'shape=box, style=filled, fillcolor="#f0f2f4"',
    "checkpoint": 'shape=box, style=filled, fillcolor="#f0f2f4"',
    "until": 'shape=hexagon, style=filled, fillcolor="#f0f2f4"',
}
_STYLES: Final = {"order": "dotted", "undo": "dashed", "again": "dashed", "exhausted": "dashed"}


def as_dot(graphs: Sequence[FlowGraph]) -> str:
    """The flows as one directed graph, each in a cluster of its own."""
    lines = [
        "digraph orch {",
        '  graph [compound=true, fontname="Helvetica", fontsize=11];',
        '  node [fontname="Helvetica", fontsize=10, margin="0.15,0.08"];',
        '  edge [fontname="Helvetica", fontsize=9, color="#5c6670"];',
    ]
    for number, graph in enumerate(graphs, 1):
        lines.extend(_group(graph, f"f{number}", "  "))
    return "\n".join([*lines, "}", ""])


def _group(group: Group, prefix: str, indent: str) -> Iterator[str]:
    yield f"{indent}subgraph cluster_{prefix}_{group.id} {{"
    yield f'{indent}  label={_quoted([group.title, *group.lines])}; labeljust=l; style=rounded; color="#9aa5b1";'
    inside = {item.id: item for item in group.items}
    for item in group.items:
        if isinstance(item, Group):
            yield from _group(item, prefix, f"{indent}  ")
        else:
            yield f"{indent}  {prefix}_{item.id} [label={_quoted([item.title, *item.lines])}, {_shape(item)}];"
    for edge in group.edges:
        source, target = inside[edge.source], inside[edge.target]
        # An edge of a cluster begins at a node of it and is cut off at its border.
        tail, head = _last(source), _first(target)
        if tail is None or head is None:
            continue
        attributes = _attributes(edge)
        attributes += [f"ltail=cluster_{prefix}_{source.id}"] if isinstance(source, Group) else []
        attributes += [f"lhead=cluster_{prefix}_{target.id}"] if isinstance(target, Group) else []
        yield f"{indent}  {prefix}_{tail} -> {prefix}_{head} [{', '.join(attributes)}];"
    yield f"{indent}}}"


def _shape(node: Node) -> str:
    return _SHAPES[node.kind] + (", peripheries=2" if node.many else "")


def _attributes(edge: Edge) -> list[str]:
    label = edge.label or edge.kind * (edge.kind == "exhausted")
    attributes = [f"label={_quoted([label])}"] if label else []
    if edge.kind in _STYLES:
        attributes.append(f"style={_STYLES[edge.kind]}")
    return [*attributes, "constraint=false"] if edge.kind == "again" else attributes


def _first(item: Node | Group) -> str | None:
    return item.id if isinstance(item, Node) else next((node.id for node in item.nodes()), None)


def _last(item: Node | Group) -> str | None:
    if isinstance(item, Node):
        return item.id
    nodes = [node.id for node in item.nodes() if node.kind != "undo"]
    return nodes[-1] if nodes else None


def _quoted(lines: Sequence[str]) -> str:
    """A label: Graphviz takes the escapes of JSON for quotes and line ends; a backslash stands for itself doubled."""
    clean = ["".join("\N{REPLACEMENT CHARACTER}" if unicodedata.category(c)[0] == "C" else c for c in x) for x in lines]
    return json.dumps("\n".join(clean), ensure_ascii=False)
