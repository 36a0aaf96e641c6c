"""The layout of small graphs: nothing covers anything, and everything flows downwards."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchspec.graph import layers
from orchspec.graph.layers import Link, arrange

SIZE = st.tuples(st.floats(10, 200), st.floats(10, 120))


@st.composite
def graphs(draw):
    sizes = draw(st.lists(SIZE, min_size=1, max_size=12))
    names = [f"n{number}" for number in range(len(sizes))]
    pairs = [(a, b) for b in range(len(sizes)) for a in range(b)]
    chosen = draw(st.lists(st.sampled_from(pairs), max_size=25, unique=True)) if pairs else []
    label = st.one_of(st.just((0.0, 0.0)), st.tuples(st.floats(5, 90), st.just(15.0)))
    links = [Link(names[a], names[b], draw(label)) for a, b in chosen]
    return dict(zip(names, sizes, strict=True)), links


def boxes(sizes, links, layout):
    """Left, top, right and bottom of each box and each label."""
    found = [(layout.centres[name], size) for name, size in sizes.items()]
    found += [(at, link.label) for link, at in zip(links, layout.labels, strict=True) if at is not None]
    return [(x - w / 2, y - h / 2, x + w / 2, y + h / 2) for (x, y), (w, h) in found]


@given(graphs())
def test_boxes_and_labels_do_not_cover_each_other(graph):
    sizes, links = graph
    layout = arrange(sizes, links)
    placed = boxes(sizes, links, layout)
    near = 1e-6
    for at, (left, top, right, bottom) in enumerate(placed):
        assert left >= -near
        assert top >= -near
        assert right <= layout.width + near
        assert bottom <= layout.height + near
        for left2, top2, right2, bottom2 in placed[:at]:
            assert right <= left2 + near or right2 <= left + near or bottom <= top2 + near or bottom2 <= top + near


@given(graphs())
def test_links_lead_downwards_and_each_label_stands_on_its_link(graph):
    sizes, links = graph
    layout = arrange(sizes, links)
    for link, route, label in zip(links, layout.routes, layout.labels, strict=True):
        heights = [layout.centres[link.source][1], *(y for _, y in route), layout.centres[link.target][1]]
        assert heights == sorted(heights)
        assert (label is not None) == (link.label[0] > 0)
        assert label is None or label in route


@given(graphs())
def test_the_same_graph_is_laid_out_the_same(graph):
    assert arrange(*graph) == arrange(*graph)


def test_a_chain_stands_on_one_vertical_line():
    sizes = {"a": (100.0, 30.0), "b": (20.0, 30.0), "c": (60.0, 30.0)}
    layout = arrange(sizes, [Link("a", "b", (40.0, 15.0)), Link("b", "c")])
    assert [x for x, _ in layout.centres.values()] == pytest.approx([50.0] * 3)


def test_in_a_picture_of_many_boxes_the_longest_links_go_straight(monkeypatch):
    monkeypatch.setattr(layers, "_VERTICES_MAX", 10)
    names = [f"n{number}" for number in range(8)]
    links = [Link(a, b) for a, b in pairwise(names)]
    far = Link(names[0], names[-1], (30.0, 15.0))
    layout = arrange(dict.fromkeys(names, (20.0, 20.0)), [*links, far])
    assert layout.routes[-1] == []
    assert layout.labels[-1] is None
    assert all(route for route in layout.routes[:-1])


def test_nothing_is_laid_out_as_nothing():
    assert arrange({}, []).centres == {}
