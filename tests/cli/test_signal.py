"""`orch signal`: what comes from outside, for a run that is parked on it, and what is refused."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from orchspec.cli import main
from orchspec.cli.common import MISUSE, WELL

SPEC = Path(__file__).resolve().parents[2] / "specs" / "payment.orch"
PARKED = 5
INPUT = {"order": {"id": "A-1", "total": "20"}}


def orch(*args):
    return CliRunner().invoke(main, [str(arg) for arg in args])


@pytest.fixture
def store(tmp_path):
    path = tmp_path / "runs.db"
    options = ("--stand-ins", "--speed", 600, "--store", path, "--run-id", "r")
    parked = orch("run", SPEC, "--input", json.dumps(INPUT), *options)
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
