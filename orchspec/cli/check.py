"""`orch check`: every mistake in spec files, with its place, its code and what to do."""

from __future__ import annotations

import gc
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from orchspec.cli.common import NOT_WELL, WELL, Misuse, Terminal, orch_command
from orchspec.cli.files import STDIN, read_text, shown_name, write_text

if TYPE_CHECKING:
    from orchspec.grammar.diagnostics import Diagnostic

__all__ = ["command"]

# A fix may uncover the next mistake; what is not settled by then goes round in circles.
_ROUNDS = 10


@orch_command("check")
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "json", "sarif"]),
    help="How to report: text (for people), json (a list of diagnostics), sarif (for code hosts).  [default: text]",
)
@click.option("--fix", is_flag=True, help="Apply the fixes that are safe, then report what is left.")
def command(terminal: Terminal, files: tuple[str, ...], form: str | None, fix: bool) -> int:
    """Reports every mistake in spec files.

    FILE may be - for standard input. Ends with 1 when there are errors; warnings and advice end well.
    """
    if terminal.json and form not in {None, "json"}:
        raise Misuse(f"--json and --format {form} ask for different documents; leave one out")
    if fix and STDIN in files:
        raise Misuse("--fix writes to files, and standard input is none; name a file")
    form = form or ("json" if terminal.json else "text")
    # All are read before any is reported on: a missing file is misuse, and then there is one message alone.
    texts = {shown_name(name): read_text(name) for name in dict.fromkeys(files)}
    found: list[Diagnostic] = []
    with _without_collections():
        for name, text in texts.items():
            found += _check_and_fix(terminal, name, text) if fix else _check(name, text)
    # A file imported by two of them is reported once.
    from orchspec.grammar.diagnostics import sorted_diagnostics

    unique = sorted_diagnostics(found)
    _report(terminal, form, unique, len(texts))
    return NOT_WELL if any(diagnostic.severity == "error" for diagnostic in unique) else WELL


@contextmanager
def _without_collections() -> Iterator[None]:
    """Pauses the collector of cycles: a check keeps what it makes, so looking for garbage only takes as long again."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def _check(name: str, text: str) -> Sequence[Diagnostic]:
    from orchspec.compiler import check_file

    return check_file(name, text)


def _check_and_fix(terminal: Terminal, name: str, text: str) -> Sequence[Diagnostic]:
    from orchspec.cli.fixes import apply_fixes

    total = 0
    diagnostics = _check(name, text)
    for _ in range(_ROUNDS):
        own = [diagnostic for diagnostic in diagnostics if diagnostic.span.source.name == name]
        fixed, applied = apply_fixes(own[0].span.source, own) if own else (text, 0)
        if not applied or fixed == text:
            break
        text, total = fixed, total + applied
        diagnostics = _check(name, text)
    if total:
        write_text(name, text)
        terminal.say(f"{name}: {total} {'fix' if total == 1 else 'fixes'} applied")
    return diagnostics


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
