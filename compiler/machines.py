"""Machines: their states, where each goes on, and what is known of the latest visits of the others.

A transition on a signal cancels what the state does. `as NAME` names its value: a name of the machine, which guards and
states read like the records of states, and which is known to be there where every way leads through such a transition.

The slot of a state holds the record of its latest visit, or none: before the first, and after one that failed. So the
type of `state.name` depends on where it is read. It is known to be there where every way from the initial state has
left that state through `done`, and not through anything else since: a forward analysis over the transitions, whose
greatest fixed point is found by taking facts away until nothing changes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Final

from orchspec.compiler.attributes import Settings
from orchspec.compiler.calls import match_arguments
from orchspec.compiler.codes import flows as flow_codes
from orchspec.compiler.codes import machines as codes
from orchspec.compiler.codes import names as name_codes
from orchspec.compiler.context import Env, Fact
from orchspec.compiler.loops import refuse_shadow
from orchspec.compiler.model import BlockInfo, FlowInfo, Frame, HeardInfo, MachineInfo, Slot, SlotKind, StateInfo
from orchspec.compiler.places import MACHINE, STATE
from orchspec.compiler.plan import Budget as Caps
from orchspec.compiler.report import did_you_mean, listed
from orchspec.compiler.types import ListOf, Nothing, Optional, Round, Type, is_unknown, optional, show
from orchspec.grammar.diagnostics import Label
from orchspec.grammar.syntax import Attribute, Budget, Call, Fail, MachineDecl, Name, Node, On, State

if TYPE_CHECKING:
    from orchspec.compiler.blocks import Blocks

__all__ = ["EVENTS", "check_machine"]

EVENTS: Final = ("done", "failed", "timeout", "exhausted")
"""What a transition may be on."""


def check_machine(blocks: Blocks, info: FlowInfo, node: MachineDecl) -> None:
    """Checks a machine, which is a flow whose block holds its states."""
    typer = blocks.typer
    frame = Frame(node)
    for param in info.params:
        refuse_shadow(typer, param.node.name, None)
        frame.add(param.name, "parameter", param.node, param.type)
    frame.given = len(frame.slots)
    info.block = block = BlockInfo(node, frame, node.states, dict.fromkeys(node.states, ()), info.result)  # type: ignore[arg-type]
    typer.checked.blocks[node] = block
    info.machine = machine = MachineInfo()
    items = [item for item in node.body if isinstance(item, Attribute | Budget)]
    settings = Settings(typer, MACHINE, items)
    info.budget = settings.budget or Caps()
    info.economy = settings.share("economy")
    known = _Left()
    heard = _signals(blocks, node, frame)
    checks = [_open(blocks, info, machine, state, known) for state in node.states]
    for state in machine.states.values():
        _ways(blocks, machine, state, heard)
    known.settle(machine)
    for check in checks:
        check()
    for state in machine.states.values():
        _guards(blocks, state, frame, known)
        _must_end(blocks, info, state)


def _open(
    blocks: Blocks, info: FlowInfo, machine: MachineInfo, node: State, known: Mapping[State, frozenset[Fact]]
) -> Callable[[], None]:
    """Takes in a state with the names that it gives; gives what checks the rest of it."""
    typer = blocks.typer
    assert info.block is not None
    frame = info.block.frame
    name = node.name.text
    first = frame.find(name) if name else None
    if first is not None:
        label = Label(getattr(first.declared, "name", first.declared).span, "first given here")
        typer.report.add(name_codes.DUPLICATE_NAME, node.name, name=name, labels=[label])
    else:
        refuse_shadow(typer, node.name, None)
    visit = Round(node)
    slot = frame.add(name, "local", node, Optional(visit))
    typer.checked.slots[node] = slot
    given: list[tuple[str, SlotKind, Node, Type]] = [
        ("past", "past", node, ListOf(visit)),
        ("prev", "prev", node, Optional(visit)),
    ]
    wanted = None if isinstance(info.result, Nothing) else info.result
    block, check = blocks.open_block(node, node.body, frame, given, (), wanted, lambda: known.get(node, frozenset()))
    state = StateInfo(node, slot, block)
    if first is None:
        machine.states[name] = state
    if node.kind == "initial" and machine.initial is None:
        machine.initial = state
    items = [item for item in node.body if isinstance(item, Attribute | Budget)]
    state.visits = Settings(typer, STATE, items).count("visits")
    return check


def _signals(blocks: Blocks, node: MachineDecl, frame: Frame) -> dict[On, HeardInfo]:
    """The signals of all transitions, with the names that their values get."""
    found: dict[On, HeardInfo] = {}
    for state in node.states:
        for on in state.body:
            if isinstance(on, On) and on.event.text not in EVENTS:
                signal = blocks.context.find("signals", on.event, on.event.text)
                if signal is not None and state.kind != "final":
                    blocks.context.used.add(signal)
                    blocks.checked.resolved[on.event] = signal
                    found[on] = HeardInfo(signal, _alias(blocks, on, signal.result, frame))
    return found


def _alias(blocks: Blocks, on: On, kind: Type, frame: Frame) -> Slot | None:
    """The slot of the value that `as` names; transitions on signals of one type may share a name."""
    alias = on.alias
    if alias is None or not alias.text:
        return None
    if isinstance(kind, Nothing):
        blocks.report.add(codes.EVENT_WITHOUT_VALUE, alias, name=on.event.text, what="no value")
        return None
    first = frame.find(alias.text)
    if first is None:
        refuse_shadow(blocks.typer, alias, None)
        return frame.add(alias.text, "local", on, optional(kind))
    if isinstance(first.declared, On) and first.type == optional(kind):
        return first
    declared = first.declared
    at = (declared.alias or declared) if isinstance(declared, On) else getattr(declared, "name", declared)
    blocks.report.add(name_codes.DUPLICATE_NAME, alias, name=alias.text, labels=[Label(at.span, "first given here")])
    return None


def _ways(blocks: Blocks, machine: MachineInfo, state: StateInfo, heard: Mapping[On, HeardInfo]) -> None:
    """The transitions of a state; what leads nowhere is reported."""
    report = blocks.report
    if state.node.kind == "final":
        return  # what leads on from there is refused as a whole
    for on in state.node.body:
        if not isinstance(on, On):
            continue
        event = on.event.text
        if on in heard:
            state.heard[on] = heard[on]
        elif event not in EVENTS:
            if event:
                fix = did_you_mean(event, on.event, [*EVENTS, *blocks.context.known(on.event, "signals")])
                notes = [f"there are {listed(EVENTS)}, and signals"]
                report.add(codes.UNKNOWN_EVENT, on.event, name=event, notes=notes, fix=fix)
            continue
        elif on.args is not None or on.alias is not None:
            report.add(codes.EVENT_WITHOUT_VALUE, on.event, name=event, what="no arguments and no value")
        target = machine.states.get(on.target.text)
        if target is not None:
            state.ways.append((on, target))
        elif on.target.text:
            fix = did_you_mean(on.target.text, on.target, machine.states)
            report.absent(name_codes.UNKNOWN_NAME, on.target, reach="name", kind="state", name=on.target.text, fix=fix)


class _Left(Mapping[State, frozenset[Fact]]):
    """For each state what is there on every way to it: the states left through `done`, the signals that were heard.

    It is held as bits, since a set for each state would take the square of their number.
    """

    def __init__(self) -> None:
        self._bits: dict[State, int] = {}
        self._facts: list[Fact] = []

    def settle(self, machine: MachineInfo) -> None:
        """Follows the ways from the initial state until nothing more is lost."""
        states = machine.states.values()
        slots = [state.slot for state in states]
        slots += [each.slot for state in states for each in state.heard.values() if each.slot is not None]
        self._facts = [(slot,) for slot in slots]
        bits = {slot: 1 << place for place, slot in enumerate(slots)}
        self._bits = dict.fromkeys((state.node for state in states), (1 << len(slots)) - 1)
        if machine.initial is not None:
            self._bits[machine.initial.node] = 0
        pending = dict.fromkeys(states)
        while pending:
            state = next(iter(pending))
            del pending[state]
            here = bits[state.slot]
            for on, target in state.ways:
                after = self._bits[state.node]
                if on.event.text != "exhausted":
                    after = after | here if on.event.text == "done" else after & ~here
                heard = state.heard.get(on)
                if heard is not None and heard.slot is not None:
                    after |= bits[heard.slot]
                both = self._bits[target.node] & after
                if both != self._bits[target.node]:
                    self._bits[target.node] = both
                    pending[target] = None

    def __getitem__(self, state: State) -> frozenset[Fact]:
        digits = reversed(f"{self._bits[state]:b}")
        return frozenset(fact for fact, digit in zip(self._facts, digits, strict=False) if digit == "1")

    def __iter__(self) -> Iterator[State]:
        return iter(self._bits)

    def __len__(self) -> int:
        return len(self._bits)


def _bound(state: StateInfo, on: On) -> frozenset[Fact]:
    """What is there once a transition is taken: the value of its signal, if that has a name."""
    heard = state.heard.get(on)
    return frozenset() if heard is None or heard.slot is None else frozenset({(heard.slot,)})


def _guards(blocks: Blocks, state: StateInfo, frame: Frame, known: Mapping[State, frozenset[Fact]]) -> None:
    typer = blocks.typer
    entered = known.get(state.node, frozenset())
    for way, heard in state.heard.items():
        params, declared = heard.signal.params, heard.signal.node.name
        call = Call(Name(way.event.text, way.event.span), way.args or (), way.event.span)
        heard.arguments = match_arguments(typer, f"`{way.event.text}`", declared, params, call, Env(frame, (), entered))
    for on in state.node.body:
        if isinstance(on, On) and on.when is not None:
            # What a visit gave is there to be looked at only if it ended well.
            at = state.body.frame if on.event.text == "done" else frame
            here: frozenset[Fact] = frozenset({(state.slot,)})
            facts = entered - (here if on.event.text not in ("done", "exhausted") else set())
            typer.condition(on.when, Env(at, (), facts | _bound(state, on)), "the guard of a transition")


def _must_end(blocks: Blocks, info: FlowInfo, state: StateInfo) -> None:
    if state.node.kind != "final" or state.body.gives is not None or isinstance(info.result, Nothing):
        return
    if not any(isinstance(item, Fail) and item.when is None for item in state.body.statements):
        expected = f"`return` of {show(info.result)}" if not is_unknown(info.result) else "`return`"
        place = f"the final state `{state.node.name.text}`"
        blocks.report.absent(flow_codes.NO_VALUE, state.node.name, place=place, expected=expected)
