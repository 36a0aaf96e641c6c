"""Smaller schedules: what a failure is shrunk by."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from orchspec.compiler.plan import Fault

__all__ = ["SHRINK_MAX", "smaller"]

SHRINK_MAX: Final = 300
"""Chronicles that shrinking a failure may take."""
_SECOND: Final = 1_000_000


def smaller(faults: list[Fault]) -> Iterator[list[Fault]]:
    """Schedules that are simpler, the simplest first: one fault less, then one that strikes earlier or just once."""
    for index in range(len(faults)):
        yield faults[:index] + faults[index + 1 :]
    for index, fault in enumerate(faults):
        for args in _simpler(fault.args):
            yield [*faults[:index], replace(fault, args=args), *faults[index + 1 :]]


def _simpler(args: dict[str, Any]) -> Iterator[dict[str, Any]]:
    if "rate" in args:
        rest = {name: value for name, value in args.items() if name != "rate"}
        yield {**rest, "nth": 1}
    if "first" in args:
        rest = {name: value for name, value in args.items() if name != "first"}
        yield {**rest, "nth": args["first"]}
        if args["first"] > 1:
            yield {**args, "first": 1}
    if args.get("nth", 1) > 1:
        yield {**args, "nth": 1}
        yield {**args, "nth": args["nth"] // 2}
        yield {**args, "nth": args["nth"] - 1}
    for name in ("down", "lasting"):
        if args.get(name, 0) > _SECOND:
            yield {**args, name: _SECOND}
    if "nth" not in args and "lasting" in args and "at" not in args:
        rest = {name: value for name, value in args.items() if name != "lasting"}
        yield {**rest, "nth": 1}
    if args.get("at", 0) > _SECOND:
        yield {**args, "at": args["at"] // (2 * _SECOND) * _SECOND}
