import json
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from click.testing import CliRunner

from orchspec.cli import main
from orchspec.cli.common import MISUSE, NOT_WELL, WELL

ROOT = Path(__file__).resolve().parents[2]
VOTE = str(ROOT / "specs" / "vote.orch")


@pytest.fixture(autouse=True)
def _folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def run(*arguments, **settings):
    return CliRunner().invoke(main, ["graph", *arguments], **settings)


def test_mermaid_is_what_is_given_unless_another_format_is_asked_for():
    result = run(VOTE)
    assert (result.exit_code, result.stderr) == (WELL, "")
    assert result.stdout.startswith("flowchart TB\n")
    assert run(VOTE, "--format", "dot").stdout.startswith("digraph orch {\n")
    assert ET.fromstring(run(VOTE, "--format", "svg").stdout).tag.endswith("svg")


def test_one_flow_is_drawn_where_it_is_named():
    assert run(VOTE).stdout.count('["panel(text)') == 1
    text = run(VOTE, "--flow", "second_look").stdout
    assert "second_look(text)" in text
    assert "panel(text)" not in text


@pytest.mark.parametrize(("name", "start"), [("a.svg", "<svg"), ("a.dot", "digraph"), ("a.mmd", "flowchart")])
def test_the_ending_of_the_output_chooses_the_format(name, start):
    result = run(VOTE, "--flow", "panel", "-o", name)
    assert (result.exit_code, result.stdout, result.stderr) == (WELL, "", f"{name}: panel(text)\n")
    assert Path(name).read_text("utf-8").startswith(start)


def test_json_is_the_topology_as_data():
    document = json.loads(run(VOTE, "--flow", "panel", "--json").stdout)
    (flow,) = document["flows"]
    assert [item["title"] for item in flow["items"]] == ["text", "opinions", "opinion", "return"]
    assert [(edge["kind"], edge["label"]) for edge in flow["edges"]][1:] == [("data", "opinions"), ("data", "opinion")]


def test_a_spec_with_errors_has_no_graph():
    Path("a.orch").write_text("orch 1\nflow f(a: Text) -> Text { return b }\n", "utf-8")
    result = run("a.orch")
    assert (result.exit_code, result.stdout) == (NOT_WELL, "")
    assert "a.orch has 1 error, so there is no plan" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([VOTE, "--flow", "pannel"], "no flow pannel; did you mean panel?"),
        ([VOTE, "--json", "--format", "svg"], "leave out --format"),
        (["gone.orch"], "there is no file"),
    ],
)
def test_misuse_is_said(arguments, words):
    result = run(*arguments)
    assert result.exit_code == MISUSE
    assert words in result.stdout + result.stderr
