"""Budgets: every attempt can be reserved, fits, and the best case stays below the caps."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from orchspec.compiler.checks.calls import called_first
from orchspec.compiler.codes import budgets as codes
from orchspec.compiler.constants import written
from orchspec.compiler.context import Context
from orchspec.compiler.model import AgentInfo, BlockInfo, CandidateInfo, FlowInfo, OnFailureInfo, StepInfo
from orchspec.compiler.plan import Budget
from orchspec.compiler.report import word
from orchspec.compiler.types import MONEY
from orchspec.grammar.diagnostics import Label
from orchspec.grammar.source import Span
from orchspec.grammar.syntax import Attribute, Node, Peers, Repeat, Route, Scope, State, Step, Supervise, budgets
from orchspec.slotted import dataclass

__all__ = ["asked_of", "best_case", "estimated", "limit_span", "reservations"]


# ------------------------------------------------------------------ reservations


@dataclass(frozen=True, slots=True)
class _Cap:
    """The tightest limit around a place, and who sets it."""

    value: int
    node: Node
    name: str


_Caps = Mapping[str, _Cap]


def reservations(context: Context) -> None:
    """Reports agents under a budget that cannot be reserved for, and attempts that reserve more than a budget has."""
    inherited: dict[FlowInfo, _Caps] = {}
    told: set[AgentInfo] = set()
    for flow in reversed(called_first(context)):  # callers first: their budgets hold for what they call
        if flow.block is None:
            continue
        around = _within(inherited.get(flow, {}), flow.budget, flow.node, f"`{flow.name}`")
        for step, caps in _steps(context, flow.block, around):
            if step.flow is not None:
                inherited[step.flow] = _tightest(inherited.get(step.flow, {}), caps)
            for candidate in asked_of(step):
                if candidate.agent in context.vague:
                    continue
                if candidate.agent not in told and _reserve(context, step, candidate, caps):
                    told.add(candidate.agent)


def _within(caps: _Caps, budget: Budget | None, node: Node, name: str) -> _Caps:
    if budget is None:
        return caps
    own = {"cost": budget.cost_pico, "tokens": budget.tokens}
    return _tightest(caps, {limit: _Cap(value, node, name) for limit, value in own.items() if value is not None})


def _tightest(one: _Caps, other: _Caps) -> _Caps:
    both = dict(one)
    for limit, cap in other.items():
        if limit not in both or cap.value < both[limit].value:
            both[limit] = cap
    return both


def asked_of(step: StepInfo) -> Iterator[CandidateInfo]:
    """Who may be asked at a step, by its chain of `on_failure` too."""
    yield from step.candidates
    for link in step.on_failure:
        if link.who is not None:
            yield link.who


def _steps(context: Context, block: BlockInfo, caps: _Caps) -> Iterator[tuple[StepInfo, _Caps]]:
    """The steps of a block and of the blocks in it, with the limits around them."""
    for statement in block.statements:
        if isinstance(statement, Step | Supervise | Peers):
            step = context.checked.steps[statement]
            inside = step.budget if step.flow is not None or not isinstance(statement, Step) else None
            yield step, _within(caps, inside, statement, f"`{statement.name.text}`")
        elif isinstance(statement, Scope):
            info = context.checked.scopes.get(statement)
            if info is not None:
                around = _within(caps, info.budget, statement, f"`{statement.name.text}`")
                yield from _steps(context, info.body, around)
        else:
            for inner in context.checked.blocks_of(statement):
                yield from _steps(context, inner, caps)


def _reserve(context: Context, step: StepInfo, candidate: CandidateInfo, caps: _Caps) -> bool:
    """Reports the first limit under which an attempt cannot be sent, and gives whether there is one."""
    first = candidate.tiers[0]
    reserved: Mapping[str, list[int | None]] = {
        "cost": [tier.reserve_cost_pico for tier in candidate.tiers],
        "tokens": [tier.reserve_tokens for tier in candidate.tiers],
    }
    for limit, cap in caps.items():
        amounts = reserved[limit]
        if None in amounts:
            # Tokens that nobody can tell are held in check by the cost of the attempt.
            if estimated(context, candidate, limit) or (limit == "tokens" and first.reserve_cost_pico is not None):
                continue
            _unreservable(context, step, candidate, limit, cap.node)
            return True
        amount = amounts[0]
        if amount is not None and amount > cap.value:
            context.report.add(
                codes.RESERVATION_TOO_LARGE,
                _by(step),
                agent=candidate.agent.name,
                reserved=_amount(limit, amount),
                limit=_amount(limit, cap.value),
                place=cap.name,
                labels=[Label(limit_span(cap.node, limit), "the limit")],
                notes=[f"`budget` at {candidate.agent.name} caps what one attempt may take"],
            )
            return True
    return False


def _unreservable(context: Context, step: StepInfo, candidate: CandidateInfo, limit: str, node: Node) -> None:
    agent = candidate.agent
    missing = [tier.model.name for tier in candidate.tiers if tier.model is not None and tier.reserve_cost_pico is None]
    reason = f"model {missing[0]} has no price or no context" if missing else "it names no model"
    context.report.absent(
        codes.NO_RESERVATION,
        agent.node.name,
        reach="file",
        agent=agent.name,
        limit=limit,
        labels=[Label(limit_span(node, limit), "the budget"), Label(_by(step), "here it works under it")],
        notes=[f"{reason}; add `budget {{ {'cost <= $0.10' if limit == 'cost' else 'tokens <= 20k'} }}` to it"],
    )


def estimated(context: Context, candidate: CandidateInfo, limit: str) -> bool:
    """Whether a profile says enough to estimate what is not capped."""
    profile = context.checked.profile_of.get(candidate.agent.name)
    if profile is not None:
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
    by = getattr(step.node, "by", None)
    return by.span if by is not None else step.node.work.span


def limit_span(node: Node, name: str) -> Span:
    """Where a limit of a flow, scope or step stands."""
    items: Sequence[Node] = getattr(node, "body", ()) or getattr(node, "settings", ())
    for budget in budgets(items):
        for limit in budget.limits:
            if limit.name.text == name:
                return limit.span
    return node.span


# ------------------------------------------------------------------ the best case


def best_case(context: Context) -> None:
    """Reports budgets whose `attempts` are fewer than the tasks that even the best run asks for."""
    least: dict[FlowInfo, int] = {}
    for flow in called_first(context):
        if flow.block is not None:
            least[flow] = _least_tasks(context, flow.block, least)
            _compare(context, flow.budget, least[flow], flow.node, f"`{flow.name}`")
    for scope in context.checked.scopes.values():
        if scope.budget is not None:
            tasks = _least_tasks(context, scope.body, least)
            _compare(context, scope.budget, tasks, scope.node, f"`{scope.node.name.text}`")


def _compare(context: Context, budget: Budget, least: int, node: Node, place: str) -> None:
    if budget.attempts is not None and least > budget.attempts:
        context.report.add(
            codes.BELOW_BEST_CASE,
            limit_span(node, "attempts"),
            place=place,
            limit=word(budget.attempts, "attempt"),
            best=word(least, "task"),
        )


def _least_tasks(context: Context, block: BlockInfo, flows: Mapping[FlowInfo, int]) -> int:
    """The number of tasks that every run of a block asks for: nothing skipped that may be, one round, no items.

    `flows` are the least tasks of the flows that it calls.
    """
    total = 0
    for statement in block.statements:
        if isinstance(statement, Step | Supervise | Peers):
            total += _tasks(context.checked.steps[statement], flows)
        elif isinstance(statement, State) and statement.kind != "initial":
            continue  # no run need come there
        elif isinstance(statement, Scope) and _may_be_missing(context.checked.scopes[statement].on_failure):
            continue
        elif isinstance(statement, Repeat | State) or (isinstance(statement, Scope) and statement.loop is None):
            inner = context.checked.blocks.get(statement)
            total += 0 if inner is None else _least_tasks(context, inner, flows)
        elif isinstance(statement, Route):
            arms = context.checked.routes[statement].arms
            total += min((_least_tasks(context, arm.body, flows) for arm in arms if not arm.fails), default=0)
    return min(total, _TASKS_MAX)


def _may_be_missing(chain: Iterable[OnFailureInfo]) -> bool:
    """Whether a run goes on without the result, so that its best case may do without the work."""
    return any(link.kind in ("skip", "use") for link in chain)


def _tasks(step: StepInfo, flows: Mapping[FlowInfo, int]) -> int:
    if step.only_if is not None or step.loop is not None or _may_be_missing(step.on_failure):
        return 0
    if step.flow is not None:
        return flows.get(step.flow, 0)
    if step.contract is None or (step.pattern in ("one", "any") and step.contract.reuse is not None):
        return 0  # identical work may have been done by others
    return {"all": len(step.candidates), "some": step.copies}.get(step.pattern, 1)


_TASKS_MAX = 2**63 - 1
"""Calls of calls multiply; beyond this, every budget is exceeded."""
