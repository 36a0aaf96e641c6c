"""Reads and writes the files that a command was given, as text, whole, and never half-written."""

from __future__ import annotations

import contextlib
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from orchspec.cli.common import Misuse, did_you_mean

__all__ = ["STDIN", "NewFile", "NewFolder", "read_text", "shown_name", "write_text"]

STDIN: Final = "-"
"""The name under which a command reads standard input."""

# Above what the parser accepts, so that it is the parser that says a spec is too large; no more than that is read.
_LARGEST_FILE_BYTES: Final = 16 * 1024 * 1024
_MODE: Final = 0o644


def shown_name(path: str) -> str:
    """How reports name a file: as it was given, and standard input as `<stdin>`."""
    return "<stdin>" if path == STDIN else path


def read_text(path: str) -> str:
    """The text of a file, UTF-8 (a byte order mark is dropped); `-` is standard input.

    Raises:
        Misuse: the file is missing, a folder, unreadable, too large, or not UTF-8.
    """
    try:
        if path == STDIN:
            data = sys.stdin.buffer.read(_LARGEST_FILE_BYTES + 1)
        else:
            with Path(path).open("rb") as file:
                data = file.read(_LARGEST_FILE_BYTES + 1)
    except (OSError, ValueError) as error:  # ValueError: a null byte in the name
        raise Misuse(_unreadable(path, error), "unreadable_file") from error
    if len(data) > _LARGEST_FILE_BYTES:
        raise Misuse(f"{path} is larger than {_LARGEST_FILE_BYTES >> 20} MiB, too large for a spec", "too_large")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise Misuse(f"{path} is not UTF-8 (byte {error.start}); save it as UTF-8", "not_utf8") from error


if TYPE_CHECKING:
    _Kind = click.ParamType[str]
else:
    _Kind = click.ParamType  # generic only in recent versions of click


class NewFile(_Kind):
    """An option that names a file to write: what cannot be one is misuse at once, not after an hour of work."""

    name = "file"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The path as it was given; folders on its way need not be there yet."""
        if not value or Path(value).is_dir():
            self.fail(f"{value or 'nothing'} is no file to write; name one, such as {Path(value) / 'out'}", param, ctx)
        _reached(self, Path(value).parent, param, ctx)
        return value


class NewFolder(_Kind):
    """An option that names a folder to write into, which need not be there yet."""

    name = "folder"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The path as it was given."""
        _reached(self, Path(value), param, ctx)
        return value


def _reached(kind: _Kind, folder: Path, param: click.Parameter | None, ctx: click.Context | None) -> None:
    there = next((each for each in (folder, *folder.parents) if each.exists()), Path())
    if not there.is_dir():
        kind.fail(f"{there} is a file, expected a folder; name another", param, ctx)
    if not os.access(there, os.W_OK | os.X_OK):
        kind.fail(f"nothing can be written into {there}; name another folder", param, ctx)


def write_text(path: str, text: str) -> None:
    """Replaces or makes a file in one step, UTF-8: a crash leaves the old text or the new; mode and links stay.

    Folders on its way are made.

    Raises:
        OSError: the folder or the file can't be written; the file is as it was.
    """
    import tempfile  # only what writes needs it

    there = Path(path).resolve()
    mode = there.stat().st_mode & 0o777 if there.exists() else _MODE
    try:
        there.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{there.name}.", dir=there.parent)
    except OSError as error:  # the user knows nothing of the file beside it
        raise type(error)(error.errno, f"cannot be written: {error.strerror}", path) from None
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(text.encode())
            Path(name).chmod(mode)
        Path(name).replace(there)
    except BaseException:
        with contextlib.suppress(OSError):
            Path(name).unlink()
        raise


def _unreadable(path: str, error: Exception) -> str:
    if isinstance(error, FileNotFoundError):
        try:
            names = [entry.name for entry in os.scandir(Path(path).parent)]
        except OSError:
            names = []
        return f"there is no file {path}" + (did_you_mean(Path(path).name, names) or "; check the path")
    if isinstance(error, IsADirectoryError):
        return f"{path} is a folder, a file was expected; name the files in it: {Path(path) / '*.orch'}"
    return f"{path} can't be read: {getattr(error, 'strerror', None) or error}"
