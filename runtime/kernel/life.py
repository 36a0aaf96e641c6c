"""Events that concern a run as a whole: how it begins, goes on, and is called off. See `events` for the rest."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar

__all__ = ["CancelRequested", "EngineRecovered", "PlanUpgraded", "RunForked", "RunStarted"]


@dataclass(slots=True)
class RunStarted:
    """The run was asked for: `inputs` as JSON of the edge; plan and kernel are pinned here."""

    time: int
    flow: str
    inputs: dict[str, Any]
    plan_hash: str
    kernel: int
    seed: int
    rank: ClassVar[int] = 0
    place: int = 0
    attempt: int = 0
    dispatch: int = 0


@dataclass(slots=True)
class RunForked:
    """What came before is the beginning of `parent`, up to `checkpoint`; from here on it is a run of its own, `run`.

    What the parent did by then is not undone and not sent again. `again`: what the parent did after that is sent anew,
    under a new generation, where this run asks for the same; else it joins. Deadlines move by `moved_us`, the time
    between the checkpoint and the fork. `began_as`: the name that the first record was written under, which is another
    than the parent's if that is a fork.
    """

    time: int
    parent: str
    run: str
    checkpoint: str
    began_as: str
    again: bool = False
    moved_us: int = 0
    rank: ClassVar[int] = 0
    place: int = 0
    attempt: int = 0
    dispatch: int = 0


@dataclass(slots=True)
class PlanUpgraded:
    """What came before fits the plan `plan_hash`, which rules from here on, in place of `was`.

    `kept` are the parameters of what is under way, by place; `moved` the places of those records before this one, by
    number, that their path does not tell.
    """

    time: int
    plan_hash: str
    was: str
    kept: dict[str, Any] = field(default_factory=dict)
    moved: dict[str, int] = field(default_factory=dict)
    rank: ClassVar[int] = 0
    place: int = 0
    attempt: int = 0
    dispatch: int = 0


@dataclass(slots=True)
class EngineRecovered:
    """Another engine (epoch `epoch`) has folded the run and goes on with it: what is open is issued again."""

    time: int
    epoch: int
    rank: ClassVar[int] = 1
    place: int = 0
    attempt: int = 0
    dispatch: int = 0


@dataclass(slots=True)
class CancelRequested:
    """Somebody wants the run to stop, and to undo what it did."""

    time: int
    reason: str
    rank: ClassVar[int] = 2
    place: int = 0
    attempt: int = 0
    dispatch: int = 0
