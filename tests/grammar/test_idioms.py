"""Idioms of other languages give one diagnostic each, and none is seen in a sound text."""

from pathlib import Path

import pytest
from hypothesis import given, settings

from orchspec.grammar.idioms import respelt
from orchspec.grammar.lexer import scan
from orchspec.grammar.parser import parse
from orchspec.grammar.source import Source
from tests.grammar.generated import specs

ROOT = Path(__file__).parents[2]
SPECS = sorted({*ROOT.glob("specs/**/*.orch"), *ROOT.glob("tests/**/*.orch")})
FLOW = "orch 1\nflow f(a: Int) -> Int {{\n  {}\n  return a\n}}\n"

IDIOMS = {
    "if a > 3 {\n step b = C(a) by x\n }": "E0115",
    "if a > 3 {\n step b = C(a) by x\n } else {\n step b = C(a) by y\n }": "E0115",
    "for t in ts {\n step b = C(t) by x\n }": "E0115",
    "step b = C(a) by x\n for t in ts {\n step c = C(t) by x\n }": "E0115",
    "while a > 3 {\n step b = C(a) by x\n }": "E0115",
    "parallel {\n step b = C(a) by x\n }": "E0115",
    "try {\n step b = C(a) by x\n } catch (e) {\n step b = C(a) by y\n } finally {\n let c = 1\n }": "E0115",
    "assert a > 3": "E0115",
    'print("a")': "E0115",
    "sleep(10s)": "E0115",
    "switch a {\n case K.b -> give 1\n else -> give 2\n }": "E0115",
    "route r on a {\n case K.b: give 1\n else -> give 2\n }": "E0105",
    "route r on a {\n case K.b -> give 1\n default: give 2\n }": "E0105",
    "step b = C(a) by x { timeout: 30s }": "E0117",
    "step b = C(a) by x { timeout = 30s, attempts = 3 }": "E0117",
    "budget { cost = $4 }": "E0117",
    "budget { cost <= $4, tokens <= 4k }": "E0117",
    "budget = $4": "E0108",
    "step b = C(a) by x { when = a > 3 }": "E0108",
    "step b = C(a) by all [x, y]": "E0102",
    "step b = C(a) by [x, y]": "E0111",
    "step b = C(a) by x, y": "E0111",
    "step b = C(a) by x and y": "E0111",
    "b = C(a) by x": "E0102",
    "let b: Int = 1": "E0104",
    "repeat b {\n step c = C(a) by x\n until c > 1\n give c\n }": "E0102",
    "arbitrate b = c by majority": "E0105",
    'let b = "x" if a > 3 else "y"': "E0116",
    'let b = a > 3 ? "x" : "y"': "E0116",
    "let b = [t for t in ts if t > 3]": "E0116",
    'let b = f"about {a}"': "E0116",
    "let b = sorted(ts, key: lambda t: t)": "E0116",
    "let b = a is none": "E0015",
    "let b = a is not none": "E0015",
    "b += 1": "E0116",
}
DECLARATIONS = {
    "agents:\n  - name: scout\n    fulfills: Research\ndecision d\n": "E0119",
    "from std import panel\n": "E0119",
    "import std.panel\n": "E0119",
    'import "std/panel.orch"\ndecision d\n': "E0102",
    "def f(a: Int) -> Int { return a }\n": "E0103",
    "class Note { text: Text }\n": "E0103",
    "agent a { timeout = 30s }\n": "E0102",
    "agent a(C) { timeout = 30s }\n": "E0102",
    "agent a: C { timeout = 30s }\n": "E0102",
    "agent a implements C { timeout = 30s }\n": "E0102",
    "agent a:\n  fulfills: C\n  timeout: 30s\ndecision d\n": "E0118",
    "flow f(a: Int) -> Int:\n    let b = a\n    return b\ndecision d\n": "E0118",
    "flow f(a: Int):\n    let b = a\n": "E0118",
    "enum V = a | b\n": "E0105",
    'enum V { "a", "b" }\n': "E0105",
    "type T { a: list[Text]  b: Dict[Text, Int] }\n": "E0105 E0105",
    "tool t { rate: 10 / 1s, slots: 3 }\n": "E0117",
}


def found(text: str) -> str:
    return " ".join(item.code.id for item in parse(Source("a.orch", text)).diagnostics)


@pytest.mark.parametrize("statement", IDIOMS)
def test_a_foreign_statement_is_one_mistake(statement: str) -> None:
    assert found(FLOW.format(statement)) == IDIOMS[statement]


@pytest.mark.parametrize("declaration", DECLARATIONS)
def test_a_foreign_declaration_is_one_mistake(declaration: str) -> None:
    assert found(f"orch 1\n{declaration}") == DECLARATIONS[declaration]


@pytest.mark.parametrize("path", SPECS, ids=lambda path: path.stem)
def test_no_idiom_is_seen_in_a_sound_spec(path: Path) -> None:
    source = Source(path.name, path.read_text(encoding="utf-8"))
    if parse(source).ok:
        assert [f"{item.span} {item.message}" for item in respelt(scan(source))[1]] == []


@settings(max_examples=150, deadline=None)
@given(specs())
def test_no_idiom_is_seen_in_a_generated_spec(text: str) -> None:
    source = Source("a.orch", text)
    if parse(source).ok:
        assert [f"{item.span} {item.message}" for item in respelt(scan(source))[1]] == []


@pytest.mark.parametrize(
    "written", [FLOW.format(each) for each in IDIOMS] + [f"orch 1\n{each}" for each in DECLARATIONS]
)
def test_a_certain_fix_leaves_no_mistake_of_its_kind(written: str) -> None:
    result = parse(Source("a.orch", written))
    for item in result.diagnostics:
        if item.fix is None or item.fix.applicability != "machine-applicable":
            continue
        text = written
        for edit in sorted(item.fix.edits, key=lambda edit: -edit.span.start):
            text = text[: edit.span.start] + edit.replacement + text[edit.span.end :]
        assert len(parse(Source("a.orch", text)).diagnostics) < len(result.diagnostics)
