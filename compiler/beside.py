"""One root cause, one diagnostic: what is said of the surroundings of a syntax error is said of a guess.

Recovery reads on as if a token had been inserted, dropped or taken for another. Whatever the checks then find in the
same declaration, or say about it elsewhere (in a flow, a test or a scenario: in the same statement), is as likely to
come from the guess as from the text, so it waits until the syntax is mended. A word that is certainly misspelt, and a
literal that is nearly one, are no guesses.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from orchspec.compiler.guesses import BODIES, smallest_around
from orchspec.grammar import codes
from orchspec.grammar.diagnostics import Diagnostic
from orchspec.grammar.source import Span
from orchspec.grammar.syntax import Declaration, File, Ident, Node

__all__ = ["apart_from_syntax"]

_GUESSES = "E01"
"""The family of codes about structure; E00 is about characters and literals, which are read for what they must be."""


def apart_from_syntax(file: File, syntax_errors: Sequence[Diagnostic], told: Iterable[Diagnostic]) -> list[Diagnostic]:
    """Those of `told` that stand apart from every guess of the parser."""
    guesses = [
        error.span
        for error in syntax_errors
        if error.code.id.startswith(_GUESSES) and error.code is not codes.MISSPELT_KEYWORD
    ]
    if not guesses:
        return list(told)
    here = file.span.source
    spoilt = [_surroundings(file, guess) for guess in guesses]
    names = {name for guess in guesses if (name := _declared(file, guess))}
    return [
        item
        for item in told
        if not any(item.span.source is here and first <= item.span.line <= last for first, last in spoilt)
        and not names.intersection(_named(item))
    ]


def _named(item: Diagnostic) -> set[str]:
    """The names that a diagnostic speaks of: what its message quotes, and what it says of types."""
    quoted = re.findall(r"`([^`]*)`", item.message)
    types = [value for value in map(str, item.args.values()) if " " not in value]
    return {word for text in (*quoted, *types) for word in re.findall(r"\w+", text)}


def _declared(file: File, guess: Span) -> str:
    """The name of the declaration that a guess may have spoilt, if it is one that others build upon."""
    around = _around(file.declarations, guess)
    name = None if around is None or isinstance(around, BODIES) else getattr(around, "name", None)
    return name.text if isinstance(name, Ident) else ""


def _surroundings(file: File, guess: Span) -> tuple[int, int]:
    """The first and the last line of what a guess may have spoilt."""
    first, last = guess.line - 1, guess.line + 1
    around = _around(file.declarations, guess)
    if around is None:
        return first, last
    if isinstance(around, BODIES):
        inner = smallest_around(around, guess)
        if inner is None:
            return first, last
        around = inner
    return around.span.line, around.span.end_line


def _around(declarations: Sequence[Declaration], guess: Span) -> Node | None:
    return next((node for node in declarations if node.span.start <= guess.start <= node.span.end), None)
