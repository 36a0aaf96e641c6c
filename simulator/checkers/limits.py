"""S8, limits: no pool hands out more than it has, and loops stay within the plan.

Slots and rates are counted anew from who was granted what and when: open grants never above the slots, tokens in any
window never above the burst and what was refilled in it. Tokens of a model are those that attempts may take, less
those that they gave back when they ended. Of agents, people and gates the journal tells; calls of tools
are not journaled, so of those a chronicle tells that listened while they were granted (one of a store did not). Of
loops it is counted what began in them: tasks of a fan-out or a delegation at once, rounds, hops along permitted edges,
levels of delegation, visits of a state, transitions.

A crash ends an epoch: what its engine had granted is gone with it, and what the next one holds again is counted anew.
A bucket is not filled by a crash, so windows span epochs.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from fractions import Fraction
from itertools import pairwise
from typing import TYPE_CHECKING

from orchspec.compiler.plan import Machine, Peers, Supervise
from orchspec.runtime.kernel.commands import Command, HoldGrant, ReleaseGrant, RequestGrant
from orchspec.runtime.kernel.delegation import Rounds
from orchspec.runtime.kernel.each import Each
from orchspec.runtime.kernel.events import EngineRecovered, TaskEnrolled
from orchspec.runtime.kernel.frames import Activity, Frame
from orchspec.runtime.kernel.machines import MachineOp, Traversing
from orchspec.runtime.kernel.repeats import Repeating
from orchspec.runtime.kernel.steps import FanOutStep
from orchspec.runtime.kernel.turns import Turns
from orchspec.simulator.checkers.violation import Violation

if TYPE_CHECKING:
    from orchspec.compiler.plan import Model, Plan, Rate, Statement
    from orchspec.runtime.why.story import Happening, Story
    from orchspec.simulator.chaos.chronicle import Chronicle

__all__ = ["check"]


def check(chronicle: Chronicle) -> Iterator[Violation]:
    """Grants above slots or rates, and loops that go on for longer than they may."""
    yield from _granted(chronicle)
    yield from _called(chronicle)
    for told in chronicle.runs.values():
        loops = _Loops(chronicle.story(told.run))
        for here in loops.story.happenings.values():
            for said in loops.broken(here):
                yield Violation("S8", said, told.run, step=here.path, node=here.node)


# ---------------------------------------------------------------- slots and rates


class _Window:
    """Tokens of a rate, counted from outside: `take` says whether there was one."""

    def __init__(self, rate: Rate) -> None:
        self._rate = rate
        self._left = rate.count * rate.per_us  # in units of 1 / per_us of a token, so that refilling is exact
        self._at_us = 0

    def take(self, at_us: int) -> bool:
        rate = self._rate
        if at_us > self._at_us:
            self._left = min(self._left + (at_us - self._at_us) * rate.count, rate.count * rate.per_us)
            self._at_us = at_us
        self._left -= rate.per_us
        return self._left >= 0


def _limits(plan: Plan) -> tuple[dict[str, int], dict[str, _Window]]:
    """The slots and the rates of whoever is granted, by name."""
    agents = [(each.name, each.slots_max, each.rate) for each in plan.agents.values()]
    gates = [(name, each.slots_max, each.rate) for name, each in plan.gates.items()]
    slots = {name: most for name, most, _ in (*agents, *gates) if most is not None}
    rates = {name: _Window(rate) for name, _, rate in (*agents, *gates) if rate is not None}
    return slots, rates


class _Spending:
    """The limits of a model, counted from outside. What was used beyond what was taken is not of our doing."""

    def __init__(self, model: Model) -> None:
        self._requests = _Window(model.rate) if model.rate is not None else None
        self._rate = model.token_rate
        self._tokens = Fraction(self._rate.count if self._rate is not None else 0)
        self._at_us = 0

    def take(self, amount: int, at_us: int) -> bool:
        """Whether an attempt that may take so many tokens was let through rightly."""
        asked = self._requests is None or self._requests.take(at_us)
        if self._rate is None:
            return asked
        self._refill(self._rate, at_us)
        self._tokens -= min(amount, self._rate.count)
        return self._tokens >= 0 and asked

    def give_back(self, amount: int, used: int, at_us: int) -> None:
        """An attempt has ended that took so many, and used so many."""
        if self._rate is not None:
            self._refill(self._rate, at_us)
            unused = max(0, min(amount, self._rate.count) - used)
            self._tokens = min(self._tokens + unused, Fraction(self._rate.count))

    def _refill(self, rate: Rate, at_us: int) -> None:
        passed = max(0, at_us - self._at_us)
        self._tokens = min(self._tokens + Fraction(passed * rate.count, rate.per_us), Fraction(rate.count))
        self._at_us += passed


class _Drawn:
    """Which attempts draw on which limits of models, read off the commands that asked for them."""

    def __init__(self, plan: Plan) -> None:
        self._models = {name: _Spending(each) for name, each in plan.models.items() if each.rate or each.token_rate}
        self._asked: dict[tuple[str, int, int], RequestGrant] = {}
        self._open: dict[tuple[str, int, int], tuple[str, int]] = {}

    def commanded(self, run: str, command: Command, at_us: int) -> None:
        """A request that may draw, or an end that gives back."""
        if isinstance(command, RequestGrant) and command.draws:
            self._asked[run, command.place, command.attempt] = command
        elif isinstance(command, ReleaseGrant):
            key = run, command.place, command.attempt
            self._asked.pop(key, None)
            model, amount = self._open.pop(key, ("", 0))
            if model in self._models and command.used is not None:
                self._models[model].give_back(amount, command.used, at_us)

    def granted(self, run: str, event: TaskEnrolled) -> str:
        """The model that was drawn on beyond its limits, if one was."""
        command = self._asked.pop((run, event.place, event.attempt), None)
        if command is None:
            return ""
        model, amount = command.draws[command.candidates.index(event.agent)]
        if model not in self._models:
            return ""
        self._open[run, event.place, event.attempt] = model, amount
        return "" if self._models[model].take(amount, event.time) else model


def _granted(chronicle: Chronicle) -> Iterator[Violation]:
    slots, rates = _limits(chronicle.plan)
    drawn = _Drawn(chronicle.plan)
    held: dict[tuple[str, int, int], str] = {}
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
            elif isinstance(command, HoldGrant):
                held[record.run, command.place, command.attempt] = command.agent or "+".join(command.tools)
        if isinstance(event, TaskEnrolled) and not any(what == "ignored" for what, _ in record.decided):
            name = event.agent
            others = list(held.values())
            held[record.run, event.place, event.attempt] = name
            for each in _broken(chronicle.plan, name, others, slots):
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


def _called(chronicle: Chronicle) -> Iterator[Violation]:
    """Calls of tools; those that critical sections hold whole are left out: who is inside is not told."""
    plan = chronicle.plan
    enrolled = [record.event for _, record in chronicle.order if isinstance(record.event, TaskEnrolled)]
    whole = {tool for event in enrolled for tool in _section(plan, event.agent)}
    for name, calls in chronicle.calls.items():
        tool = plan.tools[name]
        if name in whole:
            continue
        window = _Window(tool.rate) if tool.rate is not None else None
        busy = 0
        for at_us, change in calls:
            busy = busy + change if change else 0
            if change > 0 and window is not None and not window.take(at_us):
                yield Violation("S8", f"{name} is called at {at_us / 1e6:g} s, more often than its rate allows")
            if tool.slots is not None and busy > tool.slots:
                yield Violation("S8", f"{name} has {tool.slots} slots, and {busy} calls at {at_us / 1e6:g} s")


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
