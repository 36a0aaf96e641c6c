"""Budgets: every attempt can be reserved, fits, and the best case stays below the caps."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from orchspec.compiler.codes import budgets as codes
from orchspec.compiler.constants import written
from orchspec.compiler.context import Context
from orchspec.compiler.model import AgentInfo, BlockInfo, CandidateInfo, FlowInfo, StepInfo
from orchspec.compiler.plan import Budget
from orchspec.compiler.report import word
from orchspec.compiler.types import MONEY
from orchspec.grammar.diagnostics import Label
from orchspec.grammar.source import Span
from orchspec.grammar.syntax import Attribute, Node, Repeat, Scope, Step, budgets

__all__ = ["best_case", "reservations"]


# ------------------------------------------------------------------ reservations

_Caps = tuple[tuple[Budget, Node, str], ...]


def reservations(context: Context) -> None:
    """Reports agents under a budget that cannot be reserved for, and attempts that reserve more than a budget has."""
    told: set[tuple[AgentInfo, str]] = set()
    for flow in context.checked.flows.values():
        if flow.block is None:
            continue
        for step, caps in _steps(context, flow.block, _with(flow.budget, flow.node, f"`{flow.name}`", ())):
            for candidate in _asked(step):
                _reserve(context, step, candidate, caps, told)


def _with(budget: Budget | None, node: Node, name: str, caps: _Caps) -> _Caps:
    if budget is None or (budget.cost_pico is None and budget.tokens is None):
        return caps
    return (*caps, (budget, node, name))


def _asked(step: StepInfo) -> Iterator[CandidateInfo]:
    yield from step.candidates
    for link in step.on_failure:
        if link.who is not None:
            yield link.who


def _steps(
    context: Context, block: BlockInfo, caps: _Caps, within: tuple[FlowInfo, ...] = ()
) -> Iterator[tuple[StepInfo, _Caps]]:
    """The steps that run under a block, also those of called flows, with the budgets around them."""
    for statement in block.statements:
        if isinstance(statement, Step):
            step = context.checked.steps[statement]
            if step.flow is None:
                yield step, caps
            elif caps and step.flow.block is not None and step.flow not in within:
                around = _with(step.budget, statement, f"`{statement.name.text}`", caps)
                yield from _steps(context, step.flow.block, around, (*within, step.flow))
        elif isinstance(statement, Scope):
            info = context.checked.scopes.get(statement)
            if info is not None:
                around = _with(info.budget, statement, f"`{statement.name.text}`", caps)
                yield from _steps(context, info.body, around, within)
        elif isinstance(statement, Repeat):
            for node in (statement, statement.otherwise):
                inner = context.checked.blocks.get(node) if node is not None else None
                if inner is not None:
                    yield from _steps(context, inner, caps, within)


def _reserve(
    context: Context, step: StepInfo, candidate: CandidateInfo, caps: _Caps, told: set[tuple[AgentInfo, str]]
) -> None:
    agent, tier = candidate.agent, candidate.tiers[0]
    for budget, node, name in caps:
        limits = (
            ("cost", budget.cost_pico, [tier.reserve_cost_pico for tier in candidate.tiers]),
            ("tokens", budget.tokens, [tier.reserve_tokens for tier in candidate.tiers]),
        )
        for limit, cap, reserved in limits:
            if cap is None or (agent, limit) in told:
                continue
            if None in reserved:
                if _estimated(context, candidate, limit) or (limit == "tokens" and tier.reserve_cost_pico is not None):
                    continue
                told.update({(agent, "cost"), (agent, "tokens")})
                _unreservable(context, step, candidate, limit, node)
            elif reserved[0] is not None and reserved[0] > cap:
                told.update({(agent, "cost"), (agent, "tokens")})
                context.report.add(
                    codes.RESERVATION_TOO_LARGE,
                    _by(step),
                    agent=agent.name,
                    reserved=_amount(limit, reserved[0]),
                    limit=_amount(limit, cap),
                    place=name,
                    labels=[Label(_limit_span(node, limit), "the limit")],
                    notes=[f"`budget` at {agent.name} caps what one attempt may take"],
                )


def _unreservable(context: Context, step: StepInfo, candidate: CandidateInfo, limit: str, node: Node) -> None:
    agent = candidate.agent
    missing = [tier.model.name for tier in candidate.tiers if tier.model is not None and tier.reserve_cost_pico is None]
    reason = f"model {missing[0]} has no price or no context" if missing else "it names no model"
    context.report.absent(
        codes.NO_RESERVATION,
        agent.node.name,
        agent=agent.name,
        limit=limit,
        labels=[Label(_limit_span(node, limit), "the budget"), Label(_by(step), "here it works under it")],
        notes=[f"{reason}; add `budget {{ {'cost <= $0.10' if limit == 'cost' else 'tokens <= 20k'} }}` to it"],
    )


def _estimated(context: Context, candidate: CandidateInfo, limit: str) -> bool:
    """Whether a profile says enough to estimate what is not capped."""
    for profile in context.checked.profiles:
        if profile.target.text != candidate.agent.name:
            continue
        given = {item.name.text for item in profile.settings if isinstance(item, Attribute)}
        if limit == "cost" and "cost" in given:
            return True
        priced = all(tier.model is not None and tier.model.priced for tier in candidate.tiers)
        if given & {"tokens_in", "tokens_out"} and (limit == "tokens" or priced):
            return True
    return False


def _amount(limit: str, value: int) -> str:
    return written(value, MONEY) if limit == "cost" else word(value, "token")


def _by(step: StepInfo) -> Span:
    return step.node.by.span if step.node.by is not None else step.node.work.span


def _limit_span(node: Node, name: str) -> Span:
    items: Sequence[Node] = getattr(node, "body", ()) or getattr(node, "settings", ())
    for budget in budgets(items):
        for limit in budget.limits:
            if limit.name.text == name:
                return limit.span
    return node.span


# ------------------------------------------------------------------ the best case


def best_case(context: Context) -> None:
    """Reports budgets whose `attempts` are fewer than the tasks that even the best run asks for."""
    for flow in context.checked.flows.values():
        if flow.block is not None:
            _compare(context, flow.budget, flow.block, flow.node, f"`{flow.name}`")
    for scope in context.checked.scopes.values():
        if scope.budget is not None:
            _compare(context, scope.budget, scope.body, scope.node, f"`{scope.node.name.text}`")


def _compare(context: Context, budget: Budget, block: BlockInfo, node: Node, place: str) -> None:
    if budget.attempts is None:
        return
    least = _least_tasks(context, block, ())
    if least > budget.attempts:
        context.report.add(
            codes.BELOW_BEST_CASE,
            _limit_span(node, "attempts"),
            place=place,
            limit=word(budget.attempts, "attempt"),
            best=word(least, "task"),
        )


def _least_tasks(context: Context, block: BlockInfo, within: tuple[FlowInfo, ...]) -> int:
    """The number of tasks that every run of a block asks for: nothing skipped that may be, one round, no items."""
    total = 0
    for statement in block.statements:
        if isinstance(statement, Step):
            total += _tasks(context, context.checked.steps[statement], within)
        elif (isinstance(statement, Scope) and statement.loop is None) or isinstance(statement, Repeat):
            inner = context.checked.blocks.get(statement)
            total += 0 if inner is None else _least_tasks(context, inner, within)
    return total


def _tasks(context: Context, step: StepInfo, within: tuple[FlowInfo, ...]) -> int:
    if step.only_if is not None or step.loop is not None:
        return 0
    if step.flow is not None:
        if step.flow.block is None or step.flow in within or len(within) > _CALLS_MAX:
            return 0
        return _least_tasks(context, step.flow.block, (*within, step.flow))
    if step.contract is None:
        return 0
    return {"all": len(step.candidates), "some": step.copies}.get(step.pattern, 1)


_CALLS_MAX = 20
"""How many calls deep the best case is followed; it only grows below that."""
