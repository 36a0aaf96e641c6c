"""From a plan to the bounds of its flows: one pass over blocks and statements, callees first.

A kind of statement is bounded by the function that `bounded` registers for it; a kind without one is an error, and a
test holds that there is none, so that nothing counts as nothing by oversight.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import field
from typing import Any, Final, TypeAlias

from orchspec.compiler.bounds.metrics import (
    AMPLIFICATION,
    ATTEMPTS,
    BYTES,
    COST,
    DEAREST_COST,
    DEAREST_TOKENS,
    DEPTH,
    EMPTY,
    GREATEST,
    HEDGES,
    LATENCY,
    MENTIONS,
    RETRIES,
    SETTLING,
    SIZE,
    SUMMED,
    TASKS,
    TOKENS,
    WIDTH,
    WORK,
    Bound,
    limited,
)
from orchspec.compiler.bounds.ranges import NOTHING, Number, Range, Term, product, summed
from orchspec.compiler.bounds.shapes import ANY, Shape
from orchspec.compiler.bounds.values import Known, shape_of
from orchspec.compiler.plan import Block, Budget, Plan, PlanError
from orchspec.slotted import dataclass

__all__ = ["BOUNDED", "Limit", "Stack", "Walk", "bounded"]

Handler: TypeAlias = "Callable[[Walk, Any, Known, int], tuple[Bound, Shape]]"

BOUNDED: Final[dict[str, Handler]] = {}
"""What bounds a statement, by its kind: (walk, statement, what is known of its frame, length of its block's path)."""


def bounded(kind: str) -> Callable[[Handler], Handler]:
    """Registers what bounds a kind of statement."""

    def register(handler: Handler) -> Handler:
        assert kind not in BOUNDED, f"two bounds for {kind!r}"
        BOUNDED[kind] = handler
        return handler

    return register


@dataclass(frozen=True, slots=True)
class Limit:
    """A limit of a budget, held against what its place would take without it.

    Attributes:
        flow: in which flow it stands.
        node: the statement it stands at, None for the flow's own budget.
        place: its name.
        name: of the limit, as in a spec: cost, tokens, time, attempts, retries, depth.
        value: in pico-dollars, microseconds, or a count.
        needed: what the place takes at least and at most.
    """

    flow: str
    node: int | None
    place: str
    name: str
    value: int
    needed: Range


@dataclass(frozen=True, slots=True)
class Stack:
    """Retries around retries: a place that is tried `outer` times, with attempts in it of `inner` times each."""

    flow: str
    node: int
    place: str
    outer: int
    inner: Number


@dataclass(slots=True)
class Walk:
    """One pass over a plan; `flows` are the bounds found so far.

    `profiled`: where no deadline says how long something takes, its profile does, if that has an end. `last`: the
    bounds of the statements of the block that was walked last.
    """

    plan: Plan
    profiled: bool = False
    flows: dict[str, Bound] = field(default_factory=dict)
    limits: list[Limit] = field(default_factory=list)
    stacks: list[Stack] = field(default_factory=list)
    flow: str = ""
    last: Sequence[Bound] = ()

    def block(self, block: Block, known: Known, path: int) -> tuple[Bound, Shape]:
        """A block: all its statements, each when what it needs has settled; and what it gives."""
        statements = block.statements
        given: Shape = ANY
        count = len(statements)
        bounds: list[Bound] = [EMPTY] * count
        known.early = {
            statement.source_slot
            for statement in statements
            if statement.kind == "arbitrate" and statement.early and statement.source_slot is not None
        }
        for index in _order(statements):
            statement = statements[index]
            handler = BOUNDED.get(statement.kind)
            if handler is None:
                raise PlanError(f"statements of kind {statement.kind!r} have no bounds")
            bound, shape = handler(self, statement, known, path)
            bounds[index] = bound
            slot = getattr(statement, "slot", -1)
            if 0 <= slot < len(known.slots):
                known.slots[slot] = shape
            if statement.kind == "give":
                given = shape_of(statement.value, known)
        self.last = bounds
        return _together(statements, bounds), given

    def frame(self, block: Block, around: Known | None, given: Sequence[Shape]) -> Known:
        """What is known of a frame at its start: the shapes of what it is given."""
        slots = [*given, *[ANY] * (len(block.slots) - len(given))]
        return Known(self.plan, slots[: len(block.slots)], around)

    # -------------------------------------------------------------- budgets

    def capped(self, bound: Bound, budget: Budget | None, node: int | None, place: str) -> Bound:
        """A bound under a budget; what each limit is held against is noted."""
        if budget is None or budget == _FREE:
            return bound
        needed = {
            "cost": (COST, budget.cost_pico),
            "tokens": (TOKENS, budget.tokens),
            "time": (LATENCY, budget.time_us),
            "attempts": (ATTEMPTS, budget.attempts),
            "retries": (RETRIES, budget.retries),
            "depth": (DEPTH, budget.depth),
        }
        for name, (index, value) in needed.items():
            if value is not None:
                self.limits.append(Limit(self.flow, node, place, name, value, bound[index]))
        caps: list[tuple[int, Number]] = [
            (index, value) for index, value in needed.values() if value is not None and index != LATENCY
        ]
        bound = limited(bound, caps)
        if budget.attempts is not None:
            bound = limited(bound, [(TASKS, budget.attempts)])
        if budget.retries is not None:
            self.stacks = [each for each in self.stacks if each.flow != self.flow or node not in (None, each.node)]
            again = product(1 + budget.retries, 1 + bound[HEDGES].worst)  # a hedge is no retry
            caps = [(ATTEMPTS, bound[TASKS].worst + budget.retries), (AMPLIFICATION, again)]
            bound = limited(bound, caps)
        attempts = bound[ATTEMPTS].worst
        caps = [
            (COST, product(attempts, bound[DEAREST_COST].worst)),
            (TOKENS, product(attempts, bound[DEAREST_TOKENS].worst)),
            (WIDTH, attempts),
        ]
        return self.timed(limited(bound, caps), budget.time_us)

    def timed(self, bound: Bound, time_us: int | None) -> Bound:
        """A bound that ends after a time; what cannot be stopped at once is waited for."""
        if time_us is None:
            return bound
        ends_us = time_us + bound[SETTLING].worst
        return limited(bound, [(LATENCY, ends_us), (WORK, ends_us)])


_FREE: Final = Budget()


def inside(bound: Bound, path: int) -> Bound:
    """The bound of a called flow, whose paths are so much longer where it is called."""
    size, mentions = bound[BYTES], bound[MENTIONS].worst
    found = list(bound)
    found[BYTES] = Range(size.best, size.worst + product(mentions, 2 * path), size.term)
    return found


# ------------------------------------------------------------------ blocks


def _order(statements: Sequence[Any]) -> list[int]:
    """Indices, each after those it needs."""
    waiting = [len(set(statement.needs)) for statement in statements]
    if all(need < index for index, statement in enumerate(statements) for need in statement.needs):
        return list(range(len(statements)))
    dependents: list[list[int]] = [[] for _ in statements]
    for index, statement in enumerate(statements):
        for need in set(statement.needs):
            dependents[need].append(index)
    ready = [index for index, count in enumerate(waiting) if count == 0]
    for index in ready:
        for dependent in dependents[index]:
            waiting[dependent] -= 1
            if waiting[dependent] == 0:
                ready.append(dependent)
    if len(ready) != len(statements):
        raise PlanError("the statements of a block wait for each other in a circle")
    return ready


def _together(statements: Sequence[Any], bounds: Sequence[Bound]) -> Bound:
    """All statements of a block: sums, the longest path, and how many may be under way at once."""
    working = [bound for bound in bounds if bound is not EMPTY]
    if not working:
        return EMPTY
    if len(working) == 1:
        return working[0]
    found = [NOTHING] * SIZE
    for index in SUMMED:
        found[index] = summed([bound[index] for bound in working])
    for index in GREATEST:
        found[index] = max((bound[index] for bound in working), key=_worst)
        found[index] = Range(max(bound[index].best for bound in working), found[index].worst, found[index].term)
    found[LATENCY] = _longest(statements, bounds)
    found[WIDTH] = _widest(statements, bounds)
    return found


def _worst(item: Range) -> Number:
    return item.worst


def _longest(statements: Sequence[Any], bounds: Sequence[Bound]) -> Range:
    """The longest path through the statements, for the best case and the worst.

    The term is what takes longest on the path that is longest at worst.
    """
    least: list[Number] = [0] * len(bounds)
    most: list[Number] = [0] * len(bounds)
    terms: list[Term | None] = [None] * len(bounds)
    end = -1
    for index in _order(statements):
        own = bounds[index][LATENCY]
        before = -1
        for need in statements[index].needs:
            least[index] = max(least[index], least[need])
            if before < 0 or most[need] > most[before]:
                before = need
        term = terms[before] if before >= 0 else None
        if own.term is not None and (term is None or own.term.amount > term.amount):
            term = own.term
        least[index] += own.best
        most[index] = own.worst + (most[before] if before >= 0 else 0)
        terms[index] = term
        if end < 0 or most[index] > most[end]:
            end = index
    return Range(max(least, default=0), most[end], terms[end]) if most[end] else NOTHING


def _widest(statements: Sequence[Any], bounds: Sequence[Bound]) -> Range:
    """How many attempts may be under way at once, at most.

    Statements that need each other are never under way together. So if the statements are split into chains, each of
    which is in order, at most one of each chain is under way (the easy half of Dilworth's theorem). The chains are
    found greedily: a statement goes on with the chain of one that it needs directly.
    """
    chain_of: dict[int, int] = {}
    chains: list[Range] = []
    tail: dict[int, int] = {}
    for index in _order(statements):
        chain = next((chain_of[need] for need in statements[index].needs if tail.get(chain_of[need]) == need), None)
        if chain is None:
            chain = len(chains)
            chains.append(NOTHING)
        chain_of[index] = chain
        tail[chain] = index
        width = bounds[index][WIDTH]
        if width.worst > chains[chain].worst:
            chains[chain] = width
    total = summed(chains)
    return Range(max(bound[WIDTH].best for bound in bounds), total.worst, total.term)
