"""How long a replication must be, for its figures to be those of a system that has settled.

Runs that meet depend on each other, the more the fuller the system is. Their *memory* is how many of them say as much
about the mean latency as one that depends on nobody: the sum of all autocorrelations (P. J. Daley, *The serial
correlation coefficients of waiting times in a stationary single server queue*, J. Austral. Math. Soc. 8, 1968). In an
M/M/1 it is 7 runs at half load, 50 at three quarters, 360 at nine tenths. A replication of fewer runs than that has
seen one spell, good or bad, and most of it while the system filled: ten of them agree on a wrong figure.

So where the load is said by a number of runs, replications are made longer until each holds several memories. Whoever
stops when figures look calm has looked for calm figures; therefore replications that are found to be long enough are
made once more, four times as long, and their first quarter, which is what was looked at, is left out as the warm-up.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from orchspec.simulator.estimate import spread_of_ratio
from orchspec.simulator.observe import Replication
from orchspec.simulator.warmup import warm_up

__all__ = ["NOTHING_TOLD", "RUNS_MOST", "Memory", "Told", "memory_of", "next_size"]

RUNS_MOST: Final = 40_000
"""Replications are made longer until they hold so many runs together, and no longer."""
_MEMORIES: Final = 20.0
"""A replication that holds so many is long enough: intervals then hold the truth as often as they say (ADR 31)."""
_MEMORIES_SEEN: Final = 8.0
"""With so many the next step is the last: their number is known well enough, and it holds four times as many."""
_MEMORIES_LEAST: Final = 5.0
"""With fewer than so many its mean is not bounded from above: nobody has seen how bad it gets."""
_MEMORIES_TOLD: Final = 30.0
_MEMORIES_LEAST_TOLD: Final = 3.0
"""The same of a memory that is told by theory: of tails that are heavier than exponential it tells too little (30), and
it is not small where a sample is calm (3)."""
_STEP: Final = 4
"""How much longer a replication becomes: the inverse of what the warm-up leaves out."""
_PARTS: Final = 4
_LEAST: Final = 40
#: A correlation beyond so many of its deviations, were there none, is seen.
_SEEN: Final = 3.0
#: Latency that grows as long as one looks does so from the second quarter to the last by 7/3; one that settles, less.
_GROWS: Final = 1.9


@dataclass(frozen=True, slots=True)
class Told:
    """What theory tells of the length that is needed (`Twin.told`), before anything is simulated.

    A length that is chosen by what was seen goes with what was seen: replications that are calm by chance seem to be
    long enough, and their mean is too low. So what is told comes first.

    Attributes:
        memory: about how many runs depend on each other; of several queues the one that forgets last.
        is_all: whether nothing else makes them depend on each other, so that there is no need to look.
        keeps_up: whether the system is known to do what arrives, so that no latency grows for ever.
    """

    memory: float = 1.0
    is_all: bool = False
    keeps_up: bool = False


NOTHING_TOLD: Final = Told()


@dataclass(frozen=True, slots=True)
class Memory:
    """How many runs depend on each other, and how many of them a replication holds, in the mean."""

    runs: float
    held: float
    is_told: bool = False
    """Whether theory tells it, and not what was seen, which is less where it is calm by chance."""

    @property
    def is_long(self) -> bool:
        """Whether a replication holds enough of it to be believed without looking again."""
        return self.held >= (_MEMORIES_TOLD if self.is_told else _MEMORIES) * self.runs

    @property
    def is_short(self) -> bool:
        """Whether a replication holds so few of it that a mean is not bounded by what was seen."""
        return self.held < (_MEMORIES_LEAST_TOLD if self.is_told else _MEMORIES_LEAST) * self.runs

    @property
    def needed(self) -> float:
        """About how many runs a replication should hold, at least twice as many as it does."""
        return max((_MEMORIES_TOLD if self.is_told else _MEMORIES) * self.runs, 2.0 * self.held)


def memory_of(replications: Sequence[Replication], cut_s: float, told: Told = NOTHING_TOLD) -> Memory:
    """Measure the memory of the latency of (fault-free) replications, from `cut_s` seconds on.

    The variance of means over whole replications, and over a quarter of each, against that of single runs: the greater
    of the two, since short pieces show too little of it and few pieces may show it by chance. Of a latency only the
    wait is remembered, and the time at work beside it hides that: so what is beyond independence is held against what
    neighbours share (their correlation, where it is seen). Runs that have not ended are left out.

    It is no less than what is told of it, and no more where that is all.
    """
    known = [_latencies(replication, cut_s) for replication in replications]
    known = [part for part in known if len(part) >= _PARTS]
    everything = [latency_s for part in known for latency_s in part]
    count = len(everything)
    if count < 2:
        return Memory(told.memory, float(count), told.is_all)
    centre = math.fsum(everything) / count
    variance = math.fsum((latency_s - centre) ** 2 for latency_s in everything) / count
    memory = 1.0
    if variance > 0.0 and not told.is_all:
        for pieces in (known, [piece for part in known for piece in _cut(part)]):
            if len(pieces) > 1:
                sums, sizes = [math.fsum(piece) for piece in pieces], [float(len(piece)) for piece in pieces]
                memory = max(memory, spread_of_ratio(sums, sizes) * count / variance)
        shared = _shared(known, centre) / variance
        if shared > _SEEN / math.sqrt(count):
            memory = 1.0 + (memory - 1.0) / shared
    return Memory(max(memory, told.memory), count / len(known), told.is_all)


def _shared(known: Sequence[Sequence[float]], centre: float) -> float:
    """Return the covariance of neighbours."""
    pairs = [(a - centre) * (b - centre) for part in known for a, b in pairwise(part)]
    return math.fsum(pairs) / len(pairs)


def next_size(seen: Sequence[Replication], size: int, told: Told = NOTHING_TOLD) -> tuple[int, bool]:
    """Return how many runs replications measure after these (fault-free) ones of `size`, and whether to look again.

    It is `size` itself where they are long enough, and never more than `RUNS_MOST` in all of them.
    """
    most = max(size, RUNS_MOST // len(seen))
    longer = min(most, _STEP * size)
    memory = memory_of(seen, warm_up(seen, quarter=True).cut_s, told)
    if memory.is_long or longer == size or (not told.keeps_up and _grows(seen)):
        return size, False
    if told.is_all:
        while longer < most and memory.held * longer < _MEMORIES_TOLD * memory.runs * size:
            longer = min(most, _STEP * longer)
        return longer, False
    return longer, longer < most and memory.held < _MEMORIES_SEEN * memory.runs


def _grows(replications: Sequence[Replication]) -> bool:
    """Tell whether latency grows as long as one looks: the system takes less than what arrives."""
    known = [_latencies(replication, 0.0) for replication in replications]
    second = [value for part in known for value in part[len(part) // _PARTS : len(part) // 2]]
    last = [value for part in known for value in part[len(part) - len(part) // _PARTS :]]
    if min(len(second), len(last)) < _LEAST:
        return False
    return math.fsum(last) / len(last) > _GROWS * math.fsum(second) / len(second)


def _latencies(replication: Replication, cut_s: float) -> list[float]:
    """Return the latencies of the measured runs that have ended, by order of arrival."""
    from_s, to_s = max(cut_s, replication.window_s[0]), replication.window_s[1]
    runs = [run for run in replication.runs if from_s <= run.arrived_s < to_s and run.status != "refused"]
    runs.sort(key=lambda run: (run.arrived_s, run.ordinal))
    return [run.latency_s for run in runs if math.isfinite(run.latency_s)]


def _cut(part: list[float]) -> list[list[float]]:
    size = len(part) // _PARTS
    return [part[at * size : (at + 1) * size] for at in range(_PARTS)]
