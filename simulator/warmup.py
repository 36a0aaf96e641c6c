"""Where the warm-up ends: a quarter of each replication, held against MSER-5.

K. P. White, *An effective truncation heuristic for bias reduction in simulation output*, Simulation 69 (1997): cut
where the squared standard error of what remains is least, over means of 5 observations. It is applied to the latency
by order of arrival, averaged over replications of the fault-free twin: averaging tells the transient, which all
replications share, from the noise, which they don't; and a fault must not pass for a transient.

MSER-5 is a judge of whether the system settles, and a poor place to cut: it looks for where the rest varies least, so
it cuts a busy beginning and keeps a quiet one. With the latency of an M/G/1 of heavy tail (squared variation 4, half
full, 1,000 runs a replication) the mean that is left is 3 % too low, four times what it is without the first quarter of
each replication, whatever came in it. So that quarter is what is left out, as long as MSER-5 does not ask for more.
Where faults come at dates, a cut must not reach into what happens there, and that of MSER-5 is taken.
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
#: This part of each replication is left out, unless MSER-5 asks for more.
_PART = 4


@dataclass(slots=True, frozen=True)
class WarmUp:
    """What to leave out: the first `runs` runs of a replication, those that arrived before `cut_s` seconds.

    `steady` is false if no cut leaves a steady state, `None` if there were too few runs to tell; `note` says it.
    """

    runs: int
    cut_s: float
    steady: bool | None
    note: str


def mser5(series: Sequence[float]) -> tuple[int, bool | None]:
    """Return where to cut `series` (a multiple of 5) and whether what remains is steady.

    Steady is `None` if the series is shorter than 40, and false if the cut lies beyond the half, which is where the
    statistic says that no part was flat.
    """
    count = len(series) // _BATCH
    if count < _LEAST_BATCHES:
        return 0, None
    means = [math.fsum(series[i * _BATCH : (i + 1) * _BATCH]) / _BATCH for i in range(count)]
    # Deviations from the middle of the data keep the running sums of squares from cancelling.
    centre = math.fsum(means) / count
    total = squares = 0.0
    best, best_at = math.inf, 0
    for at in range(count - 1, -1, -1):
        deviation = means[at] - centre
        total += deviation
        squares += deviation * deviation
        kept = count - at
        if kept < _TAIL_BATCHES:
            continue
        score = (squares - total * total / kept) / (kept * kept)
        if score <= best:
            best, best_at = score, at
    return best_at * _BATCH, best_at * 2 <= count


def warm_up(replications: Sequence[Replication], *, quarter: bool = False) -> WarmUp:
    """Find the warm-up of (fault-free) replications by MSER-5 on the latency by order of arrival.

    Runs that have not ended say nothing about when the system settles and are left out of the average. The answer is
    given in runs and in seconds, the latest arrival of the first run kept in any replication. With `quarter` it is no
    less than the first quarter of a replication.
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
    found, steady = mser5(known_series)
    least = length // _PART if quarter else 0
    if steady is False and not _drifts(arrivals, length):
        found, steady, told = 0, True, "no warm-up: the cut is beyond half, yet the halves do not differ"
    elif steady is False:
        told = f"no steady state: MSER-5 cuts {found} of {length} runs, beyond half"
        found = 0
    elif steady is None:
        told = f"too few runs a replication to find a warm-up: {length}, 40 are needed"
    elif found > least:
        told = f"MSER-5 cuts the first {found} runs of each replication"
    else:
        told = "no warm-up: MSER-5 cuts nothing" if found == 0 else f"MSER-5 cuts the first {found} runs"
    cut = max(found, least)
    if least and cut == least:
        told += f"; the first quarter of each replication, {least} runs, is left out all the same"
    cut_s = max(runs[cut].arrived_s for runs in arrivals) if cut else 0.0
    return WarmUp(cut, cut_s, steady, told)


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
