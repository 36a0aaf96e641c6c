"""Small repairs of a token that does not fit: which are tried, how they are weighed, how they are told.

Adding a kind of repair is one more line in `_candidates`, and a case in `diagnostic` if it has a code of its own.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from orchspec.grammar import codes
from orchspec.grammar.automaton import feed
from orchspec.grammar.diagnostics import Code, Diagnostic, Edit, Fix
from orchspec.grammar.expectations import called, found_text
from orchspec.grammar.lexer import Token
from orchspec.grammar.literals import UNITS_US
from orchspec.grammar.source import Source, Span
from orchspec.grammar.spelling import nearest
from orchspec.grammar.tables import END, Tables

__all__ = ["LOOK_AHEAD", "LOOK_BACK", "Repair", "Snapshot", "best", "diagnostic"]

LOOK_AHEAD = 40
"""How many tokens behind the error a repair is tried on."""

LOOK_BACK = 24
"""How many tokens before the error a statement may begin whose keyword is missing."""

_NEAR = 2  # how many tokens before the error other repairs are tried
_READ_ON_MIN = 2  # a repair that reads no further than this is luck

_OPENERS = {"{": "LBRACE", "(": "LPAR", "[": "LSQB"}
_SIGNS = frozenset({
    "LBRACE", "RBRACE", "LPAR", "RPAR", "LSQB", "RSQB", "COMMA", "COLON", "EQUAL", "ARROW", "AT_MOST", "LESS", "MORE",
    "TO", "VBAR", "EQUALS",
})  # fmt: skip
_HEADS = ("STEP", "ARBITRATE", "LET", "EVAL", "SUPERVISE", "PEERS", "CONTRACT", "EFFECT", "AGENT", "FLOW")


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The automaton before it read the token at `position`; `diagnostics` is how many the builder had made."""

    position: int
    states: list[int]
    end: int
    diagnostics: int


@dataclass(frozen=True, slots=True)
class Repair:
    """At `position`, `deleted` tokens make way for `inserted`; `reach` is how far that reads, `cost` how unlikely."""

    position: int
    deleted: int
    inserted: tuple[Token, ...]
    code: Code
    cost: float
    reach: int = 0


def best(tables: Tables, items: Sequence[Token], snapshots: Sequence[Snapshot]) -> Repair | None:
    """The repair of the error at the last snapshot that reads farthest for its cost, or none that is worth it."""
    error = snapshots[-1].position
    end = min(error + LOOK_AHEAD, len(items))
    # The fewest tokens that must be read behind the error; where the file ends before, its end.
    needed = min(error + _READ_ON_MIN, len(items))
    chosen: tuple[float, Repair] | None = None
    for snapshot in reversed(snapshots):
        for repair in _candidates(tables, items, snapshot, error):
            kinds = [token.kind for token in repair.inserted]
            resume = repair.position + repair.deleted
            kinds += [token.kind for token in items[resume:end]]
            reach = resume + feed(tables, list(snapshot.states), kinds) - len(repair.inserted)
            if reach < needed:
                continue
            score = reach - repair.cost
            if chosen is None or score > chosen[0]:
                chosen = score, Repair(*(repair.position, repair.deleted, repair.inserted), repair.code, repair.cost, reach)
    return None if chosen is None else chosen[1]


def _made(kind: str, text: str, offset: int) -> Token:
    return Token(kind, text, offset, offset, made=True)


def _as(token: Token, kind: str, text: str | None = None) -> Token:
    return Token(kind, token.text if text is None else text, token.start, token.end)


def _candidates(tables: Tables, items: Sequence[Token], snapshot: Snapshot, error: int) -> Iterator[Repair]:
    position = snapshot.position
    distance = error - position
    row = tables.actions[snapshot.states[-1]]
    token = items[position]
    following = items[position + 1] if position + 1 < len(items) else token
    if distance > _NEAR:
        if token.kind in ("NAME", "MEMBER"):
            for kind in _HEADS:
                if kind in row:
                    head = _made(kind, tables.spellings[kind], token.start)
                    yield Repair(position, 0, (head,), codes.MISSING_TOKEN, 4 + distance / 4)
        return
    yield from _substitutions(tables, row, position, token, following, distance)
    for kind in row:
        if kind not in tables.spellings and kind not in ("NAME", "LABEL"):
            continue
        if kind in ("LABEL", "MEMBER") or not kind.isupper():
            continue
        made = _made(kind, tables.spellings.get(kind, ""), snapshot.end)
        weight = _weight(kind, token)
        yield Repair(position, 0, (made,), codes.MISSING_TOKEN, weight + 1.5 * distance)
        if token.kind != END and token.kind != kind:
            yield Repair(position, 1, (_replacing(made, token),), codes.WRONG_TOKEN, weight + 1 + 1.5 * distance)
    if "LABEL" in row:
        yield Repair(position, 0, (_made("LABEL", "", snapshot.end),), codes.MISSING_TOKEN, 3 + 1.5 * distance)
    if token.kind != END:
        yield Repair(position, 1, (), codes.UNEXPECTED_TOKEN, 3 + 1.5 * distance)


def _weight(kind: str, token: Token) -> float:
    if kind in _SIGNS:
        # A missing separator is more common than a missing bracket, and that than a missing comparison.
        return 1.5 if kind in ("COMMA", "COLON", "EQUAL", "RPAR", "RBRACE", "RSQB") else 2
    if kind == "NAME":
        return 2.5
    return 3 if kind in _HEADS or token.kind == "NAME" else 3.5


def _replacing(made: Token, token: Token) -> Token:
    """The made-up token in the place of one that is there, so that spans still cover it."""
    return Token(made.kind, made.text, token.start, token.end, made=True)


def _substitutions(
    tables: Tables, row: Any, position: int, token: Token, following: Token, distance: int
) -> Iterator[Repair]:
    """Repairs that keep what a token says and only read it as another kind."""
    far = 1.5 * distance
    word = token.kind == "NAME" or token.text in tables.keywords
    if word and token.kind != "LABEL":
        keywords = [text for text, kind in tables.keywords.items() if kind in row]
        meant = nearest(token.text, keywords)
        if meant is not None:
            read = _as(token, tables.keywords[meant], meant)
            yield Repair(position, 1, (read,), codes.MISSPELT_KEYWORD, 1 + far)
        if token.kind != "NAME" and "NAME" in row:
            yield Repair(position, 1, (_as(token, "NAME"),), codes.RESERVED_WORD, 1 + far)
        if "LABEL" in row:
            if following.kind == "EQUAL":
                read = (_as(token, "LABEL"), _as(following, "COLON", ":"))
                yield Repair(position, 2, read, codes.WRONG_TOKEN, 0.5 + far)
            else:
                read = (_as(token, "LABEL"), _made("COLON", ":", token.end))
                yield Repair(position, 1, read, codes.MISSING_TOKEN, 1.5 + far)
    if token.kind == "LABEL" and following.kind == "COLON":
        kind = tables.keywords.get(token.text, "NAME")
        yield Repair(position, 2, (_as(token, kind), _as(following, "EQUAL", "=")), codes.WRONG_TOKEN, 1 + far)
        yield Repair(position, 2, (_as(token, kind),), codes.UNEXPECTED_TOKEN, 3 + far)
    if token.kind in ("EQUAL", "EQUALS"):
        kind, text = ("EQUALS", "==") if token.kind == "EQUAL" else ("EQUAL", "=")
        yield Repair(position, 1, (_as(token, kind, text),), codes.WRONG_EQUALS, 1 + far)
    if token.kind in ("INT", "FLOAT") and following.kind == "NAME" and following.text in UNITS_US:
        read = (Token("DURATION", token.text.rstrip("kM") + following.text, token.start, following.end),)
        yield Repair(position, 2, read, codes.BAD_DURATION, 0.5 + far / 2)


def diagnostic(tables: Tables, source: Source, items: Sequence[Token], repair: Repair) -> Diagnostic:
    """What is wrong at the place of a repair, and the repair as a fix where it says what to write."""
    before = items[repair.position - 1] if repair.position else None
    token = items[repair.position]
    removed = items[repair.position : repair.position + repair.deleted]
    span = Span(source, removed[0].start, removed[-1].end) if removed else Span(source, token.start, token.end)
    code = repair.code
    if code is codes.MISSING_TOKEN:
        return _missing(tables, source, before, token, repair)
    if code is codes.UNEXPECTED_TOKEN:
        extra = removed[-1]
        place = Span(source, extra.start, extra.end)
        return Diagnostic(code, place, {"found": found_text(extra)}, fix=Fix("delete it", (Edit(place, ""),)))
    if code is codes.BAD_DURATION:
        written = repair.inserted[0].text
        fix = Fix(f"write `{written}`", (Edit(span, written),), "always")
        return Diagnostic(code, span, {"found": span.text}, fix=fix)
    wrong, meant = removed[-1], repair.inserted[-1]
    place = Span(source, wrong.start, wrong.end)
    edit = Fix(f"write `{meant.text}`", (Edit(place, meant.text),)) if meant.text else None
    if code is codes.WRONG_TOKEN:
        args = {"expected": called(tables, meant.kind), "found": found_text(wrong)}
        return Diagnostic(code, place, args, fix=edit)
    if code is codes.RESERVED_WORD:
        return Diagnostic(code, place, {"found": wrong.text})
    assert code in (codes.MISSPELT_KEYWORD, codes.WRONG_EQUALS)
    return Diagnostic(code, place, {"found": wrong.text, "expected": meant.text}, fix=edit)


def _missing(tables: Tables, source: Source, before: Token | None, token: Token, repair: Repair) -> Diagnostic:
    made = next(item for item in repair.inserted if item.made)
    if made.kind == "ORCH":
        start = Span(source, 0, 0)
        fix = Fix("begin with the edition", (Edit(start, "orch "),), "always")
        return Diagnostic(codes.MISSING_EDITION, Span(source, token.start, token.end), fix=fix)
    if repair.deleted or before is None or made.text.isalpha():
        # A keyword belongs to what it begins; `:` to the name that it follows.
        offset = token.end if repair.deleted else token.start
    else:
        offset = before.end
    named = token if repair.deleted else before
    if made.text.isalpha() or named is None:
        where = f"before {found_text(token)}"
        text = f"{made.text} "
    else:
        where = f"after {found_text(named)}"
        text = made.text if made.text in (",", ":", ")", "]", "(", "[") else f" {made.text}"
    place = Span(source, offset, offset)
    fix = Fix(f"insert `{made.text}`", (Edit(place, text),)) if made.text else None
    return Diagnostic(codes.MISSING_TOKEN, place, {"expected": called(tables, made.kind), "where": where}, fix=fix)
