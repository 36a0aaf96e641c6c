import json
import re

import pytest
from click.testing import CliRunner

from orchspec.cli import main
from orchspec.cli.common import MISUSE, WELL
from orchspec.grammar import codes


def explain(*arguments):
    return CliRunner().invoke(main, ["explain", *arguments])


@pytest.mark.parametrize("name", ["E0001", "e0001", "unexpected-character", "Unexpected-Character"])
def test_a_code_is_found_by_id_and_by_name_in_any_case(name):
    result = explain(name)
    assert result.exit_code == WELL
    code = codes.UNEXPECTED_CHARACTER
    for words in (code.id, code.slug, code.explanation, "refused:", "instead:", "the character <found> has"):
        assert words in result.stdout


def test_json_holds_the_code_as_data():
    code = codes.UNEXPECTED_CHARACTER
    assert json.loads(explain("E0001", "--json").stdout) == {
        "code": "E0001",
        "slug": code.slug,
        "severity": "error",
        "summary": code.summary,
        "explanation": code.explanation,
        "bad": code.bad,
        "good": code.good,
    }


def test_without_a_code_all_are_listed_once():
    listed = [line.split()[0] for line in explain().stdout.splitlines() if re.match(r"[EWA]\d{4}  ", line)]
    assert "E0001" in listed
    assert len(listed) == len(set(listed))
    assert listed == [each["code"] for each in json.loads(explain("--json").stdout)]


@pytest.mark.parametrize("name", ["names", "E02", "e02"])
def test_a_family_lists_its_codes_below_its_title(name):
    lines = explain(name).stdout.splitlines()
    assert lines[0] == "Names (names)"
    assert all(line[1:3] == "02" for line in lines[1:])


def test_every_code_explains_itself():
    for each in json.loads(explain("--json").stdout):
        result = explain(each["code"])
        assert result.exit_code == WELL
        assert each["explanation"]
        filled_in = dict.fromkeys(re.findall(r"(?<!\{)\{(\w+)", each["summary"]))
        assert all(f"<{name}>" in result.stdout for name in filled_in)


def test_an_unknown_code_is_misuse_that_names_the_nearest():
    result = explain("unexpected-charakter")
    assert (result.exit_code, result.stdout) == (MISUSE, "")
    assert "did you mean unexpected-character?" in result.stderr
