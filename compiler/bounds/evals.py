"""Bounds of evals: what they cost, which is on nobody's budget, and what they write. They are on no path of a run."""

from __future__ import annotations

from dataclasses import replace

from orchspec.compiler.bounds.attempts import Place, task_bound
from orchspec.compiler.bounds.journal import writing
from orchspec.compiler.bounds.metrics import (
    BYTES,
    COST,
    LOOKING,
    MENTIONS,
    PAYLOADS,
    RECORDS,
    SIZE,
    WORK,
    Bound,
    all_of,
    one_of,
    optional,
)
from orchspec.compiler.bounds.ranges import NOTHING, summed
from orchspec.compiler.bounds.shapes import ANY, Shape
from orchspec.compiler.bounds.statements import INDEX_DIGITS, folding, wrote_of
from orchspec.compiler.bounds.values import Known
from orchspec.compiler.bounds.walk import Walk, bounded
from orchspec.compiler.plan import Evaluation

__all__: list[str] = []


@bounded("eval")
def _eval(walk: Walk, statement: Evaluation, _known: Known, path: int) -> tuple[Bound, Shape]:
    place = Place(statement.node, f"`{statement.name}`")
    candidates = statement.candidates
    if statement.pattern == "some":
        candidates = [candidates[0]] * statement.copies
    each: list[Bound] = []
    for candidate in candidates:
        task = task_bound(walk.plan, place, candidate, None, statement.within_us, profiled=walk.profiled)
        found = [NOTHING] * SIZE
        names = len(statement.name) + len(candidate.agent) + INDEX_DIGITS
        folds = folding(walk, candidate.agent, place, path + names)
        found[LOOKING] = summed([task[COST], folds[COST]])
        found[WORK] = summed([task[WORK], folds[WORK]])  # a run ends when they have
        wrote = wrote_of(walk.plan, candidate.agent, max(1, candidate.policy.attempts))
        writing(found, wrote, place.node, place.name, path + names)
        for index in (RECORDS, BYTES, PAYLOADS, MENTIONS):
            found[index] = replace(summed([found[index], folds[index]]), best=0)
        each.append(found)
    at_once = statement.pattern in ("all", "some")
    return optional(all_of(each, at_once=True) if at_once else one_of(each)), ANY
