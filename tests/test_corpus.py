"""Every spec under `specs/`: it checks, and the formatter keeps what it says."""

import json
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

from orchspec.cli import main
from orchspec.cli.common import WELL

ROOT = Path(__file__).resolve().parent.parent
SPECS = sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / "specs").rglob("*.orch"))

# Constructs of the language that the compiler names and refuses, until they are built.
UNBUILT = "E10"


@pytest.fixture(autouse=True)
def _at_the_root(monkeypatch):
    monkeypatch.chdir(ROOT)


def errors(path):
    result = CliRunner().invoke(main, ["check", str(path), "--json"])
    return [(each["code"], each["message"]) for each in json.loads(result.stdout) if each["severity"] == "error"]


@pytest.mark.parametrize("name", SPECS)
def test_a_spec_of_the_gallery_has_no_error_but_what_is_unbuilt(name):
    assert [error for error in errors(name) if not error[0].startswith(UNBUILT)] == []


@pytest.mark.parametrize("name", SPECS)
def test_formatting_a_spec_keeps_what_it_says_and_is_done_once(name, tmp_path):
    first = CliRunner().invoke(main, ["fmt", "-"], input=(ROOT / name).read_text("utf-8"))
    assert first.exit_code == WELL, first.stderr
    second = CliRunner().invoke(main, ["fmt", "-"], input=first.stdout)
    assert (second.exit_code, second.stdout) == (WELL, first.stdout)
    # Beside the original, as imports and data are found from there.
    copy = tmp_path / name
    shutil.copytree((ROOT / name).parent, copy.parent)
    copy.write_text(first.stdout, "utf-8")
    assert errors(copy) == errors(name)
