"""A rig for crashes: real processes of `orch run`, a world outside of their store, and what must hold at the end."""

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.crash.trials import Zygote

ROOT = Path(__file__).resolve().parents[2]
BRIEFING = ROOT / "specs" / "briefing.orch"
INPUT = {"brief": {"question": "Why do orchestrations lose work?"}}
PLANTED = Path(__file__).with_name("planted.py")
ORCH = [sys.executable, "-c", "from orchspec.cli import main; main()"]
TIMEOUT_S = 60
MISUSE = 2


@dataclass
class World:
    """What effects did, as the file outside of the store says."""

    deliveries: list = field(default_factory=list)

    @property
    def applied(self):
        return [line for line in self.deliveries if line["applied"]]

    def count(self, effect):
        return sum(line["effect"] == effect for line in self.applied)


class Rig:
    """One run in a folder of its own."""

    def __init__(self, folder, spec=BRIEFING, given=INPUT, seed=21, speed=200):
        self.folder = folder
        self.store = folder / "runs.db"
        self.world_file = folder / "world.jsonl"
        self.asked = [
            *("run", str(spec), "--input", json.dumps(given), "--stand-ins", "--speed", str(speed)),
            *("--seed", str(seed), "--run-id", "r", "--store", str(self.store), "--json"),
        ]
        self.resumed = ["resume", "r", "--store", str(self.store), "--json"]

    def start(self, arguments, *, point=None, plant=None, trace=None):
        settings = {"ORCH_WORLD": str(self.world_file), "PYTHONPATH": str(ROOT)}
        if point:
            settings["ORCH_FAILPOINT"] = point
        if trace:
            settings["ORCH_FAILPOINT_TRACE"] = str(trace)
        command = [sys.executable, str(PLANTED), plant] if plant else ORCH
        return subprocess.Popen(
            [*command, *arguments],
            env={**os.environ, **settings},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def finish(self, arguments, **settings):
        process = self.start(arguments, **settings)
        out, err = process.communicate(timeout=TIMEOUT_S)
        return process.returncode, out, err

    def crash(self, arguments=None, **settings):
        """Run until the process is killed, by a failpoint or from inside a plant."""
        code, out, err = self.finish(arguments or self.asked, **settings)
        assert code == -signal.SIGKILL, (code, out, err)

    def kill_after(self, seconds, arguments=None):
        """Run, and kill it from outside after some time; returns whether it was still running."""
        process = self.start(arguments or self.asked)
        try:
            process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate(timeout=TIMEOUT_S)
            return True
        return False

    def go_on(self, **settings):
        """Resume until it ends; if nothing of the run was durable yet, ask for it again."""
        code, out, err = self.finish(self.resumed, **settings)
        if code == MISUSE:
            assert "no store" in out or "holds no run" in out, (out, err)
            code, out, err = self.finish(self.asked, **settings)
        assert out.startswith("{"), (code, out, err)
        return json.loads(out)

    def world(self):
        if not self.world_file.exists():
            return World()
        lines = self.world_file.read_text("utf-8").splitlines(keepends=True)
        return World([json.loads(line) for line in lines if line.endswith("\n")])


@dataclass
class Undisturbed:
    """The twin that nobody killed."""

    result: dict
    world: World
    points: list
    seconds: float

    @property
    def counts(self):
        return Counter(self.points)


def run_undisturbed(rig):
    trace = rig.folder / "trace"
    begun = time.monotonic()
    code, out, err = rig.finish(rig.asked, trace=trace)
    seconds = time.monotonic() - begun
    assert out.startswith("{"), (code, out, err)
    return Undisturbed(json.loads(out), rig.world(), trace.read_text("ascii").split(), seconds)


def hold_single_effect(world, twin):
    """Every keyed effect of the twin happened exactly once, with its key and its arguments, and nothing else did."""
    once = Counter((line["effect"], line["key"]) for line in world.applied)
    assert set(once.values()) <= {1}, f"applied more than once: {once}"
    assert {(line["effect"], line["key"]): line["args"] for line in world.applied} == {
        (line["effect"], line["key"]): line["args"] for line in twin.world.applied
    }
    assert len(world.applied) == len(twin.world.applied)


def hold_same_run(result, twin):
    """The result is that of the undisturbed run."""
    assert (result["status"], result["result"], result["error"]) == (
        twin.result["status"],
        twin.result["result"],
        twin.result["error"],
    )


@pytest.fixture(scope="module")
def zygote():
    """A process that has imported everything and forks where a trial begins."""
    with closing(Zygote()) as started:
        yield started


@pytest.fixture
def rig(tmp_path):
    return Rig(tmp_path)


@pytest.fixture
def make_rig(tmp_path):
    return lambda **settings: Rig(tmp_path, **settings)


@pytest.fixture(scope="session")
def twin(tmp_path_factory):
    """The undisturbed run of the gallery's briefing, with the seed that all trials take."""
    return run_undisturbed(Rig(tmp_path_factory.mktemp("twin")))


@pytest.fixture
def run_seconds(twin):
    """How long an undisturbed run takes, from the start of its process to its end."""
    return twin.seconds


@pytest.fixture
def hold(twin):
    """Holds a world and a result to the undisturbed run."""

    def hold_both(world, result, other=None):
        hold_single_effect(world, other or twin)
        hold_same_run(result, other or twin)

    return hold_both


@pytest.fixture(scope="session")
def twin_of():
    """Makes the undisturbed run of other specs."""
    return lambda folder, **settings: run_undisturbed(Rig(folder, **settings))
