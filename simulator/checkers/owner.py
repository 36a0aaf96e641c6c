"""S6, one owner: in one instance of a scope a decision is taken once, by its owner or over exactly its candidates."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from orchspec.runtime.kernel.seeking import Seeking
from orchspec.simulator.checkers.violation import Violation

if TYPE_CHECKING:
    from orchspec.compiler.plan import Plan
    from orchspec.runtime.why.story import Happening
    from orchspec.simulator.chaos.told import Chronicle, RunTold

__all__ = ["decided_twice", "of_run"]


def of_run(chronicle: Chronicle, told: RunTold) -> Iterator[Violation]:
    """Two statements of one frame that take the same decision."""
    yield from decided_twice(chronicle, told, chronicle.plan)


def decided_twice(chronicle: Chronicle, told: RunTold, plan: Plan) -> Iterator[Violation]:
    """The same, by what a plan says of who owns what."""
    owns = {name: contract.owns for name, contract in plan.contracts.items() if contract.owns is not None}
    if not owns:
        return
    taken: dict[tuple[int, str], Happening] = {}
    for here in chronicle.story(told.run).happenings.values():
        task = here.activity
        if not isinstance(task, Seeking) or here.ended_seq is None or task.asking.contract not in owns:
            continue
        # A question that an arbitration or a chain of failures asks belongs to the statement that it decides.
        decision = owns[task.asking.contract]
        key = (id(task.frame), decision)
        first = taken.setdefault(key, here)
        if first.activity.op is not task.op and not _is_asked(here) and not _is_asked(first):
            said = f"{here.path} and {first.path} both decide {decision}"
            yield Violation("S6", said, told.run, here.ended_seq, here.path, here.node)


def _is_asked(here: Happening) -> bool:
    return "?" in here.activity.label
