"""What the parts of a plan are written in: JSON forms of types, expressions and distributions."""

from __future__ import annotations

from typing import Any, TypeAlias

__all__ = [
    "Dist",
    "Expr",
    "Json",
    "PlanError",
    "TypeExpr",
]

Json: TypeAlias = Any
TypeExpr: TypeAlias = Any
Expr: TypeAlias = Any
Dist: TypeAlias = Any
"""A distribution as JSON, in the units of what it is sampled for.

`["fixed", v] ["uniform", a, b] ["normal", mean, sd] ["lognormal", p50, p95]
["exponential", mean] ["gamma", shape, scale] ["pareto", min, alpha] ["choice", [[value, share], …]] ["mixture",
[[share, dist], …]] ["chance", share]
["size", dist] ["empirical", file, column]`. Durations are microseconds, money pico-dollars. A record of distributions
is `["record", {field: dist}]`.
"""


class PlanError(Exception):
    """A plan that cannot be read: another format, a broken hash, or a shape that no compiler writes."""

    code = "bad_plan"
