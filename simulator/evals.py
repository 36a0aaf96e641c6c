"""What evals found, as numbers that have a mean.

A number counts as it is, a Bool as 0 or 1 (its mean is a share), an enum as the share of each of its members, a record
by those of its fields that can be counted so: `quality`, `look.score`, `verdict.accept`. Texts and lists have no mean.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from orchspec.simulator import estimate as est
from orchspec.simulator.sections import was_let_in

if TYPE_CHECKING:
    from orchspec.compiler.plan import Plan
    from orchspec.simulator.estimate import Estimate
    from orchspec.simulator.kpis import Measures

__all__ = ["estimates", "scores_of"]

_DEPTH_MAX = 3
_NUMBERS = frozenset({"Int", "Float", "Percent", "Duration", "Rate", "Money"})


def scores_of(plan: Plan, verdicts: Sequence[Sequence[Any]]) -> list[tuple[str, float]] | None:
    """The numbers in what the evals of one run found ([name, path, contract, value]); None where there are none."""
    scores: list[tuple[str, float]] = []
    for name, _path, contract, value in verdicts:
        scores.extend(_numbers(plan, name, plan.contracts[contract].result, value, 0))
    return scores or None


def _numbers(plan: Plan, name: str, type_: Any, value: Any, depth: int) -> Iterator[tuple[str, float]]:
    if value is None:
        return
    if isinstance(type_, str):
        if type_ == "Bool" or type_ in _NUMBERS:
            yield name, float(value)
        return
    head, inner = type_
    if head == "Option":
        yield from _numbers(plan, name, inner, value, depth)
    elif head == "Enum":
        for member in plan.enums[inner].members:
            yield f"{name}.{member}", float(value == member)
    elif head == "Record" and depth < _DEPTH_MAX:
        for field in plan.types[inner].fields:
            yield from _numbers(plan, f"{name}.{field.name}", field.type, value.get(field.name), depth + 1)


def estimates(measures: Measures) -> dict[str, tuple[Estimate, int]]:
    """The mean of each number over all that was looked at in the measured runs, and how much that was.

    By name, in order of first sight.
    """
    names: dict[str, None] = {}
    for section in measures.sections:
        for run in section.runs:
            names.update(dict.fromkeys(name for name, _ in run.scores or ()))
    return {name: _mean(measures, name) for name in names}


def _mean(measures: Measures, name: str) -> tuple[Estimate, int]:
    found = [
        [score for run in section.runs if was_let_in(run) for each, score in run.scores or () if each == name]
        for section in measures.sections
    ]
    count = sum(map(len, found))
    if measures.isolated:
        return est.mean([score for scores in found for score in scores], measures.level), count
    return measures.ratio([sum(scores) for scores in found], [float(len(scores)) for scores in found]), count
