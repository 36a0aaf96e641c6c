"""Scalars at the edge: JSON values to the inner form and back, one pair of functions for each type.

| type | at the edge | inside |
|---|---|---|
| Text, Url | text without lone surrogates, at most 1 MiB characters; Url: a scheme and something after it | the same |
| Int | a whole number of 64 bits; a float that is exactly one, below 2^53; never a Bool | int |
| Float | a finite number | float |
| Percent | a share, 0..1 | float |
| Rate | events for each second, 0 or more | float |
| Bool | true or false | bool |
| Money | a decimal text of USD with at most 12 places; numbers are accepted, rounded to 12 places | int, pico-dollars |
| Duration | seconds; half to even to microseconds | int, microseconds |
| Time | RFC 3339 text; converted to UTC, rounded to microseconds | int, microseconds since 1970-01-01 |
| Json | any JSON: at most 64 levels and 100 000 values in all | the same |
| Nothing | null | None |

A decoder raises InvalidValue. It gives back the very object it was given wherever the inner form is the edge form.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from fractions import Fraction
from typing import Any

from orchspec.runtime.kernel.arithmetic import (
    DURATION_MAX_US,
    INT_MAX,
    INT_MIN,
    ITEMS_MAX,
    MONEY_MAX_PICO,
    TEXT_MAX,
    TIME_MAX_US,
    TIME_MIN_US,
)
from orchspec.runtime.kernel.wording import shape

__all__ = ["JSON_DEPTH_MAX", "SCALARS", "InvalidValue", "decode_text", "same"]

JSON_DEPTH_MAX = 64
"""Levels of lists and records within a value of type Json, and within a value of a type that contains itself."""

_PICO = 10**12
_SECOND_US = 1_000_000
_DAY_US = 86_400 * _SECOND_US
_FLOAT_EXACT = 2**53
_MONEY = re.compile(r"(-?)(\d{1,16})(?:\.(\d{1,12})0*)?", re.ASCII)
_TIME = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)[Tt](\d\d):(\d\d):(\d\d)(?:\.(\d{1,12}))?(?:[Zz]|([+-])(\d\d):(\d\d))", re.ASCII
)
# Of the schemes that have one, a host is demanded; elsewhere (mailto:, urn:, file:) something after the colon.
_URL = re.compile(
    r"(?:https?|wss?|ftps?)://[^\s/?#\x00-\x1f\x7f<>\"]+[^\s\x00-\x1f\x7f<>\"]*"
    r"|(?!(?:https?|wss?|ftps?):)[a-z][a-z0-9+.-]*:[^\s\x00-\x1f\x7f<>\"]+",
    re.IGNORECASE,
)
_MONTH_DAYS = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)


class InvalidValue(Exception):
    """A value at the edge that is not of its type.

    `path` is where it stands (`result.sources[1]`), `expected` and `found` are words. Containers put their part in
    front of the path while the error passes through them.
    """

    code = "invalid_value"

    def __init__(self, path: str, expected: str, found: str) -> None:
        super().__init__(path, expected, found)
        self.path = path
        self.expected = expected
        self.found = found

    def within(self, part: str) -> InvalidValue:
        """The same error, seen from the container in which `part` (`.name`, `[3]`, a root's name) holds the value."""
        self.path = part + self.path
        return self

    def __str__(self) -> str:
        return f"{self.path.removeprefix('.') or 'value'}: expected {self.expected}, found {self.found}"


def _invalid(expected: str, value: Any) -> InvalidValue:
    return InvalidValue("", expected, shape(value))


def same(value: Any) -> Any:
    """The value itself: the encoder of whatever is the same inside and at the edge."""
    return value


def decode_text(value: Any) -> Any:
    """A text that can be stored and is not too long."""
    if type(value) is not str:
        raise _invalid("Text", value)
    if len(value) > TEXT_MAX:
        raise InvalidValue("", f"Text of at most {TEXT_MAX} characters", f"{len(value)}")
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError:
            raise InvalidValue("", "Text", "a text with half a surrogate pair, which is no character") from None
    return value


def _decode_url(value: Any) -> Any:
    if type(value) is not str or _URL.fullmatch(value) is None:
        raise _invalid("Url", value)
    return decode_text(value)


def _decode_int(value: Any) -> Any:
    if type(value) is int:
        if INT_MIN <= value <= INT_MAX:
            return value
        raise _invalid("Int of 64 bits", value)
    if type(value) is float and value.is_integer() and -_FLOAT_EXACT <= value <= _FLOAT_EXACT:
        return int(value)
    raise _invalid("Int", value)


def _number(value: Any, expected: str) -> float:
    if type(value) is float:
        if value - value == 0.0:
            return value
    elif type(value) is int and INT_MIN <= value <= INT_MAX:
        return float(value)
    raise _invalid(expected, value)


def _decode_float(value: Any) -> Any:
    if type(value) is float and value - value == 0.0:
        return value
    return _number(value, "Float")


def _decode_percent(value: Any) -> Any:
    number = _number(value, "Percent (a share, 0 to 1)")
    if 0.0 <= number <= 1.0:
        return number
    raise _invalid("Percent (a share, 0 to 1)", value)


def _decode_rate(value: Any) -> Any:
    number = _number(value, "Rate (events for each second)")
    if number >= 0.0:
        return number
    raise _invalid("Rate (events for each second, 0 or more)", value)


def _decode_bool(value: Any) -> Any:
    if value is True or value is False:
        return value
    raise _invalid("Bool", value)


def _decode_nothing(value: Any) -> Any:
    if value is not None:
        raise _invalid("null", value)
    return None


# ------------------------------------------------------------------ money and durations


def _decode_money(value: Any) -> Any:
    expected = 'Money (a decimal text of USD, as "4.00")'
    if type(value) is str:
        match = _MONEY.fullmatch(value) if len(value) <= 64 else None
        if match is None:
            raise _invalid(expected, value)
        sign, whole, places = match.groups()
        pico = int(whole) * _PICO + int((places or "").ljust(12, "0"))
        pico = -pico if sign else pico
    elif type(value) is int:
        pico = value * _PICO if -MONEY_MAX_PICO <= value <= MONEY_MAX_PICO else MONEY_MAX_PICO + 1
    elif type(value) is float and value - value == 0.0:
        # The decimal that was written is meant, not the binary fraction next to it.
        pico = round(Fraction(repr(value)) * _PICO)
    else:
        raise _invalid(expected, value)
    if -MONEY_MAX_PICO <= pico <= MONEY_MAX_PICO:
        return pico
    raise _invalid("Money of at most 10^15 USD", value)


def _encode_money(pico: Any) -> str:
    sign, pico = ("-", -pico) if pico < 0 else ("", pico)
    whole, places = divmod(pico, _PICO)
    return f"{sign}{whole}" + (f".{places:012d}".rstrip("0") if places else "")


def _decode_duration(value: Any) -> Any:
    if type(value) is int:
        us = value * _SECOND_US if -DURATION_MAX_US <= value <= DURATION_MAX_US else DURATION_MAX_US + 1
    elif type(value) is float and value - value == 0.0:
        us = round(Fraction(value) * _SECOND_US)
    else:
        raise _invalid("Duration (seconds)", value)
    if -DURATION_MAX_US <= us <= DURATION_MAX_US:
        return us
    raise _invalid("Duration (seconds, at most 142 years)", value)


def _encode_duration(us: Any) -> Any:
    seconds, rest = divmod(us, _SECOND_US)
    return us / _SECOND_US if rest else seconds


# ------------------------------------------------------------------ time


def _days_from_civil(year: int, month: int, day: int) -> int:
    """Days since 1970-01-01 of the proleptic Gregorian calendar (Howard Hinnant, `chrono`-compatible algorithms)."""
    year -= month <= 2
    era = year // 400
    year_of_era = year - era * 400
    day_of_year = (153 * (month + (-3 if month > 2 else 9)) + 2) // 5 + day - 1
    return era * 146_097 + year_of_era * 365 + year_of_era // 4 - year_of_era // 100 + day_of_year - 719_468


def _civil_from_days(days: int) -> tuple[int, int, int]:
    """Year, month and day of a number of days since 1970-01-01; the inverse, from the same source."""
    days += 719_468
    era, day_of_era = divmod(days, 146_097)
    year_of_era = (day_of_era - day_of_era // 1460 + day_of_era // 36_524 - day_of_era // 146_096) // 365
    day_of_year = day_of_era - (365 * year_of_era + year_of_era // 4 - year_of_era // 100)
    shifted = (5 * day_of_year + 2) // 153
    month = shifted + (3 if shifted < 10 else -9)
    return year_of_era + era * 400 + (month <= 2), month, day_of_year - (153 * shifted + 2) // 5 + 1


def _decode_time(value: Any) -> Any:
    expected = 'Time (RFC 3339, as "2026-01-31T09:30:00Z")'
    match = _TIME.fullmatch(value) if type(value) is str and len(value) <= 64 else None
    if match is None:
        raise _invalid(expected, value)
    year, month, day, hour, minute, second = (int(part) for part in match.groups()[:6])
    leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    if not (1 <= month <= 12 and 1 <= day <= _MONTH_DAYS[month - 1] and (month != 2 or day <= 28 + leap)):
        raise _invalid(expected, value)
    offset = int(match[9] or 0) * 60 + int(match[10] or 0)
    if hour > 23 or minute > 59 or second > 59 or int(match[9] or 0) > 23 or int(match[10] or 0) > 59:
        raise _invalid(expected, value)
    minutes = hour * 60 + minute + (offset if match[8] == "-" else -offset)
    us = _days_from_civil(year, month, day) * _DAY_US + (minutes * 60 + second) * _SECOND_US
    if match[7]:
        us += round(Fraction(int(match[7]) * _SECOND_US, 10 ** len(match[7])))
    if TIME_MIN_US <= us <= TIME_MAX_US:
        return us
    raise _invalid("Time of the years 0001 to 9999", value)


def _encode_time(us: Any) -> str:
    days, rest = divmod(us, _DAY_US)
    year, month, day = _civil_from_days(days)
    seconds, fraction = divmod(rest, _SECOND_US)
    minutes, second = divmod(seconds, 60)
    hour, minute = divmod(minutes, 60)
    tail = f".{fraction:06d}" if fraction else ""
    return f"{year:04d}-{month:02d}-{day:02d}T{hour:02d}:{minute:02d}:{second:02d}{tail}Z"


# ------------------------------------------------------------------ any JSON


def _decode_json(value: Any) -> Any:
    kind = type(value)
    if kind is bool or value is None:
        return value
    level, count = [value], 1
    for _ in range(JSON_DEPTH_MAX + 1):
        below: list[Any] = []
        for item in level:
            kind = type(item)
            if kind is list:
                below.extend(item)
            elif kind is dict:
                for key in item:
                    decode_text(key)
                below.extend(item.values())
            elif kind is str:
                decode_text(item)
            elif kind is float:
                _decode_float(item)
            elif kind is not int and kind is not bool and item is not None:
                raise _invalid("Json", item)
            elif kind is int and not INT_MIN <= item <= INT_MAX:
                raise _invalid("Json (an Int of 64 bits)", item)
        count += len(below)
        if count > ITEMS_MAX:
            raise InvalidValue("", f"Json of at most {ITEMS_MAX} values", "more")
        if not below:
            return value
        level = below
    raise InvalidValue("", f"Json of at most {JSON_DEPTH_MAX} levels", "more")


SCALARS: dict[str, tuple[Callable[[Any], Any], Callable[[Any], Any]]] = {
    "Text": (decode_text, same),
    "Url": (_decode_url, same),
    "Int": (_decode_int, same),
    "Float": (_decode_float, same),
    "Percent": (_decode_percent, same),
    "Rate": (_decode_rate, same),
    "Bool": (_decode_bool, same),
    "Money": (_decode_money, _encode_money),
    "Duration": (_decode_duration, _encode_duration),
    "Time": (_decode_time, _encode_time),
    "Json": (_decode_json, same),
    "Nothing": (_decode_nothing, same),
}
"""The decoder and the encoder of each scalar type; an encoder that is `same` may be skipped."""
