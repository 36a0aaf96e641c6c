"""From a file that a command was given to its plan, or to the report of why there is none."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click

from orchspec.cli.common import Misuse, Terminal
from orchspec.cli.files import STDIN, read_text, shown_name

if TYPE_CHECKING:
    from orchspec.compiler.asked import Asked
    from orchspec.compiler.load import Compiled
    from orchspec.compiler.plan import Plan
    from orchspec.grammar.diagnostics import Diagnostic

__all__ = ["compile_spec", "compiler_of", "concerned", "counted", "refuse", "set_option", "settings_of"]

set_option = click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="K=V",
    help="Another value for a param or attribute.",
)
"""`--set k=v`, as often as wanted; `settings_of` reads it."""


def settings_of(settings: Iterable[str], option: str = "--set") -> dict[str, str]:
    """The values of `--set`, by param, as they were written.

    Raises:
        Misuse: one of them is not `name=value`, or a param is set twice.
    """
    found: dict[str, str] = {}
    for setting in settings:
        name, sign, value = setting.partition("=")
        if not sign or not name.strip():
            raise Misuse(f"{option} takes name=value, found {setting!r}; write for example {option} width=8")
        if name.strip() in found:
            raise Misuse(f"{option} gives {name.strip()} twice; leave one out")
        found[name.strip()] = value.strip()
    return found


def compile_spec(path: str, settings: Mapping[str, str] | None = None) -> Compiled:
    """Compiles a spec file; `-` is standard input, which lies in no folder.

    Raises:
        Misuse: the file can't be read as text.
    """
    from orchspec.compiler import compile_text

    text = read_text(path)
    folder = None if path == STDIN else Path(path).parent
    return compile_text(text, shown_name(path), settings=settings, folder=folder)


def _is_of_settings(error: Diagnostic) -> bool:
    return error.code.slug == "bad-setting" or error.span.source.name.startswith("--set ")


def compiler_of(path: str, text: str) -> Callable[..., Compiled]:
    """What compiles a spec again and again: `(settings, asked) -> Compiled`; `path` says where its text came from."""
    from orchspec.compiler import compile_text

    folder = None if path == STDIN else Path(path).parent

    def compile_(settings: Mapping[str, str] | None = None, asked: Asked | None = None) -> Compiled:
        return compile_text(text, shown_name(path), settings=settings, folder=folder, asked=asked)

    return compile_


def concerned(plan: Plan) -> list[str]:
    """The flows that a spec declares itself, and those of imported files that they call; all where it declares none."""
    from orchspec.runtime.needs import flows_of

    own = [each for each in plan.flows if "." not in each]
    called = {flow for each in own for flow in flows_of(plan, each)}
    return [each for each in plan.flows if not own or each in called]


def refuse(terminal: Terminal, path: str, compiled: Compiled, given_by: Mapping[str, str] | None = None) -> None:
    """Reports a spec that has errors: as `orch check` renders them, or, with `--json`, as the one document.

    `given_by` says which option gave a setting that `--set` did not give.

    Raises:
        Misuse: nothing but what `--set` says, or what is varied, keeps the spec from a plan.
    """
    if compiled.errors and all(_is_of_settings(error) for error in compiled.errors):
        first = compiled.errors[0]
        said = "; ".join([first.message, *first.notes])
        for name, option in (given_by or {}).items():
            if said.startswith(f"--set {name}:"):
                said = said.replace("--set", option, 1)
                raise Misuse(said)
        raise Misuse(said if said.startswith("--set") else f"{first.span.source.name}: {said}")
    message = f"{shown_name(path)} has {counted(len(compiled.errors), 'error')}, so there is no plan"
    if terminal.json:
        diagnostics = [diagnostic.as_json() for diagnostic in compiled.diagnostics]
        terminal.document({"error": {"code": "spec_errors", "message": message, "diagnostics": diagnostics}})
        return
    from orchspec.grammar.render import render_all

    terminal.say(render_all(compiled.diagnostics, colour=terminal.colored(err=True)).rstrip("\n"))
    terminal.say(message)


def counted(count: int, noun: str) -> str:
    """`1 error`, `2 errors`."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"
