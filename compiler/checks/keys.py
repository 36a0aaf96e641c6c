"""Keys of effects differ in each round, item and visit, also in the flows that are called from there.

A key is made of what the arguments of its effect read. A name differs in each turn of a loop if it is bound there; a
`let` if what it reads does, and an item of a loop inside of that one if its list does. An effect of a called flow is
looked at where the flow is called, if its key is made of nothing but parameters of that flow.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import TypeAlias

from orchspec.compiler.checks.calls import called_first
from orchspec.compiler.codes import effects as codes
from orchspec.compiler.context import Context
from orchspec.compiler.model import (
    Argument,
    BlockInfo,
    EffectInfo,
    FlowInfo,
    Frame,
    GiverRef,
    MissingRef,
    Reference,
    Slot,
    StepInfo,
)
from orchspec.grammar.diagnostics import Label
from orchspec.grammar.syntax import Expr, For, Let, Node, Repeat, Scope, State, Step, walk
from orchspec.slotted import dataclass

__all__ = ["keys_in_loops"]

_Loop: TypeAlias = Repeat | Scope | State | Step
_Loops: TypeAlias = tuple[tuple[_Loop, Frame], ...]

_TURNS: Mapping[type[Node], str] = {Repeat: "round", State: "visit"}


@dataclass(frozen=True, slots=True)
class _Deed:
    """An effect that a flow applies at `at`, under a key that is made of these parameters of the flow alone."""

    effect: EffectInfo
    at: Node
    params: frozenset[str]


def keys_in_loops(context: Context) -> None:
    """Reports effects in a `repeat`, a `for` or a state on a circle whose key reads nothing that differs there."""
    reader = _Reader(context)
    for flow in called_first(context):
        if flow.block is not None:
            reader.flow(flow, flow.block)


class _Reader:
    """Reads flows, callees first, and keeps the deeds of each."""

    def __init__(self, context: Context) -> None:
        self.context = context
        self.deeds: dict[FlowInfo, list[_Deed]] = {}
        self._found: list[_Deed] = []
        self._cycling: Collection[State] = ()

    def flow(self, flow: FlowInfo, block: BlockInfo) -> None:
        """Reads a flow all of whose callees have been read."""
        self._found = self.deeds[flow] = []
        self._cycling = flow.machine.cycling if flow.machine is not None else ()
        self._block(block, ())

    def _block(self, block: BlockInfo, loops: _Loops) -> None:
        for statement in block.statements:
            if isinstance(statement, Step):
                step = self.context.checked.steps[statement]
                own = ((statement, step.loop.slot.frame),) if step.loop is not None else ()
                self._step(step, (*loops, *own))
                continue
            for place, inner in enumerate(self.context.checked.blocks_of(statement)):
                # The first block of a statement that turns is what turns; an `else` is beside it.
                turning = self._turning(statement) if place == 0 else None
                self._block(inner, loops if turning is None else (*loops, (turning, inner.frame)))

    def _turning(self, statement: Node) -> _Loop | None:
        match statement:
            case Repeat():
                return statement
            case Scope() if statement.loop is not None:
                return statement
            case State() if statement in self._cycling:
                return statement
            case _:
                return None

    def _step(self, step: StepInfo, loops: _Loops) -> None:
        if step.effect is not None and step.effect.key is not None:
            in_key = frozenset(slot.name for slot in self._slots(step.effect.key))
            self._deed(step, _Deed(step.effect, step.node.work, in_key), loops)
        elif step.flow is not None:
            for deed in self.deeds.get(step.flow, ()):
                if not self._deed(step, deed, loops):
                    return  # one is enough to see that the call does not differ

    def _deed(self, step: StepInfo, deed: _Deed, loops: _Loops) -> bool:
        """Takes in a deed of a step; false if its key is the same in every turn of a loop, which is reported."""
        read = self._roots(argument.value for argument in _of(step, deed.params))
        for loop, frame in reversed(loops):
            if not any(self._differs(slot, frame) for slot in read):
                self._same(step, deed, loop)
                return False
        params = self._parameters(read)
        if params is not None:
            self._found.append(_Deed(deed.effect, step.node.work, params))
        return True

    def _same(self, step: StepInfo, deed: _Deed, loop: _Loop) -> None:
        assert deed.effect.key is not None
        labels = [Label(loop.name.span, "the loop"), Label(deed.effect.key.span, "the key")]
        if step.effect is None:
            labels.append(Label(deed.at.span, "it is applied here"))
        self.context.report.add(
            codes.SAME_KEY_IN_LOOP,
            step.node.work,
            effect=deed.effect.name,
            turn=_TURNS.get(type(loop), "item"),
            loop=loop.name.text,
            labels=labels,
        )

    # -------------------------------------------------------------- what a key is made of

    def _slots(self, expr: Expr) -> Iterator[Slot]:
        for node in walk(expr):
            found = self.context.checked.resolved.get(node)
            if isinstance(found, Reference | GiverRef | MissingRef):
                yield found.slot

    def _roots(self, values: Iterable[Expr | None]) -> set[Slot]:
        """What expressions read, and what the `let`s among that read in turn."""
        roots: set[Slot] = set()
        seen: set[Slot] = set()
        pending = [value for value in values if value is not None]
        while pending:
            for slot in self._slots(pending.pop()):
                if slot in seen:
                    continue
                seen.add(slot)
                if isinstance(slot.declared, Let):
                    pending.append(slot.declared.value)
                else:
                    roots.add(slot)
        return roots

    def _list(self, slot: Slot) -> set[Slot] | None:
        """What the list of an item is made of; none for any other name."""
        return self._roots([slot.declared.items]) if isinstance(slot.declared, For) else None

    def _differs(self, slot: Slot, loop: Frame) -> bool:
        """Whether a name may be something else in each turn of a loop."""
        if not _inside(slot.frame, loop):
            return False
        made_of = None if slot.frame is loop else self._list(slot)
        return True if made_of is None else any(self._differs(each, loop) for each in made_of)

    def _parameters(self, slots: Iterable[Slot]) -> frozenset[str] | None:
        """The parameters of the flow that names are made of, or none if there is anything else."""
        found: set[str] = set()
        for slot in slots:
            if slot.kind == "parameter":
                found.add(slot.name)
                continue
            made_of = self._list(slot)
            inner = None if made_of is None else self._parameters(made_of)
            if inner is None:
                return None
            found |= inner
        return frozenset(found)


def _of(step: StepInfo, params: frozenset[str]) -> Iterator[Argument]:
    return (argument for argument in step.arguments if argument.param.name in params)


def _inside(frame: Frame, loop: Frame) -> bool:
    current: Frame | None = frame
    while current is not None:
        if current is loop:
            return True
        current = current.parent
    return False
