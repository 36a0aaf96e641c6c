"""What is called: the commands and the Python package."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any, Final

from generating.writing import fenced, page, table

__all__ = ["commands", "python"]

WIDTH: Final = 100


def commands() -> Iterator[tuple[str, str]]:
    """Every command with its help."""
    import click

    from orchspec.cli import COMMANDS, main

    rows = [(f"[`orch {name}`](#orch-{name})", said) for name, said in COMMANDS.items()]
    parts = [table(("command", "does"), rows), _COMMANDS]
    for name in COMMANDS:
        command = main.get_command(click.Context(main, info_name="orch"), name)
        assert command is not None
        settings = {**command.context_settings, "terminal_width": WIDTH, "max_content_width": WIDTH}
        context = click.Context(command, info_name=f"orch {name}", **settings)
        parts.append(f"## orch {name}\n\n" + fenced(command.get_help(context)))
    yield "reference/commands.md", page("Commands", "the commands of `orchspec/cli`", *parts)


_COMMANDS = """
What was asked for goes to standard output, every message to standard error. With `--json`, standard output holds one
JSON document, for errors too: `{"error": {"code", "message"}}`. `--color auto` follows the terminal and `NO_COLOR`.

| exit code | means |
| --- | --- |
| 0 | done, and all is well |
| 1 | what was asked about is not well: errors in the spec, a failed run or test, a broken expectation |
| 2 | misuse: a wrong option, a missing file |
| 3 | liveness broken: a run that chaos disturbed does not come to its end |
| 4 | undecided: the intervals leave an expectation open |
| 5 | a run is parked: it waits for a person |
"""


def python() -> Iterator[tuple[str, str]]:
    """What the package offers, with its docstrings."""
    import orchspec

    parts = [_PYTHON]
    for name in sorted(set(orchspec.__all__) - {"__version__"}, key=str.lower):
        thing = getattr(orchspec, name)
        if inspect.ismodule(thing):
            parts.append(f"## {name}\n\n{fenced(inspect.getdoc(thing) or '')}")
            own = [(each, getattr(thing, each)) for each in thing.__all__]
            parts += [
                f"### {name}.{each}\n\n{_signed(each, value)}" for each, value in own if inspect.isfunction(value)
            ]
            continue
        parts.append(f"## {name}\n\n{_signed(name, thing)}")
        if inspect.isclass(thing) and not issubclass(thing, BaseException):
            methods = {key: value for key, value in vars(thing).items() if not key.startswith("_")}
            parts += [
                f"### {name}.{key}\n\n{_signed(key, value)}"
                for key, value in methods.items()
                if inspect.isfunction(value)
            ]
    yield "reference/python.md", page("Python", "the docstrings of `orchspec`", *parts)


_PYTHON = """
Everything here is imported from `orchspec`, and loaded when it is first asked for. Errors of the world are `OrchError`,
with a stable `code` for programs and a `message` for people.
"""


class _Bare:
    """An annotation as it was written, without the quotes of a text."""

    def __init__(self, text: object) -> None:
        self.text = text

    def __repr__(self) -> str:
        return str(self.text)


def _bare(signature: inspect.Signature) -> inspect.Signature:
    """A signature with its annotations as they were written, those of `self` and of no result left out."""
    kept = [each for each in signature.parameters.values() if each.name != "self"]
    kept = [
        each.replace(annotation=_Bare(each.annotation)) if isinstance(each.annotation, str) else each for each in kept
    ]
    result = signature.return_annotation
    result = (
        inspect.Signature.empty if result in ("None", None) else _Bare(result) if isinstance(result, str) else result
    )
    return signature.replace(parameters=kept, return_annotation=result)


def _signed(name: str, thing: Any) -> str:
    code = f"code: {thing.code}" if inspect.isclass(thing) and issubclass(thing, BaseException) else ""
    mark = "async " if inspect.iscoroutinefunction(thing) else ""
    head = code or f"{mark}{name}{_bare(inspect.signature(thing))}"
    return fenced(f"{head}\n\n{inspect.getdoc(thing) or ''}")
