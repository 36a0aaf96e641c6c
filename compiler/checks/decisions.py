"""Two steps never take the same decision unarbitrated, wherever in a flow or in what it calls they stand."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TypeAlias

from orchspec.compiler.checks.calls import called_first
from orchspec.compiler.codes import arbitration as codes
from orchspec.compiler.context import Context
from orchspec.compiler.model import BlockInfo, DecisionInfo, FlowInfo, Reference, StepInfo
from orchspec.grammar.diagnostics import Label
from orchspec.grammar.source import Span
from orchspec.grammar.syntax import (
    Arbitrate,
    FlowDecl,
    ListLit,
    MachineDecl,
    Name,
    Node,
    Scope,
    State,
    Step,
    statements_in,
)
from orchspec.slotted import dataclass

__all__ = ["owned_twice"]


@dataclass(frozen=True, slots=True)
class _Taking:
    """That a statement of a block takes a decision.

    `at` is the step that does it, or that calls the flow where it is done; `perhaps` says that it may be skipped.
    """

    statement: Node
    at: Span
    perhaps: bool


_Taken: TypeAlias = "dict[DecisionInfo, _Taking]"


def owned_twice(context: Context) -> None:
    """Reports decisions that two steps of one flow, or a fan-out whose votes nobody arbitrates, take."""
    if not context.checked.decisions:
        return
    flows: dict[FlowInfo, _Taken] = {}
    for flow in called_first(context):
        if flow.block is not None:
            flows[flow] = _Reader(context, flows, _arbitrated(context, flow.node)).block(flow.block)


def _arbitrated(context: Context, flow: FlowDecl | MachineDecl) -> set[Node]:
    """The statements whose results an arbitration reduces, also as items of a list."""
    found: set[Node] = set()
    for node in statements_in(flow):
        if not isinstance(node, Arbitrate):
            continue
        items = node.candidates.items if isinstance(node.candidates, ListLit) else (node.candidates,)
        for item in items:
            target = context.checked.resolved.get(item)
            if isinstance(item, Name) and isinstance(target, Reference):
                found.add(target.slot.declared)
    return found


@dataclass(frozen=True, slots=True)
class _Reader:
    """Reads the blocks of one flow; `flows` are the decisions of those that it may call."""

    context: Context
    flows: Mapping[FlowInfo, _Taken]
    arbitrated: set[Node]

    def block(self, block: BlockInfo) -> _Taken:
        """The decisions that are taken in a block, each with the first who does."""
        taken: _Taken = {}
        for statement in block.statements:
            if isinstance(statement, Step):
                for decision, taking in self._step(self.context.checked.steps[statement]).items():
                    self._take(taken, decision, taking)
                continue
            # One arm runs, an `else` runs in place of a result, and states follow each other.
            inner: _Taken = {}
            for part in self.context.checked.blocks_of(statement):
                for decision, taking in self.block(part).items():
                    inner.setdefault(decision, taking)
            for decision, taking in inner.items():
                if isinstance(statement, State):
                    taken.setdefault(decision, taking)
                    continue
                perhaps = taking.perhaps or (
                    isinstance(statement, Scope) and self.context.checked.scopes[statement].only_if is not None
                )
                self._take(taken, decision, replace(taking, statement=statement, perhaps=perhaps))
        return taken

    def _step(self, step: StepInfo) -> _Taken:
        perhaps, at = step.only_if is not None, step.node.name.span
        if step.flow is not None:
            return dict.fromkeys(self.flows.get(step.flow, ()), _Taking(step.node, at, perhaps))
        owns = step.contract.owns if step.contract is not None else None
        if owns is None:
            return {}
        asked = step.copies if step.pattern == "some" else len(step.candidates)
        if step.pattern in ("all", "some") and asked > 1 and step.node not in self.arbitrated:
            why = "this fan-out takes it, and nobody arbitrates"
            by = step.node.by.span if step.node.by is not None else at
            self.context.report.add(codes.OWNED_TWICE, at, decision=owns.name, labels=[Label(by, why)])
            return {}
        return {owns: _Taking(step.node, at, perhaps)}

    def _take(self, taken: _Taken, decision: DecisionInfo, taking: _Taking) -> None:
        first = taken.setdefault(decision, taking)
        if first is taking or first.perhaps or taking.perhaps:
            return
        if taking.statement in self.arbitrated and first.statement in self.arbitrated:
            return
        label = Label(first.at, "first taken here")
        self.context.report.add(codes.OWNED_TWICE, taking.at, decision=decision.name, labels=[label])
