"""What a hedge does to a task, for the analytic twin: how many attempts begin, how long each holds its slot, who fails.

An attempt that is under way after `d` is doubled, and whoever is verified first ends both: the task takes the least of
`X` and `d + Y`, the first attempt holds its slot for as long, and the second from `d` on (S. M. Ross, *Introduction to
Probability Models*, ch. 2, for minima; J. Dean and L. A. Barroso, *The Tail at Scale*, CACM 56, 2013, for the hedge).
With attempts that fail, rest and are tried again beside it, that has no closed form: it is summed up over as many
tasks as spread each time evenly over its quantiles (Latin hypercube), which knows means to a part in some hundreds.

Where `d` is a quantile of what such work took lately, that is of times which the hedge itself has shortened: those of
late attempts that were stopped are not among them. So under a load `d` is where it agrees with itself, which is earlier
than the quantile of the profile; the first attempts of all, and runs that are alone, take that of the profile. It is
the k-th of the last n times, beyond which the next one comes with the chance 1 - k/(n + 1), whatever their law.

It is supposed that a hedge finds a slot at once, and that there is room in the budget.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from orchspec.runtime.distributions import compile_time, quantile_us
from orchspec.runtime.latencies import KEPT

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from orchspec.compiler.plan import Backoff, Policy, Profile
    from orchspec.runtime.distributions import Data

    Values = NDArray[np.float64]
    Flags = NDArray[np.bool_]

__all__ = ["Hedging", "hedged", "rests_s"]

_TASKS: Final = 1 << 15
#: Of what is waited for under a load, until it agrees with itself to a thousandth.
_ROUNDS: Final = 40
_AGREES: Final = 1e-3
_SECOND: Final = 1e6


@dataclass(slots=True, frozen=True)
class Hedging:
    """A task that is hedged: what it comes to on the average, times in seconds.

    Attributes:
        after_s: After how long an attempt is doubled; infinite: never.
        attempts: That begin, hedges among them.
        hedges: That begin.
        fails: The chance that the task fails for good.
        takes_s: From the first grant to its end.
        hold_s, square_s: The mean time that one of the attempts holds its slot, and that of its square.
    """

    after_s: float
    attempts: float
    hedges: float
    fails: float
    takes_s: float
    hold_s: float
    square_s: float


def hedged(profile: Profile, policy: Policy, data: Data | None = None) -> tuple[Hedging, Hedging]:
    """The same task under a load, and in a run that is alone.

    Args:
        profile: Of whoever does it; whoever doubles it is alike.
        policy: Has a `hedge`.
        data: As of `compile_time`.
    """
    hedge = policy.hedge
    assert hedge is not None
    tasks = _Tasks(profile, policy, data)
    if hedge.share is None:
        found = tasks.play((hedge.after_us or 0) / _SECOND)
        return found, found
    told_us = quantile_us(profile.latency, hedge.share)
    alone = tasks.play(told_us / _SECOND if told_us is not None else math.inf)
    share = math.ceil(hedge.share * KEPT) / (KEPT + 1)
    return tasks.play(tasks.usual_s(share)), alone


class _Tasks:
    """Many tasks at once, each draw of theirs spread evenly over its quantiles."""

    def __init__(self, profile: Profile, policy: Policy, data: Data | None) -> None:
        import numpy as np

        self._policy = policy
        self._timeout_s = policy.timeout_us / _SECOND if policy.timeout_us is not None else math.inf
        time_us = compile_time(profile.latency, data)
        came = 1.0 - (profile.never if policy.timeout_us is not None else 0.0)
        shares = (np.arange(_TASKS) + 0.5) / _TASKS
        times = [time_us(share / came) / _SECOND if share < came else math.inf for share in shares.tolist()]
        self._times = np.array(times)
        self._fails = 1.0 - (1.0 - profile.failure) * (1.0 - profile.garbage)
        self._drawn: dict[int, tuple[Values, Flags]] = {}
        self._verified: list[Values] = []

    def _draw(self, purpose: int) -> tuple[Values, Flags]:
        """How long each of the attempts is under way, and whether it succeeds if it is not stopped."""
        import numpy as np

        if purpose not in self._drawn:
            draws = np.random.default_rng(purpose)
            times = self._times[draws.permutation(_TASKS)]
            chances = (draws.permutation(_TASKS) + 0.5) / _TASKS
            self._drawn[purpose] = (
                np.minimum(times, self._timeout_s),
                (times < self._timeout_s) & (chances >= self._fails),
            )
        return self._drawn[purpose]

    def usual_s(self, share: float) -> float:
        """The time that this share of attempts takes which were verified while others waited as long as that."""
        import numpy as np

        low, high = 0.0, float(self._times[np.isfinite(self._times)][-1])
        for _ in range(_ROUNDS):
            if high - low <= _AGREES * high:
                break
            at = 0.5 * (low + high)
            self.play(at)
            times = np.concatenate(self._verified)
            if len(times) and float(np.mean(times <= at)) < share:
                low = at
            else:
                high = at
        return high

    def play(self, after_s: float) -> Hedging:
        """Let all of them happen, hedged after so long."""
        import numpy as np

        none = np.full(_TASKS, math.inf)
        start, takes = np.zeros(_TASKS), none.copy()
        open_ = np.ones(_TASKS, dtype=bool)  # neither done nor failed for good
        fails = np.zeros(_TASKS, dtype=bool)
        hedge_at, hedge_end = none.copy(), none.copy()
        hedge_ok, hedging = np.zeros(_TASKS, dtype=bool), np.zeros(_TASKS, dtype=bool)
        holds: list[Values] = []
        hedges = 0
        self._verified = []

        def over(which: Flags, until: Values, *, won: bool) -> None:
            """Hedges have ended, or are stopped; `won`: they have ended well, and their tasks with them."""
            nonlocal hedging, open_
            held = np.minimum(until, hedge_end)[which] - hedge_at[which]
            holds.append(held)
            hedging = hedging & ~which
            if won:
                self._verified.append(held)
                takes[which] = hedge_end[which]
                open_ = open_ & ~which

        for number in range(1, max(1, self._policy.attempts) + 1):
            lasts, well = self._draw(2 * number)
            end = start + lasts
            doubles = open_ & ~hedging & (lasts > after_s) & (after_s < self._timeout_s)
            if doubles.any():
                hedges += int(doubles.sum())
                again, again_well = self._draw(2 * number + 1)
                hedge_at = np.where(doubles, start + after_s, hedge_at)
                hedge_end = np.where(doubles, start + after_s + again, hedge_end)
                hedge_ok = np.where(doubles, again_well, hedge_ok)
                hedging = hedging | doubles
            beaten = open_ & hedging & hedge_ok & (hedge_end < end)
            holds.append((np.minimum(end, np.where(beaten, hedge_end, end)) - start)[open_])
            done = open_ & ~beaten & well
            over(beaten, hedge_end, won=True)
            over(hedging & ~hedge_ok & (hedge_end <= end), hedge_end, won=False)
            over(hedging & done, end, won=False)
            self._verified.append(lasts[done])
            takes[done] = end[done]
            open_ = open_ & ~done
            last = number >= self._policy.attempts
            start = none if last else end + _rest_s(self._policy.backoff, number)
            # While it rests, or has no attempt left, its hedge may still win, or fail.
            over(open_ & hedging & hedge_ok & (hedge_end <= start), hedge_end, won=True)
            if last:
                takes[open_] = np.where(hedging, np.maximum(end, hedge_end), end)[open_]
            over(open_ & hedging & (hedge_end <= start), hedge_end, won=False)
            if last:
                fails = open_
        held = np.concatenate(holds)
        return Hedging(
            after_s,
            len(held) / _TASKS,
            hedges / _TASKS,
            float(fails.sum()) / _TASKS,
            float(takes.mean()),
            float(held.mean()),
            float((held * held).mean()),
        )


def rests_s(backoff: Backoff | None, attempts: int, fails: float) -> float:
    """The mean time in which a task rests between attempts of which each fails with this chance."""
    return math.fsum(fails**retry * _rest_s(backoff, retry) for retry in range(1, max(1, attempts)))


def _rest_s(backoff: Backoff | None, retry: int) -> float:
    """The mean time between an attempt and the next; `retry` from 1."""
    if backoff is None:
        return 0.0
    wait_us = min(backoff.from_us << min(retry - 1, 40), max(backoff.to_us, backoff.from_us))
    return wait_us * (1.0 - 0.5 * backoff.jitter) / _SECOND
