"""Bounds of the statements with blocks of their own, of those that only take time, and of those that take nothing."""

from __future__ import annotations

from typing import Any

from orchspec.compiler.bounds.attempts import Place
from orchspec.compiler.bounds.journal import Writing
from orchspec.compiler.bounds.metrics import EMPTY, Bound, all_of, one_of, optional, turns
from orchspec.compiler.bounds.ranges import INF, Number, Range, Term
from orchspec.compiler.bounds.shapes import ANY, Shape
from orchspec.compiler.bounds.statements import INDEX_DIGITS, gives_up, items_of, listed, needed, own, spread
from orchspec.compiler.bounds.steps import retried
from orchspec.compiler.bounds.values import Known, shape_of
from orchspec.compiler.bounds.walk import Walk, bounded
from orchspec.compiler.plan import Arm, Let, Repeat, Route, Scope, Wait

__all__: list[str] = []


# ------------------------------------------------------------------ blocks


@bounded("scope")
def _scope(walk: Walk, statement: Scope, known: Known, path: int) -> tuple[Bound, Shape]:
    place = Place(statement.node, f"`{statement.name}`")
    path += len(statement.name) + INDEX_DIGITS
    items = None if statement.over is None else items_of(statement.over, known, place)
    frame = walk.frame(statement.body, known, [] if items is None else [items.item()])
    bound, gives = walk.block(statement.body, frame, path)
    bound = retried(walk, bound, statement.policy, place, path)
    bound = walk.capped(bound, statement.budget, statement.node, place.name)
    if items is not None:
        known.items[statement.slot] = items.shape
        bound, gives = spread(bound, items, statement.need, statement.on_failure, place), listed(items.most, gives)
    elif gives_up(statement.on_failure):
        bound = optional(bound)
    return needed(bound, statement.only_if), gives


@bounded("repeat")
def _repeat(walk: Walk, statement: Repeat, known: Known, path: int) -> tuple[Bound, Shape]:
    name = f"`{statement.name}`"
    path += len(statement.name) + INDEX_DIGITS
    times = shape_of(statement.times, known)
    fewest, most = max(0, times.low), max(0, times.high)
    past = Shape(None, fewest=0, most=most)
    body, gives = walk.block(statement.body, walk.frame(statement.body, known, [past, ANY]), path)
    stops = any(inner.kind == "until" for inner in statement.body.statements)
    least: Number = min(fewest, 1) if stops else fewest
    label = f"rounds of {name}" if most == INF else f"{most} rounds of {name}"
    why = f"nothing bounds the rounds of {name}" if most == INF else ""
    bound = turns(body, least, most, label=label, why=why)
    if statement.every_us is not None and most > 1:
        waits = most - 1
        slept = Range(max(0, least - 1) * statement.every_us, waits * statement.every_us)
        term = Term(statement.node, f"the waits of {name}", slept.worst)
        wrote = Writing(0, waits, commands=2 * waits)
        bound = all_of([bound, own(statement.node, name, path, wrote, Range(slept.best, slept.worst, term))])
    if statement.otherwise is None:
        return bound, gives
    otherwise, _ = walk.block(statement.otherwise, walk.frame(statement.otherwise, known, []), path)
    both = all_of([bound, optional(otherwise)])
    if _always_fails(statement.otherwise) or fewest >= 1:
        return both, ANY
    least_of_both = one_of([body, otherwise])
    return [Range(low.best, high.worst, high.term) for low, high in zip(least_of_both, both, strict=True)], ANY


def _always_fails(block: Any) -> bool:
    """Whether no run gets through a block."""
    return any(statement.kind == "fail" and statement.when is None for statement in block.statements)


@bounded("route")
def _route(walk: Walk, statement: Route, known: Known, path: int) -> tuple[Bound, Shape]:
    path += len(statement.name) + 1
    bounds = [walk.block(arm.body, walk.frame(arm.body, known, []), path)[0] for arm in statement.arms]
    if not bounds:
        return EMPTY, ANY
    worst = one_of(bounds)
    passing = [bound for arm, bound in zip(statement.arms, bounds, strict=True) if not _always_fails(arm.body)]
    if not passing:
        return worst, ANY
    least = one_of(passing) if _exhaustive(walk, statement, known) else optional(one_of(passing))
    return [Range(low.best, high.worst, high.term) for low, high in zip(least, worst, strict=True)], ANY


def _exhaustive(walk: Walk, statement: Route, known: Known) -> bool:
    if any(not arm.patterns and arm.when is None for arm in statement.arms):
        return True
    subject = None if statement.subject is None else shape_of(statement.subject, known).type
    if not isinstance(subject, list | tuple) or subject[0] != "Enum" or subject[1] not in walk.plan.enums:
        return False
    covered = {pattern for arm in statement.arms if arm.when is None for pattern in _constants(arm)}
    return covered >= set(walk.plan.enums[subject[1]].members)


def _constants(arm: Arm) -> list[Any]:
    return [pattern[1] for pattern in arm.patterns if pattern[0] == "const" and isinstance(pattern[1], str)]


# ------------------------------------------------------------------ time


@bounded("wait")
def _wait(_walk: Walk, statement: Wait, known: Known, path: int) -> tuple[Bound, Shape]:
    value = shape_of(statement.value, known)
    low, high = max(0, value.low), max(0, value.high)
    why = ""
    if statement.until:  # a moment: how far away it is, nobody knows
        low, high, why = 0, INF, "it waits until a moment, which may be any time away"
    elif high == INF:
        why = "nothing bounds how long it waits"
    latency = Range(low, high, Term(statement.node, "the wait", high, why))
    wrote = Writing(1 if low > 0 else 0, 1, commands=2, messages=0)
    return own(statement.node, "the wait", path + 5, wrote, latency), ANY


# ------------------------------------------------------------------ nothing but words


@bounded("fail")
def _fail(_walk: Walk, statement: Any, _known: Known, path: int) -> tuple[Bound, Shape]:
    constant = statement.message[0] == "const"
    wrote = Writing(0, 0, messages=1 + (len(str(statement.message[1])) // 50 if constant else 0))
    if not constant:
        wrote.payloads = 1  # a computed text may be as long as any value
    return own(statement.node, "`fail`", path, wrote), ANY


@bounded("checkpoint")
def _checkpoint(_walk: Walk, statement: Any, _known: Known, path: int) -> tuple[Bound, Shape]:
    return own(statement.node, f"`{statement.name}`", path + len(statement.name), Writing(0, 0, commands=1)), ANY


@bounded("send")
def _send(walk: Walk, statement: Any, _known: Known, path: int) -> tuple[Bound, Shape]:
    channel = walk.plan.channels.get(statement.channel)
    wrote = Writing(0, 0, messages=1 + (len(channel.receivers) if channel is not None else 0))
    return own(statement.node, f"`send {statement.channel}`", path, wrote), ANY


@bounded("let")
def _let(_walk: Walk, statement: Let, known: Known, _path: int) -> tuple[Bound, Shape]:
    return EMPTY, shape_of(statement.value, known)


@bounded("give")
def _give(_walk: Walk, _statement: Any, _known: Known, _path: int) -> tuple[Bound, Shape]:
    return EMPTY, ANY


@bounded("until")
def _until(_walk: Walk, _statement: Any, _known: Known, _path: int) -> tuple[Bound, Shape]:
    return EMPTY, ANY


@bounded("revert")
def _revert(_walk: Walk, statement: Any, _known: Known, path: int) -> tuple[Bound, Shape]:
    # What it undoes counts as the undoing of the effect: nothing is undone twice.
    return own(statement.node, f"`revert {statement.name}`", path, Writing(0, 0, commands=2, messages=1)), ANY
