import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from orchspec.cli import main
from orchspec.cli.common import MISUSE, NOT_WELL, WELL

UGLY = "orch   1\n// kept\nflow f(a:Text)->Text{return a}\n"
BROKEN = "orch 1\nflow f(a: Text) -> Text { return a @ }\n"


@pytest.fixture
def spec(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def write(text, name="a.orch"):
        Path(name).write_text(text, "utf-8")
        return name

    return write


def fmt(*arguments, **settings):
    return CliRunner().invoke(main, ["fmt", *arguments], **settings)


@pytest.fixture
def formatted(spec):
    name = spec(UGLY, "formatted.orch")
    assert fmt(name).exit_code == WELL
    return Path(name).read_text("utf-8")


def test_a_file_is_rewritten_in_place_once(spec, formatted):
    name = spec(UGLY)
    result = fmt(name)
    assert (result.exit_code, result.stdout, result.stderr) == (WELL, "", "a.orch: formatted\n")
    assert Path(name).read_text("utf-8") == formatted != UGLY
    assert "// kept" in formatted
    again = fmt(name)
    assert (again.exit_code, again.stdout, again.stderr) == (WELL, "", "")


def test_check_writes_nothing_and_ends_with_1_where_something_would_change(spec, formatted):
    name = spec(UGLY)
    result = fmt(name, "--check")
    assert (result.exit_code, result.stderr) == (NOT_WELL, "a.orch: would be formatted\n")
    assert Path(name).read_text("utf-8") == UGLY
    assert fmt(spec(formatted), "--check").exit_code == WELL


def test_diff_shows_what_would_change_and_writes_nothing(spec, formatted):
    name = spec(UGLY)
    result = fmt(name, "--diff")
    assert result.exit_code == NOT_WELL
    removed = [line[1:] for line in result.stdout.splitlines()[2:] if line.startswith("-")]
    added = [line[1:] for line in result.stdout.splitlines()[2:] if line.startswith("+")]
    assert set(removed) <= set(UGLY.splitlines())
    assert set(added) <= set(formatted.splitlines())
    assert removed
    assert Path(name).read_text("utf-8") == UGLY
    assert fmt(spec(formatted), "--diff").stdout == ""


def test_standard_input_is_formatted_to_standard_output(spec, formatted):
    result = fmt("-", input=UGLY)
    assert (result.exit_code, result.stdout, result.stderr) == (WELL, formatted, "")


def test_a_broken_file_is_left_alone_and_its_mistake_shown(spec):
    good, broken = spec(UGLY, "good.orch"), spec(BROKEN, "broken.orch")
    result = fmt(broken, good)
    assert result.exit_code == NOT_WELL
    assert Path(broken).read_text("utf-8") == BROKEN
    assert Path(good).read_text("utf-8") != UGLY
    assert "E0001" in result.stderr
    assert "broken.orch: left as it is" in result.stderr
    assert result.stdout == ""


def test_json_says_for_each_file_what_became_of_it(spec, formatted):
    names = [spec(UGLY), spec(BROKEN, "broken.orch"), spec(formatted, "well.orch")]
    result = fmt(*names, "--json", "--diff")
    assert (result.exit_code, result.stderr) == (NOT_WELL, "")
    ugly, broken, well = json.loads(result.stdout)["files"]
    assert (ugly["changed"], broken["changed"], well["changed"]) == (True, False, False)
    assert [each["code"] for each in broken["diagnostics"]] == ["E0001"]
    assert ugly["diff"].startswith("--- a.orch")
    assert broken["diff"] == well["diff"] == ""


@pytest.mark.parametrize(
    ("arguments", "words"), [(["-", "a.orch"], "standard input alone"), (["gone.orch"], "there is no file gone.orch")]
)
def test_misuse_is_said_and_nothing_is_written(spec, arguments, words):
    name = spec(UGLY)
    result = fmt(*arguments)
    assert (result.exit_code, result.stdout) == (MISUSE, "")
    assert words in result.stderr
    assert Path(name).read_text("utf-8") == UGLY
