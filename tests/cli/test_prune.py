"""`orch prune`: what ended long ago goes whole; what has not ended, and what was done, stays."""

import json

import pytest

import orchspec
from orchspec.cli.common import MISUSE, NOT_WELL, WELL
from orchspec.runtime.driver.clock import wall_us
from orchspec.runtime.errors import StoreError
from orchspec.runtime.journal import SQLiteStore
from orchspec.runtime.journal.records import Owner
from tests.support.commands import orch

SPEC = """orch 1
contract Judge(text: Text) -> Bool
human eve fulfills Judge
effect post(text: Text) -> Text { key = text }
flow told(topic: Text) -> Text { step sent = post(topic)  return sent }
flow broken(topic: Text) -> Text { fail "no"  return topic }
flow asked(topic: Text) -> Bool { step good = Judge(topic) by eve  return good }
"""


@pytest.fixture
def store(tmp_path):
    spec = tmp_path / "a.orch"
    spec.write_text(SPEC, "utf-8")
    path = tmp_path / "runs.db"
    app = orchspec.App(orchspec.load(spec))
    app.effect("post")(lambda call, text: f"posted {text}")
    for run, flow, status in (
        ("one", "told", "completed"),
        ("two", "broken", "failed"),
        ("three", "told", "completed"),
        ("open", "asked", "parked"),
    ):
        settings = {"store": path, "run_id": run, "durability": "normal"}
        assert app.run_sync(flow, {"topic": "bees"}, **settings).status == status
    return path


def pruned(store, *options):
    done = orch("prune", "--store", store, "--json", *options)
    assert done.exit_code == WELL, done.output
    return json.loads(done.stdout)


def left(store):
    opened = SQLiteStore(store, create=False)
    try:
        return [row.run for row in opened.runs()], len(opened.ledger())
    finally:
        opened.close()


def test_ended_runs_go_and_live_ones_and_the_ledger_stay(store):
    document = pruned(store, "--older-than", "0s")
    assert [row["run"] for row in document["runs"]] == ["one", "two", "three"]
    assert (document["removed"], document["left"]) == (3, 1)
    assert left(store) == (["open"], 1)
    assert json.loads(orch("doctor", store, "--json").stdout)["sound"]


def test_only_what_is_old_enough_goes_and_the_newest_are_kept(store):
    assert pruned(store, "--older-than", "1d")["runs"] == []
    assert [row["run"] for row in pruned(store, "--older-than", "0s", "--keep", 2)["runs"]] == ["one"]
    assert [row["run"] for row in pruned(store, "--older-than", "0s", "--status", "failed")["runs"]] == ["two"]
    assert left(store) == (["three", "open"], 1)


def test_a_dry_run_says_what_would_go_and_removes_nothing(store):
    document = pruned(store, "--older-than", "0s", "--dry-run")
    assert (len(document["runs"]), document["removed"], document["left"]) == (3, 0, 4)
    assert len(left(store)[0]) == 4
    assert "3 would go" in orch("prune", "--older-than", "0s", "--dry-run", "--store", store).stderr


def test_what_a_pruned_run_did_is_not_done_again(store):
    pruned(store, "--older-than", "0s")
    spec = store.parent / "a.orch"
    options = ("--stand-ins", "--store", store, "--flow", "told", "--run-id", "again", "--input", '{"topic": "bees"}')
    assert orch("run", spec, *options).exit_code == WELL
    assert left(store)[1] == 1  # joined by its key, not sent under a new one
    assert "TryEffect" not in orch("journal", "again", "--store", store).stdout


def test_nothing_goes_while_an_engine_is_at_work(store):
    working = SQLiteStore(store, create=False)
    working.acquire(Owner(1, "elsewhere", "then"), wall_us(), 60_000_000)
    done = orch("prune", "--older-than", "0s", "--store", store, "--json")
    working.close()
    assert (done.exit_code, json.loads(done.stdout)["error"]["code"]) == (NOT_WELL, "lease_held")
    assert len(left(store)[0]) == 4


def test_a_crash_between_two_leaves_each_whole_or_gone(store, monkeypatch):
    removed = []

    def remove(self, epoch, run, real=SQLiteStore.remove_run):
        if removed:
            raise StoreError("the disk is gone")
        removed.append(run)
        real(self, epoch, run)

    monkeypatch.setattr(SQLiteStore, "remove_run", remove)
    assert orch("prune", "--older-than", "0s", "--store", store).exit_code == NOT_WELL
    monkeypatch.undo()
    assert left(store)[0] == ["two", "three", "open"]
    assert json.loads(orch("doctor", store, "--json").stdout)["sound"]
    assert pruned(store, "--older-than", "0s")["removed"] == 2


@pytest.mark.parametrize("text", ["30", "d", "-1d", "3 days", "1e9d", "30x"])
def test_what_is_no_duration_is_misuse(store, text):
    done = orch("prune", "--older-than=" + text, "--store", store)
    assert done.exit_code == MISUSE
    assert "30d" in done.stderr
