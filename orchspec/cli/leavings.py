"""What a simulation leaves to look at: charts in a folder, and a page for whoever was not there."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from orchspec.cli.files import STDIN, shown_name, write_text
from orchspec.cli.pictures import save
from orchspec.cli.studying import again

if TYPE_CHECKING:
    from orchspec.cli.common import Terminal
    from orchspec.compiler.load import Compiled
    from orchspec.compiler.plan import Plan, Scenario
    from orchspec.simulator.drawing import Chart
    from orchspec.simulator.report import Origin
    from orchspec.simulator.study import Study
    from orchspec.simulator.sweep_charts import Point

__all__ = ["Case", "Leavings", "drawn_flow", "origin_of"]


@dataclass(slots=True)
class Case:
    """One simulation that was asked for: a compiled spec, what was set for it, and what of that is varied."""

    settings: dict[str, str]
    swept: dict[str, str]
    compiled: Compiled
    label: str


@dataclass(frozen=True, slots=True)
class Leavings:
    """Where to leave what: `report` the page, `charts` the folder; `options` are those that a command repeats.

    Of the options, those that are `None` were not given; a tuple was given several times.
    """

    file: str
    report: str | None
    charts: str | None
    options: dict[str, Any]

    def write(
        self, terminal: Terminal, studies: Sequence[tuple[Case, Study]], swings: dict[str, Any] | None = None
    ) -> None:
        """Write what is wanted; `swings` is the document of a sensitivity, of which the first study is the base."""
        if self.report is None and self.charts is None:
            return
        if swings is not None:
            studies = studies[:1]
        if self.charts is not None:
            pictures = self._pictures(studies, swings)
            for folder, drawn in pictures:
                save(folder, drawn)
            count = sum(len(drawn) for _, drawn in pictures)
            terminal.say(f"{self.charts}: {count} charts, each as PNG and SVG")
        if self.report is not None:
            write_text(self.report, self._page(studies, swings))
            terminal.say(f"{self.report}: the report")

    def _pictures(
        self, studies: Sequence[tuple[Case, Study]], swings: dict[str, Any] | None
    ) -> list[tuple[Path, list[Chart]]]:
        from orchspec.simulator.sensitivity import tornado_chart
        from orchspec.simulator.sweep_charts import sweep_charts

        root = Path(self.charts or ".")
        if len(studies) == 1:
            extra = [tornado_chart(swings)] if swings is not None else []
            case, study = studies[0]
            return [(root / _folder(case.label), [*_charts(study), *extra])]
        found = [(root, sweep_charts(_points(studies)))]
        return found + [(root / _folder(case.label), _charts(study)) for case, study in studies]

    def _page(self, studies: Sequence[tuple[Case, Study]], swings: dict[str, Any] | None) -> str:
        from orchspec.simulator import page
        from orchspec.simulator.report import render
        from orchspec.simulator.sensitivity import table_of, tornado_chart
        from orchspec.simulator.sweep_report import render_sweep

        case, study = studies[0]
        origin = self._origin(case, study)
        if len(studies) > 1:
            return render_sweep(_points(studies), origin=origin)
        extra = []
        if swings is not None:
            extra.append(("What it depends on", page.figure(tornado_chart(swings)) + table_of(swings)))
        return render(study.document, _charts(study), origin=origin, extra=extra)

    def _origin(self, case: Case, study: Study) -> Origin:
        plan = case.compiled.plan
        assert plan is not None
        command = again(("simulate", self.file, study.scenario.name or None), self.options)
        return origin_of(self.file, plan, study.scenario, command)


def origin_of(file: str, plan: Plan, scenario: Scenario, command: str) -> Origin:
    """Where a page comes from: the spec, its scenario and its flow, and the command that gives the same again."""
    from orchspec import __version__
    from orchspec.simulator.report import Origin

    return Origin(
        file=shown_name(file),
        command=command,
        source=_source(file, plan, scenario),
        graph=drawn_flow(plan, scenario.flow),
        versions={"orch": __version__},
    )


def drawn_flow(plan: Plan, flow: str) -> str:
    """A flow and those that it calls, as SVG."""
    from orchspec.graph.build import graph_of
    from orchspec.graph.svg import as_svg
    from orchspec.runtime.needs import flows_of

    return as_svg([graph_of(plan, each) for each in flows_of(plan, flow)])


def _points(studies: Sequence[tuple[Case, Study]]) -> list[Point]:
    from orchspec.simulator.sweep_charts import Point

    return [Point(case.swept, study.document) for case, study in studies]


def _charts(study: Study) -> list[Chart]:
    from orchspec.simulator.charts import charts_of, sample_chart

    sample = sample_chart(study.measures)
    return [*charts_of(study.measures), *([sample] if sample is not None else [])]


def _folder(label: str) -> str:
    """What was set, as the name of a folder: `10 / 1s` is no path."""
    return re.sub(r"[^\w=.,%+ ()-]", "_", label)[:120]


def _source(file: str, plan: Plan, scenario: Scenario) -> str:
    """The scenario as it was written; nothing where the text cannot be read again."""
    spans, node = plan.source.spans, scenario.node
    if file == STDIN or node >= len(spans) or spans[node][4] != 0:
        return ""
    try:
        lines = Path(file).read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError):
        return ""
    return "\n".join(lines[spans[node][0] - 1 : spans[node][2]])
