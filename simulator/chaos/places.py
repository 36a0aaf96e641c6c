"""Where faults can strike a flow: read off what an undisturbed chronicle of it did."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from orchspec.compiler.plan.limits import Candidate
from orchspec.runtime.kernel.commands import ArmTimer, AskPerson, AwaitSignal, CheckEffect, RunTask, TryEffect
from orchspec.runtime.kernel.events import EffectRequested
from orchspec.simulator.chaos.kinds import KINDS
from orchspec.simulator.chaos.taking import flows_of, walk
from orchspec.simulator.faults import CRASH_POINTS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from orchspec.runtime.recording import EventRecord
    from orchspec.simulator.chaos.kinds import Aim, Kind
    from orchspec.simulator.chaos.told import Chronicle

__all__ = ["Places", "places_of"]

SECOND: Final = 1_000_000
_MOMENTS_MAX: Final = 6
"""Moments at which a fault that is dated is tried."""
_CALLS: Final = 2
"""Calls of a tool that are struck one by one; how many there are shows only where a tool is scarce."""
_ASKED: Final[dict[type, tuple[Aim, str]]] = {
    RunTask: ("agent", "agent"),
    AskPerson: ("person", "agent"),
    AwaitSignal: ("signal", "signal"),
    TryEffect: ("effect", "effect"),
    CheckEffect: ("effect", "check"),
}
"""Commands that somebody outside answers: the aim, and the attribute that names the target."""


_TOGETHER: Final[tuple[Aim, ...]] = ("effect", "tool")
"""Aims that fail together, as agents do that run on one model; no model has such a name."""


@dataclass(frozen=True, slots=True)
class Places:
    """What there is to strike.

    Attributes:
        targets: by aim and name, how many attempts on each an undisturbed chronicle has.
        patient: aims and names of those whom somebody waits for without a deadline.
        unrepeatable: effects whose target drops no repeats, so that a network which doubles their requests or keeps
            them for long is outside of what any design can survive.
        models: by model, the agents that ran on it; and all effects, and all tools: what one provider may have.
        passes: how often each crash point was passed.
        moments: times at which something happened, µs, spread over the whole.
        ended_us: when everybody was told.
    """

    targets: dict[Aim, dict[str, int]]
    patient: frozenset[tuple[Aim, str]]
    unrepeatable: frozenset[str]
    models: dict[str, list[str]]
    passes: dict[str, int]
    moments: tuple[int, ...]
    ended_us: int

    @property
    def while_us(self) -> int:
        """How long faults hold that strike more than once: they stop, since after that liveness must come.

        At most two hours, also where runs live for months: what is sent again each minute all the while proves no more.
        """
        return min(max(2 * self.ended_us, 60 * SECOND), 7200 * SECOND) // SECOND * SECOND

    def struck_by(self, kind: Kind) -> dict[str, int]:
        """Targets that a kind of fault may strike, with how many attempts on each there are."""
        found = self.targets.get(kind.aim, {})
        if "repeats" in kind.needs:
            found = {name: count for name, count in found.items() if name not in self.unrepeatable}
        if "deadline" in kind.needs:
            found = {name: count for name, count in found.items() if (kind.aim, name) not in self.patient}
        return found

    @property
    def kinds(self) -> list[Kind]:
        """Kinds that have somebody to strike."""
        return [kind for kind in KINDS if self.struck_by(kind)]


def places_of(calm: Chronicle) -> Places:
    """Where faults can strike what this chronicle shows."""
    plan = calm.plan
    tried: dict[Aim, dict[str, set[tuple[str, int, int]]]] = {}
    patient: set[tuple[Aim, str]] = set()
    models: dict[str, dict[str, None]] = {}
    who: dict[tuple[str, int, int], str] = {}
    timers: set[tuple[str, int, int]] = set()
    for record in calm.order:
        for command in record.commands:
            if isinstance(command, ArmTimer):
                timers.add((record.run, command.place, command.attempt))
            asked = _ASKED.get(type(command))
            if asked is None:
                continue
            aim, name = asked[0], getattr(command, asked[1])
            attempt = (record.run, command.place, getattr(command, "attempt", 1))
            tried.setdefault(aim, {}).setdefault(name, set()).add(attempt)
            if getattr(command, "deadline_us", None) is None:
                patient.add((aim, name))
            if isinstance(command, RunTask):
                who[attempt] = command.agent
                models.setdefault(command.model or "", {})[command.agent] = None
        _note_deed(record, who, tried)
    patient |= set(_patient(calm))
    targets: dict[Aim, dict[str, int]] = {
        aim: {name: len(each) for name, each in sorted(of.items())} for aim, of in tried.items()
    }
    tools = {tool: agent for agent in targets.get("agent", {}) for tool in plan.agents[agent].tools}
    targets["tool"] = dict.fromkeys(sorted(tools), _CALLS)
    patient |= {
        ("tool", tool) for agent in targets.get("agent", {}) if ("agent", agent) in patient
        for tool in plan.agents[agent].tools
    }  # fmt: skip
    together = {name: sorted(agents) for name, agents in models.items() if name}
    together |= {f"every {aim}": list(targets.get(aim, ())) for aim in _TOGETHER}
    shared = {name: those for name, those in together.items() if len(those) > 1}
    targets["model"] = dict.fromkeys(shared, 1)
    targets["timer"] = {"orchestrator": len(timers)} if timers else {}
    targets["commit"] = {"orchestrator": calm.passes.get("before_commit", 0)}
    targets["clock"] = {"orchestrator": 1}
    return Places(
        targets,
        frozenset(patient),
        frozenset(name for name, effect in plan.effects.items() if effect.key is None and not effect.idempotent),
        shared,
        {point: calm.passes.get(point, 0) for point in CRASH_POINTS},
        _moments(calm),
        calm.ended_us,
    )


def _patient(calm: Chronicle) -> Iterator[tuple[Aim, str]]:
    """Those whom some step asks without a deadline, even if only after another has failed."""
    plan = calm.plan
    for name in flows_of(plan, calm.flow):
        for each in walk(plan.flows[name].body):
            if isinstance(each, Candidate) and each.policy.timeout_us is None:
                yield ("person" if plan.agents[each.agent].kind == "human" else "agent"), each.agent


def _note_deed(
    record: EventRecord,
    who: dict[tuple[str, int, int], str],
    tried: dict[Aim, dict[str, set[tuple[str, int, int]]]],
) -> None:
    event = record.event
    if isinstance(event, EffectRequested):
        agent = who.get((record.run, event.place, event.attempt))
        if agent is not None:
            tried.setdefault("deed", {}).setdefault(agent, set()).add((record.run, record.seq, event.call))


def _moments(calm: Chronicle) -> tuple[int, ...]:
    times = sorted({record.time_us // 1000 * 1000 for record in calm.order})
    step = max(1, -(-len(times) // _MOMENTS_MAX))
    return tuple(times[::step])
