"""Recovery: every syntax error of a file in one go, one for each, beside where it is."""

from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchspec.compiler.check import check
from orchspec.grammar.lexer import scan
from orchspec.grammar.parser import parse
from orchspec.grammar.source import Source

SPECS = Path(__file__).parents[2] / "specs"
EXAMPLES = ("briefing", "desk", "patterns")
STRIDE = 7


def deletions(name, stride):
    """Each spec that lacks one token of an example: (line of the token, the spoilt text)."""
    text = (SPECS / f"{name}.orch").read_text(encoding="utf-8")
    source = Source(name, text)
    for token in scan(source).items[:-1:stride]:
        yield source.position(token.start)[0], text[: token.start] + " " + text[token.end :]


def judge(cases, diagnose):
    counts, near, seen = Counter(), 0, 0
    for line, text in cases:
        found = diagnose(text)
        counts[len(found)] += 1
        if found:
            seen += 1
            near += abs(found[0].span.line - line) <= 1
    total = sum(counts.values())
    return (counts[0] + counts[1]) / total, max(counts), near / seen


def syntax(text):
    return parse(Source("spec.orch", text)).diagnostics


def everything(text):
    return check(Source("spec.orch", text), {}, SPECS).diagnostics


@pytest.mark.parametrize("name", EXAMPLES)
def test_a_missing_token_gives_one_syntax_error_near_its_place(name):
    one, most, near = judge(deletions(name, STRIDE), syntax)
    assert one >= 0.98
    assert most <= 4
    assert near >= 0.98


@pytest.mark.slow
@pytest.mark.parametrize("name", EXAMPLES)
def test_any_missing_token_gives_one_syntax_error_near_its_place(name):
    one, most, near = judge(deletions(name, 1), syntax)
    assert one >= 0.99
    assert most <= 4
    assert near >= 0.99


def test_a_missing_token_gives_one_diagnostic_of_all_checks():
    one, most, near = judge(deletions("briefing", STRIDE), everything)
    assert one >= 0.95
    assert most <= 6
    assert near >= 0.97


@pytest.mark.slow
def test_any_missing_token_gives_one_diagnostic_of_all_checks():
    one, most, near = judge(deletions("briefing", 1), everything)
    assert one >= 0.95
    assert most <= 6
    assert near >= 0.97


def test_errors_far_apart_are_all_told_in_one_go():
    text = (
        "orch 1\ntype A { x: Text \ntype B { y: Int }\nagent a fulfils C\n"
        "flow f(a: A) -> Text {\n  step s = C(a.x by a\n  return s\n}\nflow g() -> Int { retrun 1 }\n"
    )
    found = parse(Source("spec.orch", text)).diagnostics
    lines = [each.span.line for each in found]
    assert len(found) >= 4
    assert {6, 4, 9} <= set(lines)


def test_a_misspelt_keyword_leaves_the_tree_whole_and_a_guess_does_not():
    misspelt = parse(Source("spec.orch", "orch 1\nagent a fulfils C\n")).file
    guessed = parse(Source("spec.orch", "orch 1\nagent fulfills C\n")).file
    assert (misspelt.sound, misspelt.whole) == (False, True)
    assert (guessed.sound, guessed.whole) == (False, False)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_mutilated_specs_are_read_without_a_traceback(data):
    name = data.draw(st.sampled_from(EXAMPLES))
    text = (SPECS / f"{name}.orch").read_text(encoding="utf-8")
    for _ in range(data.draw(st.integers(1, 6))):
        start = data.draw(st.integers(0, len(text)))
        end = min(len(text), start + data.draw(st.integers(0, 12)))
        text = (
            text[:start]
            + data.draw(st.sampled_from(["", "{", "}", "(", '"', "=", " step ", "//", "\0", "é", "$"]))
            + text[end:]
        )
    result = parse(Source("spec.orch", text))
    assert all(0 <= each.span.start <= each.span.end <= len(text) for each in result.diagnostics)


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=300))
def test_any_bytes_are_read_without_a_traceback(data):
    parse(Source("spec.orch", data.decode("utf-8", "surrogateescape")))
