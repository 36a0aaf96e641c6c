"""Broken specs with their mistakes marked on the lines that have them; and how some of them read as text.

`//~ E0301 @12` after a line says that exactly this code is reported on it, here starting in column 12; `//~^ E0301`
says so of the line above. Nothing else may be reported. A folder is a spec of several files, its `main.orch` the one
that is checked, and the marks of all files count. To renew the rendered texts: `ORCH_GOLDEN=write pytest`.
"""

import os
import re
from pathlib import Path

import pytest

from orchspec.compiler.check import check
from orchspec.grammar.render import render_all
from orchspec.grammar.source import Source

GOLDEN = Path(__file__).resolve().parent.parent / "golden"
SPECS = [*sorted(GOLDEN.glob("*.orch")), *sorted(GOLDEN.glob("*/main.orch"))]
MARK = re.compile(r"//~(?P<up>\^?) (?P<code>[EWA]\d{4})(?: @(?P<column>\d+))?")
NEWCOMERS = sorted((GOLDEN / "newcomers").glob("*.orch"))


def title(path):
    return path.parent.name if path.name == "main.orch" else path.stem


def found_in(path, text=None):
    folder = path.parent if path.name == "main.orch" else None
    return check(Source(path.name, text or path.read_text("utf-8")), folder=folder).diagnostics


def marks(path):
    """File, line, code and column of each mark of a spec."""
    for file in sorted(path.parent.rglob("*.orch")) if path.name == "main.orch" else [path]:
        for number, line in enumerate(file.read_text("utf-8").splitlines(), 1):
            for mark in MARK.finditer(line):
                column = None if mark["column"] is None else int(mark["column"])
                yield file.relative_to(path.parent).as_posix(), number - bool(mark["up"]), mark["code"], column


@pytest.mark.parametrize("path", SPECS, ids=title)
def test_exactly_the_marked_mistakes_are_reported_where_they_are(path):
    wanted = list(marks(path))
    found = [(d.span.source.name, d.span.line, d.code.id, d.span.column) for d in found_in(path)]
    anywhere = {mark[:3] for mark in wanted if mark[3] is None}
    shown = [(*place[:3], None) if place[:3] in anywhere else place for place in found]
    told = "\n".join(f"{d.span} {d.code.id} {d.message}" for d in found_in(path))
    assert sorted(shown, key=str) == sorted(wanted, key=str), told


@pytest.mark.parametrize("path", SPECS, ids=title)
def test_spans_lie_on_the_words_that_they_are_about(path):
    for item in found_in(path):
        for span in (item.span, *(label.span for label in item.labels)):
            assert 0 <= span.start <= span.end <= len(span.source.text)
            assert span.text == span.text.strip()
        for edit in item.fix.edits if item.fix else ():
            assert edit.span.text != edit.replacement


def test_there_are_many_broken_specs_and_several_with_several_mistakes():
    counts = [len(list(marks(path))) for path in SPECS]
    assert len(SPECS) >= 45
    assert sum(count > 3 for count in counts) >= 8


@pytest.mark.parametrize("path", [*SPECS, *NEWCOMERS], ids=title)
def test_the_report_reads_as_before(path):
    text = render_all(found_in(path))
    folder = path.parent if path in NEWCOMERS else GOLDEN
    snapshot = folder / f"{title(path)}.txt"
    if os.environ.get("ORCH_GOLDEN") == "write":
        snapshot.write_text(text, "utf-8")
    renew = "ORCH_GOLDEN=write pytest tests/compiler/test_golden.py writes it anew; read it before you commit it"
    assert snapshot.exists(), renew
    assert text == snapshot.read_text("utf-8"), renew


def test_each_kind_of_mistake_of_a_newcomer_is_told_in_few_words():
    """As Python, YAML or Terraform would write it: mostly one diagnostic for each thing that is wrong."""
    counts = {path.stem: len(found_in(path)) for path in NEWCOMERS}
    assert len(counts) >= 80
    assert all(counts.values())
    assert sum(counts.values()) <= 2 * len(counts)
    assert sum(count == 1 for count in counts.values()) >= 0.6 * len(counts)


@pytest.mark.parametrize("path", SPECS, ids=title)
def test_a_suggested_name_repairs_the_mistake(path):
    text = path.read_text("utf-8")
    for item in found_in(path):
        if item.code.id != "E0201" or item.fix is None:
            continue
        (edit,) = item.fix.edits
        repaired = text[: edit.span.start] + edit.replacement + text[edit.span.end :]
        after = found_in(path, repaired)
        assert (item.code.id, edit.span.start) not in {(left.code.id, left.span.start) for left in after}
