"""Where the parser guessed, and what may stand there that its tree lacks.

Something is missing from a tree for one of two reasons: the text lacks it, or recovery lost it. Only the first is a
mistake. Where recovery guessed within what it read (an operator put in, a word of another language read as what was
meant), what it may have lost stands around the guess: a part of that statement or declaration, or a name given there.
Where it skipped text or guessed a brace, it may be anything in the file.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cached_property
from typing import Final, Literal, TypeAlias

from orchspec.grammar.source import Span
from orchspec.grammar.syntax import (
    Attribute,
    Declaration,
    File,
    FlowDecl,
    Ident,
    MachineDecl,
    Node,
    ScenarioDecl,
    Statement,
    Step,
    TestDecl,
    walk,
)

__all__ = ["BODIES", "Guesses", "Reach", "smallest_around"]

BODIES: Final = (FlowDecl, MachineDecl, TestDecl, ScenarioDecl)
"""Declarations that consist of statements: a guess in one statement leaves the others as they are."""

Reach: TypeAlias = Literal["statement", "name", "declaration", "file"]
"""How far what is missing may be away: a part of this statement, a name given somewhere, a part of this declaration,
or anything in the file.
"""

_WORD = re.compile(r"[A-Za-z_]\w*")


class Guesses:
    """The guesses of the parser in one file."""

    def __init__(self, file: File) -> None:
        self._file = file

    def hide(self, at: Span, reach: Reach, name: str, *, local: bool = False) -> bool:
        """Whether what is missing at `at` (for names: what is called `name`) may have been lost by a guess.

        `local`: the name is one of a block.
        """
        if self._file.patches is None or reach == "file":
            return True
        if reach == "name":
            lost = not self._words.isdisjoint(_WORD.findall(name))
            return lost or (local and any(start <= at.start <= end for start, end in self._nameless))
        regions = self._near if reach == "statement" else self._declarations
        return any(start <= at.end and at.start <= end for start, end in regions)

    @cached_property
    def _declarations(self) -> list[tuple[int, int]]:
        return [self._widened(patch, self._around(patch)) for patch in self._file.patches or ()]

    @cached_property
    def _near(self) -> list[tuple[int, int]]:
        return [self._widened(patch, self._smallest(patch)) for patch in self._file.patches or ()]

    @cached_property
    def _words(self) -> frozenset[str]:
        text = self._file.span.source.text
        return frozenset(word for start, end in self._near for word in _WORD.findall(text, start, end))

    @cached_property
    def _nameless(self) -> list[tuple[int, int]]:
        """The declarations with a statement that lacks its name, which may be any that is read further on."""
        return [
            (declared.span.start, declared.span.end)
            for declared in self._file.declarations
            if isinstance(declared, BODIES) and any(_lacks_name(node) for node in walk(declared))
        ]

    def _around(self, patch: Span) -> Node | None:
        return next((node for node in self._file.declarations if node.span.start <= patch.start <= node.span.end), None)

    def _smallest(self, patch: Span) -> Node | None:
        around = self._around(patch)
        if around is None or not isinstance(around, BODIES):
            return around
        return smallest_around(around, patch)

    @staticmethod
    def _widened(patch: Span, node: Node | None) -> tuple[int, int]:
        if node is None:
            return patch.start, patch.end
        return min(patch.start, node.span.start), max(patch.end, node.span.end)


def _lacks_name(node: Node) -> bool:
    """Whether a name was put in; what an arm does has none anyway."""
    name = getattr(node, "name", None)
    return isinstance(node, Statement) and not isinstance(node, Step) and isinstance(name, Ident) and not name.text


def smallest_around(body: Declaration, at: Span) -> Node | None:
    """The smallest statement or attribute of a declaration around a place, if it stands in one."""
    inner: Sequence[Node] = [
        node
        for node in walk(body)
        if isinstance(node, Statement | Attribute) and node.span.start <= at.start <= node.span.end
    ]
    return min(inner, key=lambda node: node.span.end - node.span.start) if inner else None
