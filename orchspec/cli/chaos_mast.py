"""`orch chaos --mast`: what becomes of the mistakes that agents make, as often as they were found to make them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from orchspec.grammar.render import safe

if TYPE_CHECKING:
    from orchspec.cli.common import Terminal
    from orchspec.compiler.plan import Plan
    from orchspec.simulator.chaos.mast import Semantic

__all__ = ["document", "show"]


def show(terminal: Terminal, plan: Plan, folder: Path | None, made: Semantic) -> None:
    """Prints what became of the failures, by mode."""
    from orchspec.simulator.chaos.failure import told

    for line in _lines(plan, made):
        terminal.out(safe(line))
    for found in made.found:
        for line in ("", *told(plan, found, folder)):
            terminal.out(safe(line))


def _lines(plan: Plan, made: Semantic) -> Iterator[str]:
    from orchspec.simulator.chaos.mast import FATES, MODES

    cut = ", interrupted" if made.cut else ""
    yield f"{plan.name}: {made.flow} (seed {made.seed}; {made.struck:,} failures of agents, as often as MAST{cut})"
    if not made.struck:
        yield "  no agent was struck"
        return
    yield f"  {'':<42}" + "".join(f"{fate:>10}" for fate in FATES)
    for mode in MODES:
        of = made.fates.get(mode.number)
        if of:
            yield f"  {mode.number} {mode.name:<35}" + "".join(f"{of.get(fate, 0):>10,}" for fate in FATES)
    shares = "".join(f"{made.share(fate) or 0.0:>10.0%}" for fate in FATES)
    yield f"  {'of all':<42}{shares}"
    if made.silent:
        worst = ", ".join(f"{name} {count:,}" for name, count in sorted(made.silent.items(), key=_most))
        yield f"  went through silently, by agent: {worst}"


def _most(item: tuple[str, int]) -> tuple[int, str]:
    return -item[1], item[0]


def document(plan: Plan, made: list[Semantic]) -> dict[str, Any]:
    """What `--json` prints."""
    from orchspec.simulator.chaos.lines import fault_lines
    from orchspec.simulator.chaos.mast import FATES, MODES

    return {
        "spec": plan.name,
        "plan_hash": plan.hash,
        "source": "arXiv 2503.13657",
        "held": not any(each.found for each in made),
        "flows": [
            {
                "flow": each.flow,
                "seed": each.seed,
                "struck": each.struck,
                "cut": each.cut,
                "modes": [
                    {"mode": mode.number, "name": mode.name, "share": mode.share / 100, "fault": mode.fault,
                     **{fate: each.fates.get(mode.number, {}).get(fate, 0) for fate in FATES}}
                    for mode in MODES
                ],
                "shares": {fate: each.share(fate) for fate in FATES},
                "silent": each.silent,
                "found": [
                    {"violation": found.violation.as_json(), "faults": fault_lines(found.faults)}
                    for found in each.found
                ],
            }
            for each in made
        ],
    }  # fmt: skip
