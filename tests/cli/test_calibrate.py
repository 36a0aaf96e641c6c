import json
import random
from pathlib import Path

import pytest
from click.testing import CliRunner

from orchspec.cli import main
from orchspec.cli.common import MISUSE, NOT_WELL, WELL
from orchspec.compiler import compile_file

ROOT = Path(__file__).resolve().parents[2]
AZURE = ROOT / "specs" / "data" / "azure-llm-2023" / "conv.csv"


def run(*arguments, command="calibrate", **settings):
    return CliRunner().invoke(main, [command, *map(str, arguments)], **settings)


@pytest.fixture
def trace(tmp_path):
    draws = random.Random(3)
    path = tmp_path / "trace.csv"
    rows = ["who,took_ms,status,cost_usd"]
    for _ in range(400):
        took_s = draws.lognormvariate(1.5, 0.6)
        status = "timeout" if took_s > 12 else "failed" if draws.random() < 0.05 else "ok"
        rows.append(f"scout,{min(took_s, 12) * 1000:.0f},{status},{draws.gammavariate(3, 0.01):.5f}")
    rows += ["rare,10,ok,0.1"] * 7 + ["my bot,250,ok,0"] * 30 + ["scout,soon,ok,0"]
    path.write_text("\n".join(rows) + "\n")
    return path


def test_profiles_go_to_standard_output_and_what_is_told_to_standard_error(trace):
    result = run(trace, "--column", "agent=who", "--rename", "my bot=bot")
    assert result.exit_code == WELL
    assert "latency = lognormal(p50: 4." in result.stdout
    assert "// latency: " in result.stdout
    assert "profile bot {" in result.stdout
    assert "latency = fixed(250ms)" in result.stdout
    assert "rare" not in result.stdout
    assert "rare: latency: 7 values are too few to fit, 20 are needed; record more, or say --least 7" in result.stderr
    assert "1 row left out\n  trace.csv, line 439: latency is 'soon', expected a number" in result.stderr


def test_a_name_that_is_none_is_told_with_how_to_give_one(trace):
    result = run(trace, "--column", "agent=who")
    assert result.exit_code == WELL
    assert "'my bot' is no name of the language; give it one: --rename 'my bot=NAME'" in result.stderr
    assert "my bot" not in result.stdout


def test_written_to_a_file_they_are_formatted_and_have_no_errors(trace, tmp_path):
    path = tmp_path / "measured.orch"
    assert run(trace, "--column", "agent=who", "-o", path).stdout == ""
    assert run("--check", path, command="fmt").exit_code == WELL
    assert not compile_file(path).errors


def test_a_spec_is_updated_in_place_and_nothing_but_its_profiles_changes(trace, tmp_path):
    path = tmp_path / "spec.orch"
    text = """orch 1

contract Answer(question: Text) -> Text
agent scout fulfills Answer { timeout = 1min }  // the one we measure
flow f(question: Text) -> Text {
  step a = Answer(question) by scout
  return a
}
// as we guess
profile scout { latency = fixed(1s)  output = "x" }  // or not
"""
    path.write_text(text)
    result = run(trace, "--column", "agent=who", "--update", path)
    assert result.exit_code == WELL, result.stderr
    assert "my bot is not declared in the spec" in result.stderr
    new = path.read_text()
    head = "profile scout {"
    assert new[: new.index(head)] == text[: text.index(head)]
    for kept in ("// as we guess", "// or not", 'output = "x"', "latency = lognormal(p50: "):
        assert kept in new
    assert not compile_file(path).diagnostics
    assert run(trace, "--column", "agent=who", "--update", path).exit_code == WELL
    assert path.read_text() == new


def test_a_spec_with_errors_is_left_as_it_is(trace, tmp_path):
    path = tmp_path / "spec.orch"
    path.write_text("orch 1\nagent {")
    result = run(trace, "--column", "agent=who", "--update", path)
    assert result.exit_code == NOT_WELL
    assert path.read_text() == "orch 1\nagent {"
    assert "Traceback" not in result.stderr


def test_the_document_holds_fits_with_intervals_and_nothing_else_is_printed(trace):
    document = json.loads(run(trace, "--column", "agent=who", "--json").stdout)
    scout = document["profiles"]["scout"]
    latency = scout["attributes"]["latency"]
    assert latency["family"] == "lognormal"
    lo, hi = latency["parameters"]["p50"]["ci95"]
    assert lo < 4.48 < hi
    assert latency["cut_off"] > 10
    assert latency["ks"]["distance"] < 0.05
    assert min(latency["aic"], key=latency["aic"].get) == "lognormal"
    assert scout["shares"]["failure"]["trials"] > 300
    assert document["rows_left_out"] == 1


def test_the_real_trace_gives_the_tokens_of_its_readme(tmp_path):
    document = json.loads(run(AZURE, "--agent", "server", "--charts", tmp_path / "charts", "--json").stdout)
    server = document["profiles"]["server"]
    assert server["tries"] == 19_366
    assert "latency: no source tells it" in server["notes"][0]
    assert server["attributes"]["tokens_out"]["ks"]["distance"] < 0.03
    assert {path.name for path in (tmp_path / "charts").iterdir()} == {
        f"server-{name}.{kind}" for name in ("tokens_in", "tokens_out") for kind in ("png", "svg")
    }


def test_nothing_to_fit_is_not_well(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("agent,latency\na,1\n")
    result = run(path)
    assert (result.exit_code, result.stdout) == (NOT_WELL, "")
    assert "nothing was fitted" in result.stderr
    assert json.loads(run(path, "--json").stdout)["text"] == ""


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["none.db"], "there is no file none.db"),
        ([AZURE], "--agent NAME"),
        ([AZURE, "--agent", "s", "-o", "a", "--update", "b"], "choose one"),
        ([AZURE, "--agent", "s", "--column", "latency"], "write it as NAME=VALUE"),
        ([AZURE, "--agent", "s", "--column", "speed=x"], "QUANTITY is one of"),
        ([], "Missing argument"),
    ],
)
def test_misuse_says_what_to_do(arguments, told):
    result = run(*arguments)
    assert result.exit_code == MISUSE
    assert told in result.stderr


def test_what_simulate_writes_is_read(tmp_path):
    spec = tmp_path / "spec.orch"
    spec.write_text("""orch 1
contract Answer(question: Text) -> Text
agent clerk fulfills Answer { slots = 3 }
flow f(question: Text) -> Text {
  step a = Answer(question) by clerk
  return a
}
profile clerk { latency = lognormal(p50: 4s, p95: 15s) }
scenario "load" for f { arrivals = poisson(1 / 10s)  duration = 30min }
""")
    journals = tmp_path / "journals.jsonl"
    assert run(spec, "--journals", journals, command="simulate").exit_code == WELL
    found = json.loads(run(journals, "--json").stdout)
    found = found["profiles"]["clerk"]["attributes"]["latency"]["parameters"]
    for name, value in (("p50", 4.0), ("p95", 15.0)):
        assert found[name]["ci95"][0] < value < found[name]["ci95"][1]
    assert run(spec, "--journals", journals, "--sweep", "clerk.slots=1..2", command="simulate").exit_code == MISUSE
