"""Where the passes put their diagnostics."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from itertools import islice
from typing import Any

from orchspec.grammar.diagnostics import Code, Diagnostic, Edit, Fix, Label
from orchspec.grammar.source import Span
from orchspec.grammar.spelling import nearest
from orchspec.grammar.syntax import Node

__all__ = ["COMPARISONS_MAX", "Report", "bounded_suggestions", "did_you_mean", "listed", "replace", "word"]


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

    `sound` is that of the file: what is missing from a tree that recovery patched may stand in the text, so `absent`
    stays silent about such a tree.
    """

    def __init__(self, *, sound: bool) -> None:
        self.sound = sound
        self.diagnostics: list[Diagnostic] = []

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

    def absent(
        self,
        code: Code,
        at: Node | Span,
        *,
        labels: Iterable[Label] = (),
        notes: Iterable[str] = (),
        fix: Fix | None = None,
        **args: Any,
    ) -> None:
        """Reports what is missing from the text, unless recovery may have dropped it."""
        if self.sound:
            self.add(code, at, labels=labels, notes=notes, fix=fix, **args)


def replace(at: Node | Span, replacement: str, title: str | None = None) -> Fix:
    """The fix that puts `replacement` in the place of a node."""
    span = at if isinstance(at, Span) else at.span
    return Fix(title or f"write `{replacement}`", (Edit(span, replacement),))


def did_you_mean(text: str, at: Node | Span, candidates: Iterable[str]) -> Fix | None:
    """The fix that replaces a misspelt word by the nearest candidate, if one is near."""
    left = _comparisons_left.get()
    compared = list(islice(candidates, left))
    _comparisons_left.set(left - len(compared))
    found = nearest(text, compared)
    return None if found is None else replace(at, found, f"did you mean `{found}`?")


def listed(words: Iterable[str], most: int = 12) -> str:
    """The words, joined by commas, the rest counted when there are more than `most`."""
    items = list(words)
    shown = ", ".join(items[:most])
    return shown if len(items) <= most else f"{shown} and {len(items) - most} more"


def word(count: int, noun: str) -> str:
    """`1 step`, `2 steps`."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
