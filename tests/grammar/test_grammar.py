"""The grammar itself: without a conflict, words truly reserved, the scanner that of lark's basic lexer."""

import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lark import Lark

from orchspec.grammar.lexer import scan
from orchspec.grammar.parser import parse
from orchspec.grammar.source import Source
from orchspec.grammar.tables import END, grammar_text, load_tables
from tests.grammar.gallery import CORE, source, text

# Attribute names of language.md: none may be a keyword.
ATTRIBUTES = {
    "expects",
    "ensures",
    "reuse",
    "owns",
    "models",
    "slots",
    "session",
    "tools",
    "effects",
    "policies",
    "context",
    "fold",
    "skill",
    "timeout",
    "rate",
    "key",
    "idempotent",
    "check",
    "in_doubt",
    "undo",
    "remembers",
    "settles",
    "attempts",
    "backoff",
    "breaker",
    "hedge",
    "from",
    "to",
    "latency",
    "tokens_in",
    "tokens_out",
    "cost",
    "failure",
    "garbage",
    "calls",
    "output",
    "never",
    "journal_write",
    "economy",
    "width",
    "need",
    "prefer",
    "urgency",
    "only_if",
    "after",
    "on_failure",
    "group",
    "decide",
    "early",
    "workers",
    "rounds",
    "depth",
    "start",
    "hops",
    "sample",
    "visits",
    "given",
    "arrivals",
    "duration",
    "warmup",
    "runs",
    "input",
}


@pytest.fixture(scope="module")
def lark() -> Lark:
    return Lark(grammar_text(), parser="lalr", lexer="basic", strict=True, maybe_placeholders=False)


def test_the_grammar_has_no_conflict_in_strict_mode(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG, logger="lark"):
        Lark(grammar_text(), parser="lalr", lexer="basic", strict=True, maybe_placeholders=False)
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


@pytest.mark.parametrize("name", CORE)
def test_lark_reads_the_gallery_by_the_same_grammar(name: str, lark: Lark) -> None:
    lark.parse(text(name))
    assert parse(source(name)).ok


@pytest.mark.parametrize("name", CORE)
def test_the_scanner_gives_the_tokens_of_larks_basic_lexer(name: str, lark: Lark) -> None:
    ours = [(token.kind, token.text, token.start) for token in scan(source(name)).items if token.kind != END]
    theirs = [(token.type, str(token), token.start_pos) for token in lark.lex(text(name))]
    assert ours == theirs


_words = st.sampled_from([
    *load_tables().spellings.values(), "a", "abc", ".b", "a :", "1", "1.5M", "5min", "$1", "3%",
    '"s"', '"""l"""', "// c\n",
])  # fmt: skip


@given(st.lists(_words, max_size=30).map(" ".join))
def test_any_sequence_of_tokens_is_scanned_as_lark_does(lark: Lark, content: str) -> None:
    ours = [(token.kind, token.text) for token in scan(Source("a", content)).items if token.kind != END]
    assert ours == [(token.type, str(token)) for token in lark.lex(content)]


def test_every_keyword_may_be_a_label_a_member_and_a_member_of_an_enum() -> None:
    words = sorted(load_tables().keywords)
    fields = "  ".join(f"{word}: Text" for word in words)
    members = ", ".join(words)
    chain = "".join(f".{word}" for word in words[:60])
    content = f"orch 1 enum E {{ {members} }} type T {{ {fields} }} flow f(a: T) -> Text {{ return a{chain} }}"
    assert [item.message for item in parse(Source("a", content)).diagnostics] == []


@pytest.mark.parametrize("word", sorted(load_tables().keywords))
def test_no_keyword_may_be_declared_as_a_name(word: str) -> None:
    result = parse(Source("a", f"orch 1\nflow {word}(a: Text) -> Text {{ return a }}"))
    assert [item.code.id for item in result.diagnostics] == ["E0108"]


def test_attribute_names_are_disjoint_from_keywords() -> None:
    assert not ATTRIBUTES & set(load_tables().keywords)
