"""What a run that has ended left to people: named in the inbox until somebody says what became of it."""

import json
import sys

import pytest

from orchspec.cli.common import MISUSE, NOT_WELL, WELL
from tests.support.commands import orch
from tests.support.driver import Driver, done, refuses
from tests.support.plans import effect, fail, plan
from tests.support.running import run as driven

SPEC = """orch 1
effect unbook(note: Text) -> Text { key = note }
effect book(note: Text) -> Text { key = note  undo = unbook(note) }
flow trip(note: Text) -> Text {
  step booked = book(note: note)
  fail "it rains" when len(booked) > 0
  return booked
}
profile book { latency = fixed(1s) }
profile unbook { latency = fixed(1s) }
"""
AGENTS = """
import orchspec
app = orchspec.App(orchspec.load("trip.orch"))

@app.effect("book")
def book(call, note):
    return "r-1"

@app.effect("unbook")
def unbook(call, note):
    raise RuntimeError("closed today")
"""


def test_an_undo_that_is_stuck_stays_in_the_inbox_until_it_is_closed(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    (tmp_path / "trip.orch").write_text(SPEC, "utf-8")
    (tmp_path / "agents_of_trip.py").write_text(AGENTS, "utf-8")
    how = ("--run-id", "r", "--agents", "agents_of_trip", "--speed", 100_000)  # undos rest long
    result = orch("run", "trip.orch", "--input", '{"note": "Rome"}', *how)
    assert result.exit_code == NOT_WELL, result.stderr
    (left,) = json.loads(orch("inbox", "--json").stdout)
    assert (left["run"], left["step"], left["who"], left["answered"]) == ("r", "booked", None, False)
    assert "closed today" in left["expects"]
    text = orch("inbox").stdout
    assert "left to people" in text
    assert "nothing" in orch("inbox", "--closed").stderr
    assert f"left       booked: {left['expects']}" in orch("status", "r").stdout
    assert "orch answer r 'booked'" in text
    closed = orch("answer", "r", "booked", "--value", '{"done": true}', "--by", "Ada")
    assert closed.exit_code == WELL, closed.stderr
    assert json.loads(orch("inbox", "--json").stdout) == []
    assert 'booked  closed by Ada: {"done": true}' in orch("inbox", "--closed").stdout
    (kept,) = json.loads(orch("inbox", "--closed", "--json").stdout)
    assert (kept["step"], kept["by"], kept["value"]) == ("booked", "Ada", {"done": True})
    assert 'closed     booked by Ada: {"done": true}' in orch("status", "r").stdout
    again = orch("answer", "r", "booked", "--value", "1", "--by", "Ada")
    assert again.exit_code == MISUSE


@pytest.mark.parametrize("point", range(1, 14))
def test_a_crash_anywhere_leaves_it_in_the_inbox_once(point):
    spec = plan(effect("u", 1), effect("w", 2, after=("u",)), fail("no", after=("w",)))
    driver = Driver(
        spec,
        crashes={point},
        retract=[lambda path, attempt: refuses(takes=0) if path == "w!undo" else done()],
    )
    driven(driver)
    (left,) = driver.store.matters()
    assert (left.run, left.place, left.why) == ("r", "w", "retract: not today")
