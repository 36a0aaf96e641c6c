"""What `orch chaos` says of an exploration: in lines, and as a document."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from orchspec.grammar.render import safe

if TYPE_CHECKING:
    from orchspec.cli.common import Terminal
    from orchspec.compiler.plan import Plan
    from orchspec.simulator.chaos.explore import Explored

__all__ = ["document", "show"]

_LISTED: Final = 8


def show(terminal: Terminal, plan: Plan, folder: Path | None, made: Explored, written: dict[int, str]) -> None:
    """Prints how a flow fared: its phases, what was never reached, and what broke."""
    from orchspec.simulator.chaos.failure import told

    ends = ", ".join(f"{count:,} {status}" for status, count in sorted(made.statuses.items()))
    terminal.out(safe(f"{plan.name}: {made.flow} (seed {made.seed}; runs: {ends})"))
    for phase in made.phases:
        known = f" of {phase.known:,}" if phase.known is not None else ""
        verdict = ("held" if phase.cut else "all held") if phase.held else f"{len(phase.found)} broken"
        cut = ", interrupted" if phase.cut else ""
        terminal.out(f"  {phase.name:<14} {phase.tried:>7,}{known} explored: {verdict}{cut}")
    for line in (*_paced(made), *_reached(plan, made)):
        terminal.out(safe(line))
    for found in made.found:
        terminal.out("")
        for line in told(plan, found, folder):
            terminal.out(safe(line))
        if id(found) in written:
            terminal.out(safe(f"  orch replay {written[id(found)]}"))


def _paced(made: Explored) -> Iterator[str]:
    from orchspec.simulator.chaos.chronicle import HORIZON_US
    from orchspec.simulator.checkers.waits import in_words

    pace = made.pace
    if pace.proven is None:
        return
    if pace.most_us < math.inf:
        most = in_words(pace.most_us)
        yield f"  liveness: each run ends within {most} of the last fault, most of it: {pace.proven.dominant}"
    else:
        yield f"  liveness: held against {in_words(HORIZON_US)}, for nothing bounds {pace.proven.dominant}"
    if pace.of_us < math.inf:
        took, of = in_words(pace.slowest_us), in_words(pace.of_us)
        yield f"    nearest to its bound: a run took {took} of the {of} that were left to it"


def _paced_json(made: Explored) -> dict[str, Any] | None:
    pace = made.pace
    if pace.proven is None:
        return None
    bounded = pace.most_us < math.inf
    nearest = {"took_s": pace.slowest_us / 1e6, "bound_s": pace.of_us / 1e6} if pace.of_us < math.inf else None
    return {
        "bound_s": pace.most_us / 1e6 if bounded else None,
        "dominant": pace.proven.dominant,
        "held": pace.held,
        "unbounded": pace.unheld,
        "nearest": nearest,
    }


def _reached(plan: Plan, made: Explored) -> Iterator[str]:
    coverage = made.coverage
    rows = coverage.rows_never(plan)
    kinds = len(coverage.struck)
    yield (
        f"  reached: {len(coverage.rows)} of {len(coverage.rows) + len(rows)} transitions, {kinds} faults, "
        f"{len(coverage.cells):,} combinations of them"
    )
    if rows:
        yield f"  never reached: {_some([f'{event} at a {table} {state}' for table, state, event in rows])}"
    missed = [name for name, why in coverage.faults_never(made.places).items() if why.startswith("none")]
    if missed:
        yield f"  never struck: {_some(missed)}; more --examples may"


def _some(words: list[str]) -> str:
    more = len(words) - _LISTED
    return ", ".join(words[:_LISTED]) + (f" and {more} more" if more > 0 else "")


def document(plan: Plan, explored: list[Explored], written: dict[int, str]) -> dict[str, Any]:
    """What `--json` prints."""
    from orchspec.simulator.chaos.failure import line_of
    from orchspec.simulator.chaos.lines import fault_lines

    return {
        "spec": plan.name,
        "plan_hash": plan.hash,
        "held": not any(made.found for made in explored),
        "interrupted": any(made.cut for made in explored),
        "flows": [
            {
                "flow": made.flow,
                "seed": made.seed,
                "runs": made.statuses,
                "phases": [
                    {"name": each.name, "tried": each.tried, "known": each.known, "held": each.held, "cut": each.cut}
                    for each in made.phases
                ],
                "liveness": _paced_json(made),
                "coverage": made.coverage.as_json(plan, made.places),
                "found": [
                    {
                        "violation": found.violation.as_json(),
                        "line": line_of(plan, found.violation.node),
                        "faults": fault_lines(found.faults),
                        "were": found.were,
                        "after": found.after,
                        "schedule": written.get(id(found)),
                    }
                    for found in made.found
                ],
            }
            for made in explored
        ],
    }
