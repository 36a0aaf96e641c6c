"""`orch watch`: what is under way, read from the journal while it grows."""

import json
import sqlite3

import pytest
from click.testing import CliRunner

from orchspec.cli import main
from orchspec.cli.common import MISUSE, NOT_WELL, PARKED, WELL
from orchspec.runtime.driver.stored import pinned_plan
from orchspec.runtime.journal import SQLiteStore
from orchspec.runtime.journal.memory import MemoryStore
from orchspec.runtime.watching import Watcher

SPEC = """orch 1
contract Write(topic: Text) -> Text
contract Judge(text: Text) -> Bool
agent ann fulfills Write { attempts = 2 }
human eve fulfills Judge { timeout = 1h }
flow told(topic: Text) -> Bool {
  step text = Write(topic) by ann
  checkpoint written
  step good = Judge(text) by eve
  return good
}
profile ann { latency = fixed(1s)  cost = $0.25 }
profile eve { latency = fixed(1min) }
"""
AGENTS = """
import orchspec
app = orchspec.App(orchspec.load("a.orch"))

@app.agent("ann")
def ann(task, topic):
    return topic * 2
"""


def orch(*args):
    return CliRunner().invoke(main, [str(arg) for arg in args])


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    folder = tmp_path_factory.mktemp("watch")
    spec = folder / "a.orch"
    spec.write_text(SPEC, "utf-8")
    (folder / "agents_of_watch.py").write_text(AGENTS, "utf-8")
    path = folder / "runs.db"
    options = ("--store", path, "--input", '{"topic": "bees"}')
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        done = orch("run", spec, "--stand-ins", "--speed", 6000, "--run-id", "done", *options)
        assert done.exit_code == WELL, done.stderr
        asked = orch("run", spec, "--agents", "agents_of_watch", "--run-id", "asked", *options)
        assert asked.exit_code == PARKED, asked.stderr
    return path


def test_one_look_tells_each_run_and_what_is_open_in_it(store):
    views = {view["run"]: view for view in json.loads(orch("watch", "--store", store, "--json").stdout)}
    assert (views["done"]["status"], views["done"]["open"], views["done"]["cost_usd"]) == ("completed", [], "0.25")
    assert [(step["step"], step["agent"]) for step in views["asked"]["open"]] == [("good", "eve")]
    assert views["asked"]["checkpoints"] == ["written"]
    text = orch("watch", "--once", "--store", store).stdout
    assert "good (eve)" in text


@pytest.mark.parametrize(("run", "code"), [("done", WELL), ("asked", PARKED)])
def test_watching_one_run_ends_with_it(store, run, code):
    assert orch("watch", run, "--store", store).exit_code == code


def test_a_run_that_is_not_there_is_misuse(store):
    assert orch("watch", "nosuch", "--store", store).exit_code == MISUSE


def test_each_look_reads_only_what_is_new(store):
    source = SQLiteStore(store, create=False)
    row = source.run("done")
    records = source.records("done")
    plan = pinned_plan(source, row)
    source.close()

    class Growing(MemoryStore):
        def __init__(self):
            super().__init__()
            self.shown = 0
            self.asked = []

        def run(self, run):
            return row

        def runs(self, status=None):
            return [row]

        def plan(self, plan_hash):
            return plan.as_json()

        def records(self, run, after=0):
            self.asked.append(after)
            return [record for record in records if after < record.seq <= self.shown]

    growing = Growing()
    watcher = Watcher(growing)
    growing.shown = 2
    first = watcher.look()[0]
    assert first.records == 2
    growing.shown = len(records)
    assert watcher.look()[0].steps_done == 2
    assert growing.asked == [0, 2]


def test_a_journal_that_does_not_fold_is_shown_as_such(store, tmp_path):
    copy = tmp_path / "copy.db"
    copy.write_bytes(store.read_bytes())
    connection = sqlite3.connect(copy)
    with connection:
        connection.execute("UPDATE records SET body = replace(body, '\"at\":1', '\"at\":7')")
        connection.execute("DELETE FROM plans WHERE hash NOT IN (SELECT plan_hash FROM runs)")
    connection.close()
    views = json.loads(orch("watch", "--store", copy, "--json").stdout)
    assert any(view["problem"] for view in views)
    connection = sqlite3.connect(copy)
    with connection:
        connection.execute("DELETE FROM plans")
    connection.close()
    done = orch("watch", "--once", "--store", copy)
    assert done.exit_code in {WELL, NOT_WELL}
    assert "is not in the store" in done.stdout


def test_progress_is_shown_with_how_long_ago_it_was_told(store, tmp_path):
    import shutil
    import time

    from orchspec.runtime.journal.owner import this_process
    from orchspec.runtime.journal.records import BeatRow

    copy = tmp_path / "copy.db"
    shutil.copy(store, copy)
    source = SQLiteStore(copy)
    now_us = time.time_ns() // 1000
    epoch = source.acquire(this_process(), now_us, 1)
    source.put_beats(epoch, [BeatRow("asked", "good", 1, 0.4, "half read", now_us - 90_000_000)], [])
    source.close()
    (view,) = json.loads(orch("watch", "asked", "--store", copy, "--json").stdout)
    (step,) = view["open"]
    assert (step["share"], step["note"]) == (0.4, "half read")
    assert 90 <= step["silent_s"] < 150
    assert "good (eve 40% half read)" in orch("watch", "--once", "--store", copy).stdout
    (told,) = json.loads(orch("status", "asked", "--store", copy, "--json").stdout)["open"]
    assert told["progress"]["share"] == 0.4
    assert "good (running) 40% half read, 9" in orch("status", "asked", "--store", copy).stdout
