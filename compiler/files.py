"""The files that a spec may import: beside it and below its folder, or in the bundled library. Nothing else is read.

Spec files are untrusted. A path is taken apart before it touches the disk: no absolute paths, no way out by `..`, no
links that lead out, no devices or pipes; a file is opened once and read up to a bound.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from itertools import islice
from pathlib import Path, PurePath, PurePosixPath, PureWindowsPath
from typing import Final

from orchspec.compiler.model.modules import Place
from orchspec.grammar.parser import BYTES_MAX
from orchspec.grammar.spelling import nearest
from orchspec.slotted import dataclass

__all__ = ["LIBRARY", "Files", "Found", "Unfound"]

LIBRARY: Final = "std"
"""The first part of the paths of the bundled library."""

_SUFFIX: Final = ".orch"
_LISTED_MAX: Final = 1_000
"""How many entries of a folder are looked at for a suggestion."""


@dataclass(frozen=True, slots=True)
class Found:
    """A file that may be imported: where it lies, how reports name it, its text, and what tells it from others."""

    place: Place
    name: str
    text: str
    identity: str


@dataclass(frozen=True, slots=True)
class Unfound:
    """Why nothing is imported: `kind` says which code it is, `suggestion` the path that may have been meant."""

    kind: str
    problem: str
    suggestion: str | None = None


class Files:
    """What the imports of one spec may read.

    `folder` is that of the spec file, none for a text that came from no file: it imports from the library alone.
    `shown` is the folder as reports show it; `instead` are texts, by what tells files from others, that count for what
    stands in those.
    """

    def __init__(
        self, folder: Path | None, shown: PurePath | None = None, instead: Mapping[str, str] | None = None
    ) -> None:
        self._instead = instead or {}
        self._folder = folder
        self._shown = shown if shown is not None else PurePath()
        # Not resolved: the four parts and the library are linked into the package.
        self._library = Path(__file__).parent.parent / "specs" / LIBRARY

    def find(self, path: str, importer: Place | None) -> Found | Unfound:
        """The file that `import "path"` means in a file that lies at `importer` (none: a text from no file)."""
        place = self._place(path, importer)
        if isinstance(place, Unfound):
            return place
        root = self._library if place.bundled else self._folder
        if root is None:
            problem = "this spec is not a file in a folder, so it can import from the library alone"
            return Unfound("missing", problem)
        return self._read(path, place, root)

    def _place(self, path: str, importer: Place | None) -> Place | Unfound:
        posix, windows = PurePosixPath(path), PureWindowsPath(path)
        if not path.strip() or "\0" in path:
            return Unfound("missing", "a path to a file is needed")
        if "\\" in path:
            return Unfound("outside", "parts of a path are separated by `/`", path.replace("\\", "/"))
        if posix.is_absolute() or windows.drive or windows.root:
            return Unfound("outside", "it is absolute; a path is relative to the file in which it stands")
        bundled = posix.parts[:1] == (LIBRARY,) and ".." not in posix.parts
        if bundled:
            parts: list[str] = []
            rest = posix.parts[1:]
        else:
            parts = [] if importer is None else list(importer.path.parent.parts)
            rest = posix.parts
            bundled = importer is not None and importer.bundled
        for part in rest:
            if part == "..":
                if not parts:
                    outside = "the library" if bundled else "the folder of the spec"
                    return Unfound("outside", f"it leads out of {outside}, and nothing is read from there")
                parts.pop()
            else:
                parts.append(part)
        return Place(PurePosixPath(*parts), bundled)

    def _read(self, path: str, place: Place, root: Path) -> Found | Unfound:
        file = root / place.path
        try:
            real = file.resolve()
            if not real.is_relative_to(root.resolve()):
                return Unfound("outside", "it is a link that leads out of the folder of the spec")
            if real.is_dir():
                return Unfound("unreadable", "it is a folder; name a file in it", self._inside(path, real))
            if not real.exists():
                return self._missing(path, place, file)
            if file.suffix != _SUFFIX or not real.is_file():
                return Unfound("unreadable", f"only files with a spec in them, `*{_SUFFIX}`, are imported")
            with real.open("rb") as stream:
                data = stream.read(BYTES_MAX + 1)
            # One byte too many is enough for the parser to say so; it may be half a character.
            text = data.decode("utf-8-sig", "strict" if len(data) <= BYTES_MAX else "replace")
        except UnicodeDecodeError as error:
            return Unfound("unreadable", f"it is not UTF-8 (byte {error.start}); save it as UTF-8")
        except (OSError, RuntimeError, ValueError) as error:  # RuntimeError: a loop of links
            return Unfound("unreadable", f"it cannot be read: {getattr(error, 'strerror', None) or error}")
        name = PurePosixPath(LIBRARY, place.path) if place.bundled else self._shown / place.path
        identity = os.fspath(real)
        return Found(place, str(name), self._instead.get(identity, text), identity)

    def _missing(self, path: str, place: Place, file: Path) -> Unfound:
        where = "in the library" if place.bundled else "there"
        names = list(_specs(file.parent))
        whole = f"{file.name}{_SUFFIX}"
        near = whole if whole in names else nearest(file.name, names) or nearest(whole, names)
        if near is not None:
            return Unfound("missing", f"there is no such file {where}", str(PurePosixPath(path).parent / near))
        if not place.bundled and place.path.parent == PurePosixPath():
            found = nearest(file.name, _specs(self._library))
            if found is not None:
                return Unfound("missing", "there is no such file there", f"{LIBRARY}/{found}")
        return Unfound("missing", f"there is no such file {where}")

    @staticmethod
    def _inside(path: str, folder: Path) -> str | None:
        names = list(_specs(folder))
        return f"{path.rstrip('/')}/{names[0]}" if len(names) == 1 else None


def _specs(folder: Path) -> Iterable[str]:
    try:
        with os.scandir(folder) as entries:
            return sorted(entry.name for entry in islice(entries, _LISTED_MAX) if entry.name.endswith(_SUFFIX))
    except OSError:
        return []
