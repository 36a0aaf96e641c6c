"""By when a run has to have ended: the worst case of what it had before it when the last fault was over.

Of each run, the statements of its flow that had not ended then count whole. Where nobody waits for anybody, the longest
way through them is the bound; where runs meet, somebody who waits is kept by somebody who works, so all that is before
all of them, one after another, is. Undoing counts where something was undone. `simulator.chaos.proven` has the amounts.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from orchspec.runtime.why.story import Story
    from orchspec.simulator.chaos.proven import Proven
    from orchspec.simulator.chaos.told import Chronicle, RunTold

__all__ = ["Ahead", "ahead_of", "progress_of"]

_SLACK_US: Final = 10_000_000
"""What commits, instants and a recovery may add to all of it."""


@dataclass(frozen=True, slots=True)
class Ahead:
    """What was before a run when the last fault was over.

    Attributes:
        from_us: then.
        most_us: how long it may take from then on; infinity if nothing bounds that.
        said: what takes most of it, or why there is no bound.
    """

    from_us: int
    most_us: float
    said: str


def ahead_of(chronicle: Chronicle, from_us: int) -> dict[str, Ahead]:
    """What was before each run at a time; runs that had ended by then have nothing before them."""
    proven = chronicle.proven
    assert proven is not None
    arrived = [told.records[0].time_us for told in chronicle.runs.values() if told.records]
    from_us = max(from_us, *arrived) if arrived else from_us
    left = {told.run: _left(chronicle, proven, told, from_us) for told in chronicle.runs.values()}
    if not proven.meets:
        return {run: Ahead(from_us, most_us, said) for run, (most_us, said, _) in left.items()}
    together = sum(most_us for most_us, _, _ in left.values())
    longest = max(left.values(), key=lambda each: each[2], default=(0.0, "", 0.0))
    return {run: Ahead(from_us, together, longest[1]) for run in left}


def _left(chronicle: Chronicle, proven: Proven, told: RunTold, from_us: int) -> tuple[float, str, float]:
    """How long a run still takes at most, what takes most of that, and how long that takes."""
    if told.status is not None and told.told[-1][0] <= from_us:
        return 0.0, "", 0.0
    done: set[int] = set()
    undone = False
    if told.records and told.run not in chronicle.halted:
        ends, undone = progress_of(chronicle, told)
        done = {index for index, ended in ends.items() if ended <= from_us}
    parts = [part for index, part in enumerate(proven.parts) if index not in done]
    longest = max(parts, key=lambda part: part.work_us, default=None)
    total = sum(part.work_us for part in parts) if proven.meets else _longest(proven, done)
    total = min(total, proven.time_us + proven.settling_us) + (proven.undoing_us if undone else 0)
    said, amount = (longest.said, longest.work_us) if longest is not None else ("", 0.0)
    if undone and proven.undoing_us > amount:
        said, amount = proven.undoing, proven.undoing_us
    return total + proven.grace_us + proven.write_us + _SLACK_US, said, amount


def progress_of(chronicle: Chronicle, told: RunTold) -> tuple[dict[int, float], bool]:
    """When each statement of the flow had ended in a run, by its index, and whether anything was undone."""
    progress = chronicle.progress.get(told.run)
    if progress is None:
        story = chronicle.story(told.run)
        undone = any(each is not None and each.label.endswith("!undo") for each in story.kernel.places)
        progress = chronicle.progress[told.run] = _ends(story), undone
    return progress


def _ends(story: Story) -> dict[int, float]:
    root = story.kernel.root
    ends: dict[int, float] = {}
    for activity in story.kernel.places:
        if activity is not None and activity.owner is root and activity.frame is root:
            seq = story.ended_at[activity.place]
            ended = math.inf if seq is None else story.events[seq - 1].time
            ends[activity.op.index] = max(ends.get(activity.op.index, 0), ended)
    return ends


def _longest(proven: Proven, done: set[int]) -> float:
    """The longest way through what has not ended."""
    ends: dict[int, float] = {}

    def end(index: int) -> float:
        if index not in ends:
            own = 0.0 if index in done else proven.parts[index].latency_us
            ends[index] = own + max((end(need) for need in proven.parts[index].needs), default=0.0)
        return ends[index]

    return max((end(index) for index in range(len(proven.parts))), default=0.0)
