"""Blocks and statements: the order of starting, the slots, and what each statement does."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import PurePath
from typing import Any, TypeAlias

from orchspec.compiler.lowering.expressions import lower_arguments, lower_expression, lower_optional
from orchspec.compiler.lowering.loops import lower_peers, lower_supervise
from orchspec.compiler.lowering.nodes import Nodes
from orchspec.compiler.lowering.who import (
    eval_within_us,
    lower_candidate,
    lower_candidates,
    lower_gate,
    lower_on_failure,
    lower_policy,
)
from orchspec.compiler.model import (
    ArmInfo,
    BlockInfo,
    Checked,
    FlowInfo,
    HeardInfo,
    LoopInfo,
    MachineInfo,
    PolicyValues,
    Reference,
    RuleInfo,
    StateInfo,
    StepInfo,
)
from orchspec.compiler.plan import (
    Arbitrate,
    Arm,
    Block,
    Checkpoint,
    EffectStep,
    Evaluation,
    Expr,
    Fail,
    FlowStep,
    Gate,
    Give,
    Let,
    Machine,
    Over,
    Profile,
    Repeat,
    Revert,
    Route,
    Rule,
    Scope,
    Send,
    SignalStep,
    State,
    Statement,
    TaskStep,
    Transition,
    Until,
    Wait,
)
from orchspec.compiler.types import FLOAT, INT, TIME, Nothing, Type, required
from orchspec.grammar import syntax

__all__ = ["Lowering"]


class Lowering:
    """Lowers the blocks of one checked spec; `profiles` are those that reservations may rest on."""

    def __init__(self, checked: Checked, nodes: Nodes, profiles: Mapping[str, Profile]) -> None:
        self.checked = checked
        self.nodes = nodes
        self.profiles = profiles
        self.gates: dict[str, Gate] = {}

    def block(self, info: BlockInfo) -> Block:
        """A block with all that is nested in it."""
        places = {statement: place for place, statement in enumerate(info.statements)}
        lowered = [
            self._statement(statement, info, [places[needed] for needed in info.needs.get(statement, ())])
            for statement in info.statements
        ]
        return Block(lowered, info.frame.names(), info.frame.given)

    def _statement(self, statement: syntax.Node, info: BlockInfo, needs: list[int]) -> Statement:
        lower = _STATEMENTS[type(statement)]
        return lower(self, statement, info, sorted(set(needs)))

    def _expression(self, expr: syntax.Expr) -> Expr:
        return lower_expression(self.checked, expr)

    def _slot(self, statement: syntax.Node) -> int:
        return self.checked.slots[statement].index

    # steps --------------------------------------------------------------------------------------------------------

    def step(self, node: syntax.Step, _: BlockInfo, needs: list[int]) -> Statement:
        """A step: a task, an effect, a signal or a flow."""
        info = self.checked.steps[node]
        if info.contract is not None:
            return self._task(info, needs)
        on_failure = lower_on_failure(self.checked, info.on_failure, self.profiles)
        arguments = lower_arguments(self.checked, info.arguments)
        only_if = lower_optional(self.checked, info.only_if)
        place = (self.nodes[node], node.name.text, self._slot(node), needs)
        rest: dict[str, Any] = {
            "only_if": only_if,
            "on_failure": on_failure,
            "over": self._over(info.loop),
            "need": info.need,
            "budget": info.budget,
        }
        if info.effect is not None:
            policy, gate = lower_policy(info.policy), self.gate(info.node, info.own)
            return EffectStep("effect", *place, info.effect.name, arguments, policy=policy, gate=gate, **rest)
        if info.signal is not None:
            timeout_us = info.policy.timeout_us
            return SignalStep("signal", *place, info.signal.name, arguments, timeout_us=timeout_us, **rest)
        assert info.flow is not None, "a step is a task, an effect, a signal or a flow"
        policy, urgency = lower_policy(info.policy), lower_optional(self.checked, info.urgency)
        return FlowStep(
            "flow",
            *place,
            info.flow.name,
            arguments,
            policy=policy,
            urgency=urgency,
            gate=self.gate(info.node, info.own),
            **rest,
        )

    def _task(self, info: StepInfo, needs: list[int]) -> TaskStep:
        assert info.contract is not None
        return TaskStep(
            kind="task",
            node=self.nodes[info.node],
            name=info.node.name.text,
            slot=self._slot(info.node),
            needs=needs,
            contract=info.contract.name,
            args=lower_arguments(self.checked, info.arguments),
            pattern=info.pattern,
            candidates=lower_candidates(info.candidates, info.prefer, self.profiles),
            copies=info.copies,
            over=self._over(info.loop),
            need=info.need,
            prefer=info.prefer,
            urgency=lower_optional(self.checked, info.urgency),
            only_if=lower_optional(self.checked, info.only_if),
            on_failure=lower_on_failure(self.checked, info.on_failure, self.profiles),
            budget=info.budget,
            gate=self.gate(info.node, info.own),
        )

    def gate(
        self, node: syntax.Step | syntax.Scope | syntax.Eval | syntax.Supervise | syntax.Peers, own: PolicyValues
    ) -> str | None:
        """The name under which the limits of a statement stand in the plan, or none.

        It tells it from all others that an engine may run.
        """
        gate = lower_gate(own)
        if gate is None:
            return None
        name = f"{PurePath(node.span.source.name).stem}/{node.name.text}#{self.nodes[node]}"
        self.gates[name] = gate
        return name

    def _over(self, loop: LoopInfo | None) -> Over | None:
        if loop is None:
            return None
        return Over(loop.slot.name, self._expression(loop.items), lower_optional(self.checked, loop.width))

    # regions ------------------------------------------------------------------------------------------------------

    def scope(self, node: syntax.Scope, _: BlockInfo, needs: list[int]) -> Scope:
        """A scope, or a region for each item."""
        info = self.checked.scopes[node]
        return Scope(
            kind="scope",
            node=self.nodes[node],
            name=node.name.text,
            slot=self._slot(node),
            needs=needs,
            body=self.block(info.body),
            over=self._over(info.loop),
            need=info.need,
            budget=info.budget,
            policy=lower_policy(info.policy),
            only_if=lower_optional(self.checked, info.only_if),
            urgency=lower_optional(self.checked, info.urgency),
            on_failure=lower_on_failure(self.checked, info.on_failure, self.profiles),
            tools=[tool.name for tool in info.tools],
            gate=self.gate(node, info.policy),
        )

    def repeat(self, node: syntax.Repeat, _: BlockInfo, needs: list[int]) -> Repeat:
        """A loop with its bound."""
        info = self.checked.repeats[node]
        return Repeat(
            kind="repeat",
            node=self.nodes[node],
            name=node.name.text,
            slot=self._slot(node),
            needs=needs,
            times=self._expression(node.times),
            body=self.block(info.body),
            kept=list(info.kept),
            every_us=info.every_us,
            otherwise=None if info.otherwise is None else self.block(info.otherwise),
        )

    def route(self, node: syntax.Route, _: BlockInfo, needs: list[int]) -> Route:
        """A choice among blocks."""
        info = self.checked.routes[node]
        return Route(
            kind="route",
            node=self.nodes[node],
            name=node.name.text,
            slot=self._slot(node),
            needs=needs,
            subject=lower_optional(self.checked, node.subject),
            arms=[self._arm(arm, info.result) for arm in info.arms],
        )

    def _arm(self, arm: ArmInfo, result: Type) -> Arm:
        body = self.block(arm.body)
        gives = arm.call is not None and not isinstance(arm.result, Nothing)
        if arm.call is not None and gives:
            # What is called in place of a block is its value.
            body.statements.append(Give("give", self.nodes[arm.call.node], [0], ["ref", 0, self._slot(arm.call.node)]))
        if arm.result == INT and required(result) == FLOAT:
            body.statements[:] = [_as_float(statement) for statement in body.statements]
        patterns = [self._expression(pattern) for pattern in arm.node.patterns]
        return Arm(patterns, lower_optional(self.checked, arm.node.when), body)

    def machine(self, info: FlowInfo, machine: MachineInfo) -> Block:
        """The body of a machine: its states in one statement, whose value it returns."""
        assert info.block is not None
        assert machine.initial is not None, "a machine without an initial state has errors"
        states = list(machine.states.values())
        places = {state: place for place, state in enumerate(states)}
        slots = [*info.block.frame.names(), info.name]
        number = self.nodes[info.node]
        statement = Machine(
            kind="machine",
            node=number,
            name=info.name,
            slot=len(slots) - 1,
            needs=[],
            states=[self._state(state, places) for state in states],
            initial=places[machine.initial],
            transitions=info.budget.transitions,
        )
        value = Give("give", number, [0], ["ref", 0, len(slots) - 1])
        return Block([statement, value], slots, info.block.frame.given)

    def _way(self, on: syntax.On, target: int, heard: HeardInfo | None) -> Transition:
        when = lower_optional(self.checked, on.when)
        if heard is None:
            return Transition(on.event.text, target, when)  # type: ignore[arg-type]
        bind = None if heard.slot is None else heard.slot.index
        return Transition(
            "signal", target, when, heard.signal.name, lower_arguments(self.checked, heard.arguments), bind
        )

    def _state(self, info: StateInfo, places: Mapping[StateInfo, int]) -> State:
        frame = info.body.frame
        ways = [self._way(on, places[target], info.heard.get(on)) for on, target in info.ways]
        kept = [slot.name for slot in frame.kept()]
        final = info.node.kind == "final"
        return State(info.node.name.text, info.slot.index, self.block(info.body), kept, info.visits, final, ways)

    # values -------------------------------------------------------------------------------------------------------

    def arbitrate(self, node: syntax.Arbitrate, _: BlockInfo, needs: list[int]) -> Arbitrate:
        """A reducer: its candidates, its rules, and the work that a person may be asked to do again."""
        info = self.checked.arbitrations[node]
        asks = None
        asked_again = any(rule.kind == "ask" and rule.contract is None for rule in info.rules)
        if asked_again and info.source is not None and info.source.contract is not None:
            asks = info.source.contract.name, lower_arguments(self.checked, info.source.arguments)
        return Arbitrate(
            kind="arbitrate",
            node=self.nodes[node],
            name=node.name.text,
            slot=self._slot(node),
            needs=needs,
            source=self._expression(node.candidates),
            source_slot=None if info.source_slot is None else info.source_slot.index,
            rules=[self._rule(rule) for rule in info.rules],
            group=lower_optional(self.checked, info.group),
            early=info.early,
            asks=asks,
        )

    def _rule(self, rule: RuleInfo) -> Rule:
        return Rule(
            kind=rule.kind,
            expr=lower_optional(self.checked, rule.expr),
            n=lower_optional(self.checked, rule.n),
            order=[agent.name for agent in rule.order],
            who=None if rule.who is None else lower_candidate(rule.who, self.profiles),
            contract=None if rule.contract is None else rule.contract.name,
            within_us=rule.within_us,
        )

    def let(self, node: syntax.Let, _: BlockInfo, needs: list[int]) -> Let:
        """A name for a value."""
        return Let("let", self.nodes[node], node.name.text, self._slot(node), needs, self._expression(node.value))

    def fail(self, node: syntax.Fail, _: BlockInfo, needs: list[int]) -> Fail:
        """A guard."""
        message, when = self._expression(node.message), lower_optional(self.checked, node.when)
        return Fail("fail", self.nodes[node], needs, message, when)

    def checkpoint(self, node: syntax.Checkpoint, _: BlockInfo, needs: list[int]) -> Checkpoint:
        """A barrier."""
        return Checkpoint("checkpoint", self.nodes[node], node.name.text, needs)

    def wait(self, node: syntax.Wait, _: BlockInfo, needs: list[int]) -> Wait:
        """A barrier that takes time."""
        until = self.checked.expr_types[node.value] == TIME
        return Wait("wait", self.nodes[node], needs, self._expression(node.value), until)

    def revert(self, node: syntax.Revert, _: BlockInfo, needs: list[int]) -> Revert:
        """What takes back what a statement did."""
        found = self.checked.resolved[node.name]
        assert isinstance(found, Reference), "what is reverted has a name"
        of = self.checked.blocks[found.slot.frame.node].index(found.slot.declared)
        if isinstance(found.slot.declared, syntax.State):
            of = -1 - of  # the states of a machine are one statement of its block
        return Revert("revert", self.nodes[node], node.name.text, needs, found.up, of)

    def evaluation(self, node: syntax.Eval, _: BlockInfo, needs: list[int]) -> Evaluation:
        """A look at the quality."""
        info = self.checked.evals[node]
        assert info.contract is not None, "an eval asks for a contract"
        candidates = lower_candidates(info.candidates, info.prefer, self.profiles)
        return Evaluation(
            kind="eval",
            node=self.nodes[node],
            name=node.name.text,
            needs=needs,
            contract=info.contract.name,
            args=lower_arguments(self.checked, info.arguments),
            pattern=info.pattern,
            candidates=candidates,
            within_us=eval_within_us(candidates),
            copies=info.copies,
            prefer=info.prefer,
            sample=info.sample,
            gate=self.gate(node, info.own),
        )

    def send(self, node: syntax.Send, _: BlockInfo, needs: list[int]) -> Send:
        """A message."""
        info = self.checked.sends[node]
        arguments = lower_arguments(self.checked, info.arguments)
        return Send("send", self.nodes[node], needs, info.channel.name, info.flow.name, arguments)

    def until(self, node: syntax.Until, _: BlockInfo, needs: list[int]) -> Until:
        """The end of a loop."""
        return Until("until", self.nodes[node], needs, self._expression(node.condition))

    def give(self, node: syntax.Give | syntax.Return, _: BlockInfo, needs: list[int]) -> Give:
        """The value of the block."""
        return Give("give", self.nodes[node], needs, self._expression(node.value))


def _as_float(statement: Statement) -> Statement:
    """A `give` of an Int where others give a Float."""
    return replace(statement, value=["float", statement.value]) if isinstance(statement, Give) else statement


_Lower: TypeAlias = Callable[[Lowering, Any, BlockInfo, list[int]], Statement]

_STATEMENTS: dict[type, _Lower] = {
    syntax.Step: Lowering.step,
    syntax.Scope: Lowering.scope,
    syntax.Repeat: Lowering.repeat,
    syntax.Route: Lowering.route,
    syntax.Arbitrate: Lowering.arbitrate,
    syntax.Let: Lowering.let,
    syntax.Fail: Lowering.fail,
    syntax.Checkpoint: Lowering.checkpoint,
    syntax.Until: Lowering.until,
    syntax.Revert: Lowering.revert,
    syntax.Supervise: lower_supervise,
    syntax.Peers: lower_peers,
    syntax.Wait: Lowering.wait,
    syntax.Send: Lowering.send,
    syntax.Eval: Lowering.evaluation,
    syntax.Give: Lowering.give,
    syntax.Return: Lowering.give,
}
"""What lowers each kind of statement; the other kinds were refused by the checks."""
