"""The folder that the tour leaves: it makes what it needs there, again and again, and touches nothing else."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from orchspec.cli.files import write_text
from orchspec.runtime.errors import OrchError

__all__ = ["MANIFEST", "DemoFolder", "TakenFolder"]

MANIFEST: Final = ".orch-demo.json"
"""Where the folder keeps which files the tour made, and what it wrote into those that people are invited to change."""
_LARGEST_MANIFEST: Final = 1 << 20


class TakenFolder(OrchError):
    """There is something in the folder that the tour did not make, under a name that it needs."""

    code = "taken_folder"


class DemoFolder:
    """A folder for the tour.

    Args:
        path: of the folder; it is made where it is missing.

    Raises:
        OSError: it cannot be made or written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        path.mkdir(parents=True, exist_ok=True)
        self._made: dict[str, str | None] = dict(_read(path / MANIFEST))

    def claim(self, name: str) -> Path:
        """The path of a file that the tour is about to make; what an earlier tour left there is removed.

        Raises:
            TakenFolder: there is a file of that name that no tour made, or that was changed since.
        """
        path = self.path / name
        if path.is_symlink() or path.exists():
            self._check(name, path)
            path.unlink()
        self._made.setdefault(name, None)
        self._save()
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def write(self, name: str, content: str | bytes, *, keep_changes: bool = False) -> Path:
        """Make a file. With `keep_changes`, a later tour refuses to overwrite it once somebody has changed it.

        Raises:
            TakenFolder: as of `claim`.
        """
        path = self.claim(name)
        data = content.encode() if isinstance(content, str) else content
        path.write_bytes(data)
        if keep_changes:
            self._made[name] = hashlib.sha256(data).hexdigest()
            self._save()
        return path

    def _check(self, name: str, path: Path) -> None:
        other = "name another folder: orch demo --out DIR"
        if name not in self._made or path.is_symlink() or not path.is_file():
            raise TakenFolder(f"{path} is there already, and the tour did not make it; move it away, or {other}")
        written = self._made[name]
        if written is not None and hashlib.sha256(path.read_bytes()).hexdigest() != written:
            raise TakenFolder(f"{path} was changed since the tour made it, and is kept; {other}")

    def _save(self) -> None:
        # In one step: a tour that is interrupted must not lose the right to its own files.
        write_text(str(self.path / MANIFEST), json.dumps({"made": self._made}, indent=2, sort_keys=True) + "\n")


def _read(path: Path) -> Iterator[tuple[str, str | None]]:
    """The files of earlier tours; a manifest that is none claims nothing."""
    try:
        with path.open("rb") as file:
            document = json.loads(file.read(_LARGEST_MANIFEST))
        made = document["made"]
        yield from ((str(name), str(digest) if digest is not None else None) for name, digest in made.items())
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return
