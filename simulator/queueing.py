"""The formulas of queueing theory that the analytic twin is made of. Times in seconds, rates for each second.

Sources: A. K. Erlang (1917) for M/M/c, by the stable recursion of his B formula; F. Pollaczek (1930) and A. Khinchine
(1932) for M/G/1; A. O. Allen, *Probability, Statistics and Queueing Theory* (2nd ed., 1990, 5.3.4) with J. F. C.
Kingman (1961) for G/G/c (Allen and Cunneen); M. Reiser and S. S. Lavenberg, JACM 27 (1980) for closed networks (mean
value analysis), J. P. Buzen, CACM 16 (1973) for those of several servers (convolution), and A. Seidmann, P. Schweitzer
and S. Shalev-Oren, AT&T Technical Journal 66 (1987) where their users are many; W. Fischer and K. Meier-Hellstern,
Performance Evaluation 18 (1993) for bursts.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

#: How far from 1 a squared variation may be that is still taken for Poisson arrivals.
_POISSON: Final = 0.01
#: Of a bucket that holds so many times what one takes hardly anybody waits.
_MUCH: Final = 200.0
#: Cells of a grid: at most, at least, and for each of what one takes.
_CELLS: Final = 3_000
_CELLS_LEAST: Final = 200
_CELLS_EACH: Final = 50

__all__ = [
    "Demand",
    "bucket_wait",
    "burst_dispersion",
    "closed_network",
    "erlang_c",
    "mean_wait",
    "reserved_wait",
    "settling_time",
    "token_wait",
]


_CONVOLVED: Final = 2_000
"""Up to so many users a closed network of several slots is computed exactly: it takes the square of their number."""


@dataclass(slots=True, frozen=True)
class Demand:
    """What a run asks of a station: so many visits, each holding one of `slots` (None: unlimited) for `hold_s`."""

    visits: float
    hold_s: float
    slots: int | None

    @property
    def seconds(self) -> float:
        """Slot-seconds of a run."""
        return self.visits * self.hold_s


def erlang_c(offered: float, slots: int) -> float:
    """The chance that all of `slots` are busy at an arrival, for `offered` load (arrivals times holding time)."""
    if offered >= slots:
        return 1.0
    blocked = 1.0
    for servers in range(1, slots + 1):
        blocked = offered * blocked / (servers + offered * blocked)
    return blocked / (1.0 - offered / slots * (1.0 - blocked))


def mean_wait(rate: float, hold_s: float, slots: int | None, arrival_scv: float = 1.0, hold_scv: float = 1.0) -> float:
    """The mean wait for a slot; infinite where work comes as fast as it can be done, or where its variance is infinite.

    Exact for Poisson arrivals with one slot (any holding time) or exponential holding times (any slots); else the
    approximation of Allen and Cunneen. `arrival_scv` and `hold_scv` are squared coefficients of variation.
    """
    if slots is None or rate <= 0.0 or hold_s <= 0.0:
        return 0.0
    offered = rate * hold_s
    if offered >= slots:
        return math.inf
    spread = 0.5 * (arrival_scv + hold_scv)
    return spread * erlang_c(offered, slots) / (slots / hold_s - rate) if spread else 0.0


def settling_time(rate: float, hold_s: float, slots: int | None, scv: float = 1.0) -> float:
    """About how long a queue takes to forget how it began (the relaxation time of M/M/1, of c slots c-th of it).

    Infinite where it never settles (P. M. Morse, *Queues, Inventories and Maintenance*, 1958, ch. 6).
    """
    if slots is None or rate <= 0.0:
        return 0.0
    load = rate * hold_s / slots
    return hold_s * max(scv, 0.0) / slots / (1.0 - math.sqrt(load)) ** 2 if load < 1.0 else math.inf


def token_wait(rate: float, count: int, per_s: float, arrival_scv: float = 1.0) -> float:
    """The mean wait for a token of a bucket of `count` that fills continuously in `per_s`.

    The tokens that are lacking are the work of a queue with one server, of `per_s / count` a token. One waits for what
    that is beyond the `count - 1` tokens that were there: exact for Poisson arrivals (M/D/1), see `bucket_wait`.
    """
    each_s = per_s / count
    if rate * each_s >= 1.0:
        return math.inf
    return bucket_wait(rate, [each_s], (count - 1) * each_s, arrival_scv)


def bucket_wait(rate: float, takes_s: Sequence[float], buffer_s: float, arrival_scv: float = 1.0) -> float:
    """The mean wait for what a bucket holds, which is refilled by what one takes in one of `takes_s`, ascending.

    What is lacking in the bucket is the work V of a queue with one server. One waits for what that is beyond
    `buffer_s`, which was there. For Poisson arrivals V is a geometric number of what is left of `takes_s` at a random
    moment (Pollaczek and Khinchine; the mean is exact), whose distribution is summed up on a grid by the recursion of
    H. H. Panjer (ASTIN Bulletin 12, 1981). For others, and where a bucket holds so much that hardly anybody waits, it
    has the exponential tail of heavy traffic.
    """
    mean = math.fsum(takes_s) / len(takes_s)
    load = rate * mean
    if load >= 1.0:
        return math.inf
    scv = math.fsum(each * each for each in takes_s) / len(takes_s) / mean**2 - 1.0 if mean else 0.0
    alone = mean_wait(rate, mean, 1, arrival_scv, max(0.0, scv))
    if buffer_s <= 0.0 or not alone:
        return alone
    if abs(arrival_scv - 1.0) > _POISSON or buffer_s > _MUCH * mean:
        return alone * math.exp(-buffer_s * load / alone)
    return max(0.0, alone - _within(load, takes_s, mean, buffer_s))


def reserved_wait(
    rate: float, takes_s: Sequence[float], buffer_s: float, spare_s: float, under_way: float, arrival_scv: float = 1.0
) -> float:
    """The mean wait as of `bucket_wait`, where attempts take more at first and give back `spare_s` when they end.

    What those keep who are under way is missing from the bucket, for as many as there are on the average. That is
    rough: there are fewer of them while one waits, and who finds too little room waits for one of them to end.
    """
    return bucket_wait(rate, takes_s, buffer_s - spare_s * under_way, arrival_scv)


def _within(load: float, takes_s: Sequence[float], mean: float, buffer_s: float) -> float:
    """The mean of the work of M/G/1, or of `buffer_s` where that is less."""
    import numpy as np

    cells = min(_CELLS, max(_CELLS_LEAST, round(_CELLS_EACH * buffer_s / mean)))
    width = buffer_s / cells
    takes = np.asarray(takes_s)
    # Of what is left at a random moment: the chance that it is less than each upper end of a cell around k widths.
    ends = (np.arange(cells + 1) + 0.5) * width
    sums = np.concatenate(([0.0], np.cumsum(takes)))
    under = np.searchsorted(takes, ends)
    less = (sums[under] + (len(takes) - under) * ends) / len(takes) / mean
    left = np.diff(less, prepend=0.0)
    work = np.zeros(cells + 1)
    work[0] = (1.0 - load) / (1.0 - load * left[0])
    for cell in range(1, cells + 1):
        work[cell] = load / (1.0 - load * left[0]) * float(np.dot(left[1 : cell + 1], work[cell - 1 :: -1]))
    places = np.arange(cells + 1) * width
    return float(np.dot(work, places) + (1.0 - work.sum()) * buffer_s)


def closed_network(users: int, think_s: float, demands: Sequence[Demand]) -> tuple[float, list[float]]:
    """The rate of runs, and the wait of each visit to each station, of users who think between their runs.

    Exact for exponential holding times, by convolution; of more than `_CONVOLVED` users, stations of c slots are taken
    for a fast server of c-th the time and a delay of the rest (Seidmann), and what is exact are single slots alone.
    """
    limited = [demand for demand in demands if demand.slots is not None and demand.seconds > 0.0]
    rate, stays = _mean_values(users, think_s, demands)
    if users > _CONVOLVED or all(demand.slots == 1 for demand in limited) or not math.isfinite(rate):
        return rate, [
            max(0.0, stay - demand.seconds / demand.slots) / demand.visits if demand.visits and demand.slots else 0.0
            for stay, demand in zip(stays, demands, strict=True)
        ]
    elsewhere_s = think_s + math.fsum(demand.seconds for demand in demands if demand.slots is None)
    exact, queues = _convolved(users, elsewhere_s, limited, rate)
    found = dict(zip(map(id, limited), queues, strict=True))
    return exact, [found.get(id(demand), 0.0) / (exact * demand.visits) if demand.visits else 0.0 for demand in demands]


def _mean_values(users: int, think_s: float, demands: Sequence[Demand]) -> tuple[float, list[float]]:
    """Mean value analysis: the rate, and how long a run is at the fast server of each station."""
    fast = [demand.seconds / demand.slots if demand.slots else 0.0 for demand in demands]
    delay = [demand.seconds - quick for demand, quick in zip(demands, fast, strict=True)]
    queues = [0.0] * len(demands)
    rate, stays = 0.0, [0.0] * len(demands)
    for count in range(1, users + 1):
        stays = [quick * (1.0 + queue) for quick, queue in zip(fast, queues, strict=True)]
        cycle = think_s + sum(stays) + sum(delay)
        rate = count / cycle if cycle else math.inf
        queues = [rate * stay for stay in stays]
    return rate, stays


def _convolved(users: int, think_s: float, demands: Sequence[Demand], about: float) -> tuple[float, list[float]]:
    """The rate, and how many wait at each station, from the weights of all ways in which users can be spread.

    A weight grows like the power of a rate; with `about` that of the network all of them stay near each other.
    """
    import numpy as np

    counts = np.arange(users + 1)

    def scaled(log_weights: Any) -> tuple[Any, float]:
        most = float(log_weights.max())
        return np.exp(log_weights - most), most

    def weights(demand: Demand) -> Any:
        assert demand.slots is not None
        busy = np.log(np.minimum(np.maximum(counts, 1), demand.slots))
        return scaled(counts * math.log(demand.seconds * about) - np.cumsum(np.where(counts > 0, busy, 0.0)))[0]

    each = np.log(np.maximum(counts, 1))
    thought = counts * math.log(think_s * about) - np.cumsum(each) if think_s else np.where(counts, -np.inf, 0.0)
    stations = [scaled(thought)[0], *map(weights, demands)]

    def together(parts: Sequence[Any]) -> Any:
        """Chances of so many users at these stations, but for a factor."""
        total = parts[0]
        for part in parts[1:]:
            total = np.convolve(total, part)[: users + 1]
            total /= total.max()
        return total

    total = together(stations)
    waiting = []
    for at, demand in enumerate(demands, start=1):
        rest = together([part for other, part in enumerate(stations) if other != at])
        share = stations[at] * rest[::-1]
        beyond = np.maximum(counts - (demand.slots or 0), 0)
        waiting.append(float((share * beyond).sum() / share.sum()))
    return about * float(total[users - 1] / total[users]), waiting


def burst_dispersion(calm: float, peak: float, calm_s: float, peak_s: float) -> float:
    """The index of dispersion of arrivals that switch between two rates, over long times: 1 for Poisson arrivals."""
    out, back = 1.0 / calm_s, 1.0 / peak_s
    return 1.0 + 2.0 * (calm - peak) ** 2 * out * back / ((out + back) ** 2 * (calm * back + peak * out))
