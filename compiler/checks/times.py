"""Times that do not fit: what waits longer than the time around it allows."""

from __future__ import annotations

from orchspec.compiler.codes import budgets as codes
from orchspec.compiler.constants import NotConstant, evaluate, written
from orchspec.compiler.context import Context
from orchspec.compiler.model import BlockInfo, StepInfo
from orchspec.compiler.types import DURATION
from orchspec.grammar.diagnostics import Label
from orchspec.grammar.source import Span
from orchspec.grammar.syntax import Hole, Node, Scope, Step, Wait, attribute, budgets
from orchspec.slotted import dataclass

__all__ = ["times_that_do_not_fit"]


@dataclass(frozen=True, slots=True)
class _Around:
    """The shortest time around a place, and where it stands."""

    time_us: int
    span: Span
    name: str


def times_that_do_not_fit(context: Context) -> None:
    """Reports waits that are never over in time, and timeouts that never pass."""
    for flow in context.checked.flows.values():
        if flow.block is not None:
            around = _limit(None, flow.budget.time_us, flow.node, f"`{flow.name}`")
            _block(context, flow.block, around)


def _limit(around: _Around | None, time_us: int | None, node: Node, name: str) -> _Around | None:
    if time_us is None or (around is not None and around.time_us <= time_us):
        return around
    items = getattr(node, "body", ()) or getattr(node, "settings", ())
    limits = [limit for budget in budgets(items) for limit in budget.limits if limit.name.text == "time"]
    return _Around(time_us, limits[0].span if limits else node.span, name)


def _timeout(around: _Around | None, time_us: int | None, node: Scope) -> _Around | None:
    if time_us is None or (around is not None and around.time_us <= time_us):
        return around
    given = attribute(node.body, "timeout")
    return _Around(time_us, given.span if given is not None else node.name.span, f"`{node.name.text}`")


def _block(context: Context, block: BlockInfo, around: _Around | None) -> None:
    for statement in block.statements:
        if isinstance(statement, Step):
            step = context.checked.steps[statement]
            time_us = step.budget.time_us if step.budget is not None else None
            _step(context, step, _limit(around, time_us, statement, f"`{statement.name.text}`"))
        elif isinstance(statement, Wait):
            if around is not None:
                _wait(context, statement, around)
        elif isinstance(statement, Scope):
            info = context.checked.scopes.get(statement)
            if info is None:
                continue
            name = f"`{statement.name.text}`"
            own = _limit(around, info.budget.time_us if info.budget is not None else None, statement, name)
            if own is not None:
                _too_long(context, info.timeout_us, attribute(statement.body, "timeout"), name, own)
            _block(context, info.body, _timeout(own, info.timeout_us, statement))
        else:
            for inner in context.checked.blocks_of(statement):
                _block(context, inner, around)


def _wait(context: Context, node: Wait, around: _Around) -> None:
    if isinstance(node.value, Hole) or context.checked.expr_types.get(node.value) != DURATION:
        return
    try:
        value = evaluate(node.value, context.checked)
    except NotConstant:
        return
    if value >= around.time_us:
        context.report.add(
            codes.WAIT_TOO_LONG,
            node.value,
            wait=written(value, DURATION),
            place=around.name,
            limit=written(around.time_us, DURATION),
            labels=[Label(around.span, "the time around it")],
        )


def _step(context: Context, step: StepInfo, around: _Around | None) -> None:
    if around is None:
        return
    # A timeout of the step itself: what its agents bring along is meant for other places too.
    given = attribute(step.node.settings, "timeout")
    if given is None:
        return
    policies = [step.policy, *(candidate.policy for candidate in step.candidates)]
    longest = max((policy.timeout_us for policy in policies if policy.timeout_us is not None), default=None)
    _too_long(context, longest, given, f"`{step.shown}`", around)


def _too_long(context: Context, time_us: int | None, given: Node | None, name: str, around: _Around) -> None:
    if time_us is None or given is None or time_us <= around.time_us:
        return
    context.report.add(
        codes.TIMEOUT_TOO_LONG,
        given,
        timeout=written(time_us, DURATION),
        step=name,
        place=around.name,
        limit=written(around.time_us, DURATION),
        labels=[Label(around.span, "the time around it")],
    )
