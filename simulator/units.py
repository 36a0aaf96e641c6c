"""Quantities as people read them: 8.5 min, $1.20, 97.3 %, 12.4k tokens. One place, so that all reports agree."""

from __future__ import annotations

import math

__all__ = ["format_bound", "format_interval", "format_quantity", "format_rate", "sentence", "time_scale"]

#: (least magnitude in s, seconds of the unit, its name)
_TIMES = (
    (172_800.0, 86_400.0, "d"),
    (7_200.0, 3_600.0, "h"),
    (120.0, 60.0, "min"),
    (1.0, 1.0, "s"),
    (0.0, 0.001, "ms"),
)
_RATES = ((1.0, 1.0, "/s"), (1.0 / 60.0, 1.0 / 60.0, "/min"), (0.0, 1.0 / 3600.0, "/h"))


def time_scale(seconds: float) -> tuple[float, str]:
    """Return the unit for times of about `seconds`: its length in seconds and its name (ms, s, min, h, d)."""
    size = abs(seconds)
    if size == 0.0 or not math.isfinite(size):
        return 1.0, "s"
    return next((unit_s, name) for least_s, unit_s, name in _TIMES if size >= least_s)


def format_quantity(value: float, unit: str, like: float | None = None) -> str:
    """Return `value` of `unit` (s, USD, share, 1/s, or what is counted) for people.

    The magnitude of `like` chooses the unit instead of that of the value, so that the ends of an interval are written
    like its middle. Undefined is "–", infinite is "∞".
    """
    if math.isnan(value):
        return "–"
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    size = value if like is None or not math.isfinite(like) else like
    if unit == "s":
        scale, name = time_scale(size)
        return f"{_digits(value / scale)} {name}"
    if unit == "1/s":
        scale, name = next((each, name) for least, each, name in _RATES if abs(size) >= least)
        return f"{_digits(value / scale)} {name}"
    if unit == "USD":
        cents = f"{value:,.2f}" if abs(size) >= 1.0 else f"{value:.4f}"
        return f"${cents.removesuffix('00') if abs(size) < 1.0 else cents}"
    if unit == "share":
        percent = 100.0 * value
        # Near the top it is the distance to 100 % that matters.
        return f"{percent:.2f} %" if 99.0 < percent < 99.995 else f"{_digits(percent)} %"
    if abs(size) >= 10_000:
        return f"{_digits(value / 1000.0)}k"
    return _digits(value)


def format_bound(value: float, unit: str) -> str:
    """Return a number that somebody wrote, in the largest unit that keeps it whole: 1 h, and 90 min."""
    if unit == "s" and math.isfinite(value) and value > 0.0:
        for _, unit_s, name in _TIMES:
            if value >= unit_s and value % unit_s == 0.0:
                return f"{value / unit_s:,.0f} {name}"
    return format_quantity(value, unit)


def format_rate(count: int, per_s: float) -> str:
    """Return a limit as it is written in a spec: so many in so long."""
    each = next((size, unit) for size, unit in ((1_000_000, "M"), (1_000, "k"), (1, "")) if count % size == 0)
    return f"{count // each[0]:,}{each[1]} / {format_bound(per_s, 's').replace(' ', '')}"


def format_interval(lo: float, hi: float, unit: str, like: float) -> str:
    """Return "lo to hi", or what there is of it: "at least lo", "at most hi", or "no interval"."""
    low_known, high_known = math.isfinite(lo), math.isfinite(hi)
    if low_known and high_known:
        low, high = format_quantity(lo, unit, like), format_quantity(hi, unit, like)
        suffix = high[high.rfind(" ") :] if " " in high else ""
        return f"{low.removesuffix(suffix)} to {high}"
    if low_known:
        return f"at least {format_quantity(lo, unit, like)}"
    if high_known:
        return f"at most {format_quantity(hi, unit, like)}"
    return "no interval"


def _digits(value: float) -> str:
    """Return three or more significant digits, without an exponent and without trailing noise."""
    size = abs(value)
    if size >= 100.0 or value == int(value):
        return f"{value:,.0f}"
    if size >= 10.0:
        return f"{value:.1f}"
    # Beyond what a reader can tell apart from nothing, digits would only need an exponent.
    return f"{value:.2f}" if size >= 0.1 else f"{value:.2g}" if size >= 0.0001 else "≈0"


def sentence(text: str) -> str:
    """The text with a capital letter, unless it begins with a name: of a statistic, or a KPI in brackets."""
    word = text.split(maxsplit=1)[0] if text.strip() else ""
    is_name = "(" in word or any(letter.isdigit() for letter in word)
    return text if is_name or not text else text[0].upper() + text[1:]
