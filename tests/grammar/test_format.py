"""The formatter: it keeps what a spec says and every comment, and does nothing the second time."""

import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchspec.grammar.format import format_source
from orchspec.grammar.parser import parse
from orchspec.grammar.source import Source
from orchspec.grammar.syntax import shape

ROOT = Path(__file__).parents[2]
SPECS = sorted({*ROOT.glob("specs/**/*.orch"), *ROOT.glob("tests/**/*.orch")})


def formatted(text):
    result, diagnostics = format_source(Source("spec.orch", text))
    assert result is not None, [each.message for each in diagnostics]
    return result


def comments(text):
    return [comment.text for comment in parse(Source("spec.orch", text)).file.comments]


@pytest.mark.parametrize("path", SPECS, ids=lambda path: path.stem)
def test_what_a_spec_says_is_kept_with_its_comments(path):
    text = path.read_text(encoding="utf-8")
    if not parse(Source("spec.orch", text)).ok:
        assert format_source(Source("spec.orch", text))[0] is None
        return
    once = formatted(text)
    assert shape(parse(Source("spec.orch", once)).file) == shape(parse(Source("spec.orch", text)).file)
    assert sorted(comments(once)) == sorted(comments(text))
    assert formatted(once) == once
    assert all(line == line.rstrip() for line in once.splitlines())


FENCE = re.compile(r"^```+orch\b[^\n]*\n(.*?)^```", re.MULTILINE | re.DOTALL)
PAGES = sorted({*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")})


def test_the_samples_of_the_documents_keep_what_they_say():
    seen = 0
    for page in PAGES:
        for text in FENCE.findall(page.read_text(encoding="utf-8")):
            for whole in (text, f"orch 1\n{text}"):
                if not parse(Source("spec.orch", whole)).ok:
                    continue
                once = formatted(whole)
                assert shape(parse(Source("spec.orch", once)).file) == shape(parse(Source("spec.orch", whole)).file)
                assert sorted(comments(once)) == sorted(comments(whole))
                assert formatted(once) == once
                seen += 1
    assert seen >= 20


NAMES = st.sampled_from(["a", "topic", "found_all", "x1"])
ATOMS = st.one_of(
    NAMES,
    st.sampled_from(["1", "2.5", "400k", '"text"', "45s", "$4.00", "75%", "none", "true", "[1, 2]", "{ a: 1  b: x }"]),
)
GAPS = st.sampled_from([" ", "  ", "\n", "\n\n\n", " // why\n", "\n// above\n"])


@st.composite
def expressions(draw, depth=3):
    if depth == 0 or draw(st.booleans()):
        return draw(ATOMS)
    left, right = draw(expressions(depth - 1)), draw(expressions(depth - 1))
    form = draw(
        st.sampled_from(["{} + {}", "({} - {})", "{} and {}", "f({}, named: {})", "{} == {}", "[{}, {}]", "{} ?? {}"])
    )
    return form.format(f"({left})", f"({right})")


@st.composite
def statements(draw, depth=2):
    name, value = draw(NAMES), draw(expressions())
    kinds = [
        f"let {name} = {value}",
        f"step {name} = Do({value}) by any of [a, b] for t in {name} {{ need = 75%{draw(GAPS)}timeout = 5s }}",
        f'fail "no" when {value}',
        f"checkpoint {name}",
        f"arbitrate {name} = {name} {{ decide = highest(it.x) or first }}",
    ]
    if depth:
        inner = draw(GAPS).join(draw(st.lists(statements(depth - 1), min_size=1, max_size=3)))
        kinds += [
            f"scope {name} {{ {inner} }}",
            f"repeat {name} 3 times {{ {inner}  until {value} }} else {{ fail {value} }}",
        ]
    return draw(st.sampled_from(kinds))


@settings(max_examples=150, deadline=None)
@given(st.lists(statements(), min_size=1, max_size=5), GAPS)
def test_generated_specs_are_formatted_once_and_for_all(body, gap):
    text = "orch 1\n" + gap + "flow f(x: Text) -> Text {" + gap + gap.join(body) + gap + "return x }\n"
    if not parse(Source("spec.orch", text)).ok:
        return
    once = formatted(text)
    assert shape(parse(Source("spec.orch", once)).file) == shape(parse(Source("spec.orch", text)).file)
    assert formatted(once) == once
    assert sorted(comments(once)) == sorted(comments(text))


def test_what_an_arm_does_stays_behind_its_arrow():
    body = (
        "  route r on x {\n    case E.a -> Do(x) by a { timeout = 1min }\n    case E.b -> give x\n"
        '    else -> fail "no"\n  }\n'
    )
    text = "orch 1\n\nflow f(x: E) -> E {\n" + body + "  return r\n}\n"
    assert formatted(text) == text
