"""The least of several settings that is good enough, found with as few trials as it takes.

Settings form a grid: an axis for each thing that is varied, its values in their order. More is taken to be no worse, on
every axis: what passes, passes with more, and what fails, fails with less. So one axis is bisected, and of several each
is first bisected with the others at their most; the least of each then bound what has to be looked at. Where trials
contradict this, `contradictions` says so. An undecided trial counts as failed: what is not known to pass is no answer.

A trial with too little capacity takes the longest, since everything waits. So a bisection may begin at a guess, and the
least setting is only tried where nothing else tells.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from typing import Final, Literal, TypeAlias

__all__ = ["POINTS_MAX", "Outcome", "Point", "contradictions", "find_least"]

Point: TypeAlias = tuple[int, ...]
"""A setting: the position of its value on each axis, from 0."""
Outcome: TypeAlias = Literal["passed", "failed", "undecided"]

POINTS_MAX: Final = 10_000
"""Settings of a grid: each of them may have to be looked at, though hardly any is tried."""


def find_least(
    sizes: Sequence[int],
    weight: Callable[[Point], float],
    trial: Callable[[Point], Outcome],
    guess: Callable[[int], int | None] = lambda _: None,
) -> Point | None:
    """The setting of the least weight that passes; None where none was found.

    Args:
        sizes: how many values each axis has, each at least 1.
        weight: what a setting costs, which grows along each axis.
        trial: tries a setting; asked for the same one again it must say the same, and should remember it.
        guess: where on an axis to look first, as far as something is known once the most of everything was tried.
    """
    top = tuple(size - 1 for size in sizes)
    if trial(top) != "passed":
        return _elsewhere(sizes, weight, trial)
    floor = tuple(_bisect(axis, top, trial, guess(axis)) for axis in range(len(sizes)))
    if len(sizes) == 1 or trial(floor) == "passed":
        return floor
    return _frontier(floor, top, weight, trial)


def _bisect(axis: int, top: Point, trial: Callable[[Point], Outcome], first: int | None) -> int:
    """The least position on an axis that passes with all others at their most, which do pass."""
    failing, passing = -1, top[axis]
    middle = first
    while passing - failing > 1:
        if middle is None or not failing < middle < passing:
            middle = (failing + passing) // 2
        if trial((*top[:axis], middle, *top[axis + 1 :])) == "passed":
            passing = middle
        else:
            failing = middle
        # From a guess on in growing steps: the answer is likely to be near, and far below it everything is slow.
        middle = None if first is None else _next_to(first, failing, passing)
    return passing


def _next_to(first: int, failing: int, passing: int) -> int | None:
    if passing == first:
        return passing - 1
    if failing >= first:
        step = 2 * (failing - first) + 1
        return failing + step if failing + step < passing else None
    return None


def _frontier(floor: Point, top: Point, weight: Callable[[Point], float], trial: Callable[[Point], Outcome]) -> Point:
    """The lightest that passes between `floor`, which fails, and `top`, which passes."""
    ranges = [range(low, high + 1) for low, high in zip(floor, top, strict=True)]
    best = top
    open_ = [point for point in itertools.product(*ranges) if weight(point) < weight(top) and point != floor]
    while open_:
        weights = [weight(point) for point in open_]
        middle = (min(weights) + max(weights)) / 2.0
        light = [point for point, known in zip(open_, weights, strict=True) if known <= middle]
        # Of the light ones the one that rules out the most if it fails.
        chosen = max(light, key=lambda point: (math.prod(a - b + 1 for a, b in zip(point, floor, strict=True)), point))
        if trial(chosen) == "passed":
            best = chosen
            open_ = [point for point in open_ if weight(point) < weight(best)]
        else:
            open_ = [point for point in open_ if not _within(point, chosen)]
    return best


def _elsewhere(
    sizes: Sequence[int], weight: Callable[[Point], float], trial: Callable[[Point], Outcome]
) -> Point | None:
    """The most of everything is not good enough: perhaps less is, as of what is costly, or something between."""
    coarse = [sorted({0, (size - 1) // 2, size - 1}) for size in sizes]
    found = next((point for point in sorted(itertools.product(*coarse), key=weight) if trial(point) == "passed"), None)
    if found is None:
        return None
    for axis in range(len(sizes)):
        found = (*found[:axis], _bisect(axis, found, trial, None), *found[axis + 1 :]) if found[axis] else found
    return found


def contradictions(trials: dict[Point, Outcome]) -> Iterator[tuple[Point, Point]]:
    """Pairs of settings of which the lesser passed and the greater, on no axis less, failed."""
    for less, more in itertools.permutations(trials, 2):
        if trials[less] == "passed" and trials[more] == "failed" and _within(less, more):
            yield less, more


def _within(point: Point, other: Point) -> bool:
    return all(a <= b for a, b in zip(point, other, strict=True))
