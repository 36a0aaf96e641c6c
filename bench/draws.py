"""What a random number and a sample cost: `python bench/draws.py` prints nanoseconds, the best of several rounds."""

from __future__ import annotations

import sys
import timeit
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from orchspec.runtime.distributions import compile_count, compile_dist, compile_time
from orchspec.runtime.draws import LATENCY, mix, run_key, uniform
from orchspec.runtime.tables import read_columns, read_times
from orchspec.simulator.arrivals import arrivals

ROUNDS = 7
CALLS = 100_000
TRACES = Path(__file__).resolve().parents[1] / "specs" / "data" / "azure-llm-2023"

SAMPLED = {
    "fixed": ["fixed", 1_000_000],
    "uniform": ["uniform", 1_000_000, 4_000_000],
    "normal": ["normal", 4_000_000, 1_000_000],
    "lognormal": ["lognormal", 6_000_000, 21_000_000],
    "exponential": ["exponential", 6_000_000],
    "gamma": ["gamma", 2.5, 1_000_000],
    "pareto": ["pareto", 1_000_000, 2.5],
    "mixture": ["mixture", [[0.9, ["exponential", 1_000_000]], [0.1, ["lognormal", 6_000_000, 21_000_000]]]],
}


def nanoseconds(statement: str, **names: Any) -> float:
    """The time of a statement, the loop's own taken off."""
    best = min(timeit.repeat(statement, globals=names, number=CALLS, repeat=ROUNDS))
    empty = min(timeit.repeat("pass", number=CALLS, repeat=ROUNDS))
    return (best - empty) / CALLS * 1e9


def told(name: str, nanoseconds_each: float) -> None:
    """Prints one figure."""
    print(f"{name:<32}{nanoseconds_each:>10.0f} ns")


def sampled(name: str, sample: Callable[[float], Any]) -> None:
    """The mean of a low and a high quantile, so that a branch for one of them does not hide."""
    told(name, sum(nanoseconds("sample(u)", sample=sample, u=u) for u in (0.2, 0.9)) / 2)


def main() -> None:
    """Prints all figures."""
    key = mix(run_key(7, 0, 0, 3), 5)
    told("uniform", nanoseconds("uniform(key, 1, LATENCY)", uniform=uniform, key=key, LATENCY=LATENCY))
    told("mix", nanoseconds("mix(key, 5)", mix=mix, key=key))
    told("run_key", nanoseconds("run_key(7, 0, 0, 3)", run_key=run_key))
    for name, dist in SAMPLED.items():
        sampled(f"time, {name}", compile_time(dist))
    sampled("count, uniform(1, 4)", compile_count(["uniform", 1, 4]))
    sampled("choice of two", compile_dist(["choice", [["accept", 0.85], ["revise", 0.15]]]))
    sampled("chance", compile_dist(["chance", 0.3]))
    data = read_columns(TRACES, [("conv.csv", "ContextTokens")])
    sampled("count, empirical (19,366 rows)", compile_count(["empirical", "conv.csv", "ContextTokens"], data))
    for spec in (["poisson", 3.0], ["burst", 1.0, 20.0, 600_000_000, 60_000_000]):
        stream = arrivals(spec, key)
        seconds = min(timeit.repeat(lambda stream=stream: sum(islice(stream, 10_000)), number=1, repeat=ROUNDS))
        told(f"arrival, {spec[0]}", seconds / 10_000 * 1e9)
    seconds = min(timeit.repeat(lambda: read_times(TRACES / "conv.csv", "TIMESTAMP"), number=1, repeat=3))
    told("row of timestamps read", seconds / 19_366 * 1e9)


if __name__ == "__main__":
    main()
