"""The topology of flows, and the three ways in which it is drawn."""

import re
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from orchspec.compiler import compile_file, compile_text
from orchspec.graph.build import graph_of
from orchspec.graph.dot import as_dot
from orchspec.graph.mermaid import as_mermaid
from orchspec.graph.svg import as_svg
from orchspec.graph.topology import Edge, Group, Node, without_implied

ROOT = Path(__file__).resolve().parents[2]
PLANS = {path.stem: plan for path in sorted((ROOT / "specs").glob("*.orch")) if (plan := compile_file(path).plan)}
HOSTILE = 'x"]; <script>alert(1)</script> --> #quot; `%%{init}%%` \\" \x07\n end'


def graph(flow, spec="briefing"):
    return graph_of(PLANS[spec], flow)


def named(group):
    """The items of a group by their title, and its edges by the titles of their ends."""
    titles = {item.id: item.title for item in group.items}
    return {item.title: item for item in group.items}, [
        (titles[edge.source], titles[edge.target], edge.kind, edge.label) for edge in group.edges
    ]


def test_steps_say_who_does_what_and_how():
    items, _ = named(graph("briefing"))
    assert items["found"].lines == (
        "Research",
        "by any of scout, scholar",
        "for each topic in outline.topics",
        "width 4, need 75 %",
    )
    assert items["found"].many
    assert items["facts"].lines == ("arbitrate", "for each lower(it.claim)", "highest(it.confidence)", "or first")
    assert items["url"].lines == ("effect publish", "once for each report.id")


def test_edges_say_what_crosses_and_order_alone_is_drawn_only_where_nothing_implies_it():
    _, edges = named(graph("briefing"))
    assert edges == [
        ("url", "retract(result)", "undo", "undo"),
        ("brief", "outline", "data", ""),
        ("outline", "found", "data", "outline.topics"),
        ("found", "facts", "data", "found"),
        ("facts", "researched", "order", ""),
        ("outline", "repeat draft, up to 3 rounds", "data", "outline"),
        ("facts", "repeat draft, up to 3 rounds", "data", "facts"),
        ("researched", "repeat draft, up to 3 rounds", "order", ""),
        ("repeat draft, up to 3 rounds", "url", "data", "draft"),
        ("url", "return", "data", "url"),
    ]


def test_a_loop_shows_what_its_next_round_reads_and_where_it_goes_when_it_is_exhausted():
    items, _ = named(graph("briefing"))
    loop, edges = named(items["repeat draft, up to 3 rounds"])
    assert ("until", "report", "again", "prev.review.notes") in edges
    assert ("until", "else, when all rounds are spent", "exhausted", "") in edges
    assert loop["review"].lines[2] == "or ask editor within 30min"
    assert loop["until"].lines == ("review.verdict == accept",)


def test_a_scope_names_its_items_and_amounts_have_their_units():
    items, _ = named(graph("tally_all", "map"))
    scope = items["scope tallies"]
    assert scope.lines[0] == "for each path in paths"
    inner, _ = named(scope)
    assert "only if tally.total > $10,000.00" in inner["plausible"].lines


def test_an_edge_of_order_goes_where_a_longer_path_says_it():
    edges = [Edge("a", "b", "data"), Edge("b", "c", "order"), Edge("a", "c", "order"), Edge("a", "d", "order")]
    assert without_implied(edges) == [edges[0], edges[1], edges[3]]


@pytest.mark.parametrize(("spec", "flow"), [(spec, flow) for spec, plan in PLANS.items() for flow in plan.flows])
def test_boxes_of_the_gallery_do_not_overlap_and_stand_within_their_frames(spec, flow):
    svg = ET.fromstring(as_svg([graph_of(PLANS[spec], flow)]))
    rectangles = [
        [float(rect.get(name)) for name in ("x", "y", "width", "height")]
        for rect in svg.iter("{http://www.w3.org/2000/svg}rect")
        if rect.get("class", "").startswith("box") and rect.get("style")
    ]
    width, height = float(svg.get("width")), float(svg.get("height"))
    for at, (x, y, w, h) in enumerate(rectangles):
        assert min(x, y) >= 0
        assert x + w <= width
        assert y + h <= height
        for x2, y2, w2, h2 in rectangles[:at]:
            assert x + w <= x2 or x2 + w2 <= x or y + h <= y2 or y2 + h2 <= y
    assert len(rectangles) == sum(1 for _ in graph_of(PLANS[spec], flow).nodes())


def test_the_same_plan_gives_the_same_pictures():
    for draw in (as_mermaid, as_dot, as_svg):
        assert draw([graph("briefing")]) == draw([graph("briefing")])


def hostile():
    inner = Group("n2", "scope", HOSTILE, (HOSTILE,), [Node("n3", "task", HOSTILE, (HOSTILE,))])
    return Group(
        "flow", "flow", HOSTILE, (), [Node("n1", "input", HOSTILE), inner], [Edge("n1", "n2", "data", HOSTILE)]
    )


def test_hostile_names_stay_text_in_svg():
    svg = as_svg([hostile()])
    found = ET.fromstring(svg)
    assert "script" not in {element.tag.rpartition("}")[2] for element in found.iter()}
    assert any("<script>alert(1)" in (element.text or "") for element in found.iter())


def test_hostile_names_stay_text_in_mermaid():
    for line in as_mermaid([hostile()]).splitlines():
        if "classDef" not in line:
            assert line.count('"') % 2 == 0
            for quoted in re.findall('"([^"]*)"', line):
                assert not re.search(r"<(?!br>|/?b>)|`|%%|#(?!quot;|lt;|gt;|amp;|35;|37;|96;)", quoted)


def test_hostile_names_stay_text_in_dot():
    text = as_dot([hostile()])
    assert len(text.splitlines()) == 14
    for line in text.splitlines():
        assert len(re.sub(r'\\.|[^"\\]', "", line)) % 2 == 0
    assert "\x07" not in text


def test_a_spec_without_anything_to_do_is_drawn_too():
    compiled = compile_text("orch 1\nflow f(a: Text) -> Text { return a }\n", "a.orch")
    assert ET.fromstring(as_svg([graph_of(compiled.plan, "f")])) is not None
