"""Several mistakes in one file: each is reported, and what is sound is read."""

import pytest

from orchspec.grammar.lexer import scan
from orchspec.grammar.parser import parse
from orchspec.grammar.source import Source
from orchspec.grammar.tables import END
from tests.grammar.gallery import CORE, source

STRIDE = 11  # prime, so that the slice meets every kind of token


@pytest.mark.parametrize("name", CORE)
def test_doubling_a_token_is_survived(name: str) -> None:
    spec = source(name)
    for token in [token for token in scan(spec).items if token.kind != END][::STRIDE]:
        text = spec.text[: token.end] + " " + spec.text[token.start :]
        assert len(parse(Source(name, text)).diagnostics) <= 6


def _codes(content: str) -> list[tuple[int, str]]:
    return [(item.span.line, item.code.id) for item in parse(Source("a.orch", content)).diagnostics]


def test_several_mistakes_of_a_file_are_reported_in_one_go() -> None:
    content = """orch 1
enum A { a b }
flow f(a: Text) -> Text {
  stpe x = C(a) by b
  step state = C(a) by b
  let y x
  retrun y
}
agnet c fulfills C
policy p { attempts == 3 }
"""
    expected = [(2, "E0102"), (4, "E0103"), (5, "E0108"), (6, "E0102"), (7, "E0103"), (9, "E0103"), (10, "E0107")]
    assert _codes(content) == expected


def test_a_missing_brace_is_placed_by_the_indentation() -> None:
    content = """orch 1
flow f(a: Int) -> Int {
  scope s {
    let b = a
    give b
  return s
}
flow g(a: Int) -> Int { return a }
"""
    (found,) = parse(Source("a.orch", content)).diagnostics
    assert (found.code.id, found.span.line) == ("E0113", 5)
    assert [label.span.line for label in found.labels] == [3]


def test_what_cannot_be_read_is_skipped_and_the_rest_is_read() -> None:
    content = "orch 1\nflow f(a: Int) -> Int { step ] ) of [ 3 ( return a }\nflow g(b Int) -> Int { return b }"
    result = parse(Source("a.orch", content))
    assert [item.code.id for item in result.diagnostics] == ["E0106", "E0102"]
    assert result.file is not None
    assert len(result.file.declarations) == 2


def test_after_too_many_errors_the_rest_is_left_unread() -> None:
    found = _codes("orch 1\n" + "decision a b\n" * 200)
    assert found[-1][1] == "E0114"
    assert len(found) == 51
