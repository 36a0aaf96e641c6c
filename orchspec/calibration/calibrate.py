"""Calibration as a whole: sources in, profiles out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from orchspec.calibration.evidence import Gathered, Kind, NotCalibrated, clean
from orchspec.calibration.profiles import FittedProfile, profiles_of
from orchspec.calibration.rows import Columns, column_of
from orchspec.calibration.sources import gather
from orchspec.calibration.updating import formatted, updated
from orchspec.calibration.writing import block, documents, expression, is_name
from orchspec.simulator.fitting.choose import LEAST
from orchspec.simulator.fitting.picture import fit_chart

if TYPE_CHECKING:
    from orchspec.compiler.plan import Plan
    from orchspec.grammar.source import Source
    from orchspec.simulator.drawing import Chart

__all__ = ["Calibration", "Progress", "calibrate_sources", "calibrated"]

Progress = Callable[[str], None]


@dataclass(slots=True)
class Calibration:
    """What came of it.

    Attributes:
        profiles: Of all that was seen, by name.
        written: Those of them that say something.
        told: What a person is told: rows that were left out, quantities that were not fitted, and why.
        sources: Where it is from.
        runs: How many runs were read, of journals.
        left_out: How many rows said nothing.
    """

    profiles: list[FittedProfile]
    written: list[FittedProfile]
    told: list[str]
    sources: list[str]
    runs: int
    left_out: int

    @property
    def text(self) -> str:
        """The profiles as a spec of their own, formatted; empty if there are none."""
        if not self.written:
            return ""
        tries = sum(profile.tries for profile in self.written)
        head = f"orch 1\n\n// Fitted by orch calibrate to {tries:,} tries, from {', '.join(self.sources)}.\n\n"
        return formatted(head + "\n\n".join(block(profile) for profile in self.written) + "\n", "the profiles")

    def put_into(self, source: Source) -> str:
        """The text of a spec with these profiles in it. Raises NotCalibrated for one with errors of syntax."""
        return updated(source, self.written)

    def charts(self) -> list[Chart]:
        """The data beside each fit."""
        return [
            fit_chart(
                profile.target, each.attribute, each.fitted, expression(each.fitted.dist, each.fitted.sample.unit)
            )
            for profile in self.written
            for each in profile.fits
        ]

    def document(self) -> dict[str, Any]:
        """All of it as JSON."""
        return {
            "sources": list(self.sources),
            "runs": self.runs,
            "rows_left_out": self.left_out,
            "profiles": documents(self.profiles),
            "text": self.text,
            "told": list(self.told),
        }


def calibrate_sources(
    sources: Iterable[str | Path],
    *,
    columns: Mapping[str, str] | None = None,
    agent: str | None = None,
    only: Iterable[str] = (),
    names: Mapping[str, str] | None = None,
    least: int = LEAST,
    spec: str | Path | None = None,
    progress: Progress | None = None,
) -> Calibration:
    """Fit profiles to what sources hold.

    Args:
        sources: Paths of stores, journals and traces; `-` is standard input.
        columns: Which column of a trace holds what: `{"latency": "took:ms"}`.
        agent: Whose all rows of a trace are.
        only: The targets to fit; all, unless given.
        names: What sources call a target, and what it is called in the spec.
        least: Fewer values are not fitted.
        spec: The spec that the profiles are for: what it does not declare is left out.
        progress: Called with what is being done.

    Raises:
        NotCalibrated: A source cannot be read, or holds nothing of this kind.
        SpecError: The spec has errors.
    """
    said = dict(column_of(f"{quantity}={column}") for quantity, column in (columns or {}).items())
    gathered = Gathered(frozenset(only), dict(names or {}))
    named = [str(source) for source in sources]
    for source in named:
        shown = _shown(source)
        told = None if progress is None else lambda count, name=shown: progress(f"reading {name}: {count:,}")
        gather(source, Columns(said, agent), gathered, told)
    plan = _plan(spec)
    return calibrated(gathered, [_shown(source) for source in named], least=least, plan=plan, progress=progress)


def calibrated(
    gathered: Gathered,
    sources: Sequence[str] = (),
    *,
    least: int = LEAST,
    plan: Plan | None = None,
    progress: Progress | None = None,
) -> Calibration:
    """Fit profiles to what was gathered; `plan` is that of the spec that they are for."""
    told = gathered.left_out()
    kinds: dict[str, Kind] = {}
    if plan is not None:
        kinds = _declared(plan)
        for agent in plan.agents.values():
            gathered.tools[agent.name] = tuple(agent.tools)
        told += _drop_strangers(gathered, kinds)
    if gathered.only and (missing := sorted(gathered.only - gathered.targets.keys())):
        told.append(f"nothing was seen of {', '.join(missing)}")
    step = None if progress is None else lambda done, count, name: progress(f"fitting {name} ({done + 1} of {count})")
    profiles = profiles_of(gathered, least, kinds, step)
    written = []
    for profile in profiles:
        told += [f"{profile.target}: {note}" for note in profile.notes]
        if profile.empty:
            continue
        if is_name(profile.target):
            written.append(profile)
        else:
            shown = clean(profile.target)
            told.append(f"{shown!r} is no name of the language; give it one: --rename '{shown}=NAME'")
    return Calibration(profiles, written, told, list(sources), gathered.runs, gathered.bad)


def _shown(source: str) -> str:
    # It stands in a comment of what is written, which a line's end would end.
    return "standard input" if source == "-" else clean(Path(source).name)


def _plan(spec: str | Path | None) -> Plan | None:
    if spec is None:
        return None
    from orchspec.api import load

    return load(spec).plan


def _declared(plan: Plan) -> dict[str, Kind]:
    """What can have a profile, and which kind of it."""
    kinds: dict[str, Kind] = {
        agent.name: "human" if agent.kind == "human" else "agent" for agent in plan.agents.values()
    }
    kinds.update(dict.fromkeys(plan.effects, "effect"))
    kinds.update(dict.fromkeys(plan.signals, "signal"))
    return kinds


def _drop_strangers(gathered: Gathered, kinds: Mapping[str, Kind]) -> list[str]:
    from orchspec.grammar.spelling import nearest

    told = []
    for name in sorted(gathered.targets.keys() - kinds.keys()):
        del gathered.targets[name]
        near = nearest(name, kinds)
        shown = clean(name)
        told.append(
            f"{shown} is not declared in the spec; if it is {near or 'NAME'} there: --rename {shown}={near or 'NAME'}"
        )
    if not gathered.targets:
        raise NotCalibrated("\n".join(["nothing that was seen is declared in the spec", *told]))
    return told
