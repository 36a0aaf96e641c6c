"""What was proved of a flow before it ran: within which time the rest of it ends, once nothing goes wrong any more.

The compiler proves it; whoever starts chaos hands it over (`orchspec.proving`), since the simulator knows plans alone.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field

__all__ = ["Pace", "Part", "Proven"]


@dataclass(frozen=True, slots=True)
class Part:
    """One statement of the flow, at worst.

    Attributes:
        latency_us: how long it takes where it waits for nobody; infinity if nothing bounds that.
        work_us: how long everything in it takes one after another, turns at limits included.
        needs: which statements it waits for.
        said: what takes most of `work_us`, in words, or why that has no bound.
    """

    latency_us: float
    work_us: float
    needs: tuple[int, ...]
    said: str


@dataclass(frozen=True, slots=True)
class Proven:
    """One flow, at worst; times in microseconds, infinity where nothing bounds them.

    Attributes:
        parts: the statements of its body.
        undoing_us, undoing: undoing everything, and what takes most of that.
        settling_us: what cannot be stopped at once.
        time_us: after which the flow is stopped.
        grace_us: how long what was stopped, and does not hear, keeps it.
        meets: whether its runs may have to wait for each other.
        usual_us: how long agents, effects and signals take at most, say their profiles.
        write_us: how long a commit takes at most.
    """

    parts: tuple[Part, ...]
    undoing_us: float
    undoing: str
    settling_us: float
    time_us: float
    grace_us: int
    meets: bool
    usual_us: dict[str, float] = field(default_factory=dict)
    write_us: float = 0.0

    @property
    def work_us(self) -> float:
        """All of it, one after another, cut where its time is up; undoing apart."""
        return min(sum(part.work_us for part in self.parts), self.time_us + self.settling_us) + self.grace_us

    @property
    def dominant(self) -> str:
        """What takes most of that, in words, or why it has no bound."""
        return max(self.parts, key=lambda part: part.work_us).said if self.parts else ""


@dataclass(slots=True)
class Pace:
    """How long runs took once faults were over, beside what was proved of that.

    Attributes:
        proven: of the flow; none: runs had to end, however late.
        runs: how many met each other.
        held: how many were held to a bound.
        unheld: how many had something before them that nothing bounds.
        slowest_us, of_us: the one that came nearest to its bound, and that.
    """

    proven: Proven | None
    runs: int
    held: int = 0
    unheld: int = 0
    slowest_us: float = 0.0
    of_us: float = math.inf

    def add(self, paces: Iterable[tuple[int, float]]) -> None:
        """Runs that have ended: how long each took, and what was proved of that."""
        for took_us, most_us in paces:
            if most_us == math.inf:
                self.unheld += 1
                continue
            self.held += 1
            if most_us and (self.of_us == math.inf or took_us * self.of_us > self.slowest_us * most_us):
                self.slowest_us, self.of_us = took_us, most_us

    @property
    def most_us(self) -> float:
        """Within which time of the last fault every run ends, whenever that is; infinity where nothing bounds it."""
        if self.proven is None:
            return math.inf
        return self.proven.work_us * (self.runs if self.proven.meets else 1)
