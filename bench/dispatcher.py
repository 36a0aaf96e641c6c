"""What the dispatcher costs: µs for a request and its release, uncontended and with a queue."""

from __future__ import annotations

import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from orchspec.compiler.plan import Agent, Plan
from orchspec.runtime.dispatcher import Dispatcher

ROUNDS = 200_000


def uncontended() -> float:
    """µs for the request and the release of a slot that is free."""
    pools = Dispatcher(Plan("bench", agents={"ann": Agent("ann", "agent", [], slots_max=8)}))
    candidates = ("ann",)
    begin = time.process_time()
    for place in range(ROUNDS):
        pools.request("r", place, 1, candidates, place)
        pools.release("r", place, 1, "ok", place)
    return (time.process_time() - begin) / ROUNDS * 1e6


def contended(runs: int = 50, waiting: int = 20) -> float:
    """µs for a release that serves the next of a queue, and the request that joins it."""
    pools = Dispatcher(Plan("bench", agents={"ann": Agent("ann", "agent", [], slots_max=1)}))
    holder = ("r0", 0)
    pools.request(*holder, 1, ("ann",), 0)
    for place in range(1, waiting + 1):
        for run in range(runs):
            pools.request(f"r{run}", place, 1, ("ann",), 0)
    begin = time.process_time()
    for place in range(waiting + 1, waiting + 1 + ROUNDS // 4):
        (grant,) = pools.release(*holder, 1, "ok", place)
        holder = (grant.run, grant.place)
        pools.request(f"r{place % runs}", place, 1, ("ann",), place)
    return (time.process_time() - begin) / (ROUNDS // 4) * 1e6


def main() -> None:
    """Print both figures."""
    print(f"request and release, uncontended: {uncontended():.2f} µs (the aim is 3)")
    print(f"release, grant and request with 1000 waiting: {contended():.2f} µs")


if __name__ == "__main__":
    main()
