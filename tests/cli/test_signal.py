"""`orch signal`: what comes from outside, for a run that is parked on it, and what is refused."""

import json
from pathlib import Path

import pytest

from orchspec.cli.common import MISUSE, WELL
from tests.support.commands import orch

SPEC = Path(__file__).resolve().parents[2] / "specs" / "payment.orch"
PARKED = 5
INPUT = {"order": {"id": "A-1", "total": "20"}}


@pytest.fixture
def store(tmp_path):
    path, spec = tmp_path / "runs.db", tmp_path / "payment.orch"
    # Nobody plays it, and no deadline passes: the run waits for `orch signal`.
    text = SPEC.read_text("utf-8").replace("never = 20%", "never = 100%").replace("{ timeout = 3d }", "")
    spec.write_text(text, "utf-8")
    options = ("--stand-ins", "--speed", 600, "--seed", 3, "--store", path, "--run-id", "r")
    parked = orch("run", spec, "--input", json.dumps(INPUT), *options)
    assert parked.exit_code == PARKED, parked.stderr
    return path


def send(store, args, value, name="paid"):
    return orch("signal", name, "--args", json.dumps(args), "--value", json.dumps(value), "--store", store)


def test_a_parked_run_takes_a_signal_when_it_is_resumed(store):
    sent = send(store, {"order": "A-1"}, {"amount": "20", "reference": "x"})
    assert sent.exit_code == WELL, sent.stderr
    resumed = orch("resume", "r", "--store", store, "--json")
    assert resumed.exit_code == WELL, resumed.stderr
    kinds = [json.loads(line)["type"] for line in orch("journal", "r", "--store", store).stdout.splitlines()]
    assert kinds.count("SignalReceived") == 1


def test_a_signal_with_other_arguments_is_not_taken(store):
    assert send(store, ["A-2"], {"amount": "20", "reference": "x"}).exit_code == WELL
    assert orch("resume", "r", "--store", store).exit_code == PARKED


@pytest.mark.parametrize(
    ("args", "value", "name", "told"),
    [
        (["A-1"], {"amount": "20"}, "paid", "reference"),
        ([1], {"amount": "20", "reference": "x"}, "paid", "order"),
        (["A-1", "A-2"], {"amount": "20", "reference": "x"}, "paid", "takes 1 arguments"),
        (["A-1"], {"amount": "20", "reference": "x"}, "pard", "did you mean paid"),
    ],
)
def test_what_is_no_such_signal_is_refused(store, args, value, name, told):
    refused = send(store, args, value, name)
    assert refused.exit_code == MISUSE
    assert told in refused.stderr


def test_before_any_run_the_store_is_made_and_the_first_run_takes_it(tmp_path):
    path = tmp_path / "runs.db"
    sent = send(path, ["A-1"], {"amount": "20", "reference": "x"})
    assert sent.exit_code == WELL
    assert "kept for seven days" in sent.stderr
    ended = orch(
        "run", SPEC, "--input", json.dumps(INPUT), "--stand-ins", "--speed", 600, "--store", path, "--run-id", "r"
    )
    assert ended.exit_code == WELL, ended.stderr
    kinds = [json.loads(line)["type"] for line in orch("journal", "r", "--store", path).stdout.splitlines()]
    assert kinds.count("SignalReceived") == 1


def test_a_signal_that_brings_nothing_needs_no_value(tmp_path):
    spec, path = tmp_path / "go.orch", tmp_path / "runs.db"
    spec.write_text('orch 1\nsignal go()\nflow f() -> Text { step g = go()  wait 1s  return "went" }', "utf-8")
    assert orch("run", spec, "--input", "{}", "--store", path, "--run-id", "r").exit_code == PARKED
    assert orch("signal", "go", "--store", path).exit_code == WELL
    resumed = orch("resume", "r", "--store", path, "--speed", 100, "--json")
    assert (resumed.exit_code, json.loads(resumed.stdout)["result"]) == (WELL, "went")
