"""What came of a search for a capacity, on a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from orchspec.simulator.document import estimate_json
from orchspec.simulator.kpis import KPIS
from orchspec.simulator.report import written
from orchspec.simulator.table import VERDICTS, cell, line, new_table, text_of

if TYPE_CHECKING:
    from rich.console import Console

    from orchspec.simulator.sizing import Sizing, Tried

__all__ = ["print_sizing"]


def print_sizing(sizing: Sizing, console: Console) -> None:
    """Print the settings that were tried, the answer, and how sure it is."""
    document = sizing.document()
    if not sizing.tried:
        line(console, "nothing was tried", "yellow")
        return
    line(console, " and ".join(document["target"]), "bold")
    varied = ", ".join(f"{name} of {values[0]} to {values[-1]}" for name, values in document["vary"].items())
    line(console, f"{document['scenario']}, {document['flow']}: {varied}; seed {sizing.seed}", "dim")
    for fault in document["faults"]:
        line(console, f"under {fault}", "dim")
    _print_tried(sizing, console)
    _print_answer(sizing, document, console)
    for note in document["notes"]:
        line(console, f"note: {note}", "yellow")


def _print_tried(sizing: Sizing, console: Console) -> None:
    names = [axis.name for axis in sizing.axes]
    # A cost that no setting changes says nothing.
    priced = len({written(estimate_json(tried.cost), "USD") for tried in sizing.tried.values()}) > 1
    columns = [*names[1:], *(term.text for term in sizing.terms), *["mean(cost)"] * priced, "runs", "verdict"]
    table = new_table(names[0], *columns)
    order = sorted(sizing.tried, key=lambda point: (sizing.weight(point), point))
    rows = [(sizing.tried[point], "") for point in order] + [(proof, " again") for proof in sizing.proofs]
    for tried, again in rows:
        cells: list[Any] = [text_of(tried.settings[name]) for name in names]
        cells += [cell(estimate_json(tried.estimates[term.text]), KPIS[term.kpi].unit) for term in sizing.terms]
        cells += [text_of(written(estimate_json(tried.cost), "USD"))] * priced
        sign, colour = VERDICTS[tried.verdict]
        table.add_row(*cells, text_of(f"{tried.runs:,}"), text_of(f"{sign} {tried.verdict}{again}", colour))
    console.print(table)


def _print_answer(sizing: Sizing, document: dict[str, Any], console: Console) -> None:
    kind = "cheapest" if sizing.minimize == "cost" else "least"
    if sizing.answer is None:
        told = {
            "not_met": ("✗ no setting meets the target", "red"),
            "undecided": ("? it is undecided whether a setting meets the target", "yellow"),
        }
        line(console, *told[sizing.verdict])
        return
    settings = ", ".join(f"{name}={value}" for name, value in document["answer"]["settings"].items())
    sign, colour = VERDICTS["passed" if sizing.proved else "undecided"]
    line(console, f"{sign} {kind}: {settings}", f"bold {colour}")
    if sizing.proofs:
        _print_reasons(sizing.proofs[-1], console)


def _print_reasons(proof: Tried, console: Console) -> None:
    said = "proved again" if proof.verdict == "passed" else "tried again"
    line(console, f"  {said} on fresh seeds, {proof.runs:,} runs in {proof.replications} replications:", "dim")
    for expectation in proof.expectations:
        line(console, f"  {expectation['reason']}", "dim")
