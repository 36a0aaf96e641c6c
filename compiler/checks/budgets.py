"""Budgets held against the bounds of their plan: below the best case is an error, below the worst case a warning."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from orchspec.compiler.bounds import INF, Limit, bounds_of
from orchspec.compiler.bounds.document import limit_in_words, term_in_words
from orchspec.compiler.checks.bounds import limit_span
from orchspec.compiler.codes import budgets as codes
from orchspec.compiler.codes import habits
from orchspec.compiler.context import Context
from orchspec.compiler.lowering.nodes import number_nodes
from orchspec.compiler.plan import Plan
from orchspec.grammar.diagnostics import Label
from orchspec.grammar.syntax import Node

__all__ = ["budgets_and_bounds"]

_UNITS = {"cost": "usd", "time": "s"}


def budgets_and_bounds(context: Context, plan: Plan) -> None:
    """Reports the budgets of a plan that no run can keep, and warns of those that a bad run breaks."""
    found = bounds_of(plan).values()
    told = [limit for flow in found for limit in flow.limits]
    stacks = [stack for flow in found for stack in flow.stacks]
    outer = {(limit.flow, limit.name): limit for limit in told if limit.node is None}
    idle = [
        (limit, around)
        for limit in told
        if limit.node is not None
        and (around := outer.get((limit.flow, limit.name))) is not None
        and limit.value >= around.value
    ]
    short = [limit for limit in told if limit.needed.best > limit.value]
    tight: dict[tuple[str, int | None], list[Limit]] = {}
    longer = {item.args["place"] for item in context.report.diagnostics if item.code is codes.TIMEOUT_TOO_LONG}
    for limit in told:
        # A timeout that is longer than the time around it was told of already.
        if _may_be_reached(limit) and not (limit.name == "time" and limit.place in longer):
            tight.setdefault((limit.flow, limit.node), []).append(limit)
    if not (short or tight or stacks or idle):
        return
    nodes = {number: node for node, number in number_nodes(context.checked).ids.items()}
    for limit in short:
        context.report.add(
            codes.BELOW_BEST_CASE,
            limit_span(_holder(context, limit, nodes), limit.name),
            place=limit.place,
            limit=limit_in_words(limit, limit.value),
            best=limit_in_words(limit, limit.needed.best),
        )
    for limits in tight.values():
        _warn(context, limits, nodes)
    for stack in stacks:
        node = nodes[stack.node]
        at = getattr(node, "name", None) or node
        context.report.add(habits.STACKED_RETRIES, at, place=stack.place, outer=stack.outer, inner=int(stack.inner))
    for limit, around in idle:
        _idle(context, limit, around, nodes)


def _idle(context: Context, limit: Limit, around: Limit, nodes: Mapping[int, Node]) -> None:
    """A limit within one of its flow that is no larger."""
    span = limit_span(_holder(context, limit, nodes), limit.name)
    outer = limit_span(_holder(context, around, nodes), limit.name)
    context.report.add(
        habits.NEVER_REACHED,
        span,
        limit=span.text,
        place=limit.place,
        flow=around.place,
        outer=limit_in_words(around, around.value),
        labels=[Label(outer, "the budget around it")],
    )


def _may_be_reached(limit: Limit) -> bool:
    """Whether it is told that a run may need more; of retries, which are there to be used up, it is not."""
    needed = limit.needed
    if needed.best > limit.value or needed.worst <= limit.value or limit.name == "retries":
        return False
    # That something has no timeout is told as such; a time budget is what people give instead.
    return limit.name != "time" or needed.worst < INF


def _holder(context: Context, limit: Limit, nodes: Mapping[int, Node]) -> Node:
    return context.checked.flows[limit.flow].node if limit.node is None else nodes[limit.node]


def _warn(context: Context, limits: Sequence[Limit], nodes: Mapping[int, Node]) -> None:
    """One warning for one budget: its limits mostly break for the same reason."""
    first = limits[0]
    node = _holder(context, first, nodes)
    span = limit_span(node, first.name)
    labels = [
        Label(limit_span(node, limit.name), f"likewise: {limit_in_words(limit, limit.needed.worst)} at worst")
        for limit in limits[1:]
    ]
    term = first.needed.term
    dominant = "whatever it does"
    if term is not None:
        dominant = f"most of it {term_in_words(first.needed, _UNITS.get(first.name, 'count'))}"
        if term.node in nodes and nodes[term.node] is not node:
            at = getattr(nodes[term.node], "name", None) or nodes[term.node]
            labels.append(Label(at.span, "the dominant term"))
    context.report.add(
        codes.BELOW_WORST_CASE,
        span,
        place=first.place,
        limit=span.text,
        worst=limit_in_words(first, first.needed.worst),
        dominant=dominant,
        labels=labels,
    )
