"""What the parts of a plan are written in: JSON forms of types, expressions and distributions."""

from __future__ import annotations

from typing import Annotated, Any, TypeAlias

__all__ = [
    "ByKind",
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


class ByKind:
    """Marks a union of dataclasses that tell themselves apart by their `kind`, for whoever reads a plan.

    Without it pydantic tries each of them at each place, and reading takes twice as long for each level of nesting.
    """

    @staticmethod
    def __get_pydantic_core_schema__(source: Any, handler: Any) -> Any:
        """What pydantic asks for; who only writes plans never loads it."""
        from pydantic import Discriminator

        return handler.generate_schema(Annotated[source, Discriminator("kind")])


class PlanError(Exception):
    """A plan that cannot be read: another format, a broken hash, or a shape that no compiler writes."""

    code = "bad_plan"
