"""Bounds of steps that no agent takes: effects, signals and flows; alone, or for each item."""

from __future__ import annotations

import math
from dataclasses import replace

from orchspec.compiler.bounds.attempts import Place, rests_us, sends_us, undo_us
from orchspec.compiler.bounds.journal import Writing, writing
from orchspec.compiler.bounds.metrics import (
    AMPLIFICATION,
    COST,
    DEPTH,
    LATENCY,
    RETRIES,
    SETTLING,
    SIZE,
    UNDOING,
    WORK,
    Bound,
    all_of,
    optional,
    turns,
)
from orchspec.compiler.bounds.queueing import doubt_us, patience, turns_us, usually_us
from orchspec.compiler.bounds.ranges import INF, NOTHING, Number, Range, Term, scaled, summed
from orchspec.compiler.bounds.shapes import ANY, Shape, of_type
from orchspec.compiler.bounds.statements import INDEX_DIGITS, gives_up, items_of, listed, needed, own, spread
from orchspec.compiler.bounds.values import Known
from orchspec.compiler.bounds.walk import Stack, Walk, bounded, inside
from orchspec.compiler.lowering.reserve import high
from orchspec.compiler.plan import (
    EffectStep,
    FlowStep,
    Plan,
    PlanError,
    Policy,
    SignalStep,
)

__all__ = ["retried"]


@bounded("effect")
def _effect(walk: Walk, statement: EffectStep, known: Known, path: int) -> tuple[Bound, Shape]:
    plan = walk.plan
    effect = plan.effects.get(statement.effect)
    if effect is None:
        raise PlanError(f"a step names the effect {statement.effect!r}, which the plan does not declare")
    place = Place(statement.node, f"`{statement.name}`")
    bound = _effect_bound(plan, statement, path, profiled=walk.profiled)
    return _stepped(walk, bound, statement, known, place), _given(statement, known, of_type(effect.result))


def _stepped(
    walk: Walk, bound: Bound, statement: EffectStep | SignalStep | FlowStep, known: Known, place: Place
) -> Bound:
    """What is done once, or for each item; under the budget of the step, with its chain and its condition."""
    if statement.over is not None:
        items = items_of(statement.over, known, place)
        known.items[statement.slot] = items.shape
        bound = spread(bound, items, statement.need, statement.on_failure, place)
    elif gives_up(statement.on_failure):
        bound = optional(bound)
    return needed(walk.capped(bound, statement.budget, statement.node, place.name), statement.only_if)


def _given(statement: EffectStep | SignalStep | FlowStep, known: Known, one: Shape) -> Shape:
    """The value of a step, or the list of those of its items."""
    if statement.over is None:
        return one
    return listed(known.items[statement.slot].most, one)


def _effect_bound(plan: Plan, statement: EffectStep, path: int, *, profiled: bool = False) -> Bound:
    """One application of an effect, with all its sends, and its undo."""
    effect = plan.effects[statement.effect]
    policy = patience(plan, effect.name, statement.policy) if profiled else statement.policy
    attempts = max(1, policy.attempts)
    node, what = statement.node, f"`{statement.name}`: `{effect.name}`"
    worst = sends_us(policy, attempts)
    why = f"the effect `{effect.name}` has no timeout" if worst == INF else ""
    # Somebody else may have done the same already: then its receipt is there at once.
    found = [NOTHING] * SIZE
    found[LATENCY] = Range(0, worst, Term(node, what, worst, why))
    found[RETRIES] = Range(0, attempts - 1, Term(node, what, attempts - 1))
    profile = plan.profiles.get(effect.name)
    if profile is not None and profile.cost is not None:
        # Charged once, when it is done; nothing of it is reserved, so the most is what the profile makes likely.
        dear = high(profile.cost)
        lacking = "" if dear is not None else f"what `{effect.name}` costs is read from a file"
        found[COST] = Range(0, INF if dear is None else math.ceil(dear), Term(node, what, dear or INF, lacking))
    once: Number = INF if policy.timeout_us is None else policy.timeout_us
    working = worst + doubt_us(plan, effect, attempts) + turns_us(plan, [], attempts)
    found[WORK] = Range(0, working, Term(node, what, working, why))
    found[SETTLING] = Range(0, once, Term(node, what, once, why))
    sends = attempts
    undo = plan.effects.get(effect.undo.effect) if effect.undo is not None else None
    if undo is not None:
        undoing = undo_us(patience(plan, undo.name, undo.policy) if profiled else undo.policy)
        lacking = f"the effect `{undo.name}`, which undoes it, has no timeout" if undoing == INF else ""
        found[UNDOING] = Range(0, undoing, Term(node, f"undoing {what}", undoing, lacking))
        sends += max(undo.policy.attempts, 10)
    # Of a send: the reply, its timer, the rest after it, and a late reply; of a claim: its answer, and one withdrawn.
    wrote = Writing(1, 4 * sends + 4, commands=6 * sends + 12, messages=2 * sends + 4, payloads=2 * sends + 2, given=1)
    names = len(statement.name) + 2 * len(effect.name) + (len(undo.name) if undo is not None else 0) + INDEX_DIGITS
    writing(found, wrote, node, what, path + names)
    return found


@bounded("signal")
def _signal(walk: Walk, statement: SignalStep, known: Known, path: int) -> tuple[Bound, Shape]:
    signal = walk.plan.signals.get(statement.signal)
    worst: Number = INF if statement.timeout_us is None else statement.timeout_us
    if walk.profiled and worst == INF:
        worst = usually_us(walk.plan, statement.signal)
    what = f"`{statement.name}`: the signal `{statement.signal}`"
    why = f"the signal `{statement.signal}` has no timeout" if worst == INF else ""
    found = [NOTHING] * SIZE
    found[LATENCY] = found[WORK] = Range(0, worst, Term(statement.node, what, worst, why))
    wrote = Writing(1, 3, commands=6, messages=2, payloads=1, given=1)
    writing(found, wrote, statement.node, what, path + len(statement.name) + len(statement.signal))
    place = Place(statement.node, f"`{statement.name}`")
    one = of_type(signal.result) if signal is not None else ANY
    return _stepped(walk, found, statement, known, place), _given(statement, known, one)


@bounded("flow")
def _flow(walk: Walk, statement: FlowStep, known: Known, path: int) -> tuple[Bound, Shape]:
    flow = walk.plan.flows.get(statement.flow)
    if flow is None or statement.flow not in walk.flows:
        raise PlanError(f"the flow {statement.flow!r} calls itself, or is not there")
    name = f"`{statement.name}`"
    path += len(statement.name) + 1
    found = list(inside(walk.flows[statement.flow], path))
    depth = found[DEPTH]
    found[DEPTH] = Range(depth.best, depth.worst, Term(statement.node, name, depth.worst))
    place = Place(statement.node, name)
    bound = retried(walk, found, statement.policy, place, path)
    return _stepped(walk, bound, statement, known, place), _given(statement, known, of_type(flow.result))


def retried(walk: Walk, bound: Bound, policy: Policy, place: Place, path: int) -> Bound:
    """A region that is tried again as a whole: each attempt undoes what the one before it did, and begins anew."""
    attempts = max(1, policy.attempts)
    once = walk.timed(bound, policy.timeout_us)
    inner = once[AMPLIFICATION].worst
    if attempts > 1 and inner > 1:
        walk.stacks.append(Stack(walk.flow, place.node, place.name, attempts, inner))
    rests = rests_us(policy.backoff, attempts)
    latency = Range(0, rests, Term(place.node, f"the rests of {place.name}", rests)) if rests else NOTHING
    timers = own(
        place.node,
        place.name,
        path,
        Writing(0, 3 * attempts + 2, commands=6 * attempts + 2, messages=attempts),
        latency,
    )
    if attempts == 1:
        return all_of([once, timers])
    found = list(turns(once, 1, attempts, label=f"{attempts} attempts of {place.name}"))
    again = found[AMPLIFICATION]
    found[AMPLIFICATION] = replace(
        scaled(again, 1, attempts, f"{attempts} attempts of {place.name}"), best=min(again.best, 1)
    )
    found[RETRIES] = summed([found[RETRIES], Range(0, attempts - 1, Term(place.node, place.name, attempts - 1))])
    return all_of([found, timers])
