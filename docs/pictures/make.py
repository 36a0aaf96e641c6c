"""Makes pictures of the documents with the product: `.venv/bin/python docs/pictures/make.py [briefing] [capacity]`."""

# ruff: noqa: INP001 - a script, not a package

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from orchspec.api import load
from orchspec.compiler.load import compile_text
from orchspec.simulator.charts import charts_of
from orchspec.simulator.drawing import LIGHT
from orchspec.simulator.gantt import gantt_chart
from orchspec.simulator.sensitivity import End, Swing, Watched, difference, document_of, tornado_chart
from orchspec.simulator.study import simulate
from orchspec.simulator.sweep_charts import Point, sweep_charts
from orchspec.simulator.timeline import timeline_chart

if TYPE_CHECKING:
    from orchspec.simulator.drawing import Chart
    from orchspec.simulator.study import Study

HERE: Final = Path(__file__).resolve().parent
SEED: Final = 7


def briefing() -> dict[str, Chart]:
    """The gallery's briefing: a rush hour along time, and one run of a quiet day."""
    spec = load(HERE.parent.parent / "specs" / "briefing.orch")
    rush = simulate(spec.plan, "rush hour with a crashing orchestrator", seed=SEED, folder=spec.folder)
    quiet = simulate(spec.plan, "a quiet day", seed=SEED, folder=spec.folder)
    bars = quiet.replications[0].sample_gantt or []
    charts = {chart.name: chart for chart in charts_of(rush.measures)}
    return {"timeline": charts["timeline"], "gantt": gantt_chart(bars, title="One run of the briefing")}


def capacity() -> dict[str, Chart]:
    """The pictures of `docs/capacity.md`, of the spec and with the settings that stand there."""
    text = (HERE.parent / "capacity.md").read_text("utf-8")
    found = re.search(r"^```orch file=desk.orch\n(.*?)^```", text, flags=re.MULTILINE | re.DOTALL)
    assert found is not None

    def seen(scenario: str, **settings: str) -> Study:
        given = {"reviewers": "3", **{name.replace("_", "."): value for name, value in settings.items()}}
        plan = compile_text(found[1], "desk.orch", settings=given).plan
        assert plan is not None
        return simulate(plan, scenario, seed=SEED)

    peak = "the peak"
    loads = [f"{count} / 1h" for count in (20, 30, 40, 50, 55)]
    swept = [Point({"load": load}, seen(peak, load=load).document) for load in loads]
    base, watched = seen(peak), Watched("latency", "p95")
    tried = {
        "reviewer.latency": ("lognormal(p50: 90s, p95: 6min)", "lognormal(p50: 150s, p95: 10min)"),
        "load": ("30 / 1h", "50 / 1h"),
        "analyst.slots": ("2", "8"),
    }
    swings = []
    for name, values in tried.items():
        ends = []
        for value in values:
            other = seen(peak, **{name: value}).measures
            ends.append(End(value, watched.of(other), difference(base.measures, other, watched)))
        swings.append(Swing(name, tuple(ends)))
    bad = seen(
        "the peak, and a bad hour", analyst_attempts="8", analyst_backoff="exponential(from: 5s, to: 5min)"
    ).measures
    return {
        "capacity-load": sweep_charts(swept)[0],
        "capacity-sensitivity": tornado_chart(document_of(watched, watched.of(base.measures), swings)),
        "capacity-bad-hour": timeline_chart(bad),
    }


def main() -> None:
    """Draws all pictures, or those of the pages that are named; with `--png` as PNG, too."""
    pages = {"briefing": briefing, "capacity": capacity}
    named = [word for word in sys.argv[1:] if word in pages] or list(pages)
    for page in named:
        for name, chart in pages[page]().items():
            path = HERE / f"{name}.svg"
            path.write_text(chart.svg(LIGHT) + "\n", "utf-8")
            sys.stdout.write(f"{path.name}: {path.stat().st_size:,} bytes\n")
            if "--png" in sys.argv:
                path.with_suffix(".png").write_bytes(chart.png(LIGHT))


if __name__ == "__main__":
    main()
