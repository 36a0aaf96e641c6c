"""Blocks: the bodies of flows, scopes and repeats, with the names they give, their statements, and their value.

A block first takes in all names it gives, then checks its statements in written order. A name that is read further up
than it is given is checked on demand, so that its type is known and the mistake is told for what it is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any

from orchspec.compiler.arbitrations import check_arbitrate
from orchspec.compiler.attributes import Settings
from orchspec.compiler.channels import check_send
from orchspec.compiler.codes import flows as codes
from orchspec.compiler.codes import names as name_codes
from orchspec.compiler.codes import types as type_codes
from orchspec.compiler.constants import NotConstant, evaluate
from orchspec.compiler.context import Context, Env, Fact
from orchspec.compiler.delegation import check_peers, check_supervise
from orchspec.compiler.dependencies import settle_order
from orchspec.compiler.evals import check_eval
from orchspec.compiler.expressions import Typer
from orchspec.compiler.loops import refuse_shadow
from orchspec.compiler.machines import check_machine
from orchspec.compiler.model import BlockInfo, FlowInfo, Frame, RepeatInfo, SlotKind
from orchspec.compiler.places import BLOCK, FLOW
from orchspec.compiler.plan import Budget as Caps
from orchspec.compiler.reverts import check_revert
from orchspec.compiler.routes import check_route
from orchspec.compiler.scopes import check_scope
from orchspec.compiler.shape import RUNNING, check_shape, is_inner
from orchspec.compiler.steps import check_step
from orchspec.compiler.types import (
    INT,
    NOTHING,
    TEXT,
    UNKNOWN,
    ListOf,
    Nothing,
    Optional,
    Round,
    Type,
    is_unknown,
    show,
    unify,
)
from orchspec.compiler.waits import check_wait
from orchspec.grammar.diagnostics import Label
from orchspec.grammar.syntax import (
    Arbitrate,
    Arm,
    Attribute,
    Block,
    Budget,
    Checkpoint,
    Eval,
    Every,
    Fail,
    Give,
    Hole,
    Ident,
    Int,
    Let,
    MachineDecl,
    Name,
    Node,
    Peers,
    Repeat,
    Return,
    Revert,
    Route,
    Scope,
    Send,
    Statement,
    Step,
    Supervise,
    Until,
    Wait,
    statements_in,
    walk,
)

__all__ = ["Blocks"]

_NAMING = (Step, Arbitrate, Scope, Repeat, Let, Route, Supervise, Peers, Eval)
_Given = tuple[str, SlotKind, Node, Type]


class Blocks:
    """Checks the blocks of one spec."""

    def __init__(self, typer: Typer) -> None:
        self.typer = typer
        self.context: Context = typer.context
        self.checked = typer.checked
        self.report = typer.report
        self._of: FlowInfo | None = None
        self._wanted: dict[BlockInfo, Type | None] = {}
        self._hints: dict[BlockInfo, Type | None] = {}
        self._rules: Mapping[type[Node], Callable[[Any, BlockInfo, Env], Type]] = {
            Step: lambda node, _block, env: check_step(typer, node, env).result,
            Arbitrate: lambda node, _block, env: check_arbitrate(typer, node, env).result,
            Let: self._let,
            Scope: lambda node, _block, env: check_scope(self, node, env),
            Repeat: self._repeat,
            Route: self._route,
            Supervise: lambda node, _block, env: check_supervise(typer, node, env).result,
            Peers: lambda node, _block, env: check_peers(typer, node, env).result,
            Fail: self._fail,
            Until: self._until,
            Wait: lambda node, _block, env: check_wait(typer, node, env),
            Eval: lambda node, _block, env: check_eval(typer, node, env),
            Send: lambda node, _block, env: check_send(typer, node, env, self._of),
            Revert: lambda node, _block, env: check_revert(typer, node, env),
            Return: self._value,
            Give: self._value,
        }

    def flow(self, info: FlowInfo) -> None:
        """Checks the body of a flow."""
        node = info.node
        self._of = info
        if isinstance(node, MachineDecl):
            check_machine(self, info, node)
            return
        given: list[_Given] = [(param.name, "parameter", param.node, param.type) for param in info.params]
        for param in info.params:
            refuse_shadow(self.typer, param.node.name, None)
        block = self.block(node, node.body, None, given, (), None if isinstance(info.result, Nothing) else info.result)
        info.block = block
        items = [item for item in node.body if isinstance(item, Attribute | Budget)]
        settings = Settings(self.typer, FLOW, items)
        info.budget = settings.budget or Caps()
        info.economy = settings.share("economy")
        self._must_end(block, info)

    def _must_end(self, block: BlockInfo, info: FlowInfo) -> None:
        if block.gives is not None or any(isinstance(item, Fail) and item.when is None for item in block.statements):
            return
        # A `return` in an inner block has been told of, and is what was meant.
        misplaced = any(isinstance(item, Return) for item in statements_in(info.node))
        if not isinstance(info.result, Nothing) and not misplaced:
            expected = f"`return` of {show(info.result)}" if not is_unknown(info.result) else "`return`"
            self.report.absent(codes.NO_VALUE, info.node.name, place=f"the flow `{info.name}`", expected=expected)

    # -------------------------------------------------------------- a block

    def block(
        self,
        node: Node,
        body: Sequence[Statement],
        parent: Frame | None,
        given: Iterable[_Given],
        at: tuple[tuple[Frame, Statement], ...],
        wanted: Type | None,
        known: frozenset[Fact] = frozenset(),
        hint: Type | None = None,
    ) -> BlockInfo:
        """Checks a block: the names it gives, then its statements, then their order.

        It gives what is `wanted`, or something like `hint`; `known` is what is known to be something all over it.
        """
        block, work = self.open_block(node, body, parent, given, at, wanted, lambda: known)
        self._hints[block] = hint
        work()
        return block

    def open_block(
        self,
        node: Node,
        body: Sequence[Statement],
        parent: Frame | None,
        given: Iterable[_Given],
        at: tuple[tuple[Frame, Statement], ...],
        wanted: Type | None,
        known: Callable[[], frozenset[Fact]] = frozenset,
    ) -> tuple[BlockInfo, Callable[[], None]]:
        """A block with the names that it gives, and what checks the rest of it.

        `known` says, once that is asked for, what is known to be something all over the block.
        """
        frame = Frame(node, parent)
        for name, kind, declared, type_ in given:
            frame.add(name, kind, declared, type_)
        frame.given = len(frame.slots)
        block = BlockInfo(node, frame, tuple(item for item in body if isinstance(item, RUNNING)))
        self.checked.blocks[node] = block
        self._wanted[block] = wanted
        done: set[Node] = set()
        told = self.report.diagnostics

        def work(statement: Statement) -> None:
            if statement not in done:
                done.add(statement)
                with self.report.into(told):
                    self._statement(statement, block, Env(frame, (*at, (frame, statement)), known()))

        def check() -> None:
            for statement in body:
                work(statement)
            check_shape(self.report, block, body)
            settle_order(self.context, block, body)

        self._take_names(block, body, work)
        return block, check

    def _take_names(self, block: BlockInfo, body: Sequence[Statement], work: Callable[[Statement], None]) -> None:
        frame = block.frame
        points: dict[str, Ident] = {}
        for statement in body:
            if isinstance(statement, Checkpoint):
                first = points.setdefault(statement.name.text, statement.name)
                if first is not statement.name and first.text:
                    self._twice(statement.name, first)
            if not isinstance(statement, _NAMING):
                continue
            name = statement.name
            before = frame.find(name.text) if name.text else None
            if before is not None:
                at = getattr(before.declared, "name", before.declared)
                self._twice(name, at)
                self.context.ambiguous.add(before)
            slot = frame.add(name.text, "local", statement)
            if before is None and refuse_shadow(self.typer, name, frame.parent):
                self.context.ambiguous.add(slot)
            self.checked.slots[statement] = slot
            self.context.pending[slot] = partial(work, statement)

    def _twice(self, name: Ident, first: Node) -> None:
        label = Label(first.span, "first given here")
        self.report.add(name_codes.DUPLICATE_NAME, name, name=name.text, labels=[label])

    def _statement(self, statement: Statement, block: BlockInfo, env: Env) -> None:
        slot = self.checked.slots.get(statement)
        if slot is not None:
            self.context.pending.pop(slot, None)
        rule = self._rules.get(type(statement))
        if rule is None:
            return
        if slot is None:
            rule(statement, block, env)
            return
        self.context.under_way.add(slot)
        slot.type = rule(statement, block, env)
        self.context.under_way.discard(slot)

    # -------------------------------------------------------------- statements

    def _let(self, node: Let, _block: BlockInfo, env: Env) -> Type:
        slot = self.checked.slots[node]
        if any(isinstance(part, Name) and part.text in ("past", "prev") for part in walk(node.value)):
            # It may read itself in an earlier round: what the rest of it says of its type is found out first.
            with self.report.held_back():
                slot.type = self.typer.root(node.value, env)
        return self.typer.root(node.value, env)

    def _fail(self, node: Fail, _block: BlockInfo, env: Env) -> Type:
        known = self.typer.condition(node.when, env, "the condition of `fail`") if node.when is not None else set()
        self.typer.root(node.message, env.knowing(known), TEXT, "the message of `fail`")
        return NOTHING

    def _until(self, node: Until, _block: BlockInfo, env: Env) -> Type:
        self.typer.condition(node.condition, env, "the condition of `until`")
        return NOTHING

    def _value(self, node: Return | Give, block: BlockInfo, env: Env) -> Type:
        if isinstance(node, Return) and is_inner(block.node):
            self.typer.root(node.value, env, UNKNOWN)
            if block.gives is None:
                block.gives, block.result = node, UNKNOWN
            return NOTHING
        wanted = self._wanted[block]
        word = "return" if isinstance(node, Return) else "give"
        if wanted is None and isinstance(node, Return) and not isinstance(node.value, Hole):
            found = self.typer.root(node.value, env, UNKNOWN)
            if not is_unknown(found):
                self.report.add(
                    type_codes.TYPE_MISMATCH,
                    node.value,
                    what="what `return` gives",
                    found=show(found),
                    expected="nothing: the flow has no result type",
                )
            return NOTHING
        if wanted is None:
            self.checked.frames[node.value] = env.frame
            found = self.typer.infer(node.value, env, self._hints.get(block))
        else:
            found = self.typer.root(node.value, env, wanted, f"what `{word}` gives")
        if block.gives is None:
            block.gives = node
            block.result = found if wanted is None else wanted
        return NOTHING

    def _settings_of(self, block: BlockInfo) -> None:
        """A block that takes no attributes and has some reports them."""
        node = block.node
        body = node.body if isinstance(node, Repeat | Block) else ()
        Settings(self.typer, BLOCK, [item for item in body if isinstance(item, Attribute | Budget)])

    # -------------------------------------------------------------- repeats and routes

    def _repeat(self, node: Repeat, block: BlockInfo, env: Env) -> Type:
        self._bound(node, env)
        round_ = Round(node)
        given: list[_Given] = [("past", "past", node, ListOf(round_)), ("prev", "prev", node, Optional(round_))]
        body = self.block(node, node.body, env.frame, given, env.at, None, env.facts)
        self._settings_of(body)
        info = RepeatInfo(node, body, result=body.result)
        self.checked.repeats[node] = info
        info.until = next((item for item in body.statements if isinstance(item, Until)), None)
        every = next((item for item in node.body if isinstance(item, Every)), None)
        if every is not None and not isinstance(every.period, Hole):
            settings = Settings(self.typer, "a repeat", (), (), env=env)
            info.every_us = settings.duration_of("every", every.period)
        local = body.frame.kept()
        info.kept = tuple(slot.name for slot in local)
        self.checked.rounds[node] = {slot.name: slot.type for slot in local}
        if node.otherwise is not None:
            info.result = self._otherwise(info, node.otherwise, env)
        return info.result

    def _otherwise(self, info: RepeatInfo, node: Block, env: Env) -> Type:
        value = info.body.result
        wanted = None if isinstance(value, Nothing) or is_unknown(value) else value
        block = self.block(node, node.body, env.frame, (), env.at, wanted, env.facts)
        self._settings_of(block)
        info.otherwise = block
        fails = any(isinstance(item, Fail) and item.when is None for item in block.statements)
        if block.gives is None and not fails and not isinstance(value, Nothing):
            at = node.span.source.span(node.span.start, node.span.start + 1)
            place = f"the `else` of `{info.node.name.text}`"
            expected = f"`give` of {show(value)} or `fail`" if wanted is not None else "`give` or `fail`"
            self.report.absent(codes.NO_VALUE, at, place=place, expected=expected)
        both = unify(value, block.result) if block.gives is not None else value
        return value if both is None else both

    def _route(self, node: Route, _block: BlockInfo, env: Env) -> Type:
        def body(arm: Arm, inside: Env, hint: Type | None) -> BlockInfo:
            block = self.block(arm.body, arm.body.body, inside.frame, (), inside.at, None, inside.facts, hint)
            self._settings_of(block)
            return block

        return check_route(self.typer, node, env, body).result

    def _bound(self, node: Repeat, env: Env) -> None:
        if isinstance(node.times, Hole):
            return
        name = node.name.text
        found = self.typer.root(node.times, Env(Frame(node)) if isinstance(node.times, Int) else env)
        if is_unknown(found):
            return
        if found != INT:
            problem = f"is {show(found)}, not a whole number"
            self.report.add(codes.BAD_BOUND, node.times, name=name, problem=problem)
            return
        try:
            value = evaluate(node.times, self.checked)
        except NotConstant as error:
            problem = f"must be known before a run: {error}"
            self.report.add(codes.BAD_BOUND, node.times, name=name, problem=problem)
            return
        if value < 1:
            self.report.add(codes.BAD_BOUND, node.times, name=name, problem=f"is {value}, less than 1")
