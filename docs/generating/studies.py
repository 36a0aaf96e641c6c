"""What scenarios and tests may say: KPIs, faults, distributions and arrivals."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from generating.writing import flat, page, table

__all__ = ["SPECIAL", "distributions", "faults", "kpis"]


def kpis() -> Iterator[tuple[str, str]]:
    """The KPIs."""
    from orchspec.compiler.studies.kpis import KPIS as NAMED
    from orchspec.simulator.kpis import KPIS, STATISTICS

    shapes = {
        "runs": ("Of single runs", f"Read by a statistic: `{' '.join(STATISTICS)}`, as in `p95(latency)`."),
        "value": ("Of the whole", "One number each."),
        "pool": ("Of an agent, a tool or a person", "Named in brackets, as in `utilization(scout)`."),
    }
    parts = []
    for shape, (title, about) in shapes.items():
        rows = [
            (f"`{kpi.name}`", kpi.unit, flat(kpi.doc) + ("" if kpi.name in NAMED else " In the document only."))
            for kpi in KPIS.values()
            if kpi.shape == shape
        ]
        parts += [f"## {title}", about, table(("KPI", "unit", "is"), rows)]
    about = "How to read their intervals: [Read KPIs](../how-to/read-kpis.md)."
    yield "reference/kpis.md", page("KPIs", "`simulator/kpis.py`", about, *parts)


def _unless_said(values: Mapping[str, Any]) -> str:
    """What an argument of a fault is where nothing is said of it."""
    said = []
    for name, value in values.items():
        if name == "lasting":
            said.append("`lasting` is a tenth of `every`, or 1min after `at`")
        else:
            said.append(f"`{name}` is " + (f"{value // 1_000_000}s" if name == "by" else f"{value:g}"))
    return ", ".join(said)


def faults() -> Iterator[tuple[str, str]]:
    """The faults, their targets and arguments."""
    from orchspec.compiler.studies.faults import CRASH_POINTS, FAULTS

    rows = []
    for kind in FAULTS.values():
        needs = "; ".join(" or ".join(f"`{name}`" for name in group) for group in kind.needs) or "nothing"
        if kind.unless_said:
            needs += f"; unless said {_unless_said(kind.unless_said)}"
        targets = ", ".join(sorted(kind.targets))
        rows.append((f"`{kind.name}`", targets, ", ".join(f"`{name}`" for name in kind.arguments), needs))
    yield (
        "reference/faults.md",
        page(
            "Faults",
            "`compiler/studies/faults.py`",
            "Written `fault NAME(target, ...)` in a scenario or a test.",
            table(("fault", "strikes", "arguments", "needs"), rows),
            _FAULTS,
            f"A crash strikes at a `point`: {', '.join(f'`{point}`' for point in CRASH_POINTS)}.",
        ),
    )


_FAULTS = """
`at` and `every` are times since the start, `lasting` how long it holds from then on. What comes `every` so often and
holds for a while does so for a tenth of that, unless said; what begins `at` a time goes on. `rate` is a share of
attempts, drawn by place; `first: n` and `nth: n` count attempts on the target within a replication. At a crash
`rate`, `first` and `nth` are of the dates of `every`, or of the passes of its point. `down` is how long the
orchestrator is away; at a crash `lasting` says the same. `factor` multiplies a latency, `by` adds to it;
`retry_after` is what a throttled caller is told to wait.

| what | does |
| --- | --- |
| `upgrade` | the engine leaves in order: what comes back within two seconds is kept; after `down` a newer one goes on |
| `outage` | nobody answers: what begins fails at once and costs nothing, what is under way as it begins breaks off |
| `correlated_outage` | the same for several at once: names, a list of them, or a model, for all who run on it |
| `capacity` | the agent gets on with at most `to` attempts at once; others wait at its door, their timeouts running |
| `hang` | no answer, ever: a timeout ends it, or nothing does |
| `zombie` | pauses for `by` (a minute unless said), does not hear that it is to stop, and is paid to its end |
| `server_error` | fails at once and costs nothing; an effect is in doubt then, and was done half of the time |
| `throttle` | is not served, and is told to wait for `retry_after` |
| `stale_lease` | another engine takes the store: the next commit of this one is refused, and runs go on there |
| `store_error` | the commit fails; the store is opened again after 100 ms, then 200 ms …, and given up at the sixth |
| `disk_full` | the same for as long as it lasts; once given up, an engine comes back when there is room |
| `quota` | after `limit` attempts in each `every` the rest is told to wait for the next; without `limit` all of them |

What breaks the orchestrator (`crash`, `crash_loop`, `stale_lease`, `store_error`, `disk_full`, `torn`, `unsynced`)
leaves one valid copy of the journal: a commit is durable as a whole or not at all, and what was acknowledged stays.
`lose` and `lose_ack` of an agent leave its attempt without an answer, as `lose` does a call of a tool; what is lost of
a person or a signal never comes. `delay` brings an answer or a signal later, `reorder` each by up to `by`. `duplicate`
brings a request twice, and a signal: an effect's target drops the repeat by its key, an agent works twice (one answer
counts, both are paid), and a person who answers twice is heard once. A call of a tool is not duplicated: it does
nothing. `partition` lets nothing through to the target and back. What strikes agents may name a `model` instead, for
all who run on it (`throttle(large, at: 10min, lasting: 5min)`); they share the `limit` of a `quota`. `orch chaos` aims
each fault at all that it may strike, and lets the effects or the tools of a flow fail together. `skew` sets the
clock of the orchestrator ahead while it lasts, `jump` for good, further each time;
a timer is early by half of its time at most. `price` multiplies what attempts cost, `overrun` what they take,
`retry_storm` makes them fail at once. A mistaken output (`wrong`, `conflicting`) passes its contract, and so does a
`poisoned` one, whose texts give orders to whoever reads them; `inconsistent` is one that comes out otherwise when it is
sent again after a crash.
"""


def distributions() -> Iterator[tuple[str, str]]:
    """Distributions and arrivals, with their parameters."""
    from orchspec.compiler.studies.arrivals import ARRIVALS
    from orchspec.compiler.studies.distributions import LAWS
    from orchspec.runtime.families import FAMILIES as SAMPLED

    known = {name: ", ".join(law.parameters) for name, law in LAWS.items()} | SPECIAL
    rows = [(f"`{name}`", known[name]) for name in SAMPLED if name != "record"]
    loads = [(f"`{name}`", _LOADS[name]) for name in ARRIVALS]
    yield (
        "reference/distributions.md",
        page(
            "Distributions and arrivals",
            "`runtime/families.py` and `compiler/studies/arrivals.py`",
            _DISTRIBUTIONS,
            table(("distribution", "takes"), rows),
            "## Arrivals",
            "Without `arrivals` each run is alone in its world, and `runs` says how many there are.",
            table(("arrivals", "runs start"), loads),
        ),
    )


_DISTRIBUTIONS = """
A value in the place of a distribution is `fixed`. Arguments may be named as in the table:
`lognormal(p50: 6s, p95: 21s)`. `choice` and `mixture` take shares that sum to 100%: `choice(accept: 85%, revise: 15%)`
for the members of an enum, `choice("a", "b")` for values that are equally likely,
`mixture(90%: fixed(1s), 10%: exponential(mean: 30s))`. `chance(30%)` is for a Bool, `size(uniform(3, 8))` for the
length of a list, `empirical("file.csv", column)` reads a column of a CSV file beside the spec.
"""

SPECIAL: Final = {
    "fixed": "a value",
    "choice": "members of an enum with their shares, or values that are equally likely",
    "mixture": "distributions with their shares",
    "chance": "a share",
    "size": "a distribution of the length",
    "empirical": "a file and a column",
}

_LOADS: Final = {
    "poisson": "at random, at a rate: `poisson(6 / 1h)`",
    "every": "at a fixed distance: `every(10s)`",
    "burst": "at random, at the rate `calm`, and from time to time at the rate `peak`; a peak comes `every` so long "
    "and lasts `lasting`, both on the average",
    "closed": "when one of `users` has thought for `think` after the end of their last run",
    "trace": 'at the times of a column: `trace("file.csv", column)`, numbers of seconds or dates with times',
}
