"""What the names of one file mean: its own declarations, and through aliases those of the files that it imports.

A file that is imported with bindings is another file for each set of them, so that a name means one thing in a tree.
Each has a `Module`, found by the `Source` that its spans point into: a name means what the file says in which it
stands.
Declarations stand once in the tables of `Checked`, under names that are unique in the whole spec (`panel.Vote`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import field
from pathlib import PurePosixPath
from typing import Any

from orchspec.grammar.syntax import Attribute, File, Import, Node
from orchspec.slotted import dataclass

__all__ = ["Binding", "Module", "Place"]


@dataclass(frozen=True, slots=True)
class Place:
    """Where a file lies: a path relative to the folder of the spec, or to the bundled library."""

    path: PurePosixPath
    bundled: bool = False


@dataclass(slots=True, eq=False)
class Binding:
    """`name = value` of an import: what stands in for a declaration of the imported file.

    `table` is that of the declaration, `stand_in` what it declares itself: the least that `bound` must offer. `bound`
    is an info, or, for a type, the type itself; none until it was found, and where it could not be.
    """

    node: Attribute
    at: Module
    """Where `value` stands: the importer."""
    table: str
    declared: Node
    stand_in: Any = None
    bound: Any = None
    under_way: bool = False
    done: bool = False


@dataclass(slots=True, eq=False)
class Module:
    """The names of one file, with one set of bindings.

    `prefix` stands before the names of its declarations in the whole spec, and is empty for the spec itself.
    """

    file: File
    place: Place | None
    prefix: str = ""
    importer: Module | None = None
    asked: Import | None = None
    """The import that brought this file."""
    imports: dict[str, Import] = field(default_factory=dict)
    aliases: dict[str, Module | None] = field(default_factory=dict)
    """None: the import was refused, so nothing is said of the names under it."""
    tables: dict[str, dict[str, Any]] = field(default_factory=dict)
    """By the table of `Checked`, then by the name in this file."""
    bindings: dict[str, Binding] = field(default_factory=dict)
    opaque: set[str] = field(default_factory=set)
    """Names that constructs not built yet declare (refused already): nothing more is said about them."""
    identity: str | None = None
    """What tells its file from others; none for the spec itself."""
    shared: dict[str, Module] = field(default_factory=dict)
    """Types and contracts that are those of another module of the same file, since they read nothing bound."""
    spoilt: set[str] = field(default_factory=set)
    """What syntax errors stand in, of an imported file: nothing is read of it, and nothing is said of that."""
    misbound: bool = False
    """Whether something that was bound does not fit, which was reported: what follows from it is not told."""

    def own(self, table: str, name: str) -> Any | None:
        """The declaration of this file, or what is bound in its place."""
        return self.tables.get(table, {}).get(name)

    def add(self, table: str, name: str, info: Any) -> None:
        """Gives a name of this file its meaning."""
        self.tables.setdefault(table, {})[name] = info

    def reach(self, text: str) -> tuple[Module | None, str]:
        """The module that a dotted name leads into, and the name there; none where an import was refused."""
        module: Module | None = self
        while module is not None:
            first, dot, rest = text.partition(".")
            if not dot or first not in module.aliases:
                break
            module, text = module.aliases[first], rest
        return module, text

    def find(self, table: str, text: str) -> Any | None:
        """What a name written in this file means in a table of `Checked`, or none."""
        if "." not in text:
            return None if text in self.spoilt else self.own(table, text)
        module, name = self.reach(text)
        return None if module is None or name in module.spoilt else module.own(table, name)

    def is_opaque(self, text: str) -> bool:
        """Whether nothing should be said about a name that was not found: a hole, or part of what was refused."""
        if not text:
            return True
        module, name = self.reach(text)
        if module is None:
            return True
        first = name.partition(".")[0]
        if first in module.opaque or (first in module.aliases and module.aliases[first] is None):
            return True
        return first in module.spoilt or (module is not self and not module.file.sound)

    def names(self, *tables: str) -> Iterator[str]:
        """How the names of these tables are written in this file, those of imported files behind their aliases."""
        for table in tables:
            yield from self.tables.get(table, ())
        for alias, module in self.aliases.items():
            if module is not None:
                for table in tables:
                    yield from (f"{alias}.{name}" for name in module.tables.get(table, ()))
