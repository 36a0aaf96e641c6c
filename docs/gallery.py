"""Writes the page of the gallery: `.venv/bin/python docs/gallery.py`, with `--figures` after simulating anew.

The words are those at the head of each spec, the figures those of its scenarios, simulated with one seed and kept in
`gallery.json`. `tests/docs/test_gallery.py` holds that page, specs and figures fit.
"""

# ruff: noqa: INP001 - a script, not a package

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from orchspec.compiler.plan import Plan

__all__ = ["FIGURES", "PAGE", "SEED", "figures", "main", "page", "specs"]

DOCS: Final = Path(__file__).resolve().parent
SPECS: Final = DOCS.parent / "specs"
PAGE: Final = DOCS / "gallery.md"
FIGURES: Final = DOCS / "gallery.json"
SEED: Final = 7

_HEAD: Final = """\
# The gallery

<!-- Made by docs/gallery.py from the specs. Change them there, then run the script. -->

Each spec of the gallery shows one thing, with tests and scenarios beside it: when to use it, and what it costs. The
figures are simulated (seed 7, all the runs that the scenario asks for; `orch simulate SPEC SCENARIO --seed 7` gives
them, with their intervals). They are as good as the profiles in the spec: put your own in, then compare.

How topologies scale, what splitting costs, who should hand the work out and what a journal saves is put side by side in
the [comparisons](comparisons.md). The [standard library](how-to/share-and-import.md) and the
[workflow patterns](workflow-patterns.md) have pages of
their own.
"""


def specs() -> list[Path]:
    """The specs of the gallery, by name; the library and the catalogue of patterns have pages of their own."""
    return sorted(SPECS.glob("*.orch"))


def _plan(path: Path) -> Plan:
    from orchspec.compiler.load import compile_file

    plan = compile_file(path).plan
    assert plan is not None, f"{path.name} has errors"
    return plan


def figures(path: Path) -> dict[str, Any]:
    """What simulating the scenarios of a spec gives: for each its KPIs as `[value, low, high]`, and the verdicts."""
    from orchspec.simulator.study import simulate

    plan = _plan(path)
    found: dict[str, Any] = {}
    for scenario in plan.scenarios:
        document = simulate(plan, scenario.name, seed=SEED, folder=path.parent).document
        kpis = document["kpis"]
        picked = {
            "p50": kpis["latency"]["p50"],
            "p95": kpis["latency"]["p95"],
            "cost": kpis["cost"]["mean"],
            "completion": kpis["completion"],
        }
        found[scenario.name] = {
            "flow": document["flow"],
            "runs": document["runs"],
            **{name: [each["value"], *(each["ci95"] or [None, None])] for name, each in picked.items()},
            "expectations": [[each["text"], each["verdict"]] for each in document["expectations"]],
        }
    return found


def page(known: dict[str, dict[str, Any]]) -> str:
    """The page, with what is known of the scenarios of each spec (by the name of its file)."""
    parts = [_HEAD]
    for path in specs():
        title, *rest = _words(path)
        parts.append(f"## {path.stem}\n\n{title}\n")
        parts.extend(f"{text}\n" for text in rest)
        rows = ["| scenario | flow | latency p50 | p95 | cost of a run | completed |", "|---|---|---|---|---|---|"]
        for name, each in known[path.name].items():
            cells = (name, f"`{each['flow']}`", *_cells(each))
            rows.append("| " + " | ".join(cells) + " |")
        parts.append(f"`specs/{path.name}`\n\n" + "\n".join(rows) + "\n")
    return "\n".join(parts)


def _words(path: Path) -> list[str]:
    """The paragraphs of the comment at the head of a spec."""
    lines = []
    for line in path.read_text("utf-8").split("\n")[1:]:
        if line.startswith("///"):
            lines.append(line.removeprefix("///").strip())
        elif lines:
            break
    assert lines, f"{path.name} does not say what it shows"
    return [paragraph.strip() for paragraph in "\n".join(lines).split("\n\n")]


def _cells(each: dict[str, Any]) -> tuple[str, str, str, str]:
    cost = each["cost"][0]
    completion = each["completion"][0]
    return (
        _time(each["p50"][0]),
        _time(each["p95"][0]),
        "–" if cost is None else f"${cost:.4g}",
        "–" if completion is None else f"{100 * completion:.4g} %",
    )


def _time(seconds: float | None) -> str:
    if seconds is None:
        return "not all end"
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds:.3g} s"


def main() -> None:
    """Write the page; with `--figures [NAME …]` simulate first: all specs, or those named."""
    known = json.loads(FIGURES.read_text("utf-8")) if FIGURES.exists() else {}
    if "--figures" in sys.argv:
        named = sys.argv[sys.argv.index("--figures") + 1 :]
        wanted = [path for path in specs() if not named or path.stem in named]
        for path in wanted:
            sys.stdout.write(f"{path.name} …\n")
            sys.stdout.flush()
            known[path.name] = figures(path)
        known = {path.name: known[path.name] for path in specs() if path.name in known}
        FIGURES.write_text(json.dumps(known, indent=1) + "\n", "utf-8")
    PAGE.write_text(page(known), "utf-8")


if __name__ == "__main__":
    main()
