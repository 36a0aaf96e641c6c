"""How charts look and how they become bytes: themes, axes, and SVG or PNG that is the same for the same data.

Colours are those of Okabe and Ito (*Color Universal Design*, 2008), which colour-blind readers tell apart. In the theme
`PAGE` every colour is a CSS variable, so that one inline SVG serves the light and the dark variant of a page.
matplotlib is imported when the first chart is drawn, and pyplot never: figures are built without global state.
"""

from __future__ import annotations

import html
import io
import re
import unicodedata
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from orchspec.simulator.units import time_scale

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["DARK", "LIGHT", "PAGE", "Chart", "Theme", "caption_axes", "label", "new_figure", "time_axis", "variables"]

#: Characters of a name that a chart shows.
_NAME_LIMIT = 32


@dataclass(slots=True, frozen=True)
class Theme:
    """The colours of a chart, by role; `paper` is "none" where the page shows through."""

    name: str
    paper: str
    ink: str
    muted: str
    grid: str
    accent: str
    second: str
    alarm: str
    kinds: dict[str, str]

    def roles(self) -> dict[str, str]:
        """Return the colours by the name of their CSS variable, without the paper."""
        named = {"ink": self.ink, "muted": self.muted, "grid": self.grid, "accent": self.accent}
        named |= {"second": self.second, "alarm": self.alarm}
        return named | {f"kind-{kind}": colour for kind, colour in self.kinds.items()}


LIGHT = Theme(
    name="light",
    paper="#ffffff",
    ink="#1b1f24",
    muted="#5c6670",
    grid="#e3e7eb",
    accent="#0072b2",
    second="#e69f00",
    alarm="#d55e00",
    kinds={
        "queue": "#c3c9d0",
        "model": "#0072b2",
        "tool": "#56b4e9",
        "human": "#e69f00",
        "retry": "#d55e00",
        "effect": "#009e73",
        "orchestration": "#cc79a7",
    },
)
DARK = Theme(
    name="dark",
    paper="#14181d",
    ink="#e8ecf0",
    muted="#9aa5b1",
    grid="#2b323a",
    accent="#4aa3df",
    second="#f0b429",
    alarm="#f2793a",
    kinds={
        "queue": "#59636e",
        "model": "#2f8fd0",
        "tool": "#8ccff5",
        "human": "#f0b429",
        "retry": "#f2793a",
        "effect": "#1fb98c",
        "orchestration": "#dd93be",
    },
)


def _sentinels() -> Theme:
    """Return a theme of colours that nothing else has, to be found again in the SVG and replaced by variables."""
    codes = iter(f"#0a{number:02x}0b" for number in range(1, 64))
    return Theme(
        name="page",
        paper="none",
        ink=next(codes),
        muted=next(codes),
        grid=next(codes),
        accent=next(codes),
        second=next(codes),
        alarm=next(codes),
        kinds={kind: next(codes) for kind in LIGHT.kinds},
    )


PAGE = _sentinels()


def variables(theme: Theme) -> str:
    """Return the CSS declarations of the variables that SVGs of the theme `PAGE` refer to."""
    return " ".join(f"--chart-{role}: {colour};" for role, colour in theme.roles().items())


@dataclass(slots=True, frozen=True)
class Chart:
    """A picture that has not been drawn yet: `name` is fit for a file, `title` and `note` are for readers."""

    name: str
    title: str
    note: str
    draw: Callable[[Theme], Figure]

    def svg(self, theme: Theme = PAGE) -> str:
        """Return an `<svg>` element, without prolog, whose ids begin with the name of the chart."""
        raw = self._save(theme, "svg", {"Date": None, "Creator": None}).decode("utf-8")
        raw = raw[raw.index("<svg") :]
        raw = re.sub(r"<metadata>.*?</metadata>", "", raw, flags=re.DOTALL)
        raw = re.sub(r'\bid="', f'id="{self.name}-', raw)
        raw = re.sub(r'xlink:href="#', f'xlink:href="#{self.name}-', raw)
        raw = re.sub(r"url\(#", f"url(#{self.name}-", raw)
        raw = raw.replace("'DejaVu Sans'", "'DejaVu Sans', Verdana, sans-serif")
        if theme is PAGE:
            for role, colour in PAGE.roles().items():
                raw = raw.replace(colour, f"var(--chart-{role}, {LIGHT.roles()[role]})")
        accessible = f'<svg role="img" aria-label="{_attribute(self.title)}" '
        return raw.replace("<svg ", accessible, 1)

    def png(self, theme: Theme = LIGHT, dpi: int = 144) -> bytes:
        """Return a PNG at `dpi` dots an inch."""
        return self._save(LIGHT if theme is PAGE else theme, "png", {"Software": None}, dpi)

    def _save(self, theme: Theme, kind: str, metadata: dict[str, Any], dpi: int = 72) -> bytes:
        import matplotlib as mpl

        buffer = io.BytesIO()
        # Names in scripts that the font lacks are shown as boxes in a PNG; that is no reason to warn.
        with mpl.rc_context(_settings(theme)), warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            figure = self.draw(theme)
            figure.savefig(buffer, format=kind, metadata=metadata, dpi=dpi, facecolor=theme.paper)
        return buffer.getvalue()


def _settings(theme: Theme) -> Any:
    # Any: the type of the names of settings differs between releases of matplotlib.
    return {
        "font.family": ["DejaVu Sans"],
        "font.size": 10.0,
        "svg.fonttype": "none",
        "svg.hashsalt": "orch",
        # A dollar sign in a name or a price is a dollar sign.
        "text.parse_math": False,
        "text.color": theme.ink,
        "axes.edgecolor": theme.muted,
        "axes.labelcolor": theme.muted,
        "axes.facecolor": "none",
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.axisbelow": True,
        "axes.unicode_minus": True,
        "xtick.color": theme.muted,
        "ytick.color": theme.muted,
        "grid.color": theme.grid,
        "grid.linewidth": 0.8,
        "lines.solid_capstyle": "round",
        "hatch.color": theme.ink,
        "hatch.linewidth": 0.6,
        "legend.frameon": False,
        "legend.fontsize": 9.0,
        "figure.edgecolor": "none",
    }


def new_figure(width: float, height: float) -> Figure:
    """Return an empty figure of that size in inches, laid out so that no label is cut."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def caption_axes(axes: Axes, theme: Theme, title: str, subtitle: str, *, room: float = 0.0) -> None:
    """Write a title, and under it in muted ink what the reader should know, flush left above the axes.

    `room` points are kept free between them and the axes, for labels of faults.
    """
    axes.set_title(title, loc="left", fontsize=12.5, fontweight="bold", color=theme.ink, pad=24 + room)
    axes.annotate(
        subtitle, (0.0, 1.0), (0, 8 + room), xycoords="axes fraction", textcoords="offset points",
        fontsize=9, color=theme.muted, va="bottom",
    ).set_in_layout(False)  # fmt: skip


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


def label(name: str, limit: int = _NAME_LIMIT) -> str:
    """Return a name as a chart may show it: on one line, without control characters, at most `limit` long."""
    clean = "".join("\N{REPLACEMENT CHARACTER}" if unicodedata.category(c)[0] == "C" else c for c in name)
    return clean if len(clean) <= limit else clean[: limit - 1] + "…"


def _attribute(text: str) -> str:
    return html.escape(label(text, 200), quote=True)
