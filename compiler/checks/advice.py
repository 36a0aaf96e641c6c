"""Advice: what works and will be regretted."""

from __future__ import annotations

from orchspec.compiler.checks.machines import rests
from orchspec.compiler.codes import declarations as codes
from orchspec.compiler.codes import effects as effect_codes
from orchspec.compiler.context import Context
from orchspec.compiler.model import BlockInfo, StateInfo, StepInfo
from orchspec.grammar.syntax import Node, Peers, Scope, Step, Supervise

__all__ = ["missing_deadlines", "missing_timeouts"]


def missing_timeouts(context: Context) -> None:
    """Advises a timeout where a person or a signal may be waited for without end."""
    for flow in context.checked.flows.values():
        if flow.block is not None and flow.budget.time_us is None:
            _block(context, flow.block)
            for state in flow.machine.states.values() if flow.machine is not None else ():
                _state(context, state)


def missing_deadlines(context: Context) -> None:
    """Advises a timeout for effects that are asked about in doubt: without one a lost request is never in doubt."""
    for effect in context.checked.effects.values():
        if effect.doubtful and effect.policy.timeout_us is None:
            context.report.add(effect_codes.NO_DEADLINE, effect.node.name, name=effect.name)


def _block(context: Context, block: BlockInfo) -> None:
    for statement in block.statements:
        if isinstance(statement, Step | Supervise | Peers):
            _step(context, context.checked.steps[statement])
        elif isinstance(statement, Scope):
            scope = context.checked.scopes[statement]
            if scope.timeout_us is None and (scope.budget is None or scope.budget.time_us is None):
                _block(context, scope.body)
        else:
            for inner in context.checked.blocks_of(statement):
                _block(context, inner)


def _state(context: Context, state: StateInfo) -> None:
    """A state that rests until a signal comes."""
    if rests(state):
        on, heard = next(iter(state.heard.items()))
        who = f"the signal `{heard.signal.name}`"
        context.report.add(codes.NO_TIMEOUT, on.event, name=state.node.name.text, who=who)


def _step(context: Context, step: StepInfo) -> None:
    if step.signal is not None and step.policy.timeout_us is None:
        name, work = step.shown, step.node.work
        context.report.add(codes.NO_TIMEOUT, work, name=name, who=f"the signal `{step.signal.name}`")
        return
    at: Node | None = getattr(step.node, "by", step.node.name)
    if at is None or (step.budget is not None and step.budget.time_us is not None):
        return
    for candidate in step.candidates:
        if candidate.agent.kind == "human" and candidate.policy.timeout_us is None:
            name, who = step.shown, candidate.agent.name
            context.report.add(codes.NO_TIMEOUT, at, name=name, who=f"`{who}`")
            return
