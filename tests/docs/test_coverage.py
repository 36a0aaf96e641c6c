"""The table of coverage names specs, tests and commands that are there."""

import re

from tests.docs.pages import DOCS, ROOT

TEXT = (DOCS / "coverage.md").read_text("utf-8")
ROWS = re.findall(r"^\| (\d+) \|", TEXT, flags=re.MULTILINE)


def test_every_row_is_there_once():
    assert [int(row) for row in ROWS] == list(range(1, 34))


def test_every_spec_that_is_named_exists():
    named = set(re.findall(r"`(specs/[\w/.-]+)`", TEXT))
    assert named
    assert [name for name in named if not (ROOT / name).is_file()] == []


def test_every_test_that_is_named_exists():
    named = set(re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", TEXT))
    missing = [name for file, name in named if f"def {name}(" not in (ROOT / file).read_text("utf-8")]
    assert named
    assert missing == []


def test_a_row_without_a_spec_says_what_is_not_there_yet():
    for line in TEXT.splitlines():
        if re.match(r"\| \d+ \|", line):
            cells = [cell.strip() for cell in line.strip("|").split("|")]
            assert cells[2] or cells[5], line


def test_the_map_names_modules_that_exist():
    text = (DOCS / "architecture.md").read_text("utf-8")
    section = text.partition("## The modules")[2].partition("## ")[0]
    named = {word.rstrip("/") for word in re.findall(r"`([a-z_]+[/*]?)`", section)}
    parts = ("grammar", "compiler", "runtime", "simulator", "orchspec")
    there = {path.stem for part in parts for path in (ROOT / part).rglob("*.py")}
    there |= {path.parent.name for part in parts for path in (ROOT / part).rglob("__init__.py")}
    strange = {name for name in named if not name.endswith("*")} - there
    assert strange == set(), "the map names modules that are not there"
