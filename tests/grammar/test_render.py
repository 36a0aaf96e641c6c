"""Golden renderings, and that nothing in a spec reaches the terminal raw."""

from orchspec.grammar import codes
from orchspec.grammar.diagnostics import Diagnostic, Edit, Fix, Label
from orchspec.grammar.render import render, safe
from orchspec.grammar.source import Source

SOURCE = Source("a.orch", "orch 1\n\tflow f() {\n\n\n  step x = y\n}\n")


def _at(source: Source, word: str) -> tuple[int, int]:
    start = source.text.index(word)
    return start, start + len(word)


def test_labels_notes_and_help_have_their_lines() -> None:
    step, flow = SOURCE.span(*_at(SOURCE, "step")), SOURCE.span(*_at(SOURCE, "flow f()"))
    diagnostic = Diagnostic(
        codes.RESERVED_WORD,
        step,
        {"found": "step"},
        (Label(flow, "in this flow"), Label(SOURCE.span(*_at(SOURCE, "y")), "and here")),
        ("a fact",),
        Fix("write `stop`", (Edit(step, "stop"),)),
    )
    assert (
        render(diagnostic)
        == """\
error[E0108]: `step` is a word of the language and cannot be a name here
 --> a.orch:5:3
  |
2 |     flow f() {
  |     -------- in this flow
...
5 |   step x = y
  |   ^^^^
  |            - and here
  |
  = note: a fact
  = help: write `stop`
"""
    )


def test_a_label_in_another_file_names_it() -> None:
    other = Source("b.orch", "decision d\n")
    span = SOURCE.span(*_at(SOURCE, "step"))
    diagnostic = Diagnostic(codes.SEMICOLON, span, {}, (Label(other.span(9, 10), "declared here"),))
    assert (
        render(diagnostic)
        == """\
error[E0016]: statements need no `;`
 --> a.orch:5:3
  |
5 |   step x = y
  |   ^^^^
 ::: b.orch:1:10
  |
1 | decision d
  |          - declared here
"""
    )


def test_colour_is_only_there_when_asked_for() -> None:
    diagnostic = Diagnostic(codes.SEMICOLON, SOURCE.span(0, 4))
    coloured = render(diagnostic, colour=True)
    assert coloured.startswith("\x1b[1;31merror[E0016]\x1b[0m")
    assert "\x1b" not in render(diagnostic)


def test_control_characters_of_a_spec_are_shown_escaped() -> None:
    source = Source("a\x1b.orch", "x \x1b[31m\u202e y")
    diagnostic = Diagnostic(codes.RESERVED_WORD, source.span(9, 10), {"found": "\x07"}, (), ("\r",))
    rendered = render(diagnostic)
    assert all(character == "\n" or character.isprintable() for character in rendered)
    assert "x \\u{1b}[31m\\u{202e} y\n  |                      ^\n" in rendered


def test_long_lines_are_clipped_around_the_mark() -> None:
    source = Source("a.orch", "a" * 5_000 + "X" + "b" * 5_000)
    rendered = render(Diagnostic(codes.SEMICOLON, source.span(5_000, 5_001)))
    line, mark = rendered.splitlines()[3:5]
    assert len(line) < 200
    assert line[mark.index("^")] == "X"


def test_wide_and_combining_characters_keep_the_mark_in_its_column() -> None:
    source = Source("a.orch", '"日本e\u0301" ;')
    mark = render(Diagnostic(codes.SEMICOLON, source.span(7, 8))).splitlines()[4]
    assert mark == "  | " + " " * 8 + "^"


def test_a_span_at_the_end_of_the_file_and_one_of_several_lines_are_marked() -> None:
    at_end = render(Diagnostic(codes.SEMICOLON, SOURCE.span(len(SOURCE.text), len(SOURCE.text))))
    assert "^" in at_end
    several = render(Diagnostic(codes.SEMICOLON, SOURCE.span(8, len(SOURCE.text))))
    assert "2 |     flow f() {\n  |     ^^^^^^^^^^\n" in several


def test_safe_leaves_ordinary_text_alone() -> None:
    assert safe("añ 日 `x`\t") == "añ 日 `x`    "
