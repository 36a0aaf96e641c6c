"""Writes the pages of the reference that are made from the code: `.venv/bin/python docs/generate.py`.

A page is a function of `docs/generating/` that gives its path and its text; `tests/docs/test_generated.py` holds that
the committed pages are what these functions give.
"""

# ruff: noqa: INP001 - a script, not a package

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from typing import Final

from generating.interfaces import commands, python
from generating.language import attributes, diagnostics, library, vocabulary
from generating.runs import journal, state_machines
from generating.studies import distributions, faults, kpis
from generating.writing import DOCS

__all__ = ["PAGES", "main", "pages"]

PAGES: Final[tuple[Callable[[], Iterator[tuple[str, str]]], ...]] = (
    commands,
    diagnostics,
    kpis,
    faults,
    distributions,
    vocabulary,
    attributes,
    journal,
    state_machines,
    python,
    library,
)


def pages() -> dict[str, str]:
    """The text of every generated page, by its path below `docs/`."""
    return {path: text for make in PAGES for path, text in make()}


def main() -> None:
    """Writes the pages that have changed."""
    for name, text in pages().items():
        path = DOCS / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists() or path.read_text("utf-8") != text:
            path.write_text(text, "utf-8")
            sys.stdout.write(f"docs/{name}\n")


if __name__ == "__main__":
    main()
