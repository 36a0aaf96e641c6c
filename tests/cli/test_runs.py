"""The commands on runs: what they print, with what they end, and that Ctrl-C loses nothing."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from orchspec.cli.boundary import INTERRUPTED
from orchspec.cli.common import MISUSE, NOT_WELL, PARKED, WELL
from tests.support.commands import orch

ROOT = Path(__file__).resolve().parents[2]
SPEC = """orch 1
param good: Bool = true
type Draft { id: Text }
type Review { ok: Bool  notes: Text }
contract Write(topic: Text) -> Draft { expects = "Write it." }
contract Judge(draft: Draft) -> Review { expects = "Is it good?" }
agent writer fulfills Write {}
human editor fulfills Judge {}
effect publish(draft: Draft) -> Url { key = draft.id }
flow judged(topic: Text) -> Url {
  step draft = Write(topic) by writer
  step review = Judge(draft) by editor
  fail "it is not good" when review.ok != good
  step url = publish(draft: draft)
  return url
}
flow slow(topic: Text) -> Draft { step draft = Write(topic) by writer  return draft }
profile writer { latency = fixed(1min) }
profile publish { latency = fixed(1s) }
"""
AGENTS = """
import orchspec
app = orchspec.App(orchspec.load("judged.orch"))
other = 1

@app.agent("writer")
def writer(task, topic):
    task.progress(0.5, "half of it")
    return {"id": topic}

@app.effect("publish")
def publish(call, draft):
    return "https://example.org/" + draft["id"]
"""


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    (tmp_path / "judged.orch").write_text(SPEC, "utf-8")
    name = f"agents_{tmp_path.name.replace('-', '_')}"
    (tmp_path / f"{name}.py").write_text(AGENTS, "utf-8")
    yield name
    sys.modules.pop(name, None)


def run(*more, topic="t"):
    return orch("run", "judged.orch", "--input", json.dumps({"topic": topic}), "--run-id", "r", *more)


def document(result):
    return json.loads(result.stdout)


def test_a_run_parks_is_answered_and_goes_on(folder):
    parked = run("--agents", folder)
    assert parked.exit_code == PARKED, parked.stderr
    assert parked.stdout == ""
    for said in ("run r of judged", "50% half of it", "done", "asks", "orch answer r STEP", "orch resume r"):
        assert said in parked.stderr
    assert "orch answer r" in orch("inbox").stdout
    (question,) = document(orch("inbox", "--json"))
    assert (question["run"], question["step"], question["who"], question["answered"]) == (
        "r",
        "review",
        "editor",
        False,
    )
    assert question["inputs"] == {"draft": {"id": "t"}}
    answered = orch("answer", "r", "review", "--value", '{"ok": true, "notes": ""}', "--by", "Ada")
    assert (answered.exit_code, "orch resume r" in answered.stderr) == (WELL, True)
    assert document(orch("inbox", "--json"))[0]["answered"] is True
    assert "answered" in orch("inbox").stdout
    done = orch("resume")
    assert (done.exit_code, done.stdout) == (WELL, '"https://example.org/t"\n')
    assert "goes on" in done.stderr
    again = orch("resume")
    assert (again.exit_code, "nothing to resume" in again.stderr) == (WELL, True)
    assert document(orch("resume", "--json")) == []


def test_an_answer_goes_by_the_name_of_the_arbitration_that_asks(folder):
    with Path("judged.orch").open("a", encoding="utf-8") as spec:
        spec.write(
            "agent ada fulfills Judge\nflow voted(topic: Text) -> Bool {\n  step draft = Write(topic) by writer\n"
            "  step votes = Judge(draft) by 2 of ada\n"
            "  arbitrate vote = votes { decide = unanimous(it.ok) or ask(editor, within: 1h) or first }\n"
            "  return vote.ok\n}\n"
        )
    with Path(f"{folder}.py").open("a", encoding="utf-8") as agents:
        agents.write("said = iter([True, False])\n@app.agent('ada')\ndef ada(task, draft):\n")
        agents.write("    return {'ok': next(said), 'notes': ''}\n")
    assert run("--agents", folder, "--flow", "voted").exit_code == PARKED
    answered = orch("answer", "r", "vote", "--value", '{"ok": true, "notes": ""}', "--by", "Ada")
    assert answered.exit_code == WELL, answered.stderr
    assert orch("resume").stdout == "true\n"


def test_json_is_one_document_with_the_fields_that_are_promised(folder):
    first = document(run("--agents", folder, "--json"))
    assert first == {
        "run": "r",
        "status": "parked",
        "result": None,
        "error": None,
        "cost_usd": "0",
        "tokens": 0,
        "steps": 1,
    }
    orch("answer", "r", "review", "--value", '{"ok": false, "notes": ""}', "--by", "Ada", "--json")
    result = orch("resume", "r", "--json")
    assert result.exit_code == NOT_WELL
    assert document(result)["status"] == "failed"
    assert "it is not good" in document(result)["error"]["message"]
    asked_again = run("--agents", folder, "--json")
    assert (asked_again.exit_code, document(asked_again)) == (NOT_WELL, document(result))


def test_a_failed_run_says_why_and_where_to_look(folder):
    run("--agents", folder)
    orch("answer", "r", "review", "--value", '{"ok": false, "notes": ""}', "--by", "Ada")
    result = orch("resume", "r")
    assert result.exit_code == NOT_WELL
    assert "run r failed" in result.stderr
    assert "orch journal r" in result.stderr


def test_the_journal_is_a_record_a_line_and_one_list_with_json(folder):
    run("--agents", folder)
    records = [json.loads(line) for line in orch("journal", "r").stdout.splitlines()]
    assert records == document(orch("journal", "r", "--json"))
    assert [record["seq"] for record in records] == list(range(1, len(records) + 1))
    assert [record["type"] for record in records] == ["RunStarted", "TaskEnrolled", "TaskFulfilled", "TaskEnrolled"]
    assert records[0]["time"].endswith("Z")


def test_the_records_of_all_runs_are_one_stream_in_the_order_of_their_commits(folder):
    run("--agents", folder)
    orch("run", "judged.orch", "--flow", "slow", "--input", '{"topic": "u"}', "--run-id", "s", "--agents", folder)
    orch("answer", "r", "review", "--value", '{"ok": true, "notes": ""}', "--by", "Ada")
    assert orch("resume", "r").exit_code == WELL
    lines = [json.loads(line) for line in orch("journal", "--all").stdout.splitlines()]
    assert lines == document(orch("journal", "--all", "--json"))
    runs = [line["run"] for line in lines]
    assert runs == ["r"] * 4 + ["s"] * runs.count("s") + ["r"] * (runs.count("r") - 4), "as they were written"
    for name in ("r", "s"):
        own = [{k: v for k, v in line.items() if k != "run"} for line in lines if line["run"] == name]
        assert own == document(orch("journal", name, "--json"))


def test_the_step_log_of_all_runs_and_its_spans(folder):
    run("--agents", folder)
    orch("run", "judged.orch", "--flow", "slow", "--input", '{"topic": "u"}', "--run-id", "s", "--agents", folder)
    steps = document(orch("journal", "--all", "--steps", "--json"))
    assert [(step["trace_id"], step["step_id"]) for step in steps] == [("r", "draft@1"), ("s", "draft@1")]
    spans = [
        json.loads(line)["resourceSpans"][0]["scopeSpans"][0]["spans"][0]
        for line in orch("journal", "--all", "--steps", "--format", "otel").stdout.splitlines()
    ]
    assert [span["name"] for span in spans] == ["invoke_agent writer", "invoke_agent writer", "invoke_workflow slow"]
    assert spans[2]["spanId"] == spans[1]["parentSpanId"]


def test_status_shows_all_runs_and_one(folder):
    assert orch("status").exit_code == MISUSE
    run("--agents", folder)
    assert "waits for 1 answer" in orch("status").stdout
    (row,) = document(orch("status", "--json"))
    assert (row["run"], row["flow"], row["status"], row["questions"]) == ("r", "judged", "parked", 1)
    one = document(orch("status", "r", "--json"))
    assert (one["steps"], one["records"]) == (1, 4)
    assert one["open"] == [{"step": "review", "state": "running", "progress": None}]
    assert "open       review (running)" in orch("status", "r").stdout


def test_a_cancelled_run_ends_when_it_is_resumed(folder):
    run("--agents", folder)
    assert "is to be cancelled" in orch("cancel", "r", "--by", "Ada").stderr
    result = orch("resume", "r", "--json")
    assert (result.exit_code, document(result)["status"]) == (NOT_WELL, "cancelled")
    assert "cancelled by Ada" in document(result)["error"]["message"]
    ended = orch("cancel", "r", "--json")
    assert (ended.exit_code, document(ended)["error"]["code"]) == (NOT_WELL, "run_ended")


def test_set_gives_params_another_value_and_a_resume_keeps_the_plan(folder):
    run("--agents", folder, "--set", "good=false")
    orch("answer", "r", "review", "--value", '{"ok": false, "notes": ""}', "--by", "Ada")
    assert document(orch("resume", "r", "--json"))["status"] == "completed"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["run", "judged.orch", "--flow", "jugded", "--stand-ins"], "did you mean judged"),
        (["run", "none.orch"], "no file none.orch"),
        (["run", "judged.orch", "--input", "{"], "--input is not JSON"),
        (["run", "judged.orch", "--input", "NaN"], "is not JSON"),
        (["run", "judged.orch", "--input", "@none.json"], "no file none.json"),
        (["run", "judged.orch", "--input", "{}", "--stand-ins"], "topic"),
        (["run", "judged.orch", "--input", "[]", "--stand-ins"], "by name"),
        (["run", "judged.orch", "--input", '{"topic": "t"}'], "the agent writer (for Write)"),
        (["run", "judged.orch", "--input", '{"topic": "t"}', "--agents", "nowhere"], "no module nowhere"),
        (["run", "judged.orch", "--input", '{"topic": "t"}', "--agents", "json:loads"], "is a function"),
        (["run", "judged.orch", "--input", '{"topic": "t"}', "--agents", "json"], "app is missing"),
        (["run", "judged.orch", "--speed", "0"], "--speed"),
        (["journal", "r"], "no store runs.db"),
        (["journal"], "--all"),
        (["journal", "r", "--all"], "--all"),
        (["journal", "r", "--format", "otel"], "add --steps"),
        (["resume", "--store", "other.db"], "no store other.db"),
    ],
)
def test_misuse_says_what_to_do(arguments, said):
    result = orch(*arguments)
    assert (result.exit_code, result.stdout) == (MISUSE, ""), result.stderr
    assert said in result.stderr


def test_names_that_the_store_does_not_hold_are_misuse(folder):
    run("--agents", folder)
    for arguments in (["journal", "rr"], ["status", "rr"], ["resume", "rr"], ["cancel", "rr"]):
        result = orch(*arguments)
        assert (result.exit_code, "holds no run rr" in result.stderr) == (MISUSE, True)
    wrong = orch("answer", "r", "reviw", "--value", "1", "--by", "Ada")
    assert (wrong.exit_code, "did you mean review" in wrong.stderr) == (MISUSE, True)
    none = orch("answer", "r", "review", "--value", '{"ok": 1, "notes": ""}', "--by", "Ada")
    assert (none.exit_code, "result.ok" in none.stderr) == (MISUSE, True)
    other = run("--agents", folder, topic="u")
    assert (other.exit_code, "other inputs" in other.stderr) == (MISUSE, True)


def test_without_a_flow_the_one_named_like_the_file_is_run_else_they_are_listed(tmp_path, folder):
    (tmp_path / "other.orch").write_text(SPEC, "utf-8")
    result = orch("run", "other.orch", "--input", '{"topic": "t"}', "--stand-ins")
    assert (result.exit_code, "judged, slow" in result.stderr) == (MISUSE, True)


def test_a_spec_with_errors_is_reported_as_check_does(tmp_path):
    (tmp_path / "judged.orch").write_text(SPEC.replace("by writer", "by writr"), "utf-8")
    result = orch("run", "judged.orch", "--input", '{"topic": "t"}', "--stand-ins")
    assert (result.exit_code, "writr" in result.stderr) == (NOT_WELL, True)


@pytest.mark.parametrize("name", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_says_how_to_go_on_and_does(tmp_path, name):
    command = [sys.executable, "-c", "from orchspec.cli import main; main()"]
    arguments = ["run", "judged.orch", "--flow", "slow", "--input", '{"topic": "t"}', "--stand-ins", "--run-id", "r"]
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen([*command, *arguments], stderr=subprocess.PIPE, text=True, env=env)
    assert "run r of slow" in process.stderr.readline()
    process.send_signal(name)
    _, said = process.communicate(timeout=30)
    assert process.returncode == INTERRUPTED
    assert "orch resume r --store runs.db" in said
    result = orch("resume", "r", "--speed", "1000", "--json")
    assert (result.exit_code, document(result)["status"]) == (WELL, "completed")


def test_a_guard_that_fails_the_flow_is_not_told_of_the_task_before_it(folder):
    run("--agents", folder)
    orch("answer", "r", "review", "--value", '{"ok": false, "notes": "no"}', "--by", "eve")
    resumed = orch("resume", "r")
    assert (resumed.exit_code, "failed    review" in resumed.stderr) == (NOT_WELL, False)
    assert "done      review" in resumed.stderr
    assert "verified" in orch("why", "r", "review").stdout


STUBBORN = """
import asyncio, time, orchspec
app = orchspec.App(orchspec.load("slow.orch"))

@app.agent("writer")
async def writer(task, topic):
    while True:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            pass

@app.agent("other")
async def other(task, topic):
    await asyncio.to_thread(time.sleep, 60)
"""
SLOW = """orch 1
contract Write(topic: Text) -> Text
agent writer fulfills Write {}
agent other fulfills Write {}
agent quick fulfills Write {}
flow race(topic: Text) -> Text { step text = Write(topic) by first of [quick, NAME]  return text }
"""


# The first is given up only after the grace of what was told to stop.
@pytest.mark.parametrize("name", [pytest.param("writer", marks=pytest.mark.slow), "other"])
def test_a_handler_that_will_not_stop_does_not_keep_the_process(tmp_path, name):
    (tmp_path / "slow.orch").write_text(SLOW.replace("NAME", name), "utf-8")
    (tmp_path / "stubborn.py").write_text(STUBBORN + "app.agent('quick')(lambda task, topic: topic)\n", "utf-8")
    command = [sys.executable, "-c", "from orchspec.cli import main; main()", "run", "slow.orch", "--json"]
    done = subprocess.run(
        [*command, "--agents", "stubborn", "--input", '{"topic": "t"}'],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        timeout=40,
        check=False,
    )
    assert (done.returncode, json.loads(done.stdout)["result"]) == (WELL, "t"), done.stderr
