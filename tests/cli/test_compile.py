import json
from pathlib import Path

import jsonschema
import pytest
from click.testing import CliRunner

from orchspec.cli import main
from orchspec.cli.common import MISUSE, NOT_WELL, WELL
from orchspec.compiler import plan_from_json

ROOT = Path(__file__).resolve().parents[2]
PUBLISHED = ROOT / "docs" / "reference" / "plan.schema.json"
SPEC = """orch 1
param copies: Int = 2 where copies in 1..9
contract Answer(question: Text) -> Text
agent clerk fulfills Answer
flow desk(question: Text) -> List<Text> {
  step answers = Answer(question) by 2 of clerk { width = copies }
  return answers
}
"""
SPEC = SPEC.replace("by 2 of clerk { width = copies }", "by any for n in [question] { width = copies }")


@pytest.fixture(autouse=True)
def _folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("a.orch").write_text(SPEC, "utf-8")


def run(*arguments, **settings):
    return CliRunner().invoke(main, ["compile", *arguments], **settings)


def test_the_plan_goes_to_standard_output_and_reads_back():
    result = run("a.orch")
    assert (result.exit_code, result.stderr) == (WELL, "")
    plan = plan_from_json(result.stdout)
    assert plan.hash.startswith("sha256:")
    assert run("a.orch", "--json").stdout == result.stdout


def test_the_plan_is_written_whole_where_output_says():
    result = run("a.orch", "-o", "plan.json")
    assert (result.exit_code, result.stdout) == (WELL, "")
    plan = plan_from_json(Path("plan.json").read_text("utf-8"))
    assert result.stderr == f"plan.json: the plan {plan.hash}\n"
    assert Path("plan.json").read_text("utf-8") == run("a.orch").stdout
    assert json.loads(run("a.orch", "-o", "plan.json", "--json").stdout) == {"written": "plan.json"}


def test_layout_and_comments_do_not_change_the_hash_and_params_do():
    same = run("-", input=SPEC.replace("\n", "\n\n// more\n")).stdout
    other = run("a.orch", "--set", "copies=8").stdout
    first, second, third = (json.loads(text) for text in (run("a.orch").stdout, same, other))
    assert {**second, "name": first["name"]}["flows"] == first["flows"]
    assert third["params"] == {"copies": 8}
    assert third["hash"] != first["hash"]


def test_errors_are_rendered_as_in_check_and_nothing_is_written():
    Path("b.orch").write_text(SPEC.replace("fulfills Answer", "fulfills Anser"), "utf-8")
    result = run("b.orch", "-o", "plan.json")
    assert (result.exit_code, result.stdout) == (NOT_WELL, "")
    checked = CliRunner().invoke(main, ["check", "b.orch"])
    assert checked.stdout.rstrip("\n") in result.stderr
    assert not Path("plan.json").exists()
    document = json.loads(run("b.orch", "--json").stdout)
    assert document["error"]["code"] == "spec_errors"
    assert document["error"]["diagnostics"][0]["severity"] == "error"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "name a spec"),
        (["--schema", "a.orch"], "leave out FILE"),
        (["a.orch", "--set", "copies"], "--set takes name=value"),
        (["a.orch", "--set", "copies=1", "--set", "copies=2"], "gives copies twice"),
        (["a.orch", "--set", "nope=1"], "--set nope: the spec has no param of this name"),
        (["a.orch", "--set", "copies=99"], "--set copies: 99 breaks"),
        (["a.orch", "--set", "clerk.slos=1"], "--set clerk.slos: an agent has no attribute `slos`; it has models"),
        (["gone.orch"], "there is no file gone.orch"),
    ],
)
def test_misuse_is_said(arguments, words):
    result = run(*arguments)
    assert (result.exit_code, result.stdout) == (MISUSE, "")
    assert words in result.stderr


def test_the_published_schema_is_current():
    again = "it has changed: orch compile --schema -o docs/reference/plan.schema.json"
    assert PUBLISHED.read_text("utf-8") == run("--schema").stdout, again


@pytest.mark.parametrize("name", ["briefing", "map", "queue", "race", "refund", "vote", "parallel", "azure"])
def test_plans_of_the_gallery_are_of_the_published_schema(name):
    schema = json.loads(PUBLISHED.read_text("utf-8"))
    plan = json.loads(run(str(ROOT / "specs" / f"{name}.orch")).stdout)
    jsonschema.Draft202012Validator(schema).validate(plan)
    plan["flows"] = []
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.Draft202012Validator(schema).validate(plan)
