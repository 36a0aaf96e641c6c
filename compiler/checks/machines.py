"""Machines begin, end, and do not go round for ever."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from orchspec.compiler.checks.bounds import limit_span
from orchspec.compiler.circles import Graph, circle, graph_of, knots, reachable
from orchspec.compiler.codes import machines as codes
from orchspec.compiler.codes.budgets import BELOW_BEST_CASE
from orchspec.compiler.context import Context
from orchspec.compiler.extents import settled
from orchspec.compiler.model import FlowInfo, MachineInfo, StateInfo
from orchspec.compiler.report import word
from orchspec.grammar.diagnostics import Label
from orchspec.grammar.syntax import MachineDecl, On

__all__ = ["machines", "rests"]


def machines(context: Context) -> None:
    """Reports machines without a beginning or an end, states that lead nowhere, and circles that nothing bounds."""
    for flow in context.checked.flows.values():
        if flow.machine is not None:
            _machine(context, flow, flow.machine)


def _machine(context: Context, flow: FlowInfo, machine: MachineInfo) -> None:
    report, node = context.report, flow.node
    assert isinstance(node, MachineDecl)
    initial = [state for state in node.states if state.kind == "initial"]
    if len(initial) != 1:
        found = "no initial state" if not initial else f"{len(initial)} initial states"
        labels = [Label(state.name.span, "an initial state") for state in initial]
        at = initial[1].name if initial else node.name
        report.absent(codes.BAD_INITIAL, at, machine=flow.name, found=found, labels=labels)
    states = list(machine.states.values())
    if not any(state.node.kind == "final" for state in states):
        report.absent(codes.NO_FINAL, node.name, machine=flow.name)
        return
    for state in states:
        _state(context, state)
    _paths(context, flow, machine, states)


def _state(context: Context, state: StateInfo) -> None:
    report, name = context.report, state.node.name
    clauses = [item for item in state.node.body if isinstance(item, On)]
    if state.node.kind == "final":
        if clauses:
            report.add(codes.LEAVES_FINAL, clauses[0], name=name.text)
        return
    last: dict[str, On] = {}
    for on in clauses:
        event = _event(on)
        first = last.get(event)
        if first is not None:
            report.add(codes.DEAD_TRANSITION, on, labels=[Label(first.span, "this one is always taken before it")])
            continue
        holds = True if on.when is None else settled(context.checked, on.when)
        if holds:
            last[event] = on
        elif holds is False and on.when is not None:
            report.add(codes.DEAD_TRANSITION, on, labels=[Label(on.when.span, "it never holds")])
    if "done" not in last and not rests(state):
        report.absent(codes.NO_WAY_ON, name, name=name.text)
    asked = any(on.event.text == "exhausted" for on in clauses)
    visits = any(getattr(getattr(item, "name", None), "text", "") == "visits" for item in state.node.body)
    if asked and not visits:
        report.absent(codes.NO_EXHAUSTED, name, name=name.text)


def rests(state: StateInfo) -> bool:
    """Whether a state does nothing but listen to signals, and is never done."""
    nothing = bool(state.heard) and not state.body.statements
    return nothing and all(item.event.text != "done" for item in state.node.body if isinstance(item, On))


def _event(on: On) -> str:
    """What a transition is on; of signals, those with the same arguments."""
    return " ".join((on.event.text, *(arg.span.text for arg in on.args or ())))


def _paths(context: Context, flow: FlowInfo, machine: MachineInfo, states: Iterable[StateInfo]) -> None:
    ways = [
        (name, target.node.name.text, state, on) for name, state in machine.states.items() for on, target in state.ways
    ]
    graph = graph_of((name, target) for name, target, _, _ in ways)
    # Once the visits of a state are spent, only its `exhausted` leads on from it.
    endless = graph_of(
        (name, target) for name, target, state, on in ways if state.visits is None or on.event.text == "exhausted"
    )
    machine.cycling = {machine.states[name].node for knot in knots(graph) for name in knot}
    backwards = graph_of((target, name) for name, target, _, _ in ways)
    report = context.report
    finals = [name for name, state in machine.states.items() if state.node.kind == "final"]
    reached = set() if machine.initial is None else reachable(graph, [machine.initial.node.name.text])
    ending = reachable(backwards, finals)
    for state in states:
        name = state.node.name.text
        if machine.initial is not None and name not in reached:
            report.absent(codes.UNREACHABLE_STATE, state.node.name, name=name)
    trapped = [name for name in machine.states if name in reached and name not in ending]
    _traps(context, machine, graph, trapped)
    if flow.budget.transitions is not None:
        _shortest(context, flow, machine, graph, finals)
        return
    for knot in knots(endless):
        if knot[0] not in reached or knot[0] not in ending:
            continue  # that nothing leads there, or out of it, is the mistake
        cycle = [name for name, _ in circle(endless, knot[0])]
        nodes = [machine.states[name].node for name in cycle]
        report.absent(
            codes.UNBOUNDED_MACHINE,
            nodes[0].name,
            states=" and ".join(f"`{name}`" for name in cycle),
            follow="follow each other" if len(cycle) > 1 else "follows itself",
            labels=[Label(node.name.span, "on the circle") for node in nodes],
            notes=["write `visits = 3` in a state of the circle, or `budget { transitions <= 12 }` in the machine"],
        )


def _shortest(context: Context, flow: FlowInfo, machine: MachineInfo, graph: Graph[str], finals: Sequence[str]) -> None:
    """Reports a budget of transitions that no way to an end keeps."""
    most = flow.budget.transitions
    if machine.initial is None or most is None:
        return
    away = {machine.initial.node.name.text: 0}
    pending = list(away)
    for name in pending:
        for target in graph.get(name, ()):
            if target not in away:
                away[target] = away[name] + 1
                pending.append(target)
    least = min((away[name] for name in finals if name in away), default=0)
    if least > most:
        context.report.add(
            BELOW_BEST_CASE,
            limit_span(flow.node, "transitions"),
            place=f"`{flow.name}`",
            limit=word(most, "transition"),
            best=str(least),
        )


def _traps(context: Context, machine: MachineInfo, graph: Graph[str], trapped: Sequence[str]) -> None:
    """Reports states without a way to a final one; those that follow from each other are one mistake."""
    told: set[str] = set()
    together = graph_of(pair for name in trapped for to in graph.get(name, ()) for pair in ((name, to), (to, name)))
    for name in trapped:
        if name in told:
            continue
        trap = reachable(together, [name])
        told |= trap
        names = [other for other in trapped if other in trap]
        context.report.absent(
            codes.NO_WAY_OUT,
            machine.states[name].node.name,
            names=" or ".join(f"`{other}`" for other in names),
            labels=[Label(machine.states[other].node.name.span, "nor from here") for other in names[1:]],
        )
