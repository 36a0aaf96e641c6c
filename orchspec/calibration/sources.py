"""What a file holds: a store of runs, the records or the steps of a journal, or the rows of a trace.

Files are untrusted. They are read line by line, a line and their number are bounded, and what is no row is left out,
counted, and told with its line.
"""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from itertools import chain, islice
from pathlib import Path
from typing import IO, Any, Final

from orchspec.calibration.evidence import Gathered, NotCalibrated, clean
from orchspec.calibration.journals import JournalReader
from orchspec.calibration.rows import Columns, flat

__all__ = ["gather"]

LINE_MOST: Final = 4 * 2**20
ROWS_MOST: Final = 20_000_000
_TELL_EVERY: Final = 5_000
_SQLITE: Final = b"SQLite format 3\0"

Progress = Callable[[int], None]


def gather(source: str, columns: Columns, gathered: Gathered, progress: Progress | None = None) -> None:
    """Add what a source holds to what was gathered.

    Args:
        source: The path of a file; `-` is standard input.
        columns: Which columns of a trace hold what.
        gathered: What is added to.
        progress: Called with how many records or rows were read.

    Raises:
        NotCalibrated: It cannot be read, or is nothing of this kind; the message says what was expected.
        StoreError, CorruptStore: A store that is none, or broken.
    """
    if source != "-" and _head(source) == _SQLITE:
        _store(source, gathered, progress)
        return
    with _lines(source) as lines:
        first = next(lines, None)
        if first is None:
            raise NotCalibrated(f"{_shown(source)} is empty")
        again = chain([first], lines)
        start = first.lstrip()[:1]
        if start == "[":
            _documents(source, _whole(source, again), columns, gathered, progress)
        elif start == "{":
            _documents(source, _objects(source, again, gathered), columns, gathered, progress)
        else:
            _table(source, again, columns, gathered, progress)


def _shown(source: str) -> str:
    return "standard input" if source == "-" else clean(Path(source).name)


def _head(source: str) -> bytes:
    try:
        with Path(source).open("rb") as file:
            return file.read(len(_SQLITE))
    except (OSError, ValueError) as error:
        raise NotCalibrated(_unreadable(source, error)) from None


def _unreadable(source: str, error: Exception) -> str:
    if isinstance(error, FileNotFoundError):
        return (
            f"there is no file {source}; name a store (runs.db), a journal (JSON lines), or a trace (CSV, JSON lines)"
        )
    return f"{source} cannot be read: {getattr(error, 'strerror', None) or error}"


@contextmanager
def _lines(source: str) -> Iterator[Iterator[str]]:
    try:
        with _opened(source) as stream:
            yield _bounded(source, stream)
    except UnicodeDecodeError as error:
        raise NotCalibrated(f"{_shown(source)} is not UTF-8 ({error.reason}); save it as UTF-8") from None
    except OSError as error:
        raise NotCalibrated(_unreadable(source, error)) from None


@contextmanager
def _opened(source: str) -> Iterator[IO[str]]:
    if source == "-":
        yield sys.stdin
        return
    with Path(source).open(encoding="utf-8-sig", newline="") as stream:
        yield stream


def _bounded(source: str, stream: IO[str]) -> Iterator[str]:
    while line := stream.readline(LINE_MOST + 1):
        if len(line) > LINE_MOST:
            raise NotCalibrated(f"{_shown(source)} has a line of more than {LINE_MOST >> 20} MiB; is it a trace?")
        yield line


# ------------------------------------------------------------------ journals


def _store(source: str, gathered: Gathered, progress: Progress | None) -> None:
    from orchspec.runtime.driver.stored import pinned_plan
    from orchspec.runtime.errors import OrchError
    from orchspec.runtime.journal import SQLiteStore

    store = SQLiteStore(source, create=False)
    try:
        for row in {row.plan_hash: row for row in store.runs()}.values():
            try:
                plan = pinned_plan(store, row)
            except OrchError:
                continue  # its journals can be read all the same
            for agent in plan.agents.values():
                gathered.tools[agent.name] = tuple(agent.tools)
        reader = JournalReader(gathered)
        position = read = 0
        while part := store.weave(position):
            position = part[-1][0]
            for _, record in part:
                reader.take(record.run, record.time_us, record.type, record.body)
            read += len(part)
            if progress is not None:
                progress(read)
        reader.close()
    finally:
        store.close()


def _objects(source: str, lines: Iterator[str], gathered: Gathered) -> Iterator[tuple[int, dict[str, Any]]]:
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            found = json.loads(line)
        except (ValueError, RecursionError):
            found = None
        if isinstance(found, dict):
            yield number, found
        else:
            gathered.leave_out(f"{_shown(source)}, line {number}", "it is no JSON object")


def _whole(source: str, lines: Iterator[str]) -> Iterator[tuple[int, dict[str, Any]]]:
    """The items of one JSON list, as `orch journal --json` prints it."""
    size = 0
    parts = []
    for line in lines:
        size += len(line)
        if size > 64 * LINE_MOST:
            raise NotCalibrated(f"{_shown(source)} is one JSON list of more than {LINE_MOST >> 14} MiB; use JSON lines")
        parts.append(line)
    try:
        found = json.loads("".join(parts))
    except (ValueError, RecursionError) as error:
        raise NotCalibrated(f"{_shown(source)} begins as a JSON list, but is not JSON: {error}") from None
    for number, each in enumerate(found, 1):
        if isinstance(each, dict):
            yield number, each


def _documents(
    source: str,
    documents: Iterator[tuple[int, dict[str, Any]]],
    columns: Columns,
    gathered: Gathered,
    progress: Progress | None,
) -> None:
    """Records of journals, or rows of a trace: the first one says which."""
    first = next(documents, None)
    if first is None:
        raise NotCalibrated(f"{_shown(source)} holds no JSON object")
    documents = _counted(source, chain([first], documents), progress)
    if _is_record(first[1]):
        _records(source, documents, gathered)
    else:
        rows = ((number, flat(each)) for number, each in documents)
        _rows(source, rows, columns, gathered, list(flat(first[1])))


def _is_record(document: dict[str, Any]) -> bool:
    return isinstance(document.get("seq"), int) and isinstance(document.get("type"), str) and "time" in document


def _records(source: str, documents: Iterator[tuple[int, dict[str, Any]]], gathered: Gathered) -> None:
    reader = JournalReader(gathered)
    alone = 0  # records of `orch journal RUN` do not name their run
    for number, document in documents:
        try:
            if not _is_record(document):
                raise ValueError("it is no record of a journal")
            at = datetime.fromisoformat(str(document["time"]))
            time_us = round(at.timestamp() * 1e6)
        except (ValueError, OverflowError, OSError) as error:
            gathered.leave_out(f"{_shown(source)}, line {number}", str(error)[:120])
            continue
        if "run" not in document and document["seq"] == 1:
            alone += 1
        run = str(document.get("run", f"{_shown(source)} {alone}"))
        reader.take(run, time_us, document["type"], document)
    reader.close()


# ------------------------------------------------------------------ traces


def _table(source: str, lines: Iterator[str], columns: Columns, gathered: Gathered, progress: Progress | None) -> None:
    head = next(lines)
    separator = max((",", ";", "\t"), key=head.count)
    rows = csv.reader(chain([head], lines), delimiter=separator)
    try:
        names = [name.strip() for name in next(rows)]
        cells = _counted(source, ((rows.line_num, row) for row in rows if row), progress)
        _rows(source, _named(source, names, cells, gathered), columns, gathered, names)
    except csv.Error as error:
        raise NotCalibrated(f"{_shown(source)}, line {rows.line_num}: not CSV: {error}") from None


def _named(
    source: str, names: list[str], cells: Iterator[tuple[int, list[str]]], gathered: Gathered
) -> Iterator[tuple[int, dict[str, Any]]]:
    for number, row in cells:
        if len(row) != len(names):
            gathered.leave_out(f"{_shown(source)}, line {number}", f"{len(row)} cells, expected {len(names)}")
        else:
            yield number, dict(zip(names, row, strict=True))


def _rows(
    source: str,
    rows: Iterator[tuple[int, dict[str, Any]]],
    columns: Columns,
    gathered: Gathered,
    names: list[str],
) -> None:
    columns.check(names, _shown(source))
    for number, row in rows:
        try:
            one = columns.read(row)
            problem = gathered.add(one) if one is not None else None
        except ValueError as error:
            problem = str(error)
        if problem is not None:
            gathered.leave_out(f"{_shown(source)}, line {number}", problem)


def _counted(source: str, items: Iterator[tuple[int, Any]], progress: Progress | None) -> Iterator[tuple[int, Any]]:
    for count, item in enumerate(islice(items, ROWS_MOST + 1), 1):
        if count > ROWS_MOST:
            raise NotCalibrated(f"{_shown(source)} has more than {ROWS_MOST} rows; sample them")
        if progress is not None and count % _TELL_EVERY == 0:
            progress(count)
        yield item
