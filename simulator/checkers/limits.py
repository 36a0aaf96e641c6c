"""S8, limits: no pool hands out more slots than it has, and width, rounds, visits and transitions stay within the plan.

A crash ends an epoch: what its engine had granted is gone with it, and what the next one holds again is counted anew.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from orchspec.runtime.kernel.commands import HoldGrant, ReleaseGrant
from orchspec.runtime.kernel.events import EngineRecovered, TaskEnrolled
from orchspec.runtime.kernel.repeats import Repeating
from orchspec.runtime.kernel.steps import FanOutStep
from orchspec.simulator.checkers.violation import Violation

if TYPE_CHECKING:
    from orchspec.runtime.why.story import Happening, Story
    from orchspec.simulator.chaos.chronicle import Chronicle

__all__ = ["check"]


def check(chronicle: Chronicle) -> Iterator[Violation]:
    """Grants above the slots of an agent, fan-outs above their width, repeats above their rounds."""
    yield from _slots(chronicle)
    for told in chronicle.runs.values():
        story = chronicle.story(told.run)
        for here in story.happenings.values():
            activity = here.activity
            if isinstance(activity, FanOutStep):
                yield from _width(story, here, activity)
            elif isinstance(activity, Repeating) and activity.round > activity.rounds:
                said = f"{here.path} ran {activity.round} rounds of {activity.rounds}"
                yield Violation("S8", said, told.run, step=here.path, node=here.node)


def _slots(chronicle: Chronicle) -> Iterator[Violation]:
    held: dict[tuple[str, int, int], str] = {}
    epoch = 1
    for _, record in chronicle.order:
        event = record.event
        if isinstance(event, EngineRecovered) and event.epoch != epoch:
            epoch = event.epoch
            held.clear()
        for command in record.commands:
            if isinstance(command, ReleaseGrant):
                held.pop((record.run, command.place, command.attempt), None)
            elif isinstance(command, HoldGrant):
                held[record.run, command.place, command.attempt] = command.agent
        if isinstance(event, TaskEnrolled) and not any(what == "ignored" for what, _ in record.decided):
            held[record.run, event.place, event.attempt] = event.agent
            agent = chronicle.plan.agents.get(event.agent)
            count = sum(name == event.agent for name in held.values())
            if agent is not None and agent.slots_max is not None and count > agent.slots_max:
                path = record.kernel.path(event.place)
                said = f"{event.agent} has {agent.slots_max} slots, and this grant is number {count}"
                yield Violation("S8", said, record.run, record.seq, path)


def _width(story: Story, here: Happening, fan: FanOutStep) -> Iterator[Violation]:
    inside = [each for each in story.happenings.values() if each.activity.owner is fan]
    starts = sorted(each.begun.seq for each in inside)
    for start in starts:
        at_once = sum(each.begun.seq <= start and (each.ended is None or each.ended.seq > start) for each in inside)
        if at_once > fan.width:
            said = f"{here.path} has {at_once} under way with record {start}, and its width is {fan.width}"
            yield Violation("S8", said, story.run, start, here.path, here.node)
            return
