"""Advice on time: what may be waited for, or worked on, without end.

A person may never answer, a signal never come, an agent or the target of an effect hang. A `timeout` bounds an attempt:
of the step, of who does it, or of a policy of these. So does the time of whatever stands around it: a `timeout` or
`budget { time }` of a step, a scope or a flow, also of all places that call the flow. What agents and effects lack is
told once, at their declaration, with the steps that would wait.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from orchspec.compiler.checks.calls import called_first
from orchspec.compiler.checks.machines import rests
from orchspec.compiler.codes import declarations as codes
from orchspec.compiler.codes import effects as effect_codes
from orchspec.compiler.context import Context
from orchspec.compiler.model import AgentInfo, BlockInfo, CandidateInfo, EffectInfo, FlowInfo, StateInfo, StepInfo
from orchspec.compiler.plan import Budget
from orchspec.compiler.report import word
from orchspec.grammar.diagnostics import Edit, Fix, Label
from orchspec.grammar.source import Span
from orchspec.grammar.syntax import AgentDecl, EffectDecl, Eval, Node, Peers, Scope, Step, Supervise

__all__ = ["missing_deadlines", "missing_timeouts"]

_LABELS_MAX = 3


def missing_timeouts(context: Context) -> None:
    """Advises a timeout where a person, a signal, an agent or an effect may be waited for without end."""
    reader = _Reader(context)
    for flow in reversed(called_first(context)):  # callers first: what bounds them bounds what they call
        reader.flow(flow)
    reader.report()


def missing_deadlines(context: Context) -> None:
    """Advises a timeout for effects that are asked about in doubt: without one a lost request is never in doubt."""
    for effect in context.checked.effects.values():
        if effect.doubtful and effect.policy.timeout_us is None:
            context.report.add(effect_codes.NO_DEADLINE, effect.node.name, name=effect.name)


class _Reader:
    """Walks flows where nothing around bounds the time; collects who is at work there without a bound of their own."""

    def __init__(self, context: Context) -> None:
        self.context = context
        self.checked = context.checked
        self.waiting: dict[AgentInfo | EffectInfo, list[Span]] = {}
        """The first places at which whom may be waited for."""
        self.times: dict[AgentInfo | EffectInfo, int] = {}
        self._open: set[FlowInfo] = set()
        """Flows that are called where nothing bounds their time."""
        self._called: set[FlowInfo] = set()

    def flow(self, flow: FlowInfo) -> None:
        """Reads a flow all of whose callers have been read."""
        bounded = flow in self._called and flow not in self._open
        if flow.block is None:
            return
        bounded = bounded or flow.budget.time_us is not None
        self._block(flow.block, bounded=bounded)
        if not bounded:
            for state in flow.machine.states.values() if flow.machine is not None else ():
                self._state(state)

    def _block(self, block: BlockInfo, *, bounded: bool) -> None:
        for statement in block.statements:
            if isinstance(statement, Step | Supervise | Peers):
                self._step(self.checked.steps[statement], bounded=bounded)
            elif isinstance(statement, Scope):
                scope = self.checked.scopes[statement]
                within = bounded or scope.timeout_us is not None or _timed(scope.budget)
                self._block(scope.body, bounded=within)
            elif isinstance(statement, Eval):
                if not bounded:
                    self._agents(self.checked.evals[statement].candidates, statement.name.span)
            else:
                for inner in self.checked.blocks_of(statement):
                    self._block(inner, bounded=bounded)

    def _state(self, state: StateInfo) -> None:
        """A state that rests until a signal comes."""
        if rests(state):
            on, heard = next(iter(state.heard.items()))
            who = f"the signal `{heard.signal.name}`"
            self.context.report.add(codes.NO_TIMEOUT, on.event, name=state.node.name.text, who=who)

    def _step(self, step: StepInfo, *, bounded: bool) -> None:
        bounded = bounded or _timed(step.budget)
        if step.flow is not None:
            self._called.add(step.flow)
            if not bounded and step.policy.timeout_us is None:
                self._open.add(step.flow)
            return
        if step.effect is not None:
            self._effect(step.effect, step, bounded=bounded)
            return
        if step.signal is not None:
            if not bounded and step.policy.timeout_us is None:
                who = f"the signal `{step.signal.name}`"
                self.context.report.add(codes.NO_TIMEOUT, step.node.work, name=step.shown, who=who)
            return
        if bounded:
            return
        at: Node = getattr(step.node, "by", None) or step.node.name
        self._person(step, at)
        self._agents(step.candidates, step.node.name.span if step.node.name.text else step.node.work.span)
        asked = [link.who for link in step.on_failure if link.who is not None and link.within_us is None]
        self._agents(asked, step.node.name.span)

    def _person(self, step: StepInfo, at: Node) -> None:
        for candidate in step.candidates:
            if candidate.agent.kind == "human" and candidate.policy.timeout_us is None:
                who = f"`{candidate.agent.name}`"
                self.context.report.add(codes.NO_TIMEOUT, at, name=step.shown, who=who)
                return

    def _agents(self, candidates: Iterable[CandidateInfo], at: Span) -> None:
        for candidate in candidates:
            if candidate.agent.kind != "human" and candidate.policy.timeout_us is None:
                self._waits(candidate.agent, at)

    def _effect(self, effect: EffectInfo, step: StepInfo, *, bounded: bool) -> None:
        if not bounded and step.policy.timeout_us is None:
            self._waits(effect, step.node.name.span if step.node.name.text else step.node.work.span)
        if effect.undo is not None:  # no budget of time holds for what is undone
            undo, at = effect.undo.effect, effect.node.name.span
            if undo.policy.timeout_us is None:
                self._waits(undo, at)

    def _waits(self, who: AgentInfo | EffectInfo, at: Span) -> None:
        if isinstance(who, EffectInfo) and who.doubtful:
            return  # that it has no deadline is told of it besides
        places = self.waiting.setdefault(who, [])
        if len(places) < _LABELS_MAX:
            if at in places:
                return
            places.append(at)
        self.times[who] = self.times.get(who, 0) + 1

    def report(self) -> None:
        """One piece of advice for each agent and effect."""
        for who, places in self.waiting.items():
            labels = [Label(place, self._label(who, place)) for place in places]
            rest = self.times[who] - len(labels)
            notes = [f"and in {word(rest, 'other place')}"] if rest else []
            self.context.report.add(
                codes.UNBOUNDED_ATTEMPT,
                who.node.name,
                name=who.name,
                labels=labels,
                notes=notes,
                fix=_fix(who.node),
            )

    def _label(self, who: AgentInfo | EffectInfo, place: Span) -> str:
        undoes = any(effect.node.name.span == place for effect in self.checked.effects.values())
        return f"undone by `{who.name}`" if undoes else "waits for it"


def _timed(budget: Budget | None) -> bool:
    return budget is not None and budget.time_us is not None


def _fix(node: AgentDecl | EffectDecl) -> Fix:
    """A `timeout` in the braces of a declaration, or with braces where it has none."""
    settings = node.settings
    if settings:
        at, text = settings[-1].span.end, "  timeout = …"
    else:
        last = max(part.span.end for part in _head(node))
        rest = node.span.source.text[last : node.span.end]
        at, text = (last, " { timeout = … }") if "{" not in rest else (last + rest.index("{") + 1, " timeout = … ")
    return Fix("say how long an attempt may take", (Edit(Span(node.span.source, at, at), text),), "has-placeholders")


def _head(node: AgentDecl | EffectDecl) -> Iterator[Node]:
    yield node.name
    if isinstance(node, AgentDecl):
        yield from node.fulfills
        return
    yield from node.params
    if node.result is not None:
        yield node.result
