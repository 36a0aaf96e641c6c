"""How charts look and how they become bytes: themes, axes, and SVG or PNG that is the same for the same data.

Colours are those of Okabe and Ito (*Color Universal Design*, 2008), which colour-blind readers tell apart; curves also
differ in dash and marker. In the theme `PAGE` every colour is a CSS variable, so that one inline SVG serves the light
and the dark variant of a page, and there is no caption, since the page has it as text. A narrow theme is for phones.
matplotlib is imported when the first chart is drawn, and pyplot never: figures are built without global state.
"""

from __future__ import annotations

import html
import io
import re
import textwrap
import unicodedata
import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = [
    "DARK",
    "DASHES",
    "LIGHT",
    "MARKERS",
    "PAGE",
    "PHONE",
    "Chart",
    "Theme",
    "label",
    "legend_above",
    "new_figure",
    "variables",
]

#: Characters of a name that a chart shows.
_NAME_LIMIT = 32
#: The width of a figure that is drawn for a phone, in inches: some 390 CSS pixels without the margins of the page.
_NARROW = 4.7
_POINTS = 72
#: Curves of one chart, one after another: what tells them apart besides their colour.
DASHES: tuple[Any, ...] = ("-", (0, (5, 1.5)), (0, (1.5, 1.2)), (0, (5, 1.5, 1.2, 1.5)), (0, (9, 2)), (0, (3, 3)))
MARKERS = ("o", "s", "^", "D", "v", "P")


@dataclass(slots=True, frozen=True)
class Theme:
    """The colours of a chart, by role; `paper` is "none" where the page shows through.

    `alarm` fills, `alarm_ink` writes; `on_accent` writes on the accent. `captioned` says that title and note stand in
    the picture, `narrow` that it is drawn for a phone.
    """

    name: str
    paper: str
    ink: str
    muted: str
    grid: str
    accent: str
    on_accent: str
    second: str
    alarm: str
    alarm_ink: str
    kinds: dict[str, str]
    captioned: bool = True
    narrow: bool = False

    @property
    def curves(self) -> tuple[str, ...]:
        """The colours of several curves on one chart, one after another."""
        return (self.accent, self.second, *(self.kinds[kind] for kind in ("effect", "orchestration", "retry", "tool")))

    def roles(self) -> dict[str, str]:
        """Return the colours by the name of their CSS variable, without the paper."""
        named = {"ink": self.ink, "muted": self.muted, "grid": self.grid, "accent": self.accent}
        named |= {"on-accent": self.on_accent, "second": self.second, "alarm": self.alarm, "alarm-ink": self.alarm_ink}
        return named | {f"kind-{kind}": colour for kind, colour in self.kinds.items()}


LIGHT = Theme(
    name="light",
    paper="#ffffff",
    ink="#1b1f24",
    muted="#5c6670",
    grid="#e3e7eb",
    accent="#0072b2",
    on_accent="#ffffff",
    second="#e69f00",
    alarm="#d55e00",
    alarm_ink="#a63d00",
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
    on_accent="#10151a",
    second="#f0b429",
    alarm="#f2793a",
    alarm_ink="#ff9c66",
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
        on_accent=next(codes),
        second=next(codes),
        alarm=next(codes),
        alarm_ink=next(codes),
        kinds={kind: next(codes) for kind in LIGHT.kinds},
        captioned=False,
    )


PAGE = _sentinels()
PHONE = replace(PAGE, narrow=True)


def variables(theme: Theme) -> str:
    """Return the CSS declarations of the variables that SVGs of the theme `PAGE` refer to."""
    return " ".join(f"--chart-{role}: {colour};" for role, colour in theme.roles().items())


@dataclass(slots=True, frozen=True)
class Chart:
    """A picture that has not been drawn yet: `name` is fit for a file, `title` and `note` are for readers.

    `alt` says in words what is to be seen, for those who don't see it.
    """

    name: str
    title: str
    note: str
    draw: Callable[[Theme], Figure]
    alt: str = ""

    def svg(self, theme: Theme = PAGE) -> str:
        """Return an `<svg>` element, without prolog, whose ids begin with the name of the chart."""
        raw = self._save(theme, "svg", {"Date": None, "Creator": None}).decode("utf-8")
        raw = raw[raw.index("<svg") :]
        raw = re.sub(r"<metadata>.*?</metadata>|<!--.*?-->", "", raw, flags=re.DOTALL)
        raw = re.sub(r' (?:d|x|y|width|height|transform)="[^"<>]*"', _rounded, raw)
        prefix = f"{self.name}-narrow" if theme.narrow else self.name
        raw = re.sub(r'\bid="', f'id="{prefix}-', raw)
        raw = re.sub(r'xlink:href="#', f'xlink:href="#{prefix}-', raw)
        raw = re.sub(r"url\(#", f"url(#{prefix}-", raw)
        raw = raw.replace("'DejaVu Sans'", "'DejaVu Sans', Verdana, sans-serif")
        if theme.name == PAGE.name:
            for role, colour in PAGE.roles().items():
                raw = raw.replace(colour, f"var(--chart-{role})")
        told = f"{self.title}. {self.alt or self.note}"
        return raw.replace("<svg ", f'<svg role="img" aria-label="{_attribute(told)}" ', 1)

    def png(self, theme: Theme = LIGHT, dpi: int = 144) -> bytes:
        """Return a PNG at `dpi` dots an inch."""
        return self._save(LIGHT if theme.name == PAGE.name else theme, "png", {"Software": None}, dpi)

    def _save(self, theme: Theme, kind: str, metadata: dict[str, Any], dpi: int = 72) -> bytes:
        import matplotlib as mpl

        buffer = io.BytesIO()
        # Names in scripts that the font lacks are shown as boxes in a PNG; that is no reason to warn.
        with mpl.rc_context(_settings(theme)), warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            figure = self.draw(theme)
            if theme.captioned:
                _write_caption(figure, theme, self.title, self.note)
            figure.set_dpi(dpi)
            _settle(figure)
            figure.savefig(buffer, format=kind, metadata=metadata, dpi=dpi, facecolor=theme.paper)
        return buffer.getvalue()


def _settle(figure: Figure) -> None:
    """Lay the figure out, once, with axes at round places.

    The solver of the layout walks its terms by their addresses in memory: the last bits of what it finds differ from
    one drawing to the next, and with them names of clip paths that are hashes of places.
    """
    engine = figure.get_layout_engine()
    assert engine is not None
    engine.execute(figure)
    figure.set_layout_engine("none")
    for axes in figure.axes:
        x, y, width, height = (round(share, 4) for share in axes.get_position().bounds)
        axes.set_position((x, y, width, height))


def _rounded(attribute: re.Match[str]) -> str:
    """Hundredths of a point are enough, and a third of the bytes."""
    return re.sub(r"-?\d+\.\d{3,}", lambda found: f"{float(found[0]):.2f}".rstrip("0").rstrip("."), attribute[0])


def _write_caption(figure: Figure, theme: Theme, title: str, note: str) -> None:
    """Write the title, and under it in muted ink what the reader should know, above everything that is drawn."""
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    width, height = figure.get_size_inches()
    heads = textwrap.wrap(label(title, 120), max(10, int(width * 8.6)))
    # A figure keeps its unit: textwrap does not break at a space that is none.
    whole = re.sub(r"(\d) (?=(?:%|s|ms|min|h|d)\b|%)", "\\1\N{NO-BREAK SPACE}", label(note, 400))
    notes = textwrap.wrap(whole, max(10, int(width * 13.6)))
    taller = float(height) + (16.0 * len(heads) + 12.5 * len(notes) + 6.0) / _POINTS
    figure.set_size_inches(width, taller)
    engine = figure.get_layout_engine()
    assert isinstance(engine, ConstrainedLayoutEngine)
    engine.set(rect=(0.0, 0.0, 1.0, height / taller))
    at = taller - 5.0 / _POINTS
    for lines, size, step, colour, weight in (
        (heads, 12.5, 16.0, theme.ink, "bold"),
        (notes, 9.0, 12.5, theme.muted, "normal"),
    ):
        for line in lines:
            figure.text(0.09 / width, at / taller, line, fontsize=size, color=colour, fontweight=weight, va="top")
            at -= step / _POINTS


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


def new_figure(theme: Theme, width: float, height: float, *, narrow_height: float | None = None) -> Figure:
    """Return an empty figure of that size in inches, laid out so that no label is cut; narrow themes set the width."""
    from matplotlib.figure import Figure

    size = (_NARROW, narrow_height or height) if theme.narrow else (width, height)
    return Figure(figsize=size, layout="constrained")


def legend_above(axes: Axes, columns: int, *, line: bool = False) -> None:
    """Put the legend of axes above them, where it hides nothing; `line` says that a line of words stands there."""
    axes.legend(
        loc="lower right",
        bbox_to_anchor=(1.0, 1.0),
        ncols=columns,
        handlelength=2.4,
        borderaxespad=1.7 if line else 0.1,
        columnspacing=1.3,
    )


def label(name: str, limit: int = _NAME_LIMIT) -> str:
    """Return a name as a chart may show it: on one line, without control characters, at most `limit` long."""
    clean = "".join("\N{REPLACEMENT CHARACTER}" if unicodedata.category(c)[0] == "C" else c for c in name)
    return clean if len(clean) <= limit else clean[: limit - 1] + "…"


def _attribute(text: str) -> str:
    return html.escape(label(text, 600), quote=True)
