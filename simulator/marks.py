"""Faults on a time axis: a strip above with a line for each kind, and lines and bands through what lies below."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from orchspec.simulator.drawing import Theme, label
from orchspec.simulator.observe import FaultMark, Replication

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["draw_strip", "faults_within", "mark_faults", "shown_faults", "strip_height"]

#: Kinds of faults that have a line of their own; what is beyond shares the last one.
_MOST_KINDS = 6
#: The height of such a line in inches: a line of text, and the marks below it.
_LINE = 0.34


def shown_faults(replications: Sequence[Replication]) -> tuple[list[FaultMark], str]:
    """Return the faults to mark, and a remark where replications differ in them: then those of one are shown."""
    first = next((replication for replication in replications if replication.faults), None)
    if first is None:
        return [], ""
    same = all(replication.faults == first.faults for replication in replications)
    return first.faults, "" if same else f"faults marked are those of replication {first.index}"


def faults_within(faults: Sequence[FaultMark], end_s: float) -> list[FaultMark]:
    """Return those that touch the time from 0 to `end_s`, in order."""
    inside = [fault for fault in faults if fault.until_s >= 0.0 and fault.at_s < end_s]
    return sorted(inside, key=lambda fault: (fault.at_s, fault.name, fault.target))


def strip_height(faults: Sequence[FaultMark]) -> float:
    """Return how many inches `draw_strip` needs."""
    return _LINE * len(_kinds(faults))


def draw_strip(axes: Axes, theme: Theme, faults: Sequence[FaultMark]) -> None:
    """Draw what struck when on axes of their own, above those that share their time: each kind on a line, by name."""
    kinds = _kinds(faults)
    count = Counter(_line_of(fault, kinds) for fault in faults)
    for number, kind in enumerate(kinds):
        text = f"{kind} ×{count[kind]}" if count[kind] > 1 else kind
        axes.annotate(
            text, (0.0, number), (2, 1), xycoords=("axes fraction", "data"), textcoords="offset points",
            fontsize=8.5, color=theme.alarm_ink, va="bottom", ha="left", annotation_clip=False,
        )  # fmt: skip
        own = [fault for fault in faults if _line_of(fault, kinds) == kind]
        lasting = [(max(0.0, fault.at_s), fault.until_s - max(0.0, fault.at_s)) for fault in own]
        axes.broken_barh(
            [each for each in lasting if each[1] > 0.0], (number + 0.22, 0.16), color=theme.alarm, linewidth=0
        )
        axes.plot(
            [max(0.0, fault.at_s) for fault in own], [number + 0.32] * len(own), color=theme.alarm, linestyle="none",
            marker=7, markersize=6, clip_on=False,
        )  # fmt: skip
    axes.set_ylim(len(kinds) - 0.5, -0.65)
    axes.set_yticks([])
    axes.spines[["left", "bottom"]].set_visible(False)
    axes.tick_params(axis="x", bottom=False, labelbottom=False)


def mark_faults(axes: Axes, theme: Theme, faults: Sequence[FaultMark], end_s: float) -> None:
    """Mark each fault as a line, and as a band while it lasts, behind what is drawn."""
    for fault in faults:
        at_s = max(0.0, fault.at_s)
        axes.axvline(at_s, color=theme.alarm, linewidth=0.9, alpha=0.8, zorder=1.5)
        if fault.until_s > fault.at_s:
            axes.axvspan(at_s, min(fault.until_s, end_s), color=theme.alarm, alpha=0.14, linewidth=0, zorder=1)


def _kinds(faults: Sequence[FaultMark]) -> list[str]:
    kinds = list(dict.fromkeys(_name(fault) for fault in faults))
    return kinds if len(kinds) <= _MOST_KINDS else [*kinds[: _MOST_KINDS - 1], "other faults"]


def _name(fault: FaultMark) -> str:
    return label(f"{fault.name}({fault.target})", 40)


def _line_of(fault: FaultMark, kinds: Sequence[str]) -> str:
    name = _name(fault)
    return name if name in kinds else kinds[-1]
