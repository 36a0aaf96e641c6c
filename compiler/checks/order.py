"""Flow calls form no cycle, and what is required is done."""

from __future__ import annotations

from orchspec.compiler.circles import circle, graph_of, knots
from orchspec.compiler.codes import flows as codes
from orchspec.compiler.context import Context
from orchspec.compiler.model import BlockInfo, Reference, ScopeInfo, StepInfo
from orchspec.compiler.narrowing import facts
from orchspec.grammar.diagnostics import Label
from orchspec.grammar.source import Span
from orchspec.grammar.syntax import Call, Fail, Peers, Require, Scope, Step, Supervise, attribute, statements_in, walk

__all__ = ["flow_cycles", "required_and_skipped"]


def flow_cycles(context: Context) -> None:
    """Reports flows that call themselves, directly or through others, each circle once with each of its calls."""
    calls: dict[tuple[str, str], Span] = {}
    for flow in context.checked.flows.values():
        for node in statements_in(flow.node):
            step = context.checked.steps.get(node) if isinstance(node, Step) else None
            if step is not None and step.flow is not None and isinstance(step.node.work, Call):
                calls.setdefault((flow.name, step.flow.name), step.node.work.callee.span)
    graph = graph_of(calls)
    for knot in knots(graph):
        cycle = circle(graph, min(knot))
        first = min(cycle, key=lambda edge: (calls[edge].source.name, calls[edge].start))
        names = f"`{first[0]}`"
        if len(cycle) > 1:
            through = ", ".join(f"`{callee}`" for _, callee in cycle if callee != first[0])
            names += f" (through {through})"
        labels = [Label(calls[edge], f"`{edge[0]}` calls `{edge[1]}`") for edge in cycle]
        context.report.add(codes.FLOW_CYCLE, calls[first], names=names, labels=labels)


def required_and_skipped(context: Context) -> None:
    """Reports `require a before b` where a may be skipped although b is done, and warns where a value replaces it."""
    for block in context.checked.blocks.values():
        body = getattr(block.node, "body", ())
        for node in body:
            if not isinstance(node, Require):
                continue
            earlier, later = (_work(context, block.frame.find(ident.text)) for ident in (node.earlier, node.later))
            if earlier is None:
                continue
            why = _skipped(context, earlier, later)
            earlier_name, later_name = node.earlier.text, node.later.text
            if why is not None:
                labels = [Label(why, "here it may be skipped")]
                context.report.add(
                    codes.REQUIRED_MAY_BE_SKIPPED, node, earlier=earlier_name, later=later_name, labels=labels
                )
                continue
            instead = _instead(earlier)
            if later is not None and instead is not None and not _looked_at(context, block, earlier, later):
                labels = [Label(instead, "this stands in for it then")]
                context.report.add(
                    codes.REQUIRED_MAY_BE_REPLACED, node, earlier=earlier_name, later=later_name, labels=labels
                )


def _work(context: Context, slot: object) -> StepInfo | ScopeInfo | None:
    declared = getattr(slot, "declared", None)
    if isinstance(declared, Scope):
        return context.checked.scopes.get(declared)
    return context.checked.steps.get(declared) if isinstance(declared, Step | Supervise | Peers) else None


def _instead(earlier: StepInfo | ScopeInfo) -> Span | None:
    """Where it is said that a value stands in for what is earlier once that has failed, or none."""
    # Of a `for`, or of several, `use` stands in for an item: how many must be there is said by `need`.
    several = earlier.loop is not None or getattr(earlier, "pattern", "one") in ("all", "some")
    values = [link.value for link in earlier.on_failure if link.kind == "use" and link.value is not None]
    return values[0].span if values and not several else None


def _looked_at(context: Context, block: BlockInfo, earlier: StepInfo | ScopeInfo, later: StepInfo | ScopeInfo) -> bool:
    """Whether a condition of the later one, or a guard of the block, reads what the earlier one gives."""
    slot = context.checked.slots[earlier.node]
    guards = [item.when for item in block.statements if isinstance(item, Fail) and item.when is not None]
    return any(
        isinstance(found := context.checked.resolved.get(part), Reference) and found.slot is slot
        for condition in (later.only_if, *guards)
        for part in (walk(condition) if condition is not None else ())
    )


def _skipped(context: Context, earlier: StepInfo | ScopeInfo, later: StepInfo | ScopeInfo | None) -> Span | None:
    """Where it is said that what is earlier may be skipped while the later one is done, or none."""
    condition = None if later is None else later.only_if
    if condition is not None:
        slot = context.checked.slots[earlier.node]
        if any(fact == (slot,) for fact in facts(condition, context.checked.resolved)):
            return None
    skips = any(link.kind == "skip" for link in earlier.on_failure)
    if skips and earlier.loop is None:
        node = earlier.node
        said = attribute(node.body if isinstance(node, Peers | Scope) else node.settings, "on_failure")
        return said.span if said is not None else node.span
    if earlier.only_if is None:
        return None
    same = condition is not None and condition.span.text.split() == earlier.only_if.span.text.split()
    return None if same else earlier.only_if.span
