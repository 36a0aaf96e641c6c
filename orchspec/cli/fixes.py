"""Applies the fixes that diagnostics suggest to the text they are about."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from orchspec.grammar.diagnostics import Applicability, Diagnostic
    from orchspec.grammar.source import Source

__all__ = ["GUESSED", "SAFE", "Mended", "apply_fixes", "mend", "unified_diff"]

SAFE: Final[frozenset[Applicability]] = frozenset({"machine-applicable"})
"""What `--fix` applies."""
GUESSED: Final[frozenset[Applicability]] = SAFE | {"maybe-incorrect"}
"""What `--fix --unsafe-fixes` applies: placeholders are for the author alone to fill."""

# A fix may uncover the next mistake; what is not settled by then goes round in circles.
_ROUNDS = 10
_TRIALS = 10
"""How many misspelt words of a round are tried one by one."""


@dataclass(frozen=True, slots=True)
class Mended:
    """What became of a file: its text before and after, how many fixes were applied, and what is left to report."""

    name: str
    before: str
    after: str
    applied: int
    diagnostics: Sequence[Diagnostic]

    @property
    def left(self) -> int:
        """How many fixes were left for their author to look at."""
        return sum(each.fix is not None and each.span.source.name == self.name for each in self.diagnostics)


def mend(
    name: str, text: str, check: Callable[[str, str], Sequence[Diagnostic]], wanted: Collection[Applicability]
) -> Mended:
    """Applies the wanted fixes of a text, and those that show up behind them, until nothing more changes.

    Where the safe ones are wanted, a misspelt word is mended too once the spec has shown that it was one: written as
    the fix says, it is an error less, and nothing new is said.
    """
    after, total = text, 0
    diagnostics = check(name, text)
    for _ in range(_ROUNDS):
        own = [diagnostic for diagnostic in diagnostics if diagnostic.span.source.name == name]
        fixed, applied = apply_fixes(own[0].span.source, own, wanted) if own else (after, 0)
        found: Sequence[Diagnostic] | None = None
        if not applied and own and wanted == SAFE:
            fixed, applied, found = _proven(own[0].span.source, own, diagnostics, check)
        if not applied or fixed == after:
            break
        after, total = fixed, total + applied
        diagnostics = check(name, after) if found is None else found
    return Mended(name, text, after, total, diagnostics)


def _proven(
    source: Source,
    own: Sequence[Diagnostic],
    before: Sequence[Diagnostic],
    check: Callable[[str, str], Sequence[Diagnostic]],
) -> tuple[str, int, Sequence[Diagnostic] | None]:
    """The text with the words mended that prove to have been misspelt: all at once, or else the first that does."""
    words = [each for each in own if each.severity == "error" and _is_word(each)]
    for chosen in (words, *([each] for each in words[:_TRIALS])):
        fixed, applied = apply_fixes(source, chosen, GUESSED)
        if applied:
            found = check(source.name, fixed)
            if _errors(before) - _errors(found) >= applied and not _kinds(found) - _kinds(before):
                return fixed, applied, found
    return source.text, 0, None


def _is_word(diagnostic: Diagnostic) -> bool:
    fix = diagnostic.fix
    return (
        fix is not None
        and fix.applicability == "maybe-incorrect"
        and all(edit.replacement.isidentifier() and edit.span.text.isidentifier() for edit in fix.edits)
    )


def _errors(diagnostics: Sequence[Diagnostic]) -> int:
    return sum(each.severity == "error" for each in diagnostics)


def _kinds(diagnostics: Sequence[Diagnostic]) -> set[str]:
    """The codes of the errors."""
    return {each.code.id for each in diagnostics if each.severity == "error"}


def apply_fixes(
    source: Source, diagnostics: Iterable[Diagnostic], wanted: Collection[Applicability] = SAFE
) -> tuple[str, int]:
    """The text of a source with its wanted fixes applied, and how many were.

    A fix is applied whole or not at all: not where it touches another file or meets an edit of a fix before it (the
    next round, on the new text, may then suggest it again).
    """
    taken: dict[tuple[int, int], str] = {}
    applied = 0
    for diagnostic in diagnostics:
        fix = diagnostic.fix
        if fix is None or fix.applicability not in wanted or not fix.edits:
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


def unified_diff(name: str, before: str, after: str, what: str) -> str:
    """The change of a file as `diff -u` shows it; `what` says what it is after the change ("formatted")."""
    import difflib  # only where there is a difference to be shown

    lines = difflib.unified_diff(
        before.splitlines(keepends=True), after.splitlines(keepends=True), f"{name} (as it is)", f"{name} ({what})"
    )
    return "".join(line if line.endswith("\n") else f"{line}\n\\ no newline at end of file\n" for line in lines)
