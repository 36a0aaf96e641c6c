"""Writes the page of comparisons: `.venv/bin/python docs/comparisons.py`, with `--figures [NAME …]` after simulating.

What is simulated stands in `STUDIES`; the figures are kept in `comparisons.json`, the pictures are drawn from them.
`tests/docs/test_comparisons.py` holds that page, pictures and figures fit.
"""

# ruff: noqa: INP001, E501 - a script, not a package; commands and calls of charts stand on one line

from __future__ import annotations

import json
import math
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from orchspec.simulator.curves import Curve, Dot, Panel, curve_chart
from orchspec.simulator.drawing import LIGHT, Chart
from orchspec.simulator.pareto import Choice, pareto_chart
from orchspec.simulator.units import format_quantity

__all__ = ["FIGURES", "PAGE", "PICTURES", "SEED", "STUDIES", "charts", "main", "page"]

DOCS: Final = Path(__file__).resolve().parent
SPECS: Final = DOCS.parent / "specs"
PAGE: Final = DOCS / "comparisons.md"
FIGURES: Final = DOCS / "comparisons.json"
PICTURES: Final = DOCS / "pictures"
SEED: Final = 7

#: What a point keeps, each as value and interval: its name here, KPI and statistic.
_KEPT: Final = (
    ("p50", "latency", "p50"),
    ("p95", "latency", "p95"),
    ("mean", "latency", "mean"),
    ("cost", "cost", "mean"),
    ("tokens", "tokens", "mean"),
    ("completion", "completion", None),
    ("throughput", "throughput", None),
    ("overhead", "overhead", None),
)


@dataclass(frozen=True, slots=True)
class Study:
    """Scenarios of a spec, each simulated at several values of one setting.

    `at` writes a value as the setting takes it; `values` are those of all scenarios, but for those in `fewer`.
    `resources` are whose busy share and wait are kept.
    """

    spec: str
    scenarios: tuple[str, ...]
    setting: str = ""
    values: tuple[float, ...] = (0,)
    at: Callable[[float], str] = "{:g}".format
    fewer: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    settings: Mapping[str, str] = field(default_factory=dict)
    resources: tuple[str, ...] = ()
    runs: int | None = None


def _poisson(value: float) -> str:
    return f"poisson({value:g} / 1min)"


STUDIES: Final = {
    "scaling": Study(
        "scaling.orch", ("a chain", "a fan-out", "a manager", "a network"), "n", (1, 2, 4, 8), runs=300
    ),
    "ceiling": Study(
        "scaling.orch", ("a fan-out under load",), "n", (2, 4, 6, 7, 8), resources=("search",), runs=500
    ),
    "splitting": Study("one_or_many.orch", ("alone", "in turn", "together")),
    "hubs": Study(
        "hubs.orch", ("a dispatcher", "a manager", "a router", "a market", "a hierarchy"), "scenario.arrivals",
        (1, 2, 3, 4, 8, 16), _poisson, fewer={"a manager": (1, 2, 3, 4)},
        resources=("front", "manager", "head", "coder"), runs=500,
        settings={"scenario.duration": "30min", "scenario.warmup": "5min"},
    ),
    "durability": Study(
        "durability.orch", ("calm", "crashes"), "parts", (1, 2, 4, 8, 16), resources=("writer",), runs=1_000
    ),
}  # fmt: skip

Points = dict[str, list[dict[str, Any]]]


def figures(study: Study) -> Points:
    """What simulating gives: for each scenario its points, each with what `_KEPT` names."""
    from orchspec.compiler.load import compile_file
    from orchspec.simulator.study import simulate

    found: Points = {}
    for scenario in study.scenarios:
        for value in study.fewer.get(scenario, study.values):
            settings = dict(study.settings)
            if study.setting:
                settings[study.setting] = study.at(value)
            path = SPECS / study.spec
            plan = compile_file(path, settings).plan
            assert plan is not None, f"{study.spec} has errors"
            document = simulate(plan, scenario, runs=study.runs, seed=SEED, folder=path.parent).document
            found.setdefault(scenario, []).append(_picked(document, value, study.resources))
    return found


def _picked(document: Mapping[str, Any], value: float, resources: Sequence[str]) -> dict[str, Any]:
    point: dict[str, Any] = {"x": value, "runs": document["runs"]}
    for name, kpi, statistic in _KEPT:
        known = document["kpis"][kpi]
        point[name] = _triple(known if statistic is None else known[statistic])
    for name in resources:
        if name in document["resources"]:
            known = document["resources"][name]
            point[name] = {key: _triple(known[key]) for key in ("utilization", "wait_s", "busy")}
    return point


def _triple(estimate: Mapping[str, Any]) -> list[float | None]:
    return [estimate["value"], *estimate["ci95"]]


# ------------------------------------------------------------------ pictures


def charts(known: Mapping[str, Points]) -> dict[str, Chart]:
    """The pictures of the page, by the names of their files."""
    each = "each with its 95 % interval"
    return {
        "scaling-latency": _curves(
            known["scaling"], "p50", ("Latency as a topology grows", each, "parts of the question", "median latency", "s")
        ),
        "scaling-tokens": _curves(
            known["scaling"], "tokens",
            ("Work as a topology grows", each, "parts of the question", "tokens of a run", "tokens"),
        ),
        "ceiling": _curves(
            {
                "wait for the search": [_of(point, "search", "wait_s") for point in known["ceiling"]["a fan-out under load"]],
                "median latency": [{"x": p["x"], "v": p["p50"]} for p in known["ceiling"]["a fan-out under load"]],
            },
            "v", ("A shared tool is the ceiling", f"a fan-out, eight runs a minute; {each}", "parts of the question", "time", "s"),
        ),
        "splitting": pareto_chart(
            "splitting",
            [
                Choice(name, Dot(0.0, *_known(points[0]["cost"])), Dot(0.0, *_known(points[0]["p50"])))
                for name, points in known["splitting"].items()
            ],
            of="median latency",
        ),
        "hubs": _curves(
            known["hubs"], "p95", ("Who hands the work out", each, "requests a minute", "p95 of latency", "s")
        ),
        "durability": _curves(
            {
                "with crashes": [{"x": p["x"], "v": p["mean"]} for p in known["durability"]["crashes"]],
                "without": [{"x": p["x"], "v": p["mean"]} for p in known["durability"]["calm"]],
            },
            "v",
            ("What a journal saves", f"eight minutes of work, a crash every ten minutes; {each}", "parts that are kept", "mean latency", "s"),
        ),
    }  # fmt: skip


def _of(point: Mapping[str, Any], name: str, key: str) -> dict[str, Any]:
    return {"x": point["x"], "v": point[name][key]}


def _curves(series: Mapping[str, list[dict[str, Any]]], key: str, words: tuple[str, str, str, str, str]) -> Chart:
    title, note, across, up, unit = words
    curves = [
        Curve(name, tuple(Dot(float(point["x"]), *_known(point[key])) for point in points))
        for name, points in series.items()
    ]
    return curve_chart(key, Panel(title, note, across, up, unit), curves)


def _known(triple: Sequence[float | None]) -> tuple[float, float, float]:
    value, low, high = (math.nan if each is None else each for each in triple)
    return value, low, high


# ------------------------------------------------------------------ the page

_PAGE: Final = """\
# Comparisons

<!-- Made by docs/comparisons.py. Change the words there, then run the script; with --figures it simulates anew. -->

What a topology costs and how it grows, simulated with one seed ({seed}) from specs of the gallery. The figures are
as good as the profiles in those specs, which are guesses with the right proportions: put your own in, then run the
commands.

## How topologies scale

One question in `n` parts, by a chain, a fan-out, a manager who reads every part, and a network in which everybody
reads everybody ([`specs/scaling.orch`](../specs/scaling.orch)).

![Median latency against the number of parts, a curve for each topology](pictures/scaling-latency.svg)

![Tokens of a run against the number of parts, a curve for each topology](pictures/scaling-tokens.svg)

{scaling}

A **chain** takes as long as the sum of its parts. A **fan-out** takes as long as its slowest part, so it grows with
the logarithm of `n`, for the same tokens. A **manager** who reads every part is one mind that all of them wait for:
a chain again, beside the fan-out. In a **network** of peers the reading grows with the square of `n`: it is the
dearest of the four, by far, for little time over the manager.

```
orch simulate specs/scaling.orch "a network" --sweep n=1,2,4,8 --runs 300 --seed {seed} --report network.html
```

`orch compare specs/scaling.orch chain fan_out managed network --sweep n=2,4,8` says of each pair how sure the difference
is.

### A shared tool is the ceiling

The workers of the fan-out search twice each, and there are two searches a second for all of them. Eight runs a
minute of `n` parts ask for {asked} searches a second. Far below two a fan-out is nearly free; towards two the waits
grow, beyond it no width helps, and runs fail for want of time. The slots of the search are hardly busy all the
while: it is its rate that is used up.

![The wait for the search and the latency against the number of parts](pictures/ceiling.svg)

{ceiling}

```
orch simulate specs/scaling.orch "a fan-out under load" --sweep n=2,4,6,7,8 --seed {seed} --report ceiling.html
```

## One agent first

The same question of six parts, answered by one agent, by six in turn, and by six at once whose answers a seventh puts
together ([`specs/one_or_many.orch`](../specs/one_or_many.orch)).

![Cost against median latency: alone, in turn, together](pictures/splitting.svg)

{splitting}

`orch compare specs/one_or_many.orch` gives the differences with their intervals. Splitting buys {faster} of the time for {dearer} times the money: every part carries the question along, and
somebody has to put the parts together. Splitting *in turn* buys nothing: it costs as much as at once, and takes
longer than alone. Begin with one agent; split when its time is what hurts.

## Who hands the work out

The same requests, with a dispatcher, a manager, a router, a market (everybody hears of it and bids) and a hierarchy
in the middle, as the load grows ([`specs/hubs.orch`](../specs/hubs.orch)).

![p95 of latency against the load, a curve for each](pictures/hubs.svg)

{hubs}

The **dispatcher** only routes: it is never waited for, and adds the half second that it thinks. The **manager**
works, too: each request passes one mind twice, which is full at some four requests a minute. The **router** is
free, and knows only what stands in the request. The **market** asks everybody about everything: the most calls, and
the time of the slowest bid. The **hierarchy** adds a call for each level, and pays where one level cannot know all
the workers. `orch compare specs/hubs.orch` puts them in pairs. What limits all but the manager are the workers themselves.

```
orch simulate specs/hubs.orch "a manager" --sweep "scenario.arrivals=poisson(1 / 1min),poisson(2 / 1min),poisson(4 / 1min)"
```

## What durability costs, and what it saves

Eight minutes of work in `parts` equal parts, each kept in the journal, under thirty runs an hour; the orchestrator
crashes every ten minutes ([`specs/durability.orch`](../specs/durability.orch)). With one part, a crash loses all of
it: a script that starts over.

![Mean latency against the number of parts, with crashes and without](pictures/durability.svg)

{durability}

With eight parts the journal costs {overhead} of the latency, five milliseconds a record. It saves {saved} of
agents' work in each run, of eight minutes that are needed: {ratio} times what it costs. Where nothing crashes it
costs the same, and saves nothing. How many records a second one store takes, and what a record costs there, is
[measured](explanation/speed.md).

```
orch simulate specs/durability.orch "crashes" --sweep parts=1,2,4,8,16 --runs 1000 --seed {seed} --report durability.html
```
"""


def page(known: Mapping[str, Points]) -> str:
    """The page, with the figures that are known."""
    splitting = {name: points[0] for name, points in known["splitting"].items()}
    eight, one = (_at(known["durability"]["crashes"], value) for value in (8, 1))
    journal_s = eight["overhead"][0] * eight["mean"][0]
    saved_s = _work_s(one) - _work_s(eight)
    return _PAGE.format(
        seed=SEED,
        scaling=_table(
            ("", *(f"{n} part{'s'[: n != 1]}" for n in (1, 2, 4, 8)), "tokens at 8"),
            [
                (name, *(_s(point["p50"]) for point in points), _quantity(points[-1]["tokens"], "tokens"))
                for name, points in known["scaling"].items()
            ],
        ),
        asked=", ".join(f"{8 * 2 * n / 60:.1f}" for n in (2, 4, 6, 7, 8)),
        ceiling=_table(
            ("parts", "search busy", "wait for it", "p50", "p95"),
            [
                (
                    f"{point['x']:g}", _quantity(point["search"]["utilization"], "share"), _s(point["search"]["wait_s"]),
                    _s(point["p50"]), _s(point["p95"]),
                )
                for point in known["ceiling"]["a fan-out under load"]
            ],
        ),
        splitting=_table(
            ("", "p50", "p95", "cost of a run", "tokens"),
            [
                (name, _s(p["p50"]), _s(p["p95"]), _quantity(p["cost"], "USD"), _quantity(p["tokens"], "tokens"))
                for name, p in splitting.items()
            ],
        ),
        faster=f"{100 * (1 - splitting['together']['p50'][0] / splitting['alone']['p50'][0]):.0f} %",
        dearer=f"{splitting['together']['cost'][0] / splitting['alone']['cost'][0]:.1f}",
        hubs=_table(
            ("p95 of latency", *(f"{n} a minute" for n in (1, 2, 3, 4, 8, 16)), "cost of a run"),
            [
                (name, *(_s(p["p95"]) for p in points), *["–"] * (6 - len(points)), _quantity(points[0]["cost"], "USD"))
                for name, points in known["hubs"].items()
            ],
        ),
        durability=_table(
            ("parts", "overhead of the journal", "mean latency, calm", "with crashes", "work of agents in a run"),
            [
                (
                    f"{point['x']:g}", f"{100 * calm['overhead'][0]:.2g} %", _s(calm["mean"]), _s(point["mean"]),
                    format_quantity(_work_s(point), "s"),
                )
                for point, calm in zip(known["durability"]["crashes"], known["durability"]["calm"], strict=True)
            ],
        ),
        overhead=f"{100 * eight['overhead'][0]:.2g} %",
        saved=format_quantity(saved_s, "s"),
        ratio=f"{_rounded(saved_s / journal_s):,}",
    )  # fmt: skip


def _work_s(point: Mapping[str, Any]) -> float:
    """How long agents work for one run, what was lost and done again included: busy slots over runs a second."""
    return float(point["writer"]["busy"][0]) / float(point["throughput"][0])


def _at(points: Sequence[dict[str, Any]], value: float) -> dict[str, Any]:
    return next(point for point in points if point["x"] == value)


def _rounded(value: float) -> int:
    """Two digits: the rest is luck."""
    size = 10 ** max(0, math.floor(math.log10(value)) - 1)
    return round(value / size) * size


def _s(triple: Sequence[float | None]) -> str:
    return _quantity(triple, "s")


def _quantity(triple: Sequence[float | None], unit: str) -> str:
    return format_quantity(math.nan if triple[0] is None else triple[0], unit)


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)


def main() -> None:
    """Write the page and its pictures; with `--figures [NAME …]` simulate first: all studies, or those named."""
    known = json.loads(FIGURES.read_text("utf-8")) if FIGURES.exists() else {}
    if "--figures" in sys.argv:
        named = sys.argv[sys.argv.index("--figures") + 1 :]
        for name, study in STUDIES.items():
            if not named or name in named:
                sys.stdout.write(f"{name} …\n")
                sys.stdout.flush()
                known[name] = figures(study)
        known = {name: known[name] for name in STUDIES if name in known}
        FIGURES.write_text(json.dumps(known, indent=1) + "\n", "utf-8")
    for name, chart in charts(known).items():
        (PICTURES / f"{name}.svg").write_text(chart.svg(LIGHT) + "\n", "utf-8")
    PAGE.write_text(page(known), "utf-8")


if __name__ == "__main__":
    main()
