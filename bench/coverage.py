"""How often the intervals of KPIs hold the truth: `python bench/coverage.py [STUDIES] [SYSTEM…]` prints a table.

Each study asks for 1,000 runs of a queue whose truth is known, as `orch simulate --runs 1000` does. Replications are
as long as `simulator/lengths.py` finds, a quarter of each is left out, and the estimators are those of the product.
Only the runs are not simulated: their arrivals, waits and services come from the recursions of Lindley (one slot) and
of Kiefer and Wolfowitz (several), many studies at once. `tests/simulator/test_intervals.py` goes the whole way, with
the kernel and the clock, for fewer systems.

Per KPI: in how many of 100 studies the interval held the truth, and after a slash in how many of 100 its upper end was
left open, with advice on how many runs would bound it. Truths without a formula (quantiles of the M/M/4, the M/G/1 and
two queues in a row) are those of six million runs.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from orchspec.simulator.estimate import Estimate, ratio, sectioned_quantile
from orchspec.simulator.lengths import RUNS_MOST, Told, memory_of, next_size
from orchspec.simulator.observe import Replication, RunObservation
from orchspec.simulator.queueing import settling_time

REPLICATIONS = 10
ASKED = 143
"""Runs of a replication that 1,000 are asked for in, the warm-up made up for."""
MOST = RUNS_MOST // REPLICATIONS
LOADS = (0.5, 0.75, 0.9)
KPIS = ("mean", "p50", "p95", "p99", "busy", "throughput")
SYSTEMS = {
    "M/M/1": ("exponential", 1, 1),
    "M/M/4": ("exponential", 4, 1),
    "tandem": ("exponential", 1, 2),
    "M/G/1 lognormal": ("lognormal", 1, 1),
    "M/G/1 pareto": ("pareto", 1, 1),
}
"""Services of mean 1, slots, and how many such queues stand in a row."""
VARIATION = {"exponential": 1.0, "lognormal": 4.0, "pareto": 0.8}
"""The square of that of services."""


@dataclass
class Chains:
    """Columns are replications, rows are runs by arrival."""

    arrived: np.ndarray
    left: np.ndarray
    begun: np.ndarray
    served: np.ndarray


def services(rng: np.random.Generator, kind: str, shape: tuple[int, int]) -> np.ndarray:
    """Times at work, of mean 1."""
    if kind == "lognormal":
        square = math.log(5.0)
        return np.exp(rng.normal(-square / 2.0, math.sqrt(square), shape))
    if kind == "pareto":
        return 0.6 * (1.0 - rng.random(shape)) ** -0.4
    return rng.exponential(1.0, shape)


def chains(rng: np.random.Generator, name: str, load: float, runs: int, columns: int) -> Chains:
    """So many replications side by side, each of which begins empty."""
    kind, slots, stages = SYSTEMS[name]
    arrived = np.cumsum(rng.exponential(1.0 / (load * slots), (runs, columns)), axis=0)
    came = arrived
    first: tuple[np.ndarray, np.ndarray] | None = None
    for _ in range(stages):
        times = services(rng, kind, (runs, columns))
        begun, done = np.empty_like(times), np.empty_like(times)
        free, column = np.zeros((slots, columns)), np.arange(columns)
        for at in range(runs):
            slot = free.argmin(axis=0)
            begun[at] = np.maximum(came[at], free[slot, column])
            done[at] = free[slot, column] = begun[at] + times[at]
        first = first or (begun, done)
        came = done
    assert first is not None
    return Chains(arrived, came, *first)


def truths(name: str, load: float) -> dict[str, float]:
    """What theory says, or a long simulation."""
    slots = SYSTEMS[name][1]
    rng = np.random.default_rng(99)
    made = chains(rng, name, load, 33_000, 200)
    latency = (made.left - made.arrived)[3_000:].ravel()
    found = {"mean": float(latency.mean()), "busy": load, "throughput": load * slots}
    found |= {f"p{share}": float(np.quantile(latency, share / 100.0)) for share in (50, 95, 99)}
    if name == "M/M/1":
        found |= {f"p{share}": -math.log(1.0 - share / 100.0) / (1.0 - load) for share in (50, 95, 99)}
    if name in ("M/M/1", "tandem"):
        found["mean"] = SYSTEMS[name][2] / (1.0 - load)
    if name == "M/G/1 lognormal":
        found["mean"] = 1.0 + load * 5.0 / 2.0 / (1.0 - load)
    if name == "M/G/1 pareto":
        found["mean"] = 1.0 + load * 1.8 / 2.0 / (1.0 - load)
    return found


def replications(made: Chains, columns: range, runs: int) -> list[Replication]:
    """What the product sees of them when it looks how long they must be."""
    found = []
    for column in columns:
        arrived, left = made.arrived[:runs, column].tolist(), made.left[:runs, column].tolist()
        seen = [
            RunObservation(order, came, ended, "completed")
            for order, (came, ended) in enumerate(zip(arrived, left, strict=True))
        ]
        found.append(Replication(column, 1, (0.0, arrived[-1] + 1e-9), seen))
    return found


def study(made: Chains, columns: range, name: str, load: float) -> dict[str, Estimate]:
    """The estimates of one study."""
    kind, slots, _ = SYSTEMS[name]
    # As the analytic twin tells it.
    memory = load * slots * settling_time(load * slots, 1.0, slots, 0.5 * (1.0 + VARIATION[kind]))
    told = Told(memory, is_all=True, keeps_up=True)
    runs, looking = ASKED, True
    while looking:
        seen = replications(made, columns, runs)
        longer, looking = next_size(seen, runs, told)
        if longer != runs:
            runs, seen = longer, replications(made, columns, longer)
    end = made.arrived[runs - 1, columns]
    cut_s = float(made.arrived[runs // 4, columns].max())
    latency = [
        (made.left[:runs, at] - made.arrived[:runs, at])[made.arrived[:runs, at] >= cut_s].tolist() for at in columns
    ]
    length = [float(each - cut_s) for each in end]
    found = {"mean": ratio([math.fsum(part) for part in latency], [float(len(part)) for part in latency])}
    found |= {f"p{share}": sectioned_quantile(latency, share / 100.0) for share in (50, 95, 99)}
    if kind == "pareto":  # as the tail of its profile has it (`simulator/tails.py`)
        found["mean"] = replace(found["mean"], hi=math.inf)
    if memory_of(seen, cut_s, told).is_short:
        found = {kpi: replace(one, hi=math.inf) for kpi, one in found.items()}
    busy, ended = [], []
    for at, until in zip(columns, end, strict=True):
        held = np.minimum(made.served[:runs, at], until) - np.maximum(made.begun[:runs, at], cut_s)
        busy.append(float(held.clip(0.0).sum()))
        ended.append(float(((made.left[:runs, at] >= cut_s) & (made.left[:runs, at] < until)).sum()))
    found["busy"] = ratio(busy, [slots * each for each in length])
    found["throughput"] = ratio(ended, length)
    return found


def main(words: Sequence[str]) -> int:
    """Print the table."""
    studies = int(words[0]) if words else 200
    print(f"{studies} studies of 1,000 runs; held / left open above, in 100")
    print(f"{'system':<16} {'load':>4} " + " ".join(f"{kpi:>10}" for kpi in KPIS))
    for name in words[1:] or SYSTEMS:
        for load in LOADS:
            truth = truths(name, load)
            held, opened = dict.fromkeys(KPIS, 0), dict.fromkeys(KPIS, 0)
            made = chains(np.random.default_rng(2_026), name, load, MOST, studies * REPLICATIONS)
            for number in range(studies):
                columns = range(number * REPLICATIONS, (number + 1) * REPLICATIONS)
                for kpi, found in study(made, columns, name, load).items():
                    held[kpi] += found.lo <= truth[kpi] <= found.hi
                    opened[kpi] += math.isinf(found.hi)
            cells = (f"{100 * held[kpi] / studies:.0f} / {100 * opened[kpi] / studies:.0f}" for kpi in KPIS)
            print(f"{name:<16} {load:>4} " + " ".join(f"{cell:>10}" for cell in cells), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
