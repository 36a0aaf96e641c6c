"""`orch doctor`: a sound store is called sound, and each kind of damage by its name."""

import json
import sqlite3

import pytest

from orchspec.cli.common import MISUSE, NOT_WELL, PARKED, WELL
from tests.support.commands import orch

SPEC = """orch 1
contract Write(topic: Text) -> Text
contract Judge(text: Text) -> Bool
agent ann fulfills Write
human eve fulfills Judge { timeout = 1h }
effect post(text: Text) -> Text { key = text }
flow told(topic: Text) -> Text {
  step text = Write(topic) by ann
  step sent = post(text)
  return sent
}
flow asked(topic: Text) -> Bool { step good = Judge(topic) by eve  return good }
profile ann { latency = fixed(1s) }
"""


@pytest.fixture
def store(tmp_path):
    spec = tmp_path / "a.orch"
    spec.write_text(SPEC, "utf-8")
    path = tmp_path / "runs.db"
    options = ("--store", path, "--input", '{"topic": "bees"}')
    assert (
        orch("run", spec, "--stand-ins", "--speed", 6000, "--flow", "told", "--run-id", "t", *options).exit_code == WELL
    )
    (tmp_path / "m.py").write_text("import orchspec\napp = orchspec.App(orchspec.load('a.orch'))\n", "utf-8")
    return path


def doctor(store):
    done = orch("doctor", store, "--json")
    return done.exit_code, json.loads(done.stdout)


def damage(store, *statements):
    connection = sqlite3.connect(store)
    with connection:
        for statement in statements:
            connection.execute(statement)
    connection.close()


def test_a_sound_store_is_called_sound(store):
    code, document = doctor(store)
    assert (code, document["sound"], document["findings"]) == (WELL, True, [])
    assert (document["runs"], document["effects"]) == (1, 1)
    assert "sound" in orch("doctor", store).stdout


@pytest.mark.parametrize(
    ("statement", "what", "said"),
    [
        ("DELETE FROM records WHERE seq = 3", "journal", "record 3 is missing"),
        ("UPDATE records SET type = 'Nonsense' WHERE seq = 2", "journal", "does not know"),
        ("UPDATE runs SET status = 'failed'", "status", "its row says failed, its journal completed"),
        ("UPDATE runs SET status = 'running'", "status", "its journal that it is completed"),
        ("DELETE FROM plans", "journal", "is not in the store"),
        ("UPDATE plans SET json = replace(json, 'ann', 'bob')", "journal", "hash"),
        ("UPDATE ledger SET state = 'in_doubt'", "ledger", "whether it happened is not known"),
    ],
)
def test_damage_is_found_and_named(store, statement, what, said):
    damage(store, statement)
    code, document = doctor(store)
    assert code == NOT_WELL
    found = [each for each in document["findings"] if each["severity"] == "broken"]
    assert [each["what"] for each in found] == [what]
    assert said in found[0]["message"]
    assert found[0]["advice"]


def test_a_store_that_is_none_is_misuse_or_an_error_never_a_traceback(tmp_path):
    assert orch("doctor", tmp_path / "nothing.db").exit_code == MISUSE
    junk = tmp_path / "junk.db"
    junk.write_bytes(b"SQLite format 3\0" + b"\xff" * 4096)
    done = orch("doctor", junk)
    assert done.exit_code not in {WELL, PARKED}
    assert "bug in orch" not in done.stderr


def test_what_waits_is_told_and_is_not_broken(tmp_path, monkeypatch, store):
    monkeypatch.chdir(tmp_path)
    options = ("--store", store, "--input", '{"topic": "bees"}', "--flow", "asked", "--run-id", "q")
    assert orch("run", tmp_path / "a.orch", "--agents", "m", *options).exit_code == PARKED
    code, document = doctor(store)
    assert code == WELL
    assert [(each["severity"], each["what"]) for each in document["findings"]] == [("waiting", "question")]
    assert document["findings"][0]["advice"] == "orch answer q good"


def test_an_owner_that_is_gone_or_silent_is_named_and_one_at_work_is_not(store):
    from orchspec.runtime.driver.clock import wall_us
    from orchspec.runtime.journal import SQLiteStore
    from orchspec.runtime.journal.owner import this_process

    opened = SQLiteStore(store)
    opened.acquire(this_process(), wall_us(), 60_000_000)
    assert doctor(store)[1]["findings"] == []
    damage(store, "UPDATE lease SET expires_us = 1")
    (silent,) = doctor(store)[1]["findings"]
    assert (silent["what"], silent["severity"]) == ("lease", "waiting")
    assert "said nothing" in silent["message"]
    damage(store, "UPDATE lease SET pid = 4194304")
    (gone,) = doctor(store)[1]["findings"]
    assert "was killed" in gone["message"]
    opened.close()


def test_the_store_is_named_as_for_every_other_command(store):
    named, placed = (orch("doctor", *how, "--json") for how in (("--store", store), (store,)))
    assert (named.exit_code, named.stdout) == (WELL, placed.stdout)
