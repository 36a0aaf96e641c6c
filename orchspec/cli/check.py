"""`orch check`: every mistake in spec files, with its place, its code and what to do."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import PurePath
from typing import TYPE_CHECKING

import click

from orchspec.cli.common import NOT_WELL, WELL, Misuse, Terminal, orch_command
from orchspec.cli.files import STDIN, read_text, shown_name, write_text
from orchspec.cli.fixes import GUESSED, SAFE, Mended, mend, unified_diff
from orchspec.compiler.uncollected import without_collections

if TYPE_CHECKING:
    from orchspec.grammar.diagnostics import Diagnostic

__all__ = ["command"]


@orch_command("check")
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "json", "sarif"]),
    help="How to report: text (for people), json (a list of diagnostics), sarif (for code hosts).  [default: text]",
)
@click.option("--fix", is_flag=True, help="Apply the fixes that are certain or prove to be, then report what is left.")
@click.option("--unsafe-fixes", "unsafe", is_flag=True, help="With --fix or --diff: also those that are a guess.")
@click.option("--diff", is_flag=True, help="Write nothing; show what --fix would change, and end with 1 if anything.")
def command(terminal: Terminal, files: tuple[str, ...], form: str | None, fix: bool, unsafe: bool, diff: bool) -> int:
    """Reports every mistake in spec files.

    FILE may be - for standard input. Ends with 1 when there are errors; warnings and advice end well.
    """
    form = _form(terminal, form, diff=diff)
    if fix and STDIN in files and not diff:
        raise Misuse("--fix writes to files, and standard input is none; name a file")
    if unsafe and not (fix or diff):
        raise Misuse("--unsafe-fixes says what --fix and --diff apply; add one of them")
    # All are read before any is reported on: a missing file is misuse, and then there is one message alone.
    texts = {shown_name(name): read_text(name) for name in dict.fromkeys(files)}
    wanted = GUESSED if unsafe else SAFE if fix or diff else frozenset()
    found: list[Mended] = []
    with without_collections():
        for name, text in texts.items():
            found.append(mend(name, text, _check, wanted))
            if found[-1].applied and not diff:  # now: the next file may import this one
                write_text(name, found[-1].after)
                terminal.say(f"{name}: {_fixes(found[-1].applied)} applied")
    if diff:
        return _show_changes(terminal, found)
    from orchspec.grammar.diagnostics import sorted_diagnostics

    unique = sorted_diagnostics(_once({each.name: each.diagnostics for each in found}))
    _report(terminal, form, unique, len(texts))
    if fix and form == "text" and (left := sum(each.left for each in found)):
        how = "write them by hand" if unsafe else "--diff --unsafe-fixes shows the guesses among them"
        terminal.say(f"{_fixes(left)} left that {'needs' if left == 1 else 'need'} a look: {how}")
    return NOT_WELL if any(diagnostic.severity == "error" for diagnostic in unique) else WELL


def _form(terminal: Terminal, form: str | None, *, diff: bool) -> str:
    if terminal.json and form not in {None, "json"}:
        raise Misuse(f"--json and --format {form} ask for different documents; leave one out")
    if diff and (terminal.json or form not in {None, "text"}):
        raise Misuse("--diff shows changes as text; without it, json and sarif hold the edits of every fix")
    return form or ("json" if terminal.json else "text")


def _fixes(count: int) -> str:
    return "1 fix" if count == 1 else f"{count} fixes"


def _show_changes(terminal: Terminal, found: Sequence[Mended]) -> int:
    for each in found:
        terminal.out(unified_diff(each.name, each.before, each.after, "fixed"), newline=False)
        if each.applied or each.left:
            left = f", {each.left} left that {'needs' if each.left == 1 else 'need'} a look" if each.left else ""
            terminal.say(f"{each.name}: {_fixes(each.applied)} would be applied{left}")
    return NOT_WELL if any(each.applied for each in found) else WELL


def _once(found: Mapping[str, Sequence[Diagnostic]]) -> Iterator[Diagnostic]:
    """What was found; what is imported is told of once, in the words of its own check if it was asked for."""
    told: set[tuple[str, str, int, int]] = set()
    for theirs in (False, True):
        for name, diagnostics in found.items():
            for item in diagnostics:
                if (item.span.source.name != name) is not theirs:
                    continue
                place = (item.code.id, str(PurePath(item.span.source.name)), item.span.start, item.span.end)
                if not theirs or place not in told:
                    yield item
                told.add(place)


def _check(name: str, text: str) -> Sequence[Diagnostic]:
    from orchspec.compiler import check_file

    return check_file(name, text)


def _report(terminal: Terminal, form: str, diagnostics: Sequence[Diagnostic], file_count: int) -> None:
    if form == "json":
        terminal.document([diagnostic.as_json() for diagnostic in diagnostics])
    elif form == "sarif":
        from orchspec.cli.sarif import as_sarif

        terminal.document(as_sarif(diagnostics))
    else:
        from orchspec.grammar.render import render_all

        if diagnostics:
            terminal.out(render_all(diagnostics, colour=terminal.colored()), newline=False)
        terminal.say(_summary(diagnostics, file_count))


def _summary(diagnostics: Sequence[Diagnostic], file_count: int) -> str:
    plurals = {"error": "errors", "warning": "warnings", "advice": "pieces of advice"}
    counts = {severity: sum(each.severity == severity for each in diagnostics) for severity in plurals}
    said = [
        f"{count} {severity if count == 1 or severity == 'advice' else plurals[severity]}"
        for severity, count in counts.items()
        if count
    ]
    where = "1 file" if file_count == 1 else f"{file_count} files"
    return f"{where}: {', '.join(said) if said else 'all well'}"
