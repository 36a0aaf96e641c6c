"""What is bounded, and how bounds of parts make the bound of the whole.

To add a metric: its number here, its row in `METRICS` if it is shown, and what a single attempt, effect or statement
takes of it in the module of that statement.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Final, Literal, TypeAlias

from orchspec.compiler.bounds.ranges import NOTHING, Number, Range, capped, either, scaled, summed
from orchspec.slotted import dataclass

__all__ = [
    "AMPLIFICATION",
    "ATTEMPTS",
    "BYTES",
    "COST",
    "DEAREST_COST",
    "DEAREST_TOKENS",
    "DEPTH",
    "EMPTY",
    "GREATEST",
    "HEDGES",
    "LATENCY",
    "LOOKING",
    "MENTIONS",
    "METRICS",
    "PAYLOADS",
    "RECORDS",
    "RETRIES",
    "SETTLING",
    "SIZE",
    "SUMMED",
    "TASKS",
    "TOKENS",
    "UNDOING",
    "WIDTH",
    "WORK",
    "Bound",
    "Metric",
    "all_of",
    "limited",
    "one_of",
    "optional",
    "turns",
]

COST: Final = 0
"""Pico-dollars that attempts take."""
TOKENS: Final = 1
TASKS: Final = 2
"""First attempts."""
RETRIES: Final = 3
"""Attempts beyond the first of a task, and sends of an effect beyond the first."""
ATTEMPTS: Final = 4
"""Attempts at tasks."""
UNDOING: Final = 5
"""Microseconds that undoing takes, if everything is undone."""
RECORDS: Final = 6
BYTES: Final = 7
"""Of the records, apart from payloads."""
PAYLOADS: Final = 8
"""Values from outside: outputs, receipts, answers, inputs."""
LATENCY: Final = 9
"""Microseconds on the longest path."""
WIDTH: Final = 10
"""Attempts under way at once."""
DEPTH: Final = 11
"""Flows within flows: 1 in a flow that calls none."""
AMPLIFICATION: Final = 12
"""Attempts at one and the same piece of work."""
SETTLING: Final = 13
"""Microseconds that what cannot be stopped goes on for."""
DEAREST_COST: Final = 14
"""Pico-dollars of the dearest single attempt."""
DEAREST_TOKENS: Final = 15
MENTIONS: Final = 16
"""How often the path of a place is spelled in the records."""
LOOKING: Final = 17
"""Pico-dollars of evals, which are on nobody's budget."""
HEDGES: Final = 18
"""Whether attempts are doubled: 0 or 1."""
WORK: Final = 19
"""Microseconds of everything, one after another, as if each had to wait for the others."""
SIZE: Final = 20

SUMMED: Final = (COST, TOKENS, TASKS, RETRIES, ATTEMPTS, UNDOING, RECORDS, BYTES, PAYLOADS, MENTIONS, LOOKING, WORK)
"""Metrics that add up, whatever the order."""
GREATEST: Final = (DEPTH, AMPLIFICATION, SETTLING, DEAREST_COST, DEAREST_TOKENS, HEDGES)
"""Metrics of which the greatest counts."""

Bound: TypeAlias = Sequence[Range]
"""A range for each metric, in their order."""

EMPTY: Final[Bound] = (NOTHING,) * SIZE


@dataclass(frozen=True, slots=True)
class Metric:
    """A metric as it is shown."""

    index: int
    name: str
    label: str
    unit: Literal["usd", "s", "count", "bytes"]


METRICS: Final = (
    Metric(COST, "cost_usd", "cost", "usd"),
    Metric(TOKENS, "tokens", "tokens", "count"),
    Metric(ATTEMPTS, "attempts", "attempts", "count"),
    Metric(LATENCY, "latency_s", "latency", "s"),
    Metric(DEPTH, "depth", "depth", "count"),
    Metric(WIDTH, "width", "width", "count"),
    Metric(AMPLIFICATION, "retry_amplification", "amplification", "count"),
    Metric(LOOKING, "eval_cost_usd", "evals", "usd"),
    Metric(RECORDS, "journal_records", "records", "count"),
    Metric(BYTES, "journal_bytes", "journal", "bytes"),
)
"""What `orch bounds` shows, in its order."""


def _each(bounds: Sequence[Bound], combine: Callable[[Iterable[Range]], Range]) -> list[Range]:
    return [combine([bound[index] for bound in bounds]) for index in range(SIZE)]


def one_of(bounds: Sequence[Bound]) -> Bound:
    """One of them runs, nobody knows which."""
    return bounds[0] if len(bounds) == 1 else _each(bounds, either) if bounds else EMPTY


def optional(bound: Bound) -> Bound:
    """It may as well not run at all."""
    if bound is EMPTY:
        return EMPTY
    return [item if item is NOTHING else Range(0, item.worst, item.term) for item in bound]


def all_of(bounds: Sequence[Bound], *, at_once: bool = False) -> Bound:
    """All of them run, one after another, or at once."""
    if len(bounds) == 1:
        return bounds[0]
    found = [NOTHING] * SIZE
    for index in SUMMED:
        found[index] = summed([bound[index] for bound in bounds])
    for index in GREATEST:
        found[index] = _highest([bound[index] for bound in bounds])
    latencies, widths = [bound[LATENCY] for bound in bounds], [bound[WIDTH] for bound in bounds]
    if at_once:
        found[LATENCY] = _highest(latencies)
        width = summed(widths)
        found[WIDTH] = Range(max((item.best for item in widths), default=0), width.worst, width.term)
    else:
        found[LATENCY] = summed(latencies)
        found[WIDTH] = _highest(widths)
    return found


def _highest(ranges: Sequence[Range]) -> Range:
    """All of them, where the greatest counts."""
    most = NOTHING
    best: Number = 0
    for item in ranges:
        best = max(best, item.best)
        if item.worst > most.worst:
            most = item
    return Range(best, most.worst, most.term) if most is not NOTHING or best else NOTHING


def turns(
    bound: Bound,
    least: Number,
    most: Number,
    *,
    label: str,
    why: str = "",
    rounds: Number | None = None,
    at_once: Number = 1,
) -> Bound:
    """The same, again and again.

    Args:
        bound: of one turn.
        least: turns.
        most: turns, infinity if nothing bounds them.
        label: of the factor, in words.
        why: said where the turns are unbounded.
        rounds: turns that follow each other on the longest path, if not all of them do.
        at_once: turns that run at once.
    """
    if bound is EMPTY or most == 0:
        return EMPTY
    found = list(bound)
    for index in SUMMED:
        found[index] = scaled(bound[index], least, most, label, why)
    following = most if rounds is None else rounds
    found[LATENCY] = scaled(bound[LATENCY], least if rounds is None else min(least, 1), following, label, why)
    width = bound[WIDTH]
    found[WIDTH] = replace(scaled(width, 1, at_once, f"{at_once} at once"), best=min(width.best, least))
    if least == 0:
        found = [*optional(found)]
    return found


def limited(bound: Bound, caps: Iterable[tuple[int, Number]]) -> Bound:
    """A bound of which some metrics are capped."""
    found = list(bound)
    for index, most in caps:
        found[index] = capped(found[index], most)
    return found
