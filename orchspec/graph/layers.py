"""A layered layout of small acyclic graphs: boxes in ranks, labels of edges in ranks between them.

After Sugiyama, Tagawa and Toda, *Methods for Visual Understanding of Hierarchical System Structures* (1981): ranks by
the longest path, edges that span ranks broken up by dummies, order within ranks by barycentres, places along a rank by
the mean of the neighbours, kept apart by isotonic regression (pool adjacent violators). Ranks are doubled, as dagre
does, so that a label is the dummy of its edge and is given room like a box.
"""

from __future__ import annotations

from bisect import bisect_right, insort
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Final

__all__ = ["Layout", "Link", "Size", "arrange"]

Size = tuple[float, float]
_SWEEPS: Final = 12
_GAP: Final = 26.0
_VERTICES_MAX: Final = 30_000
"""Beyond so many boxes and dummies, the longest links go straight, without a label: a picture of that size is a map."""
_RANK_GAP: Final = 15.0


@dataclass(frozen=True, slots=True)
class Link:
    """An edge to be drawn, with the size of its label (0, 0: none)."""

    source: str
    target: str
    label: Size = (0.0, 0.0)


@dataclass(slots=True)
class Layout:
    """Where everything stands: centres of boxes, for each link the points it passes and where its label stands."""

    width: float = 0.0
    height: float = 0.0
    centres: dict[str, tuple[float, float]] = field(default_factory=dict)
    routes: list[list[tuple[float, float]]] = field(default_factory=list)
    labels: list[tuple[float, float] | None] = field(default_factory=list)


def arrange(sizes: Mapping[str, Size], links: Sequence[Link]) -> Layout:
    """Lay out boxes of these sizes, joined by these links, which have no cycle; the order given breaks ties."""
    layout = Layout()
    if not sizes:
        return layout
    drawing = _Drawing(sizes, links)
    drawing.order()
    drawing.place()
    return drawing.read(layout)


class _Drawing:
    """Vertices (boxes and dummies) by number, in ranks."""

    def __init__(self, sizes: Mapping[str, Size], links: Sequence[Link]) -> None:
        self.names = list(sizes)
        self.sizes: list[Size] = list(sizes.values())
        self.links = links
        number = {name: at for at, name in enumerate(self.names)}
        ranks = _ranks(len(self.names), [(number[link.source], number[link.target]) for link in links])
        self.rank: list[int] = [2 * rank for rank in ranks]
        self.chains: list[list[int]] = []
        self.farthest = _farthest([2 * (ranks[number[link.target]] - ranks[number[link.source]]) for link in links])
        self.below: list[list[int]] = [[] for _ in self.names]
        self.above: list[list[int]] = [[] for _ in self.names]
        for link in links:
            self.chains.append(self._chain(number[link.source], number[link.target], link.label))
        self.rows: list[list[int]] = [[] for _ in range(max(self.rank) + 1)]
        for vertex, rank in enumerate(self.rank):
            self.rows[rank].append(vertex)
        self.x = [0.0] * len(self.rank)
        # Large graphs are swept less often: time stays bounded, and nobody sees the difference.
        self.sweeps = max(2, min(_SWEEPS, 3 * _VERTICES_MAX // len(self.rank)))

    def _chain(self, source: int, target: int, label: Size) -> list[int]:
        """The vertices of a link: a dummy in each rank between, the one in the middle as large as the label."""
        chain = [source]
        first, last = self.rank[source] + 1, self.rank[target]
        if last - first >= self.farthest:
            return [source, target]
        # A label stands near its source, where it is read first, on a rank of labels.
        at = first if first % 2 else first + 1
        for rank in range(first, last):
            self.sizes.append(label if rank == at else (2.0, 0.0))
            self.rank.append(rank)
            self.below.append([])
            self.above.append([])
            chain.append(len(self.rank) - 1)
        chain.append(target)
        for upper, lower in pairwise(chain):
            self.below[upper].append(lower)
            self.above[lower].append(upper)
        return chain

    # -------------------------------------------------------------- order within ranks

    def order(self) -> None:
        """Sweep down and up by barycentres; the order with the fewest crossings is kept."""
        best, fewest = [list(row) for row in self.rows], self._crossings()
        for sweep in range(self.sweeps):
            if not fewest:
                break
            down = sweep % 2 == 0
            rows = self.rows[1:] if down else self.rows[-2::-1]
            near = self.above if down else self.below
            for row in rows:
                places = self._places()
                row.sort(key=lambda vertex: (_mean([places[other] for other in near[vertex]], places[vertex]), vertex))
            crossings = self._crossings()
            if crossings < fewest:
                best, fewest = [list(row) for row in self.rows], crossings
        self.rows = best

    def _places(self) -> list[float]:
        places = [0.0] * len(self.rank)
        for row in self.rows:
            for at, vertex in enumerate(row):
                places[vertex] = (at + 0.5) / len(row)
        return places

    def _crossings(self) -> int:
        places = self._places()
        count = 0
        for row in self.rows:
            # Sorted by their upper ends, links cross where their lower ends stand the other way round.
            lowers: list[float] = []
            for upper in row:
                ends = sorted(places[lower] for lower in self.below[upper])
                count += sum(len(lowers) - bisect_right(lowers, end) for end in ends)
                for end in ends:
                    insort(lowers, end)
        return count

    # -------------------------------------------------------------- places

    def place(self) -> None:
        """Pull every vertex to its neighbours, boxes kept apart, dummies of one link above each other."""
        for row in self.rows:
            at = 0.0
            for vertex in row:
                width = self.sizes[vertex][0]
                self.x[vertex] = at + width / 2
                at += width + _GAP
        for sweep in range(6 * self.sweeps):
            down = sweep % 2 == 0
            rows = self.rows if down else self.rows[::-1]
            for row in rows:
                self._pull(row, both=sweep >= self.sweeps, near=self.above if down else self.below)
        self._straighten()

    def _straighten(self) -> None:
        """Put what stands alone above one another on one vertical line, where its neighbours leave room for that."""
        at = {vertex: (row, place) for row in self.rows for place, vertex in enumerate(row)}
        done: set[int] = set()
        for vertex in range(len(self.rank)):
            if vertex in done or self._only(vertex, self.above, self.below) is not None:
                continue
            line = [vertex]
            while (lower := self._only(line[-1], self.below, self.above)) is not None:
                line.append(lower)
            done.update(line)
            least, most = float("-inf"), float("inf")
            for each in line:
                row, place = at[each]
                if place:
                    least = max(least, self.x[row[place - 1]] + self._apart(row[place - 1], each))
                if place + 1 < len(row):
                    most = min(most, self.x[row[place + 1]] - self._apart(each, row[place + 1]))
            if least <= most:
                middle = min(max(_mean([self.x[each] for each in line], 0.0), least), most)
                for each in line:
                    self.x[each] = middle

    @staticmethod
    def _only(vertex: int, near: list[list[int]], back: list[list[int]]) -> int | None:
        """The one neighbour that has no other on this side either."""
        return near[vertex][0] if len(near[vertex]) == 1 and len(back[near[vertex][0]]) == 1 else None

    def _apart(self, left: int, right: int) -> float:
        return (self.sizes[left][0] + self.sizes[right][0]) / 2 + _GAP

    def _pull(self, row: list[int], *, both: bool, near: list[list[int]]) -> None:
        wanted, weights = [], []
        for vertex in row:
            others = [*self.above[vertex], *self.below[vertex]] if both else near[vertex]
            wanted.append(_mean([self.x[other] for other in others], self.x[vertex]))
            # A link that is bent is worse than a box that is off its middle.
            weights.append(4.0 if vertex >= len(self.names) and others else 1.0 if others else 0.1)
        apart = [self._apart(left, right) for left, right in pairwise(row)]
        for vertex, x in zip(row, _kept_apart(wanted, weights, apart), strict=True):
            self.x[vertex] = x

    def read(self, layout: Layout) -> Layout:
        """What was found, moved so that everything lies right of and below the origin."""
        left = min(x - size[0] / 2 for x, size in zip(self.x, self.sizes, strict=True))
        layout.width = max(x + size[0] / 2 for x, size in zip(self.x, self.sizes, strict=True)) - left
        y = [0.0] * len(self.rank)
        top = 0.0
        for row in self.rows:
            height = max((self.sizes[vertex][1] for vertex in row), default=0.0)
            for vertex in row:
                y[vertex] = top + height / 2
            layout.height = top + height
            top += height + _RANK_GAP
        for vertex, name in enumerate(self.names):
            layout.centres[name] = (self.x[vertex] - left, y[vertex])
        for chain, link in zip(self.chains, self.links, strict=True):
            inner = chain[1:-1]
            layout.routes.append([(self.x[vertex] - left, y[vertex]) for vertex in inner])
            labelled = next((vertex for vertex in inner if self.sizes[vertex] == link.label), None)
            known = link.label[0] > 0.0 and labelled is not None
            layout.labels.append((self.x[labelled] - left, y[labelled]) if known and labelled is not None else None)
        return layout


def _ranks(count: int, ends: Sequence[tuple[int, int]]) -> list[int]:
    """The longest path to each vertex; a vertex without predecessors stands just above its first successor."""
    below: list[list[int]] = [[] for _ in range(count)]
    waiting = [0] * count
    for source, target in ends:
        below[source].append(target)
        waiting[target] += 1
    first = [vertex for vertex in range(count) if not waiting[vertex]]
    ranks = [0] * count
    ready = list(first)
    while ready:
        vertex = ready.pop()
        for target in below[vertex]:
            ranks[target] = max(ranks[target], ranks[vertex] + 1)
            waiting[target] -= 1
            if not waiting[target]:
                ready.append(target)
    for vertex in first:
        if below[vertex]:
            ranks[vertex] = min(ranks[target] for target in below[vertex]) - 1
    return ranks


def _farthest(spans: Sequence[int]) -> int:
    """Over how many ranks a link may be broken up by dummies, so that there are not too many of them."""
    total, farthest = 0, 0
    for span in sorted(spans):
        total += span
        if total > _VERTICES_MAX:
            return max(farthest, 2)
        farthest = span
    return farthest + 1


def _mean(values: Sequence[float], otherwise: float) -> float:
    return sum(values) / len(values) if values else otherwise


def _kept_apart(wanted: Sequence[float], weights: Sequence[float], apart: Sequence[float]) -> list[float]:
    """The places nearest to those wanted (weighted least squares) whose distances are at least `apart`."""
    offsets = [0.0]
    for distance in apart:
        offsets.append(offsets[-1] + distance)
    blocks: list[tuple[float, float, int]] = []  # mean, weight, how many
    for want, weight, offset in zip(wanted, weights, offsets, strict=True):
        mean, total, members = want - offset, weight, 1
        while blocks and blocks[-1][0] > mean:
            before, its, others = blocks.pop()
            mean = (mean * total + before * its) / (total + its)
            total, members = total + its, members + others
        blocks.append((mean, total, members))
    means = [mean for mean, _, members in blocks for _ in range(members)]
    return [mean + offset for mean, offset in zip(means, offsets, strict=True)]
