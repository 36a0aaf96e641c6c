"""Bounds of machines: how often each state is visited at most, and the cheapest way to an end.

At worst a machine spends its visits on the dearest states: a state is visited as often as its `visits` allow, once if
it lies on no circle, and at most once between two visits of bounded states of its circle else (the rest of the circle
has no way round that avoids them, which the compiler holds). All visits together are one more than `transitions`. At
best it takes the shortest way from the initial state to a final one (E. W. Dijkstra, 1959); a visit that is left by
anything but `done` may have taken nothing.
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence

from orchspec.compiler.bounds.journal import Writing, writing
from orchspec.compiler.bounds.metrics import EMPTY, LATENCY, SIZE, SUMMED, WORK, Bound, all_of
from orchspec.compiler.bounds.ranges import INF, NOTHING, Number, Range, Term, scaled, summed
from orchspec.compiler.bounds.shapes import ANY, Shape
from orchspec.compiler.bounds.statements import INDEX_DIGITS, own
from orchspec.compiler.bounds.values import Known
from orchspec.compiler.bounds.walk import Walk, bounded
from orchspec.compiler.plan import Machine, State

__all__ = ["circles"]


@bounded("machine")
def _machine(walk: Walk, statement: Machine, known: Known, path: int) -> tuple[Bound, Shape]:
    bounds: list[Bound] = []
    for state in statement.states:
        inner = path + len(state.name) + INDEX_DIGITS
        bound, _ = walk.block(state.body, walk.frame(state.body, known, [ANY, ANY]), inner)
        entered = own(statement.node, f"`{state.name}`", inner, Writing(0, 1, commands=2, messages=2))
        bounds.append(all_of([bound, entered, *_listening(statement, state, inner)]))
    visits = _visits_most(statement)
    together = INF if statement.transitions is None else statement.transitions + 1
    found = list(all_of(bounds) if bounds else EMPTY)
    for index in (*SUMMED, LATENCY):
        worst = _dearest(statement, [bound[index] for bound in bounds], visits, together)
        best = _cheapest(statement, [bound[index].best for bound in bounds])
        found[index] = Range(min(best, worst.worst), worst.worst, worst.term)
    for index in range(SIZE):
        if index not in SUMMED and index != LATENCY:
            found[index] = Range(0, found[index].worst, found[index].term)
    return found, ANY


def _listening(machine: Machine, state: State, path: int) -> list[Bound]:
    """What a visit writes of the signals that it listens to, and how long it rests where it does nothing else.

    As at a step with a signal: each of them comes once, and once more to be refused.
    """
    signals = [way for way in state.transitions if way.signal is not None]
    if not signals:
        return []
    found = [NOTHING] * SIZE
    what = f"`{state.name}`: signals"
    if not state.body.statements and all(way.event != "done" for way in state.transitions):
        found[LATENCY] = found[WORK] = Range(
            0, INF, Term(machine.node, what, INF, f"`{state.name}` waits for a signal for ever")
        )
    count = len(signals)
    wrote = Writing(0, 3 * count, commands=6 * count, messages=2 * count, payloads=count)
    writing(found, wrote, machine.node, what, path + max(len(way.signal or "") for way in signals) + INDEX_DIGITS)
    return [found]


def circles(machine: Machine) -> list[int]:
    """The number of the strongly connected part of each state; states on no circle have -1 (R. E. Tarjan, 1972)."""
    ways = [[way.target for way in state.transitions] for state in machine.states]
    index: dict[int, int] = {}
    low: dict[int, int] = {}
    part = [-1] * len(ways)
    stack: list[int] = []
    on_stack: set[int] = set()
    parts = 0
    for root in range(len(ways)):
        if root in index:
            continue
        work = [(root, iter(ways[root]))]
        index[root] = low[root] = len(index)
        stack.append(root)
        on_stack.add(root)
        while work:
            state, following = work[-1]
            target = next(following, None)
            if target is not None:
                if target not in index:
                    index[target] = low[target] = len(index)
                    stack.append(target)
                    on_stack.add(target)
                    work.append((target, iter(ways[target])))
                elif target in on_stack:
                    low[state] = min(low[state], index[target])
                continue
            work.pop()
            if work:
                low[work[-1][0]] = min(low[work[-1][0]], low[state])
            if low[state] == index[state]:
                members = []
                while True:
                    member = stack.pop()
                    on_stack.discard(member)
                    members.append(member)
                    if member == state:
                        break
                if len(members) > 1 or state in ways[state]:
                    for member in members:
                        part[member] = parts
                    parts += 1
    return part


def _visits_most(machine: Machine) -> list[Number]:
    """How often each state is visited at most, by `visits` and the circles alone."""
    part = circles(machine)
    spent: dict[int, Number] = {}
    for state, number in zip(machine.states, part, strict=True):
        if number >= 0 and state.visits is not None:
            spent[number] = spent.get(number, 0) + state.visits
    found: list[Number] = []
    for state, number in zip(machine.states, part, strict=True):
        if number < 0:
            found.append(1 if state.visits is None else min(1, state.visits))
        elif state.visits is not None:
            found.append(state.visits)
        elif machine.transitions is not None:
            found.append(machine.transitions + 1)
        else:
            found.append(spent.get(number, INF) + 1)
    return found


def _dearest(machine: Machine, ranges: Sequence[Range], visits: Sequence[Number], together: Number) -> Range:
    """The most that so many visits come to: the dearest states first, each as often as it may be visited."""
    left = together
    parts: list[Range] = []
    for state in sorted(range(len(ranges)), key=lambda state: -ranges[state].worst):
        if left <= 0 or not ranges[state].worst:
            break
        turns = min(visits[state], left)
        left -= turns
        name = machine.states[state].name
        why = f"nothing bounds the visits of `{name}`" if turns == INF else ""
        parts.append(scaled(ranges[state], 0, turns, f"{turns} visits of `{name}`", why))
    return summed(parts)


def _cheapest(machine: Machine, least: Sequence[Number]) -> Number:
    """The least that lies on a way from the initial state to the end of a final one."""
    if not any(least):
        return 0
    reached: dict[int, Number] = {}
    ways: list[tuple[Number, int]] = [(0, machine.initial)]
    while ways:
        taken, state = heapq.heappop(ways)
        if state in reached:
            continue
        reached[state] = taken
        for way in machine.states[state].transitions:
            if way.target not in reached:
                heapq.heappush(ways, (taken + (least[state] if way.event == "done" else 0), way.target))
    ends = [taken + least[state] for state, taken in reached.items() if machine.states[state].final]
    return min(ends, default=0)
