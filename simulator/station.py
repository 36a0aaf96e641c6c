"""A pool as the formulas of the analytic twin see it."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

__all__ = ["Station"]


@dataclass(slots=True)
class Station:
    """A pool, or several that can take the same tasks, as the formulas see it.

    Attributes:
        visits: of a run; `counted` is why they were counted in runs, where no walk over the plan tells them. Of a run
            that is alone they are `visits_alone`: it finds nothing that others did.
        hedged: whether attempts here are doubled when they are late.
        hold_s, hold_scv: how long one takes, and its squared coefficient of variation; `held_by` is whether the profile
            tells that or the runs alone do, in which it was `seen_s`.
        works: whether these are agents and people, not tools, which are held while an agent works, nor limits.
        buffer_s: of a limit of a model: what its bucket holds for others beside an attempt, in seconds of its rate; of
            that each attempt under way keeps `spare_s`, `works_s` seconds of a run. `takes_s` are what attempts take of
            it, ascending, and `draws` who draws on it.
        tail: from which moment on the times at work have none (`tails`).
        breaks: the suppositions that do not hold here.
    """

    name: str
    members: tuple[str, ...]
    slots: int | None
    visits: float
    hold_s: float
    hold_scv: float
    seen_s: float
    works: bool
    counted: str = ""
    held_by: str = "profile"
    buffer_s: float | None = None
    spare_s: float = 0.0
    works_s: float = 0.0
    takes_s: tuple[float, ...] = ()
    draws: tuple[str, ...] = ()
    model: str = ""
    utilization: float = math.nan
    wait_s: float = math.nan
    queue: float = math.nan
    tail: float = math.inf
    visits_alone: float = math.nan
    hedged: bool = False
    breaks: list[str] = field(default_factory=list)

    @property
    def held_up(self) -> int:
        """How many slots have to be held up before the others fall behind; `slots` and `utilization` are known."""
        assert self.slots is not None
        return math.floor(self.slots * (1.0 - self.utilization)) + 1
