"""How fast the simulator is, and how much it keeps: `python bench/simulator.py` prints both.

Both sides of a comparison are measured in the same process, in turn, by the time of the processor, and the ratio of the
best rounds is told, so that a busy machine tells much the same. What stands against us is what somebody would write by
hand in SimPy for the one purpose: a process for each task, a Resource for each pool, waiting times gathered in a list;
no journal, no budgets, no made outputs, no faults, no twin. The queue is held against Ciw as well, a library for just
that, which is installed into `.bench/ciw` on first use (skipped where there is no network).

All of it is measured twice: of the package as it stands, in Python, and of the same sources with native code
(`bench/native.py`), where there is a compiler. `--python` leaves the second out.

`--memory N` prints what N runs took at most, of a process of its own; without it 10,000 and 100,000 runs are.
"""

from __future__ import annotations

import os
import random
import resource
import subprocess
import sys
import time
import venv
from collections.abc import Callable, Generator
from dataclasses import replace
from pathlib import Path
from typing import Any

sys.path.insert(0, os.environ.get("ORCH_BENCH_NATIVE", str(Path(__file__).resolve().parents[1])))

import native
import simpy

from orchspec.compiler import compile_file, compile_text
from orchspec.compiler.plan import Fault, Plan
from orchspec.proving import proven_of
from orchspec.runtime import engine
from orchspec.simulator.chaos.chronicle import Chronicler
from orchspec.simulator.checkers import check_all
from orchspec.simulator.replicate import Stage
from orchspec.simulator.study import simulate

ROUNDS = 5
STEPS, WIDTH, FAILURE, ATTEMPTS = 10, 3, 0.05, 4
LATENCY_S = 2.0
CHECKED = 20
"""How many runs are written down together: ten are under way at once, so that they meet in the pool."""
CHRONICLES = 10
"""How many of these a round takes."""
NATIVE = os.environ.get("ORCH_BENCH_NATIVE")
"""Where the package with native code stands, in the process that measures it."""
ROOT = Path(__file__).resolve().parents[1]
SPECS = ROOT / "specs"
SLOTS = 60
CIW = "ciw==3.2.7"
MEASURED = (10_000, 100_000)


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

CIW_QUEUE = """
import sys, time
import ciw
network = ciw.create_network(
    arrival_distributions=[ciw.dists.Exponential(0.3)],
    service_distributions=[ciw.dists.Exponential(0.1)],
    number_of_servers=[4],
)
best = 0.0
for seed in range(int(sys.argv[1])):
    ciw.seed(seed)
    queue = ciw.Simulation(network)
    began = time.process_time()
    queue.simulate_until_max_time(8 * 3600)
    best = max(best, len(queue.get_all_records()) / (time.process_time() - began))
print(best)
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


def checked(plan: Plan) -> Callable[[int], int]:
    """Runs of which everything is written down, and S1 to S14 and L1 are checked over all of it."""
    # as many a second as in the others
    chronicler = Chronicler(plan, "ten", runs=CHECKED, apart_us=2_000_000, proven=proven_of(plan, "ten"))
    fails = [Fault(0, "fail", "hand", {"rate": FAILURE})]

    def chronicle(index: int) -> int:
        runs = 0
        for chronicler.seed in range(index * CHRONICLES, (index + 1) * CHRONICLES):
            with chronicler.looked_into(fails) as told:
                assert not told.endless
                assert not check_all(told, keep=False)
                runs += len(told.runs)
        return runs

    return chronicle


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


def rate(simulate: Callable[[int], int], index: int) -> float:
    """How many a second of the processor's time."""
    began = time.process_time()
    count = simulate(index)
    return count / (time.process_time() - began)


def compare(title: str, unit: str, theirs: Callable[[int], int], *mine: tuple[str, Callable[[int], int]]) -> float:
    """Print rates and their ratios, best round against best round; gives the first of ours."""
    best = [0.0] * (1 + len(mine))
    for index in range(ROUNDS):
        for side, simulated in enumerate((theirs, *(each for _, each in mine))):
            best[side] = max(best[side], rate(simulated, index))
    print(f"{title:<58}{best[0]:>10,.0f} {unit}/s by hand in SimPy")
    for (name, _), found in zip(mine, best[1:], strict=True):
        print(f"  {name:<56}{found:>10,.0f} {unit}/s{found / best[0]:>10.2f} times")
    return best[1]


def alone(title: str, replicate: Callable[[int], int]) -> None:
    """Print the rate of what nobody has written by hand."""
    print(f"{title:<58}{max(rate(replicate, index) for index in range(ROUNDS)):>10,.0f} runs/s")


def against_ciw(ours_a_second: float) -> None:
    """Print how fast Ciw is at the same queue, where it can be had."""
    folder = ROOT / ".bench" / "ciw"
    python = str(folder / "bin" / "python")
    try:
        if not Path(python).exists():
            venv.create(folder, with_pip=True)
        if subprocess.run([python, "-c", "import ciw"], check=False, capture_output=True).returncode:
            install = [python, "-m", "pip", "install", "--quiet", "--retries", "1", CIW]
            subprocess.run(install, check=True, capture_output=True, timeout=300)
        told = subprocess.run([python, "-c", CIW_QUEUE, str(ROUNDS)], check=True, capture_output=True, text=True)
    except (OSError, subprocess.SubprocessError) as error:
        print(f"  Ciw is not compared: it could not be installed or run ({type(error).__name__})")
        return
    theirs = float(told.stdout)
    print(f"  {'Ciw':<56}{theirs:>10,.0f} customers/s; ours is {ours_a_second / theirs:.2f} times that")


def remember(runs: int) -> None:
    """Simulate so many runs in this process, and print what it took at most."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    counted = QUEUE.replace("duration = 8h", f"runs = {runs}  warmup = 0s")
    document = simulate(compiled(counted), runs=runs, seed=1).document
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    print(f"memory of {document['runs']:,} runs: {most:,} MB at most, {before:,} MB of it before the first", flush=True)


def measure() -> None:
    """Print all rates, against what does the same."""
    ten = compiled(ten_steps())
    compare(
        f"{STEPS} steps of {WIDTH}, {FAILURE:.0%} failing",
        "runs",
        simpy_ten,
        ("orch", ours(ten)),
        ("orch, written down and with every checker on", checked(ten)),
    )
    customers = compare("M/M/4", "customers", simpy_queue, ("orch", ours(compiled(QUEUE))))
    against_ciw(customers)
    briefing = compile_file(SPECS / "briefing.orch").plan
    assert briefing is not None
    scenario = replace(briefing.scenarios[0], arrivals=["poisson", 60 / 3600], warmup=0)
    alone("the gallery's briefing", ours(replace(briefing, scenarios=[scenario]).sealed()))


def measure_native() -> None:
    """The same in a process of its own, which loads native code."""
    try:
        folder = native.build()
    except subprocess.CalledProcessError as error:
        print(f"\nNative code is not measured: it can't be built here.\n{error.stderr.decode()[-600:]}")
        return
    print("\nWith native code", flush=True)
    environment = {**os.environ, "ORCH_BENCH_NATIVE": str(folder), "PYTHONPATH": str(folder)}
    subprocess.run([sys.executable, __file__], env=environment, check=True)


def main() -> None:
    """Prints all figures."""
    if "--memory" in sys.argv:
        remember(int(sys.argv[sys.argv.index("--memory") + 1]))
        return
    if NATIVE is not None:
        assert str(engine.__file__).startswith(NATIVE)
        assert not str(engine.__file__).endswith(".py")
        measure()
        return
    print("In Python")
    measure()
    for runs in MEASURED:
        subprocess.run([sys.executable, __file__, "--memory", str(runs)], check=True)
    if "--python" not in sys.argv:
        measure_native()


if __name__ == "__main__":
    main()
