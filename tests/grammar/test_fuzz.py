"""No text gives a traceback: bytes at random, tokens at random, and damaged specs."""

from hypothesis import given
from hypothesis import strategies as st

from orchspec.grammar.parser import parse
from orchspec.grammar.render import render_all
from orchspec.grammar.source import Source
from orchspec.grammar.tables import load_tables
from tests.grammar.gallery import CORE, text

_tokens = st.sampled_from([*load_tables().spellings.values(), "a", "b", "1", "5m", '"s"', "$1", "3%", "a:", ".b", "\n"])


def _check(content: str) -> None:
    source = Source("fuzz.orch", content)
    result = parse(source)
    for item in result.diagnostics:
        assert 0 <= item.span.start <= item.span.end <= len(content)
        assert all(0 <= edit.span.start <= edit.span.end for edit in (item.fix.edits if item.fix else ()))
        item.as_json()
    rendered = render_all(result.diagnostics, colour=False)
    assert all(character == "\n" or character.isprintable() for character in rendered)
    assert result.file is not None or result.diagnostics


@given(st.binary(max_size=300))
def test_bytes_give_diagnostics(data: bytes) -> None:
    _check(data.decode("utf-8", "replace"))
    _check(data.decode("latin-1"))


@given(st.text(max_size=200))
def test_any_text_gives_diagnostics(content: str) -> None:
    _check(content)


@given(st.lists(_tokens, max_size=60).map(" ".join))
def test_tokens_in_any_order_give_diagnostics(content: str) -> None:
    _check(content)
    _check("orch 1\nflow f(a: Int) -> Int {\n" + content)


@given(st.sampled_from(CORE), st.data())
def test_a_damaged_spec_gives_diagnostics(name: str, data: st.DataObject) -> None:
    content = text(name)
    for _ in range(data.draw(st.integers(1, 4))):
        start = data.draw(st.integers(0, len(content)))
        length = data.draw(st.integers(0, 30))
        content = content[:start] + data.draw(st.text(max_size=5)) + content[start + length :]
    _check(content)
