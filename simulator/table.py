"""The document of a simulation on a terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from orchspec.simulator.beside import twin_notes, twin_rows
from orchspec.simulator.document import outcome_of
from orchspec.simulator.findings import bottleneck_words
from orchspec.simulator.kpis import KPIS, STATISTICS
from orchspec.simulator.laws import LAWS
from orchspec.simulator.report import written, written_interval

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

__all__ = ["VERDICTS", "cell", "line", "new_table", "print_document", "print_sweep", "text_of"]

VERDICTS = {"passed": ("✓", "green"), "failed": ("✗", "red"), "undecided": ("?", "yellow")}
#: Statistics that fit on a line of 80 characters.
_SHOWN = ("mean", "p50", "p95", "p99")


def print_document(document: Mapping[str, Any], console: Console) -> None:
    """Print a document of `document.build` to a rich console: KPIs, resources, expectations, checks and notes."""
    title = document["scenario"] or document["flow"]
    line(console, f"{title}", "bold")
    replications = document["replications"]
    facts = f"{document['flow']}, {document['runs']:,} runs in {replications:,} replication{'s'[: replications != 1]}"
    line(console, f"{facts}, seed {document['seed']}", "dim")
    console.print(_run_table(document))
    console.print(_value_table(document))
    if document["resources"]:
        console.print(_resource_table(document))
        line(console, bottleneck_words(document), "dim")
    if document["evals"]:
        console.print(_eval_table(document))
    if document["twin"] is not None:
        _print_twin(document["twin"], console)
    for expectation in document["expectations"]:
        sign, colour = VERDICTS[expectation["verdict"]]
        judged = text_of(f"{sign} {expectation['verdict']}  ", colour)
        judged.append(str(expectation["text"]), style="bold")
        console.print(judged)
        line(console, f"  {expectation['reason']}", "dim")
    for law, check in document["checks"].items():
        for pool, found in check["pools"].items():
            if found["ok"] is False:
                sides = f"{found['left']} against {found['right']}"
                line(console, f"✗ {LAWS[law]} does not hold for {pool}: {sides}", "bold red")
    if document["warmup"] is not None:
        line(console, f"warm-up: {document['warmup']['note']}", "dim")
    for note in document["notes"]:
        line(console, f"note: {note}", "yellow")


def print_sweep(documents: Sequence[tuple[str, Mapping[str, Any]]], console: Console) -> None:
    """Print a line for each document of a sweep, named by what was set for it."""
    first = documents[0][1]
    line(console, f"{first['scenario'] or first['flow']}", "bold")
    line(console, f"{first['flow']}, {len(documents)} value{'s'[: len(documents) != 1]}, seed {first['seed']}", "dim")
    kpis = (("latency", "p50"), ("latency", "p95"), ("cost", "mean"), ("completion", None), ("throughput", None))
    titles = {" ".join(part for part in (statistic, name) if part): (name, statistic) for name, statistic in kpis}
    found = {title: [_known(document, *of) for _, document in documents] for title, of in titles.items()}
    told = {title: [written(each, KPIS[titles[title][0]].unit) for each in found[title]] for title in titles}
    # What is the same for all is no column.
    shown = [title for title in titles if len(documents) == 1 or len(set(told[title])) > 1]
    judged = [outcome_of(document) if document["expectations"] else "" for _, document in documents]
    table = new_table("", *shown, *["expected"] * any(judged))
    for at, (label, _) in enumerate(documents):
        cells = [cell(found[title][at], KPIS[titles[title][0]].unit) for title in shown]
        sign, colour = VERDICTS.get(judged[at], ("–", ""))
        table.add_row(text_of(label), *cells, *[text_of(f"{sign} {judged[at]}", colour)] * any(judged))
    console.print(table)
    same = [f"{title} {told[title][0]}" for title in titles if title not in shown and told[title][0] != "–"]
    if same:
        line(console, f"the same for all: {', '.join(same)}", "dim")


def _known(document: Mapping[str, Any], name: str, statistic: str | None) -> Mapping[str, Any]:
    found: Mapping[str, Any] = document["kpis"][name]
    return found if statistic is None else found[statistic]


def _run_table(document: Mapping[str, Any]) -> Table:
    table = new_table("of single runs", *(name for name in STATISTICS if name in _SHOWN))
    for name, kpi in KPIS.items():
        if kpi.shape == "runs":
            found = document["kpis"][name]
            cells = [cell(found[statistic], kpi.unit) for statistic in _SHOWN]
            table.add_row(text_of(name), *cells)
    return table


def _value_table(document: Mapping[str, Any]) -> Table:
    table = new_table("of the whole", "value", "95 % interval")
    for name, kpi in KPIS.items():
        if kpi.shape == "value":
            found = document["kpis"][name]
            table.add_row(
                text_of(name), text_of(written(found, kpi.unit)), text_of(written_interval(found, kpi.unit), "dim")
            )
    return table


def _eval_table(document: Mapping[str, Any]) -> Table:
    table = new_table("of evals", "mean", "95 % interval", "looked at")
    for name, found in document["evals"].items():
        interval = text_of(written_interval(found, ""), "dim")
        table.add_row(text_of(name), text_of(written(found, "")), interval, text_of(f"{found['looked_at']:,}"))
    return table


def _resource_table(document: Mapping[str, Any]) -> Table:
    table = new_table("of whom", "slots", "busy", "wait", "waiting")
    for name, found in document["resources"].items():
        pool = document["pools"].get(name, {})
        slots = pool.get("slots")
        table.add_row(
            text_of(name),
            text_of(pool.get("limit") or ("∞" if slots is None else f"{'≤' if pool.get('elastic') else ''}{slots}")),
            cell(found["utilization"], "share"),
            cell(found["wait_s"], "s"),
            cell(found["queue"], "tasks"),
        )
    return table


def _print_twin(twin: Mapping[str, Any], console: Console) -> None:
    """What theory says of the pools above; what was simulated stands there."""
    rows = twin_rows(twin)
    if not rows:
        return
    table = new_table("by theory", "taken for", "busy", "wait")
    for name, model, _, busy, _, wait, _ in rows:
        table.add_row(*(text_of(each) for each in (name, model, busy, wait)))
    console.print(table)
    for note in twin_notes(twin):
        line(console, f"by theory: {note}", "dim")


def new_table(first: str, *others: str) -> Table:
    """Return an empty table in our manner: names to the left, numbers to the right."""
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="dim")
    table.add_column(first, overflow="fold")
    for name in others:
        table.add_column(name, justify="right", overflow="fold")
    return table


def cell(estimate: Mapping[str, Any], unit: str) -> Text:
    """Return an estimate with its interval under it."""
    made = text_of(written(estimate, unit))
    lo, hi = estimate["ci95"]
    if estimate["value"] is not None and lo != hi:
        made.append("\n" + written_interval(estimate, unit), style="dim")
    return made


def line(console: Console, text: str, style: str = "") -> None:
    """Print a line of text as it is."""
    console.print(text_of(text, style))


def text_of(text: str, style: str = "") -> Text:
    """Return a text that is shown as it is."""
    # A Text is never read as markup: a name such as "[bold]" is shown as it is.
    from rich.text import Text

    return Text(text, style=style)
