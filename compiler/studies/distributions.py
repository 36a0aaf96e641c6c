"""Distributions: what samples what, and whether its parameters leave anything to sample.

To add a law, give it an entry in `LAWS` (or a function in `_SPECIAL`) here and a sampler in the runtime.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, Literal

from orchspec.compiler.codes.names import UNKNOWN_FIELD
from orchspec.compiler.codes.studies import (
    BAD_DATA_FILE,
    UNKNOWN_DISTRIBUTION,
)
from orchspec.compiler.codes.types import DUPLICATE_ENTRY
from orchspec.compiler.library import sampled_type
from orchspec.compiler.model import FieldInfo, RecordInfo
from orchspec.compiler.plan import Dist
from orchspec.compiler.report import did_you_mean, listed
from orchspec.compiler.studies.arguments import Parameter, bind
from orchspec.compiler.studies.choices import SUM_TOLERANCE, choice, impossible, misfit, share
from orchspec.compiler.studies.context import FAILED, Failed, Study
from orchspec.compiler.studies.datafiles import ColumnKind, column_problem
from orchspec.compiler.studies.values import check_constraint, inner_value
from orchspec.compiler.types import (
    BOOL,
    DURATION,
    FLOAT,
    INT,
    MONEY,
    PERCENT,
    RATE,
    ListOf,
    Nothing,
    RecordOf,
    Type,
    Unknown,
    required,
)
from orchspec.grammar import syntax
from orchspec.slotted import dataclass

__all__ = ["LAWS", "Law", "distribution", "of_field", "read_column"]

_NUMERIC = (INT, FLOAT, PERCENT, DURATION, MONEY, RATE)
_LEVELS_MAX = 12


@dataclass(frozen=True, slots=True)
class Law:
    """A law of numbers: its parameters in order, each of the sampled unit or a plain number, and when it is impossible.

    `problem` is told the values by name and says what is wrong with them, or none.
    """

    parameters: Mapping[str, Literal["unit", "number"]]
    problem: Callable[[Mapping[str, Any]], str | None]


def _positive(*names: str) -> Callable[[Mapping[str, Any]], str | None]:
    def problem(values: Mapping[str, Any]) -> str | None:
        return next((f"`{name}` must be above 0" for name in names if values[name] <= 0), None)

    return problem


def _lognormal(values: Mapping[str, Any]) -> str | None:
    if not 0 < values["p50"] < values["p95"]:
        return "p50 must be above 0 and below p95"
    # The farthest value that is ever drawn lies five times as far out as p95, in logarithms.
    reach = math.log10(values["p50"]) + 5 * (math.log10(values["p95"]) - math.log10(values["p50"]))
    return "p95 is too far from p50" if reach > _REACH_MAX else None


def _gamma(values: Mapping[str, Any]) -> str | None:
    if not _SHAPE_MIN <= values["shape"] <= _SHAPE_MAX:
        return f"`shape` lies between {_SHAPE_MIN:g} and {_SHAPE_MAX:g}"
    return _positive("scale")(values)


def _pareto(values: Mapping[str, Any]) -> str | None:
    problem = _positive("min", "alpha")(values)
    if problem is not None:
        return problem
    reach = math.log10(values["min"]) + 53 * math.log10(2) / values["alpha"]
    return "`alpha` is so small that values grow beyond all bounds" if reach > _REACH_MAX else None


_SHAPE_MIN, _SHAPE_MAX = 1e-6, 1e5
"""Between these the quantiles of a gamma distribution are computed; above, a normal distribution is as good."""

_REACH_MAX = 299
"""The logarithm of the largest value that may be drawn, from a uniform number of 53 bits."""

LAWS: Mapping[str, Law] = {
    "uniform": Law(
        {"low": "unit", "high": "unit"},
        lambda values: None if values["low"] <= values["high"] else "the lower end stands first",
    ),
    "normal": Law(
        {"mean": "unit", "sd": "unit"},
        lambda values: None if values["sd"] >= 0 else "a standard deviation is never negative",
    ),
    "lognormal": Law({"p50": "unit", "p95": "unit"}, _lognormal),
    "exponential": Law({"mean": "unit"}, _positive("mean")),
    "gamma": Law({"shape": "number", "scale": "unit"}, _gamma),
    "pareto": Law({"min": "unit", "alpha": "number"}, _pareto),
}
"""The laws of numbers, in the order of their parameters in a plan."""


def distribution(study: Study, expr: syntax.Expr, want: Type, what: str, *, negative: bool = True) -> Dist | Failed:
    """The distribution that an expression says, for values of type `want`.

    Args:
        study: the spec.
        expr: a call such as `lognormal(p50: 1s, p95: 3s)`, a value, or a record of such.
        want: the type of what is sampled; parameters are turned into its inner form.
        what: the name of what is sampled, for messages.
        negative: whether values below 0 make sense.

    Returns:
        The distribution, or `FAILED` after reporting why there is none.
    """
    if isinstance(expr, syntax.Hole) or isinstance(required(want), Unknown | Nothing):
        return FAILED
    if isinstance(expr, syntax.Call):
        return _law(study, expr, want, what, negative=negative)
    record = required(want)
    if isinstance(expr, syntax.RecordLit) and isinstance(record, RecordOf):
        return _record(study, expr, study.checked.records[record.name])
    value = inner_value(study, expr, want, what)
    if isinstance(value, Failed):
        return FAILED
    return _checked_sign(study, expr, ["fixed", value], want, negative=negative)


def of_field(study: Study, expr: syntax.Expr, info: FieldInfo) -> Dist | Failed:
    """A distribution for a field of a record, whose certain values and ends hold the field's constraint."""
    dist = distribution(study, expr, sampled_type(study.checked, info, expr), f"`{info.name}`")
    if isinstance(dist, Failed):
        return FAILED
    match dist:
        case ["fixed", value]:
            values = [value]
        case ["uniform", low, high]:
            values = [low, high]
        case ["choice", choices]:
            values = [value for value, part in choices if part > 0]
        case _:
            values = []
    return dist if all(check_constraint(study, info, value, expr) for value in values) else FAILED


def _record(study: Study, expr: syntax.RecordLit, record: RecordInfo) -> Dist | Failed:
    """A distribution for some of the fields of a record; the others are made from their types."""
    made: dict[str, Dist] = {}
    given: dict[str, syntax.Node] = {}
    sound = True
    for entry in expr.entries:
        name = entry.name.text
        info = record.field(name)
        if info is None:
            fields = [item.name for item in record.fields]
            notes = [f"its fields are {listed(fields)}"]
            fix = did_you_mean(name, entry.name, fields)
            if name:
                study.report.add(UNKNOWN_FIELD, entry.name, type=record.name, name=name, notes=notes, fix=fix)
            sound = False
        elif not study.once(DUPLICATE_ENTRY, given, entry.name):
            sound = False
        else:
            part = of_field(study, entry.value, info)
            sound = sound and not isinstance(part, Failed)
            made[name] = part
    return ["record", made] if sound else FAILED


def _law(study: Study, expr: syntax.Call, want: Type, what: str, *, negative: bool) -> Dist | Failed:
    name = syntax.dotted(expr.callee) or ""
    if name in LAWS:
        found = _law_of_numbers(study, expr, name, required(want), what)
    elif name in _SPECIAL:
        found = _SPECIAL[name](study, expr, want, what)
    else:
        if name:
            fix = did_you_mean(name, expr.callee, [*LAWS, *_SPECIAL])
            study.report.add(UNKNOWN_DISTRIBUTION, expr.callee, name=name, fix=fix)
        return FAILED
    return found if isinstance(found, Failed) else _checked_sign(study, expr, found, want, negative=negative)


def _checked_sign(study: Study, expr: syntax.Expr, dist: Dist, want: Type, *, negative: bool) -> Dist | Failed:
    if negative or required(want) not in _NUMERIC:
        return dist
    least = {"fixed": 1, "uniform": 1, "normal": 1}.get(dist[0])
    if least is not None and dist[1] is not None and dist[1] < 0:
        impossible(study, expr, "it is never below 0")
        return FAILED
    return dist


def _law_of_numbers(study: Study, expr: syntax.Call, name: str, want: Type, what: str) -> Dist | Failed:
    if want not in _NUMERIC:
        return misfit(study, expr, name, want)
    law = LAWS[name]
    bound = bind(study, expr, name, [Parameter(each) for each in law.parameters])
    if bound is None:
        return FAILED
    values: dict[str, Any] = {}
    for each, unit in law.parameters.items():
        kind = FLOAT if unit == "number" else FLOAT if want == INT else want
        value = inner_value(study, bound[each], kind, f"`{each}` of {what}")
        if isinstance(value, Failed):
            return FAILED
        # Whole ends stay whole: then each whole number between is drawn equally often.
        values[each] = int(value) if name == "uniform" and want == INT and value.is_integer() else value
    if (problem := law.problem(values)) is not None:
        impossible(study, expr, f"{name} has nothing to sample: {problem}")
        return FAILED
    return [name, *values.values()]


# ------------------------------------------------------------------ laws of other things


def _fixed(study: Study, expr: syntax.Call, want: Type, what: str) -> Dist | Failed:
    bound = bind(study, expr, "fixed", [Parameter("value")])
    if bound is None:
        return FAILED
    value = inner_value(study, bound["value"], want, what)
    return FAILED if isinstance(value, Failed) else ["fixed", value]


def _mixture(study: Study, expr: syntax.Call, want: Type, what: str) -> Dist | Failed:
    parts: list[tuple[float, Dist]] = []
    for arg in expr.args:
        if arg.key is None:
            impossible(study, arg, "each part of a mixture has a share: `mixture(30%: fixed(1s), 70%: fixed(2s))`")
            return FAILED
        part = share(study, arg.key, "a share")
        dist = distribution(study, arg.value, want, what)
        if isinstance(part, Failed) or isinstance(dist, Failed):
            return FAILED
        parts.append((part, dist))
    total = sum(part for part, _ in parts)
    if abs(total - 1) > SUM_TOLERANCE:
        impossible(study, expr, f"the shares sum to {total * 100:.6g}%, not to 100%")
        return FAILED
    made = ["mixture", [[part, dist] for part, dist in parts]]
    if _levels(made) > _LEVELS_MAX:
        impossible(study, expr, f"mixtures nest deeper than {_LEVELS_MAX} levels; flatten them")
        return FAILED
    return made


def _levels(dist: Dist) -> int:
    return 1 + max(_levels(part) for _, part in dist[1]) if dist[0] == "mixture" else 1


def _chance(study: Study, expr: syntax.Call, want: Type, _: str) -> Dist | Failed:
    if required(want) != BOOL:
        return misfit(study, expr, "chance", want)
    bound = bind(study, expr, "chance", [Parameter("share")])
    if bound is None:
        return FAILED
    part = share(study, bound["share"], "a chance")
    return FAILED if isinstance(part, Failed) else ["chance", part]


def _size(study: Study, expr: syntax.Call, want: Type, _: str) -> Dist | Failed:
    if not isinstance(required(want), ListOf):
        return misfit(study, expr, "size", want)
    bound = bind(study, expr, "size", [Parameter("of")])
    if bound is None:
        return FAILED
    dist = distribution(study, bound["of"], INT, "the size", negative=False)
    return FAILED if isinstance(dist, Failed) else ["size", dist]


def _empirical(study: Study, expr: syntax.Call, want: Type, _: str) -> Dist | Failed:
    if required(want) not in _NUMERIC:
        return misfit(study, expr, "empirical", want)
    found = read_column(study, expr, "empirical", "numbers")
    return FAILED if isinstance(found, Failed) else ["empirical", *found]


def _column_name(expr: syntax.Expr) -> str | None:
    """The name of a column, written as a name or as a text."""
    match expr:
        case syntax.Name(text) | syntax.Text(text):
            return text
        case _:
            return None


def read_column(study: Study, expr: syntax.Call, name: str, kind: ColumnKind) -> tuple[str, str] | Failed:
    """File and column of `empirical("file.csv", column)` or `trace(...)`, looked at as far as is allowed."""
    bound = bind(study, expr, name, [Parameter("file"), Parameter("column")])
    if bound is None:
        return FAILED
    file, column = bound["file"], _column_name(bound["column"])
    if not isinstance(file, syntax.Text):
        study.report.add(BAD_DATA_FILE, file, problem=f'{name} reads a file: `{name}("file.csv", column)`')
        return FAILED
    if not column:
        study.report.add(
            BAD_DATA_FILE, bound["column"], problem=f"{name} needs the name of a column of {file.span.text}"
        )
        return FAILED
    module = study.base.module(expr)
    bundled = module.place is not None and module.place.bundled
    # A file is named relative to the one that names it; in the plan, relative to the folder of the spec.
    where = str(module.place.path.parent / file.value) if module.prefix and module.place is not None else file.value
    problem = column_problem(None if bundled else study.folder, where, column, kind)
    if problem is not None:
        study.report.add(BAD_DATA_FILE, expr, problem=problem)
        return FAILED
    return where, column


_SPECIAL: Mapping[str, Callable[[Study, syntax.Call, Type, str], Dist | Failed]] = {
    "fixed": _fixed,
    "choice": choice,
    "mixture": _mixture,
    "chance": _chance,
    "size": _size,
    "empirical": _empirical,
}
