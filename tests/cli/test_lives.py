"""`orch resume --upgrade`, `orch fork` and `orch doctor --spec`: what they print, and how they end."""

import json

import pytest

import orchspec
import orchspec.testing
from orchspec.cli.common import MISUSE, NOT_WELL, PARKED, WELL
from tests.support.commands import orch

SPEC = """orch 1
contract Write(topic: Text) -> Text
contract Judge(text: Text) -> Bool
agent ann fulfills Write
human eve fulfills Judge { timeout = 1h }
effect post(text: Text) -> Text { key = text  undo = retract(result) }
effect retract(id: Text) { key = id }
flow main(topic: Text) -> Text {
  step draft = Write(topic) by ann
  checkpoint drafted
  step sent = post(draft)
  step good = Judge(draft) by eve { after = [sent] }
  return draft
}
"""
AGENTS = """import orchspec
app = orchspec.App(orchspec.load(__file__.replace("m_lives.py", "main.orch")))
app.agent("ann")(lambda task, topic: "on " + topic)
app.effect("post")(lambda call, text: "p-" + call.key[:8])
app.effect("retract")(lambda call, id: None)
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    (tmp_path / "main.orch").write_text(SPEC, "utf-8")
    (tmp_path / "m_lives.py").write_text(AGENTS, "utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delitem(__import__("sys").modules, "m_lives", raising=False)
    done = orch("run", "main.orch", "--agents", "m_lives", "--run-id", "r", "--input", '{"topic": "bees"}')
    assert done.exit_code == PARKED, done.output
    return tmp_path


def change(folder, old, new, file="main.orch"):
    assert old in SPEC
    (folder / file).write_text(SPEC.replace(old, new), "utf-8")


def test_a_run_goes_on_with_the_spec_as_it_is_now(folder):
    change(folder, "return draft", 'return draft + "!"')
    assert orch("answer", "r", "good", "--value", "true", "--by", "eve").exit_code == WELL
    done = orch("resume", "r", "--upgrade", "--json")
    assert done.exit_code == WELL, done.output
    assert json.loads(done.stdout)["result"] == "on bees!"
    types = [json.loads(line)["type"] for line in orch("journal", "r").stdout.splitlines()]
    assert types.count("PlanUpgraded") == 1
    assert json.loads(orch("doctor", "--json").stdout)["sound"]


def test_an_upgraded_run_is_shown_and_explained_like_any(folder):
    # What begins before the effect moves the places of all that follows.
    change(folder, "step sent = ", "step extra = Write(topic) by ann\n  step sent = ")
    assert orch("resume", "r", "--upgrade").exit_code == PARKED
    why = orch("why", "r", "good")
    assert (why.exit_code, "sent" in why.stdout) == (WELL, True), why.output
    steps = [json.loads(line)["step_id"] for line in orch("journal", "r", "--steps").stdout.splitlines()]
    assert {"draft@1", "sent@1", "extra@1"} <= set(steps)
    assert "good" in [step["step"] for step in json.loads(orch("status", "r", "--json").stdout)["open"]]
    seen = orch("watch", "--once", "--json")
    assert (seen.exit_code, "does not fold" in seen.stdout) == (WELL, False)


def test_without_upgrade_it_goes_on_with_the_plan_of_then(folder):
    change(folder, "return draft", 'return draft + "!"')
    orch("answer", "r", "good", "--value", "true", "--by", "eve")
    assert json.loads(orch("resume", "r", "--json").stdout)["result"] == "on bees"


def test_what_does_not_fit_is_told_and_nothing_is_written(folder):
    before = orch("journal", "r").stdout
    change(folder, "post(draft)", 'post(draft + "!")', "other.orch")
    done = orch("resume", "r", "--upgrade", "--spec", "other.orch", "--json")
    assert done.exit_code == NOT_WELL
    error = json.loads(done.stdout)["error"]
    assert (error["code"], error["record"]["place"], error["record"]["type"]) == (
        "upgrade_misfit",
        "sent",
        "TaskFulfilled",
    )
    assert error["record"]["new_line"] == "other.orch:11"
    assert "does not fit the new plan" in orch("resume", "r", "--upgrade", "--spec", "other.orch").stderr
    assert orch("journal", "r").stdout == before
    assert orch("resume", "r").exit_code == PARKED


def test_a_spec_with_mistakes_and_a_spec_without_upgrade_are_refused(folder):
    (folder / "bad.orch").write_text("orch 1\nflow main() -> Text { return 1 }\n", "utf-8")
    done = orch("resume", "r", "--upgrade", "--spec", "bad.orch")
    assert (done.exit_code, "E" in done.stderr) == (NOT_WELL, True)
    assert orch("resume", "r", "--spec", "main.orch").exit_code == MISUSE
    assert orch("resume", "r", "--upgrade", "--spec", "none.orch").exit_code == MISUSE


def test_a_fork_goes_on_by_itself_and_its_name_stands_for_it(folder):
    done = orch("fork", "r", "--at", "drafted", "--run-id", "f", "--json")
    assert (done.exit_code, json.loads(done.stdout)["status"]) == (PARKED, "parked")
    assert orch("fork", "r", "--at", "drafted", "--run-id", "f").exit_code == PARKED
    again = orch("fork", "r", "--at", "drafted", "--run-id", "f", "--effects", "again", "--json")
    assert (again.exit_code, json.loads(again.stdout)["error"]["code"]) == (MISUSE, "run_mismatch")
    assert orch("answer", "f", "good", "--value", "true", "--by", "eve").exit_code == WELL
    assert json.loads(orch("resume", "f", "--json").stdout)["status"] == "completed"
    assert {row["run"]: row["status"] for row in json.loads(orch("status", "--json").stdout)} == {
        "r": "parked",
        "f": "completed",
    }
    assert "TryEffect" not in orch("journal", "f").stdout


def test_a_checkpoint_that_was_not_passed_is_misuse(folder):
    done = orch("fork", "r", "--at", "nowhere", "--json")
    assert (done.exit_code, json.loads(done.stdout)["error"]["code"]) == (MISUSE, "fork_refused")
    assert orch("fork", "nobody", "--at", "drafted").exit_code == MISUSE


def test_a_fork_outlives_its_parent(folder):
    orch("fork", "r", "--at", "drafted", "--run-id", "f")
    orch("cancel", "r")
    assert json.loads(orch("resume", "r", "--json").stdout)["status"] == "cancelled"
    assert json.loads(orch("prune", "--older-than", "0s", "--json").stdout)["removed"] == 1
    assert json.loads(orch("doctor", "--json").stdout)["sound"]
    orch("answer", "f", "good", "--value", "true", "--by", "eve")
    assert json.loads(orch("resume", "f", "--json").stdout)["status"] == "completed"


def test_what_is_undone_is_told_as_such(folder):
    orch("cancel", "r", "--by", "Ada")
    told = orch("resume", "r").stderr
    assert "  undone    sent\n" in told
    assert told.count("cancelled by Ada") == 2, "when it was asked for, and how it ended"


async def _forked(app, **settings):
    return await app.fork("runs.db", "r", "drafted", **settings)


def test_python_forks_and_upgrades_too(folder):
    import asyncio

    app = orchspec.App(orchspec.load(folder / "main.orch"))
    app.agent("ann")(lambda task, topic: "on " + topic)
    app.effect("post")(lambda call, text: "p")
    app.effect("retract")(lambda call, **given: None)
    app.human("eve")(lambda task, text: True)
    assert asyncio.run(_forked(app, run_id="f")).status == "completed"
    assert asyncio.run(app.resume("runs.db", "r", upgrade=True)).status == "completed"


def test_kept_journals_are_replayed_under_the_spec_as_it_is(folder):
    assert orchspec.testing.replay_journals(orchspec.load("main.orch"), "runs.db") == ["r"]
    done = orch("doctor", "runs.db", "--spec", "main.orch", "--json")
    assert (done.exit_code, json.loads(done.stdout)["replayed"]) == (WELL, 1)
    change(folder, "step good = Judge(draft)", "step later = Write(draft) by ann\n  step good = Judge(later)")
    with pytest.raises(orchspec.testing.Unfit, match=r"run r does not fit .* at good"):
        orchspec.testing.replay_journals(orchspec.load("main.orch"), "runs.db")
    done = orch("doctor", "runs.db", "--spec", "main.orch", "--json")
    found = json.loads(done.stdout)
    assert (done.exit_code, [each["what"] for each in found["findings"]]) == (NOT_WELL, ["question", "replay"])
