"""Where the passes put their diagnostics."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from itertools import islice
from typing import Any

from orchspec.compiler.guesses import Guesses, Reach
from orchspec.compiler.suggestions import SYNONYMS
from orchspec.grammar.diagnostics import Code, Diagnostic, Edit, Fix, Label
from orchspec.grammar.source import Source, Span
from orchspec.grammar.spelling import nearest
from orchspec.grammar.syntax import File, Node

__all__ = ["COMPARISONS_MAX", "Report", "bounded_suggestions", "did_you_mean", "listed", "merged", "replace", "word"]


COMPARISONS_MAX = 50_000
"""How many names are compared with misspelt ones in one spec: a file of nothing but unknown names would otherwise take
minutes."""

_comparisons_left: ContextVar[int] = ContextVar("comparisons_left", default=COMPARISONS_MAX)


@contextmanager
def bounded_suggestions() -> Iterator[None]:
    """Bounds the suggestions that are looked for inside."""
    token = _comparisons_left.set(COMPARISONS_MAX)
    try:
        yield
    finally:
        _comparisons_left.reset(token)


class Report:
    """Collects diagnostics.

    `guesses` are those of the files whose tree is not whole: what is missing from a tree that recovery patched may
    stand in the text, so `absent` stays silent about what may have been lost there.
    """

    def __init__(self) -> None:
        self.guesses: dict[Source, Guesses] = {}
        self.diagnostics: list[Diagnostic] = []

    def mind(self, files: Iterable[File]) -> None:
        """From now on these are the files of the spec."""
        self.guesses = {file.span.source: Guesses(file) for file in files if not file.whole}

    def is_whole(self, at: Node | Span) -> bool:
        """Whether the file in which this stands was read as it is written."""
        span = at if isinstance(at, Span) else at.span
        return span.source not in self.guesses

    def add(
        self,
        code: Code,
        at: Node | Span,
        *,
        labels: Iterable[Label] = (),
        notes: Iterable[str] = (),
        fix: Fix | None = None,
        **args: Any,
    ) -> None:
        """Reports what stands in the text and is wrong."""
        span = at if isinstance(at, Span) else at.span
        self.diagnostics.append(Diagnostic(code, span, args, tuple(labels), tuple(notes), fix))

    @contextmanager
    def held_back(self) -> Iterator[None]:
        """Forgets what is reported meanwhile: the same text is read once more."""
        with self.into([]):
            yield

    @contextmanager
    def into(self, told: list[Diagnostic]) -> Iterator[None]:
        """Reports to a list meanwhile: what is looked at on demand is told of where it stands, whoever asked for it."""
        before, self.diagnostics = self.diagnostics, told
        try:
            yield
        finally:
            self.diagnostics = before

    def absent(
        self,
        code: Code,
        at: Node | Span,
        *,
        labels: Iterable[Label] = (),
        notes: Iterable[str] = (),
        fix: Fix | None = None,
        reach: Reach = "declaration",
        **args: Any,
    ) -> None:
        """Reports what is missing from the text, unless recovery may have dropped it, within its `reach`."""
        span = at if isinstance(at, Span) else at.span
        guesses = self.guesses.get(span.source)
        local = args.get("kind") in _LOCAL_KINDS
        if guesses is None or not guesses.hide(span, reach, str(args.get("name", "")), local=local):
            self.add(code, at, labels=labels, notes=notes, fix=fix, **args)


_MERGED_LABELS_MAX = 8


def merged(diagnostics: Iterable[Diagnostic], codes: Collection[Code]) -> list[Diagnostic]:
    """The diagnostics, those of `codes` that say the same of several places of a file made one.

    One misspelt declaration, or one that is missing, is one mistake, however many places refer to it: the first place
    is reported, the others are labels, and the fix mends all.
    """
    groups: dict[tuple[str, str, str], list[Diagnostic]] = {}
    rest: list[Diagnostic] = []
    for item in diagnostics:
        if item.code in codes and item.args.get("kind") not in _LOCAL_KINDS:
            groups.setdefault((item.code.id, item.message, item.span.source.name), []).append(item)
        else:
            rest.append(item)
    return rest + [_one(sorted(group, key=lambda item: item.sort_key)) for group in groups.values()]


_LOCAL_KINDS = frozenset({"name", "statement", "statement of this block"})
"""Names of blocks: the same word in two places may well be two mistakes."""


def _one(group: list[Diagnostic]) -> Diagnostic:
    first, *others = group
    if not others:
        return first
    labels = [Label(item.span, "and here") for item in others[:_MERGED_LABELS_MAX]]
    more = len(others) - len(labels)
    notes = [*first.notes, *([f"and in {word(more, 'other place')}"] if more else [])]
    fixes = [item.fix for item in group]
    fix = None
    if first.fix is not None and all(other is not None and other.title == first.fix.title for other in fixes):
        edits = tuple(edit for item in fixes if item is not None for edit in item.edits)
        fix = Fix(first.fix.title, edits, first.fix.applicability)
    return Diagnostic(first.code, first.span, first.args, (*first.labels, *labels), tuple(notes), fix)


def replace(at: Node | Span, replacement: str, title: str | None = None) -> Fix:
    """The fix that puts `replacement` in the place of a node."""
    span = at if isinstance(at, Span) else at.span
    return Fix(title or f"write `{replacement}`", (Edit(span, replacement),))


def did_you_mean(text: str, at: Node | Span, candidates: Iterable[str]) -> Fix | None:
    """The fix that replaces a misspelt or a foreign word by the candidate that is meant, if one can be told."""
    left = _comparisons_left.get()
    compared = list(islice(candidates, left))
    _comparisons_left.set(left - len(compared))
    meant = (word for word in SYNONYMS.get(text.lower(), ()) if word in compared)
    found = next(meant, None) or nearest(text, compared)
    return None if found is None else replace(at, found, f"did you mean `{found}`?")


def listed(words: Iterable[str], most: int = 12) -> str:
    """The words, joined by commas, the rest counted when there are more than `most`."""
    items = list(words)
    shown = ", ".join(items[:most])
    return shown if len(items) <= most else f"{shown} and {len(items) - most} more"


def word(count: int, noun: str) -> str:
    """`1 step`, `2 steps`."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
