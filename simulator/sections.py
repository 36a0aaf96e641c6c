"""The cut of replications into sections: the independent pieces that every interval is computed from.

A section is a whole replication, or a long batch of one when there are too few replications and no dated fault makes
one time differ from another. It answers what happened within it: runs that arrived, runs that ended, integrals.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from orchspec.simulator.observe import PoolObservation, Replication, RunObservation

__all__ = ["Section", "cut_sections", "pools_of", "was_let_in"]

#: With so many replications each is a section; with fewer, batches make up for them.
_ENOUGH_REPLICATIONS = 10
_BATCHES = 20
#: Batches shorter than this many runs depend too much on each other.
_LEAST_RUNS = 30


@dataclass(slots=True, frozen=True)
class Section:
    """The part [from_s, to_s) of one replication, and the runs that arrived in it, refused ones included."""

    replication: Replication
    from_s: float
    to_s: float
    runs: tuple[RunObservation, ...]

    @property
    def length_s(self) -> float:
        """Length in seconds of simulated time."""
        return self.to_s - self.from_s

    def ended(self, status: str) -> int:
        """Return how many runs reached `status` within the section, whenever they arrived."""
        return sum(
            1 for run in self.replication.runs if run.status == status and self.from_s <= run.ended_s < self.to_s
        )

    def run_seconds(self) -> float:
        """Return the integral of the number of ended-at-last runs in the system over the section."""
        return math.fsum(
            max(0.0, min(run.ended_s, self.to_s) - max(run.arrived_s, self.from_s))
            for run in self.replication.runs
            if was_let_in(run) and math.isfinite(run.ended_s)
        )


def was_let_in(run: RunObservation) -> bool:
    """Tell whether the run was let into the system: a refused one has no latency, cost or effect."""
    return run.status != "refused"


def pools_of(replications: Sequence[Replication]) -> list[PoolObservation]:
    """Return one observation of each pool by name, in the order of first appearance, for its kind, slots, members."""
    found: dict[str, PoolObservation] = {}
    for replication in replications:
        for pool in replication.pools:
            found.setdefault(pool.name, pool)
    return list(found.values())


def cut_sections(
    replications: Sequence[Replication],
    cut_s: float = 0.0,
    *,
    dated_faults: bool = False,
    period_s: float | None = None,
) -> list[Section]:
    """Cut replications into sections, leaving out what comes before `cut_s` seconds (the warm-up).

    `dated_faults` says that faults strike at set times, so that only whole replications are alike; `period_s` is the
    period of periodic faults in seconds, of which each batch then holds a whole number.
    """
    batches = 1
    if 0 < len(replications) < _ENOUGH_REPLICATIONS and not dated_faults:
        batches = math.ceil(_BATCHES / len(replications))
    sections: list[Section] = []
    for replication in replications:
        from_s, to_s = max(cut_s, replication.window_s[0]), replication.window_s[1]
        runs = sorted(
            (run for run in replication.runs if from_s <= run.arrived_s < to_s),
            key=lambda run: (run.arrived_s, run.ordinal),
        )
        parts = _parts(len(runs), to_s - from_s, batches, period_s, alone=len(replications) == 1)
        sections.extend(_split(Section(replication, from_s, to_s, tuple(runs)), parts, period_s))
    return sections


def _parts(runs: int, length_s: float, wanted: int, period_s: float | None, *, alone: bool) -> int:
    """Return into how many batches one replication is cut: `wanted`, or as many as are long enough."""
    if wanted == 1 or not math.isfinite(length_s):
        return 1
    if period_s:
        wanted = max(1, min(wanted, int(length_s / period_s + 1e-9)))
    if runs >= wanted * _LEAST_RUNS:
        return wanted
    # Several replications are better sections than short batches; a single one has nothing else.
    return max(1, min(wanted, runs // _LEAST_RUNS)) if alone else 1


def _split(window: Section, parts: int, period_s: float | None) -> list[Section]:
    """Cut the window of one replication into equal parts; the last takes what whole periods leave over."""
    length_s = window.length_s / parts
    if parts > 1 and period_s:
        length_s = period_s * int(length_s / period_s + 1e-9)
    sections = []
    at = 0
    for part in range(parts):
        last = part == parts - 1
        start_s = window.from_s + part * length_s
        end_s = window.to_s if last else start_s + length_s
        stop = at
        while stop < len(window.runs) and (last or window.runs[stop].arrived_s < end_s):
            stop += 1
        sections.append(Section(window.replication, start_s, end_s, window.runs[at:stop]))
        at = stop
    return sections
