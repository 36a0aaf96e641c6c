"""`orch bounds`: what each flow of a spec takes at least and at most, and what that is made of."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from orchspec.cli.common import NOT_WELL, WELL, Misuse, Terminal, did_you_mean, orch_command
from orchspec.cli.files import shown_name
from orchspec.cli.plans import compile_spec, concerned, refuse, set_option, settings_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from orchspec.compiler.bounds import FlowBounds

__all__ = ["command"]

_GAP = "  "


@orch_command("bounds")
@click.argument("file")
@click.option("--flow", "flow", metavar="NAME", help="Only this flow; all of them unless named.")
@set_option
def command(terminal: Terminal, file: str, flow: str | None, settings: tuple[str, ...]) -> int:
    """Shows what each flow takes at least and at most, and why.

    Cost, tokens, attempts, latency, depth, width, retry amplification and journal, with what contributes most to the
    worst case. What nothing bounds says so, and what bound is missing. FILE may be - for standard input.
    """
    from orchspec.compiler.bounds import bounds_of
    from orchspec.compiler.bounds.document import ASSUMPTIONS, as_document

    compiled = compile_spec(file, settings_of(settings))
    if compiled.plan is None:
        refuse(terminal, file, compiled)
        return NOT_WELL
    found = bounds_of(compiled.plan)
    if flow is not None:
        if flow not in found:
            hint = did_you_mean(flow, found) or f"; it has {', '.join(found) or 'none'}"
            raise Misuse(f"{shown_name(file)} has no flow {flow}{hint}", "no_flow")
        found = {flow: found[flow]}
    else:
        found = {name: found[name] for name in concerned(compiled.plan)}
    if terminal.json:
        terminal.document(as_document(compiled.plan, found))
        return WELL
    for bounds in found.values():
        for line in _table(bounds):
            terminal.out(line)
        terminal.out("")
    for assumption in ASSUMPTIONS:
        terminal.out(click.style(f"· {assumption}", dim=True))
    return WELL


def _table(bounds: FlowBounds) -> list[str]:
    from orchspec.compiler.bounds import METRICS
    from orchspec.compiler.bounds.document import amount_in_words, limit_in_words, term_in_words, verdict

    rows = [("", "best", "worst", "most of it")]
    for metric in METRICS:
        found = bounds[metric.name]
        if metric.name == "eval_cost_usd" and not found.worst:
            continue
        best, worst = amount_in_words(found.best, metric.unit), amount_in_words(found.worst, metric.unit)
        rows.append((metric.label, best, worst, term_in_words(found, metric.unit)))
    size = amount_in_words(bounds.structure.worst, "bytes")
    values = amount_in_words(bounds.payloads.worst, "count")
    rows[-1] = (*rows[-1][:3], f"{values} values from outside of up to 16 MiB each, and {size}")
    lines = [click.style(bounds.flow, bold=True), *_aligned(rows)]
    for limit in bounds.limits:
        needs = f"{limit_in_words(limit, limit.needed.best)} … {limit_in_words(limit, limit.needed.worst)}"
        value = limit_in_words(limit, limit.value)
        written = value if limit.name in ("cost", "time") else value.split(" ")[0]  # the name of a count is its unit
        lines.append(f"  budget of {limit.place}: {limit.name} <= {written}; ")
        lines[-1] += f"without it {needs}: {verdict(limit)}"
    return lines


def _aligned(rows: Sequence[tuple[str, str, str, str]]) -> list[str]:
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    return [
        "  " + _GAP.join((row[0].ljust(widths[0]), row[1].rjust(widths[1]), row[2].rjust(widths[2]), row[3])).rstrip()
        for row in rows
    ]
