"""Loops and fan-outs stay within the plan, a part of S8: what began in each is counted anew, by the law of its kind.

Tasks of a fan-out or a delegation at once, rounds, hops along permitted edges, levels of delegation, visits of a state,
transitions: all counted from what stood in the run, so that a kernel that counts wrongly is seen.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final

from orchspec.compiler.plan import Machine, Peers, Supervise
from orchspec.runtime.kernel.delegation import Rounds
from orchspec.runtime.kernel.each import Each
from orchspec.runtime.kernel.frames import Activity, Frame
from orchspec.runtime.kernel.machines import MachineOp, Traversing
from orchspec.runtime.kernel.repeats import Repeating
from orchspec.runtime.kernel.steps import FanOutStep
from orchspec.runtime.kernel.turns import Turns

if TYPE_CHECKING:
    from orchspec.compiler.plan import Plan, Statement
    from orchspec.runtime.why.story import Happening, Story

__all__ = ["broken_loops"]


class _Within:
    """What began within each activity of a run."""

    def __init__(self, story: Story) -> None:
        self.story = story
        self._inside: dict[int, list[Happening]] = {}
        self._hosted: dict[int, list[Frame]] | None = None
        for each in story.happenings.values():
            self._inside.setdefault(id(each.activity.owner), []).append(each)

    def inside(self, here: Happening) -> list[Happening]:
        """What it owns."""
        return self._inside.get(id(here.activity), [])

    def frames(self, here: Happening) -> list[Frame]:
        """The blocks that it hosts."""
        if self._hosted is None:
            self._hosted = {}
            for frame in self.story.frames():
                self._hosted.setdefault(id(frame.host), []).append(frame)
        return self._hosted.get(id(here.activity), [])


_Law = Callable[[_Within, "Happening", Any], Iterator[str]]


def broken_loops(story: Story) -> Iterator[tuple[Happening, str]]:
    """What is broken in the loops and the fan-outs of a run, in words."""
    within: _Within | None = None
    for here in story.happenings.values():
        law = _law_of(type(here.activity))
        if law is not None:
            within = within or _Within(story)
            for said in law(within, here, here.activity):
                yield here, said


def _law_of(kind: type) -> _Law | None:
    if kind not in _FOUND:
        _FOUND[kind] = next((law for each, law in _LAWS.items() if issubclass(kind, each)), None)
    return _FOUND[kind]


def _wide(within: _Within, here: Happening, fan: FanOutStep | Each) -> Iterator[str]:
    return _at_once(here, within.inside(here), fan.width)


def _at_once(here: Happening, inside: list[Happening], width: int | None) -> Iterator[str]:
    if width is None or len(inside) <= width:
        return
    for start in sorted(each.begun_seq for each in inside):
        at_once = sum(each.begun_seq <= start and (each.ended_seq is None or each.ended_seq > start) for each in inside)
        if at_once > width:
            yield f"{here.path} has {at_once} under way with record {start}, and its width is {width}"
            return


def _repeated(within: _Within, here: Happening, repeat: Repeating) -> Iterator[str]:
    rounds = max(repeat.round, sum(frame.ordinal > 0 for frame in within.frames(here)))  # 0 is its `else`
    if rounds > repeat.rounds:
        yield f"{here.path} ran {rounds} rounds of {repeat.rounds}"


def _delegated(within: _Within, here: Happening, rounds: Rounds) -> Iterator[str]:
    story, inside = within.story, within.inside(here)
    said = _said(story, rounds)
    assert isinstance(said, Supervise)
    asked = sum(not each.activity.index for each in inside)
    if asked > said.rounds:
        yield f"{here.path} asked its lead {asked} times, and may {said.rounds} times"
    width = rounds.errand[4]
    yield from _at_once(here, [each for each in inside if each.activity.index], width and max(1, width))
    levels = 0
    at: object = rounds
    while isinstance(at, Activity | Frame):
        levels += isinstance(at, Rounds) and _said(story, at) is said
        at = at.owner if isinstance(at, Activity) else at.host
    if levels > said.depth:
        yield f"{here.path} is {levels} levels deep, and may be {said.depth}"


def _handed(within: _Within, here: Happening, turns: Turns) -> Iterator[str]:
    inside, said = within.inside(here), _said(within.story, turns)
    assert isinstance(said, Peers)
    if len(inside) > said.hops + 1:
        yield f"{here.path} was handed on {len(inside) - 1} times, and may be {said.hops} times"
    names = [attempts[-1].agent for each in inside if (attempts := each.attempts)]
    for giver, taker in pairwise(names):
        if not any(handoff.source == giver and taker in handoff.targets for handoff in said.handoffs):
            yield f"{here.path} was handed from {giver} to {taker}, and there is no such edge"


def _said(story: Story, loop: Rounds | Turns) -> Statement:
    """The statement of a loop, as the plan has it: the loop stands in the frame of a region of that statement."""
    region = loop.frame.host
    assert isinstance(region, Activity)
    block, index = story.blocks[region.op.node]
    return block.statements[index]


def _visited(within: _Within, here: Happening, machine: Traversing) -> Iterator[str]:
    path = here.path or "the machine"
    assert isinstance(machine.op, MachineOp)
    said = _machines(within.story.plan)[machine.op.name]
    counted = Counter(frame.label.rpartition("#")[0].lstrip("/") for frame in within.frames(here))
    visits = [max(told, counted[state.name]) for state, told in zip(said.states, machine.visits, strict=True)]
    for state, count in zip(said.states, visits, strict=True):
        if state.visits is not None and count > state.visits:
            yield f"{path} visited {state.name} {count} times, and may {state.visits} times"
    if said.transitions is not None and sum(visits) - 1 > said.transitions:
        yield f"{path} went on {sum(visits) - 1} times, and may {said.transitions} times"


def _machines(plan: Plan) -> dict[str, Machine]:
    found = [each for flow in plan.flows.values() for each in flow.body.statements]
    return {each.name: each for each in found if isinstance(each, Machine)}


_LAWS: Final[dict[type, _Law]] = {
    FanOutStep: _wide,
    Each: _wide,
    Repeating: _repeated,
    Rounds: _delegated,
    Turns: _handed,
    Traversing: _visited,
}
"""The law of each kind of loop, for whatever is of that kind."""
_FOUND: Final[dict[type, _Law | None]] = {}
