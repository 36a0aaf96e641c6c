"""`orch calibrate`: profiles from what was measured."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from orchspec.cli.common import NOT_WELL, WELL, Misuse, Terminal, orch_command
from orchspec.cli.files import NewFile, NewFolder, read_text, shown_name, write_text

if TYPE_CHECKING:
    from orchspec.calibration.calibrate import Progress

__all__ = ["command"]


@orch_command("calibrate")
@click.argument("sources", nargs=-1, required=True, metavar="SOURCE...")
@click.option(
    "-o", "--output", type=NewFile(), metavar="FILE", help="Write the profiles there, as a file of their own."
)
@click.option("--update", metavar="SPEC", help="Put the profiles into a spec; what it says besides stays.")
@click.option("--agent", metavar="NAME", help="Whose all rows of a trace are.")
@click.option("--only", "only", multiple=True, metavar="NAME", help="Fit this one alone (several: --only a --only b).")
@click.option("--rename", multiple=True, metavar="OLD=NEW", help="What a source calls OLD is NEW in the spec.")
@click.option(
    "--column",
    "columns",
    multiple=True,
    metavar="WHAT=COLUMN[:UNIT]",
    help="The column that holds WHAT: agent, latency, start, end, tokens_in, tokens_out, cost, calls or status.",
)
@click.option("--least", type=click.IntRange(2), default=20, show_default=True, help="Fewer values are not fitted.")
@click.option("--charts", type=NewFolder(), metavar="DIR", help="Write the data beside each fit, as PNG and SVG.")
def command(
    terminal: Terminal,
    sources: tuple[str, ...],
    output: str | None,
    update: str | None,
    agent: str | None,
    only: tuple[str, ...],
    rename: tuple[str, ...],
    columns: tuple[str, ...],
    least: int,
    charts: str | None,
) -> int:
    """Fits profiles to what was measured.

    SOURCE is a store of runs (runs.db), what `orch journal` printed (with or without --steps), or a trace: a CSV file
    with a header, or JSON lines; - for standard input. Latency, tokens, cost and calls of tools are fitted for each
    agent, person, effect and signal, failures are counted. Without -o and --update the profiles go to standard output.
    Ends with 1 when there is nothing to fit.
    """
    if output is not None and update is not None:
        raise Misuse("-o writes a file of profiles and --update changes a spec; choose one", "usage")
    if update is not None:
        read_text(update)  # a spec that is not there is told before anything is fitted
    from orchspec.calibration import NotCalibrated, calibrate_sources

    try:
        with _progress(terminal) as progress:
            found = calibrate_sources(
                sources,
                columns=dict(_pair(each, "--column") for each in columns),
                agent=agent,
                only=only,
                names=dict(_pair(each, "--rename") for each in rename),
                least=least,
                spec=update,
                progress=progress,
            )
    except NotCalibrated as error:
        raise Misuse(str(error), error.code) from None
    for line in found.told:
        terminal.say(line)
    if not found.written:
        terminal.say("nothing was fitted: no target has enough values")
    text = found.text
    if update is not None and found.written:
        from orchspec.grammar.source import Source

        text = found.put_into(Source(shown_name(update), read_text(update)))
        write_text(update, text)
        terminal.say(f"{update}: profiles of {', '.join(each.target for each in found.written)}")
    elif output is not None and found.written:
        write_text(output, text)
        terminal.say(f"{output}: profiles of {', '.join(each.target for each in found.written)}")
    if charts is not None:
        from orchspec.cli.pictures import save_charts

        save_charts(terminal, charts, found.charts())
    if terminal.json:
        terminal.document(found.document())
    elif output is None and update is None and found.written:
        terminal.out(text, newline=False)
    return WELL if found.written else NOT_WELL


def _pair(text: str, option: str) -> tuple[str, str]:
    name, sign, rest = text.partition("=")
    if not (name and sign and rest):
        raise Misuse(f"{option} {text} has no value; write it as NAME=VALUE", "usage")
    return name, rest


@contextmanager
def _progress(terminal: Terminal) -> Iterator[Progress | None]:
    """A line on standard error, where that is a terminal: what is read and fitted; it leaves nothing behind."""
    import sys

    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console

    console = Console(stderr=True, no_color=not terminal.colored(err=True))
    with console.status("reading") as status:
        yield status.update
