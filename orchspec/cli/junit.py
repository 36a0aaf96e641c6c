"""JUnit XML, as CI servers read it.

A case fails where the command would end with something else than 0: a spec is not broken by a protection that nothing
needs or by a fault that none covers, so these are skipped, with the reason, for whoever reads the report.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from xml.sax.saxutils import escape, quoteattr

from orchspec.grammar.render import safe

if TYPE_CHECKING:
    from orchspec.compiler.plan import Fault, Plan
    from orchspec.simulator.chaos.explore import Explored, Found, Phase
    from orchspec.simulator.chaos.mast import Semantic
    from orchspec.simulator.chaos.mutate import Mutant, Mutated

__all__ = ["chaos_xml", "mast_xml", "mutation_xml"]


@dataclass(slots=True)
class _Case:
    """One case: what failed of it, with the faults that show it; why it was skipped; what else there is to say."""

    name: str
    failures: list[tuple[str, str]] = field(default_factory=list)
    skipped: str | None = None
    out: str = ""


@dataclass(slots=True)
class _Suite:
    name: str
    seconds: float
    cases: list[_Case]
    properties: dict[str, str] = field(default_factory=dict)


def chaos_xml(spec: str, explored: Iterable[tuple[Explored, float]]) -> str:
    """A suite for each flow, a case for each phase of its exploration; what broke is a failure.

    Args:
        spec: the name of the plan.
        explored: what came of each flow, with the seconds that it took.
    """
    return _xml(
        _Suite(f"{spec}.{made.flow}", seconds, [_phase(phase) for phase in made.phases]) for made, seconds in explored
    )


def _phase(phase: Phase) -> _Case:
    case = _Case(f"{phase.name} ({phase.tried} explored)", _failures(phase.found))
    if phase.cut:
        case.skipped = _CUT
    return case


_CUT = "interrupted: not everything was explored"


def _failures(found: Iterable[Found]) -> list[tuple[str, str]]:
    from orchspec.simulator.chaos.lines import fault_lines

    return [
        (f"{each.violation.number}: {each.violation.message}", "\n".join(fault_lines(each.faults))) for each in found
    ]


# ------------------------------------------------------------------ protections taken away


def mutation_xml(plan: Plan, made: Iterable[tuple[Mutated, float]]) -> str:
    """A suite for each flow, a case for each protection, then one for each fault that none covers.

    Args:
        plan: of the spec.
        made: what came of each flow, with the seconds that it took.
    """
    return _xml(_mutated(plan, each, seconds) for each, seconds in made)


def _mutated(plan: Plan, made: Mutated, seconds: float) -> _Suite:
    names = Counter(mutant.protection.name for mutant in made.mutants)
    cases = [_mutant(plan, mutant, alone=names[mutant.protection.name] == 1) for mutant in made.mutants]
    cases += [_uncovered(fault, status) for fault, status in ((each.fault, each.status) for each in made.uncovered)]
    if made.cut:
        cases.append(_Case("the rest", skipped=_CUT))
    told = {"seed": str(made.seed), "schedules": str(made.schedules), "covered": str(made.covered)}
    if made.score is not None:
        told["score"] = f"{made.score:.4f}"
    return _Suite(f"{plan.name}.{made.flow}", seconds, cases, told)


def _mutant(plan: Plan, mutant: Mutant, *, alone: bool) -> _Case:
    from orchspec.cli.chaos_mutate import where
    from orchspec.simulator.chaos.mutate import said

    at = where(plan, None, mutant)
    name = mutant.protection.name
    case = _Case(name if alone or at is None else f"{name} ({at.partition('  ')[0]})")
    if mutant.refused is not None:
        case.out = f"the compiler refuses the spec without it: {mutant.refused}"
    elif mutant.noticed:
        case.out = f"without it {mutant.why}, under {said(mutant.faults)}"
    else:
        case.skipped = f"unneeded: {mutant.why}" if mutant.tried else _CUT
    case.out = "\n".join(part for part in (case.out, f"at {at}" if at is not None else "") if part)
    return case


def _uncovered(fault: Fault, status: str) -> _Case:
    from orchspec.simulator.chaos.lines import fault_line

    return _Case(fault_line(fault), skipped=f"uncovered: a run is {status}")


# ------------------------------------------------------------------ mistakes of agents


def mast_xml(spec: str, made: Iterable[tuple[Semantic, float]]) -> str:
    """A suite for each flow, a case for each failure mode that struck, then one for what must hold.

    Args:
        spec: the name of the plan.
        made: what came of each flow, with the seconds that it took.
    """
    return _xml(_Suite(f"{spec}.{each.flow}", seconds, list(_modes(each))) for each, seconds in made)


def _modes(made: Semantic) -> Iterator[_Case]:
    from orchspec.simulator.chaos.mast import FATES, MODES

    for mode in MODES:
        of = made.fates.get(mode.number)
        if of:
            fates = ", ".join(f"{fate} {of.get(fate, 0)}" for fate in FATES)
            yield _Case(f"{mode.number} {mode.name} ({sum(of.values())} struck)", out=fates)
    yield _Case(f"what must hold ({made.struck} explored)", _failures(made.found), _CUT if made.cut else None)


# ------------------------------------------------------------------ XML


def _xml(suites: Iterable[_Suite]) -> str:
    lines = ['<?xml version="1.0" encoding="UTF-8"?>', "<testsuites>"]
    for suite in suites:
        name = _quoted(suite.name)
        broken = sum(bool(case.failures) for case in suite.cases)
        skipped = sum(case.skipped is not None and not case.failures for case in suite.cases)
        counts = f'tests="{len(suite.cases)}" failures="{broken}" errors="0" skipped="{skipped}"'
        lines.append(f'  <testsuite name={name} {counts} time="{suite.seconds:.3f}">')
        if suite.properties:
            lines.append("    <properties>")
            told = suite.properties.items()
            lines += [f"      <property name={_quoted(key)} value={_quoted(value)}/>" for key, value in told]
            lines.append("    </properties>")
        for case in suite.cases:
            lines += _case(name, case)
        lines.append("  </testsuite>")
    lines.append("</testsuites>")
    return "\n".join(lines) + "\n"


def _case(suite: str, case: _Case) -> list[str]:
    head = f"    <testcase classname={suite} name={_quoted(case.name)}"
    inner = [f"      <failure message={_quoted(said)}>{_text(text)}</failure>" for said, text in case.failures]
    if case.skipped is not None and not case.failures:
        inner.append(f"      <skipped message={_quoted(case.skipped)}/>")
    if case.out:
        inner.append(f"      <system-out>{_text(case.out)}</system-out>")
    return [f"{head}>", *inner, "    </testcase>"] if inner else [f"{head}/>"]


def _text(text: str) -> str:
    return escape("\n".join(safe(line) for line in text.split("\n")))


def _quoted(text: str) -> str:
    return quoteattr(safe(text))
