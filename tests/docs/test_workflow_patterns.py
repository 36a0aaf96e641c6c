"""The page of workflow patterns has all 43, and each that it calls direct is shown by a test that passes."""

import re

import pytest

from orchspec.compiler.load import compile_file
from orchspec.simulator.trial import run_test
from tests.docs.pages import DOCS, ROOT

TEXT = (DOCS / "workflow-patterns.md").read_text("utf-8")
ROWS = [[cell.strip() for cell in line.strip("|").split("|")] for line in TEXT.splitlines() if re.match(r"\| \d", line)]
DIRECT = [row for row in ROWS if row[2] == "direct"]


def test_every_pattern_of_the_catalogue_has_its_row():
    assert [int(row[0]) for row in ROWS] == list(range(1, 44))
    assert {row[2] for row in ROWS} == {"direct", "no"}
    assert f"{len(DIRECT)} of the 43 are direct" in TEXT
    assert len(DIRECT) >= 30
    assert all(row[3] and not row[4] for row in ROWS if row[2] == "no")


@pytest.mark.parametrize("row", DIRECT, ids=lambda row: row[0])
def test_a_direct_pattern_is_shown_by_a_test_of_its_number(row):
    match = re.fullmatch(r'`(specs/workflow/\w+\.orch)`: "(.+)"', row[4])
    assert match, row[4]
    assert row[0] in re.findall(r"\d+", match[2].split(" ")[0] + " " + " ".join(match[2].split(" ")[1:3]))
    plan = compile_file(ROOT / match[1]).plan
    assert plan is not None
    test = next(each for each in plan.tests if each.name == match[2])
    assert run_test(plan, test).verdict == "passed"
