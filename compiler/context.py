"""What all passes share: the checked spec that grows, the report, and where an expression stands."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from collections.abc import Set as AbstractSet
from dataclasses import replace
from typing import Any, TypeAlias

from orchspec.compiler.model import Checked, Frame, Module, Slot
from orchspec.compiler.report import Report
from orchspec.compiler.types import Type
from orchspec.grammar.syntax import Field, Node, Statement
from orchspec.slotted import dataclass

__all__ = ["DEMAND_DEPTH_MAX", "Context", "Env", "Fact", "Read"]

DEMAND_DEPTH_MAX = 40
"""How many statements deep a forward reference is followed; deeper ones are unknown until their turn comes."""

Fact: TypeAlias = tuple[Any, ...]
"""A slot and the names of fields read from it: what a condition can say is not none."""


@dataclass(frozen=True, slots=True)
class Env:
    """Where an expression is evaluated.

    `frame` is the innermost frame; `at` are the blocks around with the statement of each that is being checked, the
    innermost last; `facts` are the optionals known to be something; `seen` bounds the slots of a declaration's frame
    that may be read (`where` and defaults see earlier ones only), `seeing` says so in words.
    """

    frame: Frame
    at: tuple[tuple[Frame, Statement], ...] = ()
    facts: frozenset[Fact] = frozenset()
    seen: int | None = None
    seeing: str = ""

    def within(self, frame: Frame) -> Env:
        """The same place, one frame further in."""
        return replace(self, frame=frame)

    def knowing(self, facts: AbstractSet[Fact]) -> Env:
        """The same place, with more known to be something."""
        return replace(self, facts=self.facts | facts) if facts else self


@dataclass(frozen=True, slots=True)
class Read:
    """One reading of a block's name: by which statement of that block, and where."""

    slot: Slot
    reader: Statement
    node: Node


class Context:
    """The state of one check. Passes add to `checked` and `report`, and never change the tree."""

    def __init__(self, checked: Checked, report: Report) -> None:
        self.checked = checked
        self.report = report
        self.reads: dict[Frame, list[Read]] = {}
        self.pending: dict[Slot, Callable[[], None]] = {}
        """How to find the type of a block's name that was not reached yet."""
        self.under_way: set[Slot] = set()
        """Names whose statement is being checked just now, so that their type may not be known yet."""
        self.self_typed: list[Field] = []
        """Fields of earlier rounds whose type was not known when they were read; a second look may have found it."""
        self.ambiguous: set[Slot] = set()
        """Names that shadow another or stand twice, which was reported: what they mean is anybody's guess."""
        self.used: set[object] = set()
        """The declarations that something refers to."""
        self.vague: set[object] = set()
        """Models and agents whose prices or caps could not be read, which was reported."""
        self.candidates = 0
        """How many pairs of a step and an agent that may take it were made."""
        self._depth = 0

    def module(self, at: Node) -> Module:
        """The names of the file in which a node stands; what stands in no file is read as if in the spec itself."""
        return self.checked.module_of.get(at.span.source) or self.checked.modules[0]

    def find(self, table: str, at: Node, text: str) -> Any | None:
        """What a name means where `at` stands, in one of the tables of `Checked`; dotted through imports. Or none."""
        found = self.module(at).find(table, text)
        if found is not None and "." in text:
            self.used.add(self.module(at).aliases.get(text.partition(".")[0]))
        return found

    def known(self, at: Node, *tables: str) -> Iterator[str]:
        """The names of these tables as they are written where `at` stands, for suggestions."""
        return self.module(at).names(*tables)

    def type_of(self, slot: Slot) -> Type:
        """The type of a slot; that of a name further down is found on demand."""
        work = self.pending.get(slot)
        if work is not None and self._depth < DEMAND_DEPTH_MAX:
            del self.pending[slot]  # before the work, so that names that need each other come to an end
            self._depth += 1
            try:
                work()
            finally:
                self._depth -= 1
        return slot.type

    def read(self, slot: Slot, node: Node, env: Env) -> None:
        """Notes that an expression reads a slot."""
        slot.read = True
        for frame, statement in env.at:
            if frame is slot.frame:
                self.reads.setdefault(frame, []).append(Read(slot, statement, node))
