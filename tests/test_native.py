"""Native code is the same code: what it gives is, byte for byte, what Python gives."""

import dataclasses
import importlib
import importlib.util
import inspect
import os
import pkgutil
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import orchspec

ROOT = Path(__file__).resolve().parents[1]
CHOSEN = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["orchspec"]["native"]["modules"]

PLAYED = ("briefing", "debate", "hedged", "letter", "map", "refund", "research", "support", "--runs", "10")
"""Crashes, effects, fan-outs, hedges, people, sessions, signals; `python bench/bytes.py` compares the whole gallery."""

COMMANDS = (
    ("test", ROOT / "specs" / "briefing.orch", "--json"),
    ("chaos", ROOT / "specs" / "desk.orch", "--examples", "30", "--json"),
    ("simulate", "-", "--json"),
    ("chaos", ROOT / "specs" / "refund.orch", "--exhaustive", "--examples", "10", "--json"),
)
"""What is said the same by both; of CLOCKS where it reads what it is given."""
CLOCKS = """orch 1
contract Answer(question: Text) -> Text
agent clerk fulfills Answer { slots = 4  timeout = 1h }
flow desk(question: Text) -> Text {
  step answer = Answer(question) by clerk
  return answer
}
profile clerk { latency = exponential(mean: 10s) }
scenario "clocks that are set" for desk {
  arrivals = poisson(3 / 10s)
  duration = 30min
  fault jump(orchestrator, at: 10min, by: 5min)
  fault skew(orchestrator, at: 20min, by: 30s, lasting: 5min)
}
"""


DIFFERENT = """
from orchspec.compiler import compile_text
from orchspec.compiler.plan import PlanError
from orchspec.runtime.distributions import compile_whole
from orchspec.runtime.kernel.kernel import Kernel

text = "orch 1\\ncontract A() -> Int\\nagent a fulfills A {}\\nflow f() -> Int { step x = A() by a return x }"
plan = compile_text(text, "f.orch").plan
try:
    Kernel.restore(plan, Kernel(plan).export())
except PlanError as error:
    print(error)
far = compile_whole(["uniform", 2**60, 2**60 + 2])
print([far(u) - 2**60 for u in (0.1, 0.5, 0.9)])
"""
"""What differs with native code, and what must not though a float would not hold it."""


def script(name):
    """A script that stands beside the package, as a module."""
    spec = importlib.util.spec_from_file_location(f"native_{Path(name).stem}", ROOT / name)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def setup():
    argv, sys.argv = sys.argv, ["setup.py", "--version"]
    try:
        return script("setup.py")
    finally:
        sys.argv = argv


def hashes(folder, *names):
    """What `bench/bytes.py` says of the package in a folder."""
    environment = {**os.environ, "ORCH_BENCH_NATIVE": str(folder), "PYTHONPATH": str(folder)}
    command = [sys.executable, ROOT / "bench" / "bytes.py", *names]
    return subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout


def is_protocol(cls):
    """Whether a class only says what others have."""
    return getattr(cls, "_is_protocol", False)


def said(folder, *arguments):
    """What Python prints with the package in a folder."""
    environment = {**os.environ, "PYTHONPATH": str(folder)}
    command = [sys.executable, *map(str, arguments)]
    told = subprocess.run(
        command, env=environment, cwd=folder, check=True, capture_output=True, text=True, input=CLOCKS
    )
    return told.stdout


def test_every_module_that_is_to_be_native_is_there():
    assert all(list((ROOT / "orchspec").glob(glob)) for glob in CHOSEN)


def test_nothing_in_python_extends_what_is_native():
    named = [path for glob in CHOSEN for path in (ROOT / "orchspec").glob(glob)]
    native = {".".join(path.relative_to(ROOT).with_suffix("").parts) for path in named}
    found = []
    for each in pkgutil.walk_packages(orchspec.__path__, "orchspec."):
        if each.name in native or each.name.endswith("__main__"):
            continue
        for cls in vars(importlib.import_module(each.name)).values():
            if inspect.isclass(cls) and cls.__module__ == each.name:
                # A Protocol is no class of native code.
                found += [(cls, base) for base in cls.__mro__ if base.__module__ in native and not is_protocol(base)]
    assert not found, "native code is extended by native code alone: name these modules in pyproject.toml, too"


def test_decorators_are_written_out_and_lines_stay_where_they_were(setup):
    text = """
@operator("kind")
class One(Base):
    __slots__ = ("only",)


@dataclass(slots=True)
class Event:
    "What happened."

    time: int
    inputs: list[int] = field(default_factory=list)
    word: str = "so"
    rank: ClassVar[int] = 1
"""
    written = setup.written_out(text)
    for line in ("class One(Base):", "class Event:", '    word: str = "so"'):
        assert written.split("\n").index(line) == text.split("\n").index(line)
    assert 'operator("kind")(One)' in written.replace("'", '"')
    assert "@operator" not in written
    space = {"Base": object, "operator": lambda _: lambda cls: cls}
    space |= {"dataclass": dataclasses.dataclass, "field": dataclasses.field, "ClassVar": dict, "Any": object}
    exec(written, space)
    event = space["Event"](3)
    assert (event.time, event.inputs, event.word, event.rank) == (3, [], "so", 1)
    assert space["Event"](3).inputs is not event.inputs
    assert space["Event"](3) == event != space["Event"](3, [1])
    assert "self.time == other.time" in written  # that of `dataclass` makes two tuples for each question
    assert space["Event"].__native_slots__ == ("time", "inputs", "word")
    assert [field.name for field in dataclasses.fields(event)] == ["time", "inputs", "word"]


def test_what_is_written_out_simulates_the_same(setup, tmp_path):
    shutil.copytree(ROOT / "orchspec", tmp_path / "orchspec", ignore=shutil.ignore_patterns("__pycache__"))
    for path in {path for glob in CHOSEN for path in (tmp_path / "orchspec").glob(glob)}:
        path.write_text(setup.written_out(path.read_text("utf-8")), "utf-8")
    few = ("letter", "--runs", "5")
    assert hashes(tmp_path, *few) == hashes(ROOT, *few)


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("cc") is None, reason="there is no compiler of C")
def test_native_code_simulates_the_same():
    folder = script("bench/native.py").build()
    assert list(folder.glob("orchspec/runtime/engine.*.so"))
    assert hashes(folder, *PLAYED) == hashes(ROOT, *PLAYED)
    for command in COMMANDS:
        assert said(folder, "-m", "orchspec", *command) == said(ROOT, "-m", "orchspec", *command)
    killed = (ROOT / "specs" / "refund.orch", "--part", "crashes", "--at-most", "3")
    assert "| all | 3 of " in said(folder, "-m", "orchspec.parity", *killed)  # it ends with 1 where one differs
    different = said(folder, "-c", DIFFERENT)
    assert "native code cannot restore" in different
    assert "[0, 1, 2]" in different
