"""The table of KPIs and of facts: their names, units and shapes, for typing what a scenario or a test expects.

How a KPI is computed is the simulator's business; a test holds that both know the same names, units and shapes.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal

from orchspec.slotted import dataclass

__all__ = ["KPIS", "STATISTICS", "STATUSES", "Kpi", "Shape", "Unit"]

Unit = Literal["Duration", "Money", "Share", "Count", "Number", "Rate"]
"""What a value in an expectation measures: seconds, USD, a share of 1, a count, a plain number, or events a second."""

Shape = Literal["runs", "value", "pool"]
"""`runs`: a distribution over runs, read by a statistic; `value`: one number; `pool`: one for each agent, tool or
person."""

STATISTICS = ("mean", "p50", "p90", "p95", "p99", "max")
"""The statistics of a KPI of shape `runs`; without one, the mean is meant."""

STATUSES = ("completed", "failed", "cancelled", "budget_exhausted", "parked")
"""How a run ends, as a test's `status` says it."""


@dataclass(frozen=True, slots=True)
class Kpi:
    """A KPI as expectations see it."""

    name: str
    unit: Unit
    shape: Shape


KPIS: Mapping[str, Kpi] = MappingProxyType(
    {
        kpi.name: kpi
        for kpi in (
            Kpi("latency", "Duration", "runs"),
            Kpi("cost", "Money", "runs"),
            Kpi("tokens", "Count", "runs"),
            Kpi("retries", "Count", "runs"),
            Kpi("escalations", "Count", "runs"),
            Kpi("completion", "Share", "value"),
            Kpi("resume_success", "Share", "value"),
            Kpi("duplicate_effects", "Share", "value"),
            Kpi("lost_effects", "Share", "value"),
            Kpi("wasted", "Share", "value"),
            Kpi("throughput", "Rate", "value"),
            Kpi("overhead", "Share", "value"),
            Kpi("utilization", "Share", "pool"),
            Kpi("wait", "Duration", "pool"),
            Kpi("queue", "Count", "pool"),
        )
    }
)
"""The KPIs of the language by their names."""
