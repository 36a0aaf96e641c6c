"""Text to tokens: the terminals of `orch.lark`, in the order of lark's basic lexer, and the near misses beside them.

The scanner never fails. What no terminal matches is a near miss with a code of its own; it is reported and read as
what was meant (`'a'` as a string, `&&` as `and`, `5m` as a duration), so that one slip gives one diagnostic. Comments
and doc comments are kept beside the tokens.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from dataclasses import field

from orchspec.grammar import codes, near_misses
from orchspec.grammar.declarations import Comment
from orchspec.grammar.diagnostics import Diagnostic
from orchspec.grammar.source import Source, Span
from orchspec.grammar.tables import END, load_tables
from orchspec.slotted import dataclass

__all__ = ["DIAGNOSTICS_MAX", "Token", "Tokens", "scan"]

DIAGNOSTICS_MAX = 100
"""A file with more lexical mistakes is read no further: each may cost a look at the rest of the text."""


class Token:
    """A terminal of the grammar with the characters it stands for; `made` marks one that is not in the text."""

    __slots__ = ("end", "kind", "made", "start", "text")

    def __init__(self, kind: str, text: str, start: int, end: int, made: bool = False) -> None:
        self.kind = kind
        self.text = text
        self.start = start
        self.end = end
        self.made = made

    def __repr__(self) -> str:
        return f"Token({self.kind}, {self.text!r}, {self.start}, {self.end})"


@dataclass(slots=True)
class Tokens:
    """The tokens of a source, ending with one of kind `$END`, and what stood between them.

    `docs` maps the offset of a token to the doc comment above it.
    """

    source: Source
    items: list[Token] = field(default_factory=list)
    comments: list[Comment] = field(default_factory=list)
    docs: dict[int, str] = field(default_factory=dict)
    diagnostics: list[Diagnostic] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Scanner:
    """`match` skips what says nothing and matches one terminal, near miss or comment; `kinds` names its groups."""

    match: Callable[[str, int], re.Match[str] | None]
    kinds: tuple[str, ...]
    keywords: dict[str, str]


@functools.lru_cache(maxsize=1)
def _scanner() -> _Scanner:
    tables = load_tables()
    # Groups inside the terminals do not capture: the last group that matched then tells the terminal.
    patterns = {name: re.sub(r"(?<!\\)\((?!\?)", "(?:", pattern) for name, pattern in tables.patterns}
    spaces = "|".join(patterns.pop(name) for name in sorted(tables.ignored - {"COMMENT"}))
    ordered = [*near_misses.BEFORE, *patterns.items(), *near_misses.AFTER]
    expression = "|".join(f"({pattern})" for _, pattern in ordered)
    # Possessive: at the end of the text nothing is left to match, and a space is no terminal.
    compiled = re.compile(f"(?:{spaces})*+(?:{expression})")
    return _Scanner(compiled.match, ("", *(name for name, _ in ordered)), dict(tables.keywords))


def scan(source: Source) -> Tokens:
    """The tokens of a source; never fails, and takes time and memory linear in its length."""
    scanner = _scanner()
    match, kinds, keywords, readers = scanner.match, scanner.kinds, scanner.keywords, near_misses.READERS
    text = source.text
    tokens = Tokens(source)
    append = tokens.items.append
    doc_lines: list[str] = []
    position = 0
    while (found := match(text, position)) is not None:
        group = found.lastindex
        assert group is not None, "the last near miss matches any character"
        kind, word = kinds[group], found[group]
        start, position = found.span(group)
        if kind == "NAME":
            kind = keywords.get(word, kind)
        elif kind == "COMMENT":
            comment = Comment(word.rstrip(), Span(source, start, position))
            tokens.comments.append(comment)
            if comment.is_doc:
                doc_lines.append(comment.text[3:].removeprefix(" "))
            continue
        elif kind in readers:
            reading, diagnostic = readers[kind](Span(source, start, position))
            if diagnostic is not None:
                tokens.diagnostics.append(diagnostic)
                if len(tokens.diagnostics) >= DIAGNOSTICS_MAX:
                    tokens.diagnostics.append(Diagnostic(codes.TOO_MANY_ERRORS, Span(source, start, position)))
                    break
            if reading is None:
                continue
            kind, word, position = reading
            if not kind:
                continue
        if doc_lines:
            tokens.docs[start] = "\n".join(doc_lines)
            doc_lines.clear()
        append(Token(kind, word, start, position))
    end = position if found is not None else len(text)
    append(Token(END, "", end, end))
    tokens.diagnostics.extend(near_misses.hidden_characters(source))
    return tokens
