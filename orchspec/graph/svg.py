"""SVG: cards in layers, loops and scopes as frames around them, light and dark as the reader's system is.

Self-contained: no script, no font of its own, no request. Text is measured by the widths of common fonts, rounded up,
since nobody knows which one a reader has.
"""

from __future__ import annotations

import html
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from orchspec.graph.layers import Layout, Link, Size, arrange
from orchspec.graph.topology import Edge, FlowGraph, Group, Node

__all__ = ["as_svg"]

_TITLE: Final = 14.0
_LINE: Final = 11.5
_LABEL: Final = 10.5
_PAD: Final = 12.0
_BAR: Final = 4.0
_BORDER: Final = 18.0
_MARGIN: Final = 16.0
_STACK: Final = 4.0
_LONGEST: Final = 64
_LANE: Final = 10.0
_PILLS: Final = ("input", "give", "fail", "until", "checkpoint")

_STYLE: Final = """
.orch-graph{--paper:#ffffff;--ink:#1b1f24;--muted:#5c6670;--line:#8b96a1;--frame:#c9d0d7;--shade:#f6f8fa;
--task:#0072b2;--person:#c98500;--effect:#008a64;--flow:#6b58b8;--arbitrate:#b0568a;--plain:#8b96a1;--fail:#c65200;
--card:#ffffff;font-family:system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue","DejaVu Sans",sans-serif}
@media (prefers-color-scheme:dark){.orch-graph{--paper:#14181d;--ink:#e8ecf0;--muted:#9aa5b1;--line:#7d8894;
--frame:#3a434d;--shade:#191e24;--task:#4aa3df;--person:#f0b429;--effect:#1fb98c;--flow:#9a88e6;--arbitrate:#dd93be;
--plain:#7d8894;--fail:#f2793a;--card:#1e242b}}
.orch-graph .paper{fill:var(--paper)}
.orch-graph text{fill:var(--ink)}
.orch-graph .t{font-size:14px;font-weight:600}
.orch-graph .l{font-size:11.5px;fill:var(--muted)}
.orch-graph .e{font-size:10.5px;fill:var(--ink)}
.orch-graph .halo{fill:var(--halo)}
.orch-graph .box{fill:var(--card);stroke:var(--frame);stroke-width:1.2}
.orch-graph .undo{stroke-dasharray:5 3}
.orch-graph .frame{fill:var(--shade);stroke:var(--line);stroke-width:1.2}
.orch-graph .flow-frame{fill:none;stroke:var(--frame)}
.orch-graph .else{stroke-dasharray:5 3}
.orch-graph .link{fill:none;stroke:var(--line);stroke-width:1.4}
.orch-graph .order{stroke-dasharray:2 4}
.orch-graph .undo-link,.orch-graph .again,.orch-graph .exhausted{stroke-dasharray:6 4}
.orch-graph .tip{fill:var(--line)}
"""
_KIND_COLOURS: Final = {"undo": "effect", "input": "plain", "give": "plain", "let": "plain", "checkpoint": "plain"}


@dataclass(slots=True)
class _Laid:
    """A group, laid out: its own size, that of its heading, and what is in it."""

    group: Group
    size: Size
    heading: float
    layout: Layout
    inner: dict[str, _Laid] = field(default_factory=dict)
    sizes: dict[str, Size] = field(default_factory=dict)
    links: list[Edge] = field(default_factory=list)
    again: list[Edge] = field(default_factory=list)
    leaving: dict[str, list[int]] = field(default_factory=dict)
    arriving: dict[str, list[int]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for place, edge in enumerate(self.links):
            self.leaving.setdefault(edge.source, []).append(place)
            self.arriving.setdefault(edge.target, []).append(place)


def as_svg(graphs: Sequence[FlowGraph]) -> str:
    """The flows as one picture, one below the other."""
    laid = [_lay(graph) for graph in graphs]
    width = max((each.size[0] for each in laid), default=0.0) + 2 * _MARGIN
    height = sum(each.size[1] + _MARGIN for each in laid) + _MARGIN
    box = f'width="{width:.0f}" height="{height:.0f}"'
    parts = [
        f'<svg class="orch-graph" xmlns="http://www.w3.org/2000/svg" {box} viewBox="0 0 {width:.0f} {height:.0f}"',
        f' role="img" aria-label="{_escaped(_named(graphs))}">',
        f"<style>{_STYLE}</style>",
        f'<rect class="paper" {box}/>',
    ]
    top = _MARGIN
    for each in laid:
        _draw(each, _MARGIN, top, parts, 0)
        top += each.size[1] + _MARGIN
    return "\n".join([*parts, "</svg>", ""])


def _named(graphs: Sequence[FlowGraph]) -> str:
    return "Topology of " + ", ".join(graph.title for graph in graphs)


# Layout ------------------------------------------------------------------------------------------------------------


def _lay(group: Group) -> _Laid:
    inner = {item.id: _lay(item) for item in group.items if isinstance(item, Group)}
    sizes = {item.id: _size(item) if isinstance(item, Node) else inner[item.id].size for item in group.items}
    back = _going_back([item.id for item in group.items], group.edges)
    again = [edge for number, edge in enumerate(group.edges) if number in back]
    links = [edge for number, edge in enumerate(group.edges) if number not in back]
    layout = arrange(sizes, [Link(edge.source, edge.target, _label_size(edge)) for edge in links])
    heading = _PAD + 18.0 + 15.0 * len(group.lines) + 6.0
    # What goes back to the next round passes on the right.
    lane = max((_measure(_label(edge), _LABEL) for edge in again), default=0.0) + 26.0 if again else 0.0
    lane += _LANE * max(0, len(again) - 1)
    words = [_measure(group.title, _TITLE, bold=True), *(_measure(line, _LINE) for line in group.lines)]
    width = max(layout.width + lane, *words) + 2 * _BORDER
    return _Laid(group, (width, heading + layout.height + _BORDER), heading, layout, inner, sizes, links, again)


def _going_back(items: Sequence[str], edges: Sequence[Edge]) -> set[int]:
    """The numbers of edges that are drawn upwards: of rounds, and those that close a circle (of states, of peers).

    Found depth first in the order of the items, so what is written first stands above.
    """
    leaving: dict[str, list[tuple[int, str]]] = {item: [] for item in items}
    back = set()
    for number, edge in enumerate(edges):
        if edge.kind == "again" or edge.source == edge.target:
            back.add(number)
        else:
            leaving[edge.source].append((number, edge.target))
    state = dict.fromkeys(items, 0)  # 1 while what follows is looked at, 2 after
    for item in items:
        if state[item]:
            continue
        state[item] = 1
        path = [(item, iter(leaving[item]))]
        while path:
            here, rest = path[-1]
            number, target = next(rest, (-1, ""))
            if number < 0:
                state[here] = 2
                path.pop()
            elif state[target] == 1:
                back.add(number)
            elif not state[target]:
                state[target] = 1
                path.append((target, iter(leaving[target])))
    return back


def _size(node: Node) -> Size:
    lines = [_clipped(line) for line in node.lines]
    width = max([_measure(_clipped(node.title), _TITLE, bold=True), *(_measure(line, _LINE) for line in lines)])
    height = 2 * _PAD + 15.0 + 15.0 * len(lines) - 4.0
    behind = 2 * _STACK if node.many else 0.0
    return max(64.0, width + 2 * _PAD + _BAR) + behind, height + behind


def _label_size(edge: Edge) -> Size:
    label = _label(edge)
    return (_measure(label, _LABEL) + 10.0, 15.0) if label else (0.0, 0.0)


def _label(edge: Edge) -> str:
    return _clipped(edge.label or ("exhausted" if edge.kind == "exhausted" else ""))


def _measure(text: str, size: float, *, bold: bool = False) -> float:
    units = sum(1.05 if unicodedata.east_asian_width(c) in "WF" else _UNITS.get(c, 0.6) for c in text)
    return units * size * (1.15 if bold else 1.0)


_UNITS: Final = (
    dict.fromkeys("ijl.,:;'|!()[]{} ", 0.33)
    | dict.fromkeys('ftr-/"', 0.42)
    | dict.fromkeys("mwMW@%", 0.95)
    | dict.fromkeys("ABCDEFGHKNOPQRSUVXYZ&", 0.72)
)


# Drawing -----------------------------------------------------------------------------------------------------------


def _draw(laid: _Laid, left: float, top: float, parts: list[str], depth: int) -> None:
    width, height = laid.size
    group = laid.group
    frame = "flow-frame" if group.kind == "flow" else f"frame {group.kind}"
    parts.append(
        f'<rect class="{frame}" x="{left:.1f}" y="{top:.1f}" width="{width:.1f}" height="{height:.1f}" rx="10"/>'
    )
    parts.append(_text("t", left + _BORDER, top + _PAD + 12.0, group.title))
    for number, line in enumerate(group.lines):
        parts.append(_text("l", left + _BORDER, top + _PAD + 28.0 + 15.0 * number, line))
    lane = width - 2 * _BORDER - laid.layout.width
    # Without a lane for what goes back, the graph stands in the middle.
    origin = (left + _BORDER + (0.0 if laid.again else max(0.0, lane) / 2), top + laid.heading)
    at = {name: (origin[0] + x, origin[1] + y) for name, (x, y) in laid.layout.centres.items()}
    for edge, route in zip(laid.links, laid.layout.routes, strict=True):
        _draw_link(laid, edge, [(origin[0] + x, origin[1] + y) for x, y in route], at, parts)
    for number, edge in enumerate(laid.again):
        _draw_again(laid, edge, origin[0] + laid.layout.width + 14.0 + _LANE * number, number, at, parts)
    for item in group.items:
        x, y = at[item.id]
        item_width, item_height = laid.sizes[item.id]
        if isinstance(item, Group):
            _draw(laid.inner[item.id], x - item_width / 2, y - item_height / 2, parts, depth + 1)
        else:
            _draw_node(item, x - item_width / 2, y - item_height / 2, item_width, item_height, parts)
    halo = "paper" if group.kind == "flow" else "shade"
    for edge, where in zip(laid.links, laid.layout.labels, strict=True):
        if where is not None:
            _draw_label(_label(edge), origin[0] + where[0], origin[1] + where[1], halo, parts)


def _draw_link(
    laid: _Laid, edge: Edge, route: list[tuple[float, float]], at: dict[str, tuple[float, float]], parts: list[str]
) -> None:
    start_x, start_y = at[edge.source]
    end_x, end_y = at[edge.target]
    start_x += _port(laid, edge, at, outgoing=True)
    end_x += _port(laid, edge, at, outgoing=False)
    points = [(start_x, start_y + laid.sizes[edge.source][1] / 2), *route]
    points.append((end_x, end_y - laid.sizes[edge.target][1] / 2 - 5.0))
    kind = "undo-link" if edge.kind == "undo" else edge.kind
    parts.append(f'<path class="link {kind}" d="{_curve(points)}"/>')
    parts.append(_tip(points[-1][0], points[-1][1] + 5.0, down=True))


def _port(laid: _Laid, edge: Edge, at: dict[str, tuple[float, float]], *, outgoing: bool) -> float:
    """Where along the border an edge leaves or arrives: side by side, in the order of their other ends."""
    here = edge.source if outgoing else edge.target
    mine = (laid.leaving if outgoing else laid.arriving)[here]

    def other(place: int) -> float:
        each, route = laid.links[place], laid.layout.routes[place]
        if route:
            return route[0][0] if outgoing else route[-1][0]
        return at[each.target if outgoing else each.source][0]

    ordered = [laid.links[place] for place in sorted(mine, key=other)]
    step = min(22.0, 0.6 * laid.sizes[here][0] / max(1, len(ordered)))
    return (ordered.index(edge) - (len(ordered) - 1) / 2) * step


def _curve(points: Sequence[tuple[float, float]]) -> str:
    """A smooth line downwards: each piece leaves and arrives vertically."""
    (x, y), rest = points[0], points[1:]
    path = [f"M{x:.1f} {y:.1f}"]
    for to_x, to_y in rest:
        bend = (to_y - y) / 2
        path.append(f"C{x:.1f} {y + bend:.1f} {to_x:.1f} {to_y - bend:.1f} {to_x:.1f} {to_y:.1f}")
        x, y = to_x, to_y
    return "".join(path)


def _draw_again(
    laid: _Laid, edge: Edge, lane: float, number: int, at: dict[str, tuple[float, float]], parts: list[str]
) -> None:
    """From the right of the loop's end, up the lane, into the right of whoever reads the round before."""
    start_x, start_y = at[edge.source]
    end_x, end_y = at[edge.target]
    # Several that end at one box arrive beside each other.
    start_y += 5.0 * (number % 4)
    end_y -= 5.0 * (number % 4) + (12.0 if edge.source == edge.target else 0.0)
    start_x += laid.sizes[edge.source][0] / 2
    end_x += laid.sizes[edge.target][0] / 2 + 5.0
    turn = 10.0
    path = (
        f"M{start_x:.1f} {start_y:.1f}H{lane - turn:.1f}Q{lane:.1f} {start_y:.1f} {lane:.1f} {start_y - turn:.1f}"
        f"V{end_y + turn:.1f}Q{lane:.1f} {end_y:.1f} {lane - turn:.1f} {end_y:.1f}H{end_x:.1f}"
    )
    parts.append(f'<path class="link {edge.kind}" d="{path}"/>')
    parts.append(_tip(end_x - 5.0, end_y, down=False))
    # Labels of lanes that lie side by side stand below each other.
    parts.append(_text("e", lane + 6.0, max(end_y + 8.0, start_y - 14.0 - 14.0 * (number % 4)), _label(edge)))


def _draw_node(node: Node, left: float, top: float, width: float, height: float, parts: list[str]) -> None:
    colour = f"var(--{_KIND_COLOURS.get(node.kind, 'plain' if node.kind == 'until' else node.kind)})"
    radius = height / 2 if node.kind in _PILLS and not node.lines else 14 if node.kind in _PILLS else 6
    if node.many:
        # The cards behind show to the right and above, within the room of the node.
        top, width, height = top + 2 * _STACK, width - 2 * _STACK, height - 2 * _STACK
        parts.extend(
            f'<rect class="box" x="{left + shift:.1f}" y="{top - shift:.1f}" width="{width:.1f}" '
            f'height="{height:.1f}" rx="{radius}"/>'
            for shift in (2 * _STACK, _STACK)
        )
    undo = " undo" if node.kind == "undo" else ""
    parts.append(
        f'<rect class="box{undo}" style="stroke:{colour}" x="{left:.1f}" y="{top:.1f}" width="{width:.1f}" '
        f'height="{height:.1f}" rx="{radius}"/>'
    )
    if node.kind not in _PILLS:
        parts.append(
            f'<rect style="fill:{colour}" x="{left + 5:.1f}" y="{top + 7:.1f}" width="{_BAR}" '
            f'height="{height - 14:.1f}" rx="2"/>'
        )
    text_left = left + _PAD + (_BAR if node.kind not in _PILLS else _BAR / 2)
    parts.append(_text("t", text_left, top + _PAD + 11.0, _clipped(node.title)))
    for number, line in enumerate(node.lines):
        parts.append(_text("l", text_left, top + _PAD + 27.0 + 15.0 * number, _clipped(line)))


def _draw_label(text: str, x: float, y: float, halo: str, parts: list[str]) -> None:
    width = _measure(text, _LABEL) + 6.0
    parts.append(
        f'<rect class="halo" style="--halo:var(--{halo})" x="{x - width / 2:.1f}" y="{y - 7.5:.1f}" '
        f'width="{width:.1f}" height="15" rx="3"/>'
    )
    parts.append(f'<text class="e" text-anchor="middle" x="{x:.1f}" y="{y + 3.5:.1f}">{_escaped(text)}</text>')


def _tip(x: float, y: float, *, down: bool) -> str:
    if down:
        return f'<path class="tip" d="M{x:.1f} {y:.1f}l-4.5 -8h9z"/>'
    return f'<path class="tip" d="M{x:.1f} {y:.1f}l8 -4.5v9z"/>'


def _text(style: str, x: float, y: float, text: str) -> str:
    return f'<text class="{style}" x="{x:.1f}" y="{y:.1f}">{_escaped(text)}</text>'


def _clipped(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"


def _escaped(text: str) -> str:
    clean = "".join("\N{REPLACEMENT CHARACTER}" if unicodedata.category(c)[0] == "C" else c for c in text)
    return html.escape(clean, quote=True)
