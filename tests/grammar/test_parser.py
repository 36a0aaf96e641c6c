"""The grammar: LALR without a conflict, near misses with a diagnostic of their own, bounds on any input."""

import os
import subprocess
import sys
import time

import pytest
from lark import Lark

from orchspec.grammar import codes, syntax
from orchspec.grammar.codes import TOO_LARGE
from orchspec.grammar.diagnostics import Code, all_codes
from orchspec.grammar.parser import parse
from orchspec.grammar.source import Source
from orchspec.grammar.tables import grammar_text, load_tables


def codes_of(text):
    return [each.code.id for each in parse(Source("spec.orch", text)).diagnostics]


def test_the_grammar_is_lalr_without_a_conflict_in_strict_mode():
    Lark(grammar_text(), parser="lalr", lexer="basic", strict=True, start="start")


@pytest.mark.parametrize(
    ("value", "says"),
    [("5m", "5min"), ("1h30min", "90min"), (".5", "0.5"), ("$1k", "$1_000"), ("'a'", '"a"'), ("“a”", '"a"')],
)
def test_a_near_miss_has_a_diagnostic_of_its_own_and_a_fix(value, says):
    found = parse(Source("spec.orch", f"orch 1\nparam p: Text = {value}\n")).diagnostics
    assert len(found) == 1, [each.message for each in found]
    assert found[0].fix is not None
    assert says in found[0].fix.edits[0].replacement


@pytest.mark.parametrize(
    "text",
    [
        'flow f(a: Int) -> Int { fail "x" when a == 1 && a == 2  return a }',
        "flow f(a: Bool) -> Bool { return !a }",
        "# a comment\nenum E { a }",
    ],
)
def test_signs_of_other_languages_are_told_apart(text):
    found = parse(Source("spec.orch", "orch 1\n" + text)).diagnostics
    assert len(found) == 1
    assert found[0].fix is not None


def test_a_missing_or_unknown_edition_is_told():
    assert len(codes_of("enum E { a }\n")) == 1
    assert len(codes_of("orch 99\nenum E { a }\n")) == 1


def test_reserved_words_are_labels_and_members_but_no_names():
    assert codes_of("orch 1\ntype T { state: Text  id: Text }\nenum E { all, first }\n") == []
    assert codes_of("orch 1\ntype step { a: Text }\n") != []


def test_every_code_of_the_grammar_has_a_bad_sample_that_shows_it_and_a_good_one_that_is_clean():
    ours = [code for code in all_codes() if code.id in declared_ids()]
    assert len(ours) >= 30
    for code in ours:
        if code.id != TOO_LARGE.id:  # its sample would be a megabyte
            assert code.id in codes_of(code.bad), code.id
        assert codes_of(code.good) == [], code.id


def declared_ids():
    return {each.id for each in vars(codes).values() if isinstance(each, Code)}


@pytest.mark.parametrize("opening", ["{", "(", "[", "scope a { ", "not ", "-", "List<"])
def test_ten_thousand_nested_openings_give_a_diagnostic_at_once(opening):
    started = time.monotonic()
    text = "orch 1\nflow f() -> Int { let a = " + opening * 10_000
    assert codes_of(text)
    assert time.monotonic() - started < 10


def test_more_than_a_megabyte_is_refused():
    assert len(codes_of("orch 1\n" + "// x\n" * 300_000)) == 1


def test_spans_are_of_the_very_text_and_docs_stay_with_what_they_document():
    text = "orch 1\n/// What it is.\ntype T { a: Text }\n"
    file = parse(Source("spec.orch", text)).file
    kind = next(node for node in syntax.walk(file) if isinstance(node, syntax.TypeDecl))
    assert kind.doc == "What it is."
    assert kind.name.span.text == "T"
    assert (kind.name.span.line, kind.name.span.column) == (3, 6)


def test_the_tables_are_the_same_under_every_hash_seed(tmp_path):
    script = "import orchspec.grammar.tables as t; print(t.load_tables())"
    found = set()
    for seed in ("1", "2", "3"):
        environment = {**os.environ, "PYTHONHASHSEED": seed, "XDG_CACHE_HOME": str(tmp_path / seed)}
        found.add(
            subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, check=True).stdout
        )
    assert len(found) == 1


def test_a_cold_cache_gives_the_tables_that_a_warm_one_gives(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    load_tables.cache_clear()
    cold = load_tables()
    load_tables.cache_clear()
    warm = load_tables()
    load_tables.cache_clear()
    assert cold == warm
    kept = list((tmp_path / "orch").iterdir())
    assert len(kept) == 1
    assert kept[0].stat().st_mode & 0o077 == 0


def test_a_cache_that_others_could_write_or_that_is_spoilt_is_not_believed(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    load_tables.cache_clear()
    good = load_tables()
    (kept,) = (tmp_path / "orch").iterdir()
    kept.write_text('{"rules": "nonsense"}', encoding="utf-8")
    load_tables.cache_clear()
    assert load_tables() == good
    kept.chmod(0o666)
    kept.write_text('{"rules": "planted"}', encoding="utf-8")
    load_tables.cache_clear()
    assert load_tables() == good
    load_tables.cache_clear()
