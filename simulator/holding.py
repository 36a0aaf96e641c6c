"""How long a slot is held in the analytic twin: as profiles and timeouts have it, or as it was seen."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from orchspec.compiler.plan import Profile
from orchspec.runtime.distributions import mean_of
from orchspec.simulator.moments import cut_moments, second_moment

if TYPE_CHECKING:
    from orchspec.compiler.plan import Plan
    from orchspec.simulator.expected import Expected
    from orchspec.simulator.replicate import Stage

__all__ = ["hold_of", "timeouts_of"]

_SECOND: Final = 1e6
_CLOSE: Final = 1e-3


def timeouts_of(plan: Plan) -> dict[str, set[int | None]]:
    """The timeouts under which each agent is asked, wherever in the plan."""
    found: dict[str, set[int | None]] = {}
    parts: list[Any] = [json.loads(plan.as_json())]
    while parts:
        part = parts.pop()
        if isinstance(part, dict):
            if isinstance(part.get("policy"), dict) and isinstance(part.get("agent"), str):
                found.setdefault(part["agent"], set()).add(part["policy"].get("timeout_us"))
            parts.extend(part.values())
        elif isinstance(part, list):
            parts.extend(part)
    return found


def _moments(plan: Plan, stage: Stage, name: str, timeouts: set[int | None]) -> tuple[float, float]:
    """The mean time of an attempt and that of its square, in seconds, as profile and timeout have it.

    Infinite where it may last for ever, or where several timeouts hold in several places.
    """
    profile = plan.profiles.get(name, Profile(name))
    data = stage.cast.data
    known = [timeout for timeout in timeouts if timeout is not None]
    if len(known) == len(timeouts) == 1:
        mean, square = cut_moments(profile.latency, known[0], data, never=profile.never)
    elif known or profile.never:
        return math.inf, math.inf
    else:
        mean = mean_of(profile.latency, data, scale=_SECOND)
        square = second_moment(profile.latency, data, scale=_SECOND)
    return mean / _SECOND, square / _SECOND**2


def hold_of(
    plan: Plan, stage: Stage, takes: Mapping[str, float], held: Mapping[str, float], walked: Expected
) -> tuple[float, float, str]:
    """The mean time that a slot is held, its squared coefficient of variation, and what tells it: `profile` or `runs`.

    It is that of profiles, timeouts and hedges, unless what was seen in runs that are alone is too far from what it
    were there: then something else (a stop, a wait for a tool) ends or stretches it, and the mean is the one that was
    seen.
    """
    timeouts = timeouts_of(plan)
    total = math.fsum(takes.values())
    alone = [0.0, 0.0]
    loaded = [0.0, 0.0]
    for name, count in takes.items():
        plain = _moments(plan, stage, name, timeouts.get(name, set()))
        holds = walked.holds.get(name)
        for of, told, visits in (
            (alone, holds.alone if holds is not None else None, walked.alone.get(name, 0.0)),
            (loaded, holds.loaded if holds is not None else None, walked.visits.get(name, 0.0)),
        ):
            mean, second = plain if told is None else _with_hedged(plain, told, visits)
            of[0] += count / total * mean
            of[1] += count / total * second
    mean, scv = alone[0], _scv(*alone)
    seen = math.fsum(held.values()) / total
    chance = 3.0 * seen * math.sqrt(scv / total) if math.isfinite(scv) else math.inf
    if not math.isfinite(mean) or abs(seen - mean) > chance + _CLOSE * mean:
        return seen, scv if math.isfinite(mean) else 1.0, "runs"
    return loaded[0], _scv(*loaded), "profile"


def _with_hedged(plain: tuple[float, float], told: Sequence[float], visits: float) -> tuple[float, float]:
    """The moments of attempts of which some are hedged."""
    others = max(0.0, visits - told[0])
    if others <= _CLOSE * told[0]:
        return told[1] / told[0], told[2] / told[0]
    mean, second = ((told[at + 1] + others * plain[at]) / (told[0] + others) for at in (0, 1))
    return mean, second


def _scv(mean: float, second: float) -> float:
    return max(0.0, second / mean**2 - 1.0) if 0.0 < mean < math.inf else math.inf if mean else 0.0
