"""Lines of formatted text, and the alignment of columns that the text had.

A piece is padded when the text has more space before it than its neighbours need. Runs of successive lines that have
a piece at one column of the text, at least one of them padded, are a column: in the formatted text they stand at one
column again, the least that has room for all. So alignment is kept where somebody made it, and never made up.
"""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["WIDTH", "Line", "Piece", "align"]

WIDTH = 120
"""The columns of a line."""


class Piece:
    """A token or a comment, with its place in the text: `line` and `end_line` from 1, `column` from 1."""

    __slots__ = ("column", "end", "end_line", "kind", "line", "start", "text")

    def __init__(self, kind: str, text: str, start: int, end: int) -> None:
        self.kind = kind
        self.text = text
        self.start = start
        self.end = end
        self.line = self.column = self.end_line = 0


class Line:
    """One line of formatted text: its indentation, its pieces and the spaces before each."""

    __slots__ = ("blank_before", "gaps", "indent", "indices", "pieces")

    def __init__(self, indent: int, blank_before: bool) -> None:
        self.indent = indent
        self.blank_before = blank_before
        self.indices: list[int] = []
        self.pieces: list[Piece] = []
        self.gaps: list[int] = []

    def add(self, index: int, piece: Piece, gap: int) -> None:
        """Puts a piece at the end, `gap` spaces behind the one before."""
        self.indices.append(index)
        self.gaps.append(gap if self.pieces else 0)
        self.pieces.append(piece)

    def starts(self) -> list[int]:
        """The column, from 0, of each piece."""
        column = self.indent
        result: list[int] = []
        for piece, gap in zip(self.pieces, self.gaps, strict=True):
            column += gap
            result.append(column)
            column += len(piece.text)
        return result

    def column_of(self, index: int) -> int:
        """The column, from 0, of the piece with that index in the file."""
        return self.starts()[index - self.indices[0]]

    def width(self) -> int:
        """The number of columns, a comment at the end not counted; lines that hold a line end are never too wide."""
        if any("\n" in piece.text for piece in self.pieces):
            return 0
        last = self.pieces[-1]
        starts = self.starts()
        if last.kind == "COMMENT":
            return starts[-1] - self.gaps[-1]
        return starts[-1] + len(last.text)

    def render(self) -> str:
        """The line as text, with its line end and a blank line before where there is one."""
        body = "".join(" " * gap + piece.text for piece, gap in zip(self.pieces, self.gaps, strict=True))
        return ("\n" if self.blank_before else "") + " " * self.indent + body + "\n"


def align(lines: Sequence[Line]) -> None:
    """Aligns what was aligned in the text, by widening gaps."""
    run: list[Line] = []
    for line in lines:
        if run and (line.blank_before or not _successive(run[-1], line)):
            _align_run(run)
            run = []
        run.append(line)
    _align_run(run)


def _successive(upper: Line, lower: Line) -> bool:
    """Whether two lines are, whole, two successive lines of the text, equally deep."""
    return (
        lower.indent == upper.indent
        and upper.pieces[0].line == upper.pieces[-1].line
        and lower.pieces[0].line == lower.pieces[-1].line == upper.pieces[0].line + 1
    )


def _align_run(run: Sequence[Line]) -> None:
    if len(run) < 2:
        return
    places = [
        {(piece.column, piece.kind): position for position, piece in enumerate(line.pieces) if position} for line in run
    ]
    for column in sorted(set().union(*places)):
        first = 0
        while first < len(run):
            if column not in places[first]:
                first += 1
                continue
            last = first
            while last + 1 < len(run) and column in places[last + 1]:
                last += 1
            members = [
                (line, place[column])
                for line, place in zip(run[first : last + 1], places[first : last + 1], strict=True)
            ]
            if len(members) > 1 and any(_padded(line, position) for line, position in members):
                _widen(members)
            first = last + 1


def _widen(members: Sequence[tuple[Line, int]]) -> None:
    """Brings pieces of several lines to one column, unless a line would grow beyond `WIDTH`."""
    target = max(line.starts()[position] for line, position in members)
    missing = [target - line.starts()[position] for line, position in members]
    if any(more and line.width() + more > WIDTH for (line, _), more in zip(members, missing, strict=True)):
        return
    for (line, position), more in zip(members, missing, strict=True):
        if line.gaps[position]:
            line.gaps[position] += more


def _padded(line: Line, position: int) -> bool:
    before, piece = line.pieces[position - 1], line.pieces[position]
    spaces = piece.column - before.column - len(before.text)
    return 0 < line.gaps[position] < spaces
