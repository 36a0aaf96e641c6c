"""Limits of models in the analytic twin: how much of them an attempt takes, and how much a bucket holds beside that."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from orchspec.compiler.plan import Candidate, Profile
from orchspec.runtime.dispatcher import limits_of
from orchspec.runtime.distributions import compile_count
from orchspec.runtime.draws import word
from orchspec.simulator.station import Station

if TYPE_CHECKING:
    from orchspec.compiler.plan import Model, Plan, Rate
    from orchspec.simulator.observe import Replication
    from orchspec.simulator.replicate import Stage

__all__ = ["model_stations"]

#: So many attempts tell what they take.
_ATTEMPTS: Final = 4_096


def model_stations(plan: Plan, pilot: Replication, stage: Stage, stations: Sequence[Station]) -> list[Station]:
    """A station for each limit of a model that runs draw on: a server of its own, with what its bucket holds."""
    found: list[Station] = []
    visits = {station.members: station for station in stations}
    tiers = _tiers(plan)
    for pool in pilot.pools:
        if pool.kind != "model" or not pool.takes.total():
            continue
        model, rate = _limited(plan, pool.name)
        drawing = [agent for agent, models in tiers.items() if model.name in models]
        own = [visits.get((agent,)) for agent in drawing]
        told = all(each is not None and not each.counted for each in own) and all(
            len(tiers[agent]) == 1 for agent in drawing
        )
        count = pool.takes.total() / len(pilot.runs)
        weights = {agent: each.visits for agent, each in zip(drawing, own, strict=True) if each is not None}
        if told:
            count = math.fsum(weights.values())
        seen_s = pool.held_s.total() / pool.takes.total()
        taken, reserved = [1.0], 1.0
        if rate is model.token_rate:
            taken = _tokens(plan, stage, weights)
            reserved = _mean(weights, {agent: float(min(tiers[agent][model.name], rate.count)) for agent in weights})
        mean = math.fsum(taken) / len(taken)
        scv = max(0.0, math.fsum(each * each for each in taken) / len(taken) / mean**2 - 1.0) if mean else 0.0
        each_s = rate.per_us / rate.count / 1e6
        takes_s = mean * each_s if told and mean else seen_s
        found.append(
            Station(
                pool.name,
                pool.members,
                1,
                count,
                takes_s,
                scv,
                seen_s,
                works=False,
                counted="" if told else "who draws on it, and how often, is not all told by the plan",
                held_by="profile" if told and mean else "runs",
                buffer_s=(rate.count - reserved) * each_s,
                # What attempts that are under way may take and will not use is missing from the bucket meanwhile.
                spare_s=max(0.0, reserved - mean) * each_s,
                works_s=math.fsum(each.visits * each.hold_s for each in own if each is not None),
                draws=tuple(drawing),
                takes_s=tuple(each / mean * takes_s for each in taken) if mean else (takes_s,),
            )
        )
    return found


def _limited(plan: Plan, name: str) -> tuple[Model, Rate]:
    for model in plan.models.values():
        for attribute, limit in limits_of(model).items():
            rate = model.rate if attribute == "rate" else model.token_rate
            if limit == name and rate is not None:
                return model, rate
    raise AssertionError(f"no model has the limit {name}")


def _tiers(plan: Plan) -> dict[str, dict[str, int]]:
    """For each agent the models that it works on, with the most that it reserves of one anywhere."""
    found: dict[str, dict[str, int]] = {}
    for candidate in _candidates(plan):
        for tier in candidate.tiers:
            if tier.model is not None:
                known = found.setdefault(candidate.agent, {})
                known[tier.model] = max(known.get(tier.model, 0), tier.reserve_tokens)
    return found


def _candidates(plan: Plan) -> Iterator[Candidate]:
    import dataclasses

    parts: list[Any] = list(plan.flows.values())
    while parts:
        part = parts.pop()
        if isinstance(part, Candidate):
            yield part
        elif isinstance(part, list | tuple):
            parts.extend(part)
        elif dataclasses.is_dataclass(part):
            parts.extend(getattr(part, each.name) for each in dataclasses.fields(part))


def _tokens(plan: Plan, stage: Stage, weights: Mapping[str, float]) -> list[float]:
    """The tokens of attempts by any of these, ascending, each of them as likely."""
    total = math.fsum(weights.values())
    found: list[float] = []
    for number, agent in enumerate(weights):
        profile = plan.profiles.get(agent, Profile(agent))
        count = max(1, round(_ATTEMPTS * weights[agent] / total)) if total else 1
        sums = [0.0] * count
        for part, dist in enumerate((profile.tokens_in, profile.tokens_out)):
            if dist is None:
                continue
            tokens = compile_count(dist, stage.cast.data)
            drawn = [word(2 * number + part, place, 0) for place in range(count)]
            for at, place in enumerate(sorted(range(count), key=drawn.__getitem__)):
                sums[place] += tokens((at + 0.5) / count)
        found += sums
    return sorted(found)


def _mean(weights: Mapping[str, float], values: Mapping[str, float]) -> float:
    total = math.fsum(weights.values())
    return math.fsum(weights[name] * values[name] for name in weights) / total if total else 0.0
