"""What the simulator and the tests need: profiles, scenarios, tests."""

from __future__ import annotations

from dataclasses import field
from typing import Literal

from orchspec.compiler.plan.forms import Dist, Expr, Json
from orchspec.slotted import dataclass

__all__ = [
    "Expectation",
    "Fault",
    "Profile",
    "Scenario",
    "Stub",
    "Test",
]


@dataclass(frozen=True, slots=True)
class Profile:
    """What the simulator samples for `target`.

    Latency in microseconds, tokens, cost in pico-dollars, shares of failure.

    `output` gives the distributions of fields (`["record", …]` nests; for a contract whose result is no record the
    key is "").
    """

    target: str
    latency: Dist = field(default_factory=lambda: ["fixed", 1_000_000])
    tokens_in: Dist | None = None
    tokens_out: Dist | None = None
    cost: Dist | None = None
    failure: float = 0.0
    garbage: float = 0.0
    never: float = 0.0
    calls: dict[str, Dist] = field(default_factory=dict)
    effects: dict[str, Dist] = field(default_factory=dict)
    output: dict[str, Dist] = field(default_factory=dict)
    journal_write: Dist | None = None


@dataclass(frozen=True, slots=True)
class Fault:
    """`fault name(target, …)`.

    Times in microseconds in `at every lasting down`, shares in `rate`, counts in `first nth`, other arguments by
    name. `others` are struck together with `target`.
    """

    node: int
    name: str
    target: str
    args: dict[str, Json] = field(default_factory=dict)
    others: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Expectation:
    """`expect e`.

    `text` as written, `expr` over KPIs (`["kpi", name, statistic, target]`) or, in a test, facts (`["fact", name,
    target]`).

    In a scenario constants are in KPI units: seconds, USD, shares, counts. In a test they are inner values like
    anywhere.
    """

    node: int
    text: str
    expr: Expr


@dataclass(frozen=True, slots=True)
class Scenario:
    """Load, faults and expectations.

    `arrivals`: `["poisson", per_s] ["every", us] ["burst", calm_per_s, peak_per_s, every_us, lasting_us] ["closed",
    users, think_dist]
    ["trace", file, column]`, or None: isolated runs. `given` maps parameters to distributions.
    """

    node: int
    name: str
    flow: str
    arrivals: Json | None = None
    duration_us: int | None = None
    runs: int | None = None
    warmup: int | Literal["auto"] = 0
    given: dict[str, Dist] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)
    expects: list[Expectation] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Stub:
    """`stub target = a then b`.

    The values that `target` (for `contract`, or for all) gives in turn, the last one for ever; JSON of the edge. A
    signal that is null does not come.
    """

    target: str
    contract: str | None
    values: list[Json]


@dataclass(frozen=True, slots=True)
class Test:
    """A test written in the spec; `given` maps parameters to JSON of the edge or, if absent, inputs are made."""

    __test__ = False
    node: int
    name: str
    flow: str
    given: dict[str, Json] = field(default_factory=dict)
    stubs: list[Stub] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    expects: list[Expectation] = field(default_factory=list)
