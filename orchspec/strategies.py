"""Hypothesis strategies of `orchspec.testing`: it imports this where they are asked for, since Hypothesis is heavy."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from hypothesis import strategies as st

from orchspec.compiler.plan import Fault
from orchspec.simulator.chaos.chronicle import Chronicler
from orchspec.simulator.chaos.kinds import DOWN_US
from orchspec.simulator.chaos.places import Places, places_of
from orchspec.simulator.chaos.schedule import Schedule
from orchspec.simulator.chaos.schedules import fault_of

if TYPE_CHECKING:
    from orchspec.compiler.plan import Plan
    from orchspec.simulator.chaos.kinds import Kind

__all__ = ["schedules_of"]

SECOND: Final = 1_000_000
_SEED_MAX: Final = 1_000


def schedules_of(
    plan: Plan, flow: str, folder: Path | None, *, seed: int | None, runs: int, most: int
) -> st.SearchStrategy[Schedule]:
    """See `orchspec.testing.schedules`."""
    given = next((scenario.given for scenario in plan.scenarios if scenario.flow == flow), {})
    calm = Chronicler(plan, flow, folder=folder, seed=seed or 1, runs=runs, given=given).chronicle([])
    places = places_of(calm)
    seeds = st.integers(1, _SEED_MAX) if seed is None else st.just(seed)
    return st.builds(
        lambda number, faults: Schedule(plan.name, plan.hash, flow, number, runs, tuple(faults), given=given),
        seeds,
        _swarms(places, most),
    )


def _swarms(places: Places, most: int) -> st.SearchStrategy[list[Fault]]:
    """Lists of faults of some kinds only: what is off leaves room for what is on (Groce and others, 2012)."""
    names = ["crash", *dict.fromkeys(kind.name for kind in places.kinds)]

    @st.composite
    def swarm(draw: st.DrawFn) -> list[Fault]:
        on = draw(st.lists(st.sampled_from(names), min_size=0, max_size=min(8, len(names)), unique=True))
        if not on:
            return []
        one = [_crashes(places)] if "crash" in on else []
        one += [_faults(kind, places) for kind in places.kinds if kind.name in on]
        return draw(st.lists(st.one_of(one), max_size=most))

    return swarm()


def _crashes(places: Places) -> st.SearchStrategy[Fault]:
    @st.composite
    def crash(draw: st.DrawFn) -> Fault:
        point = draw(st.sampled_from(list(places.passes)))
        nth = draw(st.integers(1, max(1, places.passes[point]) + 2))
        return Fault(0, "crash", "orchestrator", {"point": point, "nth": nth, "down": DOWN_US})

    return crash()


def _faults(kind: Kind, places: Places) -> st.SearchStrategy[Fault]:
    targets = places.struck_by(kind)

    @st.composite
    def fault(draw: st.DrawFn) -> Fault:
        target = draw(st.sampled_from(list(targets)))
        when: dict[str, Any]
        if kind.dated:
            when = {"at": draw(st.integers(0, max(1, places.ended_us // SECOND))) * SECOND}
            if kind.lasts:
                when["lasting"] = draw(st.sampled_from((1, 10, 30, 120))) * SECOND
        elif draw(st.booleans()):
            when = {"first": draw(st.integers(1, targets[target] + 1))}
        else:
            when = {"nth": draw(st.integers(1, targets[target] + 2))}
        return fault_of(kind, target, places, **when)

    return fault()
