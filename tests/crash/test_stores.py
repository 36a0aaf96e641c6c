"""A store that is full, busy or torn under a run: what was acknowledged stays, and every error says what to do."""

import json
import sqlite3
import threading
from contextlib import closing

import pytest

from orchspec.simulator.checkers import check_all
from tests.crash.gallery import PLAYS
from tests.crash.trials import KILLED, Trial

WELL, NOT_WELL = 0, 1


@pytest.fixture
def trial(zygote, tmp_path):
    return Trial(zygote, tmp_path / "run", PLAYS["refund"], leaps=False)


def ask(trial, *arguments, **rest):
    code = trial.finish([*arguments, "--json"], **rest)
    return code, json.loads(trial.said[0])


def end_well(trial):
    result = trial.go_on()
    assert result["status"] == "completed", result
    assert check_all(trial.chronicle()) == []
    assert len({line["key"] for line in trial.deliveries() if line["applied"]}) == 2
    assert ask(trial, "doctor", str(trial.store))[0] == WELL


@pytest.mark.parametrize("plant", ["full_at_2", "full_at_4", "disk_at_3"])
def test_a_disk_that_is_full_stops_the_run_and_says_so_and_with_room_it_goes_on(trial, plant):
    code = trial.finish(trial.asked, plant=plant)
    said = json.loads(trial.said[0])["error"]
    assert (code, said["code"]) == (NOT_WELL, "store_error" if plant.startswith("disk") else "store_full"), said
    assert "then resume" in said["message"]
    trial.hold_intended()
    end_well(trial)


def test_a_disk_that_has_room_again_soon_stops_nothing(trial):
    code = trial.finish(trial.asked, plant="full_once_at_3")
    assert code == WELL, trial.said
    end_well(trial)


def test_a_store_that_another_process_locks_for_a_while_is_waited_for(trial):
    trial.finish(trial.asked, point="before_effect")
    lock = sqlite3.connect(trial.store, isolation_level=None, check_same_thread=False)
    lock.execute("BEGIN IMMEDIATE")
    release = threading.Timer(0.7, lambda: lock.execute("ROLLBACK"))
    release.start()
    end_well(trial)
    release.join()
    lock.close()


def torn(path, share):
    data = path.read_bytes().rstrip(b"\0")  # without the room that is ahead
    path.write_bytes(data[: int(len(data) * share)])
    return len(data)


@pytest.mark.parametrize("share", [0.999, 0.9, 0.6])
def test_a_torn_end_of_the_log_is_what_was_not_durable_and_the_run_goes_on(trial, share):
    """A power loss tears what was not synced: the last commits are gone, and no part of them is left."""
    assert trial.finish(trial.asked, point="after_commit:4") == KILLED
    log = trial.store.with_name("runs.db-wal")
    assert torn(log, share) > 0
    code, said = ask(trial, "doctor", str(trial.store))
    assert (code, said["sound"]) == (WELL, True), "what is left is whole"
    end_well(trial)


def test_a_damaged_page_is_named_by_doctor_and_the_run_stops_before_it_acts(trial):
    assert trial.finish(trial.asked, point="before_effect:2") == KILLED
    with closing(sqlite3.connect(trial.store)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        page = connection.execute("PRAGMA page_size").fetchone()[0]
        (root,) = connection.execute("SELECT rootpage FROM sqlite_schema WHERE name = 'records'").fetchone()
    data = bytearray(trial.store.read_bytes())
    data[(root - 1) * page : root * page] = b"\xa5" * page
    trial.store.write_bytes(data)
    before = trial.deliveries()
    code = trial.finish(trial.resumed)
    assert code == NOT_WELL
    assert "corrupt_store" in trial.said[0], trial.said
    assert "restore it from a copy" in trial.said[0]
    assert trial.deliveries() == before
    code, said = ask(trial, "doctor", str(trial.store))
    assert code == NOT_WELL, said
    assert "copy" in json.dumps(said)


def test_a_record_that_was_cut_is_named_by_its_number(trial):
    assert trial.finish(trial.asked, point="before_effect:2") == KILLED
    with closing(sqlite3.connect(trial.store)) as connection, connection:
        connection.execute("UPDATE records SET body = substr(body, 1, 20) WHERE seq = 3")
    code = trial.finish(trial.resumed)
    assert (code, "record 3" in trial.said[0], "copy" in trial.said[0]) == (NOT_WELL, True, True), trial.said
    code, said = ask(trial, "doctor", str(trial.store))
    (finding,) = [each for each in said["findings"] if each["severity"] == "broken"]
    assert (code, "record 3" in finding["message"]) == (NOT_WELL, True)
