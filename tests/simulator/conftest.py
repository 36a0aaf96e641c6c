"""Samples for the statistics: a queue of exponential servers, simulated here apart from the product's own engine."""

from __future__ import annotations

import heapq
import random
from collections import deque
from collections.abc import Callable

import pytest

from orchspec.simulator.observe import EffectObservation, PoolObservation, Replication, RunObservation

QueueSample = Callable[..., list[Replication]]


def simulate_queue(
    seed: int,
    replications: int = 10,
    *,
    servers: int = 3,
    arrivals_s: float = 5.0,
    service_s: float = 10.0,
    window_s: tuple[float, float] = (500.0, 4_000.0),
) -> list[Replication]:
    """Return replications of an M/M/c queue in which each run is one task of the agent `clerk`."""
    return [
        _replicate(index, random.Random(seed * 1_000 + index), servers, (arrivals_s, service_s), window_s)
        for index in range(replications)
    ]


def _replicate(
    index: int, rng: random.Random, servers: int, means_s: tuple[float, float], window_s: tuple[float, float]
) -> Replication:
    arrivals_s, service_s = means_s
    pool = PoolObservation("clerk", "agent", servers, window_s[1] / 64)
    runs: list[RunObservation] = []
    waiting: deque[RunObservation] = deque()
    ends: list[tuple[float, int, float]] = []
    # Load goes on beyond the window, so that its last runs end under the same conditions as the others.
    last_s = window_s[1] * 1.5
    inside, run_seconds, counted_s = 0, 0.0, 0.0
    at_s = rng.expovariate(1.0 / arrivals_s)

    def start(run: RunObservation, now_s: float) -> None:
        pool.grant(now_s, run.arrived_s)
        pool.take(now_s)
        heapq.heappush(ends, (now_s + rng.expovariate(1.0 / service_s), run.ordinal, now_s))

    while at_s < last_s or ends:
        if ends and (ends[0][0] <= at_s or at_s >= last_s):
            now_s, ordinal, taken_s = heapq.heappop(ends)
            pool.release(now_s, taken_s)
            run = runs[ordinal]
            run.ended_s, run.status, run.verified = now_s, "completed", True
            inside, run_seconds, counted_s = inside - 1, run_seconds + inside * (now_s - counted_s), now_s
            run.cost_usd, run.tokens, run.attempts = 0.01 * (now_s - taken_s), 100, 1
            if waiting:
                start(waiting.popleft(), now_s)
            continue
        run = RunObservation(len(runs), at_s)
        runs.append(run)
        inside, run_seconds, counted_s = inside + 1, run_seconds + inside * (at_s - counted_s), at_s
        pool.enqueue(at_s)
        if pool.busy_slots < servers:
            start(run, at_s)
        else:
            waiting.append(run)
        at_s += rng.expovariate(1.0 / arrivals_s)
    pool.close(counted_s)
    effect = EffectObservation("publish", len(runs), len(runs), len(runs))
    left = Replication(index, index, window_s, runs, [pool], [effect])
    left.lived_s, left.run_seconds = counted_s, run_seconds
    return left


@pytest.fixture
def queue_sample() -> QueueSample:
    """Give the maker of M/M/c samples."""
    return simulate_queue
