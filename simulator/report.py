"""The report of a simulation: from its document and its charts to one HTML page.

The same document and charts give the same bytes: there is no time of making in it.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from orchspec.simulator import page as pages
from orchspec.simulator.document import outcome_of
from orchspec.simulator.drawing import Chart
from orchspec.simulator.kpis import KPIS, STATISTICS
from orchspec.simulator.units import format_interval, format_quantity

__all__ = ["render", "simulation_section", "written", "written_interval"]

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


def render(
    document: Mapping[str, Any],
    charts: Sequence[Chart] = (),
    *,
    source: str = "",
    versions: Mapping[str, str] | None = None,
) -> str:
    """Return the page of one simulation.

    `document` is that of `document.build`; `source` the text of the scenario as it was written; `versions` names what
    computed it (no times, so that the same seed gives the same bytes).
    """
    title = str(document["scenario"] or f"A simulation of {document['flow']}")
    lead = f"Flow {document['flow']}, {document['runs']:,} runs in {_counted(document['replications'], 'replication')}"
    sections = [("What was asked", _asked(document, source))]
    if charts:
        sections.append(("Charts", "".join(pages.figure(chart) for chart in charts)))
    sections += [
        ("KPIs", _kpi_table(document)),
        ("Agents, tools and people", _resource_table(document)),
        ("Checks", _checks(document)),
        ("Where this comes from", _provenance(document, versions or {})),
    ]
    return pages.page(title, sections, lead=lead, head=_verdict(document) + _first(document))


def simulation_section(document: Mapping[str, Any], charts: Sequence[Chart] = ()) -> str:
    """Return the essence of a simulation as one section of a larger page (see `page.page`)."""
    return (
        _verdict(document)
        + _first(document)
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


def _verdict(document: Mapping[str, Any]) -> str:
    if not document["expectations"]:
        return ""
    outcome = outcome_of(document)
    verdicts = Counter(expectation["verdict"] for expectation in document["expectations"])
    count = _counted(len(document["expectations"]), "expectation")
    told = ", ".join(f"{verdicts[each]} {each}" for each in ("passed", "failed", "undecided") if verdicts[each])
    return f'<p class="verdict">{pages.badge(outcome)} {pages.escape(f"{count}: {told}")}</p>\n'


def _first(document: Mapping[str, Any]) -> str:
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


def _asked(document: Mapping[str, Any], source: str) -> str:
    parts = [pages.preformatted(source)] if source else []
    if document["parameters"]:
        parts.append(pages.table(("parameter", "value"), list(document["parameters"].items())))
    if document["faults"]:
        parts.append("<h3>Faults</h3>\n" + "".join(pages.paragraph(fault) for fault in document["faults"]))
    elif not source:
        parts.append(pages.paragraph("No faults were injected."))
    return "".join(parts) + _expectations(document)


def _expectations(document: Mapping[str, Any]) -> str:
    if not document["expectations"]:
        return ""
    rows = [
        ({"html": pages.badge(expectation["verdict"])}, (expectation["text"], expectation["reason"]))
        for expectation in document["expectations"]
    ]
    return "<h3>Expectations</h3>\n" + pages.table(("verdict", "expectation"), rows)


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
        + pages.table(("KPI", *STATISTICS), runs, numbers=numbers)
        + "<h3>Of the whole</h3>\n"
        + pages.table(("KPI", "value", "is"), values)
        + pages.note("95 % intervals: values that differ by less than their intervals should not be compared.")
    )


def _resource_table(document: Mapping[str, Any]) -> str:
    rows = []
    for name, found in document["resources"].items():
        pool = document["pools"].get(name, {})
        slots = pool.get("slots")
        cells = [(written(found[key], unit), written_interval(found[key], unit)) for key, unit in _RESOURCE_UNITS]
        rows.append(((name, pool.get("kind", "")), "unlimited" if slots is None else slots, *cells))
    if not rows:
        return pages.note("Nothing was asked of any agent, tool or person.")
    headings = ("name", "slots", "busy share", "wait", "waiting", "busy slots", "tasks")
    return pages.table(headings, rows, numbers=range(1, 7))


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
    return pages.note(text) + pages.table(headings, rows, numbers=(2, 3, 4))


def _provenance(document: Mapping[str, Any], versions: Mapping[str, str]) -> str:
    rows: list[tuple[object, object]] = [
        ("flow", document["flow"]),
        ("scenario", document["scenario"] or "–"),
        ("seed", document["seed"]),
        ("plan hash", document["plan_hash"]),
        ("runs measured", document["runs"]),
        ("replications", document["replications"]),
    ]
    if document["warmup"] is not None:
        warmup = document["warmup"]
        rows.append(("warm-up", f"{warmup['note']} ({format_quantity(_float(warmup['cut_s']), 's')} cut)"))
    rows += [(name, version) for name, version in versions.items()]
    return pages.table(("", ""), rows) + "".join(pages.note(text) for text in document["notes"])


def _counted(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"
