"""What an attempt costs: µs in the kernel alone, and in kernel, dispatcher and engine with a commit that does nothing.

The run is a flow of ten steps, each a fan-out of three, one after another: thirty attempts. Beside the time stands how
many functions are called for an attempt, which is the same on every machine. Last comes what it costs to fold a record,
after a crash in a simulation and from a store. `--profile` shows where the time goes.
"""

from __future__ import annotations

import cProfile
import gc
import pstats
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from orchspec.compiler.plan import (
    Agent,
    Block,
    Candidate,
    Contract,
    Field,
    Flow,
    Give,
    Plan,
    Policy,
    TaskStep,
    Tier,
)
from orchspec.runtime.engine import Engine
from orchspec.runtime.journal.records import Record, RunRow
from orchspec.runtime.kernel.commands import RunTask
from orchspec.runtime.kernel.events import RunStarted, TaskEnrolled, TaskFulfilled
from orchspec.runtime.kernel.kernel import KERNEL_VERSION, Kernel
from orchspec.runtime.recording import fold

STEPS = 10
WIDTH = 3
RUNS = 1_000


def fan_out_plan() -> Plan:
    """Ten fan-outs of three, one after another."""
    everybody = [Candidate(f"a{number}", Policy(), [Tier(None)]) for number in range(WIDTH)]
    steps: list[Any] = [
        TaskStep(
            "task", index, f"s{index}", index, [index - 1] if index else [], "Work", [["const", 1]], "all", everybody
        )
        for index in range(STEPS)
    ]
    steps.append(Give("give", STEPS, [STEPS - 1], ["ref", 0, STEPS - 1]))
    agents = {one.agent: Agent(one.agent, "agent", ["Work"], slots_max=64) for one in everybody}
    contracts = {"Work": Contract("Work", [Field("x", "Int")], "Int")}
    body = Block(steps, [f"s{index}" for index in range(STEPS)])
    return Plan("bench", contracts=contracts, agents=agents, flows={"main": Flow("main", [], "Json", body)}).sealed()


def kernel_alone(plan: Plan, runs: int) -> int:
    """Fold the events of so many runs; returns the attempts made."""
    attempts = 0
    for number in range(runs):
        kernel = Kernel(plan, f"r{number}")
        commands = kernel.handle(RunStarted(0, "main", {}, plan.hash, KERNEL_VERSION, number))
        while kernel.status is None:
            outcomes = []
            for request in commands:
                if type(request).__name__ == "RequestGrant":
                    kernel.handle(TaskEnrolled(0, request.place, 1, request.candidates[0]))
                    outcomes.append(TaskFulfilled(1, request.place, 1, 0, 1))
            commands = []
            for outcome in outcomes:
                commands += kernel.handle(outcome)
            attempts += len(outcomes)
    return attempts


class _NoTimers:
    def arm(self, *_: Any) -> None: ...
    def drop(self, *_: Any) -> None: ...
    def tool_granted(self, _: Any) -> None: ...


def engine(plan: Plan, runs: int, keep: list[Any] | None = None) -> int:
    """So many runs through the engine, twenty beside each other; returns the attempts made. `keep` gets the records."""
    machine = Engine(plan, _NoTimers())
    attempts = 0
    for first in range(0, runs, 20):
        for number in range(first, min(first + 20, runs)):
            name = f"r{number}"
            row = RunRow(name, "main", plan.hash, {}, "running", None, None, 0, None, number, {})
            machine.start(plan, row, first)
        while machine.inbox:
            machine.step(first)
            batch = machine.committer.take()
            if batch is None:
                break
            if keep is not None:
                keep += batch.records
            for run, command in machine.committed():
                if type(command) is RunTask:
                    attempts += 1
                    machine.post(run, TaskFulfilled(first, command.place, command.attempt, 0, 1))
    return attempts


def _journals(plan: Plan) -> tuple[list[Any], list[Any]]:
    """The records of a run as they are in memory, and as a store gives them back."""
    records: list[Any] = []
    engine(plan, 1, records)
    return records, [Record(each.run, each.seq, each.time_us, each.type, each.body) for each in records]


def _folds(plan: Plan, records: list[Any], runs: int) -> int:
    for _ in range(runs):
        fold(plan, "r0", records)
    return runs * len(records)


def main() -> None:
    """Print all figures, or a profile of the second."""
    plan = fan_out_plan()
    if "--profile" in sys.argv:
        profile = cProfile.Profile()
        profile.runcall(engine, plan, RUNS // 4)
        pstats.Stats(profile).sort_stats("tottime").print_stats(28)
        return
    gc.set_threshold(100_000)  # as the simulator has it
    kept, stored = _journals(plan)
    for name, unit, measured in (
        ("kernel", "an attempt", lambda runs: kernel_alone(plan, runs)),
        ("kernel, dispatcher and engine", "an attempt", lambda runs: engine(plan, runs)),
        ("folding, after a crash in a simulation", "a record", lambda runs: _folds(plan, kept, runs)),
        ("folding, from a store", "a record", lambda runs: _folds(plan, stored, runs)),
    ):
        measured(20)
        best = min(_measure(measured) for _ in range(5))
        print(f"{name + ':':<42}{best:>6.1f} µs {unit}, {_calls(measured):>4.0f} calls")


def _measure(measured: Callable[[int], int]) -> float:
    begin = time.process_time()
    count = measured(RUNS // 5)
    return (time.process_time() - begin) / count * 1e6


def _calls(measured: Callable[[int], int]) -> float:
    """Calls of functions, in Python and in C, for each of what is counted."""
    kinds: Counter[str] = Counter()
    sys.setprofile(lambda _frame, kind, _function: kinds.update((kind,)))
    try:
        count = measured(20)
    finally:
        sys.setprofile(None)
    return (kinds["call"] + kinds["c_call"]) / count


if __name__ == "__main__":
    main()
