"""Two engines and one store: one owns it, and one that was replaced while it slept neither writes nor sends.

Real processes: the first is stopped (SIGSTOP) at the worst moment by a plant, its lease runs out (the test sets back
when it does, rather than wait), a second one takes the store, and then the first wakes up.
"""

import json
import os
import signal
import sqlite3
import time
from collections import Counter
from contextlib import closing

import pytest

WAIT_S = 30
REFUSED = 1

DEEDS = """
orch 1
human eve fulfills Look { timeout = 1h }
contract Look(id: Text) -> Bool
effect paid(id: Text) -> Text? { idempotent = true  timeout = 5s }
// Long enough to be in time still when the first wakes up: nothing but the lease may keep it from sending.
effect keyed(id: Text) -> Text { key = id  timeout = 2h }
effect checked(id: Text) -> Text { check = paid(id: id)  settles = 20s  timeout = 20s }
effect mailed(id: Text) -> Text { in_doubt = ask(eve, within: 1d)  settles = 20s  timeout = 20s }
effect tagged(id: Text) -> Text { idempotent = true  timeout = 20s }
"""
FLOW = """flow work(id: Text) -> Text {{
  step done = {effect}(id: id)
  return done
}}
profile eve {{ latency = fixed(30s) }}
profile {effect} {{ latency = fixed(0s) }}
"""
EFFECTS = ("keyed", "checked", *(pytest.param(name, marks=pytest.mark.chaos) for name in ("mailed", "tagged")))


@pytest.fixture
def rig_of(make_rig, tmp_path):
    def make(effect):
        spec = tmp_path / "deed.orch"
        spec.write_text(DEEDS + FLOW.format(effect=effect), "utf-8")
        return make_rig(spec=spec, given={"id": "a"}, speed=100)

    return make


def asleep(process):
    """Wait until the process has stopped."""
    _, status = os.waitpid(process.pid, os.WUNTRACED)
    assert os.WIFSTOPPED(status), status


def let_lease_run_out(rig):
    with closing(sqlite3.connect(rig.store)) as connection, connection:
        connection.execute("UPDATE lease SET expires_us = 0")


def epoch(rig):
    with closing(sqlite3.connect(rig.store)) as connection:
        return connection.execute("SELECT epoch FROM lease").fetchone()[0]


def records(rig):
    with closing(sqlite3.connect(rig.store)) as connection:
        return connection.execute("SELECT run_no, seq, type, body FROM records ORDER BY rowid").fetchall()


def take_over(rig, plant):
    """The first sleeps, the second ends the run; returns what the first says once it wakes, and its exit code."""
    first = rig.start(rig.asked, plant=plant)
    try:
        asleep(first)
        before = epoch(rig)
        code, said, _ = rig.finish(rig.resumed)
        assert (code, json.loads(said)["error"]["code"]) == (REFUSED, "lease_held"), "it sleeps, but its lease stands"
        assert (f"process {first.pid} " in said, epoch(rig)) == (True, before)
        let_lease_run_out(rig)
        result = rig.go_on()
        written, delivered = records(rig), rig.world().deliveries
        first.send_signal(signal.SIGCONT)
        out, _ = first.communicate(timeout=WAIT_S)
    finally:
        first.kill()
        first.communicate()
    assert records(rig) == written, "nothing was committed below the epoch of the second"
    assert epoch(rig) > before
    return result, json.loads(out), first.returncode, delivered


@pytest.mark.parametrize("effect", EFFECTS)
def test_who_wakes_up_before_sending_sends_nothing(rig_of, effect):
    rig = rig_of(effect)
    result, said, code, delivered = take_over(rig, "sleep_before_sending")
    assert result["status"] == "completed"
    assert (code, said["error"]["code"]) == (REFUSED, "fenced")
    assert rig.world().deliveries == delivered, "the one that was replaced sent nothing"
    assert Counter(line["applied"] for line in delivered) == {True: 1}


@pytest.mark.parametrize("effect", EFFECTS)
def test_who_wakes_up_after_sending_cannot_write_what_came_of_it(rig_of, effect):
    rig = rig_of(effect)
    result, said, code, delivered = take_over(rig, "sleep_after_applying")
    assert result["status"] == "completed"
    assert (code, said["error"]["code"]) == (REFUSED, "fenced")
    assert rig.world().deliveries == delivered
    applied = sum(line["applied"] for line in delivered)
    assert applied == (2 if effect == "tagged" else 1), "an idempotent one may be repeated"


def test_who_wakes_up_before_a_commit_cannot_write_it(rig_of):
    rig = rig_of("keyed")
    result, said, code, delivered = take_over(rig, "sleep_before_confirmed")
    assert (result["status"], code, said["error"]["code"]) == ("completed", REFUSED, "fenced")
    assert [line["applied"] for line in delivered] == [True, False]


def test_two_that_start_at_once_are_one_that_runs_and_one_that_is_told_whose_it_is(rig_of):
    rig = rig_of("keyed")
    both = [rig.start(rig.asked), rig.start([*rig.asked[:-3], "--store", str(rig.store), "--json"])]
    ends = [(*process.communicate(timeout=WAIT_S), process.returncode) for process in both]
    for out, _, code in ends:
        told = json.loads(out)
        assert (code, told.get("status")) == (0, "completed") or told["error"]["code"] == "lease_held", told
    assert any(code == 0 for _, _, code in ends)
    assert sum(line["applied"] for line in rig.world().deliveries) == 1


def test_the_store_of_a_process_that_was_killed_is_free_at_once(rig_of):
    rig = rig_of("keyed")
    rig.crash(point="before_effect")
    begun = time.monotonic()
    assert rig.go_on()["status"] == "completed"
    assert time.monotonic() - begun < 14, "its lease would have stood for fifteen seconds"
