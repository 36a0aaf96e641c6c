"""Replications that are done, kept in a file, so that what was interrupted goes on where it was.

The file is a small SQLite database: a replication is there whole or not at all, whatever happens to the process. Each
is kept under a digest of all that it follows from (the plan without its spans and expectations, the load, the seed, the
data that was read, the version), so one file serves every setting of a sweep, and a spec that was changed finds nothing
of the old one. What is read is not trusted: it is checked for its size and its types, and nothing in it is evaluated.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
import zlib
from array import array
from dataclasses import dataclass, fields, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self, get_type_hints

from orchspec.compiler.plan import Source, canonical_json
from orchspec.runtime.errors import OrchError
from orchspec.simulator.observe import (
    Bar,
    EffectObservation,
    FaultMark,
    PoolObservation,
    Replication,
    RunObservation,
    Series,
)

if TYPE_CHECKING:
    from orchspec.compiler.plan import Plan, Scenario

__all__ = ["Kept", "KeptError", "digest_of", "pack", "unpack"]

FORMAT: Final = 1
_APPLICATION: Final = 0x6F726368  # "orch"
_BODY_MAX: Final = 1 << 29
"""Bytes of one replication, unpacked: more than this no simulation leaves behind."""


class KeptError(OrchError):
    """The file of kept replications cannot be used; the message says why and what to do."""

    code = "kept_replications"


def digest_of(plan: Plan, scenario: Scenario, data: object, **how: Any) -> str:
    """What replications are kept under: the hex digest of everything that they follow from.

    Args:
        plan: sealed.
        scenario: one of its scenarios; what it expects and how it is called change nothing.
        data: what was read from files (plain values).
        how: seed, size, the version of orch and the like.
    """
    bare = replace(plan, scenarios=[replace(scenario, node=0, name="", expects=[])], tests=[], source=Source(), hash="")
    rest = canonical_json([FORMAT, repr(data), how])
    return hashlib.sha256(f"{bare.sealed().hash} {rest}".encode()).hexdigest()


class Kept:
    """A file of replications. `found` counts those that were there.

    Args:
        path: made where it is missing.
        version: of orch; what another one kept is not found.

    Raises:
        KeptError: it is no such file, is damaged, or cannot be written.
    """

    def __init__(self, path: str | Path, version: str) -> None:
        self.path = str(path)
        self.version = version
        self.found = 0
        try:
            self._db = sqlite3.connect(self.path, timeout=30.0)
            self._open()
        except sqlite3.Error as error:
            raise self._told(error) from error

    def _open(self) -> None:
        (application,) = self._db.execute("PRAGMA application_id").fetchone()
        (version,) = self._db.execute("PRAGMA user_version").fetchone()
        (tables,) = self._db.execute("SELECT count(*) FROM sqlite_master").fetchone()
        if tables and application != _APPLICATION:
            raise KeptError(f"{self.path} holds something else, no kept replications; name another file")
        if tables and version != FORMAT:
            raise KeptError(f"{self.path} was kept by another version of orch; name another file")
        if not tables:
            with self._db:
                self._db.execute(f"PRAGMA application_id = {_APPLICATION}")
                self._db.execute(f"PRAGMA user_version = {FORMAT}")
                self._db.execute(
                    "CREATE TABLE IF NOT EXISTS replications (study TEXT NOT NULL, number INTEGER NOT NULL, "
                    "told TEXT NOT NULL, body BLOB NOT NULL, PRIMARY KEY (study, number)) WITHOUT ROWID"
                )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._db.close()

    def get(self, study: str, number: int) -> list[Replication] | None:
        """The replications that were kept under a digest and a number; None where none were.

        Raises:
            KeptError: the file is damaged.
        """
        query = "SELECT body FROM replications WHERE study = ? AND number = ?"
        try:
            row = self._db.execute(query, (study, number)).fetchone()
            if row is None:
                return None
            parts = unpack(row[0])
        except (sqlite3.Error, zlib.error, ValueError, TypeError, KeyError) as error:
            raise self._told(error) from error
        self.found += 1
        return parts

    def put(self, study: str, number: int, parts: list[Replication], told: str) -> None:
        """Keeps the replications of a number; `told` says to who opens the file what they are of.

        Raises:
            KeptError: it cannot be written.
        """
        try:
            with self._db:
                self._db.execute(
                    "INSERT OR REPLACE INTO replications VALUES (?, ?, ?, ?)", (study, number, told, pack(parts))
                )
        except sqlite3.Error as error:
            raise self._told(error) from error

    def _told(self, error: Exception) -> KeptError:
        if isinstance(error, sqlite3.OperationalError):
            return KeptError(f"{self.path} cannot be used ({error}); check that its folder is there and may be written")
        return KeptError(f"{self.path} is damaged ({error}); remove it or name another file, and begin again")


# ------------------------------------------------------------------ a replication as bytes


def pack(parts: list[Replication]) -> bytes:
    """Replications as bytes; one that stands there twice is written once."""
    different: list[Replication] = []
    order = []
    for part in parts:
        at = next((at for at, known in enumerate(different) if known is part), len(different))
        if at == len(different):
            different.append(part)
        order.append(at)
    document = {"order": order, "parts": [_plain(part) for part in different]}
    return zlib.compress(json.dumps(document, separators=(",", ":")).encode(), 1)


def unpack(body: bytes) -> list[Replication]:
    """What `pack` made; the same object where it was the same. Raises ValueError, TypeError, KeyError, zlib.error."""
    reader = zlib.decompressobj()
    text = reader.decompress(body, _BODY_MAX)
    if not reader.eof:
        raise ValueError("a replication ends too early, or is too large")
    document = json.loads(text)
    parts = [_replication(each) for each in document["parts"]]
    order = document["order"]
    if not all(isinstance(at, int) and 0 <= at < len(parts) for at in order):
        raise ValueError("a replication refers to none that is there")
    return [parts[at] for at in order]


_LISTS: Final = {"runs": RunObservation, "effects": EffectObservation, "faults": FaultMark, "sample_gantt": Bar}
_POOL: Final = tuple(name for name in PoolObservation.__slots__)


@dataclass(slots=True)
class _Pool:
    """What a pool consists of, for checking it."""

    name: str
    kind: str
    slots: int | None
    members: tuple[str, ...]
    series: dict[str, tuple[float, list[float]] | None]
    rest: dict[str, int | float | str]


def _plain(replication: Replication) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for field in fields(Replication):
        value = getattr(replication, field.name)
        if field.name in _LISTS and value is not None:
            names = [each.name for each in fields(_LISTS[field.name])]
            # By columns: what is alike stands together, and the names are written once.
            value = {name: [getattr(item, name) for item in value] for name in names}
        elif field.name == "pools":
            value = [_plain_pool(pool) for pool in value]
        found[field.name] = value
    return found


def _plain_pool(pool: PoolObservation) -> dict[str, Any]:
    found: dict[str, Any] = {"series": {}, "rest": {}}
    for name in _POOL:
        value = getattr(pool, name)
        if name in {"name", "kind", "slots", "members"}:
            found[name] = value
        elif isinstance(value, Series) or value is None:
            found["series"][name] = None if value is None else [value.bin_s, value.sums.tolist()]
        else:
            found["rest"][name] = value
    return found


def _replication(plain: dict[str, Any]) -> Replication:
    found: dict[str, Any] = {}
    for name, hint in _hints().items():
        value = plain[name]
        if name == "pools":
            found[name] = [_pool(_adapter(_Pool).validate_python(each)) for each in value]
            continue
        if name in _LISTS and value is not None:
            rows = zip(*value.values(), strict=True)
            value = [dict(zip(value, row, strict=True)) for row in rows]
        found[name] = _adapter(hint).validate_python(value)
    return Replication(**found)


def _pool(plain: _Pool) -> PoolObservation:
    made = PoolObservation(plain.name, plain.kind, plain.slots, 1.0, plain.members)
    for name, known in plain.series.items():
        series = None
        if known is not None:
            series = Series(known[0])
            series.sums = array("d", known[1])
        setattr(made, name, series)
    for name, value in plain.rest.items():
        setattr(made, name, value)
    if set(plain.series) | set(plain.rest) | {"name", "kind", "slots", "members"} != set(_POOL):
        raise ValueError("a pool lacks something")
    return made


@cache
def _hints() -> dict[str, Any]:
    return get_type_hints(Replication)


@cache
def _adapter(kind: Any) -> Any:
    from pydantic import TypeAdapter

    return TypeAdapter(kind)
