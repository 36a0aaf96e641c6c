"""What every command shares: its options, its exit codes, where it writes, and how it fails.

A command is a function that takes a `Terminal` and its own parameters and gives an exit code (none is `WELL`). What
it was asked for goes to standard output, every message to standard error. With `--json`, standard output holds
exactly one JSON document, for errors too.
"""

from __future__ import annotations

import functools
import json
import math
import os
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

import click

if TYPE_CHECKING:
    from rich.console import Console

__all__ = [
    "LIVENESS_BROKEN",
    "MISUSE",
    "NOT_WELL",
    "PARKED",
    "UNDECIDED",
    "WELL",
    "Between",
    "Misuse",
    "Terminal",
    "did_you_mean",
    "orch_command",
]

WELL: Final = 0
NOT_WELL: Final = 1
MISUSE: Final = 2
LIVENESS_BROKEN: Final = 3
UNDECIDED: Final = 4
PARKED: Final = 5
_WIDTH: Final = 100
"""Of what is written to a file or a pipe, in characters."""


class Misuse(click.ClickException):
    """The command was asked for what can't be: a missing file, values that don't go together. Exit code 2."""

    exit_code = MISUSE

    def __init__(self, message: str, code: str = "misuse") -> None:
        """Takes what was found, what was expected and what to do; `code` is for programs."""
        super().__init__(message)
        self.code = code


class Between(click.FloatRange):
    """A number between two others, which NaN is not, though no comparison says so."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The number."""
        number = super().convert(value, param, ctx)
        if math.isnan(number):
            self.fail(f"{value} is not in the range {self._describe_range()}", param, ctx)
        return number


@dataclass(frozen=True, slots=True)
class Terminal:
    """Where a command writes, as its `--json` and `--color` say."""

    json: bool = False
    color: Literal["auto", "always", "never"] = "auto"

    def colored(self, *, err: bool = False) -> bool:
        """Whether standard output (or standard error) takes colour: `auto` asks NO_COLOR (no-color.org) and the tty."""
        if self.color != "auto":
            return self.color == "always"
        if os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
            return False
        return (sys.stderr if err else sys.stdout).isatty()

    def console(self) -> Console:
        """Where tables go: as wide as the terminal, or wide enough for them where nobody says how wide it is."""
        from rich.console import Console

        told = sys.stdout.isatty() or "COLUMNS" in os.environ
        return Console(no_color=not self.colored(), highlight=False, width=None if told else _WIDTH)

    def out(self, text: str, *, newline: bool = True) -> None:
        """Writes what was asked for to standard output."""
        assert not self.json, "with --json standard output holds the document alone"
        click.echo(text, nl=newline, color=self.colored())

    def say(self, text: str) -> None:
        """Writes a message to standard error."""
        click.echo(text, err=True, color=self.colored(err=True))

    def document(self, value: object) -> None:
        """Writes the one JSON document to standard output, UTF-8; NaN and infinity are refused, JSON has none."""
        encoded = json.dumps(value, ensure_ascii=False, allow_nan=False, indent=2).encode()
        click.echo(encoded + b"\n", nl=False)


def orch_command(name: str, **attributes: Any) -> Callable[[Callable[..., int | None]], click.Command]:
    """Makes a command of a function `(terminal, **parameters) -> exit code`; its docstring is the help.

    Adds `--json` and `--color`. Other attributes are click's. Put it above click's own option decorators.
    """

    def decorate(function: Callable[..., int | None]) -> click.Command:
        @functools.wraps(function)  # carries the docstring and the options that click left on the function
        def run(*, as_json: bool, color: Literal["auto", "always", "never"], **parameters: Any) -> int:
            return function(Terminal(as_json, color), **parameters) or WELL

        settings = {"help_option_names": ["-h", "--help"], "max_content_width": 100}
        made = click.command(name, cls=click.Command, context_settings=settings, **attributes)(run)
        made.params += [
            click.Option(
                ["--json", "as_json"], is_flag=True, help="One JSON document on standard output, nothing else."
            ),
            click.Option(
                ["--color"],
                type=click.Choice(["auto", "always", "never"]),
                default="auto",
                help="Colour; auto follows the terminal and NO_COLOR.",
            ),
        ]
        return made

    return decorate


def did_you_mean(word: str, candidates: Iterable[str]) -> str:
    """`; did you mean X?` for the candidate nearest to the word, or nothing when none is near."""
    from orchspec.grammar.spelling import nearest

    near = nearest(word, candidates)
    return f"; did you mean {near}?" if near else ""
