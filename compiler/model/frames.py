"""Frames, their slots, and what names refer to; see the head of the package."""

from __future__ import annotations

from dataclasses import field
from typing import TYPE_CHECKING, Literal, TypeAlias

from orchspec.compiler.types import UNKNOWN, Type
from orchspec.grammar.syntax import Eval, Node
from orchspec.slotted import dataclass

if TYPE_CHECKING:
    from orchspec.compiler.model.declarations import AgentInfo, EnumInfo, ParamInfo

__all__ = [
    "BuiltinRef",
    "FactRef",
    "Frame",
    "GiverRef",
    "MemberRef",
    "MissingRef",
    "ParamRef",
    "Reference",
    "Slot",
    "SlotKind",
]

SlotKind: TypeAlias = Literal["local", "parameter", "field", "item", "it", "result", "past", "prev", "param"]


@dataclass(slots=True, eq=False)
class Frame:
    """Named slots in which expressions are evaluated.

    `node` is what the frame belongs to; `given` slots are filled when it starts; `parent` is the next frame outward.
    """

    node: Node
    parent: Frame | None = None
    slots: list[Slot] = field(default_factory=list)
    given: int = 0

    _by_name: dict[str, Slot] = field(default_factory=dict, repr=False)

    def add(self, name: str, kind: SlotKind, declared: Node, type_: Type = UNKNOWN) -> Slot:
        """A new slot at the end; if the name stands already, the first keeps it."""
        slot = Slot(name, kind, self, len(self.slots), declared, type_)
        self.slots.append(slot)
        self._by_name.setdefault(name, slot)
        return slot

    def find(self, name: str) -> Slot | None:
        """The slot of that name in this very frame, or none."""
        return self._by_name.get(name)

    def kept(self) -> list[Slot]:
        """What later rounds and visits may look back at: all that is not given, but for evals."""
        return [slot for slot in self.slots[self.given :] if not isinstance(slot.declared, Eval)]

    def names(self) -> list[str]:
        """The names of the slots, in order."""
        return [slot.name for slot in self.slots]


@dataclass(slots=True, eq=False)
class Slot:
    """A named place in a frame.

    `declared` is the statement, parameter or field that gives it (for `past`, `prev` the Repeat; for `it` the
    Arbitrate; for an item of a `for` the Step or Scope; for `result` the contract's or effect's declaration). `type` is
    filled when it is known. `read` says whether any expression reads it.
    """

    name: str
    kind: SlotKind
    frame: Frame
    index: int
    declared: Node
    type: Type = UNKNOWN
    read: bool = False


@dataclass(frozen=True, slots=True)
class Reference:
    """A Name that reads a slot: `["ref", up, slot.index]`."""

    slot: Slot
    up: int


@dataclass(frozen=True, slots=True)
class ParamRef:
    """A Name that reads a file's param: a constant, `param.value`."""

    param: ParamInfo


@dataclass(frozen=True, slots=True)
class MemberRef:
    """`Verdict.accept` (on the Field node), or a Text literal where an enum is expected."""

    enum: EnumInfo
    member: str


@dataclass(frozen=True, slots=True)
class GiverRef:
    """`votes[critic]` (on the Index node): what `agent` gave to that fan-out: `["giver", up, slot, agent]`."""

    slot: Slot
    up: int
    agent: AgentInfo


@dataclass(frozen=True, slots=True)
class MissingRef:
    """`missing(found)` (on the Call node): the failed items of that `for` step or scope: `["missing", up, slot]`."""

    slot: Slot
    up: int


@dataclass(frozen=True, slots=True)
class BuiltinRef:
    """A call of a built-in function other than `missing` (on the Call node)."""

    name: str


@dataclass(frozen=True, slots=True)
class FactRef:
    """A fact of a run in what a test expects (on the Name or Call node): `["fact", name, target]`.

    With `status`, `name` is the status that `status` is compared with.
    """

    name: str
    target: str | None = None
    status: bool = False
