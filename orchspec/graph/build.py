"""Builds the graph of a flow from its plan."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from orchspec.compiler.plan import (
    Arbitrate,
    Effect,
    EffectStep,
    FlowStep,
    Machine,
    Peers,
    Plan,
    Policy,
    Repeat,
    Route,
    Scope,
    SignalStep,
    Supervise,
    TaskStep,
)
from orchspec.graph.loops import peers_group, supervise_group
from orchspec.graph.reading import Frames, Reader, crossing
from orchspec.graph.topology import Edge, FlowGraph, Group, Node, NodeKind, without_implied
from orchspec.graph.words import budget_words, dispatch, duration, failures, needed, rules

if TYPE_CHECKING:
    from orchspec.compiler.plan import Block, Effect, Expr, Over, Statement

__all__ = ["graph_of"]


def graph_of(plan: Plan, flow: str) -> FlowGraph:
    """The graph of one flow of a plan, which has it."""
    found = plan.flows[flow]
    params = ", ".join(param.name for param in found.params)
    group = Group("flow", "flow", f"{flow}({params})", tuple(budget_words(found.budget)))
    _Builder(plan).fill(group, found.body, [], None)
    return group


class _Builder:
    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.reader = Reader(plan)
        self.count = 0

    def _id(self) -> str:
        self.count += 1
        return f"n{self.count}"

    def fill(self, group: Group, block: Block, outer: Frames, loop: Repeat | None) -> None:
        """Puts the statements of a block into a group."""
        frames = [block.slots, *outer]
        edges: dict[tuple[str, str], dict[str, None]] = {}
        again: dict[str, dict[str, None]] = {}
        start: Node | None = None
        if not outer and block.given:
            start = Node(self._id(), "input", ", ".join(block.slots[: block.given]))
            group.items.append(start)
        ids = [self._statement(group, statement, frames) for statement in block.statements]
        maker = {getattr(each, "slot", -1): name for each, name in zip(block.statements, ids, strict=True)}
        for statement, target in zip(block.statements, ids, strict=True):
            for slot, names in self._reads(statement, frames).items():
                source = maker.get(slot)
                if source is not None and source != target:
                    edges.setdefault((source, target), {}).update(names)
                elif slot < block.given and start is not None:
                    edges.setdefault((start.id, target), {}).update(names)
                elif slot < block.given and loop is not None:
                    again.setdefault(target, {}).update(names)
            for index in statement.needs:
                edges.setdefault((ids[index], target), {})
        made = [
            Edge(source, target, "data" if names else "order", crossing(names))
            for (source, target), names in edges.items()
        ]
        if start is not None:
            # What is handed in whole is named by the node it comes from.
            made = [replace(edge, label="") if edge.label == start.title else edge for edge in made]
        if start is not None:
            led_to = {edge.target for edge in made}
            first = [each for each in ids if each not in led_to]
            made += [Edge(start.id, each, "order") for each in first]
        group.edges.extend(without_implied(made))
        if loop is not None:
            self._close(group, loop, frames, again, ids)

    def _close(
        self, group: Group, loop: Repeat, frames: Frames, again: dict[str, dict[str, None]], ids: list[str]
    ) -> None:
        """What a loop goes on with: the next round, or, when its rounds are spent, its `else`."""
        kinds = {item.id: item.kind for item in group.items}
        end = next((each for each in reversed(ids) if kinds.get(each) == "until"), ids[-1] if ids else None)
        if end is None:
            return
        if again:
            group.edges.extend(Edge(end, target, "again", crossing(names)) for target, names in again.items())
        elif ids[0] != end:
            group.edges.append(Edge(end, ids[0], "again", "next round"))
        if loop.otherwise is not None:
            inner = Group(self._id(), "else", "else, when all rounds are spent")
            self.fill(inner, loop.otherwise, frames[1:], None)
            group.items.append(inner)
            group.edges.append(Edge(end, inner.id, "exhausted"))

    # -------------------------------------------------------------- statements

    def _statement(self, group: Group, statement: Statement, frames: Frames) -> str:
        name = self._id()
        match statement:
            case Repeat():
                title = f"repeat {statement.name}, up to {self.reader.text(statement.times, frames)} rounds"
                lines = [f"every {duration(statement.every_us)}"] if statement.every_us else []
                inner = Group(name, "repeat", title, tuple(lines))
                self.fill(inner, statement.body, frames, statement)
                group.items.append(inner)
            case Scope():
                lines = [*self._over(statement.over, statement.need, frames), *budget_words(statement.budget)]
                lines += self._tries(statement.policy)
                lines += self._guards(statement, frames)
                inner = Group(name, "scope", f"scope {statement.name}", tuple(lines))
                self.fill(inner, statement.body, frames, None)
                group.items.append(inner)
            case Route():
                self._route(group, name, statement, frames)
            case Machine():
                self._machine(group, name, statement, frames)
            case Supervise():
                group.items.append(supervise_group(self.plan, self.reader, name, statement, frames, self._id))
            case Peers():
                group.items.append(peers_group(self.plan, self.reader, name, statement, frames, self._id))
            case TaskStep():
                group.items.append(self._task(name, statement, frames))
            case EffectStep():
                group.items.append(self._effect(name, statement, frames))
                self._undo(group, name, statement.effect)
            case SignalStep():
                lines = [f"signal {statement.signal}", *self._over(statement.over, statement.need, frames)]
                lines += budget_words(statement.budget)
                if statement.timeout_us is not None:
                    lines.append(f"timeout {duration(statement.timeout_us)}")
                lines += self._guards(statement, frames)
                title = statement.name or statement.signal
                group.items.append(Node(name, "person", title, tuple(lines), statement.over is not None))
            case FlowStep():
                lines = [f"flow {statement.flow}", *self._over(statement.over, statement.need, frames)]
                lines += [*budget_words(statement.budget), *self._tries(statement.policy)]
                lines += self._guards(statement, frames)
                title = statement.name or statement.flow
                group.items.append(Node(name, "flow", title, tuple(lines), statement.over is not None))
            case _:
                group.items.append(self._small(name, statement, frames))
        return name

    def _route(self, group: Group, name: str, route: Route, frames: Frames) -> None:
        on = f" on {self.reader.text(route.subject, frames)}" if route.subject is not None else ""
        inner = Group(name, "scope", f"route {route.name}{on}")
        for arm in route.arms:
            cases = ", ".join(self.reader.text(pattern, frames) for pattern in arm.patterns)
            guard = f"when {self.reader.text(arm.when, frames)}" if arm.when is not None else ""
            words = " ".join(part for part in (f"case {cases}" if cases else "", guard) if part)
            part = Group(self._id(), "scope", words or "else")
            called = [each for each in arm.body.statements if getattr(each, "name", None) == ""]
            # What a call in place of a block gives is the value of the arm: nothing more is to be shown of it.
            body = replace(arm.body, statements=called) if called else arm.body
            self.fill(part, body, frames, None)
            inner.items.append(part)
        group.items.append(inner)

    def _machine(self, group: Group, name: str, statement: Machine, frames: Frames) -> None:
        """States as groups, transitions as edges between them."""
        inner = Group(name, "machine", f"machine {statement.name}")
        group.items.append(inner)
        ids = [self._id() for _ in statement.states]
        for place, (state, own) in enumerate(zip(statement.states, ids, strict=True)):
            kind = "initial " if place == statement.initial else "final " if state.final else ""
            lines = () if state.visits is None else (f"at most {state.visits} visits",)
            visit = Group(own, "state", f"{kind}state {state.name}", lines)
            self.fill(visit, state.body, frames, None)
            inner.items.append(visit)
            for way in state.transitions:
                there = [state.body.slots, *frames] if way.event == "done" else frames
                when = "" if way.when is None else f" when {self.reader.text(way.when, there)}"
                event: str = way.event
                if way.signal is not None:
                    event = f"{way.signal}({', '.join(self.reader.text(arg, frames) for arg in way.args)})"
                inner.edges.append(Edge(own, ids[way.target], "way", f"{event}{when}"))

    def _task(self, name: str, step: TaskStep, frames: Frames) -> Node:
        people = [each.agent for each in step.candidates if self.plan.agents[each.agent].kind == "human"]
        kind: NodeKind = "person" if people and len(people) == len(step.candidates) else "task"
        # The call of an arm has no name of its own.
        title, work = (step.name, [step.contract]) if step.name else (step.contract, [])
        lines = [*work, dispatch(step), *self._says(step), *self._over(step.over, step.need, frames)]
        if step.over is None:
            lines += needed(step.need)
        lines += budget_words(step.budget)
        lines += self._guards(step, frames)
        many = step.over is not None or step.pattern in ("all", "some", "first")
        return Node(name, kind, title, tuple(lines), many)

    def _says(self, step: TaskStep) -> list[str]:
        """The channels that those who may take a step may send on, and the effects that they may do."""
        agents = {each.agent for each in step.candidates}
        channels = [name for name, each in self.plan.channels.items() if agents.intersection(each.senders)]
        effects = dict.fromkeys(effect for name in sorted(agents) for effect in self.plan.agents[name].effects)
        lines = [f"may send on {', '.join(channels)}"] if channels else []
        return [*lines, f"may do {', '.join(effects)}"] if effects else lines

    def _effect(self, name: str, step: EffectStep, frames: Frames) -> Node:
        effect = self.plan.effects[step.effect]
        lines = [f"effect {step.effect}", *self._over(step.over, step.need, frames), *self._single(effect)]
        lines += [*budget_words(step.budget), *self._guards(step, frames)]
        return Node(name, "effect", step.name or step.effect, tuple(lines), step.over is not None)

    def _single(self, effect: Effect) -> list[str]:
        """How an effect stays single."""
        params = [[param.name for param in effect.params]]
        lines = [f"once for each {self.reader.text(effect.key, params)}"] if effect.key is not None else []
        if effect.idempotent:
            lines.append("may be repeated")
        if effect.check is not None:
            args = ", ".join(self.reader.text(arg, params) for arg in effect.check.args)
            lines.append(f"in doubt {effect.check.effect}({args}) says")
        if effect.in_doubt is not None:
            lines.append(f"in doubt {effect.in_doubt.who.agent} looks")
        return lines

    def _undo(self, group: Group, name: str, of: str) -> None:
        effect = self.plan.effects[of]
        if effect.undo is None:
            return
        names = [[*(param.name for param in effect.params), "result"]]
        args = ", ".join(self.reader.text(arg, names) for arg in effect.undo.args)
        undo = Node(self._id(), "undo", f"{effect.undo.effect}({args})", ("undoes it if what follows fails",))
        group.items.append(undo)
        group.edges.append(Edge(name, undo.id, "undo", "undo"))

    def _small(self, name: str, statement: Any, frames: Frames) -> Node:
        """Statements of one line or two."""
        text = self.reader.text
        match statement.kind:
            case "arbitrate":
                lines = list(rules(self.reader, statement, [["it"], *frames]))
                if statement.group is not None:
                    lines.insert(0, f"for each {text(statement.group, [['it'], *frames])}")
                if statement.early:
                    lines.append("stops the rest once it is certain")
                return Node(name, "arbitrate", statement.name, ("arbitrate", *lines))
            case "let":
                return Node(name, "let", statement.name, (f"= {text(statement.value, frames)}",))
            case "checkpoint":
                return Node(name, "checkpoint", statement.name, ("checkpoint",))
            case "eval":
                share = [] if statement.sample >= 1 else [f"{statement.sample:.3g} of all, nobody waits"]
                return Node(name, "let", statement.name, ("eval", f"{statement.contract}", dispatch(statement), *share))
            case "send":
                channel = self.plan.channels[statement.channel]
                values = [text(arg, frames) for arg in statement.args if arg != ["const", None]]
                to = ", ".join(each for each in channel.receivers if each != statement.sender)
                return Node(name, "checkpoint", f"send {channel.name}", (*values, f"to {to}"))
            case "wait":
                value = statement.value
                shown = duration(value[1]) if value[0] == "const" else text(value, frames)
                return Node(name, "checkpoint", "wait", (f"{'until' if statement.until else 'for'} {shown}",))
            case "revert":
                return Node(name, "undo", "revert", (f"undoes {statement.name}",))
            case "until":
                return Node(name, "until", "until", (text(statement.condition, frames),))
            case "give":
                title = "return" if len(frames) == 1 else "give"
                return Node(name, "give", title, (text(statement.value, frames),))
            case _:
                when = [f"when {text(statement.when, frames)}"] if statement.when is not None else []
                return Node(name, "fail", "fail", (text(statement.message, frames), *when))

    def _over(self, over: Over | None, need: Any, frames: Frames) -> list[str]:
        if over is None:
            return []
        limits = [f"width {self.reader.text(over.width, frames)}"] if over.width is not None else []
        limits += needed(need)
        told = f"for each {over.item} in {self.reader.text(over.items, frames)}"
        return [told, ", ".join(limits)] if limits else [told]

    def _guards(self, step: Any, frames: Frames) -> list[str]:
        only_if = [] if step.only_if is None else [f"only if {self.reader.text(step.only_if, frames)}"]
        inner = frames if step.over is None else [[step.over.item], *frames]
        return [*only_if, *failures(self.reader, step.on_failure, inner)]

    def _tries(self, policy: Policy) -> list[str]:
        times = [] if policy.timeout_us is None else [f"timeout {duration(policy.timeout_us)}"]
        return [*times, f"up to {policy.attempts} attempts"] if policy.attempts > 1 else times

    # -------------------------------------------------------------- reading

    def _reads(self, statement: Statement, frames: Frames) -> dict[int, dict[str, None]]:
        """The slots of the block's own frame that a statement reads, and as what."""
        found: dict[int, dict[str, None]] = {}
        for expr, inner in _expressions(statement):
            for slot, names in self.reader.reads(expr, [*inner, *frames], len(inner)).items():
                found.setdefault(slot, {}).update(names)
        return found


def _expressions(statement: Any) -> Iterator[tuple[Expr, list[list[str]]]]:
    """The expressions of a statement, each with the frames that stand between it and its block, innermost first."""
    over = getattr(statement, "over", None)
    item = [[over.item]] if over is not None else []
    match statement:
        case Repeat():
            yield statement.times, []
            yield from _inside(statement.body, [])
            if statement.otherwise is not None:
                yield from _inside(statement.otherwise, [])
        case Scope():
            yield from _inside(statement.body, [])
        case Route():
            if statement.subject is not None:
                yield statement.subject, []
            for arm in statement.arms:
                for expr in (*arm.patterns, arm.when):
                    if expr is not None:
                        yield expr, []
                yield from _inside(arm.body, [])
        case Machine():
            for state in statement.states:
                yield from _inside(state.body, [])
        case Arbitrate():
            yield statement.source, []
            for expr in [statement.group, *(rule.expr for rule in statement.rules)]:
                if expr is not None:
                    yield expr, [["it"]]
        case _:
            for handoff in getattr(statement, "handoffs", ()):
                if handoff.when is not None:
                    yield handoff.when, [["result"]]
            for name in ("value", "condition", "message", "when", "only_if", "width"):
                expr = getattr(statement, name, None)
                if expr is not None:
                    yield expr, []
            for arg in getattr(statement, "args", ()):
                yield arg, item
    if over is not None:
        yield over.items, []
        if over.width is not None:
            yield over.width, []


def _inside(block: Block, frames: list[list[str]]) -> Iterator[tuple[Expr, list[list[str]]]]:
    for statement in block.statements:
        for expr, inner in _expressions(statement):
            yield expr, [*inner, list(block.slots), *frames]
