"""The order of a block: what each statement waits for, and that nothing waits for itself.

A statement waits for the statements whose names it, or anything nested in it, reads; for what `after` and `require`
say; an effect step for the effect steps and the guards above it; everything for the checkpoints, waits and sends above,
and these for everything above them. Cycles are told with each of their edges; what is merely written in the wrong
order is told so.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import field

from orchspec.compiler.circles import circle, graph_of, knots
from orchspec.compiler.codes import flows as codes
from orchspec.compiler.codes import names as name_codes
from orchspec.compiler.context import Context
from orchspec.compiler.model import BlockInfo
from orchspec.compiler.report import did_you_mean
from orchspec.grammar.diagnostics import Label
from orchspec.grammar.source import Span
from orchspec.grammar.syntax import (
    Attribute,
    Checkpoint,
    Expr,
    Fail,
    Ident,
    ListLit,
    Name,
    Node,
    Peers,
    Require,
    Revert,
    Route,
    Scope,
    Send,
    Statement,
    Step,
    Wait,
    attribute,
)
from orchspec.slotted import dataclass

__all__ = ["settle_order"]


@dataclass(frozen=True, slots=True)
class _Edge:
    """`later` waits for `earlier`, because of what stands at `span`."""

    later: int
    earlier: int
    span: Span
    why: str
    read: bool = False


def settle_order(context: Context, block: BlockInfo, body: Sequence[Statement]) -> None:
    """Fills `block.needs`, and reports cycles and names that are read before they are given."""
    places: dict[Node, int] = {statement: place for place, statement in enumerate(block.statements)}
    edges = [*_reads(context, block, places), *_ordered(context, block, body, places), *_barriers(context, block)]
    looped = _report_cycles(context, block, edges)
    seen: set[tuple[int, int]] = set()
    for edge in edges:
        inside = edge.later in looped and edge.earlier in looped
        if edge.read and edge.earlier > edge.later and not inside and (edge.later, edge.earlier) not in seen:
            seen.add((edge.later, edge.earlier))
            given = block.statements[edge.earlier]
            context.report.add(
                codes.USED_BEFORE_GIVEN,
                edge.span,
                name=_name(given),
                labels=[Label(_name_span(given), "given here")],
            )
    needs: dict[int, set[int]] = {place: set() for place in range(len(block.statements))}
    for edge in edges:
        needs[edge.later].add(edge.earlier)
    block.needs = {
        statement: tuple(block.statements[earlier] for earlier in sorted(needs[place]))
        for statement, place in places.items()
    }


def _given(statement: Statement) -> Ident | None:
    """The name that a statement gives, or stands for."""
    name = getattr(statement, "name", None)
    return name if isinstance(name, Ident) and not isinstance(statement, Revert) else None


def _name(statement: Statement) -> str:
    name = _given(statement)
    return name.text if name is not None else statement.span.text.split(maxsplit=1)[0]


def _name_span(statement: Statement) -> Span:
    name = _given(statement)
    return name.span if name is not None else statement.span


# ------------------------------------------------------------------ edges


def _reads(context: Context, block: BlockInfo, places: Mapping[Node, int]) -> Iterable[_Edge]:
    for read in context.reads.get(block.frame, ()):
        earlier = places.get(read.slot.declared)
        later = places.get(read.reader)
        if earlier is None or later is None:
            continue
        why = f"`{_name(read.reader)}` reads `{read.slot.name}`"
        yield _Edge(later, earlier, read.node.span, why, read=True)


def _ordered(
    context: Context, block: BlockInfo, body: Sequence[Statement], places: Mapping[Node, int]
) -> Iterable[_Edge]:
    names = {_name(statement): places[statement] for statement in block.statements if _given(statement) is not None}
    for statement in body:
        if isinstance(statement, Require):
            yield from _required(context, block, statement, names)
        else:
            yield from _after(context, block, statement, names, places)


def _required(context: Context, block: BlockInfo, node: Require, names: dict[str, int]) -> Iterable[_Edge]:
    found = [_statement_named(context, block, ident, names) for ident in (node.earlier, node.later)]
    earlier, later = found
    if earlier is not None and later is not None:
        why = f"`{node.earlier.text}` is required before `{node.later.text}`"
        yield _Edge(later, earlier, node.span, why)


def _statement_named(context: Context, block: BlockInfo, ident: Ident | Name, names: dict[str, int]) -> int | None:
    place = names.get(ident.text)
    if place is None and ident.text and block.frame.find(ident.text) is None:
        fix = did_you_mean(ident.text, ident, names)
        context.report.absent(
            name_codes.UNKNOWN_NAME, ident, reach="name", kind="statement of this block", name=ident.text, fix=fix
        )
    elif place is None and ident.text:
        slot = block.frame.find(ident.text)
        if slot is not None and slot.kind != "local":
            context.report.add(
                name_codes.WRONG_KIND, ident, name=ident.text, found="given from outside", expected="a statement here"
            )
    elif place is not None:
        slot = context.checked.slots.get(block.statements[place])
        if slot is not None:
            slot.read = True
    return place


def _after_list(statement: Statement) -> tuple[Attribute, Sequence[Expr]] | None:
    if isinstance(statement, Scope | Peers):
        found = attribute(statement.body, "after")
    else:
        found = attribute(getattr(statement, "settings", ()), "after")
    if found is None:
        return None
    return found, found.value.items if isinstance(found.value, ListLit) else (found.value,)


def _after(
    context: Context, block: BlockInfo, statement: Statement, names: dict[str, int], places: Mapping[Node, int]
) -> Iterable[_Edge]:
    from orchspec.compiler.codes import declarations

    found = _after_list(statement)
    later = places.get(statement)
    if found is None or later is None:
        return
    node, items = found
    for item in items:
        if not isinstance(node.value, ListLit) or not isinstance(item, Name):
            shown = f"`{item.span.text}`"
            context.report.add(
                declarations.ATTRIBUTE_VALUE,
                item,
                name="after",
                expected="a list of names of this block such as `[draft]`",
                found=shown,
            )
            continue
        earlier = _statement_named(context, block, item, names)
        if earlier is not None:
            why = f"`{_name(statement)}` stands after `{item.text}`"
            yield _Edge(later, earlier, item.span, why)


def _barriers(context: Context, block: BlockInfo) -> Iterable[_Edge]:
    line = _Line()
    last = 0  # the last barrier, and what stands below it: earlier statements are waited for through it
    barrier: int | None = None
    for place, statement in enumerate(block.statements):
        if barrier is not None:
            yield _Edge(
                place,
                barrier,
                statement.span,
                f"`{_name(statement)}` stands below a {_barrier(block.statements[barrier])}",
            )
        if isinstance(statement, Checkpoint | Wait | Send):
            for above in range(last, place):
                name = _name(block.statements[above])
                yield _Edge(place, above, statement.span, f"the {_barrier(statement)} stands below `{name}`")
            barrier = last = place
            line = _Line()
        elif isinstance(statement, Fail) and statement.when is not None:
            line.guards.append(place)
            line.new_guards.append(place)
        elif isinstance(statement, Step | Route | Revert) and _is_effect(context, statement):
            yield from _effect_order(block, place, statement, line)


def _barrier(statement: Statement) -> str:
    return {Wait: "wait", Send: "send"}.get(type(statement), "checkpoint")


@dataclass(slots=True)
class _Line:
    """The effect steps and guards since the last barrier.

    `effects` are those that the next effect step waits for; earlier ones are waited for through these, as are all
    guards but the new ones.
    """

    effects: list[int] = field(default_factory=list)
    guards: list[int] = field(default_factory=list)
    new_guards: list[int] = field(default_factory=list)


def _is_effect(context: Context, statement: Step | Route | Revert) -> bool:
    """Whether a statement is an effect step or a revert, or a route with an arm that is one."""
    if isinstance(statement, Revert):
        return True
    if isinstance(statement, Route):
        route = context.checked.routes.get(statement)
        if route is None:
            return False
        if any(_reverts(arm.body) for arm in route.arms):
            return True
        calls = [arm.call for arm in route.arms]
    else:
        calls = [context.checked.steps.get(statement)]
    return any(step is not None and step.effect is not None for step in calls)


def _reverts(block: BlockInfo) -> bool:
    return any(isinstance(statement, Revert) for statement in block.statements)


def _effect_order(block: BlockInfo, place: int, statement: Step | Route | Revert, line: _Line) -> Iterable[_Edge]:
    name, span = _name(statement), statement.name.span
    after = _after_list(statement)
    for guard in line.new_guards if after is None else line.guards:
        yield _Edge(place, guard, span, f"`{name}` stands below a guard")
    if after is None:
        for effect in line.effects:
            before = _name(block.statements[effect])
            yield _Edge(place, effect, span, f"`{name}` stands below `{before}`: effects run in written order")
        line.effects.clear()
        line.new_guards.clear()
    if after is None or after[1]:
        line.effects.append(place)


# ------------------------------------------------------------------ cycles


def _report_cycles(context: Context, block: BlockInfo, edges: Sequence[_Edge]) -> set[int]:
    """Reports each knot of statements that wait for each other once; gives the statements in knots."""
    if all(edge.earlier < edge.later for edge in edges):
        return set()  # every edge goes up: no cycle
    first: dict[tuple[int, int], _Edge] = {}
    for edge in edges:
        known = first.get((edge.later, edge.earlier))
        if known is None or (edge.read and not known.read):
            first[edge.later, edge.earlier] = edge
    graph = graph_of(first)
    looped: set[int] = set()
    for knot in knots(graph):
        looped.update(knot)
        cycle = [first[edge] for edge in circle(graph, min(knot))]
        start = min(cycle, key=lambda edge: edge.span.start)
        names = [f"`{_name(block.statements[edge.later])}`" for edge in cycle]
        shown = " and ".join(names) if len(names) < 3 else ", ".join(names[:-1]) + " and " + names[-1]
        context.report.add(
            codes.CYCLE,
            start.span,
            knot=f"{shown} wait for each other" if len(names) > 1 else f"{shown} waits for itself",
            labels=[Label(edge.span, edge.why) for edge in cycle],
            notes=["a loop is written as `repeat`, with its bound"],
        )
    return looped
