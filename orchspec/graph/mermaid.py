"""Mermaid: `flowchart TB`, which code hosts and editors draw where it stands in Markdown."""

from __future__ import annotations

import html
import unicodedata
from collections.abc import Sequence
from typing import Final

from orchspec.graph.topology import Edge, FlowGraph, Group, Node

__all__ = ["as_mermaid"]

_SHAPES: Final = {
    "input": ("([", "])"),
    "give": ("([", "])"),
    "fail": ("([", "])"),
    "task": ("[", "]"),
    "person": ("[/", "\\]"),
    "effect": ("[[", "]]"),
    "undo": ("[[", "]]"),
    "flow": ("[[", "]]"),
    "arbitrate": ("{{", "}}"),
    "let": ("[", "]"),
    "checkpoint": ("[", "]"),
    "until": ("{{", "}}"),
}
_ARROWS: Final = {"data": "-->", "order": "-.->", "undo": "-.->", "again": "-.->", "exhausted": "-.->", "way": "-->"}
_CLASSES: Final = """  classDef task fill:#dcebf7,stroke:#0072b2,color:#10151a
  classDef person fill:#fcefd0,stroke:#b27a00,color:#10151a
  classDef effect fill:#d9f2e9,stroke:#00805c,color:#10151a
  classDef undo fill:#d9f2e9,stroke:#00805c,color:#10151a,stroke-dasharray:4 3
  classDef flow fill:#e6e2f5,stroke:#5b4b9e,color:#10151a
  classDef arbitrate fill:#f6e3ee,stroke:#a3527f,color:#10151a
  classDef plain fill:#f0f2f4,stroke:#7a848f,color:#10151a
  classDef fail fill:#fbe1d4,stroke:#b84a00,color:#10151a"""
_CLASS_OF: Final = {"input": "plain", "give": "plain", "let": "plain", "checkpoint": "plain", "until": "plain"}


def as_mermaid(graphs: Sequence[FlowGraph]) -> str:
    """The flows as one Mermaid diagram, each in a subgraph of its own."""
    lines = ["flowchart TB"]
    edges: list[str] = []
    for number, graph in enumerate(graphs, 1):
        _group(graph, f"f{number}", "  ", lines, edges)
    return "\n".join([*lines, *edges, _CLASSES, ""])


def _group(group: Group, prefix: str, indent: str, lines: list[str], edges: list[str]) -> None:
    lines.append(f"{indent}subgraph {prefix}_{group.id}[{_quoted([group.title, *group.lines])}]")
    for item in group.items:
        if isinstance(item, Group):
            _group(item, prefix, f"{indent}  ", lines, edges)
        else:
            lines.append(f"{indent}  {prefix}_{item.id}{_node(item)}")
    lines.append(f"{indent}end")
    edges.extend(f"  {prefix}_{edge.source} {_arrow(edge)} {prefix}_{edge.target}" for edge in group.edges)


def _node(node: Node) -> str:
    opening, closing = _SHAPES[node.kind]
    return f"{opening}{_quoted([node.title, *node.lines], bold=True)}{closing}:::{_CLASS_OF.get(node.kind, node.kind)}"


def _arrow(edge: Edge) -> str:
    arrow = _ARROWS[edge.kind]
    label = edge.label or edge.kind * (edge.kind == "exhausted")
    return f"{arrow}|{_quoted([label])}|" if label else arrow


def _quoted(lines: Sequence[str], *, bold: bool = False) -> str:
    escaped = [_escaped(line) for line in lines]
    if bold:
        escaped[0] = f"<b>{escaped[0]}</b>"
    return f'"{"<br>".join(escaped)}"'


def _escaped(text: str) -> str:
    """Text that is text inside a quoted label: Mermaid reads `#` as the beginning of an entity."""
    clean = "".join(c if unicodedata.category(c)[0] != "C" else "\N{REPLACEMENT CHARACTER}" for c in text)
    marked = html.escape(clean.replace("#", "\0"), quote=True).replace("&#x27;", "'")
    # %%{…}%% would be a directive, in quotes too.
    marked = marked.replace("%%", "#37;#37;")
    entities = {"&amp;": "#amp;", "&lt;": "#lt;", "&gt;": "#gt;", "&quot;": "#quot;", "\0": "#35;", "`": "#96;"}
    for known, entity in entities.items():
        marked = marked.replace(known, entity)
    return marked
