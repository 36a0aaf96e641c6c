"""All syntax errors of a file in one go.

Theory. An LALR(1) automaton never shifts a wrong token, so what stands before the error is the beginning of some valid
file, and the error is most often where it was noticed or a token or two before. Around that place every small repair
is tried - substitute a misspelt keyword, insert one token, replace or delete one - by running the automaton over the
tokens that follow without making values; the repair that lets it read farthest wins, the likelier slip breaking ties
(the method of Burke and Fisher, "A practical method for LR and LL syntactic error diagnosis and recovery", 1987). When
none reads on, the input is skipped up to the next keyword or brace that fits some state below on the stack.

Where a `}` is missing the automaton notices only at the next declaration; the indentation tells more. So when a file
has more `{` than `}`, closings are first guessed from it, and the reading with fewer diagnostics is kept. So it is
with what other languages would write (`idioms`): it is read as what was meant if that leaves no more to be said.
"""

from __future__ import annotations

from collections import deque
from dataclasses import replace
from typing import Any

from orchspec.grammar import codes, repairs
from orchspec.grammar.automaton import Automaton, feed
from orchspec.grammar.declarations import File
from orchspec.grammar.diagnostics import Diagnostic, Edit, Fix, Label
from orchspec.grammar.expectations import expected_at, found_text
from orchspec.grammar.idioms import respelt
from orchspec.grammar.lexer import Token, Tokens
from orchspec.grammar.repairs import LOOK_BACK, Repair, Snapshot
from orchspec.grammar.source import Span
from orchspec.grammar.tables import END, Tables
from orchspec.slotted import dataclass

__all__ = ["ERRORS_MAX", "recover"]

ERRORS_MAX = 50
"""After so many syntax errors the rest of a file is left unread."""

_GUESSED_CLOSINGS_MAX = 20
_BRACES = frozenset({"LBRACE", "RBRACE"})
_STRUCTURAL = (codes.CHAINED_COMPARISON, codes.MISPLACED_STATEMENT, codes.BAD_BY, codes.NOT_A_LIST_OF_NAMES)
_SYNC = frozenset({
    END, "RBRACE", "IMPORT", "PARAM", "ENUM", "TYPE", "MODEL", "DECISION", "CONTRACT", "AGENT", "HUMAN", "DISPATCHER",
    "TOOL", "EFFECT", "POLICY", "SIGNAL", "CHANNEL", "PROFILE", "FLOW", "MACHINE", "TEST", "SCENARIO", "STUB", "FAULT",
    "EXPECT", "BUDGET", "STEP", "ARBITRATE", "SCOPE", "ROUTE", "REPEAT", "UNTIL", "EVERY", "SUPERVISE", "PEERS", "EVAL",
    "LET", "FAIL", "REVERT", "CHECKPOINT", "WAIT", "SEND", "RETURN", "GIVE", "REQUIRE", "ON", "INITIAL", "FINAL",
    "STATE", "CASE", "WHEN", "ELSE", "HANDOFF",
})  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Reading:
    file: File
    diagnostics: list[Diagnostic]
    patches: tuple[Span, ...] | None


def recover(tables: Tables, tokens: Tokens) -> tuple[File, list[Diagnostic]]:
    """The tree of a file with syntax errors, not `sound`, and a diagnostic for each error."""
    reading = _read(tables, tokens, [])
    spelt, idioms = respelt(tokens)
    if idioms:
        other = _read(tables, spelt, idioms)
        if len(other.diagnostics) <= len(reading.diagnostics):
            # What is read as it was meant may have been meant otherwise, so it is a guess too.
            respellings = _respellings(tokens, spelt)
            reading = replace(other, patches=None if other.patches is None else (*other.patches, *respellings))
    return replace(reading.file, sound=False, patches=reading.patches), _besides(reading.diagnostics, tokens)


def _respellings(tokens: Tokens, spelt: Tokens) -> list[Span]:
    """The places where tokens were read otherwise than they are written."""
    kept = {(token.start, token.end, token.kind) for token in spelt.items}
    found: list[Span] = []
    begun: Token | None = None
    last = tokens.items[0]
    for token in tokens.items:
        if (token.start, token.end, token.kind) in kept:
            if begun is not None:
                found.append(Span(tokens.source, begun.start, last.end))
            begun = None
        elif begun is None:
            begun = token
        last = token
    made = [Span(tokens.source, token.start, token.end) for token in spelt.items if token.made]
    return [*found, *made]


def _read(tables: Tables, tokens: Tokens, reports: list[Diagnostic]) -> _Reading:
    """The better of the readings with and without the `}` that the indentation lets guess; `reports` come first."""
    reading = _Recovery(tables, replace(tokens, items=list(tokens.items))).read()
    closings = _guessed_closings(tokens)
    if 0 < len(closings) <= _GUESSED_CLOSINGS_MAX:
        closed, guesses = _closed(tokens, closings)
        other = _Recovery(tables, closed).read()
        found = [*guesses, *other.diagnostics]
        if len(found) <= len(reading.diagnostics):
            reading = _Reading(other.file, found, other.patches)
    return replace(reading, diagnostics=[*reports, *reading.diagnostics])


def _besides(found: list[Diagnostic], tokens: Tokens) -> list[Diagnostic]:
    """The errors without those that only say what the scanner has said.

    What it could not read does not fit in either, and behind a string that is not closed its line reads as it may.
    """
    scanned = {(item.span.start, item.span.end) for item in tokens.diagnostics}
    open_lines = {item.span.line for item in tokens.diagnostics if item.code is codes.UNCLOSED_STRING}
    return [
        item for item in found if (item.span.start, item.span.end) not in scanned and item.span.line not in open_lines
    ]


class _Recovery(Automaton):
    """An automaton that repairs what does not fit, and remembers its last few steps to be able to go back."""

    def __init__(self, tables: Tables, tokens: Tokens) -> None:
        super().__init__(tables, tokens)
        self._source = tokens.source
        self._snapshots: deque[tuple[Snapshot, list[Any], list[int]]] = deque(maxlen=LOOK_BACK + 1)
        self._found: list[Diagnostic] = []
        self._patches: list[Span] | None = []

    def read(self) -> _Reading:
        """The whole file, repaired where needed."""
        errors = 0
        while True:
            file = self._run_remembering()
            if file is not None:
                found = [*self._found, *_apart(self.builder.diagnostics, self._found)]
                return _Reading(file, found, None if self._patches is None else tuple(self._patches))
            errors += 1
            if errors > ERRORS_MAX:
                self._give_up()
                continue
            repair = repairs.best(
                self.tables, self._source, self.items, [snapshot for snapshot, _, _ in self._snapshots]
            )
            if repair is None:
                self._skip()
            else:
                self._apply(repair)

    def _run_remembering(self) -> File | None:
        """As `run`, with a snapshot before each token."""
        actions, rules, builder, accept = self.tables.actions, self.rules, self.builder, self.tables.accept
        states, values, items = self.states, self.values, self.items
        while True:
            position = self.position
            token = items[position]
            kind = token.kind
            snapshot = Snapshot(position, list(states), builder.end, len(builder.diagnostics))
            lengths = [len(value) if type(value) is list else 0 for value in values]
            self._snapshots.append((snapshot, list(values), lengths))
            while True:
                action = actions[states[-1]].get(kind)
                if action is None:
                    # Reductions on a token that does not fit in the end are undone: the error belongs before them.
                    self._restore(*self._snapshots[-1])
                    return None
                if action >= 0:
                    break
                origin, size, method = rules[-1 - action]
                arguments = values[len(values) - size :]
                del values[len(values) - size :], states[len(states) - size :]
                value = arguments[0] if method is None else method(*arguments)
                state = actions[states[-1]][origin]
                if state == accept and kind == END:
                    assert isinstance(value, File)
                    return value
                states.append(state)
                values.append(value)
            states.append(action)
            values.append(token)
            builder.end = token.end
            self.position += 1

    def _restore(self, snapshot: Snapshot, values: list[Any], lengths: list[int]) -> None:
        self.position = snapshot.position
        self.states[:] = snapshot.states
        self.values[:] = values
        for value, length in zip(values, lengths, strict=True):
            # Lists under construction are shared by all snapshots: what was appended since is cut off again.
            if type(value) is list:
                del value[length:]
        self.builder.end = snapshot.end
        del self.builder.diagnostics[snapshot.diagnostics :]

    def _apply(self, repair: Repair) -> None:
        while self._snapshots[-1][0].position > repair.position:
            self._snapshots.pop()
        snapshot, values, lengths = self._snapshots.pop()
        self._found.append(repairs.diagnostic(self.tables, self._source, self.items, repair))
        self._restore(snapshot, values, lengths)
        # Only a word that is certainly misspelt leaves everything else where it was; an insertion may be a wrong guess.
        if repair.code is not codes.MISSPELT_KEYWORD:
            self._guessed(repair)
        self.items[repair.position : repair.position + repair.deleted] = repair.inserted

    def _guessed(self, repair: Repair) -> None:
        """Notes where a repair was a guess; one of a brace may have moved everything behind it."""
        replaced = self.items[repair.position : repair.position + repair.deleted]
        if any(token.kind in _BRACES for token in (*replaced, *repair.inserted)):
            self._patches = None
        if self._patches is not None:
            around = self.items[max(0, repair.position - 1) : repair.position + repair.deleted + 1]
            self._patches.append(Span(self._source, around[0].start, max(token.end for token in around)))

    def _skip(self) -> None:
        """Drops tokens, and symbols from the stack, until a keyword or brace fits; reports what was skipped."""
        self._patches = None
        start = self.position
        token = self.items[start]
        fitting = [
            kind for kind in self.tables.actions[self.states[-1]] if feed(self.tables, list(self.states), [kind])
        ]
        args = {"expected": expected_at(self.tables, fitting), "found": found_text(token)}
        span = Span(self._source, token.start, token.end)
        self._found.append(Diagnostic(codes.UNREADABLE, span, args))
        for position in range(start, len(self.items)):
            if self.items[position].kind not in _SYNC:
                continue
            kinds = [item.kind for item in self.items[position : position + 2]]
            for height in range(len(self.states), 0, -1):
                if kinds[0] in self.tables.actions[self.states[height - 1]] and feed(
                    self.tables, self.states[:height], kinds
                ) == len(kinds):
                    self._resume(position, height)
                    return
        self._resume(len(self.items) - 1, 1)

    def _resume(self, position: int, height: int) -> None:
        del self.states[height:], self.values[height - 1 :]
        self.position = position
        self._snapshots.clear()

    def _give_up(self) -> None:
        """Closes the file after the last declaration that was read."""
        self._patches = None
        token = self.items[self.position]
        self._found.append(Diagnostic(codes.TOO_MANY_ERRORS, Span(self._source, token.start, token.end)))
        for height in range(len(self.states), 0, -1):
            if feed(self.tables, self.states[:height], [END]):
                self._resume(len(self.items) - 1, height)
                return
        raise AssertionError("an empty stack accepts the end of the file")


def _apart(reports: list[Diagnostic], found: list[Diagnostic]) -> list[Diagnostic]:
    """The builder's reports without those about the structure of what a repair beside them has changed."""
    lines = {line + offset for item in found for line in (item.span.line,) for offset in (-1, 0, 1)}
    return [item for item in reports if item.code not in _STRUCTURAL or item.span.line not in lines]


def _guessed_closings(tokens: Tokens) -> list[tuple[int, Token]]:
    """Where `}` seem to be missing, by indentation: (index of the token before which it belongs, the `{`)."""
    kinds = [token.kind for token in tokens.items]
    if kinds.count("LBRACE") <= kinds.count("RBRACE"):
        return []
    source = tokens.source
    open_braces: list[tuple[Token, int, int]] = []  # the brace, its line, the indentation of that line
    missing: list[tuple[int, Token]] = []
    line, indent = 0, 0
    for index, token in enumerate(tokens.items):
        token_line, column = source.position(token.start)
        if token_line != line or token.kind == END:
            line, indent = token_line, 0 if token.kind == END else column
            while open_braces and open_braces[-1][1] < line:
                brace, _, outer = open_braces[-1]
                if indent > outer or (indent == outer and token.kind == "RBRACE"):
                    break
                missing.append((index, brace))
                open_braces.pop()
        if token.kind == "LBRACE":
            open_braces.append((token, line, indent))
        elif token.kind == "RBRACE" and open_braces:
            open_braces.pop()
    return missing


def _closed(tokens: Tokens, closings: list[tuple[int, Token]]) -> tuple[Tokens, list[Diagnostic]]:
    """The tokens with the guessed `}` put in, and their reports."""
    source = tokens.source
    items = list(tokens.items)
    reports: list[Diagnostic] = []
    for index, brace in reversed(closings):
        end = items[index - 1].end
        items.insert(index, Token("RBRACE", "}", end, end, made=True))
        place = Span(source, end, end)
        fix = Fix("close it", (Edit(place, " }"),))
        opening = Span(source, brace.start, brace.end)
        reports.append(Diagnostic(codes.UNCLOSED_BLOCK, place, {}, (Label(opening, "opened here"),), (), fix))
    return replace(tokens, items=items), reports
