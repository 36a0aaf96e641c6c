"""`orch fmt`: spec files in the one form; there are no options to it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from orchspec.cli.common import NOT_WELL, WELL, Misuse, Terminal, orch_command
from orchspec.cli.files import STDIN, read_text, shown_name, write_text
from orchspec.cli.fixes import unified_diff

if TYPE_CHECKING:
    from orchspec.grammar.diagnostics import Diagnostic

__all__ = ["command"]


@dataclass(frozen=True, slots=True)
class _Outcome:
    """What became of one file: `after` is none where its syntax is broken, and then it is left alone."""

    name: str
    before: str
    after: str | None
    diagnostics: Sequence[Diagnostic]

    @property
    def changes(self) -> bool:
        return self.after is not None and self.after != self.before

    def diff(self) -> str:
        if self.after is None:
            return ""
        return unified_diff(self.name, self.before, self.after, "formatted")

    def as_json(self, *, with_diff: bool) -> dict[str, Any]:
        found: dict[str, Any] = {
            "file": self.name,
            "changed": self.changes,
            "diagnostics": [diagnostic.as_json() for diagnostic in self.diagnostics],
        }
        return found | ({"diff": self.diff()} if with_diff else {})


@orch_command("fmt")
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@click.option("--check", is_flag=True, help="Write nothing; end with 1 when a file would change.")
@click.option("--diff", is_flag=True, help="Write nothing; show what would change, and end with 1 if anything would.")
def command(terminal: Terminal, files: tuple[str, ...], check: bool, diff: bool) -> int:
    """Formats spec files.

    FILE is rewritten in place; - formats standard input to standard output. A file whose syntax is broken is left
    alone and its mistakes are reported.
    """
    names = list(dict.fromkeys(files))
    if STDIN in names and len(names) > 1:
        raise Misuse("- formats standard input alone; name files, or nothing but -")
    outcomes = [_format(name) for name in names]
    looks_only = check or diff
    for outcome in outcomes:
        if outcome.changes and not looks_only and STDIN not in names:
            write_text(outcome.name, outcome.after or "")
    if terminal.json:
        terminal.document({"files": [outcome.as_json(with_diff=diff) for outcome in outcomes]})
    else:
        for outcome in outcomes:
            _report(terminal, outcome, diff=diff, piped=STDIN in names and not looks_only, looks_only=looks_only)
    broken = any(outcome.after is None for outcome in outcomes)
    return NOT_WELL if broken or (looks_only and any(outcome.changes for outcome in outcomes)) else WELL


def _format(name: str) -> _Outcome:
    from orchspec.grammar.format import format_source
    from orchspec.grammar.source import Source

    source = Source(shown_name(name), read_text(name))
    after, diagnostics = format_source(source)
    return _Outcome(source.name, source.text, after, diagnostics)


def _report(terminal: Terminal, outcome: _Outcome, *, diff: bool, piped: bool, looks_only: bool) -> None:
    if outcome.after is None:
        from orchspec.grammar.render import render_all

        terminal.say(render_all(outcome.diagnostics, colour=terminal.colored(err=True)).rstrip("\n"))
        terminal.say(f"{outcome.name}: left as it is, since its syntax is broken")
        return
    if diff:
        terminal.out(outcome.diff(), newline=False)
    elif piped:
        terminal.out(outcome.after, newline=False)
    if outcome.changes and not piped:
        terminal.say(f"{outcome.name}: {'would be formatted' if looks_only else 'formatted'}")
