"""From the flows of a plan to nodes, groups and edges, which Mermaid, DOT and SVG draw each in its own way.

Edges are labelled with what crosses: the names that the receiver reads, and the fields of them. Order alone (`after`,
checkpoints, effects of one block) is an edge without a label, and is left out where another path implies it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Edge", "EdgeKind", "FlowGraph", "Group", "Node", "NodeKind", "without_implied"]

NodeKind: TypeAlias = Literal[
    "input", "task", "person", "effect", "undo", "flow", "arbitrate", "let", "checkpoint", "until", "give", "fail"
]
EdgeKind: TypeAlias = Literal["data", "order", "undo", "again", "exhausted", "way"]
"""`again`: what the next round reads of this one. `exhausted`: where a loop goes whose rounds are spent.

`way`: from state to state, or from peer to peer.
"""


@dataclass(frozen=True, slots=True)
class Node:
    """A statement: `title` is its name, `lines` say what is done, by whom and how; `many` is a fan-out."""

    id: str
    kind: NodeKind
    title: str
    lines: tuple[str, ...] = ()
    many: bool = False


@dataclass(frozen=True, slots=True)
class Edge:
    """From one node or group to another of the same group; `label` names what crosses."""

    source: str
    target: str
    kind: EdgeKind
    label: str = ""


@dataclass(frozen=True, slots=True)
class Group:
    """A block with a border: a loop, a scope, or what is done when a loop is exhausted."""

    id: str
    kind: Literal["flow", "repeat", "scope", "else", "machine", "state"]
    title: str
    lines: tuple[str, ...] = ()
    items: list[Node | Group] = field(default_factory=list)
    edges: list[Edge] = field(default_factory=list)

    def nodes(self) -> Iterator[Node]:
        """All nodes, those of inner groups too, in the order of the text."""
        for item in self.items:
            if isinstance(item, Group):
                yield from item.nodes()
            else:
                yield item


FlowGraph: TypeAlias = Group
"""A flow is the outermost group."""


def without_implied(edges: list[Edge]) -> list[Edge]:
    """The edges but those of order that a longer path implies. Edges of data and order have no cycle."""
    after: dict[str, dict[str, None]] = {}
    for edge in edges:
        if edge.kind in ("data", "order"):
            after.setdefault(edge.source, {})[edge.target] = None
            after.setdefault(edge.target, {})
    # What is reached from a node, as bits of an integer: flows may be large, and every effect may follow every other.
    bit = {name: 1 << number for number, name in enumerate(after)}
    reached: dict[str, int] = {}
    beyond: dict[str, int] = {}
    for name in _last_first(after):
        beyond[name] = reached[name] = 0
        for successor in after[name]:
            beyond[name] |= reached[successor]
            reached[name] |= reached[successor] | bit[successor]
    return [edge for edge in edges if edge.kind != "order" or not beyond[edge.source] & bit[edge.target]]


def _last_first(after: dict[str, dict[str, None]]) -> list[str]:
    """The nodes in an order in which each stands behind all that it leads to."""
    order: list[str] = []
    seen: set[str] = set()
    for root in after:
        pending = [(root, False)]
        while pending:
            name, left = pending.pop()
            if left:
                order.append(name)
            elif name not in seen:
                seen.add(name)
                pending.append((name, True))
                pending.extend((each, False) for each in after[name] if each not in seen)
    return order
