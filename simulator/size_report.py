"""The page of a search for a capacity: the answer and how sure it is, what was tried, and under which load."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from orchspec.simulator import page as pages
from orchspec.simulator.document import estimate_json
from orchspec.simulator.kpis import KPIS
from orchspec.simulator.report import Origin, footer, written, written_interval
from orchspec.simulator.size_charts import size_charts
from orchspec.simulator.units import format_quantity, sentence

if TYPE_CHECKING:
    from collections.abc import Sequence

    from orchspec.simulator.sizing import Sizing, Tried

__all__ = ["render_sizing"]


def render_sizing(sizing: Sizing, *, origin: Origin | None = None) -> str:
    """Return the page of a search in which something was tried."""
    origin = origin or Origin()
    document = sizing.document()
    varied = " and ".join(axis.name for axis in sizing.axes)
    what = "The cheapest" if sizing.minimize == "cost" else "The least"
    lead = f"{what} {varied} under which {' and '.join(document['target'])}, for flow {document['flow']}"
    sections = [
        ("What was asked", _asked(sizing, document, origin)),
        ("What was tried", _tried_table(sizing)),
        ("What changes", "".join(map(pages.figure, size_charts(sizing)))),
    ]
    if sizing.proofs:
        sections.append(("Proved again", _proofs(sizing.proofs)))
    if origin.graph:
        sections.append(("The flow", pages.drawing(origin.graph, f"The flow {document['flow']}")))
    sections.append(("How sure this is", "".join(map(pages.paragraph, _certainty(sizing)))))
    title = str(document["scenario"] or f"How much {document['flow']} takes")
    return pages.page(title, sections, lead=lead, head=_head(sizing, document), footer=footer(origin))


def told_settings(settings: dict[str, str]) -> str:
    """Settings as they are written on a command line."""
    return ", ".join(f"{name}={value}" for name, value in settings.items())


def _head(sizing: Sizing, document: dict[str, Any]) -> str:
    answer = document["answer"]
    notes = [sentence(each) for each in document["notes"]]
    if answer is None:
        told = {"not_met": "No setting that was tried meets the target.", "undecided": "It is undecided."}
        badge = "failed" if sizing.verdict == "not_met" else "undecided"
        verdict = f'<p class="verdict">{pages.badge(badge)} {pages.escape(told[sizing.verdict])}</p>\n'
        return verdict + pages.found(*notes)
    kind = "cheapest" if sizing.minimize == "cost" else "least"
    settings = told_settings(answer["settings"])
    badge = "passed" if sizing.proved else "undecided"
    verdict = f'<p class="verdict">{pages.badge(badge)} {pages.escape(f"{kind}: {settings}")}</p>\n'
    last = sizing.proofs[-1] if sizing.proofs else sizing.tried[sizing.answer or ()]
    if sizing.proved:
        sure = f"{settings} meets the target, and did so again on fresh seeds: {last.runs:,} runs"
        sure += f" in {last.replications} replications that had no part in the search."
    else:
        sure = f"{settings} met the target in the search, and was not proved again."
    return verdict + pages.found(sure, *notes) + _cards(sizing, last)


def _cards(sizing: Sizing, tried: Tried) -> str:
    items = [
        (axis.name, tried.settings[axis.name], f"of {axis.values[0]} to {axis.values[-1]}") for axis in sizing.axes
    ]
    for term in sizing.terms:
        known, unit = estimate_json(tried.estimates[term.text]), KPIS[term.kpi].unit
        items.append((term.text, written(known, unit), written_interval(known, unit)))
    cost = estimate_json(tried.cost)
    if cost["value"]:
        items.append(("cost of a run, mean", written(cost, "USD"), written_interval(cost, "USD")))
    busy = _busiest(tried)
    if busy is not None:
        items.append((f"busiest: {busy[0]}", busy[1], "of its slots"))
    return pages.cards(items) + pages.note("Under each value its 95 % interval, as it was seen last.")


def _busiest(tried: Tried) -> tuple[str, str] | None:
    if not tried.shares:
        return None
    name = max(tried.shares, key=lambda each: tried.shares[each])
    return name, format_quantity(tried.shares[name], "share")


def _asked(sizing: Sizing, document: dict[str, Any], origin: Origin) -> str:
    rows: list[tuple[object, object]] = [("target", each) for each in document["target"]]
    rows += [(f"varied: {name}", ", ".join(values)) for name, values in document["vary"].items()]
    least = "the mean cost of a run" if sizing.minimize == "cost" else "the sum of what is varied, as it weighs"
    rows.append(("sought", f"the least of {least}"))
    rows += [("fault", each) for each in document["faults"]] or [("faults", "none")]
    parts = [pages.definitions(rows)]
    if origin.source:
        parts.append("<h3>The load</h3>\n" + origin.load)
    if origin.command:
        parts.append("<h3>To see it again</h3>\n" + pages.command(origin.command))
    about: list[tuple[object, object]] = [("spec", origin.file)] if origin.file else []
    about += [("flow", document["flow"]), ("scenario", document["scenario"] or "–"), ("seed", sizing.seed)]
    return "".join(parts) + pages.definitions([*about, *origin.versions.items()])


def _tried_table(sizing: Sizing) -> str:
    order = sorted(sizing.tried, key=lambda point: (sizing.weight(point), point))
    rows = []
    for tried in [*(sizing.tried[point] for point in order), *sizing.proofs]:
        cells: list[object] = [told_settings(tried.settings)]
        for term in sizing.terms:
            known, unit = estimate_json(tried.estimates[term.text]), KPIS[term.kpi].unit
            cells.append((written(known, unit), written_interval(known, unit)))
        cells.append(written(estimate_json(tried.cost), "USD"))
        cells += [_busiest(tried) or "–", f"{tried.runs:,}"]
        verdict = pages.badge(tried.verdict) + (" <small>fresh seeds</small>" if tried.proof else "")
        rows.append([*cells, {"html": verdict}])
    headings = ["set", *(term.text for term in sizing.terms), "cost", "busiest", "runs", "verdict"]
    count = len(sizing.terms)
    return pages.table(headings, rows, numbers=[*range(1, count + 2), count + 3], about="what was tried")


def _proofs(proofs: Sequence[Tried]) -> str:
    parts = []
    for proof in proofs:
        told = f"{told_settings(proof.settings)}, seed {proof.seed}: {proof.runs:,} runs"
        rows = [(each["verdict"], each["text"], each["reason"]) for each in proof.expectations]
        parts.append(pages.paragraph(told) + pages.verdicts(rows))
    return "".join(parts)


def _certainty(sizing: Sizing) -> list[str]:
    shared = (
        "Every setting was simulated with the same draws, so settings differ in what was set and not in luck; each "
    )
    shared += "is judged by its interval, and one that straddles its bound gets more replications."
    fresh = "The answer was chosen among many by the same draws, so it is proved again on seeds that had no part in it."
    told = [shared, fresh]
    grid = math.prod(len(axis.values) for axis in sizing.axes)
    if len(sizing.tried) < grid and sizing.minimize == "weight":
        told.append(
            f"{len(sizing.tried)} of {grid} settings were simulated: the search goes by bisection, and takes it that "
            "more of what is varied is never worse. Where what was tried speaks against that, it is said above."
        )
    if sizing.interrupted:
        told.append("The search was interrupted: what stands here is what was done until then.")
    told.append("All of it is as true as the profiles that the agents were played from, and as the load.")
    return told
