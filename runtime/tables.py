"""Columns of CSV files, for `empirical` and `trace`: read whole, proved to be numbers or times, never outside a folder.

A file has a header row, is UTF-8 with or without a byte order mark, and is read with the standard library's csv. A
column holds numbers or timestamps; the first row decides which. Timestamps are `2023-11-16 18:17:03.9799600`, with a
space or a T, up to nine digits of fraction, and `Z`, `+02:00` or nothing (UTC) at the end; they are kept in whole
nanoseconds, so no digit is lost before the difference to the first is taken.
"""

from __future__ import annotations

import csv
import math
import os
import re
import stat
from collections.abc import Callable, Iterable, Iterator
from datetime import date
from functools import lru_cache
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import ClassVar, Final, TextIO, TypeVar

from orchspec.runtime.errors import OrchError

__all__ = ["BYTES_MAX", "ROWS_MAX", "TableError", "locate", "read_column", "read_columns", "read_times"]

BYTES_MAX: Final = 64 * 2**20
ROWS_MAX: Final = 5_000_000

_CELL_MAX: Final = 64
_SECONDS_MAX: Final = 1e12
_NS: Final = 1_000_000_000
_TIMESTAMP: Final = re.compile(
    r"([0-9]{4})-([0-9]{2})-([0-9]{2})[ Tt]([0-9]{2}):([0-9]{2}):([0-9]{2})(?:\.([0-9]{1,9}))?"
    r"(?:[Zz]|([+-])([0-9]{2}):([0-9]{2}))?"
)
_DECIMAL: Final = re.compile(r"([+-]?)([0-9]+)(?:\.([0-9]*))?")
_T = TypeVar("_T")


class TableError(OrchError):
    """A file or a column that cannot be read as numbers or times."""

    code: ClassVar[str] = "bad_table"


def locate(base: Path | str, file: str) -> Path:
    """The path of a file that a spec names, proved to be a regular file inside a folder.

    Args:
        base: The folder; the spec's own.
        file: Relative to it, with forward slashes.

    Raises:
        TableError: The name is absolute, or leads out of the folder (also by a symbolic link), or no file is there.
    """
    if not file or "\0" in file or PurePosixPath(file).is_absolute() or PureWindowsPath(file).anchor:
        raise TableError(f"{_quoted(file)} is no relative path; name a file inside the spec's folder")
    try:
        folder = Path(base).resolve(strict=True)
        path = (folder / file).resolve(strict=True)
    except FileNotFoundError:
        raise TableError(f"{_quoted(file)} does not exist in {base}") from None
    except (OSError, RuntimeError, ValueError) as error:
        raise TableError(f"{_quoted(file)} cannot be found: {_reason(error)}") from None
    if not path.is_relative_to(folder):
        raise TableError(f"{_quoted(file)} leads out of {base}; copy it into the spec's folder")
    if not path.is_file():
        raise TableError(f"{_quoted(file)} is no regular file")
    return path


def read_column(path: Path | str, column: str) -> list[float]:
    """The numbers of a column, in the order of the rows; of a column of timestamps, seconds since its first row.

    Args:
        path: Of the file, as `locate` gives it.
        column: As the header row names it, spaces around it ignored.

    Raises:
        TableError: The file or the column cannot be read, is empty, too large (BYTES_MAX, ROWS_MAX), or holds something
            else; the message names the file, the column, the line and what was found.
    """
    cells = _cells(Path(path), column)
    line, text = next(cells)
    if _TIMESTAMP.fullmatch(text) is None:
        numbers = [_convert(path, column, line, text, _number)]
        numbers.extend(_convert(path, column, line, text, _number) for line, text in cells)
        return numbers
    first = _convert(path, column, line, text, _timestamp_ns)
    seconds = [0.0]
    seconds.extend((_convert(path, column, line, text, _timestamp_ns) - first) / _NS for line, text in cells)
    return seconds


def read_times(path: Path | str, column: str) -> list[int]:
    """The arrivals of a trace: microseconds since the earliest, sorted, from a column of timestamps or of seconds.

    Halves of a microsecond are rounded up. Arguments and errors as of `read_column`.
    """
    cells = _cells(Path(path), column)
    line, text = next(cells)
    parse = _seconds_ns if _TIMESTAMP.fullmatch(text) is None else _timestamp_ns
    times = [_convert(path, column, line, text, parse)]
    times.extend(_convert(path, column, line, text, parse) for line, text in cells)
    times.sort()
    first = times[0]
    return [(time - first + 500) // 1000 for time in times]


def read_columns(base: Path | str, wanted: Iterable[tuple[str, str]]) -> dict[tuple[str, str], list[float]]:
    """All columns that distributions read, by (file, column), as `orchspec.runtime.distributions` takes them."""
    return {(file, column): read_column(locate(base, file), column) for file, column in sorted(wanted)}


# ------------------------------------------------------------------ rows


def _cells(path: Path, column: str) -> Iterator[tuple[int, str]]:
    """The cells of a column with the lines they end on; at least one."""
    try:
        with _open(path) as stream:
            yield from _read(path, column, stream)
    except OSError as error:
        raise TableError(f"{path.name} cannot be read: {_reason(error)}") from None
    except UnicodeDecodeError as error:
        raise TableError(f"{path.name} is not UTF-8 ({error.reason}); save it as UTF-8") from None


def _open(path: Path) -> TextIO:
    """Opens a regular file of at most BYTES_MAX bytes; asking the open file leaves no time to exchange it."""
    patient = getattr(os, "O_NONBLOCK", 0)  # else opening a pipe would wait for who writes to it
    stream = open(path, encoding="utf-8-sig", newline="", opener=lambda name, flags: os.open(name, flags | patient))  # noqa: SIM115
    status = os.fstat(stream.fileno())
    if stat.S_ISREG(status.st_mode) and status.st_size <= BYTES_MAX:
        return stream
    stream.close()
    if not stat.S_ISREG(status.st_mode):
        raise TableError(f"{path.name} is no regular file")
    raise TableError(f"{path.name} has {status.st_size} bytes; at most {BYTES_MAX} are read: sample its rows")


def _read(path: Path, column: str, stream: TextIO) -> Iterator[tuple[int, str]]:
    rows = csv.reader(stream)
    count = 0
    try:
        header = [name.strip() for name in next(rows, [])]
        if header.count(column.strip()) != 1:
            found = "more than once" if column.strip() in header else f"not; found {_names(header)}"
            raise TableError(f"{path.name} has column {_quoted(column)} {found}; expected it once in its first row")
        place = header.index(column.strip())
        for row in rows:
            if not row:
                continue
            count += 1
            if count > ROWS_MAX:
                raise TableError(f"{path.name} has more than {ROWS_MAX} rows; sample them")
            if len(row) <= place:
                raise TableError(
                    f"{path.name}, line {rows.line_num}: found {len(row)} cells, expected at least {place + 1}"
                    f" (column {_quoted(column)}); complete the row or remove it"
                )
            yield rows.line_num, row[place].strip()
    except csv.Error as error:
        raise TableError(f"{path.name}, line {rows.line_num}: not CSV: {error}") from None
    if not count:
        raise TableError(f"{path.name} has no rows below its header; column {_quoted(column)} needs at least one")


def _convert(path: Path | str, column: str, line: int, text: str, parse: Callable[[str], _T]) -> _T:
    try:
        return parse(text)
    except ValueError as error:
        expected = error.args[0]
        raise TableError(
            f"{Path(path).name}, line {line}, column {_quoted(column)}: found {_quoted(text)}, expected {expected}"
        ) from None


# ------------------------------------------------------------------ values; a ValueError says what was expected


def _number(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value) or "_" in text or not text.isascii() or len(text) > _CELL_MAX:
        raise ValueError("a number")
    return value


def _seconds_ns(text: str) -> int:
    """Seconds as nanoseconds, without a loss where they are written without an exponent."""
    seconds = _number(text)
    if abs(seconds) > _SECONDS_MAX:
        raise ValueError(f"seconds between -{_SECONDS_MAX:g} and {_SECONDS_MAX:g}")
    parts = _DECIMAL.fullmatch(text)
    if parts is None:
        return round(seconds * _NS)
    sign, whole, fraction = parts.groups()
    value = int(whole) * _NS + int((fraction or "")[:9].ljust(9, "0"))
    return -value if sign == "-" else value


def _timestamp_ns(text: str) -> int:
    """Nanoseconds since the first day of the calendar."""
    parts = _TIMESTAMP.fullmatch(text)
    if parts is None:
        raise ValueError("a timestamp such as 2023-11-16 18:17:03.97996")
    year, month, day, hour, minute, second, fraction, sign, zone_hour, zone_minute = parts.groups()
    if int(hour) > 23 or int(minute) > 59 or int(second) > 59 or int(zone_hour or 0) > 23 or int(zone_minute or 0) > 59:
        raise ValueError("a time of a day")
    seconds = _day(year, month, day) * 86_400 + int(hour) * 3600 + int(minute) * 60 + int(second)
    if sign:
        offset = int(zone_hour) * 3600 + int(zone_minute) * 60
        seconds -= offset if sign == "+" else -offset
    return seconds * _NS + int((fraction or "").ljust(9, "0"))


@lru_cache(maxsize=64)
def _day(year: str, month: str, day: str) -> int:
    try:
        return date(int(year), int(month), int(day)).toordinal()
    except ValueError:
        raise ValueError("a day of the calendar") from None


# ------------------------------------------------------------------ messages


def _quoted(text: str) -> str:
    return repr(text if len(text) <= 60 else text[:57] + "...")


def _names(header: list[str]) -> str:
    shown = ", ".join(_quoted(name) for name in header[:20])
    return (shown or "an empty file") + (", ..." if len(header) > 20 else "")


def _reason(error: Exception) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or str(error)
