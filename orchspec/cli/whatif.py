"""`orch simulate --from-journal`: real runs again, with one thing changed."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from orchspec.cli.common import NOT_WELL, WELL, Misuse, Terminal
from orchspec.cli.files import read_text
from orchspec.cli.plans import compiler_of, refuse
from orchspec.cli.stores import opened

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["play"]

_SHOWN_RUNS = 5


def play(
    terminal: Terminal,
    file: str,
    journal: str | None,
    flow: str | None,
    settings: Mapping[str, str],
    seed: int,
    *,
    alone: bool,
) -> int:
    """Plays the runs of a store again, and shows what was beside what would have been.

    Args:
        terminal: where it is shown.
        file: the spec.
        journal: the store.
        flow: whose runs; None: the only one that has some.
        settings: what is set.
        seed: of what has to be drawn.
        alone: whether nothing else was asked for, which would mean nothing here.
    """
    from orchspec.api import SpecError
    from orchspec.simulator.past import NotReplayable
    from orchspec.whatif import document_of, what_if

    if journal is None:
        raise Misuse("--flow goes with --from-journal; a scenario is for a flow already")
    if not alone:
        raise Misuse("--from-journal has load and runs of its own; it goes with --set, --flow and --seed alone")
    scenario = [name for name in settings if name.startswith("scenario.")]
    if scenario:
        raise Misuse(f"--from-journal has the load of the real runs; leave --set {scenario[0]} out")
    compile_ = compiler_of(file, read_text(file))
    try:
        with opened(journal) as store:
            found = what_if(compile_, store, flow=flow, settings=settings, seed=seed)
    except NotReplayable as error:
        raise Misuse(str(error), error.code) from None
    except SpecError as error:
        from orchspec.compiler.load import Compiled

        refuse(terminal, file, Compiled(None, error.diagnostics, None))
        return NOT_WELL
    document = document_of(found)
    if terminal.json:
        terminal.document(document)
        return WELL
    _print(document, terminal.console())
    return WELL


def _print(document: Mapping[str, Any], console: Console) -> None:
    from orchspec.simulator.table import line, new_table, text_of

    would = document["as_it_would_have_been"]
    settings = ", ".join(f"{name}={value}" for name, value in document["parameters"].items())
    line(
        console,
        f"{document['flow']}, {document['runs']:,} real runs" + (f" with {settings}" if settings else ""),
        "bold",
    )
    columns = ["as it was", "played again", *(["as it would have been", "difference"] if would is not None else [])]
    table = new_table("", *columns)
    for each in document["differences"]:
        name, statistic, unit = each["kpi"], each["statistic"], each["unit"]
        of = (document["as_it_was"], document["played_again"], *([would] if would is not None else []))
        values = [known[name] if statistic is None else known[name][statistic] for known in of]
        if not any(values):
            continue
        cells = [text_of(_shown(value, unit)) for value in values]
        if would is not None:
            cells.append(_difference(each, unit))
        table.add_row(text_of(f"{statistic}({name})" if statistic else name), *cells)
    console.print(table)
    fidelity = document["fidelity"]
    off = fidelity["latency_off_s"]
    line(
        console,
        f"played again without a change, {fidelity['same_outcome']} of {document['runs']} runs end as they did, their "
        f"latencies at most {_shown(off['max'], 's')} off (what the orchestrator itself took)",
        "dim",
    )
    _print_others(document, console)
    for each in document["left_out"][:_SHOWN_RUNS]:
        line(console, f"left out: {each['run']}: {each['reason']}", "yellow")
    if len(document["left_out"]) > _SHOWN_RUNS:
        line(console, f"left out: {len(document['left_out']) - _SHOWN_RUNS} more runs, see --json", "yellow")
    for note in document["notes"]:
        line(console, f"note: {note}", "yellow")


def _print_others(document: Mapping[str, Any], console: Console) -> None:
    """Runs that would have ended otherwise: those are what somebody will ask about."""
    from orchspec.simulator.table import line

    if document["as_it_would_have_been"] is None:
        return
    other = [each for each in document["each"] if each["would"]["status"] != each["played_again"]["status"]]
    for each in other[:_SHOWN_RUNS]:
        line(console, f"{each['run']} would have {each['would']['status']}, it has {each['was']['status']}", "bold")
    if len(other) > _SHOWN_RUNS:
        line(console, f"{len(other) - _SHOWN_RUNS} more runs would have ended otherwise, see --json", "bold")


def _difference(each: Mapping[str, Any], unit: str) -> Any:
    from orchspec.simulator.table import text_of

    value = each["difference"]
    if not value:
        return text_of("–" if value is None else "the same", "dim")
    good = (value < 0.0) is (each["kpi"] != "completion")
    relative = f" ({100.0 * each['relative']:+.3g} %)".replace("-", "−") if each["relative"] is not None else ""
    return text_of(f"{'+' if value > 0.0 else '−'}{_shown(abs(value), unit)}{relative}", "green" if good else "red")


def _shown(value: float | None, unit: str) -> str:
    from orchspec.simulator.units import format_quantity

    return format_quantity(math.nan if value is None else value, unit)
