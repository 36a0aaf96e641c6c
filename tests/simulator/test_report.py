"""The document, the page and the terminal: plain JSON, the same bytes, and hostile text that stays text."""

from __future__ import annotations

import io
import json
import math
from collections.abc import Callable
from html.parser import HTMLParser
from typing import Any

import pytest
from rich.console import Console

from orchspec.simulator import page as pages
from orchspec.simulator.charts import charts_of
from orchspec.simulator.document import JsonDict, Subject, build, number, outcome_of
from orchspec.simulator.expect import Verdict, judge
from orchspec.simulator.gantt import gantt_chart
from orchspec.simulator.kpis import KPIS, STATISTICS, Measures
from orchspec.simulator.observe import Bar, PoolObservation, Replication, RunObservation
from orchspec.simulator.report import Origin, render, simulation_section
from orchspec.simulator.table import print_document
from orchspec.simulator.units import format_bound, format_interval, format_quantity, sentence
from orchspec.simulator.warmup import WarmUp, warm_up

QueueSample = Callable[..., list[Replication]]

HOSTILE = "</pre><script>alert(1)</script><img src=x onerror=alert(2)>\x00\"'& [bold]"


class Outline(HTMLParser):
    """The tags of a page, what they link to, and whether they close as they opened."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.links: list[str] = []
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.links += [value or "" for name, value in attrs if name in {"src", "href", "xlink:href"}]
        assert not [name for name, _ in attrs if name.startswith("on")]
        if tag != "meta":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.links += [value or "" for name, value in attrs if name in {"src", "href", "xlink:href"}]


def outline(page: str) -> Outline:
    found = Outline()
    found.feed(page)
    assert found.open == []
    return found


def document_of(sample: list[Replication], name: str = "a day") -> JsonDict:
    measures = Measures(sample)
    expression = ["le", ["kpi", "latency", "p95", None], ["const", 60]]
    expectations = [("p95(latency) <= 1min", judge(expression, measures))]
    subject = Subject(name, "desk", 7, "sha256:abc")
    return build(subject, measures, expectations, warmup=warm_up(sample), faults=["crash(orchestrator)"], notes=[name])


# Document ----------------------------------------------------------------------------------------------------------


def test_the_document_has_the_shape_that_others_rely_on(queue_sample: QueueSample) -> None:
    document = document_of(queue_sample(1))
    assert list(document)[:10] == [
        "scenario", "flow", "runs", "seed", "plan_hash", "kpis", "resources", "evals", "expectations", "checks",
    ]  # fmt: skip
    for name in ("latency", "cost", "tokens", "retries", "escalations"):
        assert list(document["kpis"][name]) == list(STATISTICS)
    assert {"utilization", "wait_s", "queue"} <= set(document["resources"]["clerk"])
    for known in [*document["kpis"]["latency"].values(), *document["resources"]["clerk"].values()]:
        assert "value" in known
        assert len(known["ci95"]) == 2
    assert document["expectations"][0]["verdict"] == "passed"
    assert document["checks"]["little"]["ok"] is True
    assert outcome_of(document) == "passed"


def test_the_same_sample_gives_the_same_bytes_in_whatever_order_it_comes(queue_sample: QueueSample) -> None:
    sample = queue_sample(1)
    assert json.dumps(document_of(sample)) == json.dumps(document_of(sample[::-1]))


@pytest.mark.parametrize(
    "runs",
    [
        [],
        [RunObservation(0, 1.0)],
        [RunObservation(0, 1.0, 1.0, "refused")],
        [RunObservation(0, 1.0, 2.0, "failed", cost_usd=math.inf)],
    ],
)
def test_json_has_neither_nan_nor_infinity(runs: list[RunObservation]) -> None:
    sample = [Replication(0, 1, (0.0, 10.0), runs, [PoolObservation("scout", "agent", None, 1.0)])]
    document = document_of(sample)
    assert json.loads(json.dumps(document, allow_nan=False)) == document
    assert document["kpis"]["latency"]["p95"]["value"] in {None, 1.0}


def test_numbers_are_rounded_to_what_they_mean() -> None:
    assert number(4.0 / 9.0) == 0.44444444
    assert number(-0.0) == 0.0
    assert math.copysign(1.0, number(-0.0) or 0.0) == 1.0
    assert number(math.inf) is None
    assert number(math.nan) is None


def test_one_failed_expectation_fails_the_document_and_one_undecided_leaves_it_open() -> None:
    def with_verdicts(*verdicts: str) -> dict[str, Any]:
        return {"expectations": [{"verdict": verdict} for verdict in verdicts]}

    assert outcome_of(with_verdicts("passed", "undecided", "failed")) == "failed"
    assert outcome_of(with_verdicts("passed", "undecided")) == "undecided"
    assert outcome_of(with_verdicts()) == "passed"


# Page --------------------------------------------------------------------------------------------------------------


def test_a_report_is_one_page_without_scripts_or_requests(queue_sample: QueueSample) -> None:
    sample = queue_sample(1)
    charts = [*charts_of(Measures(sample)), gantt_chart([Bar("a", "clerk", "model", 0.0, 2.0)])]
    page = render(
        document_of(sample),
        charts,
        origin=Origin("a.orch", "orch simulate a.orch", "scenario", versions={"orch": "0.1.0"}),
    )
    found = outline(page)
    assert found.tags.count("svg") == 8, "each chart for a desk and for a phone"
    assert not {"script", "link", "iframe", "img"} & set(found.tags)
    assert all(link.startswith(("#", "data:")) for link in found.links)
    for text in ("a day", "sha256:abc", "0.1.0", "1 expectation: 1 passed", "prefers-color-scheme: dark", "viewport"):
        assert text in page


def test_the_same_document_gives_the_same_page(queue_sample: QueueSample) -> None:
    sample = queue_sample(1)
    pair = [render(document_of(sample), charts_of(Measures(sample))) for _ in range(2)]
    assert pair[0] == pair[1]


def test_hostile_text_stays_text_wherever_it_stands() -> None:
    pool = PoolObservation(HOSTILE, HOSTILE, 1, 1.0)
    sample = [Replication(0, 1, (0.0, 10.0), [RunObservation(0, 1.0, 2.0, "completed")], [pool])]
    measures = Measures(sample)
    document = build(
        Subject(HOSTILE, HOSTILE, 7, HOSTILE), measures, [(HOSTILE, Verdict("failed", HOSTILE))],
        warmup=WarmUp(0, 0.0, None, HOSTILE), faults=[HOSTILE], notes=[HOSTILE], parameters={HOSTILE: HOSTILE},
    )  # fmt: skip
    page = render(document, charts_of(measures), origin=Origin(HOSTILE, HOSTILE, HOSTILE, versions={HOSTILE: HOSTILE}))
    found = outline(page)
    assert not {"script", "img"} & set(found.tags)
    assert "\x00" not in page


def test_a_tour_page_joins_sections_of_all_kinds(queue_sample: QueueSample) -> None:
    sample = queue_sample(1)
    page = pages.page(
        HOSTILE,
        [
            ("Diagnostics", pages.preformatted(HOSTILE)),
            ("Simulation", simulation_section(document_of(sample), charts_of(Measures(sample)))),
            (HOSTILE, pages.table(("seq", "type"), [(1, HOSTILE), (2, {"html": pages.badge("completed")})])),
        ],
        lead=HOSTILE,
        footer=HOSTILE,
    )
    found = outline(page)
    assert found.tags.count("h2") == 3
    assert "#part-3" in found.links
    assert not {"script", "img"} & set(found.tags)


# Terminal ----------------------------------------------------------------------------------------------------------


def test_the_terminal_shows_verdicts_and_takes_no_name_for_markup(queue_sample: QueueSample) -> None:
    out = io.StringIO()
    document = document_of(queue_sample(1), name="[bold]x[/nope] day")
    print_document(document, Console(file=out, width=100, color_system=None))
    text = out.getvalue()
    assert "[bold]x[/nope] day" in text
    assert "✓ passed  p95(latency) <= 1min" in text
    assert "duplicate_effects" in text
    assert "at most 3/" in text


# Quantities --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (0.0123, "s", "12.3 ms"), (45.25, "s", "45.2 s"), (600.0, "s", "10 min"), (9_000.0, "s", "2.50 h"),
        (0.5, "USD", "$0.50"), (0.0123, "USD", "$0.0123"), (1_234.5, "USD", "$1,234.50"),
        (0.5, "share", "50 %"), (0.9996, "share", "99.96 %"), (1.0, "share", "100 %"),
        (6 / 3600, "1/s", "6 /h"), (12_400.0, "tokens", "12.4k"), (3.0, "tasks", "3"),
        (math.nan, "s", "–"), (math.inf, "s", "∞"),
    ],
)  # fmt: skip
def test_quantities_read_as_people_write_them(value: float, unit: str, text: str) -> None:
    assert format_quantity(value, unit) == text


def test_intervals_share_their_unit_and_say_which_side_is_open() -> None:
    assert format_interval(50.0, 130.0, "s", 100.0) == "50 to 130 s"
    assert format_interval(50.0, math.inf, "s", 60.0) == "at least 50 s"
    assert format_interval(math.nan, math.nan, "s", math.nan) == "no interval"


def test_bounds_read_as_they_were_written() -> None:
    assert [format_bound(value, "s") for value in (3_600.0, 5_400.0, 60.0, 0.5)] == ["1 h", "90 min", "1 min", "500 ms"]
    assert all(kpi.unit for kpi in KPIS.values())


def test_a_name_that_begins_a_sentence_stays_as_it_is_written():
    assert sentence("too few runs") == "Too few runs"
    assert [sentence(name) for name in ("p95(latency) is", "p95 latency", "")] == ["p95(latency) is", "p95 latency", ""]


def test_a_load_that_was_set_otherwise_says_so():
    assert "instead" in Origin(source="scenario", command="orch simulate a.orch --set 'scenario.duration=1h'").load
    assert "instead" not in Origin(source="scenario", command="orch simulate a.orch --set clerk.slots=3").load
    assert Origin(command="--set scenario.runs=3").load == ""
