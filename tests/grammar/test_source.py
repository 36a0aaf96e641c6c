"""Positions in a text."""

import pytest

from orchspec.grammar.source import Source


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
def test_lines_and_columns_count_from_one_whatever_ends_a_line(newline: str) -> None:
    source = Source("a.orch", f"ab{newline}cd{newline}{newline}é")
    start = source.text.index("c")
    span = source.span(start + 1, start + 2)
    assert (span.line, span.column, span.end_line, span.end_column) == (2, 2, 2, 3)
    assert source.line_count == 4
    assert [source.line_text(line) for line in (0, 1, 2, 3, 4, 5)] == ["", "ab", "cd", "", "é", ""]


def test_offsets_outside_of_the_text_are_clamped() -> None:
    source = Source("a.orch", "ab")
    assert source.position(-3) == (1, 1)
    assert source.position(99) == (1, 3)


def test_columns_count_characters_not_bytes() -> None:
    source = Source("a.orch", '"日本" x')
    assert source.span(5, 6).column == 6
    assert source.span(5, 6).text == "x"


def test_joining_spans_covers_both() -> None:
    source = Source("a.orch", "abcdef")
    assert source.span(4, 5).to(source.span(1, 2)) == source.span(1, 5)
    assert str(source.span(4, 5)) == "a.orch:1:5"
