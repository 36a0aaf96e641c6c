"""A comparison on a terminal: for each KPI what each contender has, and how it differs from the first."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from orchspec.simulator.document import estimate_json
from orchspec.simulator.estimate import look_level
from orchspec.simulator.kpis import KPIS
from orchspec.simulator.report import written
from orchspec.simulator.table import line as put
from orchspec.simulator.table import new_table, text_of
from orchspec.simulator.units import format_quantity

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

    from orchspec.simulator.comparing import Contender, Line, Pair
    from orchspec.simulator.estimate import Estimate

__all__ = ["print_comparison", "signed", "spanned"]

_COLOURS = {"better": "green", "worse": "red", "same": "dim", "undecided": "dim"}


def print_comparison(contenders: Sequence[Contender], lines: Sequence[Line], console: Console) -> None:
    """Print what each contender has, how it differs from the first, and which are worth considering."""
    document = contenders[0].study.document
    count = len(contenders)
    put(console, str(document["scenario"] or document["flow"]), "bold")
    runs, replications = document["runs"], min(len(each.study.replications) for each in contenders)
    put(
        console,
        f"{count} contenders, {runs:,} runs each in {replications} replications, seed {document['seed']}",
        "dim",
    )
    first = contenders[0].name
    table = new_table("", "", "", "difference", "interval")
    table.columns[1].justify = "left"
    for line in lines:
        for each in contenders:
            cells = [text_of(line.title if each.name == first else ""), text_of(each.name), _value(line, each.name)]
            if each.name == first:
                table.add_row(*cells, "", "", end_section=False)
            else:
                table.add_row(*cells, *_difference(line, line.against(each.name, first)))
        table.add_section()
    console.print(table)
    level = 100.0 * look_level(max(1, count * (count - 1) // 2))
    put(console, f"differences are from {first}, with {level:.4g} % intervals; a dim one may be chance", "dim")
    put(console, "✓ no other is seen to be better", "dim")


def _value(line: Line, name: str) -> Text:
    found = text_of(written(estimate_json(line.estimates[name]), KPIS[line.kpi].unit))
    if len(line.best) < len(line.estimates):
        found.append(" ✓" if name in line.best else "  ", style="green")
    return found


def _difference(line: Line, pair: Pair) -> tuple[Text, Text]:
    known, unit = pair.difference, KPIS[line.kpi].unit
    colour = _COLOURS[pair.verdict]
    if pair.verdict == "same":
        return text_of("the same", colour), text_of("")
    return text_of(signed(known.value, unit, known.value), colour), text_of(spanned(known, unit), "dim")


def spanned(known: Estimate, unit: str) -> str:
    """The interval of a difference, or what there is of it."""
    lo, hi = (signed(each, unit, known.value) for each in (known.lo, known.hi))
    low_known, high_known = math.isfinite(known.lo), math.isfinite(known.hi)
    if low_known and high_known:
        _, space, name = hi.rpartition(" ")
        return f"{lo.removesuffix(space + name)} to {hi}"
    return f"at least {lo}" if low_known else f"at most {hi}" if high_known else "no interval"


def signed(value: float, unit: str, like: float) -> str:
    """A difference with its sign, in the unit of one that is like it."""
    sign = "+" if value > 0.0 else "−" if value < 0.0 else ""
    return f"{sign}{format_quantity(abs(value), unit, like)}"
