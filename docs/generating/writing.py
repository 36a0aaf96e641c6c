"""Pages, tables and code as Markdown."""

from __future__ import annotations

from pathlib import Path
from typing import Final

__all__ = ["DOCS", "fenced", "flat", "page", "table"]

DOCS: Final = Path(__file__).resolve().parents[1]


def page(title: str, source: str, *parts: str) -> str:
    """A page: its title, what it is made from, and its parts with an empty line between them."""
    head = f"<!-- Made by docs/generate.py from {source}. Change it there, then run the script. -->"
    return "\n\n".join([f"# {title}", head, *(part.strip("\n") for part in parts if part)]) + "\n"


def table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    """A table; bars in cells are escaped."""
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def fenced(text: str, kind: str = "text") -> str:
    """A block of code, which may hold one itself."""
    ticks = "````" if "```" in text else "```"
    return f"{ticks}{kind}\n{text.rstrip()}\n{ticks}"


def flat(text: str | None) -> str:
    """A docstring as one line of Markdown."""
    return " ".join((text or "").split()).replace("``", "`")
