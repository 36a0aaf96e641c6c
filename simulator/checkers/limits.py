"""S8, limits: no pool hands out more than it has, and loops stay within the plan.

Slots and rates are counted anew from who was granted what and when: open grants never above the slots, tokens in any
window never above the burst and what was refilled in it. Tokens of a model are those that attempts may take, less
those that they gave back when they ended. Of agents, people and gates the journal tells; calls of tools are not
journaled, so of those a chronicle tells that listened while they were granted. One of a store did not: there the
numbers of calls that attempts tell show a rate that was broken, where an agent has one tool. What loops may do is held
by `loops`.

A crash ends an epoch: what its engine had granted is gone with it, and what the next one holds again is counted anew.
A bucket is not filled by a crash, so windows span epochs.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

from orchspec.runtime.kernel.commands import HoldGrant, ReleaseGrant, RequestGrant
from orchspec.runtime.kernel.events import EngineRecovered, TaskEnrolled, TaskFulfilled
from orchspec.simulator.chaos.told import was_ignored
from orchspec.simulator.checkers.loops import broken_loops
from orchspec.simulator.checkers.spending import Drawn
from orchspec.simulator.checkers.turns import Window
from orchspec.simulator.checkers.violation import Violation

if TYPE_CHECKING:
    from orchspec.compiler.plan import Plan, Rate
    from orchspec.simulator.chaos.told import Chronicle, RunTold

__all__ = ["called", "check", "granted", "of_run"]

_SPANS_MAX: Final = 1_000
"""So many attempts with calls of a tool are looked at, the last ones: every two of them bound a time."""


def check(chronicle: Chronicle) -> Iterator[Violation]:
    """Grants above slots or rates."""
    yield from granted(chronicle, chronicle.plan)
    yield from called(chronicle, chronicle.plan) if chronicle.calls else _counted(chronicle)


def of_run(chronicle: Chronicle, told: RunTold) -> Iterator[Violation]:
    """Loops and fan-outs of a run that go on for longer than they may, or wider."""
    for here, said in broken_loops(chronicle.story(told.run)):
        yield Violation("S8", said, told.run, step=here.path, node=here.node)


def _limits(plan: Plan) -> tuple[dict[str, int], dict[str, Window]]:
    """The slots and the rates of whoever is granted, by name."""
    agents = [(each.name, each.slots_max, each.rate) for each in plan.agents.values()]
    gates = [(name, each.slots_max, each.rate) for name, each in plan.gates.items()]
    slots = {name: most for name, most, _ in (*agents, *gates) if most is not None}
    rates = {name: Window(rate) for name, _, rate in (*agents, *gates) if rate is not None}
    return slots, rates


def granted(chronicle: Chronicle, plan: Plan) -> list[Violation]:
    """Grants of agents, people, gates and sections above what a plan allows."""
    found: list[Violation] = []
    slots, rates = _limits(plan)
    drawn = Drawn(chronicle.plan)
    held = _Held(plan)
    gates: dict[tuple[str, int, int], tuple[str, ...]] = {}
    epoch = 1
    for record in chronicle.order:
        event, run = record.event, record.run
        if isinstance(event, EngineRecovered) and event.epoch != epoch:
            epoch = event.epoch
            held = _Held(plan)
        if isinstance(event, TaskEnrolled) and not was_ignored(record):
            name = event.agent
            names = (*gates.pop((run, event.place, event.attempt), ()), name) if gates else (name,)
            said = held.broken(names, slots)
            held.take(run, event.place, event.attempt, names)
            if name in rates and not rates[name].take(event.time):
                said.append(f"{name} is granted more often than its rate allows")
            model = drawn.granted(run, event) if drawn.limited else ""
            if model:
                said.append(f"{name} is granted though {model} has not so much left of its limits")
            if said:
                path = record.kernel.path(event.place)
                found.extend(Violation("S8", each, run, record.seq, path) for each in said)
        # What it led to comes after it: a section in which nothing takes time is given back at once.
        for command in record.commands:
            if isinstance(command, ReleaseGrant):
                held.release(run, command.place, command.attempt)
            elif isinstance(command, RequestGrant):
                if command.gates or gates:
                    gates[run, command.place, command.attempt] = command.gates
            elif isinstance(command, HoldGrant):
                kept = command.agent or "+".join(command.tools)
                held.take(run, command.place, command.attempt, (*command.gates, kept))
            else:
                continue
            if drawn.limited:
                drawn.commanded(run, command, event.time)
    return found


class _Held:
    """Who holds what, and how many hold each: of an agent, a gate, or a tool that a critical section holds whole."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._tools = bool(plan.tools)
        self._names: dict[str, dict[int, tuple[str, ...]]] = {}
        self._counts: dict[str, int] = {}

    def take(self, run: str, place: int, attempt: int, names: tuple[str, ...]) -> None:
        """An attempt was granted all of these."""
        of = self._names.get(run)
        if of is None:
            of = self._names[run] = {}
        where = place << 32 | attempt
        if where in of:
            self.release(run, place, attempt)
        of[where] = names
        for name in names:
            self._counts[name] = self._counts.get(name, 0) + 1

    def release(self, run: str, place: int, attempt: int) -> None:
        """An attempt has ended, or never was granted."""
        of = self._names.get(run)
        if of is not None:
            for name in of.pop(place << 32 | attempt, ()):
                self._counts[name] -= 1

    def broken(self, names: tuple[str, ...], slots: dict[str, int]) -> list[str]:
        """What is broken if one more is granted these."""
        said: list[str] = []
        for name in names:
            held = self._counts.get(name, 0)
            if held and name in slots and held >= slots[name]:
                said.append(f"{name} has {slots[name]} slots, and this grant is number {held + 1}")
            if self._tools:
                said.extend(
                    f"{tool} is held whole, and is granted whole once more"
                    for tool in _section(self._plan, name)
                    if any(tool in _section(self._plan, other) for other, count in self._counts.items() if count)
                )
        return said


def _section(plan: Plan, name: str) -> list[str]:
    """The tools of a critical section, whose grant is named after all of them; none for an agent or a gate."""
    names = name.split("+")
    return names if all(each in plan.tools for each in names) else []


def called(chronicle: Chronicle, plan: Plan) -> Iterator[Violation]:
    """Calls of tools; those that critical sections hold whole are left out: who is inside is not told."""
    enrolled: Iterator[Any] = (each.event for told in chronicle.runs.values() for each in told.happened(TaskEnrolled))
    whole = {tool for name in {event.agent for event in enrolled} for tool in _section(plan, name)}
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
    alone = {name: plan.tools[agent.tools[0]] for name, agent in plan.agents.items() if len(agent.tools) == 1}
    sole = {name: tool for name, tool in alone.items() if tool.rate is not None}
    if not sole:
        return
    granted: dict[tuple[str, int, int], tuple[int, str]] = {}
    spans: dict[str, list[tuple[int, int, int]]] = {}
    for record in chronicle.order:
        event = record.event
        if isinstance(event, TaskEnrolled):
            granted[record.run, event.place, event.attempt] = event.time, event.agent
        elif isinstance(event, TaskFulfilled) and event.tool_calls:
            since_us, agent = granted.get((record.run, event.place, event.attempt), (0, ""))
            if agent in sole:
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
