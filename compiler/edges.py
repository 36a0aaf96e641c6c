"""Values as they are at the edge: Money a decimal text, Duration seconds, Time RFC 3339.

Inside a run all three are whole numbers. Where one of them stands in a value of type Json, which has no other form
than JSON, it is turned into that of the edge.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from orchspec.compiler.model import Checked
from orchspec.compiler.plan import TypeExpr
from orchspec.compiler.types import DURATION, MONEY, TIME, ListOf, MapOf, Optional, RecordOf, Scalar, Type, required

__all__ = ["edge_form", "edge_value"]


def edge_form(checked: Checked, kind: Type, within: tuple[str, ...] = ()) -> TypeExpr | None:
    """How a plan says that values of a type are turned into those of the edge; None where they are the same.

    A record is `["Fields", name, [[field, form], …]]` with those fields that change, and within itself
    `["Again", name]`.
    """
    match kind:
        case Scalar(name):
            return name if kind in (MONEY, DURATION, TIME) else None
        case Optional(inner):
            form = edge_form(checked, inner, within)
            return None if form is None else ["Option", form]
        case ListOf(item):
            form = edge_form(checked, item, within)
            return None if form is None else ["List", form]
        case MapOf(item):
            form = edge_form(checked, item, within)
            return None if form is None else ["Map", form]
        case RecordOf(name) if name in within:
            return ["Again", name]
        case RecordOf(name) if name in checked.records:
            forms = [
                [field.name, edge_form(checked, field.type, (*within, name))] for field in checked.records[name].fields
            ]
            changing = [pair for pair in forms if pair[1] is not None]
            return ["Fields", name, changing] if any(_changes(pair[1]) for pair in changing) else None
        case _:
            return None


def _changes(form: Any) -> bool:
    """Whether a form changes anything, and is not only the same record again."""
    if isinstance(form, str):
        return True
    if form[0] == "Again":
        return False
    return any(_changes(pair[1]) for pair in form[2]) if form[0] == "Fields" else _changes(form[1])


def edge_value(checked: Checked, value: Any, kind: Type) -> Any:
    """The JSON of the edge for an inner value: Money a decimal string, Duration seconds."""
    if value is None:
        return None
    match required(kind):
        case RecordOf(name):
            types = {item.name: item.type for item in checked.records[name].fields}
            return {each: edge_value(checked, part, types[each]) for each, part in value.items()}
        case ListOf(item):
            return [edge_value(checked, part, item) for part in value]
        case MapOf(item):
            return {each: edge_value(checked, part, item) for each, part in value.items()}
        case plain if plain == MONEY:
            return _dollars(value)
        case plain if plain == TIME:
            return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=value)).isoformat().replace("+00:00", "Z")
        case plain if plain == DURATION:
            return value // 1_000_000 if value % 1_000_000 == 0 else value / 1_000_000
        case _:
            return value


def _dollars(pico: int) -> str:
    """A decimal number of dollars without an exponent, exact."""
    whole, part = divmod(abs(pico), 10**12)
    return f"{'-' if pico < 0 else ''}{whole}.{part:012d}".rstrip("0").rstrip(".")
