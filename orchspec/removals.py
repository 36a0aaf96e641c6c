"""What the compiler says of a spec from which one clause is taken away: another plan, or why it refuses that.

Clauses are taken from the text of the spec and of all that it imports, one at a time, and what is left is compiled:
nobody has to know what a clause comes to. A file that is imported several times lacks its clause each time.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from orchspec.simulator.chaos.withheld import Withheld

if TYPE_CHECKING:
    from orchspec.compiler.model import Module
    from orchspec.grammar.source import Source, Span
    from orchspec.grammar.syntax import File

__all__ = ["KINDS", "removals_of"]

KINDS = ("require", "owns", "check", "in_doubt", "slots", "rate")
"""What is taken away: clauses of declarations by the names of their attributes, and `require` of flows."""


def removals_of(
    text: str, name: str, *, settings: Mapping[str, str] | None = None, folder: Path | None = None
) -> list[Withheld]:
    """Take each clause away in turn. Arguments as of `compile_text`, for a text that compiles."""
    from orchspec.compiler.load import compile_text

    made = []
    for modules in _files(text, name, settings, folder):
        file, identity = modules[0].file, modules[0].identity
        for kind, owner, pair, span in _clauses(file):
            owners = tuple(f"{module.prefix}{owner}" for module in modules if owner not in module.bindings)
            if not owners:  # something else is bound in its place, wherever it is imported
                continue
            left = _without(span)
            compiled = compile_text(
                text if identity is not None else left,
                name,
                settings=settings,
                folder=folder,
                instead={identity: left} if identity is not None else None,
            )
            refused = None
            if compiled.plan is None:
                first = compiled.errors[0]
                refused = f"{first.code.id}: {first.message}"
            said = " ".join(span.source.text[span.start : span.end].split())
            made.append(Withheld(kind, owners, said, pair, compiled.plan, refused, _where(span)))
    return made


def _files(text: str, name: str, settings: Mapping[str, str] | None, folder: Path | None) -> list[list[Module]]:
    """The modules of a spec, together where they are of one file: its own is the first."""
    from orchspec.compiler.check import check
    from orchspec.grammar.source import Source

    checked = check(Source(name, text), settings, folder).checked
    found: dict[str | None, list[Module]] = {}
    for module in checked.modules if checked is not None else ():
        found.setdefault(module.identity, []).append(module)
    return list(found.values())


def _without(span: Span) -> str:
    """The text of a file without a clause, as long as before, so that everything else stays where it was."""
    source: Source = span.source
    blank = "".join("\n" if letter == "\n" else " " for letter in source.text[span.start : span.end])
    return source.text[: span.start] + blank + source.text[span.end :]


def _where(span: Span) -> str:
    """Where a clause stands, with its line: `std/saga.orch:12  slots = 4`."""
    return f"{span.source.name}:{span.line}  {' '.join(span.source.line_text(span.line).split())}"


def _clauses(file: File) -> Iterator[tuple[str, str, tuple[str, str] | None, Span]]:
    from orchspec.grammar.declarations import FlowDecl, MachineDecl
    from orchspec.grammar.expressions import Attribute
    from orchspec.grammar.statements import Require

    for declared in file.declarations:
        owner = getattr(getattr(declared, "name", None), "text", "")
        if isinstance(declared, (FlowDecl, MachineDecl)):
            for each in declared.body if isinstance(declared, FlowDecl) else ():
                if isinstance(each, Require):
                    yield "require", owner, (each.earlier.text, each.later.text), each.span
            continue
        for setting in getattr(declared, "settings", ()):
            if isinstance(setting, Attribute) and setting.name.text in KINDS:
                yield setting.name.text, owner, None, setting.span
