"""The pytest plugin, as a user's pytest runs it: in a folder of their own, by a process of its own."""

import os
import subprocess
import sys
import xml.etree.ElementTree as ET
from importlib.metadata import entry_points
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SPEC = """orch 1
contract Write(topic: Text) -> Text
agent ann fulfills Write { timeout = 10s  attempts = 2 }
effect mail(text: Text) -> Text { key = text  timeout = 5s }
flow told(topic: Text) -> Text {
  step text = Write(topic) by ann
  step sent = mail(text)
  return sent
}
profile ann { latency = uniform(1s, 3s) }
test "it is sent once" for told { expect status == completed and calls(mail) == 1 }
test "it is sent twice" for told { expect calls(mail) == 2 }
scenario "a few" for told { runs = 20  expect mean(latency) <= 1min }
scenario "too slow" for told { runs = 20  expect mean(latency) <= 1s }
"""


CALM = 'test "it is sent" for told { expect calls(mail) == 1 }\n'


def environment():
    # An installed package brings the plugin by its entry point; a checkout names it.
    installed = any(each.name == "orchspec" for each in entry_points(group="pytest11"))
    plugin = {} if installed else {"PYTEST_PLUGINS": "orchspec.pytest_plugin"}
    return {**os.environ, "PYTHONPATH": str(ROOT), **plugin}


@pytest.fixture(scope="module")
def outcome(tmp_path_factory):
    folder = tmp_path_factory.mktemp("specs")
    (folder / "told.orch").write_text(SPEC, "utf-8")
    (folder / "bad.orch").write_text("orch 1\nflow f() -> Text { return x }\n", "utf-8")
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "--orch-examples",
        "5",
        "--junit-xml=j.xml",
    ]
    done = subprocess.run([*command, "."], cwd=folder, env=environment(), capture_output=True, text=True)
    cases = {(case.get("name")): case for case in ET.parse(folder / "j.xml").getroot().iter("testcase")}
    return done, cases


def test_tests_scenarios_and_flows_are_items_of_their_own(outcome):
    done, cases = outcome
    assert done.returncode == 1, done.stdout + done.stderr
    assert {"check", "test it is sent once", "scenario a few", "chaos told"} <= set(cases)
    failed = {name for name, case in cases.items() if case.find("failure") is not None}
    assert {"test it is sent twice", "scenario too slow"} <= failed
    assert not failed & {"test it is sent once", "scenario a few", "chaos told"}


def test_a_failure_says_what_was_found_and_where(outcome):
    done, _ = outcome
    assert "calls(mail) == 2" in done.stdout
    assert "told.orch:12" in done.stdout
    assert "mean(latency) <= 1s\n    mean(latency) is " in done.stdout
    assert "there is no name called `x`" in done.stdout
    assert "Traceback" not in done.stdout


PLANTED = """
from orchspec.runtime.kernel import tasks
tasks.Task.reissue = lambda self: None
"""


def test_what_broke_is_told_as_a_test_and_remembered_under_xdist_too(tmp_path):
    (tmp_path / "told.orch").write_text(SPEC.split("test ", maxsplit=1)[0] + CALM, "utf-8")
    (tmp_path / "conftest.py").write_text(PLANTED, "utf-8")

    def run(*args):
        command = [sys.executable, "-m", "pytest", "-q", *args, "."]
        return subprocess.run(command, cwd=tmp_path, env=environment(), capture_output=True, text=True)

    first = run("-n", "2", "--orch-examples", "40", "--junit-xml=j.xml")
    assert first.returncode == 1, first.stdout + first.stderr
    assert "L1 liveness" in first.stdout
    assert "    def test_told_told_L1" in first.stdout
    assert "told.orch:6  step text = Write(topic) by ann" in first.stdout
    properties = {each.get("name") for each in ET.parse(tmp_path / "j.xml").getroot().iter("property")}
    assert "orch drawn" in properties
    again = run("--orch-examples", "0")
    assert (again.returncode, "L1 liveness" in again.stdout) == (1, True), again.stdout
    (tmp_path / "conftest.py").unlink()
    assert run("--orch-examples", "0").returncode == 0
