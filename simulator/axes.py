"""Axes with units that people read: times in s, min, h or d, money, shares, counts; linear or logarithmic."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import TYPE_CHECKING

from orchspec.simulator.units import format_quantity, time_scale

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["quantity_axis", "time_axis", "time_axis_for"]

#: Steps that a logarithmic axis of time may have, in seconds.
_STEPS_S = (
    *(mantissa * 10.0**power for power in range(-4, 1) for mantissa in (1, 2, 5)),
    *(10, 20, 30, 60, 120, 300, 600, 1_200, 1_800, 3_600, 7_200, 14_400, 28_800, 43_200),
    *(86_400.0 * days for days in (1, 2, 4, 7, 14, 30, 60, 120, 365, 1_000, 3_000)),
)
#: From this ratio of the largest to the smallest on, small times would lie on the floor of a linear axis.
_WIDE = 12.0


def time_axis(axes: Axes, longest_s: float, which: str, title: str) -> None:
    """Let the `which` ("x" or "y") axis, whose data is in seconds, read in the unit fit for `longest_s`."""
    from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator

    unit_s, name = time_scale(longest_s)
    axis = axes.xaxis if which == "x" else axes.yaxis
    if longest_s > 0.0:
        # Round steps of the unit, not of seconds: 0, 2, 4 h rather than 0, 1.39, 2.78 h.
        ticks = MaxNLocator(7, steps=[1, 2, 2.5, 5, 10]).tick_values(0.0, longest_s / unit_s)
        axis.set_major_locator(FixedLocator([tick * unit_s for tick in ticks]))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value / unit_s:g}"))
    axis.set_label_text(f"{title} ({name})")


def time_axis_for(axes: Axes, values_s: Iterable[float], title: str) -> None:
    """Let the y axis read as times: from 0, or logarithmic where `values_s` lie so far apart that it pays."""
    from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

    known = sorted(value for value in values_s if math.isfinite(value) and value > 0.0)
    if not known or known[-1] < _WIDE * known[0]:
        longest_s = known[-1] if known else 0.0
        axes.set_ylim(0.0, longest_s * 1.12 or 1.0)
        time_axis(axes, longest_s, "y", title)
        return
    low_s = max((step for step in _STEPS_S if step <= known[0]), default=known[0])
    high_s = min((step for step in _STEPS_S if step >= known[-1]), default=known[-1])
    ticks = [step for step in _STEPS_S if low_s <= step <= high_s]
    # Some six labels, evenly spread, the ends among them.
    axes.set_yscale("log")
    axes.set_ylim(low_s * 0.9, high_s * 1.1)
    spread = math.log(high_s / low_s) / 6.0
    kept: list[float] = []
    for step in ticks:
        if not kept or math.log(step / kept[-1]) >= spread * 0.75:
            kept.append(step)
    axes.yaxis.set_major_locator(FixedLocator(kept))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: _round_time(value)))
    axes.set_ylabel(f"{title} (logarithmic)")


def _round_time(value_s: float) -> str:
    unit_s, name = next(
        (unit, name)
        for unit, name in ((86_400.0, "d"), (3_600.0, "h"), (60.0, "min"), (1.0, "s"), (0.001, "ms"))
        if value_s >= unit * (1.0 - 1e-9) or name == "ms"
    )
    return f"{value_s / unit_s:.3g} {name}"


def quantity_axis(axes: Axes, which: str, unit: str, longest: float, title: str) -> None:
    """Let an axis read as quantities of `unit` (of `units.format_quantity`), times as `time_axis` has them."""
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    if unit == "s":
        time_axis(axes, longest, which, title)
        return
    axis = axes.xaxis if which == "x" else axes.yaxis
    axis.set_major_locator(MaxNLocator(6, steps=[1, 2, 2.5, 5, 10]))
    if unit == "share":
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{100.0 * value:.3g} %"))
    else:
        axis.set_major_formatter(
            FuncFormatter(lambda value, _: format_quantity(value, unit, longest) if value else "0")
        )
    axis.set_label_text(title)
