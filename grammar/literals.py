"""The values of literals: exact, without floating point where the language promises none."""

from __future__ import annotations

import re
from collections.abc import Iterator
from decimal import Decimal

__all__ = [
    "DIGITS_MAX",
    "UNITS_US",
    "digits_in",
    "duration_us",
    "foreign_escape",
    "int_or_float",
    "money_pico_usd",
    "percent_share",
    "unquote",
]

DIGITS_MAX = 40
"""Literals of more digits are refused unread: Python's own limits and quadratic conversions are never met."""

UNITS_US = {"ms": 1_000, "s": 1_000_000, "min": 60_000_000, "h": 3_600_000_000, "d": 86_400_000_000}
"""Microseconds in each unit of duration."""

_SUFFIXES = {"k": 1_000, "M": 1_000_000}
_DURATION = re.compile(r"([0-9_.]+)([a-z]+)")
_ESCAPE = re.compile(r"\\(u\{[0-9A-Fa-f]{1,6}\}|[\s\S]|$)")
_FOREIGN = re.compile(r"\\(?:u([0-9A-Fa-f]{4})|U([0-9A-Fa-f]{8})|x([0-9A-Fa-f]{2})|([/']))")
_PLAIN = {'"': '"', "\\": "\\", "n": "\n", "r": "\r", "t": "\t"}


def digits_in(text: str) -> int:
    """How many decimal digits a literal has."""
    return sum(character.isdigit() for character in text)


def int_or_float(text: str) -> int | float:
    """The value of a number such as `400_000`, `400k`, `1.5M`, `0.25`.

    A literal without a point is whole; so is one with a suffix whose value is whole (`1.5M` counts 1,500,000).
    """
    plain = text.replace("_", "")
    factor = _SUFFIXES.get(plain[-1])
    if factor is None:
        return float(plain) if "." in plain else int(plain)
    value = Decimal(plain[:-1]) * factor
    return int(value) if value == value.to_integral_value() else float(value)


def duration_us(text: str) -> int:
    """The microseconds of a duration such as `500ms` or `1.5h`, rounded half to even below a microsecond."""
    match = _DURATION.fullmatch(text)
    assert match is not None, "the scanner lets only durations pass"
    return int((Decimal(match[1].replace("_", "")) * UNITS_US[match[2]]).to_integral_value())


def money_pico_usd(text: str) -> int:
    """The pico-dollars of an amount such as `$0.25`, rounded half to even below one."""
    return int((Decimal(text[1:].replace("_", "")) * 10**12).to_integral_value())


def percent_share(text: str) -> Decimal:
    """The exact share of a percentage: 0.75 for `75%`."""
    return Decimal(text[:-1].replace("_", "")).scaleb(-2)


def unquote(body: str) -> tuple[str, list[tuple[int, str]]]:
    """The text that the inside of a string stands for, and the unknown escapes in it: (offset in `body`, escape)."""
    if "\\" not in body:
        return body, []
    unknown: list[tuple[int, str]] = []
    return "".join(_pieces(body, unknown)), unknown


def _pieces(body: str, unknown: list[tuple[int, str]]) -> Iterator[str]:
    position = 0
    for match in _ESCAPE.finditer(body):
        yield body[position : match.start()]
        position = match.end()
        escape = match[1]
        if escape in _PLAIN:
            yield _PLAIN[escape]
        elif escape.startswith("u{") and _is_character(int(escape[2:-1], 16)):
            yield chr(int(escape[2:-1], 16))
        else:
            unknown.append((match.start(), match.group()))
            yield match.group()
    yield body[position:]


def foreign_escape(text: str) -> tuple[str, str] | None:
    """What an escape of another language at the start of this would be here: what is replaced, and by what."""
    match = _FOREIGN.match(text)
    if match is None:
        return None
    digits = match[1] or match[2] or match[3]
    if digits is None:
        return match[0], match[4]
    point = int(digits, 16)
    return (match[0], f"\\u{{{point:x}}}") if _is_character(point) else None


def _is_character(code_point: int) -> bool:
    return code_point <= 0x10FFFF and not 0xD800 <= code_point <= 0xDFFF
