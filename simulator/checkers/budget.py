"""S4, budget: at every reservation, what is charged and what is reserved fit the cap, in each scope around."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from orchspec.simulator.checkers.violation import Violation

if TYPE_CHECKING:
    from orchspec.runtime.why.story import Reserved, Story
    from orchspec.simulator.chaos.told import Chronicle, RunTold

__all__ = ["of_run"]


def of_run(chronicle: Chronicle, told: RunTold) -> Iterator[Violation]:
    """Reservations without room, and accounts that went below nothing."""
    story = chronicle.story(told.run)
    for each in story.reserved:
        if each.open < 0 or each.reserved_pico < 0 or each.reserved_tokens < 0:
            yield _violation(story, each, "more was given back than had been reserved")
        for name, cap, taken in _amounts(each):
            if cap is not None and taken > cap:
                yield _violation(story, each, f"{name} of {taken:,} is charged and reserved where {cap:,} is the cap")


def _violation(story: Story, each: Reserved, said: str) -> Violation:
    here = story.happenings[each.place]
    return Violation("S4", said, story.run, each.seq, here.path, here.node)


def _amounts(each: Reserved) -> Iterator[tuple[str, int | None, int]]:
    cap = each.cap
    # What was really spent is charged above the cap too; then nothing may be reserved any more.
    if each.reserved_pico:
        yield "a cost (pico-dollars)", cap.cost_pico, each.charged_pico + each.reserved_pico
    if each.reserved_tokens:
        yield "a number of tokens", cap.tokens, each.charged_tokens + each.reserved_tokens
    yield "a number of attempts", cap.attempts, each.attempts
    yield "a number of retries", cap.retries, each.retries
