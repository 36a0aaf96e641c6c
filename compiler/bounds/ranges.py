"""Intervals: the least and the most that something takes, and what contributes most to the most.

The arithmetic is that of intervals over the numbers from 0 up, with infinity for what nothing bounds (R. E. Moore,
Interval Analysis, 1966): sums and products of the ends bound sums and products of what lies between. Every range keeps
the *term* that contributes most to its upper end, so that a bound can say where it comes from.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import replace
from typing import Final, TypeAlias

from orchspec.slotted import dataclass

__all__ = [
    "INF",
    "NOTHING",
    "Number",
    "Range",
    "Term",
    "capped",
    "either",
    "product",
    "scaled",
    "summed",
]

INF: Final = math.inf
Number: TypeAlias = int | float
"""Whole numbers are kept whole (money is exact); the only float that bounds use is infinity."""


@dataclass(frozen=True, slots=True)
class Term:
    """What contributes to an upper end.

    Attributes:
        node: the statement it stands at, by its number in the plan.
        what: in words, such as "`found` by scout: 4 attempts of $0.03".
        amount: how much of the upper end it is, all factors included.
        why: if it is infinite, what bound is missing and how it could be given.
        times: the factors around it in words, innermost first, such as "12 items of `found`".
        each: if only a factor is infinite, the amount for each turn of that factor.
    """

    node: int
    what: str
    amount: Number
    why: str = ""
    times: tuple[str, ...] = ()
    each: Number | None = None


@dataclass(frozen=True, slots=True)
class Range:
    """At least `best`, at most `worst`; `term` is the greatest contribution to `worst` (None where that is 0)."""

    best: Number
    worst: Number
    term: Term | None = None


NOTHING: Final = Range(0, 0)


def _greater(one: Term | None, other: Term | None) -> Term | None:
    if one is None or (other is not None and other.amount > one.amount):
        return other
    return one


def summed(ranges: Iterable[Range]) -> Range:
    """All of them."""
    best: Number = 0
    worst: Number = 0
    term: Term | None = None
    for item in ranges:
        if item is NOTHING:
            continue
        best += item.best
        worst += item.worst
        term = _greater(term, item.term)
    return Range(best, worst, term) if worst or best else NOTHING


def either(ranges: Iterable[Range]) -> Range:
    """One of them, nobody knows which."""
    chosen = list(ranges)
    if not chosen:
        return NOTHING
    most = max(chosen, key=lambda item: item.worst)
    return Range(min(item.best for item in chosen), most.worst, most.term)


def product(one: Number, other: Number) -> Number:
    """Of two amounts; nothing, however often, is nothing."""
    return one * other if one and other else 0


def scaled(item: Range, least: Number, most: Number, label: str = "", why: str = "") -> Range:
    """Again and again: at least `least` times, at most `most` times.

    Args:
        item: of one turn.
        least: turns.
        most: turns, infinity if nothing bounds them.
        label: of the factor, for the term.
        why: said where the turns are what makes it infinite.
    """
    if item is NOTHING:
        return NOTHING
    worst = product(item.worst, most)
    term = item.term
    if term is not None:
        times = (*term.times, label) if label and most != 1 else term.times
        if most == INF and term.amount != INF:
            term = replace(term, amount=product(term.amount, most), times=times, why=why, each=term.amount)
        else:
            term = replace(term, amount=product(term.amount, most), times=times)
    return Range(product(item.best, least), worst, term)


def capped(item: Range, most: Number) -> Range:
    """Never more than that, whatever its parts come to."""
    if item.worst <= most:
        return item
    term = item.term
    if term is not None and term.amount > most:
        term = replace(term, amount=most)
    return Range(min(item.best, most), most, term)
