"""SIGTERM and Ctrl-C: what comes back in a moment is kept, the rest is told to stop, and a resume goes on."""

import json
import os
import signal
import sqlite3
import subprocess
import time
from contextlib import closing

import pytest

from tests.crash.conftest import ORCH, ROOT

INTERRUPTED = 130
WAIT_S = 30
SPEC = """orch 1
contract Write(topic: Text) -> Text
agent writer fulfills Write {}
effect post(text: Text) -> Text { key = text }
flow letters(topic: Text) -> Text {
  step posted = post(text: topic)
  step text = Write(topic) by writer { after = [posted] }
  return posted + text
}
"""
AGENTS = """
import asyncio, os, sys
import orchspec
app = orchspec.App(orchspec.load("letters.orch"))
HOW = os.environ.get("HOW", "")

def note(line):
    with open("notes", "a") as file:
        file.write(line + "\\n")
    print(line, file=sys.stderr, flush=True)

@app.agent("writer")
async def writer(task, topic):
    note(f"writing {task.attempt}")
    if HOW == "slow":
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            note("told to stop")
            raise
    if HOW == "deaf":
        while True:
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                pass
    return "written"

@app.effect("post")
async def post(call, text):
    note("posting")
    if HOW == "posting":
        await asyncio.sleep(0.8)
    note("posted")
    return "r1"
"""


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "letters.orch").write_text(SPEC, "utf-8")
    (tmp_path / "letters_agents.py").write_text(AGENTS, "utf-8")
    return tmp_path


def start(folder, *arguments, how=""):
    env = {**os.environ, "PYTHONPATH": str(ROOT), "HOW": how}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen([*ORCH, *arguments], cwd=folder, env=env, **pipes)


def run(folder, how):
    given = json.dumps({"topic": "t"})
    return start(
        folder, "run", "letters.orch", "--input", given, "--agents", "letters_agents", "--run-id", "r", how=how
    )


def notes(folder):
    path = folder / "notes"
    return path.read_text("utf-8").splitlines() if path.exists() else []


def heard(process, line):
    """Read what the process says until it has said that."""
    while line not in (said := process.stderr.readline()):
        assert said, "it ended"


def lease_is_held(folder):
    with closing(sqlite3.connect(folder / "runs.db")) as connection:
        return bool(connection.execute("SELECT held FROM lease").fetchone()[0])


def resume(folder):
    process = start(folder, "resume", "r", "--json")
    out, err = process.communicate(timeout=WAIT_S)
    assert process.returncode == 0, (out, err)
    return json.loads(out)


@pytest.mark.parametrize("name", [signal.SIGTERM, signal.SIGINT])
def test_an_effect_under_way_comes_back_and_is_not_sent_again(folder, name):
    process = run(folder, "posting")
    heard(process, "posting")
    process.send_signal(name)
    _, said = process.communicate(timeout=WAIT_S)
    assert (process.returncode, notes(folder)) == (INTERRUPTED, ["posting", "posted"]), said
    assert "stopping" in said
    assert not lease_is_held(folder), "whoever comes next need not wait"
    assert resume(folder)["result"] == "r1written"
    assert notes(folder) == ["posting", "posted", "writing 1"]


def test_an_agent_that_takes_long_is_told_to_stop_and_its_attempt_is_made_again(folder):
    process = run(folder, "slow")
    heard(process, "writing 1")
    process.send_signal(signal.SIGTERM)
    _, said = process.communicate(timeout=WAIT_S)
    assert process.returncode == INTERRUPTED, said
    assert "orch resume r --store runs.db" in said
    assert notes(folder)[-1] == "told to stop"
    assert not lease_is_held(folder)
    assert resume(folder)["result"] == "r1written"
    assert notes(folder)[-1] == "writing 1", "no retry was used up"


def test_a_second_interrupt_leaves_at_once_whatever_an_agent_does(folder):
    process = run(folder, "deaf")
    heard(process, "writing 1")
    process.send_signal(signal.SIGINT)
    heard(process, "stopping")
    begun = time.monotonic()
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=WAIT_S)
    assert process.returncode == INTERRUPTED
    assert time.monotonic() - begun < 1.5, "the first one alone gives two seconds"
    assert resume(folder)["result"] == "r1written", "the lease of a process that is gone is free"


@pytest.mark.slow
def test_an_agent_that_will_not_stop_does_not_keep_the_process(folder):
    process = run(folder, "deaf")
    heard(process, "writing 1")
    process.send_signal(signal.SIGTERM)
    _, said = process.communicate(timeout=WAIT_S)
    assert (process.returncode, "orch resume r --store runs.db" in said) == (INTERRUPTED, True)


@pytest.mark.slow
def test_a_store_that_stays_locked_does_not_keep_the_process_either(folder):
    process = run(folder, "posting")
    heard(process, "posting")
    with closing(sqlite3.connect(folder / "runs.db", isolation_level=None)) as lock:
        lock.execute("BEGIN IMMEDIATE")
        process.send_signal(signal.SIGTERM)
        _, said = process.communicate(timeout=WAIT_S)
        assert process.returncode == INTERRUPTED, said
        assert "locked by another process" in said
    assert resume(folder)["result"] == "r1written"
    assert notes(folder).count("posting") == 2, "its outcome was not durable: sent again, with its key"
