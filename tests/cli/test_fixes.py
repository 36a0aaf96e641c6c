import pytest

from orchspec.cli.fixes import apply_fixes
from orchspec.grammar.diagnostics import Code, Diagnostic, Edit, Fix
from orchspec.grammar.source import Source

CODE = Code("E9999", "planted", "error", "planted", "", "", "")


def diagnostic(source, *edits, applicability="machine-applicable"):
    spans = tuple(Edit(source.span(start, end), text) for start, end, text in edits)
    return Diagnostic(CODE, source.span(0, 1), fix=Fix("mend it", spans, applicability))


@pytest.mark.parametrize(
    ("fixes", "expected"),
    [
        ([[(0, 3, "agent")]], ("agent bcd efg", 1)),
        ([[(0, 3, "x")], [(8, 11, "y")]], ("x bcd y", 2)),
        ([[(8, 11, "y")], [(0, 3, "x")]], ("x bcd y", 2)),
        ([[(0, 0, "<"), (11, 11, ">")]], ("<abc bcd efg>", 1)),
        ([[(0, 5, "x")], [(4, 7, "y")]], ("xcd efg", 1)),
        ([[(3, 3, "!")], [(3, 3, "?")]], ("abc! bcd efg", 1)),
        ([[(0, 1, "A"), (4, 5, "B")], [(4, 7, "y"), (8, 9, "E")]], ("Abc Bcd efg", 1)),
    ],
)
def test_fixes_are_applied_whole_and_never_over_each_other(fixes, expected):
    source = Source("a.orch", "abc bcd efg")
    assert apply_fixes(source, [diagnostic(source, *edits) for edits in fixes]) == expected


def test_a_fix_that_needs_a_look_is_not_applied():
    source = Source("a.orch", "abc")
    assert apply_fixes(source, [diagnostic(source, (0, 3, "x"), applicability="maybe-incorrect")]) == ("abc", 0)


def test_a_fix_in_another_file_is_not_applied():
    source = Source("a.orch", "abc")
    other = Source("b.orch", "abc")
    assert apply_fixes(source, [diagnostic(other, (0, 3, "x"))]) == ("abc", 0)


def test_a_diagnostic_without_a_fix_changes_nothing():
    source = Source("a.orch", "abc")
    assert apply_fixes(source, [Diagnostic(CODE, source.span(0, 1))]) == ("abc", 0)
