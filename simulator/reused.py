"""How much work is done anew, of that which is used again as long as its contract says: for the analytic twin.

Runs that come at random ask for the same work at random, too, at the rate of runs times the chance that a run asks for
it. Whoever asks first does it; until it is done, and then as long as it is kept, nobody else does. The next who asks
after that does it anew: a renewal process, whose periods are what it takes, what it is kept for, and the time until
somebody asks (D. R. Cox, *Renewal Theory*, 1962; for caches H. Che, Y. Tung and Z. Wang, IEEE JSAC 20, 2002). Nothing
is there at the beginning, so in a window that is short against what work is kept for more is done anew; of that, the
mean number of renewals tells, which is summed up over the first, the second, and so on.

How often the same comes is seen in walks over the plan (`expected`) whose values are drawn freely, since values that
are spread evenly are the same too often. Where much of it came once, they do not tell how many kinds of it there are;
then nothing is said, unless no two of all were the same.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from orchspec.simulator.lazily import Unknown

__all__ = ["Reused", "Work", "anew"]

#: A part of the work that makes no difference to how much there is.
_LITTLE: Final = 0.02
#: From so many periods on it no longer matters how it began.
_PERIODS: Final = 200.0
#: Of no pair in so many, with 95 % confidence, the chance of one is at most three in as many.
_NONE: Final = 3.0


@dataclass(slots=True)
class Work:
    """A piece of work: how often a run asks for it, and whom it then visits.

    `came` is in how many walks; the others are sums over walks. `takes_s` is how long it takes, `square_s` the mean of
    its square, `kept_s` how long it is used again.
    """

    contract: str
    kept_s: float
    takes_s: float
    square_s: float
    came: int = 0
    asked: float = 0.0
    visits: dict[str, float] = field(default_factory=dict)


@dataclass(slots=True)
class Reused:
    """All work of a flow that is used again by other runs, by what it is known by."""

    works: dict[str, Work] = field(default_factory=dict)
    less: dict[str, float] = field(default_factory=dict)
    """Of whom less is asked than of runs that are alone: the share that is left."""
    saved_s: float = 0.0
    """How much sooner tasks of a run are done, in all."""

    def ask(self, known_by: str, work: Work, weight: float) -> None:
        """A run asks for a piece of work, with that weight, which it has not asked for before."""
        work = self.works.setdefault(known_by, work)
        work.came += 1
        work.asked += weight

    def add(self, known_by: str, name: str, visits: float) -> None:
        """Doing it visits somebody so often."""
        visited = self.works[known_by].visits
        visited[name] = visited.get(name, 0.0) + visits

    def shared(
        self, walks: int, rate: float | None, window: tuple[float, float] | None, freely: Callable[[], Reused]
    ) -> tuple[dict[str, float], dict[str, str]]:
        """The visits of a run that are left, and of whom that is not known, and why.

        Args:
            walks: How many walks there were; 1 where they are all alike.
            rate: Of runs for each second; None where that hangs on how quickly they are served.
            window: From when to when it is measured, in seconds; None where that is not known before.
            freely: What was asked for in as many walks whose values do not depend on each other.
        """
        visits: dict[str, float] = {}
        unknown: dict[str, str] = {}
        whole: dict[str, float] = {}
        drawn = freely() if walks > 1 and rate is not None else self
        for contract in dict.fromkeys(work.contract for work in self.works.values()):
            works = [work for work in self.works.values() if work.contract == contract]
            asks = math.fsum(work.asked for work in works) / walks
            try:
                if rate is None:
                    raise Unknown("how often the same is asked for hangs on how quickly users are served")
                kinds = [work for work in drawn.works.values() if work.contract == contract]
                share, late_s = _done_anew(kinds, rate * asks, window, drawn is not self)
            except Unknown as error:
                unknown.update((name, str(error)) for work in works for name in work.visits)
                continue
            self.saved_s += asks * max(0.0, (1.0 - share) * works[0].takes_s - late_s)
            for work in works:
                for name, count in work.visits.items():
                    whole[name] = whole.get(name, 0.0) + count / walks
                    visits[name] = visits.get(name, 0.0) + share * count / walks
        self.less = {name: visits[name] / whole[name] for name in visits if visits[name] < 0.999 * whole[name]}
        return visits, unknown


def _done_anew(
    kinds: Sequence[Work], rate: float, window: tuple[float, float] | None, seen_by_chance: bool
) -> tuple[float, float]:
    """The share of asks that have it done anew, and how long one waits for what another is at, on the average.

    `rate` is that of all of them. Raises Unknown where nobody knows how many kinds of work there are.
    """
    if seen_by_chance and _once(kinds) > _LITTLE:
        _prove_new(kinds, rate, window)
        return 1.0, 0.0
    total = math.fsum(work.asked for work in kinds)
    share = late_s = 0.0
    for work in kinds:
        of_kind = work.asked / total
        is_anew = anew(rate * of_kind, work.kept_s + work.takes_s, window)
        share += of_kind * is_anew
        # Who comes while it is under way waits for what is left of it.
        late_s += of_kind * is_anew * rate * of_kind * work.square_s / 2.0
    return share, late_s


def _once(works: Iterable[Work]) -> float:
    """The share of the work that came in one walk alone."""
    known = list(works)
    total = math.fsum(work.asked for work in known)
    return math.fsum(work.asked for work in known if work.came == 1) / total if total else 0.0


def _prove_new(kinds: Sequence[Work], rate: float, window: tuple[float, float] | None) -> None:
    """That hardly any of it is asked for twice while it is kept. Raises Unknown where that cannot be said."""
    counts = [work.came for work in kinds]
    total = sum(counts)
    same = sum(count * (count - 1) // 2 for count in counts)
    pairs = total * (total - 1) // 2
    kept_s = max(work.kept_s + work.takes_s for work in kinds)
    if window is not None:
        kept_s = min(kept_s, window[1])
    if same or not pairs or rate * kept_s * _NONE / pairs > _LITTLE:
        raise Unknown("how often the same is asked for hangs on more values than are looked at")


def anew(rate: float, rests_s: float, window: tuple[float, float] | None = None) -> float:
    """The share of asks for a piece of work that has it done anew.

    Args:
        rate: Of asks, for each second, at random.
        rests_s: For how long nobody does it again.
        window: From when to when they are counted, in seconds since the first could come; None: for ever.
    """
    if rate <= 0.0:
        return 1.0
    if window is None or window[1] <= window[0]:
        return 1.0 / (1.0 + rate * rests_s)
    from_s, to_s = window
    return min(1.0, (_renewals(rate, rests_s, to_s) - _renewals(rate, rests_s, from_s)) / (rate * (to_s - from_s)))


def _renewals(rate: float, rests_s: float, until_s: float) -> float:
    """How often it is done on the average, up to a time from when nothing was there."""
    if until_s > _PERIODS * rests_s:
        period_s = rests_s + 1.0 / rate
        # The variance of a period is that of the wait for whoever asks.
        return until_s / period_s + 0.5 * (1.0 / (rate * period_s)) ** 2 - 0.5 + rests_s / period_s
    from scipy.special import gammainc

    total, number = 0.0, 1
    while (left_s := until_s - (number - 1) * rests_s) > 0.0:
        came: Any = gammainc(number, rate * left_s)
        total += float(came)
        number += 1
    return total
