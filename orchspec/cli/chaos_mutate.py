"""`orch chaos --mutate`: what each protection of a spec is worth, and which faults none covers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from orchspec.grammar.render import safe

if TYPE_CHECKING:
    from orchspec.cli.common import Terminal
    from orchspec.compiler.plan import Plan
    from orchspec.simulator.chaos.mutate import Mutant, Mutated

__all__ = ["document", "lines_of", "show", "where"]

_CLIP = 96


def show(terminal: Terminal, plan: Plan, folder: Path | None, made: Mutated) -> None:
    """Prints what was noticed, what was not, and what nothing covers."""
    for line in lines_of(plan, folder, made):
        terminal.out(safe(line))


def lines_of(plan: Plan, folder: Path | None, made: Mutated) -> Iterator[str]:
    """What is printed, line by line."""
    from orchspec.simulator.chaos.mutate import said

    tried = [mutant for mutant in made.mutants if mutant.tried]
    cut = ", interrupted" if made.cut else ""
    yield f"{plan.name}: {made.flow} (seed {made.seed}; {made.schedules:,} schedules, each protection taken away{cut})"
    for mutant in tried:
        if mutant.noticed:
            yield f"  needed   {mutant.protection.name}: without it {mutant.why}"
            met = f", {mutant.runs} runs at once" if mutant.runs > made.runs else ""
            yield f"             under {_clipped(said(mutant.faults))}{met}"
            yield from _at(plan, folder, mutant)
    for mutant in tried:
        if not mutant.noticed:
            yield f"  unneeded {mutant.protection.name}: {mutant.why}"
            yield from _at(plan, folder, mutant)
    for mutant in made.mutants:
        if mutant.refused is not None:
            yield f"  required {mutant.protection.name}: the compiler refuses it without ({mutant.refused})"
            yield from _at(plan, folder, mutant)
    faults = made.covered + len(made.uncovered)
    for each in made.uncovered:
        yield f"  uncovered {_clipped(said([each.fault]))}: a run is {each.status}"
    if made.score is None:
        yield "  there is nothing to take away"
        return
    needed = sum(mutant.noticed for mutant in tried)
    yield f"resilience score {made.score:.0%}: {needed} of {len(tried)} protections are needed by some fault"
    yield f"  {made.covered} of {faults} faults that strike once are covered"


def _at(plan: Plan, folder: Path | None, mutant: Mutant) -> Iterator[str]:
    line = where(plan, folder, mutant)
    if line is not None:
        yield f"             at {_clipped(line)}"


def where(plan: Plan, folder: Path | None, mutant: Mutant) -> str | None:
    """The line of a protection itself, where it was taken from a text; else of a step that has to do with it."""
    from orchspec.simulator.chaos.failure import line_of

    return mutant.protection.at or line_of(plan, mutant.protection.node, folder)


def _clipped(text: str) -> str:
    return text if len(text) <= _CLIP else f"{text[: _CLIP - 1]}…"


def document(plan: Plan, made: list[Mutated]) -> dict[str, Any]:
    """What `--json` prints."""
    from orchspec.simulator.chaos.lines import fault_line, fault_lines

    return {
        "spec": plan.name,
        "plan_hash": plan.hash,
        "flows": [
            {
                "flow": each.flow,
                "seed": each.seed,
                "schedules": each.schedules,
                "score": each.score,
                "cut": each.cut,
                "protections": [
                    {
                        "kind": mutant.protection.kind,
                        "name": mutant.protection.name,
                        "line": where(plan, None, mutant),
                        "noticed": mutant.noticed,
                        "refused": mutant.refused,
                        "runs": mutant.runs,
                        "tried": mutant.tried,
                        "why": mutant.why or None,
                        "faults": fault_lines(mutant.faults) if mutant.faults is not None else None,
                    }
                    for mutant in each.mutants
                ],
                "covered": each.covered,
                "uncovered": [{"fault": fault_line(gap.fault), "status": gap.status} for gap in each.uncovered],
            }
            for each in made
        ],
    }
