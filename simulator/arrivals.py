"""When runs arrive: the load of a scenario as times in whole microseconds from 0.

Each number comes from the key of the source and its own ordinal (`orchspec.runtime.draws`): the gap before arrival i
from draw i of purpose ARRIVAL, the length of phase j from draw j of purpose PHASE, what user n thinks before visit v
from draw v of purpose THINK at the n-th child key. So nothing that happens in the system moves an arrival of an open
source.

| arrivals | are |
|---|---|
| `["poisson", per_s]` | exponential gaps; the first arrival comes after one of them |
| `["every", us]` | at 0, us, 2 us, ... |
| `["burst", calm_per_s, peak_per_s, every_us, lasting_us]` | a Markov-modulated Poisson process of two states |
| `["trace", file, column]` | the times of a file, the first at 0; it ends with the file |
| `["closed", users, think]` | `ClosedUsers`: each user thinks, runs, and thinks again when the run has ended |

**Burst.** Calm and peak phases take turns, calm first, both of exponential length: a peak lasts `lasting_us` and peaks
begin every `every_us`, on average, so a calm phase lasts `every_us - lasting_us`. Arrivals are Poisson at the rate of
the phase. The mean rate is (calm (every - lasting) + peak lasting) / every. (Fischer & Meier-Hellstern, "The
Markov-modulated Poisson process (MMPP) cookbook", Performance Evaluation 18, 1993.) An arrival is placed where the
integral of the rate has grown by its own unit exponential, so phases and gaps are drawn apart.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Any, Final

from orchspec.compiler.plan import Dist, PlanError
from orchspec.runtime.distributions import SECOND_US, VALUE_MAX, Data, Sampler, compile_time
from orchspec.runtime.draws import ARRIVAL, PHASE, THINK, mix, uniform

__all__ = ["ARRIVALS", "USERS_MAX", "ClosedUsers", "arrivals", "mean_rate", "prove_arrivals", "replayed"]

ARRIVALS: Final = ("poisson", "every", "burst", "closed", "trace")
USERS_MAX: Final = 1_000_000


def arrivals(spec: Any, key: int, times: Sequence[int] = ()) -> Iterator[int]:
    """The arrivals of an open source, in order, without end but for a trace (and past 146,000 years).

    Args:
        spec: As `orchspec.compiler.plan.Scenario.arrivals` says.
        key: Of the source, `run_key(seed, replication, source, -1)`.
        times: Of a trace, in microseconds from its first arrival, as `orchspec.runtime.tables.read_times` gives them.

    Raises:
        PlanError: At once for impossible parameters, and for closed arrivals, which `ClosedUsers` makes.
    """
    prove_arrivals(spec)
    kind = spec[0]
    if kind == "poisson":
        return _poisson(spec[1] / SECOND_US, key)
    if kind == "every":
        return iter(range(0, VALUE_MAX, spec[1]))
    if kind == "burst":
        calm, peak, every_us, lasting_us = spec[1:]
        return _burst((calm / SECOND_US, peak / SECOND_US), (every_us - lasting_us, lasting_us), key)
    if kind == "trace":
        return iter(times)
    raise PlanError("closed arrivals depend on when runs end; take them from ClosedUsers")


def prove_arrivals(spec: Any) -> None:
    """Raises PlanError unless these are arrivals with possible parameters; `ClosedUsers` proves the think time."""
    if not isinstance(spec, (list, tuple)) or not spec or spec[0] not in ARRIVALS:
        raise PlanError(f"{spec!r:.80} are no arrivals; expected a list, its first one of {', '.join(ARRIVALS)}")
    kind, args = spec[0], spec[1:]
    expected = {"poisson": 1, "every": 1, "burst": 4, "closed": 2, "trace": 2}[kind]
    if len(args) != expected:
        raise PlanError(f"arrivals {kind} have {len(args)} parameters; expected {expected}")
    if kind == "poisson":
        _prove(kind, "the rate", args[0])
    elif kind == "every":
        _prove(kind, "the time between arrivals", args[0], whole=True)
    elif kind == "closed":
        _prove(kind, "the number of users", args[0], whole=True)
        if args[0] > USERS_MAX:
            raise PlanError(f"arrivals closed: the number of users is {args[0]}; at most {USERS_MAX} are simulated")
    elif kind == "burst":
        calm, peak, every_us, lasting_us = args
        if calm != 0:
            _prove(kind, "the calm rate", calm)
        _prove(kind, "the peak rate", peak)
        _prove(kind, "every", every_us, whole=True)
        _prove(kind, "lasting", lasting_us, whole=True)
        if lasting_us >= every_us:
            raise PlanError(
                f"arrivals burst: peaks last {lasting_us} us and begin every {every_us} us; expected them to end before"
                " the next begins, so lasting below every"
            )


def mean_rate(spec: Any, times: Sequence[int] = ()) -> float | None:
    """Arrivals for each second in the long run; None where it depends on the system (closed) or cannot be told."""
    prove_arrivals(spec)
    kind = spec[0]
    if kind == "poisson":
        return float(spec[1])
    if kind == "every":
        return SECOND_US / float(spec[1])
    if kind == "burst":
        calm, peak, every_us, lasting_us = spec[1:]
        return float((calm * (every_us - lasting_us) + peak * lasting_us) / every_us)
    if kind == "trace" and len(times) > 1 and times[-1] > times[0]:
        return (len(times) - 1) * SECOND_US / (times[-1] - times[0])
    return None


def replayed(times: Sequence[int], most: int, until_us: int | None) -> Sequence[int]:
    """The part of a recorded load of at most so many arrivals, and before that time."""
    times = times[:most]
    return times if until_us is None else times[: bisect_left(times, until_us)]


@dataclass(slots=True)
class ClosedUsers:
    """Users who each have one run at a time: `closed(users:, think:)`.

    The ordinal of a run is its user's visit and its source is the user, so what a user thinks does not depend on how
    long the others' runs take.

    Args:
        users: How many.
        think: The distribution of the time between the end of a run and the next arrival of its user; the first arrival
            of a user comes after one such time from 0.
        key: Of the source, as of `arrivals`.
        data: The columns that `think` reads.
    """

    users: int
    think: Dist
    key: int
    data: Data | None = None
    _sample: Sampler = field(init=False, repr=False)
    _keys: list[int] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        prove_arrivals(["closed", self.users, self.think])
        self._sample = compile_time(self.think, self.data)
        self._keys = [mix(self.key, user) for user in range(self.users)]

    def think_us(self, user: int, visit: int) -> int:
        """How long a user (from 0) thinks before a visit (from 0)."""
        think: int = self._sample(uniform(self._keys[user], visit, THINK))
        return think

    def first(self) -> list[tuple[int, int]]:
        """The first arrival of each user as (time, user), in order of time and user."""
        return sorted((self.think_us(user, 0), user) for user in range(self.users))

    def after(self, user: int, visit: int, ended_us: int) -> int:
        """When a user comes back whose run of that visit ended at `ended_us`."""
        return ended_us + self.think_us(user, visit + 1)


def _poisson(per_us: float, key: int) -> Iterator[int]:
    log1p = math.log1p
    time = 0.0
    for ordinal in count():
        time -= log1p(-uniform(key, ordinal, ARRIVAL)) / per_us
        if time >= VALUE_MAX:
            return
        yield int(time + 0.5)


def _burst(rates: tuple[float, float], mean_lengths: tuple[float, float], key: int) -> Iterator[int]:
    """Walks through the phases (even calm, odd peak), using up each arrival's unit exponential at the phase's rate."""
    log1p = math.log1p
    phase = 0
    time = 0.0
    until = -log1p(-uniform(key, 0, PHASE)) * mean_lengths[0]
    for ordinal in count():
        left = -log1p(-uniform(key, ordinal, ARRIVAL))
        while left > (until - time) * rates[phase % 2]:
            left -= (until - time) * rates[phase % 2]
            time = until
            phase += 1
            until -= log1p(-uniform(key, phase, PHASE)) * mean_lengths[phase % 2]
            if time >= VALUE_MAX:
                return
        time += left / rates[phase % 2]  # a rate of 0 lets no phase end the loop above
        if time >= VALUE_MAX:
            return
        yield int(time + 0.5)


def _prove(kind: str, name: str, value: Any, *, whole: bool = False) -> None:
    numbers, least, most = ((int,), 1, 10**18) if whole else ((int, float), 1e-12, 1e12)
    if isinstance(value, bool) or not isinstance(value, numbers) or not least <= value <= most:
        sort = "whole number" if whole else "number"
        raise PlanError(f"arrivals {kind}: {name} is {value!r:.80}; expected a {sort} of {least:g} to {most:g}")
