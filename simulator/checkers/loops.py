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
        self._inside: dict[int, list[Activity]] = {}
        self._hosted: dict[int, list[Frame]] | None = None
        for each in story.kernel.places:
            if each is not None:
                owner = id(each.owner)
                beside = self._inside.get(owner)
                if beside is None:
                    self._inside[owner] = [each]
                else:
                    beside.append(each)

    def inside(self, loop: Activity) -> list[Activity]:
        """What it owns."""
        return self._inside.get(id(loop), [])

    def frames(self, loop: Activity) -> list[Frame]:
        """The blocks that it hosts."""
        if self._hosted is None:
            self._hosted = {}
            for frame in self.story.frames():
                self._hosted.setdefault(id(frame.host), []).append(frame)
        return self._hosted.get(id(loop), [])


_Law = Callable[[_Within, Any], Iterator[str]]


def broken_loops(story: Story) -> Iterator[tuple[Happening, str]]:
    """What is broken in the loops and the fan-outs of a run, in words."""
    within: _Within | None = None
    for each in story.kernel.places:
        law = _law_of(type(each))
        if law is not None and each is not None:
            within = within or _Within(story)
            for said in law(within, each):
                yield story.happenings[each.place], said


def _law_of(kind: type) -> _Law | None:
    if kind in _LAWLESS:
        return None
    law = _LAWS.get(kind) or next((law for each, law in _LAWS.items() if issubclass(kind, each)), None)
    if law is None:
        _LAWLESS.add(kind)
    return law


def _wide(within: _Within, fan: FanOutStep | Each) -> Iterator[str]:
    return _at_once(within, fan, within.inside(fan), fan.width)


def _at_once(within: _Within, fan: Activity, inside: list[Activity], width: int | None) -> Iterator[str]:
    if width is None or len(inside) <= width:
        return
    begun_at, ended_at = within.story.begun_at, within.story.ended_at
    times = [(begun_at[each.place], ended_at[each.place]) for each in inside]
    for start in sorted(begun for begun, _ in times):
        at_once = sum(begun <= start and (ended is None or ended > start) for begun, ended in times)
        if at_once > width:
            yield f"{fan.path()} has {at_once} under way with record {start}, and its width is {width}"
            return


def _repeated(within: _Within, repeat: Repeating) -> Iterator[str]:
    rounds = max(repeat.round, sum(frame.ordinal > 0 for frame in within.frames(repeat)))  # 0 is its `else`
    if rounds > repeat.rounds:
        yield f"{repeat.path()} ran {rounds} rounds of {repeat.rounds}"


def _delegated(within: _Within, rounds: Rounds) -> Iterator[str]:
    story, inside = within.story, within.inside(rounds)
    said = _said(story, rounds)
    assert isinstance(said, Supervise)
    asked = sum(not each.index for each in inside)
    if asked > said.rounds:
        yield f"{rounds.path()} asked its lead {asked} times, and may {said.rounds} times"
    width = rounds.errand[4]
    yield from _at_once(within, rounds, [each for each in inside if each.index], width and max(1, width))
    levels = 0
    at: object = rounds
    while isinstance(at, Activity | Frame):
        levels += isinstance(at, Rounds) and _said(story, at) is said
        at = at.owner if isinstance(at, Activity) else at.host
    if levels > said.depth:
        yield f"{rounds.path()} is {levels} levels deep, and may be {said.depth}"


def _handed(within: _Within, turns: Turns) -> Iterator[str]:
    story, inside = within.story, within.inside(turns)
    said = _said(story, turns)
    assert isinstance(said, Peers)
    if len(inside) > said.hops + 1:
        yield f"{turns.path()} was handed on {len(inside) - 1} times, and may be {said.hops} times"
    names = [tries[-1].agent for each in inside if (tries := story.happenings[each.place].attempts)]
    for giver, taker in pairwise(names):
        if not any(handoff.source == giver and taker in handoff.targets for handoff in said.handoffs):
            yield f"{turns.path()} was handed from {giver} to {taker}, and there is no such edge"


def _said(story: Story, loop: Rounds | Turns) -> Statement:
    """The statement of a loop, as the plan has it: the loop stands in the frame of a region of that statement."""
    region = loop.frame.host
    assert isinstance(region, Activity)
    block, index = story.blocks[region.op.node]
    return block.statements[index]


def _visited(within: _Within, machine: Traversing) -> Iterator[str]:
    path = machine.path() or "the machine"
    assert isinstance(machine.op, MachineOp)
    said = _machines(within.story.plan)[machine.op.name]
    counted = Counter(frame.label.rpartition("#")[0].lstrip("/") for frame in within.frames(machine))
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
_LAWLESS: Final[set[type]] = set()
"""What was met that no law is about: most of what stands in a run."""
