"""The page of a comparison: who is best in what, by how much, how sure that is, and each contender by itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from orchspec.simulator import page as pages
from orchspec.simulator.compare_charts import compare_charts, front
from orchspec.simulator.compare_table import signed, spanned
from orchspec.simulator.document import estimate_json
from orchspec.simulator.estimate import look_level
from orchspec.simulator.findings import alarms
from orchspec.simulator.kpis import KPIS
from orchspec.simulator.report import Origin, footer, simulation_section, written, written_interval
from orchspec.simulator.units import sentence

if TYPE_CHECKING:
    from orchspec.simulator.comparing import Contender, Line, Pair
    from orchspec.simulator.drawing import Chart

__all__ = ["Compared", "render_comparison"]

_FIRST = (("latency", "p95"), ("cost", "mean"), ("completion", None))
_BADGES = {"better": "better", "worse": "worse", "same": "the same", "undecided": "undecided"}


@dataclass(frozen=True, slots=True)
class Compared:
    """One comparison: what was swept for it (nothing, where it is the only one), who took part, and what was seen."""

    swept: Mapping[str, str]
    contenders: Sequence[Contender]
    lines: Sequence[Line]
    notes: Sequence[str] = ()

    @property
    def label(self) -> str:
        """What was swept, as it is written."""
        return ", ".join(f"{name}={value}" for name, value in self.swept.items())


def render_comparison(
    rounds: Sequence[Compared],
    *,
    origin: Origin | None = None,
    graphs: Mapping[str, str] | None = None,
    charts: Sequence[Chart] | None = None,
) -> str:
    """Return the page of one comparison, or of one for each value of a sweep.

    `graphs` are the SVGs of the contenders' flows, by the name of the contender; `charts` those of a sweep.
    """
    origin = origin or Origin()
    first = rounds[0]
    names = [each.name for each in first.contenders]
    document = first.contenders[0].study.document
    lead = f"{len(names)} contenders under the same load and the same draws: {', '.join(names)}"
    sections = [("What was asked", _asked(rounds, document, origin))]
    for each in rounds:
        title = f"How they differ, {each.label}" if each.swept else "How they differ"
        sections.append((title, _table(each)))
    drawn = compare_charts(first.contenders, first.lines) if charts is None else charts
    if drawn:
        sections.append(("What was seen", "".join(map(pages.figure, drawn))))
    if graphs:
        flows = "".join(pages.details(name, pages.drawing(svg, f"The flow {name}")) for name, svg in graphs.items())
        sections.append(("The flows", flows))
    sections.append(("How sure this is", "".join(map(pages.paragraph, _certainty(first)))))
    each_of = "".join(
        pages.details(", ".join(filter(None, (who.name, each.label))), simulation_section(who.study.document))
        for each in rounds
        for who in each.contenders
    )
    sections.append(("Each of them", each_of))
    title = str(document["scenario"] or f"{len(names)} flows compared")
    return pages.page(title, sections, lead=lead, head=_head(rounds), footer=footer(origin))


def _head(rounds: Sequence[Compared]) -> str:
    told = []
    for each in rounds:
        for who in each.contenders:
            named = ", ".join(filter(None, (who.name, each.label)))
            told += [f"{named}: {alarm}" for alarm in alarms(who.study.document)]
    notes = list(dict.fromkeys(sentence(note) for each in rounds for note in each.notes))
    sentences = []
    for each in rounds:
        prefix = f"{each.label}: " if each.swept else ""
        sentences += [prefix + sentence for sentence in _best(each)]
    return pages.alarm(*told) + pages.found(*sentences, *notes) + (_cards(rounds[0]) if len(rounds) == 1 else "")


def _best(compared: Compared) -> list[str]:
    """Who is seen to be best in what matters first, and who is worth considering."""
    names = [each.name for each in compared.contenders]
    told = []
    for kpi, statistic in _FIRST:
        line = next((each for each in compared.lines if (each.kpi, each.statistic) == (kpi, statistic)), None)
        if line is None:
            continue
        if len(line.best) == len(names):
            told.append(f"In {line.title} no difference is sure.")
            continue
        best = line.best[0] if len(line.best) == 1 else " and ".join(line.best)
        told.append(f"In {line.title} {best} {'is' if len(line.best) == 1 else 'are'} seen to be best{_by(line)}.")
    fronts = front(compared.contenders)
    if 0 < len(fronts) < len(names):
        told.append(
            f"Worth considering, by mean cost and p95 of latency: {', '.join(fronts)}; no other is better in either."
        )
    return told


def _by(line: Line) -> str:
    """How far the best is ahead of the next, where it is alone."""
    if len(line.best) != 1:
        return ""
    pairs = [pair for pair in line.pairs if pair.one == line.best[0]]
    nearest = min(pairs, key=lambda pair: abs(pair.difference.value))
    unit = KPIS[line.kpi].unit
    value = signed(nearest.difference.value, unit, nearest.difference.value)
    return f": {written(estimate_json(line.estimates[line.best[0]]), unit)}, {value} against {nearest.other}"


def _cards(compared: Compared) -> str:
    items = []
    for who in compared.contenders:
        for kpi, statistic in _FIRST[:2]:
            line = next((each for each in compared.lines if (each.kpi, each.statistic) == (kpi, statistic)), None)
            if line is not None:
                known, unit = estimate_json(line.estimates[who.name]), KPIS[kpi].unit
                items.append((f"{who.name}, {line.title}", written(known, unit), written_interval(known, unit)))
    return pages.cards(items) + pages.note("Under each value its 95 % interval.")


def _asked(rounds: Sequence[Compared], document: Mapping[str, Any], origin: Origin) -> str:
    parts = ["<h3>The load</h3>\n" + origin.load] if origin.source else []
    faults = [("fault", each) for each in document["faults"]] or [("faults", "none")]
    rows: list[tuple[object, object]] = [*faults]
    for who in rounds[0].contenders:
        settings = who.about.get("settings") or {}
        own = ", ".join(f"{name}={value}" for name, value in settings.items())
        rows.append((who.name, f"flow {who.about.get('flow', who.name)}" + (f", {own}" if own else "")))
    if rounds[0].swept:
        rows.append(("settings", "; ".join(each.label for each in rounds)))
    parts.append(pages.definitions(rows))
    if origin.command:
        parts.append("<h3>To see it again</h3>\n" + pages.command(origin.command))
    about: list[tuple[object, object]] = [("spec", origin.file)] if origin.file else []
    about += [("scenario", document["scenario"] or "–"), ("seed", document["seed"]), *origin.versions.items()]
    return "".join(parts) + pages.definitions(about)


def _table(compared: Compared) -> str:
    first = compared.contenders[0].name
    rows: list[list[object]] = []
    for line in compared.lines:
        unit = KPIS[line.kpi].unit
        for who in compared.contenders:
            known = estimate_json(line.estimates[who.name])
            row: list[object] = [(who.name, line.title), (written(known, unit), written_interval(known, unit))]
            row += ["", ""] if who.name == first else list(_difference(line, line.against(who.name, first)))
            rows.append(row)
    headings = ("of whom", "value", f"from {first}", "seen to be")
    return pages.table(headings, rows, numbers=[1, 2], about="how the contenders differ")


def _difference(line: Line, pair: Pair) -> tuple[object, object]:
    unit, known = KPIS[line.kpi].unit, pair.difference
    tone = {"better": "passed", "worse": "failed"}.get(pair.verdict, "")
    badge = {"html": pages.toned(_BADGES[pair.verdict], tone)}
    if pair.verdict == "same":
        return "±0", badge
    return (signed(known.value, unit, known.value), spanned(known, unit)), badge


def _certainty(compared: Compared) -> list[str]:
    count = len(compared.contenders)
    pairs = max(1, count * (count - 1) // 2)
    replications = min(len(each.study.replications) for each in compared.contenders)
    runs = compared.contenders[0].study.document["runs"]
    same = (
        f"{runs:,} runs of each in {replications} replications. Replication by replication all have the same arrivals, "
    )
    same += "the same inputs and the same draws at the same places, so they differ by what they are and not by luck."
    level = f"Each difference stands with its {100.0 * look_level(pairs):.4g} % interval: "
    level += "with one" if pairs == 1 else f"with {pairs} of them"
    level += (
        " for each KPI, all of a KPI hold together in 95 of 100 comparisons. What may be chance is called undecided."
    )
    return [same, level, "All of it is as true as the profiles that the agents were played from, and as the load."]
