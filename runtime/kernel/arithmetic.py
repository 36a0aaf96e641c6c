"""Exact and bounded arithmetic on inner values: what `add sub mul div` mean for each type of result.

Ints have 64 bits. Money is an integer of pico-dollars (10**-12 USD), Duration and Time are integers of microseconds;
results that are no whole number of these units are rounded half to even, computed in integers and fractions, so that no
binary rounding gets in. Every result can be written at the edge and read back unchanged: that is what the bounds of
Money, Duration and Time are for.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any

from orchspec.compiler.plan import PlanError
from orchspec.runtime.kernel.wording import shape

__all__ = [
    "DURATION_MAX_US",
    "INT_MAX",
    "INT_MIN",
    "ITEMS_MAX",
    "MONEY_MAX_PICO",
    "TEXT_MAX",
    "TIME_MAX_US",
    "TIME_MIN_US",
    "ExpressionError",
    "divide_half_even",
    "finisher",
    "operation",
    "whole_units",
]

INT_MAX = 2**63 - 1
INT_MIN = -(2**63)
MONEY_MAX_PICO = 10**27
"""10**15 USD. Money does not fit 64 bits (that would end at 9.2 million USD), but it must be bounded like everything
else."""
DURATION_MAX_US = 2**52
"""142 years: up to here seconds in a float give back the very microsecond they were made from."""
TIME_MIN_US = -62_135_596_800_000_000
TIME_MAX_US = 253_402_300_799_999_999
"""The years 0001 to 9999, which is what RFC 3339 can write."""
TEXT_MAX = 1 << 20
"""Characters of a text that an expression builds or that crosses the edge."""
ITEMS_MAX = 100_000
"""Items of a list that an expression builds or that crosses the edge."""


class ExpressionError(Exception):
    """An expression that cannot be evaluated for these values; it fails the attempt or the block it belongs to, without
    retry.
    """

    code = "expression_failed"


def divide_half_even(numerator: int, denominator: int) -> int:
    """The quotient of two integers, rounded to the nearest, ties to even.

    Raises:
        ZeroDivisionError: the denominator is 0.
    """
    if denominator < 0:
        numerator, denominator = -numerator, -denominator
    quotient, rest = divmod(numerator, denominator)
    twice = 2 * rest
    if twice > denominator or (twice == denominator and quotient & 1):
        return quotient + 1
    return quotient


def whole_units(value: Any) -> int:
    """An exact number (int, float or Fraction) as whole units, half to even."""
    return value if type(value) is int else round(Fraction(value))


def _finish_int(value: Any) -> int:
    if type(value) is not int:
        raise ExpressionError(f"expected a whole number, found {shape(value)}")
    if INT_MIN <= value <= INT_MAX:
        return value
    raise ExpressionError(f"the result does not fit 64 bits: {shape(value)}")


def _finish_float(value: Any) -> float:
    result = float(value)
    if result - result != 0.0:  # infinite or not a number: neither may be written at the edge
        raise ExpressionError("the result is too large for a Float")
    return result


def _finish_money(value: Any) -> int:
    result = whole_units(value)
    if -MONEY_MAX_PICO <= result <= MONEY_MAX_PICO:
        return result
    raise ExpressionError("the result is too large for Money (at most 10^15 USD)")


def _finish_duration(value: Any) -> int:
    result = whole_units(value)
    if -DURATION_MAX_US <= result <= DURATION_MAX_US:
        return result
    raise ExpressionError("the result is too long for a Duration (at most 142 years)")


def _finish_time(value: Any) -> int:
    result = whole_units(value)
    if TIME_MIN_US <= result <= TIME_MAX_US:
        return result
    raise ExpressionError("the result is no Time between the years 0001 and 9999")


_FINISH: dict[str, Callable[[Any], Any]] = {
    "Int": _finish_int,
    "Float": _finish_float,
    "Rate": _finish_float,
    "Percent": _finish_float,
    "Money": _finish_money,
    "Duration": _finish_duration,
    "Time": _finish_time,
}
_WHOLE = frozenset({"Money", "Duration", "Time"})


def finisher(type_: Any) -> Callable[[Any], Any]:
    """What turns an exact number into a value of a numeric type, or raises ExpressionError if it does not fit.

    Raises:
        PlanError: the type is not numeric.
    """
    finish = _FINISH.get(type_) if isinstance(type_, str) else None
    if finish is None:
        raise PlanError(f"arithmetic gives Int, Float, Rate, Percent, Money, Duration or Time, found {type_!r}")
    return finish


def _add(left: Any, right: Any) -> Any:
    return left + right


def _subtract(left: Any, right: Any) -> Any:
    return left - right


def _multiply(left: Any, right: Any) -> Any:
    return left * right


def _exact(plain: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    def run(left: Any, right: Any) -> Any:
        if type(left) is int and type(right) is int:
            return plain(left, right)
        return plain(Fraction(left), Fraction(right))

    return run


def _divide_plain(left: Any, right: Any) -> Any:
    return left / right


def _divide_whole(left: Any, right: Any) -> Any:
    if type(left) is int and type(right) is int:
        return divide_half_even(left, right)
    return Fraction(left) / Fraction(right)


_PLAIN: dict[str, Callable[[Any, Any], Any]] = {"add": _add, "sub": _subtract, "mul": _multiply}


def operation(op: str, type_: Any) -> Callable[[Any, Any], Any]:
    """The function behind `[op, type, a, b]`; its result is not yet finished, see `finisher`.

    Raises:
        PlanError: there is no such operation, or not for that type.
    """
    finisher(type_)
    if op == "div":
        if type_ == "Int":
            raise PlanError("a division never gives an Int")
        return _divide_whole if type_ in _WHOLE else _divide_plain
    plain = _PLAIN[op]
    return _exact(plain) if type_ in _WHOLE else plain
