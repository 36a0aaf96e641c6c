"""Where the warm-up ends: MSER-5.

K. P. White, *An effective truncation heuristic for bias reduction in simulation output*, Simulation 69 (1997): cut
where the squared standard error of what remains is least, over means of 5 observations. It is applied to the latency
by order of arrival, averaged over replications of the fault-free twin: averaging tells the transient, which all
replications share, from the noise, which they don't; and a fault must not pass for a transient.

In short replications the least of the statistic is a matter of luck: it often cuts nothing of a queue that begins
empty, and then intervals hold the truth less often than they say, missing it all on one side (M/M/3 at two thirds of
its capacity, 400 runs a replication: 84 times in 100). Its minimum is flat, so a later cut that is nearly as good costs
little precision and saves that bias (90 in 100). It is taken where runs are counted: what is cut is made up for.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from orchspec.simulator.observe import Replication, RunObservation

__all__ = ["WarmUp", "mser5", "warm_up"]

_BATCH = 5
#: Fewer batches than this cannot tell a transient from a bad day.
_LEAST_BATCHES = 8
#: The last batches are no place to cut: the standard error of so few means anything.
_TAIL_BATCHES = 5
#: A cut whose statistic is so near the least is as good, as far as the data can tell; 7 % of the width of an interval.
_AS_GOOD = 1.15
#: No later than this share of a replication is cut for that.
_SPARED = 0.25


@dataclass(slots=True, frozen=True)
class WarmUp:
    """What to leave out: the first `runs` runs of a replication, those that arrived before `cut_s` seconds.

    `steady` is false if no cut leaves a steady state, `None` if there were too few runs to tell; `note` says it.
    """

    runs: int
    cut_s: float
    steady: bool | None
    note: str


def mser5(series: Sequence[float], *, late: bool = False) -> tuple[int, bool | None]:
    """Return where to cut `series` (a multiple of 5) and whether what remains is steady.

    `late` takes the latest cut in the first quarter that is as good, within 15 % of the least of the statistic. Steady
    is `None` if the series is shorter than 40, and false if the cut lies beyond the half, which is where the statistic
    says that no part was flat.
    """
    count = len(series) // _BATCH
    if count < _LEAST_BATCHES:
        return 0, None
    means = [math.fsum(series[i * _BATCH : (i + 1) * _BATCH]) / _BATCH for i in range(count)]
    # Deviations from the middle of the data keep the running sums of squares from cancelling.
    centre = math.fsum(means) / count
    total = squares = 0.0
    best, best_at = math.inf, 0
    scores: list[tuple[int, float]] = []
    for at in range(count - 1, -1, -1):
        deviation = means[at] - centre
        total += deviation
        squares += deviation * deviation
        kept = count - at
        if kept < _TAIL_BATCHES:
            continue
        score = (squares - total * total / kept) / (kept * kept)
        scores.append((at, score))
        if score <= best:
            best, best_at = score, at
    steady = best_at * 2 <= count
    if late and steady and best > 0.0:
        as_good = (at for at, score in scores if score <= _AS_GOOD * best and at <= _SPARED * count)
        best_at = max(best_at, next(as_good, 0))
    return best_at * _BATCH, steady


def warm_up(replications: Sequence[Replication], *, late: bool = False) -> WarmUp:
    """Find the warm-up of (fault-free) replications by MSER-5 on the latency by order of arrival.

    Runs that have not ended say nothing about when the system settles and are left out of the average. The answer is
    given in runs and in seconds, the latest arrival of the first run kept in any replication; `late` as of `mser5`.
    """
    arrivals = [_in_window(replication) for replication in replications]
    length = min((len(runs) for runs in arrivals), default=0)
    series: list[float] = []
    for order in range(length):
        known = [runs[order].latency_s for runs in arrivals if math.isfinite(runs[order].latency_s)]
        series.append(math.fsum(known) / len(known) if known else math.nan)
    known_series = [value for value in series if not math.isnan(value)]
    if len(known_series) * 2 < length:
        return WarmUp(0, 0.0, False, "no steady state: most runs never end")
    cut, steady = mser5(known_series, late=late)
    if steady is None:
        return WarmUp(0, 0.0, None, f"too few runs a replication to find a warm-up: {length}, 40 are needed")
    if not steady and not _drifts(arrivals, length):
        return WarmUp(0, 0.0, True, "no warm-up: the cut is beyond half, yet the halves do not differ")
    if not steady:
        return WarmUp(0, 0.0, False, f"no steady state: MSER-5 cuts {cut} of {length} runs, beyond half")
    if cut == 0:
        return WarmUp(0, 0.0, True, "no warm-up: MSER-5 cuts nothing")
    cut_s = max(runs[cut].arrived_s for runs in arrivals)
    return WarmUp(cut, cut_s, True, f"MSER-5 cuts the first {cut} runs of each replication")


def _in_window(replication: Replication) -> list[RunObservation]:
    from_s, to_s = replication.window_s
    runs = [run for run in replication.runs if from_s <= run.arrived_s < to_s and run.status != "refused"]
    runs.sort(key=lambda run: (run.arrived_s, run.ordinal))
    return runs


def _drifts(arrivals: Sequence[Sequence[RunObservation]], length: int) -> bool:
    """Tell whether the second half of the runs is slower or faster than the first, paired over replications.

    MSER is known to cut far when a rare, very long run stands early; a drift of a system that does not settle is
    there in every replication. Without replications to compare, the cut is believed.
    """
    from orchspec.simulator.estimate import mean

    if len(arrivals) < 3:
        return True
    differences = []
    for runs in arrivals:
        halves = []
        for part in (runs[: length // 2], runs[length // 2 : length]):
            known = [run.latency_s for run in part if math.isfinite(run.latency_s)]
            halves.append(math.fsum(known) / max(1, len(known)))
        differences.append(halves[1] - halves[0])
    drift = mean(differences)
    return not drift.lo <= 0.0 <= drift.hi
