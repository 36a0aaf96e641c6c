"""Simulating a second time, to see whether it comes out the same."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from orchspec.cli.progress import shown

if TYPE_CHECKING:
    from orchspec.cli.common import Terminal
    from orchspec.cli.leavings import Case
    from orchspec.simulator.study import Study

__all__ = ["simulated_otherwise"]


def simulated_otherwise(
    terminal: Terminal, studies: list[tuple[Case, Study]], scenario: str | None, jobs: int | None, how: dict[str, Any]
) -> bool:
    """Simulate each once more and tell, also in its document, what is the first to differ; whether anything does.

    It is done by processes of its own, since Python orders sets of texts otherwise in each.
    """
    from orchspec.simulator.determinism import first_difference
    from orchspec.simulator.study import simulate

    otherwise = False
    for case, study in studies:
        plan = case.compiled.plan
        assert plan is not None
        with shown(terminal, "once more") as bar:
            place: dict[str, Any] = {"folder": case.compiled.folder, "parameters": case.settings}
            again = simulate(plan, scenario, progress=bar, jobs=max(2, jobs or 0), **place, **how)
        if study.interrupted or again.interrupted:
            terminal.say("interrupted: it was not simulated a second time")
            break
        found = first_difference(study, again)
        study.document["determinism"] = {"same": found is None, "first_difference": found}
        named = f"{case.label}: " if case.label else ""
        terminal.say(f"{named}a second simulation {'gave the same' if found is None else f'differs: {found}'}")
        otherwise = otherwise or found is not None
    return otherwise
