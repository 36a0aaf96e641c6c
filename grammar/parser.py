"""Text to syntax tree: `parse(source)` gives the tree and all syntax errors of a file.

Bounded for any input: at most `BYTES_MAX` bytes, brackets and prefix operators at most `NESTING_MAX` deep, trees at
most `DEPTH_MAX` nodes deep (so that later passes may use recursion), and a bounded number of errors.
"""

from __future__ import annotations

from dataclasses import replace

from orchspec.grammar import codes
from orchspec.grammar.automaton import Automaton
from orchspec.grammar.diagnostics import Diagnostic, sorted_diagnostics
from orchspec.grammar.lexer import Tokens, scan
from orchspec.grammar.source import Source, Span
from orchspec.grammar.syntax import File, deep
from orchspec.grammar.tables import load_tables
from orchspec.slotted import dataclass

__all__ = ["BYTES_MAX", "DEPTH_MAX", "NESTING_MAX", "ParseResult", "parse"]

BYTES_MAX = 1_000_000
NESTING_MAX = 64
DEPTH_MAX = 128

_OPENING = frozenset({"LBRACE", "LPAR", "LSQB"})
_CLOSING = frozenset({"RBRACE", "RPAR", "RSQB"})
_PREFIX = frozenset({"MINUS", "NOT"})
_CHAINED = frozenset({"MEMBER", "QUESTION", "COALESCE", "PLUS", "TIMES_SIGN", "SLASH", "OR", "AND", "LSQB", "LPAR"})
_IN_TYPES = frozenset({"NAME", "MEMBER", "COMMA", "QUESTION", "COALESCE"})
_BREAKS = frozenset({"COMMA", "EQUAL", "RBRACE"})


@dataclass(frozen=True, slots=True)
class ParseResult:
    """What came of a text.

    `file` is none only when the text is too large or too deep to be read; with syntax errors it is what recovery made
    of it, and not `sound`. `diagnostics` are sorted by their place.
    """

    file: File | None
    diagnostics: tuple[Diagnostic, ...]

    @property
    def ok(self) -> bool:
        """Whether there is no syntax error."""
        return not self.diagnostics


def parse(source: Source) -> ParseResult:
    """The syntax tree of a spec and its syntax errors; takes time linear in the length of a sound text."""
    bytes_found = len(source.text.encode("utf-8", "surrogatepass"))
    if bytes_found > BYTES_MAX:
        args = {"found": bytes_found, "limit": BYTES_MAX}
        return ParseResult(None, (Diagnostic(codes.TOO_LARGE, Span(source, 0, 0), args),))
    tokens = scan(source)
    too_deep = _too_deep(tokens)
    if too_deep is not None:
        return ParseResult(None, tuple(sorted_diagnostics([*tokens.diagnostics, too_deep])))
    tables = load_tables()
    automaton = Automaton(tables, tokens)
    file = automaton.run()
    diagnostics = [*tokens.diagnostics, *automaton.builder.diagnostics]
    if file is None:
        from orchspec.grammar.recovery import recover  # only where there is something to recover

        file, found = recover(tables, tokens)
        diagnostics = [*tokens.diagnostics, *found]
    elif diagnostics:
        file = replace(file, sound=False)
    deepest = deep(file, DEPTH_MAX) if _has_long_chain(tokens) else None
    if deepest is not None:
        place = Span(source, deepest.span.start, deepest.span.start)
        diagnostics.append(Diagnostic(codes.TOO_DEEP, place, {"limit": DEPTH_MAX}))
        return ParseResult(None, tuple(sorted_diagnostics(diagnostics)))
    return ParseResult(file, tuple(sorted_diagnostics(diagnostics)))


def _too_deep(tokens: Tokens) -> Diagnostic | None:
    """A diagnostic at the first bracket or prefix operator that is nested too deeply."""
    nested = prefixes = angles = 0
    for token in tokens.items:
        kind = token.kind
        if kind in _OPENING:
            nested += 1
        elif kind in _CLOSING:
            nested -= 1
        prefixes = prefixes + 1 if kind in _PREFIX else 0
        # `List<List<...`: a type holds nothing but names, signs and commas.
        if kind == "LESS":
            angles += 1
        elif kind == "MORE":
            angles = max(angles - 1, 0)
        elif kind not in _IN_TYPES:
            angles = 0
        if max(nested, prefixes, angles) > NESTING_MAX:
            place = Span(tokens.source, token.start, token.end)
            return Diagnostic(codes.TOO_DEEP, place, {"limit": NESTING_MAX})
    return None


def _has_long_chain(tokens: Tokens) -> bool:
    """Whether some expression could be deeper than the brackets around it by more than a few operators."""
    run = 0
    for token in tokens.items:
        if token.kind in _CHAINED:
            run += 1
            if run > NESTING_MAX // 2:
                return True
        elif token.kind in _BREAKS:
            run = 0
    return False
