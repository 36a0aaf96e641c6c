"""S10, undo: of what was discarded nothing stands but what is named as stuck, or what others own now."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from orchspec.simulator.checkers.violation import Violation

if TYPE_CHECKING:
    from orchspec.runtime.why.story import Happening, Story
    from orchspec.simulator.chaos.told import Chronicle, RunTold

__all__ = ["of_run"]


def of_run(chronicle: Chronicle, told: RunTold) -> Iterator[Violation]:
    """Effects of a run that stand although their scope was discarded."""
    rows = {row.owner_place: row for row in chronicle.ledger if row.owner_run == told.run}
    if told.status is None or not rows:
        return
    story = chronicle.story(told.run)
    stuck = {path for path, _ in story.kernel.stuck}
    for here in story.happenings.values():
        row = rows.get(here.path)
        if row is None or row.state != "confirmed" or row.joined or not _discarded(story, here):
            continue
        effect = chronicle.plan.effects.get(row.effect)
        if effect is None or effect.undo is None or any(path.startswith(here.path) for path in stuck):
            continue
        said = f"{here.path} was discarded, and {row.effect} still stands; it is undone by {effect.undo.effect}"
        yield Violation("S10", said, told.run, step=here.path, node=here.node)


def _discarded(story: Story, here: Happening) -> bool:
    """Whether a scope around a place failed or was stopped."""
    around: Happening | None = here
    while around is not None:
        frame = around.activity.frame
        if frame.failing is not None:
            return True
        around = story.hosts(frame)
    return False
