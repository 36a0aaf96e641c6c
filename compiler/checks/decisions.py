"""Two steps never take the same decision unarbitrated."""

from __future__ import annotations

from orchspec.compiler.codes import arbitration as codes
from orchspec.compiler.context import Context
from orchspec.compiler.model import BlockInfo, Reference, StepInfo
from orchspec.grammar.diagnostics import Label
from orchspec.grammar.source import Span
from orchspec.grammar.syntax import Arbitrate, FlowDecl, ListLit, MachineDecl, Name, Route, Step, statements_in

__all__ = ["owned_twice"]


def owned_twice(context: Context) -> None:
    """Reports decisions that two steps of one flow, or a fan-out whose votes nobody arbitrates, take."""
    checked = context.checked
    for flow in checked.flows.values():
        if flow.block is None:
            continue
        taken: dict[str, StepInfo] = {}
        _block(context, flow.block, taken, _arbitrated(context, flow.node))


def _arbitrated(context: Context, flow: FlowDecl | MachineDecl) -> set[Step]:
    """The steps whose results an arbitration reduces, also as items of a list."""
    found: set[Step] = set()
    for node in statements_in(flow):
        if not isinstance(node, Arbitrate):
            continue
        items = node.candidates.items if isinstance(node.candidates, ListLit) else (node.candidates,)
        for item in items:
            target = context.checked.resolved.get(item)
            if isinstance(item, Name) and isinstance(target, Reference) and isinstance(target.slot.declared, Step):
                found.add(target.slot.declared)
    return found


def _block(context: Context, block: BlockInfo, taken: dict[str, StepInfo], arbitrated: set[Step]) -> None:
    for statement in block.statements:
        if isinstance(statement, Step):
            _step(context, context.checked.steps[statement], taken, arbitrated)
        elif isinstance(statement, Route):
            # One arm runs: what each takes, it takes beside what stands around the route.
            arms = [(arm, dict(taken)) for arm in context.checked.blocks_of(statement)]
            for arm, also in arms:
                _block(context, arm, also, arbitrated)
            for _, also in arms:
                for decision, step in also.items():
                    taken.setdefault(decision, step)
        else:
            for inner in context.checked.blocks_of(statement):
                _block(context, inner, {}, arbitrated)  # a decision is taken once in each scope instance


def _step(context: Context, step: StepInfo, taken: dict[str, StepInfo], arbitrated: set[Step]) -> None:
    owns = step.contract.owns if step.contract is not None else None
    if owns is None:
        return
    at = step.node.name.span
    asked = step.copies if step.pattern == "some" else len(step.candidates)
    if step.pattern in ("all", "some") and asked > 1 and step.node not in arbitrated:
        why = "this fan-out takes it, and nobody arbitrates"
        context.report.add(codes.OWNED_TWICE, at, decision=owns.name, labels=[Label(_by(step), why)])
        return
    first = taken.setdefault(owns.name, step)
    if first is step or step.only_if is not None or first.only_if is not None:
        return
    if step.node in arbitrated and first.node in arbitrated:
        return
    context.report.add(
        codes.OWNED_TWICE, at, decision=owns.name, labels=[Label(first.node.name.span, "first taken here")]
    )


def _by(step: StepInfo) -> Span:
    return step.node.by.span if step.node.by is not None else step.node.name.span
