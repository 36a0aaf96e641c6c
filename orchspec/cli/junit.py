"""JUnit XML, as CI servers read it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING
from xml.sax.saxutils import escape, quoteattr

from orchspec.grammar.render import safe

if TYPE_CHECKING:
    from orchspec.simulator.chaos.explore import Explored, Phase

__all__ = ["chaos_xml"]


def chaos_xml(spec: str, explored: Iterable[tuple[Explored, float]]) -> str:
    """A suite for each flow, a case for each phase of its exploration; what broke is a failure.

    Args:
        spec: the name of the plan.
        explored: what came of each flow, with the seconds that it took.
    """
    lines = ['<?xml version="1.0" encoding="UTF-8"?>', "<testsuites>"]
    for made, seconds in explored:
        name = quoteattr(f"{spec}.{made.flow}")
        broken = sum(not phase.held for phase in made.phases)
        cut = sum(phase.cut and phase.held for phase in made.phases)
        counts = f'tests="{len(made.phases)}" failures="{broken}" errors="0" skipped="{cut}"'
        lines.append(f'  <testsuite name={name} {counts} time="{seconds:.3f}">')
        for phase in made.phases:
            lines.extend(_case(name, phase))
        lines.append("  </testsuite>")
    lines.append("</testsuites>")
    return "\n".join(lines) + "\n"


def _case(suite: str, phase: Phase) -> list[str]:
    from orchspec.simulator.chaos.lines import fault_lines

    case = f"    <testcase classname={suite} name={quoteattr(f'{phase.name} ({phase.tried} explored)')}"
    if phase.held and phase.cut:
        return [f"{case}>", '      <skipped message="interrupted: not everything was explored"/>', "    </testcase>"]
    if phase.held:
        return [f"{case}/>"]
    lines = [f"{case}>"]
    for found in phase.found:
        said = safe(f"{found.violation.number}: {found.violation.message}")
        text = "\n".join(fault_lines(found.faults))
        lines.append(f"      <failure message={quoteattr(said)}>{escape(text)}</failure>")
    return [*lines, "    </testcase>"]
