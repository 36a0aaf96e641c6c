"""The built-in functions of the expression language, on inner values.

Each takes evaluated arguments. `min max avg` of an empty list are none, `sum` of one is 0. All are bounded by the sizes
of `arithmetic`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from hashlib import sha256
from typing import Any

from orchspec.compiler.plan import PlanError, canonical_json
from orchspec.runtime.kernel.arithmetic import (
    INT_MAX,
    INT_MIN,
    ITEMS_MAX,
    MONEY_MAX_PICO,
    TEXT_MAX,
    ExpressionError,
    divide_half_even,
    finisher,
)
from orchspec.runtime.kernel.wording import shape

__all__ = ["capped_list", "capped_text", "equal", "function", "value_key"]

_SCALARS = frozenset({str, int, float, bool, type(None)})
_PICO_DIGITS = 12


def value_key(value: Any) -> Any:
    """A hashable stand-in for a value: two values are equal in the language if and only if their keys are equal.

    Python holds True == 1, the language does not; an Int equals the Float of the same number.
    """
    kind = type(value)
    if kind is bool:
        return ("Bool", value)
    if kind is list:
        return ("List", tuple([value_key(item) for item in value]))
    if kind is dict:
        return ("Record", tuple(sorted([(name, value_key(item)) for name, item in value.items()])))
    return value


def equal(left: Any, right: Any) -> bool:
    """Equality of inner values: records by fields, lists by items, true is not 1."""
    if left != right:
        return False
    kind = type(left)
    if kind is type(right) and kind in _SCALARS:
        return True
    return bool(value_key(left) == value_key(right))


def capped_text(text: str) -> str:
    """The text, unless it is longer than TEXT_MAX characters: then ExpressionError."""
    if len(text) > TEXT_MAX:
        raise ExpressionError(f"the text would have {len(text)} characters; at most {TEXT_MAX} are kept")
    return text


def capped_list(items: list[Any]) -> list[Any]:
    """The list, unless it is longer than ITEMS_MAX items: then ExpressionError."""
    if len(items) > ITEMS_MAX:
        raise ExpressionError(f"the list would have {len(items)} items; at most {ITEMS_MAX} are kept")
    return items


def _list(value: Any, name: str) -> list[Any]:
    if type(value) is not list:
        raise ExpressionError(f"{name}() takes a list, found {shape(value)}")
    return value


def _text(value: Any, name: str) -> str:
    if type(value) is not str:
        raise ExpressionError(f"{name}() takes a text, found {shape(value)}")
    return value


def _numbers(values: list[Any], name: str) -> list[Any]:
    for value in values:
        if type(value) is not int and type(value) is not float:
            raise ExpressionError(f"{name}() takes numbers, found {shape(value)}")
    return values


def _len(value: Any) -> int:
    kind = type(value)
    if kind is list or kind is str or kind is dict:
        return len(value)
    raise ExpressionError(f"len() takes a text, a list or a map, found {shape(value)}")


def _min(value: Any) -> Any:
    try:
        return min(_list(value, "min"), default=None)
    except TypeError:
        raise ExpressionError("min() takes values that can be compared") from None


def _max(value: Any) -> Any:
    try:
        return max(_list(value, "max"), default=None)
    except TypeError:
        raise ExpressionError("max() takes values that can be compared") from None


def _total(values: list[Any]) -> Any:
    # fsum is exact and the same on every version of Python; the built-in sum of floats is neither.
    if any(type(value) is float for value in values):
        try:
            return math.fsum(values)
        except OverflowError:
            raise ExpressionError("the sum is too large for a Float") from None
    return sum(values)


def _sum(value: Any) -> Any:
    total = _total(_numbers(_list(value, "sum"), "sum"))
    # The plan does not say whether these are Ints or Money, so only what is too large for both is refused here.
    if type(total) is int and not -MONEY_MAX_PICO <= total <= MONEY_MAX_PICO:
        raise ExpressionError(f"the sum is too large: {shape(total)}")
    return total


def _avg(value: Any) -> Any:
    values = _numbers(_list(value, "avg"), "avg")
    return float(_total(values) / len(values)) if values else None


def _avg_whole(finish: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def run(value: Any) -> Any:
        values = _numbers(_list(value, "avg"), "avg")
        return finish(divide_half_even(sum(values), len(values))) if values else None

    return run


def _any(value: Any) -> bool:
    return True in _bools(_list(value, "any"), "any")


def _all(value: Any) -> bool:
    return False not in _bools(_list(value, "all"), "all")


def _bools(values: list[Any], name: str) -> list[Any]:
    for value in values:
        if type(value) is not bool:
            raise ExpressionError(f"{name}() takes a list of Bool, found {shape(value)} in it")
    return values


def _count(value: Any) -> int:
    values = _list(value, "count")
    if values and all(type(item) is bool for item in values):
        return values.count(True)
    return len(values)


def _flatten(value: Any) -> list[Any]:
    flat: list[Any] = []
    for part in _list(value, "flatten"):
        flat.extend(_list(part, "flatten"))
        capped_list(flat)
    return flat


def _distinct(value: Any) -> list[Any]:
    values = _list(value, "distinct")
    seen: dict[Any, Any] = {}
    for item in values:
        seen.setdefault(item if type(item) is str else value_key(item), item)
    return list(seen.values())


def _keys(value: Any) -> list[str]:
    if type(value) is not dict:
        raise ExpressionError(f"keys() takes a map, found {shape(value)}")
    # Sorted, because the order of insertion is lost when a value is stored as canonical JSON and read again.
    return sorted(value)


def _hash(value: Any) -> str:
    try:
        return sha256(canonical_json(value).encode()).hexdigest()
    except ValueError:
        raise ExpressionError(f"hash() takes what can be written as JSON, found {shape(value)}") from None


def _tokens(value: Any) -> int:
    return (len(_text(value, "tokens")) + 3) // 4


def _to_text(value: Any) -> str:
    kind = type(value)
    if kind is str:
        return str(value)
    if kind is bool:
        return "true" if value else "false"
    if kind is int or kind is float:
        return repr(value)
    try:
        return capped_text(canonical_json(value))
    except ValueError:
        raise ExpressionError(f"text() takes what can be written as JSON, found {shape(value)}") from None


def _upper(value: Any) -> str:
    return capped_text(_text(value, "upper").upper())


def _lower(value: Any) -> str:
    return capped_text(_text(value, "lower").lower())


def _round(value: Any, places: Any = None) -> Any:
    _numbers([value], "round")
    try:
        # To places of its own a number is a Float, as the compiler types it.
        result = round(value) if places is None else float(round(value, _places(places)))
    except OverflowError:
        raise ExpressionError(f"the rounded number is too large: {shape(value)}") from None
    if type(result) is int and not INT_MIN <= result <= INT_MAX:
        raise ExpressionError(f"the rounded number does not fit 64 bits: {shape(value)}")
    return result


def _round_money(value: Any, places: Any = 0) -> int:
    step: int = 10 ** (_PICO_DIGITS - min(_places(places), _PICO_DIGITS))
    return divide_half_even(value, step) * step


def _places(places: Any) -> int:
    if type(places) is not int or not -18 <= places <= 18:
        raise ExpressionError(f"round() takes -18 to 18 places, found {shape(places)}")
    return places


_FUNCTIONS: dict[str, tuple[Callable[..., Any], int, int]] = {
    "len": (_len, 1, 1),
    "min": (_min, 1, 1),
    "max": (_max, 1, 1),
    "sum": (_sum, 1, 1),
    "avg": (_avg, 1, 1),
    "any": (_any, 1, 1),
    "all": (_all, 1, 1),
    "count": (_count, 1, 1),
    "flatten": (_flatten, 1, 1),
    "distinct": (_distinct, 1, 1),
    "keys": (_keys, 1, 1),
    "hash": (_hash, 1, 1),
    "tokens": (_tokens, 1, 1),
    "text": (_to_text, 1, 1),
    "upper": (_upper, 1, 1),
    "lower": (_lower, 1, 1),
    "round": (_round, 1, 2),
}


def function(name: Any, arguments: int, type_: Any = None) -> Callable[..., Any]:
    """The built-in of that name.

    Args:
        name: as in `["call", name, …]`.
        arguments: how many it is called with.
        type_: the type of the result, where it decides: `avg` gives a Float unless this says Money, Duration or Time;
        `round` of Money rounds to
            decimal places of a dollar.

    Raises:
        PlanError: no built-in has this name, or not with so many arguments.
    """
    found = _FUNCTIONS.get(name) if isinstance(name, str) else None
    if found is None:
        raise PlanError(f"no built-in is called {name!r}; there are {', '.join(_FUNCTIONS)}")
    run, least, most = found
    if not least <= arguments <= most:
        raise PlanError(
            f"{name}() takes {least if least == most else f'{least} to {most}'} arguments, found {arguments}"
        )
    if type_ in ("Money", "Duration", "Time") and name == "avg":
        return _avg_whole(finisher(type_))
    if type_ == "Money" and name == "round":
        return _round_money
    return run
