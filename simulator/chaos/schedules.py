"""Schedules of faults for a flow: one by one, and drawn in the manner of swarm testing (Groce and others, 2012)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final

from orchspec.compiler.plan import Fault
from orchspec.simulator.chaos.kinds import DOWN_US
from orchspec.simulator.faults import CRASH_POINTS

if TYPE_CHECKING:
    import random

    from orchspec.simulator.chaos.kinds import Kind
    from orchspec.simulator.chaos.places import Places

__all__ = ["FAULTS_MAX", "crash", "crash_singles", "drawn", "fault_of", "singles"]

SECOND: Final = 1_000_000
FAULTS_MAX: Final = 6
"""Faults of a schedule that is drawn."""
WINDOW_US: Final = 30 * SECOND
"""How long a dated fault holds that is tried at a moment."""
_WINDOWS_US: Final = (1 * SECOND, 10 * SECOND, WINDOW_US, 120 * SECOND)


def crash(point: str, nth: int) -> Fault:
    """The orchestrator dies at the n-th pass of a point."""
    return Fault(0, "crash", "orchestrator", {"point": point, "nth": nth, "down": DOWN_US})


def fault_of(kind: Kind, target: str, places: Places, **when: float) -> Fault:
    """A fault of a kind on a target, with what says when it strikes."""
    others: list[str] = []
    if kind.aim == "model":
        target, *others = places.models[target]
    return Fault(0, kind.name, target, {**kind.args, **when}, others)


def crash_singles(places: Places) -> Iterator[list[Fault]]:
    """Every pass of every crash point; that of recovery needs a crash to recover from."""
    for point, count in places.passes.items():
        for nth in range(1, count + 1):
            yield [crash(point, nth)]
    commits = places.passes.get("after_commit", 0)
    for nth in range(1, commits + 1):
        yield [crash("after_commit", nth), crash("recovery", 1)]


def singles(places: Places) -> Iterator[list[Fault]]:
    """Every single fault but crashes, at every attempt or moment that it can strike, and on all of them for a while.

    What only a crash brings to light (an output that is another one when it is asked for again) comes with one.
    """
    for kind in places.kinds:
        for target, count in places.struck_by(kind).items():
            if kind.dated:
                for at_us in places.moments:
                    when = {"at": at_us, "lasting": WINDOW_US} if kind.lasts else {"at": at_us}
                    yield [fault_of(kind, target, places, **when)]
            else:
                for nth in range(1, count + 1):
                    yield [*_beside(kind, places), fault_of(kind, target, places, nth=nth)]
            if kind.persists:
                yield [*_beside(kind, places), fault_of(kind, target, places, lasting=places.while_us)]


def _beside(kind: Kind, places: Places) -> list[Fault]:
    if kind.name != "inconsistent":
        return []
    return [crash("before_commit", max(1, places.passes.get("before_commit", 0) // 2))]


# ------------------------------------------------------------------ drawn


def drawn(places: Places, rng: random.Random) -> list[Fault]:
    """A schedule in the manner of swarm testing: which kinds are on at all is drawn first, then up to six faults."""
    share = rng.choice((0.1, 0.3, 0.6))
    kinds = [kind for kind in places.kinds if rng.random() < share]
    with_crashes = rng.random() < 0.7 or not kinds
    return [one_drawn(places, kinds, rng, crashes=with_crashes) for _ in range(rng.randint(1, FAULTS_MAX))]


def one_drawn(places: Places, kinds: Sequence[Kind], rng: random.Random, *, crashes: bool) -> Fault:
    """One fault of these kinds, or a crash."""
    if crashes and (not kinds or rng.random() < 0.5):
        return _drawn_crash(places, rng)
    kind = rng.choice(kinds)
    targets = places.struck_by(kind)
    target = rng.choice(sorted(targets))
    when: dict[str, Any] = {}
    if kind.args.get("factor", 0) > 1:
        when["factor"] = rng.choice((2, 10, 50, 500))
    if kind.dated:
        when["at"] = _moment(places, rng)
        if kind.lasts:
            when["lasting"] = rng.choice(_WINDOWS_US)
        return fault_of(kind, target, places, **when)
    # More attempts may come than the calm chronicle had, so nth reaches beyond them.
    how = rng.random()
    if how < 0.6:
        when["nth"] = rng.randint(1, targets[target] + 2)
    elif how < 0.8:
        when["first"] = rng.randint(1, targets[target] + 1)
    else:
        when["rate"] = rng.choice((0.1, 0.3, 0.6))
        when["lasting"] = places.while_us
    return fault_of(kind, target, places, **when)


def _moment(places: Places, rng: random.Random) -> int:
    if places.moments and rng.random() < 0.5:
        return rng.choice(places.moments)
    return rng.randint(0, max(1, places.ended_us // 1000)) * 1000


def _drawn_crash(places: Places, rng: random.Random) -> Fault:
    down_us = rng.choice((1, 5, 40, 600)) * SECOND
    if rng.random() < 0.25:
        at_us = rng.randint(0, max(1, places.ended_us // 1000)) * 1000
        return Fault(0, "crash", "orchestrator", {"at": at_us, "down": down_us})
    point = rng.choice([point for point in CRASH_POINTS if places.passes.get(point) or point == "recovery"])
    nth = rng.randint(1, max(2, places.passes.get(point, 0) + 3))
    return Fault(0, "crash", "orchestrator", {"point": point, "nth": nth, "down": down_us})
