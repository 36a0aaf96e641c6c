"""The report of a simulation: from its document and its charts to one HTML page.

The same document and charts give the same bytes: there is no time of making in it.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from orchspec.simulator import page as pages
from orchspec.simulator.beside import HEADINGS, twin_notes, twin_rows
from orchspec.simulator.document import outcome_of
from orchspec.simulator.drawing import Chart
from orchspec.simulator.findings import alarms, bottleneck_words, certainty
from orchspec.simulator.kpis import KPIS, STATISTICS
from orchspec.simulator.units import format_interval, format_quantity

__all__ = ["Origin", "asked", "footer", "render", "simulation_section", "written", "written_interval"]

#: What a reader looks at first: title, KPI, statistic.
_FIRST = (
    ("latency, p50", "latency", "p50"),
    ("latency, p95", "latency", "p95"),
    ("completion", "completion", None),
    ("cost of a run, mean", "cost", "mean"),
    ("duplicate effects", "duplicate_effects", None),
    ("lost effects", "lost_effects", None),
    ("resume success", "resume_success", None),
    ("throughput", "throughput", None),
)
_RESOURCE_UNITS = (
    ("utilization", "share"),
    ("wait_s", "s"),
    ("queue", "tasks"),
    ("busy", "slots"),
    ("task_rate", "1/s"),
)
_SAMPLE = "gantt"


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a simulation comes from, as a page says it; all of it but the graph is text that nobody trusts.

    `file` is the spec, `command` what gives the same again, `source` the scenario as it was written, `graph` the SVG of
    the flow (made by `orchspec.graph`, which escapes), `versions` what computed it (no times: the same seed gives the
    same bytes).
    """

    file: str = ""
    command: str = ""
    source: str = ""
    graph: str = ""
    versions: Mapping[str, str] = field(default_factory=dict)

    @property
    def load(self) -> str:
        """The scenario as markup, with a note where it was simulated otherwise than it is written."""
        if not self.source:
            return ""
        told = pages.preformatted(self.source)
        if re.search(r"--set '?scenario\.", self.command):
            told += pages.note("As the spec has it; what was set of it instead is in the command below.")
        return told


def render(
    document: Mapping[str, Any],
    charts: Sequence[Chart] = (),
    *,
    origin: Origin | None = None,
    extra: Sequence[tuple[str, str]] = (),
) -> str:
    """Return the page of one simulation.

    `document` is that of `document.build`; `extra` are sections of others, as headings (text) with HTML that the
    helpers of `page` made: they stand before the tables.
    """
    origin = origin or Origin()
    title = str(document["scenario"] or f"A simulation of {document['flow']}")
    lead = f"Flow {document['flow']}, {document['runs']:,} runs in {_counted(document['replications'], 'replication')}"
    sample = [chart for chart in charts if chart.name.startswith(_SAMPLE)]
    rest = [chart for chart in charts if chart not in sample]
    sections = [("What was asked", asked(document, origin))]
    if document["expectations"]:
        sections.append(("What was expected", _expectations(document)))
    if rest:
        sections.append(("What was seen", "".join(map(pages.figure, rest))))
    if sample:
        told = "The run of middling length among the first: where its time went, and what it waited for."
        sections.append(("One run", pages.paragraph(told) + "".join(map(pages.figure, sample))))
    if origin.graph:
        sections.append(("The flow", pages.drawing(origin.graph, f"The flow {document['flow']}")))
    sections += extra
    if document["twin"] is not None and document["twin"]["pools"]:
        sections.append(("By theory", _twin(document["twin"])))
    sections += [
        ("KPIs", _kpi_table(document)),
        ("Agents, tools and people", _resource_table(document)),
        ("How sure this is", "".join(map(pages.paragraph, certainty(document))) + _checks(document)),
    ]
    return pages.page(title, sections, lead=lead, head=_head(document), footer=footer(origin))


def simulation_section(document: Mapping[str, Any], charts: Sequence[Chart] = ()) -> str:
    """Return the essence of a simulation as one section of a larger page (see `page.page`)."""
    return (
        _head(document)
        + _expectations(document)
        + "".join(pages.figure(chart) for chart in charts)
        + _resource_table(document)
    )


def written(estimate: Mapping[str, Any], unit: str) -> str:
    """Return the value of an estimate of the document for people; null is a dash."""
    return format_quantity(_float(estimate["value"]), unit)


def written_interval(estimate: Mapping[str, Any], unit: str) -> str:
    """Return the interval of an estimate of the document for people, or its note where that says more."""
    note = str(estimate.get("note", ""))
    if note.startswith(("none in", "all of", "0/0", "unlimited")):
        return note
    lo, hi = (_float(end) for end in estimate["ci95"])
    like = _float(estimate["value"])
    return format_interval(lo, hi, unit, lo if math.isnan(like) else like)


def _float(value: float | None) -> float:
    return math.nan if value is None else float(value)


def _head(document: Mapping[str, Any]) -> str:
    """Return what stands first: what is wrong with it, the verdict, what is short, and the figures."""
    return (
        pages.alarm(*alarms(document)) + _verdict(document) + pages.found(bottleneck_words(document)) + _cards(document)
    )


def _verdict(document: Mapping[str, Any]) -> str:
    if not document["expectations"]:
        return '<p class="verdict muted">The scenario expects nothing, so there is no verdict.</p>\n'
    outcome = outcome_of(document)
    verdicts = Counter(expectation["verdict"] for expectation in document["expectations"])
    count = _counted(len(document["expectations"]), "expectation")
    told = ", ".join(f"{verdicts[each]} {each}" for each in ("passed", "failed", "undecided") if verdicts[each])
    return f'<p class="verdict">{pages.badge(outcome)} {pages.escape(f"{count}: {told}")}</p>\n'


def _cards(document: Mapping[str, Any]) -> str:
    """Return the figures that a reader looks at first, each with its interval."""
    items = []
    for title, name, statistic in _FIRST:
        estimate = document["kpis"][name]
        if statistic is not None:
            estimate = estimate[statistic]
        # 0/0 is no news: nothing crashed, or nothing has an effect.
        if estimate["value"] is not None or estimate["n"]:
            unit = KPIS[name].unit
            items.append((title, written(estimate, unit), written_interval(estimate, unit)))
    return pages.cards(items) + pages.note("Under each value its 95 % interval.")


def asked(document: Mapping[str, Any], origin: Origin, swept: Sequence[str] = ()) -> str:
    """Return what was asked, of what, and how to see it again; `swept` are the settings that were tried."""
    parts = [origin.load]
    if document["faults"]:
        parts.append("<h3>Faults</h3>\n" + "".join(pages.paragraph(fault) for fault in document["faults"]))
    elif not origin.source:
        parts.append(pages.paragraph("No faults were injected."))
    return "".join(parts) + _provenance(document, origin, swept)


def _provenance(document: Mapping[str, Any], origin: Origin, swept: Sequence[str]) -> str:
    parts = []
    if origin.command:
        parts.append("<h3>To see it again</h3>\n" + pages.command(origin.command))
    rows: list[tuple[object, object]] = [("spec", origin.file)] if origin.file else []
    rows += [("flow", document["flow"]), ("scenario", document["scenario"] or "–")]
    if swept:
        # What was swept stands in each of these; what was set beside it holds for all.
        fixed = [(name, value) for name, value in document["parameters"].items() if f"{name}=" not in swept[0]]
        rows += [*((f"set: {name}", value) for name, value in fixed), ("settings", "; ".join(swept))]
        rows += [("seed", document["seed"])]
    else:
        rows += [(f"set: {name}", value) for name, value in document["parameters"].items()]
        rows += [("seed", document["seed"]), ("plan", document["plan_hash"])]
    rows += list(origin.versions.items())
    return "".join(parts) + pages.definitions(rows)


def _expectations(document: Mapping[str, Any]) -> str:
    return pages.verdicts([(each["verdict"], each["text"], each["reason"]) for each in document["expectations"]])


def _kpi_table(document: Mapping[str, Any]) -> str:
    runs, values = [], []
    for name, kpi in KPIS.items():
        found = document["kpis"].get(name)
        if found is None:
            continue
        if kpi.shape == "runs":
            cells = [(written(found[each], kpi.unit), written_interval(found[each], kpi.unit)) for each in STATISTICS]
            runs.append((name, *cells))
        else:
            values.append((name, (written(found, kpi.unit), written_interval(found, kpi.unit)), kpi.doc))
    numbers = range(1, len(STATISTICS) + 1)
    return (
        "<h3>Of single runs</h3>\n"
        + pages.table(("KPI", *STATISTICS), runs, numbers=numbers, about="KPIs of single runs")
        + "<h3>Of the whole</h3>\n"
        + pages.table(("KPI", "value", "is"), values, words=[1, 2], about="KPIs of the whole")
        + _eval_table(document)
    )


def _eval_table(document: Mapping[str, Any]) -> str:
    rows = [
        (name, (written(found, ""), written_interval(found, "")), f"{found['looked_at']:,}")
        for name, found in document["evals"].items()
    ]
    if not rows:
        return ""
    table = pages.table(("eval", "mean", "runs looked at"), rows, numbers=[1, 2], about="evals")
    return f"<h3>Of evals</h3>\n{table}"


def _resource_table(document: Mapping[str, Any]) -> str:
    rows = []
    for name, found in document["resources"].items():
        pool = document["pools"].get(name, {})
        slots = pool.get("slots")
        cells = [(written(found[key], unit), written_interval(found[key], unit)) for key, unit in _RESOURCE_UNITS]
        known = "unlimited" if slots is None else f"up to {slots}" if pool.get("elastic") else slots
        rows.append(((name, pool.get("kind", "")), pool.get("limit") or known, *cells))
    if not rows:
        return pages.note("Nothing was asked of any agent, tool or person.")
    headings = ("name", "slots", "busy share", "wait", "waiting", "busy slots", "tasks")
    return pages.table(headings, rows, numbers=range(1, 7), about="agents, tools and people")


def _twin(twin: Mapping[str, Any]) -> str:
    told = (
        "What queueing theory says of the same plan under the same load, from how often a run visits each pool and how"
        f" long it takes there ({twin['runs_alone']} runs that met nobody). Where nothing is said against it below, the"
        " two agree within the interval of the simulation; else the difference is what its suppositions leave out."
    )
    rows = twin_rows(twin)
    figures = pages.table(HEADINGS, rows, numbers=range(2, 7), about="by theory") if rows else ""
    return pages.note(told) + figures + "".join(map(pages.paragraph, twin_notes(twin)))


def _checks(document: Mapping[str, Any]) -> str:
    names = {"little": "Little's law: waiting = rate × wait", "utilization": "Utilization law: busy = rate × hold"}
    rows = []
    for law, title in names.items():
        for pool, check in document["checks"][law]["pools"].items():
            difference = _float(check["difference"]["value"])
            verdict = "held" if check["ok"] else "broken" if check["ok"] is False else "undecided"
            sides = [format_quantity(_float(check[side]), "") for side in ("left", "right")]
            rows.append((pool, title, *sides, format_quantity(difference, "share"), {"html": pages.badge(verdict)}))
    if not rows:
        return pages.note("Isolated runs do not queue together: there is no law to check.")
    headings = ("of", "law", "left", "right", "difference", "verdict")
    text = (
        "The two sides are counted apart, over the whole life of each replication, where they are equal but for the"
        " last digits. A difference means a miscount."
    )
    table = pages.note(text) + pages.table(headings, rows, numbers=(2, 3, 4), about="laws of queues")
    broken = any(check["ok"] is False for law in names for check in document["checks"][law]["pools"].values())
    if broken:
        return f"<h3>Laws that must hold</h3>\n{table}"
    held = sum(check["ok"] is True for law in names for check in document["checks"][law]["pools"].values())
    return pages.details(f"Laws that must hold in any queue: {held} of {len(rows)} checks held, none failed", table)


def footer(origin: Origin) -> str:
    """Return what stands at the end of a page."""
    version = origin.versions.get("orch")
    return f"Made by orch {version}: no script, nothing loaded from elsewhere." if version else ""


def _counted(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"
