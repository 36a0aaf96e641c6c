"""Spec text with a line table, and spans into it.

Offsets count characters (code points) from 0; lines and columns count from 1, in characters, as `orch check` and
editors report them. A line ends at LF, CRLF or a lone CR.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from dataclasses import field

from orchspec.slotted import dataclass

__all__ = ["Source", "Span"]

_NEWLINE = re.compile(r"\r\n|\n|\r")


@dataclass(frozen=True, slots=True, eq=False)
class Source:
    """One spec file: the name shown in diagnostics, and its text.

    Compared by identity: two readings of one file are two sources.
    """

    name: str
    text: str = field(repr=False)
    _line_starts: list[int] = field(init=False, repr=False, default_factory=list)

    def _starts(self) -> list[int]:
        # Filled on first use: most parses of a sound file never ask for a line.
        if not self._line_starts:
            self._line_starts.append(0)
            self._line_starts.extend(match.end() for match in _NEWLINE.finditer(self.text))
        return self._line_starts

    @property
    def line_count(self) -> int:
        """The number of lines, at least 1."""
        return len(self._starts())

    def position(self, offset: int) -> tuple[int, int]:
        """The line and column (both from 1) of a character offset; offsets outside the text are clamped."""
        offset = min(max(offset, 0), len(self.text))
        starts = self._starts()
        line = bisect_right(starts, offset)
        return line, offset - starts[line - 1] + 1

    def line_start(self, line: int) -> int:
        """The offset at which a line (from 1) starts."""
        return self._starts()[line - 1]

    def line_text(self, line: int) -> str:
        """The text of a line (from 1) without its line end; empty for lines that do not exist."""
        starts = self._starts()
        if not 1 <= line <= len(starts):
            return ""
        end = starts[line] if line < len(starts) else len(self.text)
        return self.text[starts[line - 1] : end].rstrip("\r\n")

    def span(self, start: int, end: int) -> Span:
        """The span of the characters from `start` up to, not including, `end`."""
        return Span(self, start, end)


@dataclass(frozen=True, slots=True)
class Span:
    """The characters of a source from `start` up to, not including, `end`; an empty span is a place between two."""

    source: Source
    start: int
    end: int

    @property
    def line(self) -> int:
        """The line of the first character, from 1."""
        return self.source.position(self.start)[0]

    @property
    def column(self) -> int:
        """The column of the first character, from 1."""
        return self.source.position(self.start)[1]

    @property
    def end_line(self) -> int:
        """The line of the place just after the last character, from 1."""
        return self.source.position(self.end)[0]

    @property
    def end_column(self) -> int:
        """The column of the place just after the last character, from 1."""
        return self.source.position(self.end)[1]

    @property
    def text(self) -> str:
        """The characters that the span covers."""
        return self.source.text[self.start : self.end]

    def to(self, other: Span) -> Span:
        """The smallest span that covers this one and `other`, of the same source."""
        return Span(self.source, min(self.start, other.start), max(self.end, other.end))

    def as_json(self) -> dict[str, str | int]:
        """The span as `orch check --format json` writes it."""
        line, column = self.source.position(self.start)
        end_line, end_column = self.source.position(self.end)
        return {
            "file": self.source.name,
            "line": line,
            "column": column,
            "end_line": end_line,
            "end_column": end_column,
        }

    def __str__(self) -> str:
        line, column = self.source.position(self.start)
        return f"{self.source.name}:{line}:{column}"
