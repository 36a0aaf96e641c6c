"""Data files that a spec names: whether they may be read, exist, and hold a column of the right kind.

Spec files are untrusted: nothing outside the spec's own folder is looked at, and of a file no more than its first
`LOOK_BYTES` bytes. What follows is checked by whoever reads the whole file.
"""

from __future__ import annotations

import math
from datetime import datetime
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Literal

from orchspec.grammar.spelling import nearest

__all__ = ["LOOK_BYTES", "ColumnKind", "column_problem"]

LOOK_BYTES = 1_000_000
"""How much of a data file is looked at."""

_ROWS_MAX = 1_000

ColumnKind = Literal["numbers", "times"]
"""`numbers`: every cell a finite number; `times`: numbers (seconds), or dates with times."""


def column_problem(folder: Path | None, file: str, column: str, kind: ColumnKind) -> str | None:
    """What is wrong with `column` of `file` (a path relative to `folder`), as a sentence; none when all is well.

    `folder` none is that of a text that came from no file: it has no data files.
    """
    posix, windows = PurePosixPath(file), PureWindowsPath(file)
    if posix.is_absolute() or windows.drive or windows.root or ".." in posix.parts + windows.parts or "\0" in file:
        return f'"{file}" lies outside the folder of the spec; data files are named relative to it'
    if folder is None:
        return f'"{file}" cannot be found, since this spec is not a file in a folder'
    path = folder / posix
    try:
        if not path.resolve().is_relative_to(folder.resolve()):
            return f'"{file}" is a link that leads outside the folder of the spec'
        if not path.is_file():
            return f'there is no file "{file}" beside the spec (in {folder})'
        with path.open("rb") as stream:
            head = stream.read(LOOK_BYTES + 1)
    except (OSError, RuntimeError, ValueError) as error:  # RuntimeError: a loop of links
        return f'"{file}" cannot be read: {error}'
    return _table_problem(file, head, column, kind)


def _table_problem(file: str, head: bytes, column: str, kind: ColumnKind) -> str | None:
    import csv  # only specs that name data need it

    try:
        text = head[:LOOK_BYTES].decode("utf-8-sig", "strict" if len(head) <= LOOK_BYTES else "ignore")
    except UnicodeDecodeError:
        return f'"{file}" is not UTF-8 text'
    lines = text.splitlines()
    if len(head) > LOOK_BYTES:
        lines = lines[:-1]  # the last line was cut by the look, not by its writer
    try:
        rows = csv.reader(lines)
        names = [name.strip() for name in next(rows, [])]
        if column not in names:
            close = nearest(column, names)
            hint = f'; did you mean "{close}"?' if close else f"; it has {', '.join(names[:12]) or 'no columns'}"
            return f'"{file}" has no column "{column}"{hint}'
        place = names.index(column)
        count = 0
        for number, row in enumerate(rows, start=2):
            if not row:
                continue
            cell = row[place].strip() if place < len(row) else ""
            if not _fits(cell, kind):
                what = "a number" if kind == "numbers" else "a time"
                return f'column "{column}" of "{file}" holds {cell[:40]!r} in line {number}, which is not {what}'
            count += 1
            if count == _ROWS_MAX:
                break
    except csv.Error as error:
        return f'"{file}" is not CSV: {error}'
    return None if count else f'"{file}" has no rows'


def _fits(cell: str, kind: ColumnKind) -> bool:
    try:
        return math.isfinite(float(cell))
    except ValueError:
        if kind == "numbers":
            return False
    try:
        datetime.fromisoformat(cell)
    except ValueError:
        return False
    return True
