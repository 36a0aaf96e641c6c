"""Every spec under `specs/`: it checks, the formatter keeps what it says, and its tests and scenarios run."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from orchspec.cli import main
from orchspec.cli.common import WELL
from orchspec.compiler.load import compile_file
from orchspec.simulator.study import simulate
from orchspec.simulator.trial import run_test

ROOT = Path(__file__).resolve().parent.parent
SPECS = sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / "specs").rglob("*.orch"))


@pytest.fixture(autouse=True)
def _at_the_root(monkeypatch):
    monkeypatch.chdir(ROOT)


def errors(path):
    result = CliRunner().invoke(main, ["check", str(path), "--json"])
    return [(each["code"], each["message"]) for each in json.loads(result.stdout) if each["severity"] == "error"]


@pytest.mark.parametrize("name", SPECS)
def test_a_spec_of_the_gallery_has_no_error(name):
    assert errors(name) == []


@pytest.mark.parametrize("name", SPECS)
def test_formatting_a_spec_keeps_what_it_says_and_is_done_once(name, tmp_path):
    first = CliRunner().invoke(main, ["fmt", "-"], input=(ROOT / name).read_text("utf-8"))
    assert first.exit_code == WELL, first.stderr
    second = CliRunner().invoke(main, ["fmt", "-"], input=first.stdout)
    assert (second.exit_code, second.stdout) == (WELL, first.stdout)
    # Beside the original, as imports and data are found from there.
    copy = tmp_path / name
    shutil.copytree((ROOT / name).parent, copy.parent)
    copy.write_text(first.stdout, "utf-8")
    assert errors(copy) == errors(name)


def _plans():
    """The plans of the gallery that have no error, by the name of their file."""
    found = {name: compile_file(ROOT / name).plan for name in SPECS}
    return {name: plan for name, plan in found.items() if plan is not None}


PLANS = _plans()
TESTS = [(name, test.name) for name, plan in PLANS.items() for test in plan.tests]
SCENARIOS = [(name, scenario.name) for name, plan in PLANS.items() for scenario in plan.scenarios]


@pytest.mark.parametrize(("name", "test"), TESTS, ids=str)
def test_a_test_written_in_a_spec_passes(name, test):
    plan = PLANS[name]
    result = run_test(plan, next(each for each in plan.tests if each.name == test), (ROOT / name).parent)
    assert result.verdict == "passed", result


@pytest.mark.parametrize(("name", "scenario"), SCENARIOS, ids=str)
def test_a_slice_of_each_scenario_runs_under_its_faults(name, scenario):
    plan = PLANS[name]
    full = next(each for each in plan.scenarios if each.name == scenario)
    duration_us = None if full.duration_us is None else max(full.duration_us // 50, 60_000_000)
    runs = None if full.runs is None else min(full.runs, 50)
    short = replace(full, duration_us=duration_us, runs=runs, warmup=0)
    cut = replace(plan, scenarios=[short], hash="").sealed()
    document = simulate(cut, scenario, runs=1, seed=5, folder=(ROOT / name).parent).document
    assert document["scenario"] == scenario
    assert document["kpis"]["duplicate_effects"]["value"] in {0, None}
