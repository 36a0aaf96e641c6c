"""Makes the pictures of the documents with the product: `.venv/bin/python docs/pictures/make.py`."""

# ruff: noqa: INP001 - a script, not a package

from __future__ import annotations

import sys
from pathlib import Path

from orchspec.api import load
from orchspec.simulator.charts import charts_of
from orchspec.simulator.drawing import LIGHT
from orchspec.simulator.gantt import gantt_chart
from orchspec.simulator.study import simulate

HERE = Path(__file__).resolve().parent


def main() -> None:
    """Simulates the gallery's briefing on a quiet day and in a rush hour, and draws what was seen."""
    spec = load(HERE.parent.parent / "specs" / "briefing.orch")
    rush = simulate(spec.plan, "rush hour with a crashing orchestrator", seed=7, folder=spec.folder)
    quiet = simulate(spec.plan, "a quiet day", seed=7, folder=spec.folder)
    bars = quiet.replications[0].sample_gantt or []
    charts = {chart.name: chart for chart in charts_of(rush.measures)}
    charts["gantt"] = gantt_chart(bars, title="One run of the briefing")
    for name in ("timeline", "gantt"):
        path = HERE / f"{name}.svg"
        path.write_text(charts[name].svg(LIGHT), "utf-8")
        sys.stdout.write(f"{path.name}: {path.stat().st_size:,} bytes\n")
        if "--png" in sys.argv:
            path.with_suffix(".png").write_bytes(charts[name].png(LIGHT))


if __name__ == "__main__":
    main()
