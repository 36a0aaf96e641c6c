"""The least setting under which a scenario meets its target: from a spec and what is varied to an answer.

The search is the simulator's (`simulator/sizing.py`). Here each setting is compiled, with what is asked
of the scenario.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from orchspec import __version__
from orchspec.api import SpecError
from orchspec.compiler.asked import Asked
from orchspec.runtime.errors import OrchError
from orchspec.simulator.kept import Kept
from orchspec.simulator.sizing import Axis, Sizing
from orchspec.simulator.study import find_scenario, simulate
from orchspec.simulator.workers import Workers

if TYPE_CHECKING:
    from pathlib import Path

    from orchspec.compiler.load import Compiled
    from orchspec.simulator.study import Study

__all__ = ["Compile", "NoTarget", "compiled_plan", "find_size"]

Compile: TypeAlias = Callable[[Mapping[str, str], Asked], "Compiled"]
"""Compiles the spec with settings, and with what is asked of a scenario."""


class NoTarget(OrchError):
    """Nothing says what is to be met, or nothing what may be varied."""

    code = "no_target"


def find_size(
    compile_: Compile,
    scenario: str | None = None,
    *,
    targets: Sequence[str] = (),
    vary: Mapping[str, Sequence[str]],
    faults: Sequence[str] = (),
    settings: Mapping[str, str] | None = None,
    minimize: Literal["weight", "cost"] = "weight",
    weights: Mapping[str, float] | None = None,
    runs: int | None = None,
    seed: int = 1,
    jobs: int | None = None,
    queue_max: int | None = None,
    resume: str | Path | None = None,
    started: Callable[[Mapping[str, str]], None] = lambda _: None,
    progress: Callable[[int, int], None] | None = None,
) -> Sizing:
    """Looks for the least or the cheapest setting under which a scenario meets its target.

    Args:
        compile_: compiles the spec.
        scenario: its title; None for the only one.
        targets: expectations, as a scenario writes them; without any, those of the scenario.
        vary: the values of each param or attribute that may be varied, as a spec writes them.
        faults: that strike beside those of the scenario, as a scenario writes them.
        settings: other values for what stays as it is.
        minimize: the weight of the setting, or the mean cost of a run.
        weights: what one of a thing that is varied weighs; 1 unless said.
        runs: measure so many runs for each setting, and look once.
        seed: same seed, same answer.
        jobs: processes; None: as it pays.
        queue_max: as of `study.simulate`.
        resume: a file in which what is done is kept, and looked for.
        started: told the settings of each simulation before it begins.
        progress: called with (replications done, replications planned so far) of the one at hand.

    Raises:
        SpecError: the spec, a target or a setting has errors.
        ScenarioError, NoTarget, KeptError, TableError: as they say.
    """
    if not vary:
        raise NoTarget("say what may be varied, for example --vary scout.slots=1..40")
    fixed = dict(settings or {})
    name = _scenario(compile_, scenario, fixed, targets)
    asked = Asked(name, tuple(targets), tuple(faults))
    axes = [Axis.of(each, values, (weights or {}).get(each, 1.0)) for each, values in vary.items()]
    kept = Kept(resume, __version__) if resume is not None else None
    with Workers(jobs, kept) as workers:

        def study(chosen: Mapping[str, str], with_seed: int) -> Study:
            together = {**fixed, **chosen}
            started(chosen)
            compiled = compile_(together, asked)
            how: dict[str, Any] = {
                "runs": runs,
                "seed": with_seed,
                "queue_max": queue_max,
                "progress": progress,
                "with_twin": False,
            }
            return simulate(
                compiled_plan(compiled), name, folder=compiled.folder, parameters=together, workers=workers, **how
            )

        sizing = Sizing(axes, study, seed=seed, minimize=minimize)
        # Values that the spec refuses are told before anything is simulated: those at both ends, at least.
        for end in (0, -1):
            compiled_plan(compile_({**fixed, **{axis.name: axis.values[end] for axis in axes}}, asked))
        sizing.search()
        workers.stopping = sizing.interrupted
    return sizing


def compiled_plan(compiled: Compiled) -> Any:
    """The plan of what was compiled. Raises SpecError where there is none."""
    if compiled.plan is None:
        from orchspec.grammar.render import render_all

        raise SpecError(render_all(compiled.errors).rstrip("\n"), compiled.diagnostics)
    return compiled.plan


def _scenario(compile_: Compile, scenario: str | None, settings: Mapping[str, str], targets: Sequence[str]) -> str:
    inner = {name: value for name, value in settings.items() if not name.startswith("scenario.")}
    found = find_scenario(compiled_plan(compile_(inner, Asked())), scenario)
    if not targets and not found.expects:
        raise NoTarget(f'"{found.name}" expects nothing; say what is to be met: --for "p95(latency) <= 60s"')
    return found.name
