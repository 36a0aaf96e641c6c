"""Words for diagnostics: what a kind of token is called, and what would fit at a place."""

from __future__ import annotations

from collections.abc import Iterable

from orchspec.grammar.lexer import Token
from orchspec.grammar.near_misses import shown
from orchspec.grammar.tables import END, Tables

__all__ = ["called", "expected_at", "found_text"]

_CALLED = {
    "NAME": "a name",
    "LABEL": "a name and `:`",
    "MEMBER": "`.` and a name",
    "STRING": "a string",
    "LONG_STRING": "a string",
    "INT": "a number",
    "FLOAT": "a number",
    "DURATION": "a duration",
    "MONEY": "an amount of money",
    "PERCENT": "a percentage",
    END: "the end of the file",
}
_GROUPS = (
    ("a declaration", frozenset({"CONTRACT", "AGENT", "FLOW", "SCENARIO"})),
    ("a statement", frozenset({"STEP", "ARBITRATE", "REPEAT", "RETURN"})),
    ("an expression", frozenset({"NAME", "STRING", "INT", "LPAR", "TRUE"})),
)
_GROUP_MEMBERS = {
    "a statement": frozenset({
        "BUDGET", "STEP", "ARBITRATE", "SCOPE", "ROUTE", "REPEAT", "UNTIL", "EVERY", "SUPERVISE", "PEERS", "EVAL",
        "LET", "FAIL", "REVERT", "CHECKPOINT", "WAIT", "SEND", "RETURN", "GIVE", "REQUIRE", "ON", "NAME",
    }),
    "a declaration": frozenset({
        "IMPORT", "PARAM", "ENUM", "TYPE", "MODEL", "DECISION", "CONTRACT", "AGENT", "HUMAN", "DISPATCHER", "TOOL",
        "EFFECT", "POLICY", "SIGNAL", "CHANNEL", "PROFILE", "FLOW", "MACHINE", "TEST", "SCENARIO",
    }),
    "an expression": frozenset({
        "NAME", "ANY", "ALL", "FIRST", "EVERY", "WAIT", "FAIL", "INT", "FLOAT", "DURATION", "MONEY", "PERCENT", "TRUE",
        "FALSE", "NONE", "LPAR", "LSQB", "LBRACE", "STRING", "LONG_STRING", "MINUS", "NOT",
    }),
}  # fmt: skip
_OPERATORS = frozenset({
    "EQUALS", "DIFFERS", "LESS", "AT_MOST", "MORE", "AT_LEAST", "IN", "NOT", "COALESCE", "TO", "PLUS", "MINUS",
    "TIMES_SIGN", "SLASH", "OR", "AND", "MEMBER", "LSQB", "LPAR",
})  # fmt: skip
_SHOWN_MAX = 5


def called(tables: Tables, kind: str) -> str:
    """What a kind of token is called in a message."""
    spelling = tables.spellings.get(kind)
    return _CALLED.get(kind, kind) if spelling is None else f"`{spelling}`"


def found_text(token: Token) -> str:
    """What a token is called in a message that says that it was found."""
    if token.kind == END:
        return "the end of the file"
    text = token.text if len(token.text) <= 40 else token.text[:37] + "..."
    return shown(text)


def expected_at(tables: Tables, kinds: Iterable[str]) -> str:
    """What fits at a place, in a few words, from the kinds of tokens that do."""
    left = set(kinds)
    words: list[str] = []
    for name, marks in _GROUPS:
        if marks <= left:
            words.append(name)
            left -= _GROUP_MEMBERS[name]
    if len(left & _OPERATORS) > 4:
        words.append("an operator")
        left -= _OPERATORS
    words += sorted({called(tables, kind) for kind in left})
    if len(words) > _SHOWN_MAX:
        words = [*words[:_SHOWN_MAX], "something else that may go on here"]
    if not words:
        return "something else"
    return words[0] if len(words) == 1 else ", ".join(words[:-1]) + " or " + words[-1]
