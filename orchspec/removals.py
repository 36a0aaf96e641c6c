"""What the compiler says of a spec from which one clause is taken away: another plan, or why it refuses that.

Clauses are taken from the text of the spec itself, one at a time, and what is left is compiled: nobody has to know what
a clause comes to. What imported files say stays.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from orchspec.simulator.chaos.withheld import Withheld

if TYPE_CHECKING:
    from orchspec.grammar.source import Span

__all__ = ["KINDS", "removals_of"]

KINDS = ("require", "owns", "check", "in_doubt", "slots", "rate")
"""What is taken away: clauses of declarations by the names of their attributes, and `require` of flows."""


def removals_of(
    text: str, name: str, *, settings: Mapping[str, str] | None = None, folder: Path | None = None
) -> list[Withheld]:
    """Take each clause away in turn. Arguments as of `compile_text`, for a text that compiles."""
    from orchspec.compiler.load import compile_text

    made = []
    for kind, owner, pair, span in _clauses(text, name):
        left = text[: span.start] + _blank(text[span.start : span.end]) + text[span.end :]
        compiled = compile_text(left, name, settings=settings, folder=folder)
        refused = None
        if compiled.plan is None:
            first = compiled.errors[0]
            refused = f"{first.code.id}: {first.message}"
        said = " ".join(text[span.start : span.end].split())
        made.append(Withheld(kind, owner, said, pair, compiled.plan, refused))
    return made


def _blank(text: str) -> str:
    """As long as before, so that everything else stays where it was."""
    return "".join("\n" if letter == "\n" else " " for letter in text)


def _clauses(text: str, name: str) -> Iterator[tuple[str, str, tuple[str, str] | None, Span]]:
    from orchspec.grammar.declarations import FlowDecl, MachineDecl
    from orchspec.grammar.expressions import Attribute
    from orchspec.grammar.parser import parse
    from orchspec.grammar.source import Source
    from orchspec.grammar.statements import Require

    file = parse(Source(name, text)).file
    for declared in file.declarations if file is not None else ():
        owner = getattr(getattr(declared, "name", None), "text", "")
        if isinstance(declared, (FlowDecl, MachineDecl)):
            for each in declared.body if isinstance(declared, FlowDecl) else ():
                if isinstance(each, Require):
                    yield "require", owner, (each.earlier.text, each.later.text), each.span
            continue
        for setting in getattr(declared, "settings", ()):
            if isinstance(setting, Attribute) and setting.name.text in KINDS:
                yield setting.name.text, owner, None, setting.span
