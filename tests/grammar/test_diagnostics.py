"""Diagnostics as data, and the registry of codes."""

import pytest

from orchspec.grammar import codes
from orchspec.grammar.diagnostics import Diagnostic, Edit, Fix, Label, all_codes, define, find_code, sorted_diagnostics
from orchspec.grammar.source import Source

SOURCE = Source("a.orch", "one\ntwo three\n")


def test_json_is_the_item_that_check_promises() -> None:
    span, other = SOURCE.span(4, 7), SOURCE.span(0, 3)
    diagnostic = Diagnostic(
        codes.BAD_MONEY,
        span,
        {"found": "two"},
        (Label(other, "here"),),
        ("a fact",),
        Fix("write `x`", (Edit(span, "x"),)),
    )
    place = {"file": "a.orch", "line": 2, "column": 1, "end_line": 2, "end_column": 4}
    assert diagnostic.as_json() == {
        "code": "E0011",
        "severity": "error",
        "message": "`two` is not an amount of money",
        "span": place,
        "labels": [
            {"span": {"file": "a.orch", "line": 1, "column": 1, "end_line": 1, "end_column": 4}, "text": "here"}
        ],
        "notes": ["a fact"],
        "fix": {
            "title": "write `x`",
            "edits": [{"span": place, "replacement": "x"}],
            "applicability": "maybe-incorrect",
        },
    }
    assert Diagnostic(codes.SEMICOLON, span).as_json()["fix"] is None


@pytest.mark.parametrize(
    ("code_id", "slug", "says"),
    [
        ("E0001", "something-new", "twice"),
        ("X1", "something-new", "id"),
        ("E9999", "Bad Slug", "slug"),
        ("W9999", "a", "id"),
    ],
)
def test_a_malformed_or_repeated_declaration_is_refused(code_id: str, slug: str, says: str) -> None:
    before = all_codes()
    with pytest.raises(ValueError, match=says):
        define(code_id, slug, "summary", explanation="why", bad="a", good="b")
    assert all_codes() == before


def test_codes_are_found_in_any_case() -> None:
    assert find_code("e0011") is codes.BAD_MONEY
    assert find_code("E9999") is None


def test_reports_are_sorted_by_place_and_not_repeated() -> None:
    late = Diagnostic(codes.SEMICOLON, SOURCE.span(8, 9))
    early = Diagnostic(codes.SEMICOLON, SOURCE.span(1, 2))
    again = Diagnostic(codes.SEMICOLON, SOURCE.span(1, 2))
    assert sorted_diagnostics([late, early, again]) == [early, late]
