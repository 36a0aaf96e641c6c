"""Applies the fixes that diagnostics suggest to the text they are about."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from orchspec.grammar.diagnostics import Diagnostic
    from orchspec.grammar.source import Source

__all__ = ["apply_fixes"]


def apply_fixes(source: Source, diagnostics: Iterable[Diagnostic]) -> tuple[str, int]:
    """The text of a source with its safe fixes applied, and how many were.

    Safe are those that say `always`. A fix is applied whole or not at all: not where it touches another file or meets
    an edit of a fix before it (the next round, on the new text, may then suggest it again).
    """
    taken: dict[tuple[int, int], str] = {}
    applied = 0
    for diagnostic in diagnostics:
        fix = diagnostic.fix
        if fix is None or fix.applicability != "always" or not fix.edits:
            continue
        if any(edit.span.source.name != source.name for edit in fix.edits):
            continue
        places = {(edit.span.start, edit.span.end): edit.replacement for edit in fix.edits}
        if any(_meet(place, other) for place in places for other in taken):
            continue
        taken |= places
        applied += 1
    text = source.text
    for (start, end), replacement in sorted(taken.items(), reverse=True):
        text = text[:start] + replacement + text[end:]
    return text, applied


def _meet(left: tuple[int, int], right: tuple[int, int]) -> bool:
    """Whether two edits overlap or touch at one place, where their order would matter."""
    return left[0] <= right[1] and right[0] <= left[1]
