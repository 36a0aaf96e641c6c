"""Bounds of the loops that a model drives: delegation to workers, and turns among peers.

What a model asks for is up to the model, so at worst it asks for as much as it may, of whoever is dearest: in every
round but the last, which has to bring the answer, `ASKS_MAX` tasks, and, where the depth permits, each of them a
delegation in its turn.
"""

from __future__ import annotations

from collections.abc import Sequence

from orchspec.compiler.bounds.attempts import Place
from orchspec.compiler.bounds.journal import Writing
from orchspec.compiler.bounds.metrics import DEPTH, EMPTY, Bound, all_of, one_of, optional, turns
from orchspec.compiler.bounds.ranges import Number, Range, Term
from orchspec.compiler.bounds.shapes import ANY, Shape
from orchspec.compiler.bounds.statements import (
    INDEX_DIGITS,
    gives_up,
    needed,
    own,
    reusable,
    rounds_of,
    task_of,
)
from orchspec.compiler.bounds.values import Known, shape_of
from orchspec.compiler.bounds.walk import Walk, bounded
from orchspec.compiler.plan import ASKS_MAX, Candidate, Peers, Supervise, asked_of, so_far_of

__all__: list[str] = []


@bounded("supervise")
def _supervise(walk: Walk, statement: Supervise, known: Known, path: int) -> tuple[Bound, Shape]:
    place = Place(statement.node, f"`{statement.name}`")
    path += len(statement.name) + (INDEX_DIGITS + 20) * statement.depth
    width = None if statement.width is None else shape_of(statement.width, known)
    at_once: Number = ASKS_MAX if width is None else min(ASKS_MAX, max(1, width.high))
    fewest: Number = ASKS_MAX if width is None else min(ASKS_MAX, max(1, width.low))
    does = asked_of(statement.workers, walk.plan.agents)
    leading = {name for name in does if so_far_of(walk.plan.contracts[name]) is not None}
    delegated: Bound = EMPTY
    for level in range(1, statement.depth + 1):
        able = {name for contract, names in does.items() if level > 1 or contract not in leading for name in names}
        workers = [worker for worker in statement.workers if worker.agent in able]
        inner = task_of(walk, Place(place.node, f"a task of {place.name}"), workers, None, path) if workers else EMPTY
        if level > 1:
            inner = one_of([inner, delegated]) if delegated is not EMPTY else inner
        last = level == statement.depth
        leads = statement.leads if last else [each for each in statement.workers if _leads(each, does, leading)]
        if not leads:
            continue
        asked = turns(
            inner,
            0,
            ASKS_MAX * (statement.rounds - 1),
            label=f"{ASKS_MAX} tasks in {statement.rounds - 1} rounds of {place.name}",
            rounds=(statement.rounds - 1) * rounds_of(ASKS_MAX, fewest),
            at_once=at_once,
        )
        delegated = all_of([_lead(walk, statement, leads, place, path, first=last), asked])
    found = list(delegated)
    found[DEPTH] = Range(0, statement.depth, Term(place.node, place.name, statement.depth))
    return _region(walk, statement, found, place, path), ANY


def _leads(worker: Candidate, does: dict[str, list[str]], leading: set[str]) -> bool:
    return any(worker.agent in does[contract] for contract in leading)


def _lead(
    walk: Walk, statement: Supervise, leads: Sequence[Candidate], place: Place, path: int, *, first: bool
) -> Bound:
    """Its tasks: one at least, as many as there are rounds at most."""
    task = task_of(walk, place, leads, None, path)
    if not first or reusable(walk.plan, statement.contract):
        task = optional(task)
    return turns(task, 1, statement.rounds, label=f"{statement.rounds} rounds of {place.name}")


@bounded("peers")
def _peers(walk: Walk, statement: Peers, _known: Known, path: int) -> tuple[Bound, Shape]:
    place = Place(statement.node, f"`{statement.name}`")
    path += len(statement.name) + INDEX_DIGITS
    turn = task_of(walk, place, statement.peers, None, path)
    if reusable(walk.plan, statement.contract):
        turn = optional(turn)
    most = statement.hops + 1
    bound = turns(turn, 1, most, label=f"{most} turns of {place.name}")
    return _region(walk, statement, bound, place, path), ANY


def _region(walk: Walk, statement: Supervise | Peers, bound: Bound, place: Place, path: int) -> Bound:
    """The region around a loop: its budget, its chain, its condition."""
    bound = all_of([bound, own(place.node, place.name, path, Writing(0, 2, commands=4, messages=2))])
    bound = walk.capped(bound, statement.budget, statement.node, place.name)
    if gives_up(statement.on_failure):
        bound = optional(bound)
    return needed(bound, statement.only_if)
