"""Settings that have a meaning and never come to bear, because of something else that is said or left out."""

from __future__ import annotations

from collections.abc import Container, Iterable

from orchspec.compiler.checks.calls import called_first, steps_in
from orchspec.compiler.codes import settled as codes
from orchspec.compiler.codes.machines import FAILS_EXHAUSTED
from orchspec.compiler.constants import written
from orchspec.compiler.context import Context
from orchspec.compiler.model import FlowInfo, PolicyValues, ScopeInfo, StepInfo
from orchspec.compiler.types import DURATION
from orchspec.grammar.diagnostics import Label
from orchspec.grammar.syntax import Attribute, Node, On, Scope, attribute, statements_in

__all__ = ["idle_settings", "idle_transitions"]


def idle_settings(context: Context) -> None:
    """Warns of a pause between attempts where there is one, of doubles that come too late, and of an idle economy."""
    checked = context.checked
    for agent in checked.agents.values():
        _hedge(context, agent.node.settings, [agent.policy])
    for step in checked.steps.values():
        settings = _settings(step.node)
        if attribute(settings, "backoff") is not None or attribute(settings, "hedge") is not None:
            policies = [candidate.policy for candidate in step.candidates] or [step.policy]
            _backoff(context, settings, policies)
            _hedge(context, settings, policies)
    for scope in checked.scopes.values():
        _backoff(context, _settings(scope.node), [scope.policy])
    for flow in checked.flows.values():
        said = attribute(flow.node.body, "economy")
        if said is not None and flow.budget.cost_pico is None and flow.budget.tokens is None:
            why = f"`{flow.name}` has no budget of `cost` or `tokens` that could be used up"
            context.report.add(codes.CHANGES_NOTHING, said.name, name="economy", why=why)


def _settings(node: Node) -> Iterable[Node]:
    found: Iterable[Node] = getattr(node, "body", ()) or getattr(node, "settings", ())
    return found


def _backoff(context: Context, settings: Iterable[Node], policies: Iterable[PolicyValues]) -> None:
    said = attribute(settings, "backoff")
    if said is not None and all((policy.attempts or 1) == 1 for policy in policies):
        why = "there is one attempt, write `attempts = 3` beside it"
        context.report.add(codes.CHANGES_NOTHING, said.name, name="backoff", why=why)


def _hedge(context: Context, settings: Iterable[Node], policies: Iterable[PolicyValues]) -> None:
    said = attribute(settings, "hedge")
    if said is None:
        return
    for policy in policies:
        after = None if policy.hedge is None else policy.hedge.after_us
        if after is None or policy.timeout_us is None or after < policy.timeout_us:
            return
    least = min((policy.timeout_us or 0 for policy in policies), default=0)
    why = f"the attempt is over before, its `timeout` is {written(least, DURATION)}"
    context.report.add(codes.CHANGES_NOTHING, said.name, name="hedge", why=why)


# ------------------------------------------------------------------ machines


def idle_transitions(context: Context) -> None:
    """Warns of `on timeout` where nothing runs out of time, and of `visits` that are never spent, or fail for it."""
    hasty: set[FlowInfo] = set()
    for flow in called_first(context):
        if _runs_out(context, flow.node, hasty):
            hasty.add(flow)
        machine = flow.machine
        for state in machine.states.values() if machine is not None else ():
            assert machine is not None
            name = state.node.name.text
            for on, _ in state.ways:
                if on.event.text == "timeout" and not _runs_out(context, state.node, hasty):
                    why = f"nothing in `{name}` has a `timeout`"
                    context.report.add(codes.CHANGES_NOTHING, on.event, name="on timeout", why=why)
            said = attribute(state.node.body, "visits")
            exhausted = [on for on, _ in state.ways if on.event.text == "exhausted"]
            if said is not None and state.node not in machine.cycling:
                why = f"no way leads back to `{name}`, so it is entered once"
                _visits(context, said, why, exhausted)
            elif said is not None and all(on.when is not None for on in exhausted):
                context.report.absent(FAILS_EXHAUSTED, said.name, name=name)


def _visits(context: Context, said: Attribute, why: str, exhausted: Iterable[On]) -> None:
    labels = [Label(on.event.span, "nor does this") for on in exhausted]
    context.report.add(codes.CHANGES_NOTHING, said.name, name="visits", why=why, labels=labels)


def _runs_out(context: Context, node: Node, flows: Container[FlowInfo]) -> bool:
    """Whether anything in a statement or a flow may fail for want of time; `flows` are those that may."""
    checked = context.checked
    scopes = (checked.scopes.get(part) for part in statements_in(node) if isinstance(part, Scope))
    if any(scope is not None and _timed(scope, ()) for scope in scopes):
        return True
    return any(
        _timed(step, (candidate.policy for candidate in step.candidates))
        or (step.flow is not None and step.flow in flows)
        for step in steps_in(context, node)
    )


def _timed(info: StepInfo | ScopeInfo, policies: Iterable[PolicyValues]) -> bool:
    asked = any(link.within_us is not None or _asks(link.who) for link in info.on_failure)
    return asked or any(policy.timeout_us is not None for policy in (info.policy, *policies))


def _asks(who: object) -> bool:
    policy = getattr(who, "policy", None)
    return isinstance(policy, PolicyValues) and policy.timeout_us is not None
