"""The specs that tests of the grammar run over."""

from __future__ import annotations

from pathlib import Path

from orchspec.grammar.source import Source

SPECS = Path(__file__).resolve().parents[2] / "specs"
CORE = ("briefing", "desk", "patterns")
ALL = tuple(sorted(SPECS.rglob("*.orch")))


def text(name: str) -> str:
    """The text of a spec of the gallery."""
    return (SPECS / f"{name}.orch").read_text(encoding="utf-8")


def source(name: str) -> Source:
    """A spec of the gallery as a source."""
    return Source(f"{name}.orch", text(name))
