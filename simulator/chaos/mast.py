"""Semantic faults as agents really commit them: the failure modes of MAST, as often as they were found.

MAST (Cemri and others, *Why Do Multi-Agent LLM Systems Fail?*, arXiv 2503.13657, version 3) is a taxonomy of 14 failure
modes from 1,642 annotated traces of seven systems; `MODES` holds its shares, in percent. Each mode strikes here as the
fault of the language that looks most like it from outside: what an agent thinks is not modelled, what it gives is. One
mode at a time strikes one attempt, so that what became of it can be told:

| fate | is |
|---|---|
| refused | the contract, a validator or a deadline did not take it, and the attempt failed |
| outvoted | it was taken, and the runs ended as undisturbed, with the same results and effects |
| stopped | it was taken, and a run ended otherwise than undisturbed |
| silent | it was taken, and went through into a result or an effect: nothing noticed |
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from orchspec.compiler.plan import Fault
from orchspec.runtime.kernel.events import TaskFailed, TaskFulfilled, TimerFired
from orchspec.simulator.chaos.explore import Explorer, Found
from orchspec.simulator.chaos.places import places_of
from orchspec.simulator.checkers import check_all

if TYPE_CHECKING:
    from orchspec.simulator.chaos.told import Chronicle

__all__ = ["FATES", "MODES", "Mode", "Semantic", "semantic"]

FATES: Final = ("refused", "outvoted", "stopped", "silent")


@dataclass(frozen=True, slots=True)
class Mode:
    """A failure mode: its number and name in MAST, its share of all failures in percent, and how it strikes here."""

    number: str
    name: str
    share: float
    fault: str
    args: tuple[tuple[str, float], ...] = ()


MODES: Final = (
    Mode("FM-1.1", "disobey task specification", 11.8, "garbage"),
    Mode("FM-1.2", "disobey role specification", 1.5, "wrong"),
    Mode("FM-1.3", "step repetition", 15.7, "overrun", (("factor", 2),)),
    Mode("FM-1.4", "loss of conversation history", 2.8, "conflicting"),
    Mode("FM-1.5", "unaware of termination conditions", 12.4, "slow", (("factor", 20),)),
    Mode("FM-2.1", "conversation reset", 2.2, "fail"),
    Mode("FM-2.2", "fail to ask for clarification", 6.8, "wrong"),
    Mode("FM-2.3", "task derailment", 7.4, "wrong"),
    Mode("FM-2.4", "information withholding", 0.85, "empty"),
    Mode("FM-2.5", "ignored other agent's input", 1.9, "conflicting"),
    Mode("FM-2.6", "reasoning-action mismatch", 13.2, "conflicting"),
    Mode("FM-3.1", "premature termination", 6.2, "truncated"),
    Mode("FM-3.2", "no or incomplete verification", 8.2, "poisoned"),
    Mode("FM-3.3", "incorrect verification", 9.1, "wrong"),
)


@dataclass(slots=True)
class Semantic:
    """What became of semantic faults: by mode and fate, how often; what broke that must hold."""

    flow: str
    seed: int
    struck: int = 0
    fates: dict[str, dict[str, int]] = field(default_factory=dict)
    silent: dict[str, int] = field(default_factory=dict)
    found: list[Found] = field(default_factory=list)
    cut: bool = False

    def share(self, fate: str) -> float | None:
        """The share of what struck that had a fate."""
        return sum(of.get(fate, 0) for of in self.fates.values()) / self.struck if self.struck else None


def semantic(
    explorer: Explorer, examples: int, progress: Callable[[str, int, int | None], None] | None = None
) -> Semantic:
    """Let agents fail as MAST says that they do.

    Args:
        explorer: of the flow.
        examples: how many failures are drawn, by their shares.
        progress: as of `Explorer.explore`.
    """
    calm = explorer.chronicle([])
    agents = places_of(calm).targets.get("agent", {})
    made = Semantic(explorer.flow, explorer.seed)
    rng = random.Random(explorer.seed)
    broken: set[str] = set()
    try:
        for number in range(examples if agents else 0):
            (mode,) = rng.choices(MODES, [mode.share for mode in MODES])
            agent = rng.choices(list(agents), list(agents.values()))[0]
            fault = Fault(0, mode.fault, agent, {**dict(mode.args), "nth": rng.randint(1, agents[agent])})
            chronicle = explorer.chronicle([fault])
            for violation in check_all(chronicle):
                if violation.number not in broken:
                    broken.add(violation.number)
                    made.found.append(explorer.shrink([fault], violation, number + 1))
            if chronicle.struck:
                fate = _fate(chronicle, calm)
                made.struck += 1
                of = made.fates.setdefault(mode.number, {})
                of[fate] = of.get(fate, 0) + 1
                if fate == "silent":
                    made.silent[agent] = made.silent.get(agent, 0) + 1
            if progress is not None:
                progress("failures of MAST", number + 1, examples)
    except KeyboardInterrupt:
        made.cut = True
    return made


def _fate(chronicle: Chronicle, calm: Chronicle) -> str:
    if _was_refused(chronicle):
        return "refused"
    now, was = _ends(chronicle), _ends(calm)
    if [status for status, _ in now] != [status for status, _ in was]:
        return "stopped"
    return "outvoted" if now == was and _deeds(chronicle) == _deeds(calm) else "silent"


def _was_refused(chronicle: Chronicle) -> bool:
    """Whether the attempt that was struck failed, for whatever reason."""
    for told in chronicle.runs.values():
        kernel = chronicle.story(told.run).kernel
        for record in told.records:
            event = record.event
            if event.place and kernel.draw_key(event.place) in chronicle.at_keys:
                ended = isinstance(event, (TaskFulfilled, TaskFailed, TimerFired))
                if ended and any(str(what) in ("retry", "failed") for what, _ in record.decided):
                    return True
    return False


def _ends(chronicle: Chronicle) -> list[tuple[str, Any]]:
    return [(told.status or "unended", told.told[-1][2] if told.told else None) for told in chronicle.runs.values()]


def _deeds(chronicle: Chronicle) -> list[str]:
    return sorted({each.key for each in chronicle.applied})
