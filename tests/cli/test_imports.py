"""Commands on specs of several files."""

import json
import subprocess
import sys

import pytest

import orchspec
from orchspec.cli.common import NOT_WELL, WELL
from orchspec.compiler import compile_file
from tests.support.commands import orch

TEAM = """orch 1
contract Write(topic: Text) -> Text
agent writer fulfills Write { timeout = 30s }
effect keep(text: Text) -> Url { key = text }
flow team(topic: Text) -> Url {
  step text = Write(topic) by writer
  step url  = keep(text)
  return url
}
flow spare(topic: Text) -> Text {
  step text = Write(topic) by writer
  return text
}
profile writer { output = choice("a") }
test "of its own" for team { expect status == completed }
"""
MAIN = """orch 1
import "lib/team.orch" as team
flow main(topic: Text) -> Url {
  step url = team.team(topic)
  return url
}
test "stubbed" for main {
  stub team.writer.Write = "b"
  fault fail(team.keep, first: 1)
  expect calls(team.writer) == 1
}
"""


@pytest.fixture
def write(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def written(text, name="main.orch"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, "utf-8")
        return name

    written(TEAM, "lib/team.orch")
    written(MAIN)
    return written


def test_a_mistake_in_an_imported_file_is_told_once_with_its_file_and_never_edited_from_elsewhere(write):
    write(TEAM.replace("by writer", "by writr"), "lib/team.orch")
    write(MAIN, "other.orch")
    found = json.loads(orch("check", "main.orch", "other.orch", "./lib/team.orch", "--json").stdout)
    assert [(item["code"], item["span"]["file"]) for item in found] == [("E0201", "./lib/team.orch")]
    assert found[0]["fix"] is not None
    (alone,) = json.loads(orch("check", "main.orch", "--json").stdout)
    assert (alone["span"]["file"], alone["fix"]) == ("lib/team.orch", None)
    assert orch("check", "main.orch", "--fix").exit_code == NOT_WELL
    sarif = json.loads(orch("check", "main.orch", "--format", "sarif").stdout)
    place = sarif["runs"][0]["results"][0]["locations"][0]["physicalLocation"]
    assert place["artifactLocation"]["uri"] == "lib/team.orch"


def test_tests_are_those_of_the_file_and_name_what_is_imported(write):
    result = orch("test", "main.orch", "--json")
    assert result.exit_code == WELL, result.output
    assert "stubbed" in result.stdout
    assert "of its own" not in result.stdout


def test_only_flows_that_the_spec_concerns_are_drawn_and_run_without_being_named(write):
    drawn = orch("graph", "main.orch").stdout
    assert "team.team" in drawn
    assert "team.spare" not in drawn
    options = ("--stand-ins", "--speed", "100", "--input", '{"topic": "x"}', "--json")
    assert json.loads(orch("run", "main.orch", *options).stdout)["result"].startswith("https")
    assert json.loads(orch("run", "main.orch", "--flow", "team.spare", *options).stdout)["result"] == "a"


def test_a_run_goes_on_without_the_files_it_came_from(write, tmp_path):
    command = ["run", "main.orch", "--stand-ins", "--speed", "100", "--run-id", "r", "--input", '{"topic": "x"}']
    killed = subprocess.run(
        [sys.executable, "-m", "orchspec", *command],
        cwd=tmp_path,
        env={"ORCH_FAILPOINT": "after_effect", "PYTHONPATH": ":".join(sys.path)},
        capture_output=True,
    )
    assert killed.returncode == -9
    (tmp_path / "lib" / "team.orch").unlink()
    done = orch("resume", "--json", "--stand-ins")
    assert done.exit_code == WELL, done.output
    assert "completed" in done.stdout


def test_handlers_are_bound_under_the_full_name(write):
    app = orchspec.App(compile_file("main.orch").plan)

    @app.agent("team.writer")
    def write_it(task, topic):
        return f"{topic}/{task.contract}"

    @app.effect("team.keep")
    def keep(call, text):
        return f"https://example.org/{text}"

    assert app.run_sync("main", {"topic": "x"}).result == "https://example.org/x/team.Write"
