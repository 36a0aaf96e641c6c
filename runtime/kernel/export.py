"""The state of a run as JSON, and back: for whoever keeps runs elsewhere than in a journal.

Rules. What is compiled (ops, blocks, seats, tiers, budgets, …) is named by its position in the program, which the plan
gives; everything else is an object with the values of its slots, numbered in the order in which it is reached. A frame
in which nothing is under way is left out, and of an activity that is closed only what names it and what late words
about it need: so the document is as large as what is live. Restoring and exporting again gives the same document.

In the document `{"$o": n}` is an object, `{"$a": n}` something compiled, `{"$t": […]}` a tuple, `{"$d": [[k, v], …]}` a
mapping whose keys JSON could not hold, `{"$s": true}` the failure of what was stopped from outside.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from orchspec.compiler.plan import Backoff, Budget, PlanError, Policy, Tier
from orchspec.runtime.kernel.applying import Applying, Done
from orchspec.runtime.kernel.arbitration import Deciding
from orchspec.runtime.kernel.budget import Account
from orchspec.runtime.kernel.calls import Calling
from orchspec.runtime.kernel.delegation import Rounds
from orchspec.runtime.kernel.each import Each
from orchspec.runtime.kernel.evals import Aside, EvalTask
from orchspec.runtime.kernel.folding import FoldTask
from orchspec.runtime.kernel.frames import STOPPED, Activity, Failure, Frame
from orchspec.runtime.kernel.machines import Traversing
from orchspec.runtime.kernel.program import CompiledBlock, CompiledEffect, CompiledFlow, Link, Op, Program, Seat
from orchspec.runtime.kernel.repeats import Repeating
from orchspec.runtime.kernel.requests import Requested, Requests
from orchspec.runtime.kernel.reverts import Reverting
from orchspec.runtime.kernel.routes import CompiledArm, Routing
from orchspec.runtime.kernel.rules import Ballot, CompiledRule
from orchspec.runtime.kernel.scopes import Enclosure
from orchspec.runtime.kernel.seeking import Asking
from orchspec.runtime.kernel.sessions import Folder, Mind, Recall
from orchspec.runtime.kernel.signals import Awaiting, Listening
from orchspec.runtime.kernel.steps import Failed, Fan, FanOutStep
from orchspec.runtime.kernel.stopping import Guess, Stopping
from orchspec.runtime.kernel.table import CLOSED
from orchspec.runtime.kernel.tasks import Task
from orchspec.runtime.kernel.timed import Timed
from orchspec.runtime.kernel.turns import Turns
from orchspec.runtime.kernel.undoing import Undoing, Unwinding
from orchspec.runtime.kernel.waits import Waiting

if TYPE_CHECKING:
    from orchspec.runtime.kernel.kernel import Kernel

__all__ = ["EXPORT_FORMAT", "export_kernel", "restore_kernel"]

EXPORT_FORMAT: Final = 2
"""Version of the document. Another one is refused."""


class _Gone:
    """Stands for the owner of a closed activity: its path and its key."""

    __slots__ = ("own_key", "own_path")

    def __init__(self, own_path: str, own_key: int) -> None:
        self.own_path = own_path
        self.own_key = own_key

    def path(self) -> str:
        return self.own_path

    def key(self) -> int:
        return self.own_key


_CLASSES: Final[dict[str, type]] = {
    cls.__name__: cls
    for cls in (
        Account,
        Applying,
        Aside,
        Asking,
        Awaiting,
        Ballot,
        Calling,
        Deciding,
        Done,
        Each,
        Enclosure,
        EvalTask,
        Failed,
        Failure,
        Fan,
        FanOutStep,
        FoldTask,
        Folder,
        Frame,
        Guess,
        Listening,
        Repeating,
        Recall,
        Requested,
        Requests,
        Reverting,
        Rounds,
        Routing,
        Stopping,
        Task,
        Timed,
        Traversing,
        Turns,
        Undoing,
        Unwinding,
        Waiting,
        _Gone,
    )
}
_COMPILED: Final = (
    Asking,
    Backoff,
    Budget,
    CompiledArm,
    CompiledBlock,
    CompiledEffect,
    CompiledFlow,
    CompiledRule,
    Link,
    Mind,
    Op,
    Policy,
    Seat,
    Tier,
)
_SCALARS: Final = (bool, int, float, str, type(None))
_BACKWARD: Final = frozenset({"dependents", "early", "ready", "shell"})
"""Slots of what is compiled that lead to what has a position already."""
_MOMENTARY: Final = frozenset({"agenda", "decided", "out", "program", "room"})
"""Slots of the kernel that are empty between two events, or not its own."""


def _slots_of(cls: type) -> tuple[str, ...]:
    """All slots but the kernel's, those of bases first. Native code has none, and says which it would have."""
    spaces = [base.__dict__ for base in reversed(cls.__mro__)]
    names = [name for space in spaces for name in space.get("__slots__", space.get("__native_slots__", ()))]
    return tuple(dict.fromkeys(name for name in names if name != "kernel"))


_SLOTS: Final = {cls: _slots_of(cls) for cls in _CLASSES.values()}


def _compiled(program: Program) -> list[Any]:
    """Everything compiled, by position: a walk through flows and effects in the order of their names.

    What stands twice has two positions, so that they do not depend on whether a plan shares equal parts.
    """
    found: list[Any] = []
    pending: list[Any] = [
        part[name] for part in (program.effects, program.flows) for name in sorted(part, reverse=True)
    ]
    while pending:
        part = pending.pop()
        if isinstance(part, (list, tuple)):
            pending.extend(reversed(part))
        elif isinstance(part, dict):
            pending.extend(reversed(part.values()))
        elif isinstance(part, _COMPILED):
            found.append(part)
            names = [name for name in _slots_of(type(part)) if name not in _BACKWARD]
            pending.extend(getattr(part, name) for name in reversed(names))
    return found


def export_kernel(kernel: Kernel) -> dict[str, Any]:
    """The state of a run between two events, as plain JSON."""
    return _Writer(kernel).document()


class _Writer:
    """One export: numbers objects as it reaches them."""

    def __init__(self, kernel: Kernel) -> None:
        self.kernel = kernel
        self.numbers: dict[int, int] = {}
        self.reached: list[Any] = []
        self.positions: dict[int, int] = {}
        for position, part in enumerate(_compiled(kernel.program)):
            self.positions.setdefault(id(part), position)
        self.frames = self._live_frames()

    def document(self) -> dict[str, Any]:
        kernel = self.kernel
        state = {name: self.value(getattr(kernel, name)) for name in _slots_of(type(kernel)) if name not in _MOMENTARY}
        objects: list[dict[str, Any]] = []
        while len(objects) < len(self.reached):  # writing an object may reach more
            objects.append(self._object(self.reached[len(objects)]))
        return {"format": EXPORT_FORMAT, "plan": kernel.program.plan.hash, "state": state, "objects": objects}

    def _live_frames(self) -> dict[int, None]:
        kernel = self.kernel
        live: dict[int, None] = {}
        if kernel.status is not None:
            return live
        pending: list[Any] = [kernel.root]
        for activity in kernel.places:
            if activity is not None and activity.state != CLOSED:
                pending += [activity.frame, getattr(activity, "inner", None), getattr(activity, "current", None)]
        while pending:
            frame = pending.pop()
            if frame is not None and id(frame) not in live:
                live[id(frame)] = None
                pending.append(frame.parent)
        return live

    def value(self, value: Any) -> Any:
        """A value of a slot; objects are numbered and written later, so that nothing recurses along them."""
        if isinstance(value, _SCALARS):
            return value
        if type(value) is list:
            return [self.value(item) for item in value]
        if type(value) is tuple:
            return {"$t": [self.value(item) for item in value]}
        if type(value) is dict:
            if all(type(key) is str and not key.startswith("$") for key in value):
                return {key: self.value(item) for key, item in value.items()}
            return {"$d": [[self.value(key), self.value(item)] for key, item in value.items()]}
        if value is STOPPED:
            return {"$s": True}
        if value is self.kernel:
            return {"$k": True}
        position = self.positions.get(id(value))
        if position is not None:
            return {"$a": position}
        if type(value) is Frame and id(value) not in self.frames:
            return None
        return {"$o": self._number(value)}

    def _number(self, item: Any) -> int:
        assert type(item) in _SLOTS, f"{type(item).__name__} cannot be exported"
        number = self.numbers.get(id(item))
        if number is None:
            number = self.numbers[id(item)] = len(self.reached)
            self.reached.append(item)
        return number

    def _object(self, item: Any) -> dict[str, Any]:
        cls = type(item)
        closed = isinstance(item, Activity) and item.state == CLOSED
        slots: dict[str, Any] = {}
        for name in _SLOTS[cls]:
            value = getattr(item, name, _UNSET)
            if value is _UNSET:
                continue
            if closed and name == "owner":
                value = _Gone(value.path(), value.key())
            elif closed and not self._outlives(value):
                continue
            elif cls is Account and isinstance(value, Activity) and value.state == CLOSED:
                value = None  # it fails no more
            slots[name] = self.value(value)
        return {"class": cls.__name__, "slots": slots}

    def _outlives(self, value: Any) -> bool:
        """Whether a closed activity keeps it: plain values, what is compiled, and the account that late costs go to."""
        return isinstance(value, (*_SCALARS, Account)) or id(value) in self.positions


_UNSET: Final[Any] = object()


def restore_kernel(kernel: Kernel, document: dict[str, Any]) -> None:
    """Fill a new kernel of the same plan with an exported state.

    Raises PlanError for a document of another format, of another plan, or that no version of ours wrote.
    """
    if not hasattr(type(kernel), "__slots__"):
        raise PlanError("native code cannot restore the state of a run: install Orch without ORCHSPEC_NATIVE for that")
    if document.get("format") != EXPORT_FORMAT:
        raise PlanError(f"the state has format {document.get('format')!r}, this version of Orch reads {EXPORT_FORMAT}")
    if document.get("plan") != kernel.program.plan.hash:
        raise PlanError("the state was exported under another plan: restore it under the plan of its hash")
    try:
        _Reader(kernel, document["objects"]).fill(document["state"])
    except (KeyError, IndexError, TypeError, AttributeError, ValueError) as error:
        raise PlanError(f"the state is not one that was exported: {error!r}") from None


class _Reader:
    """One restoring: makes all objects first, then fills them, since they refer to each other."""

    def __init__(self, kernel: Kernel, objects: list[dict[str, Any]]) -> None:
        self.kernel = kernel
        self.compiled = _compiled(kernel.program)
        self.objects: list[Any] = [object.__new__(_CLASSES[item["class"]]) for item in objects]
        for made, item in zip(self.objects, objects, strict=True):
            if hasattr(type(made), "kernel"):
                made.kernel = kernel
            for name, value in item["slots"].items():
                setattr(made, name, self.value(value))

    def fill(self, state: dict[str, Any]) -> None:
        """The kernel's own slots."""
        for name in _slots_of(type(self.kernel)):
            if name not in _MOMENTARY:
                setattr(self.kernel, name, self.value(state[name]))

    def value(self, value: Any) -> Any:
        """What `_Writer.value` wrote."""
        if type(value) is list:
            return [self.value(item) for item in value]
        if type(value) is not dict:
            return value
        if len(value) == 1:
            ((mark, inner),) = value.items()
            if mark.startswith("$"):
                return self._marked(mark, inner)
        return {key: self.value(item) for key, item in value.items()}

    def _marked(self, mark: str, inner: Any) -> Any:
        if mark == "$o":
            return self.objects[inner]
        if mark == "$a":
            return self.compiled[inner]
        if mark == "$t":
            return tuple(self.value(item) for item in inner)
        if mark == "$d":
            return {self.value(key): self.value(item) for key, item in inner}
        return {"$s": STOPPED, "$k": self.kernel}[mark]
