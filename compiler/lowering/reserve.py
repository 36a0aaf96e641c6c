"""What an attempt probably takes at most, by its profile: the last resort of a reservation.

A cap or a model's context bounds what an attempt may take; a profile only tells what it is likely to take. The
estimate is a high one: the 95th percentile where the law has a closed form for it, the largest value where there is
one, else two standard deviations above the mean.
"""

from __future__ import annotations

import math

from orchspec.compiler.model import ModelInfo
from orchspec.compiler.plan import Dist, Profile
from orchspec.slotted import dataclass

__all__ = ["Estimated", "estimated", "high"]


@dataclass(frozen=True, slots=True)
class Estimated:
    """A high estimate of one attempt; None where the profile says nothing that can be computed without its data."""

    cost_pico: int | None
    tokens: int | None


def estimated(profile: Profile | None, model: ModelInfo | None) -> Estimated:
    """The estimate of an attempt by whoever has this profile, on this model."""
    if profile is None:
        return Estimated(None, None)
    tokens_in, tokens_out = high(profile.tokens_in), high(profile.tokens_out)
    known = [tokens for tokens in (tokens_in, tokens_out) if tokens is not None]
    tokens = None
    if known and not _unknowable(profile):
        tokens = math.ceil(sum(known))
    cost = high(profile.cost)
    if cost is None and tokens is not None and model is not None and model.priced:
        cost = (tokens_in or 0.0) * (model.input_pico or 0) + (tokens_out or 0.0) * (model.output_pico or 0)
    return Estimated(None if cost is None else math.ceil(cost), tokens)


def _unknowable(profile: Profile) -> bool:
    return any(dist is not None and high(dist) is None for dist in (profile.tokens_in, profile.tokens_out))


def high(dist: Dist | None) -> float | None:
    """A high value of a distribution, in its own unit; None for no distribution and for one that rests on a file."""
    if dist is None:
        return None
    match dist:
        case ["fixed", float() | int() as value]:
            return float(value)
        case ["uniform", _, most]:
            return float(most)
        case ["normal", mean, deviation]:
            return float(mean + 2 * deviation)
        case ["lognormal", _, p95]:
            return float(p95)
        case ["exponential", mean]:
            return float(mean * math.log(20))
        case ["gamma", shape, scale]:
            return float(shape * scale + 2 * math.sqrt(shape) * scale)
        case ["pareto", least, alpha]:
            return float(least * 20 ** (1 / alpha))
        case ["choice", choices]:
            return max(float(value) for value, _ in choices)
        case ["mixture", parts]:
            highs = [high(part) for _, part in parts]
            return None if any(value is None for value in highs) else max(value for value in highs if value is not None)
        case _:
            return None
