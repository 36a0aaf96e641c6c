"""Tails that are too heavy for a mean to be bounded from what was seen, as the profiles tell them.

Of a Pareto distribution of index alpha no moment from alpha on is finite. Who waits behind one slot waits for what is
left of the time at work, whose moments are those of that time one higher (Pollaczek and Khinchine): with alpha up to 3
the wait has a mean and no variance, with alpha up to 2 not even a mean. Where several slots can work, k of them have to
be held up before the others fall behind, which needs k long times at once: then the bounds are 1 + 2/k and 1 + 1/k (A.
Scheller-Wolf and K. Sigman, *Delay moments for FIFO GI/GI/s queues*, Queueing Systems 25, 1997).

The mean over n values without a variance does not come to the truth with the root of n, and it is too low in most
samples: what makes it up is what hardly any sample holds. Ten sections agree on the figure that is too low, so no
interval that is made from them holds it as often as it says (with alpha 2.5, 78 times in 100 whether 6,000 or
96,000 runs were measured), and none of them shows that it doesn't. Only the profile tells. Quantiles are not touched:
how long a long time is does not matter to them.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from orchspec.compiler.plan import Candidate, Profile
from orchspec.simulator.estimate import NO_VARIANCE

if TYPE_CHECKING:
    from orchspec.compiler.plan import Dist, Plan, Scenario
    from orchspec.simulator.station import Station

__all__ = ["heavy_means", "tail_index", "tail_of"]

#: Waits that are so small a part of a run make no difference to it.
_NO_WAIT: Final = 1e-3


def tail_index(dist: Dist | None) -> float:
    """From which moment on a distribution has none; infinite for all but Pareto ones and their mixtures."""
    if dist is None:
        return math.inf
    if dist[0] == "pareto":
        return float(dist[2])
    if dist[0] == "mixture":
        return min((tail_index(part) for share, part in dist[1] if share > 0.0), default=math.inf)
    return math.inf


def tail_of(plan: Plan, name: str, timeouts: set[int | None]) -> float:
    """The tail of the times of an agent, which a timeout ends wherever there is one."""
    if timeouts and None not in timeouts:
        return math.inf
    return tail_index(plan.profiles.get(name, Profile(name)).latency)


def heavy_means(
    plan: Plan, scenario: Scenario, stations: Sequence[Station], alone_s: float
) -> dict[tuple[str, str | None], str]:
    """Which means no number of runs bounds from above, by KPI and target (of pools), and why.

    Args:
        plan: What is simulated.
        scenario: Its load.
        stations: Those of the analytic twin; none where no run meets another.
        alone_s: How long a run takes that meets nobody.
    """
    found: dict[tuple[str, str | None], str] = {}
    for name, timeouts in sorted(_timed(plan, scenario.flow).items()):
        profile = plan.profiles.get(name, Profile(name))
        times = tail_of(plan, name, timeouts)
        if times <= 2.0:
            told = f"{NO_VARIANCE}: the times of {name} are pareto with alpha {times:.3g}, which have none"
            for key in (("latency", None), ("utilization", name), ("busy", name)):
                found.setdefault(key, told)
        for kpi, parts in (("tokens", (profile.tokens_in, profile.tokens_out)), ("cost", (profile.cost,))):
            index = min(tail_index(part) for part in parts)
            if index <= 2.0:
                told = f"{NO_VARIANCE}: the {kpi} of {name} is pareto with alpha {index:.3g}, which has none"
                found.setdefault((kpi, None), told)
                if kpi == "tokens":
                    found.setdefault(("cost", None), told)
    closed = scenario.arrivals is not None and scenario.arrivals[0] == "closed"
    for station in stations:
        if station.tail > _least_tail(station, closed=closed) or station.visits * station.wait_s <= _NO_WAIT * alone_s:
            continue
        told = f"{NO_VARIANCE}: so heavy is the tail of the times at {station.name} (pareto, alpha {station.tail:.3g})"
        found.setdefault(("latency", None), told)
        for member in station.members:
            found.setdefault(("wait", member), told)
            found.setdefault(("queue", member), told)
    return found


def _least_tail(station: Station, *, closed: bool) -> float:
    """Up to which index waits at a station have no variance; 0 where nobody waits, or nothing settles."""
    if station.slots is None or not station.utilization < 1.0:
        return 0.0
    # Users who wait send nothing: so many wait at most, and together as long as that takes, not its square.
    return 2.0 if closed else 1.0 + 2.0 / station.held_up


def _timed(plan: Plan, flow: str) -> Mapping[str, set[int | None]]:
    """Whose times a run of a flow takes, and under which timeouts each is asked: agents, people, effects, signals."""
    found: dict[str, set[int | None]] = {}
    for name, timeout_us in _asked(plan, flow):
        found.setdefault(name, set()).add(timeout_us)
    return found


def _asked(plan: Plan, flow: str) -> Iterator[tuple[str, int | None]]:
    parts: list[Any] = [plan.flows[flow].body]
    flows = {flow}
    while parts:
        at = parts.pop()
        if isinstance(at, Candidate):
            yield at.agent, at.policy.timeout_us
        if isinstance(at, list | tuple):
            parts.extend(at)
        elif dataclasses.is_dataclass(at):
            kind, policy = getattr(at, "kind", ""), getattr(at, "policy", None)
            if kind == "effect" and policy is not None:
                yield getattr(at, "effect", ""), policy.timeout_us
            elif kind == "signal":
                yield getattr(at, "signal", ""), getattr(at, "timeout_us", None)
            called = getattr(at, "flow", None)
            if isinstance(called, str) and called in plan.flows and called not in flows:
                flows.add(called)
                parts.append(plan.flows[called].body)
            parts.extend(getattr(at, each.name) for each in dataclasses.fields(at))
