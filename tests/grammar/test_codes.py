"""Every syntax code: its bad sample shows it, its good one is sound, and its rendering is the golden one.

`ORCH_UPDATE_GOLDEN=1 pytest tests/grammar/test_codes.py` writes the golden files anew.
"""

import os
from pathlib import Path

import pytest

from orchspec.grammar import codes
from orchspec.grammar.diagnostics import Code
from orchspec.grammar.parser import BYTES_MAX, parse
from orchspec.grammar.render import render_all
from orchspec.grammar.source import Source

GOLDEN = Path(__file__).parent / "golden"
CODES = [getattr(codes, name) for name in codes.__all__]


def _bad(code: Code) -> Source:
    bad = code.bad + " " * BYTES_MAX if code is codes.TOO_LARGE else code.bad
    return Source("bad.orch", bad)


@pytest.mark.parametrize("code", CODES, ids=lambda code: code.id)
def test_the_bad_sample_shows_the_code(code: Code) -> None:
    found = [item.code.id for item in parse(_bad(code)).diagnostics]
    assert code.id in found
    if code is not codes.TOO_MANY_ERRORS:
        assert len(found) == 1


@pytest.mark.parametrize("code", CODES, ids=lambda code: code.id)
def test_the_good_sample_is_sound(code: Code) -> None:
    result = parse(Source("good.orch", code.good))
    assert [item.message for item in result.diagnostics] == []
    assert result.file is not None
    assert result.file.sound


@pytest.mark.parametrize("code", CODES, ids=lambda code: code.id)
def test_the_rendering_is_the_golden_one(code: Code) -> None:
    diagnostics = [item for item in parse(_bad(code)).diagnostics if item.code is code]
    rendered = render_all(diagnostics)
    path = GOLDEN / f"{code.id}.txt"
    if os.environ.get("ORCH_UPDATE_GOLDEN"):
        path.write_text(rendered, encoding="utf-8")
    assert rendered == path.read_text(encoding="utf-8")


def test_ids_of_the_grammar_are_of_its_two_families() -> None:
    assert all(code.id.startswith(("E00", "E01")) for code in CODES)
