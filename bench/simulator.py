"""How fast the simulator is: `python bench/simulator.py` prints runs a second, and how they compare with SimPy.

Both sides are measured in the same process, in turn, and the ratio of the best rounds is told, so that a busy machine
tells much the same. What stands against us is what somebody would write by hand in SimPy for the one purpose: a process
for each task, a Resource for each pool, waiting times gathered in a list; no journal, no budgets, no made outputs, no
faults, no twin.
"""

from __future__ import annotations

import random
import sys
import time
from collections.abc import Callable, Generator
from dataclasses import replace
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import simpy

from orchspec.compiler import compile_file, compile_text
from orchspec.compiler.plan import Plan
from orchspec.simulator.replicate import Stage

ROUNDS = 5
STEPS, WIDTH, FAILURE, ATTEMPTS = 10, 3, 0.05, 4
LATENCY_S = 2.0
SPECS = Path(__file__).resolve().parents[1] / "specs"
SLOTS = 60


def ten_steps() -> str:
    """Ten steps in a row, each a fan-out of three, each attempt failing one time in twenty."""
    steps = [f"  step s{n} = Work({f'len(s{n - 1})' if n else 'size'}) by {WIDTH} of hand" for n in range(STEPS)]
    return "\n".join(
        [
            "orch 1",
            "contract Work(size: Int) -> Int",
            f"agent hand fulfills Work {{ slots = {SLOTS}  attempts = {ATTEMPTS}  timeout = 1h }}",
            "flow ten(size: Int) -> Int {",
            *steps,
            f"  return len(s{STEPS - 1})",
            "}",
            f"profile hand {{ latency = exponential(mean: {LATENCY_S:g}s)  failure = {FAILURE:%} }}",
            'scenario "load" for ten { arrivals = poisson(30 / 1min)  duration = 1h }',
        ]
    )


QUEUE = """
orch 1
contract Answer(question: Text) -> Text
agent clerk fulfills Answer { slots = 4 }
flow desk(question: Text) -> Text {
  step answer = Answer(question) by clerk
  return answer
}
profile clerk { latency = exponential(mean: 10s) }
scenario "load" for desk { arrivals = poisson(3 / 10s)  duration = 8h }
"""


def compiled(text: str) -> Plan:
    """The plan of a spec of ours."""
    made = compile_text(text, "bench.orch")
    assert made.plan is not None, [each.message for each in made.errors]
    return made.plan


def ours(plan: Plan) -> Callable[[int], int]:
    """Replications of the plan's scenario; gives how many runs were made."""
    stage = Stage(plan, plan.scenarios[0], 1, SPECS, 10)

    def replicate(index: int) -> int:
        runs = stage.replicate(index).disturbed.runs
        assert all(run.status in ("completed", "failed") for run in runs)
        return len(runs)

    return replicate


def simpy_ten(seed: int) -> int:
    """The same flow by hand."""
    env = simpy.Environment()
    rng = random.Random(seed)
    hands = simpy.Resource(env, SLOTS)
    latencies: list[float] = []
    waits: list[float] = []

    def task() -> Generator[Any, Any, bool]:
        for _ in range(ATTEMPTS):
            asked = env.now
            with hands.request() as request:
                yield request
                waits.append(env.now - asked)
                yield env.timeout(rng.expovariate(1.0 / LATENCY_S))
            if rng.random() >= FAILURE:
                return True
        return False

    def run() -> Generator[Any, Any, None]:
        began = env.now
        for _ in range(STEPS):
            tasks = [env.process(task()) for _ in range(WIDTH)]
            yield env.all_of(tasks)
            if not all(each.value for each in tasks):
                break
        latencies.append(env.now - began)

    def load() -> Generator[Any, Any, None]:
        while True:
            yield env.timeout(rng.expovariate(0.5))
            if env.now >= 3600.0:
                return
            env.process(run())

    env.process(load())
    env.run()
    return len(latencies)


def simpy_queue(seed: int) -> int:
    """An M/M/4 by hand."""
    env = simpy.Environment()
    rng = random.Random(seed)
    clerks = simpy.Resource(env, 4)
    waits: list[float] = []

    def customer() -> Generator[Any, Any, None]:
        came = env.now
        with clerks.request() as request:
            yield request
            waits.append(env.now - came)
            yield env.timeout(rng.expovariate(0.1))

    def load() -> Generator[Any, Any, None]:
        while True:
            yield env.timeout(rng.expovariate(0.3))
            if env.now >= 8 * 3600.0:
                return
            env.process(customer())

    env.process(load())
    env.run()
    return len(waits)


def compare(title: str, unit: str, mine: Callable[[int], int], theirs: Callable[[int], int]) -> None:
    """Print both rates and their ratio, best round against best round."""
    best = [0.0, 0.0]
    for index in range(ROUNDS):
        for side, simulate in enumerate((mine, theirs)):
            began = time.perf_counter()
            count = simulate(index)
            best[side] = max(best[side], count / (time.perf_counter() - began))
    print(f"{title:<42}{best[0]:>10,.0f} {unit}/s{best[1]:>10,.0f} by SimPy alone{best[0] / best[1]:>8.2f} times")


def alone(title: str, replicate: Callable[[int], int]) -> None:
    """Print the rate of what nobody has written by hand."""
    best = 0.0
    for index in range(ROUNDS):
        began = time.perf_counter()
        count = replicate(index)
        best = max(best, count / (time.perf_counter() - began))
    print(f"{title:<42}{best:>10,.0f} runs/s")


def main() -> None:
    """Prints all figures."""
    compare(f"{STEPS} steps of {WIDTH}, {FAILURE:.0%} failing", "runs", ours(compiled(ten_steps())), simpy_ten)
    compare("M/M/4", "customers", ours(compiled(QUEUE)), simpy_queue)
    briefing = compile_file(SPECS / "briefing.orch").plan
    assert briefing is not None
    scenario = replace(briefing.scenarios[0], arrivals=["poisson", 60 / 3600], warmup=0)
    alone("the gallery's briefing", ours(replace(briefing, scenarios=[scenario]).sealed()))


if __name__ == "__main__":
    main()
