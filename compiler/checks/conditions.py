"""Conditions that come out the same in every run, and what is counted beyond what there is.

A condition that never holds leaves something unreachable, which is an error; one that always holds says nothing, which
is a warning. Params are left aside: they may be set. See `orchspec.compiler.extents` for what is known of values.
"""

from __future__ import annotations

from collections.abc import Iterator

from orchspec.compiler.codes import declarations as declaration_codes
from orchspec.compiler.codes import settled as codes
from orchspec.compiler.codes import types as type_codes
from orchspec.compiler.constants import NotConstant, evaluate
from orchspec.compiler.context import Context
from orchspec.compiler.extents import Extent, compared, length_of, limits_of, settled
from orchspec.compiler.model import ArbitrateInfo, FieldInfo, Reference, RuleInfo, ScopeInfo, StepInfo
from orchspec.compiler.types import UNKNOWN, ListOf, required
from orchspec.grammar.diagnostics import Edit, Fix, Label
from orchspec.grammar.syntax import (
    Binary,
    Expr,
    Fail,
    Index,
    Int,
    Name,
    Node,
    Peers,
    Unary,
    attribute,
    statements_in,
    walk,
)

__all__ = ["beyond_the_end", "conditions", "settled_comparisons", "unsatisfiable"]


def conditions(context: Context) -> None:
    """Reports conditions of statements that always hold, or never, and loops over nothing."""
    checked = context.checked
    for step in _working(context):
        if step.only_if is not None:
            _only_if(context, step, step.only_if)
        if step.loop is not None:
            length = length_of(checked, step.loop.items)
            if length.high == 0:
                _never(context, step.loop.items, f"`{step.node.name.text}`", "it goes over an empty list", length)
        if isinstance(step.node, Peers):
            for handoff in step.node.body:
                when = getattr(handoff, "when", None)
                if when is not None and settled(checked, when) is False:
                    _never(context, when, "this handoff")
    for flow in checked.flows.values():
        for node in statements_in(flow.node):
            if isinstance(node, Fail) and node.when is not None:
                _fail(context, node.when)
    for repeat in checked.repeats.values():
        if repeat.until is None:
            continue
        done, at, name = settled(checked, repeat.until.condition), repeat.until.condition, repeat.node.name.text
        if done:
            what, so = f"`until` of `{name}`", "there is one round only"
            context.report.add(codes.ALWAYS_HOLDS, at, what=what, so=so)
        elif done is False:
            context.report.add(codes.ONLY_EXHAUSTS, at, name=name)
    for arbitration in checked.arbitrations.values():
        for rule in arbitration.rules:
            _rule(context, arbitration, rule)


def _working(context: Context) -> Iterator[StepInfo | ScopeInfo]:
    yield from context.checked.steps.values()
    yield from context.checked.scopes.values()


def _never(
    context: Context, at: Node, what: str, why: str = "its condition never holds", by: Extent | None = None
) -> None:
    labels = [] if by is None or by.at is None or by.at == at.span else [Label(by.at, by.why)]
    context.report.add(codes.NEVER_DONE, at, what=what, why=why, labels=labels)


def _only_if(context: Context, step: StepInfo | ScopeInfo, condition: Expr) -> None:
    holds, name = settled(context.checked, condition), step.node.name.text
    if holds is False:
        _never(context, condition, f"`{name}`")
    elif holds:
        items = getattr(step.node, "body", ()) or getattr(step.node, "settings", ())
        said = attribute(items, "only_if")
        fix = None if said is None else Fix("leave it out", (Edit(said.span, ""),), "maybe-incorrect")
        so = "its result is optional for nothing"
        context.report.add(codes.ALWAYS_HOLDS, condition, what=f"`only_if` of `{name}`", so=so, fix=fix)


def _fail(context: Context, when: Expr) -> None:
    holds = settled(context.checked, when)
    if holds:
        context.report.add(codes.ALWAYS_FAILS, when)
    elif holds is False:
        _never(context, when, "this `fail`")


# ------------------------------------------------------------------ rules


def _rule(context: Context, arbitration: ArbitrateInfo, rule: RuleInfo) -> None:
    checked, expr = context.checked, rule.expr
    if expr is not None and not _reads(context, expr, arbitration):
        what = {"quorum": "the condition of a quorum"}.get(rule.kind, f"what `{rule.kind}` compares")
        context.report.add(codes.READS_NO_CANDIDATE, expr, what=what)
    if rule.n is None:
        return
    try:
        count = evaluate(rule.n, checked)
    except NotConstant:
        return
    asked = length_of(checked, arbitration.node.candidates)
    if not isinstance(count, int):
        return
    if count < 1:
        _out_of_range(context, "quorum", rule.n, count, "at least 1")
    elif count > asked.high:
        _out_of_range(context, "quorum", rule.n, count, f"at most the {asked.high} that there are", asked)


def _reads(context: Context, expr: Expr, arbitration: ArbitrateInfo) -> bool:
    """Whether an expression reads the candidate."""
    resolved = context.checked.resolved
    for part in walk(expr):
        found = resolved.get(part)
        if isinstance(found, Reference) and found.slot.frame is arbitration.frame:
            return True
        if isinstance(part, Name) and found is None:
            return True  # it was reported, and nobody knows what was meant
    return False


def _out_of_range(context: Context, name: str, at: Expr, found: int, expected: str, by: Extent | None = None) -> None:
    labels = [] if by is None or by.at is None else [Label(by.at, by.why)]
    context.report.add(
        declaration_codes.OUT_OF_RANGE, at, name=name, found=str(found), expected=expected, labels=labels
    )


# ------------------------------------------------------------------ comparisons, items


def settled_comparisons(context: Context) -> None:
    """Warns of comparisons that constraints and lengths decide before any run."""
    checked = context.checked
    held = {part for where in _constraints(context) for part in walk(where)}
    for node in list(checked.expr_types):
        if type(node) is not Binary or node in held:
            continue
        found = compared(checked, node)
        if found is None:
            continue
        holds, by = found
        text, why = " ".join(node.span.text.split()), by.why
        labels = [] if by.at is None else [Label(by.at, "this says so")]
        context.report.add(
            codes.SETTLED_COMPARISON,
            node,
            text=text if len(text) <= 60 else "this",
            always="always true" if holds else "never true",
            why=why,
            labels=labels,
        )


def _constraints(context: Context) -> Iterator[Expr]:
    for field, _ in _fields(context):
        if field.node.where is not None:
            yield field.node.where
    for param in context.checked.params.values():
        if param.node.where is not None:
            yield param.node.where
    for contract in context.checked.contracts.values():
        yield from contract.ensures


def _fields(context: Context) -> Iterator[tuple[FieldInfo, str]]:
    checked = context.checked
    for record in checked.records.values():
        yield from ((field, record.name) for field in record.fields)
    for called in (checked.contracts, checked.effects, checked.signals, checked.channels, checked.flows):
        for info in called.values():
            yield from ((param, info.name) for param in info.params)


def beyond_the_end(context: Context) -> None:
    """Reports items that a list does not have, and floors (`need`) above what a `for` goes over."""
    checked = context.checked
    for node in list(checked.expr_types):
        if type(node) is not Index or not isinstance(required(checked.expr_types.get(node.base, UNKNOWN)), ListOf):
            continue
        if isinstance(node.index, Unary) and isinstance(node.index.operand, Int):
            problem = f"a list is read from 0, and there is no item -{node.index.operand.value}"
            context.report.add(type_codes.BAD_INDEX, node.index, problem=problem)
        elif isinstance(node.index, Int):
            length = length_of(checked, node.base)
            if node.index.value >= length.high:
                labels = [] if length.at is None else [Label(length.at, length.why)]
                problem = f"there is no item {node.index.value}: the last one is {_last(length)}"
                context.report.add(type_codes.BAD_INDEX, node.index, problem=problem, labels=labels)
    for step in _working(context):
        if step.loop is None or step.need is None or step.need.count is None:
            continue
        length = length_of(checked, step.loop.items)
        said = attribute(getattr(step.node, "settings", ()) or getattr(step.node, "body", ()), "need")
        if said is not None and step.need.count > length.high:
            expected = f"at most the {length.high} items"
            _out_of_range(context, "need", said.value, step.need.count, expected, length)


def _last(length: Extent) -> str:
    return "none, it is empty" if length.high == 0 else str(int(length.high) - 1)


# ------------------------------------------------------------------ constraints


def unsatisfiable(context: Context) -> None:
    """Reports constraints and `ensures` that no value meets: what is for them could never be done."""
    checked = context.checked
    for field, owner in _fields(context):
        where = field.node.where
        if where is not None and _impossible(context, where, field.name):
            context.report.add(codes.UNSATISFIABLE, where, what=f"`{field.name}` of `{owner}`", word="where")
    for param in checked.params.values():
        where = param.node.where
        if where is not None and _impossible(context, where, param.node.name.text):
            context.report.add(codes.UNSATISFIABLE, where, what=f"the param `{param.name}`", word="where")
    for contract in checked.contracts.values():
        for condition in contract.ensures:
            _ensured(context, contract.name, condition)


def _impossible(context: Context, where: Expr, name: str) -> bool:
    if settled(context.checked, where) is False:
        return True
    return any(extent.low > extent.high for extent in limits_of(context.checked, where, name))


def _ensured(context: Context, name: str, condition: Expr) -> None:
    """What an output must be: a part that never holds, and parts that always do."""
    checked, report = context.checked, context.report
    whole = settled(checked, condition)
    if whole is not None:
        if whole:
            so = "it checks nothing"
            report.add(codes.ALWAYS_HOLDS, condition, what=f"`ensures` of `{name}`", so=so)
        else:
            report.add(codes.UNSATISFIABLE, condition, what=f"the output of `{name}`", word="ensures")
        return
    pending = [condition]
    while pending:
        part = pending.pop()
        if not isinstance(part, Binary):
            continue
        if part.op == "and":
            pending += [part.right, part.left]
            continue
        found = compared(checked, part)
        if found is None:
            continue
        holds, by = found
        labels = [] if by.at is None else [Label(by.at, "this says so")]
        if holds:
            text = " ".join(part.span.text.split())
            report.add(codes.SETTLED_COMPARISON, part, text=text, always="always true", why=by.why, labels=labels)
        else:
            report.add(codes.UNSATISFIABLE, part, what=f"the output of `{name}`", word="ensures", labels=labels)
