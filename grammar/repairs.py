"""Small repairs of a token that does not fit: which are tried, how they are weighed, how they are told.

Adding a kind of repair is one more line in `_candidates`, and a case in `diagnostic` if it has a code of its own.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from orchspec.grammar import codes
from orchspec.grammar.automaton import feed
from orchspec.grammar.diagnostics import Applicability, Code, Diagnostic, Edit, Fix
from orchspec.grammar.expectations import called, found_text
from orchspec.grammar.lexer import Token
from orchspec.grammar.literals import UNITS_US
from orchspec.grammar.source import Source, Span
from orchspec.grammar.spelling import nearest
from orchspec.grammar.tables import END, Tables
from orchspec.slotted import dataclass

__all__ = ["LOOK_AHEAD", "LOOK_BACK", "Repair", "Snapshot", "best", "diagnostic"]

LOOK_AHEAD = 40
"""How many tokens behind the error a repair is tried on."""

LOOK_BACK = 24
"""How many tokens before the error a statement may begin whose keyword is missing."""

_NEAR = 2  # how many tokens before the error other repairs are tried
_READ_ON_MIN = 2  # a repair that reads no further than this is luck

_SIGNS = frozenset({
    "LBRACE", "RBRACE", "LPAR", "RPAR", "LSQB", "RSQB", "COMMA", "COLON", "EQUAL", "ARROW", "AT_MOST", "LESS", "MORE",
    "TO", "VBAR", "EQUALS",
})  # fmt: skip
_PAIRS = {"LPAR": "RPAR", "LSQB": "RSQB", "LBRACE": "RBRACE"}
_ALIKE = (
    frozenset({"LBRACE", "LPAR", "LSQB", "LESS"}),
    frozenset({"RBRACE", "RPAR", "RSQB", "MORE"}),
    frozenset({"COMMA", "COLON", "EQUAL", "ARROW", "AT_MOST", "LESS", "EQUALS", "VBAR", "OR", "AND"}),
)  # fmt: skip
_AT_LINE_ENDS = frozenset({"LBRACE", "RBRACE", "RPAR", "RSQB", "COMMA", "NAME", "LABEL"})
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
    """At `position`, `deleted` tokens make way for `inserted`; `cost` is how unlikely that is."""

    position: int
    deleted: int
    inserted: tuple[Token, ...]
    code: Code
    cost: float


def best(tables: Tables, source: Source, items: Sequence[Token], snapshots: Sequence[Snapshot]) -> Repair | None:
    """The repair of the error at the last snapshot that reads farthest for its cost, or none that is worth it."""
    error = snapshots[-1].position
    end = min(error + LOOK_AHEAD, len(items))
    # The fewest tokens that must be read behind the error; where the file ends before, its end.
    needed = min(error + _READ_ON_MIN, len(items))
    chosen: tuple[float, Repair] | None = None
    for snapshot in reversed(snapshots):
        for repair in _candidates(tables, _Place(source, items, snapshot, error)):
            kinds = [token.kind for token in repair.inserted]
            resume = repair.position + repair.deleted
            kinds += [token.kind for token in items[resume:end]]
            reach = resume + feed(tables, list(snapshot.states), kinds) - len(repair.inserted)
            if reach < needed:
                continue
            score = reach - repair.cost
            if chosen is None or score > chosen[0]:
                chosen = score, repair
    return None if chosen is None else chosen[1]


def _made(kind: str, text: str, offset: int) -> Token:
    return Token(kind, text, offset, offset, made=True)


class _Place:
    """A token at or before the error, with what the choice of repairs looks at."""

    __slots__ = ("before", "distance", "end", "following", "position", "starts_line", "states", "token")

    def __init__(self, source: Source, items: Sequence[Token], snapshot: Snapshot, error: int) -> None:
        self.position = snapshot.position
        self.states = snapshot.states
        self.end = snapshot.end
        self.distance = error - snapshot.position
        self.token = items[self.position]
        self.following = items[self.position + 1] if self.position + 1 < len(items) else self.token
        self.before = items[self.position - 1] if self.position else None
        line_start = self.before is None or "\n" in source.text[self.before.end : self.token.start]
        self.starts_line = line_start or self.token.kind == END


def _candidates(tables: Tables, place: _Place) -> Iterator[Repair]:
    row = tables.actions[place.states[-1]]
    token, position, far = place.token, place.position, 1.5 * place.distance
    if place.distance > _NEAR:
        if token.kind in ("NAME", "MEMBER"):
            for kind in _HEADS:
                if kind in row:
                    head = _made(kind, tables.spellings[kind], token.start)
                    yield Repair(position, 0, (head,), codes.MISSING_TOKEN, 4 + place.distance / 4)
        return
    yield from _substitutions(tables, row, place)
    for kind in row:
        if kind not in tables.spellings and kind not in ("NAME", "LABEL"):
            continue
        made = _made(kind, tables.spellings.get(kind, ""), place.end)
        weight = _weight(kind, token)
        if place.starts_line and not (made.text.isalpha() or kind in _AT_LINE_ENDS):
            weight += 3  # lines are broken between statements more often than inside of an expression
        # `a )` lacks no `(`: the `)` is one too many.
        empty = 3 if _PAIRS.get(kind) == token.kind else 0
        yield Repair(position, 0, (made,), codes.MISSING_TOKEN, weight + empty + far)
        if token.kind not in (END, kind):
            kept = 1 if any(kind in alike and token.kind in alike for alike in _ALIKE) else 3.5
            read = Token(kind, made.text, token.start, token.end, made=True)
            yield Repair(position, 1, (read,), codes.WRONG_TOKEN, weight + kept + far)
    if token.kind != END:
        yield Repair(position, 1, (), codes.UNEXPECTED_TOKEN, 3 + far)


def _weight(kind: str, token: Token) -> float:
    if kind in _SIGNS:
        # A missing separator is more common than a missing bracket, and that than a missing comparison.
        return 1.5 if kind in ("COMMA", "COLON", "EQUAL", "RPAR", "RBRACE", "RSQB") else 2
    if kind in ("NAME", "LABEL"):
        return 2.5
    if kind == "ORCH" and token.kind == "INT":
        return 0.5
    return 3 if kind in _HEADS or token.kind == "NAME" else 3.5


def _as(token: Token, kind: str, text: str | None = None) -> Token:
    return Token(kind, token.text if text is None else text, token.start, token.end)


def _substitutions(tables: Tables, row: Mapping[str, int], place: _Place) -> Iterator[Repair]:
    """Repairs that keep what a token says and only read it as another kind."""
    position, token, following, far = place.position, place.token, place.following, 1.5 * place.distance
    if token.kind == "NAME" or token.kind in tables.keywords.values():
        keywords = [text for text, kind in tables.keywords.items() if kind in row]
        meant = nearest(token.text, keywords)
        if meant is not None:
            read = _as(token, tables.keywords[meant], meant)
            yield Repair(position, 1, (read,), codes.MISSPELT_KEYWORD, 0.5 + far / 4)
        if token.kind != "NAME" and "NAME" in row:
            yield Repair(position, 1, (_as(token, "NAME"),), codes.RESERVED_WORD, 1 + far)
        if "LABEL" in row and following.kind == "EQUAL":
            pair = (_as(token, "LABEL"), _as(following, "COLON", ":"))
            yield Repair(position, 2, pair, codes.WRONG_TOKEN, far - 1)
        elif "LABEL" in row:
            pair = (_as(token, "LABEL"), _made("COLON", ":", token.end))
            yield Repair(position, 1, pair, codes.MISSING_TOKEN, 1.5 + far)
    if token.kind == "LABEL" and following.kind == "COLON":
        name = _as(token, tables.keywords.get(token.text, "NAME"))
        yield Repair(position, 2, (name, _as(following, "EQUAL", "=")), codes.WRONG_TOKEN, 1 + far)
        yield Repair(position, 2, (name,), codes.UNEXPECTED_TOKEN, 3 + far)
        # `f(a: Int)` without its parenthesis can read `fa: Int)`.
        opened = (name, _made("LPAR", "(", token.end), _made("LABEL", "", token.end))
        yield Repair(position, 1, opened, codes.MISSING_TOKEN, 2.5 + far)
    if token.kind in ("EQUAL", "EQUALS"):
        kind, text = ("EQUALS", "==") if token.kind == "EQUAL" else ("EQUAL", "=")
        yield Repair(position, 1, (_as(token, kind, text),), codes.WRONG_EQUALS, 1 + far)
    if token.kind in ("INT", "FLOAT") and following.kind == "NAME" and following.text in UNITS_US:
        written = Token("DURATION", token.text.rstrip("kM") + following.text, token.start, following.end)
        yield Repair(position, 2, (written,), codes.BAD_DURATION, 0.5 + far / 2)


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
        fix = Fix(f"write `{written}`", (Edit(span, written),), "machine-applicable")
        return Diagnostic(code, span, {"found": span.text}, fix=fix)
    wrong, meant = removed[-1], repair.inserted[-1]
    place = Span(source, wrong.start, wrong.end)
    edit: Fix | None = None
    if meant.text:
        sure: Applicability = "machine-applicable" if code is codes.MISSPELT_KEYWORD else "maybe-incorrect"
        edit = Fix(f"write `{meant.text}`", (Edit(place, meant.text),), sure)
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
        fix = Fix("begin with the edition", (Edit(start, "orch "),), "machine-applicable")
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
    insertion = Fix(f"insert `{made.text}`", (Edit(place, text),)) if made.text else None
    return Diagnostic(
        codes.MISSING_TOKEN, place, {"expected": called(tables, made.kind), "where": where}, fix=insertion
    )
