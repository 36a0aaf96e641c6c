"""`--sensitivity k=lo..hi`: how far a KPI moves with each setting alone, everything else as it is."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from orchspec.cli.common import Misuse, Terminal, did_you_mean
from orchspec.cli.sweeps import parse_sweep

if TYPE_CHECKING:
    from orchspec.cli.leavings import Case
    from orchspec.simulator.sensitivity import Watched
    from orchspec.simulator.study import Study

__all__ = ["print_swings", "settings_to_try", "swings_of", "watched_of"]

_RANGE: Final = re.compile(r"\s*-?[0-9][0-9_]*\.\.-?[0-9][0-9_]*\s*")
_KPI: Final = re.compile(r"(?:(?P<statistic>mean|p50|p90|p95|p99|max)\()?(?P<kpi>\w+)(?:\((?P<target>[\w.]+)\))?\)?")


def settings_to_try(written: Sequence[str]) -> list[dict[str, str]]:
    """What each simulation sets: nothing first, then each value of each setting alone; of a range its ends.

    Raises:
        Misuse: one of them says no values, or two are of the same name.
    """
    tried: list[dict[str, str]] = [{}]
    names: set[str] = set()
    for one in written:
        name, values = parse_sweep(one, "--sensitivity")
        if name in names:
            raise Misuse(f"--sensitivity gives {name} twice; list its values in one")
        names.add(name)
        if _RANGE.fullmatch(one.partition("=")[2]):
            values = list(dict.fromkeys([values[0], values[-1]]))
        tried += [{name: value} for value in values]
    return tried


def watched_of(written: str) -> Watched:
    """The KPI that `--of` names, such as `p95(latency)`, `completion` or `wait(scout)`.

    Raises:
        Misuse: there is no such KPI, or it is written otherwise.
    """
    from orchspec.simulator.kpis import KPIS
    from orchspec.simulator.sensitivity import Watched

    found = _KPI.fullmatch(written.replace(" ", ""))
    kpi = KPIS.get(found["kpi"]) if found is not None else None
    if found is None or kpi is None:
        near = did_you_mean(found["kpi"], KPIS) if found is not None else ""
        raise Misuse(f"--of takes a KPI such as p95(latency) or wait(scout), found {written!r}{near}")
    statistic, target = found["statistic"], found["target"]
    if kpi.shape == "runs" and target is None:
        return Watched(kpi.name, statistic or "mean")
    if statistic is None and (target is not None) == (kpi.shape == "pool"):
        return Watched(kpi.name, None, target)
    shape = {"runs": f"mean({kpi.name})", "pool": f"{kpi.name}(NAME)"}.get(kpi.shape, kpi.name)
    raise Misuse(f"--of: {kpi.name} is written {shape}, found {written!r}")


def swings_of(
    studies: Sequence[tuple[Case, Study]], tried: Sequence[dict[str, str]], watched: Watched
) -> dict[str, Any]:
    """The document of a sensitivity: the first study is the base, those after it what was tried, in order."""
    from orchspec.simulator.sensitivity import End, Swing, difference, document_of

    base = studies[0][1].measures
    ends: dict[str, list[End]] = {}
    for (_, study), setting in zip(studies[1:], tried[1:], strict=False):
        for name, value in setting.items():
            change = difference(base, study.measures, watched)
            ends.setdefault(name, []).append(End(value, watched.of(study.measures), change))
    return document_of(watched, watched.of(base), [Swing(name, tuple(each)) for name, each in ends.items()])


def print_swings(terminal: Terminal, found: dict[str, Any]) -> None:
    """Prints what matters, most first."""
    from orchspec.simulator.report import written
    from orchspec.simulator.table import cell, line, new_table, text_of

    console = terminal.console()
    line(console, f"what {found['of']} depends on", "bold")
    line(console, f"as the spec has it: {written(found['base'], found['unit'])}", "dim")
    table = new_table("setting", "value", found["of"], "change", "certain")
    for setting in found["settings"]:
        for number, end in enumerate(setting["ends"]):
            table.add_row(
                text_of("" if number else setting["name"]),
                text_of(end["setting"]),
                cell({key: end[key] for key in ("value", "ci95")}, found["unit"]),
                cell(end["change"], found["unit"]),
                text_of("yes" if end["certain"] else "–"),
            )
    console.print(table)
