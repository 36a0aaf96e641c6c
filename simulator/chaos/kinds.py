"""Which faults can strike a flow, and where: read off what an undisturbed chronicle of it did.

To add a kind: its line in `KINDS` with how a single one is aimed. What it does is `simulator.faults`, or for crashes
`simulator.crashes`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from orchspec.compiler.plan import Fault
from orchspec.runtime.kernel.commands import RunTask, TryEffect
from orchspec.simulator.faults import CRASH_POINTS

if TYPE_CHECKING:
    import random

    from orchspec.simulator.chaos.chronicle import Chronicle

__all__ = ["DOWN_US", "KINDS", "Kind", "Places", "crash_singles", "drawn", "places_of", "singles"]

SECOND: Final = 1_000_000
DOWN_US: Final = 5 * SECOND
"""How long the orchestrator is down after a crash."""


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of fault: at whom it is aimed, and the arguments that it needs besides."""

    name: str
    aim: Literal["agent", "effect", "tool"]
    args: dict[str, int | float]


KINDS: Final = (
    Kind("fail", "agent", {}),
    Kind("garbage", "agent", {}),
    Kind("slow", "agent", {"factor": 50}),
    Kind("fail", "effect", {}),
    Kind("slow", "effect", {"factor": 50}),
    Kind("lose", "effect", {}),
    Kind("lose_ack", "effect", {}),
    Kind("duplicate", "effect", {}),
    Kind("delay", "effect", {"by": 40 * SECOND}),
    Kind("throttle", "effect", {}),
    Kind("throttle", "tool", {}),
)


_NEEDS_REPEATS: Final = frozenset({"duplicate", "delay", "slow"})
"""What can make a request land later than `settles` allows, or twice: only a target that drops repeats bears that."""


@dataclass(frozen=True, slots=True)
class Places:
    """How often each agent and each effect was tried in an undisturbed chronicle, and each crash point passed.

    The target of an `unrepeatable` effect drops no repeats, so a network that doubles its requests or keeps them for
    long is outside of what any design can survive.
    """

    agents: dict[str, int]
    effects: dict[str, int]
    unrepeatable: frozenset[str]
    tools: tuple[str, ...]
    passes: dict[str, int]
    ended_us: int

    @property
    def while_us(self) -> int:
        """How long faults hold that strike more than once: they stop, since after that liveness must come.

        At most two hours, also where runs live for months: what is sent again each minute all the while proves no more.
        """
        return min(max(2 * self.ended_us, 60 * SECOND), 7200 * SECOND)

    def of(self, aim: str) -> dict[str, int]:
        """Targets of an aim, with how many attempts on each there are to strike."""
        if aim == "agent":
            return self.agents
        return self.effects if aim == "effect" else dict.fromkeys(self.tools, 1)

    def struck_by(self, kind: Kind) -> dict[str, int]:
        """Targets that a kind of fault may strike."""
        targets = self.of(kind.aim)
        if kind.name in _NEEDS_REPEATS and kind.aim == "effect":
            return {name: count for name, count in targets.items() if name not in self.unrepeatable}
        return targets


def places_of(calm: Chronicle) -> Places:
    """Where faults can strike what this chronicle shows."""
    agents: dict[str, set[tuple[str, int, int]]] = {}
    effects: dict[str, set[tuple[str, int, int]]] = {}
    for _, record in calm.order:
        for command in record.commands:
            if isinstance(command, RunTask):
                agents.setdefault(command.agent, set()).add((record.run, command.place, command.attempt))
            elif isinstance(command, TryEffect):
                effects.setdefault(command.effect, set()).add((record.run, command.place, command.attempt))
    used = {tool for name in agents for tool in calm.plan.agents[name].tools}
    return Places(
        {name: len(tried) for name, tried in sorted(agents.items())},
        {name: len(tried) for name, tried in sorted(effects.items())},
        frozenset(name for name, effect in calm.plan.effects.items() if effect.key is None and not effect.idempotent),
        tuple(sorted(used)),
        {point: calm.passes.get(point, 0) for point in CRASH_POINTS},
        calm.ended_us,
    )


def crash(point: str, nth: int) -> Fault:
    """The orchestrator dies at the n-th pass of a point."""
    return Fault(0, "crash", "orchestrator", {"point": point, "nth": nth, "down": DOWN_US})


def crash_singles(places: Places) -> Iterator[list[Fault]]:
    """Every pass of every crash point; that of recovery needs a crash to recover from."""
    for point, count in places.passes.items():
        for nth in range(1, count + 1):
            yield [crash(point, nth)]
    commits = places.passes.get("after_commit", 0)
    for nth in range(1, commits + 1):
        yield [crash("after_commit", nth), crash("recovery", 1)]


def singles(places: Places) -> Iterator[list[Fault]]:
    """Every single fault but crashes at every attempt that it can strike, and on all attempts for a while."""
    for kind in KINDS:
        for target, count in places.struck_by(kind).items():
            for nth in range(1, count + 1):
                yield [Fault(0, kind.name, target, {**kind.args, "nth": nth})]
            yield [Fault(0, kind.name, target, {**kind.args, "lasting": places.while_us})]


def drawn(places: Places, rng: random.Random) -> list[Fault]:
    """A schedule in the manner of swarm testing: which kinds are on at all is drawn first, then up to six faults."""
    kinds = [kind for kind in KINDS if places.struck_by(kind) and rng.random() < 0.5]
    with_crashes = rng.random() < 0.7 or not kinds
    faults: list[Fault] = []
    for _ in range(rng.randint(1, 6)):
        if with_crashes and (not kinds or rng.random() < 0.5):
            faults.append(_drawn_crash(places, rng))
            continue
        kind = rng.choice(kinds)
        targets = places.struck_by(kind)
        target = rng.choice(sorted(targets))
        args = dict(kind.args)
        if "factor" in args:
            args["factor"] = rng.choice((2, 10, 50, 500))
        # More attempts may come than the calm chronicle had, so nth reaches beyond them.
        how = rng.random()
        if how < 0.6:
            args["nth"] = rng.randint(1, targets[target] + 2)
        elif how < 0.8:
            args["first"] = rng.randint(1, targets[target] + 1)
        else:
            args["rate"] = rng.choice((0.1, 0.3, 0.6))
            args["lasting"] = places.while_us
        faults.append(Fault(0, kind.name, target, args))
    return faults


def _drawn_crash(places: Places, rng: random.Random) -> Fault:
    down_us = rng.choice((1, 5, 40, 600)) * SECOND
    if rng.random() < 0.25:
        at_us = rng.randint(0, max(1, places.ended_us // 1000)) * 1000
        return Fault(0, "crash", "orchestrator", {"at": at_us, "down": down_us})
    point = rng.choice([point for point in CRASH_POINTS if places.passes.get(point) or point == "recovery"])
    nth = rng.randint(1, max(2, places.passes.get(point, 0) + 3))
    return Fault(0, "crash", "orchestrator", {"point": point, "nth": nth, "down": down_us})
