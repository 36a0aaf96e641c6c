"""From what the compiler proves of a flow to what chaos holds its runs to (`simulator.chaos.proven`)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchspec.simulator.chaos.proven import Part, Proven

if TYPE_CHECKING:
    from orchspec.compiler.bounds import Range
    from orchspec.compiler.plan import Plan

__all__ = ["proven_of"]


def proven_of(plan: Plan, flow: str) -> Proven:
    """What is proved of a flow: how long each of its statements takes at worst, and its undoing."""
    from orchspec.compiler.bounds.ahead import ahead_of
    from orchspec.compiler.bounds.document import term_in_words
    from orchspec.compiler.bounds.queueing import usually_us
    from orchspec.compiler.bounds.ranges import INF
    from orchspec.compiler.bounds.supports import highest

    ahead = ahead_of(plan, flow)

    def part(latency: Range, work: Range, needs: tuple[int, ...]) -> Part:
        return Part(latency.worst, work.worst, needs, term_in_words(work, "s"))

    orchestrator = plan.profiles.get("orchestrator")
    writes = orchestrator.journal_write if orchestrator is not None else None
    return Proven(
        tuple(part(*ranges, needs) for ranges, needs in zip(ahead.statements, ahead.needs, strict=True)),
        ahead.undoing.worst,
        term_in_words(ahead.undoing, "s"),
        ahead.settling.worst,
        INF if ahead.time_us is None else ahead.time_us,
        ahead.grace_us,
        ahead.meets,
        {name: usually_us(plan, name) for name in (*plan.agents, *plan.effects, *plan.signals)},
        0 if writes is None else highest(writes),
    )
