"""Writes charts into a folder, each as PNG and SVG."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from orchspec.cli.files import write_text

if TYPE_CHECKING:
    from orchspec.cli.common import Terminal
    from orchspec.simulator.drawing import Chart

__all__ = ["save", "save_charts"]


def save(folder: Path, drawn: Sequence[Chart]) -> None:
    """Writes charts by their names.

    Raises:
        OSError: the folder cannot be made or written.
    """
    from orchspec.simulator.drawing import LIGHT

    folder.mkdir(parents=True, exist_ok=True)
    for chart in drawn:
        write_text(str(folder / f"{chart.name}.svg"), f"{chart.svg(LIGHT)}\n")
        (folder / f"{chart.name}.png").write_bytes(chart.png())


def save_charts(terminal: Terminal, folder: str, drawn: Sequence[Chart]) -> None:
    """Writes charts, and says so."""
    save(Path(folder), drawn)
    terminal.say(f"{folder}: {len(drawn)} chart{'s'[: len(drawn) != 1]}, each as PNG and SVG")
