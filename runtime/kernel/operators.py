"""Closures for operators and calls: logic, comparison, membership, arithmetic, joining, built-ins."""

from __future__ import annotations

from typing import Any

from orchspec.runtime.kernel.access import Build, Compiled, Part
from orchspec.runtime.kernel.arithmetic import INT_MAX, INT_MIN, ExpressionError, finisher, operation
from orchspec.runtime.kernel.functions import capped_list, capped_text, equal, function
from orchspec.runtime.kernel.wording import shape

__all__ = ["OPERATORS"]


def _truth(value: Any) -> bool:
    if value is True or value is False:
        return bool(value)
    raise ExpressionError(f"a condition is true or false, found {shape(value)}")


def _not(expr: Any, part: Part) -> Compiled:
    inner = part(expr[1])
    return lambda frame: not _truth(inner(frame))


def _and(expr: Any, part: Part) -> Compiled:
    left, right = part(expr[1]), part(expr[2])
    return lambda frame: _truth(left(frame)) and _truth(right(frame))


def _or(expr: Any, part: Part) -> Compiled:
    left, right = part(expr[1]), part(expr[2])
    return lambda frame: _truth(left(frame)) or _truth(right(frame))


def _default(expr: Any, part: Part) -> Compiled:
    left, right = part(expr[1]), part(expr[2])

    def default(frame: Any) -> Any:
        value = left(frame)
        return right(frame) if value is None else value

    return default


# ------------------------------------------------------------------ comparison


def _plain_const(expr: Any) -> bool:
    """Whether a constant is compared rightly by Python's own ==: a text or none equals nothing of another kind."""
    return expr[0] == "const" and len(expr) == 2 and (expr[1] is None or type(expr[1]) is str)


def _eq(expr: Any, part: Part) -> Compiled:
    left, right = part(expr[1]), part(expr[2])
    if _plain_const(expr[2]):
        value = expr[2][1]
        if value is None:
            return lambda frame: left(frame) is None
        return lambda frame: left(frame) == value
    return lambda frame: equal(left(frame), right(frame))


def _ne(expr: Any, part: Part) -> Compiled:
    left, right = part(expr[1]), part(expr[2])
    if _plain_const(expr[2]):
        value = expr[2][1]
        if value is None:
            return lambda frame: left(frame) is not None
        return lambda frame: left(frame) != value
    return lambda frame: not equal(left(frame), right(frame))


def _incomparable(left: Any, right: Any) -> ExpressionError:
    return ExpressionError(f"{shape(left)} and {shape(right)} have no order")


def _lt(left: Compiled, right: Compiled) -> Compiled:
    def less(frame: Any) -> bool:
        one, other = left(frame), right(frame)
        try:
            return bool(one < other)
        except TypeError:
            raise _incomparable(one, other) from None

    return less


def _le(left: Compiled, right: Compiled) -> Compiled:
    def at_most(frame: Any) -> bool:
        one, other = left(frame), right(frame)
        try:
            return bool(one <= other)
        except TypeError:
            raise _incomparable(one, other) from None

    return at_most


def _lt_const(left: Compiled, limit: Any) -> Compiled:
    def less(frame: Any) -> bool:
        try:
            return left(frame) < limit  # type: ignore[no-any-return]
        except TypeError:
            raise _incomparable(left(frame), limit) from None

    return less


def _le_const(left: Compiled, limit: Any) -> Compiled:
    def at_most(frame: Any) -> bool:
        try:
            return left(frame) <= limit  # type: ignore[no-any-return]
        except TypeError:
            raise _incomparable(left(frame), limit) from None

    return at_most


def _gt_const(left: Compiled, limit: Any) -> Compiled:
    def more(frame: Any) -> bool:
        try:
            return left(frame) > limit  # type: ignore[no-any-return]
        except TypeError:
            raise _incomparable(left(frame), limit) from None

    return more


def _ge_const(left: Compiled, limit: Any) -> Compiled:
    def at_least(frame: Any) -> bool:
        try:
            return left(frame) >= limit  # type: ignore[no-any-return]
        except TypeError:
            raise _incomparable(left(frame), limit) from None

    return at_least


_WITH_CONST = {"lt": _lt_const, "le": _le_const, "gt": _gt_const, "ge": _ge_const}


def _order(expr: Any, part: Part) -> Compiled:
    op, left, right = expr[0], part(expr[1]), part(expr[2])
    if expr[2][0] == "const":
        return _WITH_CONST[op](left, expr[2][1])
    if op == "lt":
        return _lt(left, right)
    if op == "le":
        return _le(left, right)
    # a > b is b < a; the operands are pure, so their order does not matter.
    return _lt(right, left) if op == "gt" else _le(right, left)


def _in(expr: Any, part: Part) -> Compiled:
    inner = part(expr[1])
    if expr[2][0] == "range":
        return _in_range(inner, expr[2], part)
    if expr[2][0] == "list" and all(_plain_const(item) for item in expr[2][1]):
        members = tuple(item[1] for item in expr[2][1])
        return lambda frame: inner(frame) in members
    right = part(expr[2])

    def member(frame: Any) -> bool:
        value, whole = inner(frame), right(frame)
        kind = type(whole)
        if kind is list:
            return any(equal(value, item) for item in whole)
        if (kind is dict or kind is str) and type(value) is str:
            return value in whole
        raise ExpressionError(f"{shape(value)} cannot be looked for in {shape(whole)}")

    return member


def _in_range(inner: Compiled, expr: Any, part: Part) -> Compiled:
    low, high = part(expr[1]), part(expr[2])
    if expr[1][0] == "const" and expr[2][0] == "const":
        first, last = expr[1][1], expr[2][1]

        def between(frame: Any) -> bool:
            value = inner(frame)
            try:
                return first <= value <= last  # type: ignore[no-any-return]
            except TypeError:
                raise _incomparable(value, first) from None

        return between

    def within(frame: Any) -> bool:
        value, least, most = inner(frame), low(frame), high(frame)
        try:
            return bool(least <= value <= most)
        except TypeError:
            raise _incomparable(value, least) from None

    return within


# ------------------------------------------------------------------ arithmetic, joining, calls

_SIGNS = {"add": "+", "sub": "-", "mul": "*", "div": "/"}


def _arithmetic(expr: Any, part: Part) -> Compiled:
    op, type_ = expr[0], expr[1]
    left, right = part(expr[2]), part(expr[3])
    run, finish = operation(op, type_), finisher(type_)

    def calculate(frame: Any) -> Any:
        one, other = left(frame), right(frame)
        try:
            return finish(run(one, other))
        except ZeroDivisionError:
            raise ExpressionError(f"division by zero: {shape(one)} / {shape(other)}") from None
        except OverflowError:
            raise ExpressionError(f"the result of {shape(one)} {_SIGNS[op]} {shape(other)} is too large") from None
        except (TypeError, ValueError):
            raise ExpressionError(f"{shape(one)} {_SIGNS[op]} {shape(other)} gives no {type_}") from None

    return calculate


def _neg(expr: Any, part: Part) -> Compiled:
    inner = part(expr[1])

    def negate(frame: Any) -> Any:
        value = inner(frame)
        if (type(value) is not int and type(value) is not float) or value == INT_MIN:
            raise ExpressionError(f"{shape(value)} has no negative" + (" in 64 bits" if value == INT_MIN else ""))
        return -value

    return negate


def _float(expr: Any, part: Part) -> Compiled:
    inner = part(expr[1])

    def convert(frame: Any) -> float:
        value = inner(frame)
        if type(value) is float:
            return value
        if type(value) is int and INT_MIN <= value <= INT_MAX:
            return float(value)
        raise ExpressionError(f"expected a number, found {shape(value)}")

    return convert


def _concat(expr: Any, part: Part) -> Compiled:
    left, right = part(expr[1]), part(expr[2])

    def concat(frame: Any) -> Any:
        one, other = left(frame), right(frame)
        if type(one) is str and type(other) is str:
            return capped_text(one + other)
        if type(one) is list and type(other) is list:
            return capped_list(one + other)
        raise ExpressionError(f"{shape(one)} and {shape(other)} cannot be joined")

    return concat


def _call(expr: Any, part: Part) -> Compiled:
    run = function(expr[1], len(expr[2]), expr[3] if len(expr) > 3 else None)
    if len(expr[2]) == 1:
        argument = part(expr[2][0])
        if expr[1] == "len":
            return _len(argument)
        return lambda frame: run(argument(frame))
    arguments = [part(item) for item in expr[2]]
    return lambda frame: run(*[argument(frame) for argument in arguments])


def _len(argument: Compiled) -> Compiled:
    def length(frame: Any) -> int:
        value = argument(frame)
        try:
            return len(value)
        except TypeError:
            raise ExpressionError(f"len() takes a text, a list or a map, found {shape(value)}") from None

    return length


OPERATORS: dict[str, tuple[Build, tuple[int, ...]]] = {
    "not": (_not, (1,)),
    "neg": (_neg, (1,)),
    "float": (_float, (1,)),
    **{op: (build, (2,)) for op, build in {"and": _and, "or": _or, "default": _default, "in": _in}.items()},
    **{op: (build, (2,)) for op, build in {"eq": _eq, "ne": _ne, "concat": _concat}.items()},
    **dict.fromkeys(_WITH_CONST, (_order, (2,))),
    **dict.fromkeys(_SIGNS, (_arithmetic, (3,))),
    # The third operand, the type of the result, is there where it decides (see `functions.function`).
    "call": (_call, (2, 3)),
}
"""What builds the closure of each operation, and how many operands the operation may have."""
