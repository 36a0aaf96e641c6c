"""The bundled library: each file is sound by itself, says what it is for, and is shown in the gallery."""

from pathlib import Path

import pytest

from orchspec.compiler import compile_file
from orchspec.compiler.files import Files
from orchspec.grammar.parser import parse
from orchspec.grammar.source import Source
from orchspec.grammar.syntax import FlowDecl, ParamDecl, PolicyDecl

ROOT = Path(__file__).resolve().parent.parent
LIBRARY = sorted((ROOT / "specs" / "std").rglob("*.orch"))


@pytest.mark.parametrize("path", LIBRARY, ids=lambda path: path.stem)
def test_a_file_of_the_library_checks_without_a_word(path):
    compiled = compile_file(path)
    assert [str(item.span) + item.message for item in compiled.diagnostics] == []
    assert compiled.plan is not None


@pytest.mark.parametrize("path", LIBRARY, ids=lambda path: path.stem)
def test_a_file_of_the_library_says_what_it_is_for_and_what_can_be_bound(path):
    file = parse(Source(path.name, path.read_text("utf-8"))).file
    assert file is not None
    first, *others = file.declarations
    assert first.doc
    assert len(first.doc) > 80
    undocumented = [item for item in others if isinstance(item, FlowDecl | ParamDecl | PolicyDecl) and not item.doc]
    assert [item.name.text for item in undocumented] == []


def test_the_gallery_uses_every_file_of_the_library():
    shown = (ROOT / "specs" / "library.orch").read_text("utf-8")
    assert [path.name for path in LIBRARY if f'"std/{path.name}"' not in shown] == []


def test_the_library_is_found_from_anywhere(tmp_path):
    for folder in (None, tmp_path):
        found = Files(folder).find("std/panel.orch", None)
        assert getattr(found, "name", found) == "std/panel.orch"
