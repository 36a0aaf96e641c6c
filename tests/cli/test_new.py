"""The starter: it works as it is, as a newcomer would use it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from orchspec.cli import main
from orchspec.cli.common import MISUSE, WELL
from orchspec.compiler import compile_file
from orchspec.simulator.study import simulate
from orchspec.starter import FILES, SPEC

ROOT = Path(__file__).resolve().parents[2]


def new(*arguments):
    return CliRunner().invoke(main, ["new", *arguments])


@pytest.fixture(scope="module")
def starter(tmp_path_factory):
    folder = tmp_path_factory.mktemp("new") / "mine"
    result = new(str(folder))
    assert result.exit_code == WELL, result.stderr
    return folder


def python(folder, *arguments):
    return subprocess.run(
        [sys.executable, "-m", *arguments],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_it_says_what_it_made_and_what_to_do_next(tmp_path):
    result = new(str(tmp_path / "mine"))
    assert sorted(path.name for path in (tmp_path / "mine").iterdir()) == sorted(FILES)
    assert all(name in result.stdout for name in FILES)
    assert "orch test answers.orch" in result.stderr
    document = json.loads(new(str(tmp_path / "other"), "--json").stdout)
    assert document == {"folder": str(tmp_path / "other"), "files": list(FILES)}


def test_its_spec_is_clean_formatted_and_its_tests_pass(starter):
    spec = starter / SPEC
    assert compile_file(spec).diagnostics == ()
    assert CliRunner().invoke(main, ["fmt", "--check", str(spec)]).exit_code == WELL
    assert CliRunner().invoke(main, ["test", str(spec)]).exit_code == WELL


def test_its_scenario_holds(starter):
    study = simulate(compile_file(starter / SPEC).plan, runs=500, seed=1)
    assert [each["verdict"] for each in study.document["expectations"]] == ["passed", "passed"]


def test_the_commands_of_its_readme_run_twice_and_deliver_once(starter):
    command = ["run", SPEC, "--agents", "agents", "--input", "@question.json", "--run-id", "first"]
    first, second = (python(starter, "orchspec", *command, "--json") for _ in range(2))
    assert (first.returncode, second.returncode) == (WELL, WELL), first.stderr
    assert json.loads(first.stdout)["result"] == json.loads(second.stdout)["result"] == "delivered-q-1"
    assert len((starter / "delivered.jsonl").read_text("utf-8").splitlines()) == 1
    assert " ".join(command) in (starter / "README.md").read_text("utf-8")


def test_its_pytest_file_passes_and_so_does_its_spec_where_the_plugin_collects_it(starter):
    alone = python(starter, "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:orchspec")
    assert alone.returncode == WELL, alone.stdout
    assert "3 passed" in alone.stdout
    every = python(starter, "pytest", "-q", "-p", "no:cacheprovider")
    assert every.returncode == WELL, every.stdout


def test_its_python_keeps_the_rules_of_a_careful_project(starter):
    done = python(starter, "ruff", "check", "--isolated", "--select", "E,F,I,B,UP", "--line-length", "120", ".")
    assert done.returncode == WELL, done.stdout


def test_a_folder_that_holds_something_is_left_alone(tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    result = new(str(tmp_path))
    assert (result.exit_code, result.stdout) == (MISUSE, "")
    assert "is not empty" in result.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]
    assert "is a file" in new(str(tmp_path / "mine.txt")).stderr
