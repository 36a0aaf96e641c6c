"""S8, limits: no pool hands out more than it has, and loops stay within the plan.

Slots and rates are counted anew from who was granted what and when: open grants never above the slots, tokens in any
window never above the burst and what was refilled in it. Tokens of a model are those that attempts may take, less
those that they gave back when they ended. Of agents, people and gates the journal tells; calls of tools are not
journaled, so of those a chronicle tells that listened while they were granted. One of a store did not: there the
numbers of calls that attempts tell show a rate that was broken, where an agent has one tool. Of loops it is counted
what began in them: tasks of a fan-out or a delegation at once, rounds, hops along permitted edges, levels of
delegation, visits of a state, transitions.

A crash ends an epoch: what its engine had granted is gone with it, and what the next one holds again is counted anew.
A bucket is not filled by a crash, so windows span epochs.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from itertools import pairwise
from typing import TYPE_CHECKING, Final

from orchspec.compiler.plan import Machine, Peers, Supervise
from orchspec.runtime.kernel.commands import HoldGrant, ReleaseGrant, RequestGrant
from orchspec.runtime.kernel.delegation import Rounds
from orchspec.runtime.kernel.each import Each
from orchspec.runtime.kernel.events import EngineRecovered, TaskEnrolled, TaskFulfilled
from orchspec.runtime.kernel.frames import Activity, Frame
from orchspec.runtime.kernel.machines import MachineOp, Traversing
from orchspec.runtime.kernel.repeats import Repeating
from orchspec.runtime.kernel.steps import FanOutStep
from orchspec.runtime.kernel.turns import Turns
from orchspec.simulator.checkers.spending import Drawn
from orchspec.simulator.checkers.turns import Window
from orchspec.simulator.checkers.violation import Violation

if TYPE_CHECKING:
    from orchspec.compiler.plan import Plan, Rate, Statement
    from orchspec.runtime.why.story import Happening, Story
    from orchspec.simulator.chaos.chronicle import Chronicle

__all__ = ["called", "check", "granted"]

_SPANS_MAX: Final = 1_000
"""So many attempts with calls of a tool are looked at, the last ones: every two of them bound a time."""


def check(chronicle: Chronicle) -> Iterator[Violation]:
    """Grants above slots or rates, and loops that go on for longer than they may."""
    yield from granted(chronicle, chronicle.plan)
    yield from called(chronicle, chronicle.plan) if chronicle.calls else _counted(chronicle)
    for told in chronicle.runs.values():
        loops = _Loops(chronicle.story(told.run))
        for here in loops.story.happenings.values():
            for said in loops.broken(here):
                yield Violation("S8", said, told.run, step=here.path, node=here.node)


# ---------------------------------------------------------------- slots and rates


def _limits(plan: Plan) -> tuple[dict[str, int], dict[str, Window]]:
    """The slots and the rates of whoever is granted, by name."""
    agents = [(each.name, each.slots_max, each.rate) for each in plan.agents.values()]
    gates = [(name, each.slots_max, each.rate) for name, each in plan.gates.items()]
    slots = {name: most for name, most, _ in (*agents, *gates) if most is not None}
    rates = {name: Window(rate) for name, _, rate in (*agents, *gates) if rate is not None}
    return slots, rates


def granted(chronicle: Chronicle, plan: Plan) -> Iterator[Violation]:
    """Grants of agents, people, gates and sections above what a plan allows."""
    slots, rates = _limits(plan)
    drawn = Drawn(chronicle.plan)
    held: dict[tuple[str, int, int], tuple[str, ...]] = {}
    gates: dict[tuple[str, int, int], tuple[str, ...]] = {}
    epoch = 1
    for _, record in chronicle.order:
        event = record.event
        if isinstance(event, EngineRecovered) and event.epoch != epoch:
            epoch = event.epoch
            held.clear()
        for command in record.commands:
            drawn.commanded(record.run, command, event.time)
            if isinstance(command, ReleaseGrant):
                held.pop((record.run, command.place, command.attempt), None)
            elif isinstance(command, RequestGrant):
                gates[record.run, command.place, command.attempt] = command.gates
            elif isinstance(command, HoldGrant):
                kept = command.agent or "+".join(command.tools)
                held[record.run, command.place, command.attempt] = (*command.gates, kept)
        if isinstance(event, TaskEnrolled) and not any(what == "ignored" for what, _ in record.decided):
            name, key = event.agent, (record.run, event.place, event.attempt)
            others = [each for names in held.values() for each in names]
            held[key] = (*gates.pop(key, ()), name)
            for passed in held[key]:
                for each in _broken(plan, passed, others, slots):
                    yield Violation("S8", each, record.run, record.seq, record.kernel.path(event.place))
            if name in rates and not rates[name].take(event.time):
                said = f"{name} is granted more often than its rate allows"
                yield Violation("S8", said, record.run, record.seq, record.kernel.path(event.place))
            model = drawn.granted(record.run, event)
            if model:
                said = f"{name} is granted though {model} has not so much left of its limits"
                yield Violation("S8", said, record.run, record.seq, record.kernel.path(event.place))


def _broken(plan: Plan, name: str, others: list[str], slots: dict[str, int]) -> Iterator[str]:
    if name in slots and others.count(name) >= slots[name]:
        yield f"{name} has {slots[name]} slots, and this grant is number {others.count(name) + 1}"
    for tool in _section(plan, name):
        if any(tool in _section(plan, other) for other in others):
            yield f"{tool} is held whole, and is granted whole once more"


def _section(plan: Plan, name: str) -> list[str]:
    """The tools of a critical section, whose grant is named after all of them; none for an agent or a gate."""
    names = name.split("+")
    return names if all(each in plan.tools for each in names) else []


def called(chronicle: Chronicle, plan: Plan) -> Iterator[Violation]:
    """Calls of tools; those that critical sections hold whole are left out: who is inside is not told."""
    enrolled = [record.event for _, record in chronicle.order if isinstance(record.event, TaskEnrolled)]
    whole = {tool for event in enrolled for tool in _section(plan, event.agent)}
    for name, calls in chronicle.calls.items():
        tool = plan.tools[name]
        if name in whole:
            continue
        window = Window(tool.rate) if tool.rate is not None else None
        busy = 0
        for at_us, change in calls:
            busy = busy + change if change else 0
            if change > 0 and window is not None and not window.take(at_us):
                yield Violation("S8", f"{name} is called at {at_us / 1e6:g} s, more often than its rate allows")
            if tool.slots is not None and busy > tool.slots:
                yield Violation("S8", f"{name} has {tool.slots} slots, and {busy} calls at {at_us / 1e6:g} s")


def _counted(chronicle: Chronicle) -> Iterator[Violation]:
    """Rates of tools, as far as a journal that does not tell of calls shows them broken all the same.

    An attempt tells how many calls it made. If its agent has one tool only, they all fell between its grant and its
    end: so in no time may more attempts begin and end than their calls had tokens.
    """
    plan = chronicle.plan
    sole = {name: plan.tools[agent.tools[0]] for name, agent in plan.agents.items() if len(agent.tools) == 1}
    granted: dict[tuple[str, int, int], tuple[int, str]] = {}
    spans: dict[str, list[tuple[int, int, int]]] = {}
    for _, record in chronicle.order:
        event = record.event
        if isinstance(event, TaskEnrolled):
            granted[record.run, event.place, event.attempt] = event.time, event.agent
        elif isinstance(event, TaskFulfilled) and event.tool_calls:
            since_us, agent = granted.get((record.run, event.place, event.attempt), (0, ""))
            if agent in sole and sole[agent].rate is not None:
                spans.setdefault(sole[agent].name, []).append((event.time, since_us, event.tool_calls))
    for name, each in spans.items():
        rate = plan.tools[name].rate
        assert rate is not None
        yield from _too_many(name, sorted(each)[-_SPANS_MAX:], rate)


def _too_many(name: str, spans: list[tuple[int, int, int]], rate: Rate) -> Iterator[Violation]:
    for from_us in sorted({since_us for _, since_us, _ in spans}):
        calls = 0
        for until_us, since_us, more in spans:  # by their ends
            if since_us < from_us:
                continue
            calls += more
            if (calls - rate.count) * rate.per_us > rate.count * (until_us - from_us):
                took = f"{from_us / 1e6:g} to {until_us / 1e6:g} s"
                yield Violation("S8", f"{name} is called {calls} times from {took}, more often than its rate allows")
                return


# ---------------------------------------------------------------- loops


class _Loops:
    """What began within each activity of a run: counted, so that a kernel that counts wrongly is seen."""

    def __init__(self, story: Story) -> None:
        self.story = story
        self._inside: dict[int, list[Happening]] = {}
        self._hosted: dict[int, list[Frame]] = {}
        for each in story.happenings.values():
            self._inside.setdefault(id(each.activity.owner), []).append(each)
        for frame in story.frames():
            self._hosted.setdefault(id(frame.host), []).append(frame)

    def broken(self, here: Happening) -> Iterator[str]:
        """What is broken in a loop or a fan-out, in words."""
        inside = self._inside.get(id(here.activity), [])
        frames = self._hosted.get(id(here.activity), [])
        match here.activity:
            case FanOutStep() | Each() as fan:
                yield from _at_once(here, inside, fan.width)
            case Repeating() as repeat:
                rounds = max(repeat.round, sum(frame.ordinal > 0 for frame in frames))  # 0 is its `else`
                if rounds > repeat.rounds:
                    yield f"{here.path} ran {rounds} rounds of {repeat.rounds}"
            case Rounds() as rounds_of:
                yield from _delegated(self.story, here, inside, rounds_of)
            case Turns() as turns:
                yield from _handed(self.story, here, inside, turns)
            case Traversing() as machine:
                yield from _visited(self.story, here, frames, machine)
            case _:
                pass


def _at_once(here: Happening, inside: list[Happening], width: int | None) -> Iterator[str]:
    if width is None or len(inside) <= width:
        return
    for start in sorted(each.begun.seq for each in inside):
        at_once = sum(each.begun.seq <= start and (each.ended is None or each.ended.seq > start) for each in inside)
        if at_once > width:
            yield f"{here.path} has {at_once} under way with record {start}, and its width is {width}"
            return


def _delegated(story: Story, here: Happening, inside: list[Happening], rounds: Rounds) -> Iterator[str]:
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


def _handed(story: Story, here: Happening, inside: list[Happening], turns: Turns) -> Iterator[str]:
    said = _said(story, turns)
    assert isinstance(said, Peers)
    if len(inside) > said.hops + 1:
        yield f"{here.path} was handed on {len(inside) - 1} times, and may be {said.hops} times"
    names = [each.attempts[-1].agent for each in inside if each.attempts]
    for giver, taker in pairwise(names):
        if not any(handoff.source == giver and taker in handoff.targets for handoff in said.handoffs):
            yield f"{here.path} was handed from {giver} to {taker}, and there is no such edge"


def _said(story: Story, loop: Rounds | Turns) -> Statement:
    """The statement of a loop, as the plan has it: the loop stands in the frame of a region of that statement."""
    region = loop.frame.host
    assert isinstance(region, Activity)
    block, index = story.blocks[region.op.node]
    return block.statements[index]


def _visited(story: Story, here: Happening, frames: list[Frame], machine: Traversing) -> Iterator[str]:
    path = here.path or "the machine"
    assert isinstance(machine.op, MachineOp)
    said = _machines(story.plan)[machine.op.name]
    counted = Counter(frame.label.rpartition("#")[0].lstrip("/") for frame in frames)
    visits = [max(told, counted[state.name]) for state, told in zip(said.states, machine.visits, strict=True)]
    for state, count in zip(said.states, visits, strict=True):
        if state.visits is not None and count > state.visits:
            yield f"{path} visited {state.name} {count} times, and may {state.visits} times"
    if said.transitions is not None and sum(visits) - 1 > said.transitions:
        yield f"{path} went on {sum(visits) - 1} times, and may {said.transitions} times"


def _machines(plan: Plan) -> dict[str, Machine]:
    found = [each for flow in plan.flows.values() for each in flow.body.statements]
    return {each.name: each for each in found if isinstance(each, Machine)}
