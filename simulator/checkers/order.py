"""S9, order: a step begins after all that it needs has settled, and after what it is required after."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from orchspec.runtime.why.because import needs_of, settled_seq
from orchspec.simulator.checkers.violation import Violation

if TYPE_CHECKING:
    from orchspec.simulator.chaos.told import Chronicle, RunTold

__all__ = ["of_run"]


def of_run(chronicle: Chronicle, told: RunTold) -> Iterator[Violation]:
    """Statements that began before one that they need had ended."""
    story = chronicle.story(told.run)
    blocks = story.blocks
    for activity in story.kernel.places:
        if activity is None or activity.owner is not activity.frame:
            continue
        known = blocks.get(activity.op.node)
        if known is None or known[1] != activity.op.index:
            continue
        block, index = known
        for need in needs_of(block, index):
            settled = settled_seq(story, activity.frame, block, need)
            if settled is not None and settled <= story.begun_at[activity.place]:
                continue
            here = story.happenings[activity.place]
            name = getattr(block.statements[need], "name", "") or block.statements[need].kind
            when = "has not ended" if settled is None else f"ended with record {settled}"
            said = f"{here.path} began with record {here.begun_seq}, and {name}, which it needs, {when}"
            yield Violation("S9", said, told.run, here.begun_seq, here.path, here.node)
