"""Bounds of what agents and people are asked: tasks, fan-outs, arbitrations; and what all fan-outs share."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from orchspec.compiler.bounds.attempts import Place, task_bound
from orchspec.compiler.bounds.journal import Writing, writing
from orchspec.compiler.bounds.metrics import (
    BYTES,
    EMPTY,
    LATENCY,
    MENTIONS,
    PAYLOADS,
    RECORDS,
    SETTLING,
    SIZE,
    UNDOING,
    WORK,
    Bound,
    all_of,
    one_of,
    optional,
    turns,
)
from orchspec.compiler.bounds.queueing import patience
from orchspec.compiler.bounds.ranges import INF, NOTHING, Number, Range, Term, summed
from orchspec.compiler.bounds.shapes import ANY, Shape, item_of, of_type, satisfying
from orchspec.compiler.bounds.values import Known, shape_of
from orchspec.compiler.bounds.walk import Walk, bounded
from orchspec.compiler.plan import (
    Arbitrate,
    Budget,
    Candidate,
    Need,
    OnFailure,
    Over,
    Plan,
    TaskStep,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = [
    "FOLDS_MAX",
    "Items",
    "chained",
    "folding",
    "gives_up",
    "items_of",
    "listed",
    "needed",
    "own",
    "reusable",
    "rounds_of",
    "spread",
    "task_of",
    "wrote_of",
]

POSTS_MAX: Final = 1_000
"""So many messages may one attempt send: as the runtime's."""
FOLDS_MAX: Final = 3
"""So often is a session folded for one task: as the runtime's."""
INDEX_DIGITS: Final = 22
"""Characters of `[12]`, `#3` and the like in a path: no list is so long that its indices have more digits."""


def own(node: int, what: str, path: int, wrote: Writing, latency: Range = NOTHING) -> Bound:
    """What a statement takes by itself: records, and perhaps time."""
    found = [NOTHING] * SIZE
    found[LATENCY] = found[WORK] = latency
    writing(found, wrote, node, what, path)
    return found


def gives_up(links: Iterable[OnFailure]) -> bool:
    """Whether a run may go on although this failed, so that its best case does without it."""
    return any(link.kind in ("skip", "use") for link in links)


def contract_shape(plan: Plan, name: str) -> Shape:
    """What a contract gives: its type, and what `ensures` says of it."""
    contract = plan.contracts.get(name)
    if contract is None:
        return ANY
    shape = of_type(contract.result)
    for condition in contract.ensures:
        shape = satisfying(plan, shape, condition, len(contract.params))
    return shape


# ------------------------------------------------------------------ tasks


def task_of(
    walk: Walk,
    place: Place,
    candidates: Sequence[Candidate],
    budget: Budget | None,
    path: int,
    *,
    again: bool = False,
    within_us: int | None = None,
) -> Bound:
    """One task by one of these; `again` where identical work may have been done before."""
    each = []
    names = sum(len(candidate.agent) for candidate in candidates)
    for candidate in candidates:
        found = list(task_bound(walk.plan, place, candidate, budget, within_us, profiled=walk.profiled))
        attempts = max(1, candidate.policy.attempts)
        if candidate.policy.hedge is not None and within_us is None:
            attempts *= 3  # a hedge writes as much, and its timer and its end something more
        writing(found, wrote_of(walk.plan, candidate.agent, attempts), place.node, place.name, path + names)
        acting = _acting(walk, found, candidate.agent, place)
        each.append(all_of([acting, folding(walk, candidate.agent, place, path + names)]))
    bound = one_of(each)
    return optional(bound) if again else bound


def folding(walk: Walk, name: str, place: Place, path: int) -> Bound:
    """What is added where an agent's session may outgrow its context: tasks that summarize it, before the attempts."""
    agent = walk.plan.agents.get(name)
    if agent is None or agent.fold is None or agent.session == "fresh":
        return EMPTY
    sizes = [walk.plan.models[model].context_tokens for model in agent.models]
    if agent.context_tokens is None and not any(sizes):
        return EMPTY  # nothing says what would be too much
    summary = Place(place.node, f"the fold of {place.name}")
    each = []
    for candidate in agent.fold.candidates:
        alone = replace(candidate, policy=replace(candidate.policy, hedge=None))  # as the runtime asks for it
        found = list(task_bound(walk.plan, summary, alone, None, None, profiled=walk.profiled))
        # One more: the task whose session it is is granted, and waits.
        wrote = wrote_of(walk.plan, candidate.agent, 1 + max(1, candidate.policy.attempts))
        writing(found, wrote, place.node, summary.name, path + len("!fold") + len(candidate.agent))
        each.append(found)
    return turns(one_of(each), 0, FOLDS_MAX, label=f"{FOLDS_MAX} folds")


def _acting(walk: Walk, found: list[Range], name: str, place: Place) -> list[Range]:
    """With the effects that an agent applies on its way: which ones is declared, how often is not."""
    plan = walk.plan
    agent = plan.agents.get(name)
    effects = [plan.effects[effect] for effect in agent.effects if effect in plan.effects] if agent is not None else []
    if not effects:
        return found
    why = f"nothing bounds how often `{name}` applies its effects"
    what = f"the effects of {place.name} by {name}"
    for index in (RECORDS, BYTES, PAYLOADS, MENTIONS):
        found[index] = Range(found[index].best, INF, Term(place.node, what, INF, why))
    if any(effect.undo is not None for effect in effects):
        found[UNDOING] = Range(0, INF, Term(place.node, f"undoing {what}", INF, why))
    policies = [patience(plan, effect.name, effect.policy) if walk.profiled else effect.policy for effect in effects]
    once: Number = max(INF if policy.timeout_us is None else policy.timeout_us for policy in policies)
    lacking = f"an effect of `{name}` has no timeout" if once == INF else ""
    found[SETTLING] = Range(0, once, Term(place.node, what, once, lacking))
    settling = found[SETTLING]
    found[LATENCY], found[WORK] = summed([found[LATENCY], settling]), summed([found[WORK], settling])
    return found


def wrote_of(plan: Plan, agent: str, attempts: int) -> Writing:
    """What a task writes.

    Of an attempt: enrolled, ended, its timer, a rest; once stopped: its grace, costs, stop and a late outcome; and what
    it says on channels.
    """
    says = any(agent in channel.senders for channel in plan.channels.values())
    posts = POSTS_MAX * attempts if says else 0
    wrote = Writing(2, 8 * attempts + 2 + posts, commands=12 * attempts + 8 + posts)
    wrote.messages = 3 * attempts + 1 + 2 * posts
    wrote.payloads, wrote.payloads_least = 2 * attempts + 1 + posts, 1
    return wrote


def reusable(plan: Plan, contract: str) -> bool:
    """Whether identical work may have been done before, so that a task takes nothing."""
    found = plan.contracts.get(contract)
    return found is not None and found.reuse is not None and found.owns is None


def chained(walk: Walk, bound: Bound, links: Sequence[OnFailure], place: Place, path: int) -> Bound:
    """What a chain of `on_failure` adds: whoever is asked instead; and that it may have cost nothing."""
    asked = [
        (link, task_of(walk, place, [link.who], None, path + len(link.who.agent) + 1, within_us=link.within_us))
        for link in links
        if link.kind == "ask" and link.who is not None
    ]
    if asked:
        everybody = all_of([bound, *[optional(each) for _, each in asked]])
        least = one_of([bound, *[each for _, each in asked]])
        bound = [Range(low.best, high.worst, high.term) for low, high in zip(least, everybody, strict=True)]
    return optional(bound) if gives_up(links) else bound


class Items:
    """How often a `for` runs: at least and at most, how many at once, and why that is unbounded."""

    __slots__ = ("at_once", "fewest", "most", "rounds", "shape", "why")

    def __init__(self, over: Over, known: Known, name: str) -> None:
        self.shape = shape_of(over.items, known)
        self.fewest: Number = max(0, self.shape.fewest)
        self.most: Number = max(self.fewest, self.shape.most)
        width = None if over.width is None else shape_of(over.width, known)
        self.at_once: Number = self.most if width is None else min(self.most, max(1, width.high))
        narrow = self.most if width is None else max(1, width.low if width.low > -INF else 1)
        self.rounds: Number = 1 if width is None else rounds_of(self.most, narrow)
        self.why = (
            f"nothing bounds how many items {name} has: declare `where len(...) <= N` where the list comes from"
            if self.most == INF
            else ""
        )

    def item(self) -> Shape:
        """What is known of an item."""
        return item_of(self.shape)


def rounds_of(most: Number, at_once: Number) -> Number:
    """How many follow each other where so many are at once."""
    return INF if most == INF else math.ceil(most / at_once)


def items_of(over: Over, known: Known, place: Place) -> Items:
    """How often the `for` of a place runs."""
    return Items(over, known, place.name)


def _least_of(need: Need | None, fewest: Number) -> Number:
    """How many results a fan-out of at least so many must have."""
    if need is None:
        return fewest
    if need.count is not None:
        return min(need.count, fewest)
    return min(fewest, math.ceil((need.share if need.share is not None else 1.0) * fewest - 1e-9))


def spread(bound: Bound, items: Items, need: Need | None, links: Sequence[OnFailure], place: Place) -> Bound:
    """A bound of one item, for all of them."""
    least: Number = 0 if gives_up(links) else _least_of(need, items.fewest)
    label = f"items of {place.name}" if items.most == INF else f"{items.most} items of {place.name}"
    return turns(bound, least, items.most, label=label, why=items.why, rounds=items.rounds, at_once=items.at_once)


def listed(most: Number, item: Shape) -> Shape:
    """The list that a `for` of at most so many items gives."""
    return Shape(["List", item.type], fewest=0, most=most, item=item)


def needed(bound: Bound, only_if: Any) -> Bound:
    """A step under a condition."""
    return bound if only_if is None else optional(bound)


@bounded("task")
def _task(walk: Walk, statement: TaskStep, known: Known, path: int) -> tuple[Bound, Shape]:
    # The call of an arm has no name of its own.
    place = Place(statement.node, f"`{statement.name or statement.contract}`")
    path += len(statement.name) + INDEX_DIGITS
    gives = contract_shape(walk.plan, statement.contract)
    again = reusable(walk.plan, statement.contract)
    candidates, budget, links = statement.candidates, statement.budget, statement.on_failure
    if statement.over is not None:
        items = items_of(statement.over, known, place)
        known.items[statement.slot] = items.shape
        bound = task_of(walk, place, candidates, budget, path, again=again)
        bound = spread(chained(walk, bound, links, place, path), items, statement.need, links, place)
        gives = listed(items.most, gives)
        if statement.slot in known.early:
            bound = optional(bound)
    elif statement.pattern in ("one", "any"):
        bound = chained(walk, task_of(walk, place, candidates, budget, path, again=again), links, place, path)
    else:
        bound, gives = _fan_out(walk, statement, place, gives, path)
        if statement.slot in known.early:
            bound = optional(bound)
    bound = walk.capped(bound, budget, statement.node, place.name)
    return needed(bound, statement.only_if), gives


def _fan_out(walk: Walk, statement: TaskStep, place: Place, gives: Shape, path: int) -> tuple[Bound, Shape]:
    candidates, links = statement.candidates, statement.on_failure
    if statement.pattern == "some":
        candidates = [candidates[0]] * statement.copies
    each = [task_of(walk, place, [candidate], statement.budget, path) for candidate in candidates]
    asked = len(each)
    bound = all_of(each, at_once=True)
    if statement.pattern == "first":
        winner = one_of(each)
        bound = [Range(low.best, high.worst, high.term) for low, high in zip(winner, bound, strict=True)]
        return chained(walk, bound, links, place, path), gives
    least = _least_of(statement.need, asked)
    if least < asked:
        cheapest = optional(bound) if least == 0 else turns(one_of(each), least, least, label="")
        bound = [Range(low.best, high.worst, high.term) for low, high in zip(cheapest, bound, strict=True)]
    others = [link for link in links if link.kind != "ask"]  # a fan-out asks nobody instead
    return chained(walk, bound, others, place, path), Shape(None, fewest=least, most=asked, item=gives)


# ------------------------------------------------------------------ arbitrations


@bounded("arbitrate")
def _arbitrate(walk: Walk, statement: Arbitrate, known: Known, path: int) -> tuple[Bound, Shape]:
    source = shape_of(statement.source, known)
    item = item_of(source)
    place = Place(statement.node, f"`{statement.name}`")
    asks = [
        optional(
            task_of(
                walk,
                place,
                [rule.who],
                None,
                path + len(statement.name) + len(rule.who.agent) + INDEX_DIGITS,
                within_us=rule.within_us,
            )
        )
        for rule in statement.rules
        if rule.kind == "ask" and rule.who is not None
    ]
    gives = item
    bound: Bound = all_of(asks) if asks else EMPTY
    if statement.group is not None:
        gives = Shape(["List", item.type], fewest=0, most=source.most, item=item)
        if asks:
            unbounded = source.most == INF
            label = f"groups of {place.name}" if unbounded else f"{source.most} groups of {place.name}"
            why = f"nothing bounds how many groups {place.name} has" if unbounded else ""
            # All groups are decided at once; each asks one after another.
            bound = turns(bound, 0, source.most, label=label, why=why, rounds=1, at_once=source.most)
    return bound, gives
