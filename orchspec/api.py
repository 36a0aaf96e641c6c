"""The Python interface to specs: `load`, `bounds`, `simulate`, `size`, `compare`, `calibrate`, `what_if`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from orchspec.runtime.errors import OrchError

if TYPE_CHECKING:
    from orchspec.compiler.plan import Plan
    from orchspec.grammar.diagnostics import Diagnostic

__all__ = ["Spec", "SpecError", "bounds", "calibrate", "compare", "load", "simulate", "size", "what_if"]


@dataclass(frozen=True, slots=True)
class Spec:
    """A spec without errors: its plan, what the compiler warns of, and the folder that its data files lie in."""

    plan: Plan
    diagnostics: tuple[Diagnostic, ...]
    folder: Path | None


class SpecError(OrchError):
    """A spec with errors; `diagnostics` holds all that was found, sorted by place."""

    code = "spec_errors"

    def __init__(self, message: str, diagnostics: tuple[Diagnostic, ...]) -> None:
        super().__init__(message)
        self.diagnostics = diagnostics


def load(path: str | Path, settings: Mapping[str, str] | None = None) -> Spec:
    """Reads and checks a spec file.

    Args:
        path: of the file.
        settings: other values for params, written as in a spec (`{"width": "8"}`).

    Raises:
        SpecError: the spec has errors; the message shows them with their lines.
        UnreadableSpec: the file cannot be read as text.
    """
    from orchspec.compiler import compile_file

    compiled = compile_file(path, settings)
    if compiled.plan is None:
        from orchspec.grammar.render import render_all

        raise SpecError(render_all(compiled.errors).rstrip("\n"), compiled.diagnostics)
    return Spec(compiled.plan, compiled.diagnostics, compiled.folder)


def bounds(spec: Spec | Plan) -> dict[str, Any]:
    """The least and the most that each flow of a spec takes: the document of `orch bounds --json`.

    Args:
        spec: what `load` gives, or a plan.
    """
    from orchspec.compiler.bounds import bounds_of
    from orchspec.compiler.bounds.document import as_document

    plan = spec.plan if isinstance(spec, Spec) else spec
    return as_document(plan, bounds_of(plan))


def simulate(spec: Spec | Plan, scenario: str | None = None, **settings: Any) -> dict[str, Any]:
    """Simulates a scenario of a spec, and returns the document of `orch simulate --json`.

    Args:
        spec: what `load` gives, or a plan.
        scenario: its name; the only one unless given.
        settings: `runs`, `seed`, `jobs` and others of `orchspec.simulator.study.simulate`.

    Raises:
        ScenarioError, TableError, PlanError: as that function does.
    """
    from orchspec.simulator.study import simulate as study

    if isinstance(spec, Spec):
        settings.setdefault("folder", spec.folder)
        return study(spec.plan, scenario, **settings).document
    return study(spec, scenario, **settings).document


def calibrate(*sources: str | Path, **settings: Any) -> dict[str, Any]:
    """Fits profiles to what was measured, and returns the document of `orch calibrate --json`.

    Its `text` are the profiles as a spec of their own.

    Args:
        sources: paths of stores, journals and traces.
        settings: `columns`, `agent`, `only`, `names`, `least`, `spec` of `orchspec.calibration.calibrate_sources`.

    Raises:
        NotCalibrated: a source cannot be read, or holds nothing of this kind.
        SpecError: the spec that the profiles are for has errors.
    """
    from orchspec.calibration import calibrate_sources

    return calibrate_sources(sources, **settings).document()


def size(
    path: str | Path,
    scenario: str | None = None,
    *,
    target: str | Iterable[str] = (),
    vary: Mapping[str, Iterable[object]],
    **settings: Any,
) -> dict[str, Any]:
    """Finds the least setting under which a scenario meets its target: the document of `orch size --json`.

    Args:
        path: of the spec file, which is compiled for each setting.
        scenario: its title; the only one unless given.
        target: an expectation, or several: `"p95(latency) <= 60s"`; without one, what the scenario expects.
        vary: the values of each param or attribute that may be varied: `{"scout.slots": range(1, 41)}`.
        settings: `faults`, `settings`, `minimize`, `weights`, `runs`, `seed`, `jobs`, `resume` and others of
            `orchspec.capacity.find_size`.

    Raises:
        SpecError: the spec, the target or a setting has errors.
        UnreadableSpec, ScenarioError, NoTarget, KeptError, TableError: as they say.
    """
    from functools import partial

    from orchspec.capacity import find_size
    from orchspec.compiler.load import compile_file

    targets = (target,) if isinstance(target, str) else tuple(target)
    axes = {name: [str(value) for value in values] for name, values in vary.items()}
    return find_size(partial(compile_file, path), scenario, targets=targets, vary=axes, **settings).document()


def compare(
    path: str | Path, flows: Iterable[str] = (), scenario: str | None = None, **settings: Any
) -> dict[str, Any]:
    """Compares flows under the same load and the same draws: the document of `orch compare --json`.

    Args:
        path: of the spec file, which has the scenario.
        flows: those of it that are compared; without any all that its scenarios are about.
        scenario: the title of the one whose load all are under; the only one unless given, or the first that is about
            the first flow.
        settings: `faults`, `settings`, `runs`, `seed`, `jobs`, `resume` and others of `orchspec.contest.contend`.

    Raises:
        SpecError: the spec or a setting has errors.
        UnreadableSpec, ScenarioError, NotComparable, KeptError, TableError: as they say.
    """
    from functools import partial

    from orchspec.capacity import compiled_plan
    from orchspec.compiler.load import compile_file
    from orchspec.contest import Entry, contend, entries_of
    from orchspec.simulator.comparing import compare, comparison_json

    compile_ = partial(compile_file, path)
    entries = [Entry(name, name) for name in entries_of(compiled_plan(compile_()), tuple(flows))]
    contenders, notes = contend({None: compile_}, entries, scenario, **settings)
    return comparison_json(contenders, compare(contenders), notes)


def what_if(
    path: str | Path, store: str | Path, settings: Mapping[str, str] | None = None, *, flow: str | None = None
) -> dict[str, Any]:
    """Plays the runs of a store again, with something changed: the document of `orch simulate --from-journal --json`.

    Args:
        path: of the spec file that the runs are of.
        store: the SQLite file that holds them; it is read, never written.
        settings: other values for params and attributes; without any the runs are played as they were.
        flow: whose runs; the only one that has some unless given.

    Raises:
        SpecError: the spec or a setting has errors.
        UnreadableSpec, StoreError, NotReplayable: as they say.
    """
    from functools import partial

    from orchspec.compiler.load import compile_file
    from orchspec.runtime.journal import SQLiteStore
    from orchspec.whatif import document_of
    from orchspec.whatif import what_if as play

    opened = SQLiteStore(store, create=False)
    try:
        return document_of(play(partial(compile_file, path), opened, flow=flow, settings=settings))
    finally:
        opened.close()
