"""Critical sections wait for each other, and for those inside them, without a circle.

Who may wait for whom: what holds a tool by a section waits for the agents inside that have few slots, for the tools
that agents inside use besides, and for the tools of sections inside; an agent with few slots whose task stands outside
of a section over a tool that it uses waits for that tool. A circle among these can come to a standstill, so it is
refused. So is a lead that needs its last slot for what it delegates.
"""

from __future__ import annotations

from collections.abc import Iterator

from orchspec.compiler.checks.calls import called_first
from orchspec.compiler.codes import shared as codes
from orchspec.compiler.context import Context
from orchspec.compiler.model import AgentInfo, FlowInfo, StepInfo, SuperviseInfo, ToolInfo
from orchspec.grammar.diagnostics import Label
from orchspec.grammar.syntax import Node, Peers, Scope, Step, Supervise, children
from orchspec.slotted import dataclass

__all__ = ["last_slots", "sections"]

_Resource = AgentInfo | ToolInfo


def _asked(step: StepInfo) -> Iterator[AgentInfo]:
    yield from (candidate.agent for candidate in step.candidates)
    yield from (link.who.agent for link in step.on_failure if link.who is not None)


@dataclass(frozen=True, slots=True, eq=False)
class _Edge:
    """`waits` may wait for `wanted` while it is held by others; `at` says where."""

    wanted: _Resource
    at: Node


def sections(context: Context) -> None:
    """Reports sections that ask for a tool again which is held around them, and circles of waiting."""
    if not any(scope.tools for scope in context.checked.scopes.values()):
        return
    reader = _Reader(context)
    for flow in reversed(called_first(context)):  # callers first: what they hold is known when a flow is read
        reader.flow(flow)
    reader.report_circle()


_Held = dict[ToolInfo, Scope]


def last_slots(context: Context) -> None:
    """Reports leads that delegate to themselves what nobody else does, with no slot for it."""
    for step in context.checked.steps.values():
        if not isinstance(step, SuperviseInfo) or not step.leads:
            continue
        workers = [worker.agent for worker in step.workers]
        for lead in {candidate.agent: None for candidate in step.leads}:
            if lead not in workers or lead.open or lead.policy.slots is None or lead.policy.slots[1] > 1:
                continue
            others = {contract for worker in workers if worker is not lead for contract in worker.fulfills}
            alone = [each for each in lead.fulfills if each is not step.contract and each not in others]
            if alone:
                context.report.add(
                    codes.LAST_SLOT,
                    step.node.name,
                    lead=lead.name,
                    name=step.shown,
                    contract=alone[0].name,
                    labels=[Label(lead.node.name.span, "its slots")],
                )


class _Reader:
    """Walks flows with the tools that may be held where it is, and those of them that are held on every way there."""

    def __init__(self, context: Context) -> None:
        self.context = context
        self.edges: dict[_Resource, list[_Edge]] = {}
        self._may: dict[FlowInfo, _Held] = {}
        self._must: dict[FlowInfo, _Held] = {}

    def flow(self, flow: FlowInfo) -> None:
        """Reads a flow all of whose callers have been read."""
        self._inside(flow.node, self._may.get(flow, {}), self._must.get(flow, {}))

    def _called(self, flow: FlowInfo, may: _Held, must: _Held) -> None:
        self._may.setdefault(flow, {}).update(may)
        always = self._must.get(flow)
        self._must[flow] = must if always is None else {tool: at for tool, at in always.items() if tool in must}

    def _inside(self, node: Node, may: _Held, must: _Held) -> None:
        for part in children(node):
            if isinstance(part, Step | Supervise | Peers):
                step = self.context.checked.steps.get(part)
                if step is not None:
                    self._step(step, may, must)
            elif isinstance(part, Scope) and part in self.context.checked.scopes:
                self._scope(part, may, must)
            else:
                self._inside(part, may, must)

    def _scope(self, node: Scope, may: _Held, must: _Held) -> None:
        own: _Held = {}
        for tool in self.context.checked.scopes[node].tools:
            around = may.get(tool)
            if around is not None:
                label = Label(around.name.span, "held from here on")
                self.context.report.add(
                    codes.SECTION_TWICE, node.name, tool=tool.name, section=around.name.text, labels=[label]
                )
                continue
            for other in may:
                self._waits(other, tool, node.name)
            own[tool] = node
        self._inside(node, {**may, **own}, {**must, **own})

    def _step(self, step: StepInfo, may: _Held, must: _Held) -> None:
        if step.flow is not None:
            self._called(step.flow, may, must)
        for agent in dict.fromkeys(_asked(step)):
            few = agent.policy.slots is not None
            for tool in may:
                if few:
                    self._waits(tool, agent, step.node.name)
            for tool in agent.tools:
                if tool in must:
                    continue
                if few:
                    self._waits(agent, tool, step.node.name)
                for other in may:
                    if other is not tool:
                        self._waits(other, tool, step.node.name)

    def _waits(self, waits: _Resource, wanted: _Resource, at: Node) -> None:
        edges = self.edges.setdefault(waits, [])
        if all(edge.wanted is not wanted for edge in edges):
            edges.append(_Edge(wanted, at))

    def report_circle(self) -> None:
        """Reports one circle through a tool that a section holds, with the place of each of its edges."""
        held = [tool for scope in self.context.checked.scopes.values() for tool in scope.tools]
        for tool in dict.fromkeys(held):
            path = self._way_back(tool)
            if path is not None:
                names = [tool.name, *(edge.wanted.name for edge in path)]
                labels = [
                    Label(edge.at.span, f"`{waits}` may wait here for `{edge.wanted.name}`")
                    for waits, edge in zip(names, path, strict=False)
                ]
                self.context.report.add(
                    codes.SECTION_CIRCLE,
                    path[0].at,
                    circle=" for ".join(f"`{name}`" for name in names),
                    labels=labels[1:],
                )
                return

    def _way_back(self, start: ToolInfo) -> list[_Edge] | None:
        """The shortest way along edges from a tool back to itself, or none."""
        paths: list[list[_Edge]] = [[edge] for edge in self.edges.get(start, ())]
        seen: set[_Resource] = set()
        while paths:
            longer: list[list[_Edge]] = []
            for path in paths:
                last = path[-1].wanted
                if last is start:
                    return path
                if last not in seen:
                    seen.add(last)
                    longer.extend([*path, edge] for edge in self.edges.get(last, ()))
            paths = longer
        return None
