"""What other languages would write here: found before recovery, so that one such idiom gives one diagnostic.

Recovery knows the grammar alone, and reads `if x {` as an attribute `if` that lacks its `=`. An idiom knows what was
meant. It is a function under `@idiom(...)`, called at each token of its kinds (or words) with a view of the tokens; it
gives the tokens that are read instead and the diagnostic, or none. Idioms are only looked for in texts that do not
parse, and count only if what is left to be said is no more than without them; a test holds that none of them strikes
in a sound text.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import field, replace
from typing import TypeAlias

from orchspec.grammar.diagnostics import Code, Diagnostic, Edit, Fix, Label
from orchspec.grammar.lexer import Token, Tokens
from orchspec.grammar.source import Source, Span
from orchspec.grammar.tables import END
from orchspec.slotted import dataclass

__all__ = ["IDIOMS_MAX", "Idiom", "Rewriting", "View", "idiom", "respelt"]

IDIOMS_MAX = 50
"""After so many idioms the rest of a file is read as it stands."""

_LINE_TOKENS_MAX = 200
_PAIRS = {"LBRACE": "RBRACE", "LPAR": "RPAR", "LSQB": "RSQB"}


@dataclass(frozen=True, slots=True)
class Rewriting:
    """The tokens up to `end` make way for `tokens`; `closed_by` are the indices before which a `}` is read."""

    end: int
    tokens: tuple[Token, ...]
    diagnostic: Diagnostic | None
    closed_by: int | None = None


class View:
    """The tokens of a text, with the lines they stand on and the brackets that belong together."""

    def __init__(self, tokens: Tokens) -> None:
        self.source: Source = tokens.source
        self.items: Sequence[Token] = tokens.items
        self.lines = [self.source.position(token.start) for token in self.items]
        self.closing: dict[int, int] = {}
        self.depths: list[int] = []
        self._heads: list[int] = []
        self.chained: set[int] = set()  # the `}` of foreign blocks, behind which an `else` belongs to them
        opened: list[int] = []
        for index, token in enumerate(self.items):
            if token.kind in _PAIRS.values() and opened and _PAIRS[self.items[opened[-1]].kind] == token.kind:
                self.closing[opened.pop()] = index
            self.depths.append(len(opened))
            self._heads.append(index if self.starts_line(index) else self._heads[-1])
            if token.kind in _PAIRS:
                opened.append(index)

    def kind(self, index: int) -> str:
        """The kind of a token; behind the last and before the first that of the end."""
        return self.items[index].kind if 0 <= index < len(self.items) else END

    def starts_line(self, index: int) -> bool:
        """Whether a token is the first on its line."""
        return index == 0 or self.lines[index][0] > self.lines[index - 1][0]

    def line_head(self, index: int) -> int:
        """The first token on the line of a token."""
        return self._heads[index]

    def begins(self, index: int) -> bool:
        """Whether a statement or declaration may begin with a token: on a new line, or behind a brace."""
        return self.starts_line(index) or self.kind(index - 1) in ("LBRACE", "RBRACE")

    def rest(self, index: int) -> int:
        """The index behind what is written on the line of a token: brackets are gone over, unmatched ones end it.

        Of a very long line only the next tokens are looked at.
        """
        line = self.lines[index][0]
        for _ in range(_LINE_TOKENS_MAX):
            if index >= len(self.items) - 1 or self.lines[index][0] != line:
                break
            if self.kind(index) in _PAIRS.values():
                break
            if index in self.closing:
                index = self.closing[index]
                line = self.lines[index][0]
            index += 1
        return index

    def find(self, kinds: Collection[str], start: int, end: int) -> int | None:
        """The first token of such a kind from `start` up to `end` that stands in no bracket, or none."""
        index = start
        while index < end:
            if self.kind(index) in kinds:
                return index
            index = self.closing.get(index, index) + 1
        return None

    def span(self, start: int, end: int) -> Span:
        """The span of the tokens from `start` up to `end`."""
        return Span(self.source, self.items[start].start, self.items[max(start, end - 1)].end)

    def made(self, kind: str, text: str, index: int) -> Token:
        """A token that is not in the text, before the one at `index`."""
        place = self.items[index].start
        return Token(kind, text, place, place, made=True)

    def read(self, index: int, kind: str, text: str | None = None) -> Token:
        """A token read as another kind."""
        token = self.items[index]
        return Token(kind, token.text if text is None else text, token.start, token.end)

    def report(
        self,
        code: Code,
        span: Span,
        *,
        notes: Collection[str] = (),
        fix: Fix | None = None,
        labels: Collection[Label] = (),
        **args: str,
    ) -> Diagnostic:
        """A diagnostic of an idiom."""
        return Diagnostic(code, span, args, tuple(labels), tuple(notes), fix)

    def edit(self, start: int, end: int, text: str) -> Edit:
        """Replaces the tokens from `start` up to `end`; inserts before the one at `start` when there are none."""
        if start == end:
            place = self.items[start].start
            return Edit(Span(self.source, place, place), text)
        return Edit(self.span(start, end), text)


Idiom: TypeAlias = Callable[[View, int], Rewriting | None]


@dataclass(slots=True)
class _Registry:
    by_kind: dict[str, list[Idiom]] = field(default_factory=dict)
    by_word: dict[str, list[Idiom]] = field(default_factory=dict)


_registry = _Registry()


def idiom(*kinds: str, words: Collection[str] = ()) -> Callable[[Idiom], Idiom]:
    """Registers an idiom under the kinds of tokens, or the words that are no keywords, which it begins with."""

    def register(function: Idiom) -> Idiom:
        for kind in kinds:
            _registry.by_kind.setdefault(kind, []).append(function)
        for word in words:
            _registry.by_word.setdefault(word, []).append(function)
        return function

    return register


def respelt(tokens: Tokens) -> tuple[Tokens, list[Diagnostic]]:
    """The tokens with each idiom of another language read as what was meant, and the diagnostics of those found."""
    from orchspec.grammar import idiom_declarations, idiom_expressions, idiom_statements

    assert idiom_declarations and idiom_expressions and idiom_statements, "importing them registers their idioms"
    view = View(tokens)
    items: list[Token] = []
    found: list[Diagnostic] = []
    closings: dict[int, int] = {}
    index = 0
    while index < len(tokens.items):
        token = tokens.items[index]
        items += [view.made("RBRACE", "}", index)] * closings.pop(index, 0)
        rewriting = _rewriting(view, index, token) if len(found) < IDIOMS_MAX else None
        if rewriting is None:
            items.append(token)
            index += 1
            continue
        items += rewriting.tokens
        if rewriting.diagnostic is not None:
            found.append(rewriting.diagnostic)
        if rewriting.closed_by is not None:
            closings[rewriting.closed_by] = closings.get(rewriting.closed_by, 0) + 1
        index = rewriting.end
    return replace(tokens, items=items), found


def _rewriting(view: View, index: int, token: Token) -> Rewriting | None:
    candidates = _registry.by_kind.get(token.kind, ())
    if token.kind in ("NAME", "LABEL"):
        candidates = [*_registry.by_word.get(token.text, ()), *candidates]
    for candidate in candidates:
        rewriting = candidate(view, index)
        if rewriting is not None:
            assert rewriting.end > index or rewriting.tokens, "a rewriting goes on"
            return rewriting
    return None
