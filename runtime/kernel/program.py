"""A plan, compiled once for all its runs: expressions to closures, blocks to dependency counters, statements to ops.

An `Op` is what a statement of the plan is at run time: where it stands, what waits for it, and `start(frame)`, which
makes its activity (or settles it at once). The kinds of statement register their op class with `op_for`, each in the
module that runs it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar, Final, TypeVar

from orchspec.compiler.plan import Backoff, Budget, PlanError, Policy
from orchspec.runtime.distributions import quantile_us
from orchspec.runtime.kernel.expressions import compile_expr
from orchspec.runtime.kernel.values import Codecs

if TYPE_CHECKING:
    from orchspec.compiler.plan import Agent, Block, Candidate, Effect, Flow, OnFailure, Plan, Tier
    from orchspec.runtime.kernel.frames import Frame
    from orchspec.runtime.kernel.sessions import Mind

__all__ = [
    "RESEND",
    "CompiledBlock",
    "CompiledEffect",
    "CompiledFlow",
    "Link",
    "Op",
    "Program",
    "Seat",
    "op_for",
    "program_of",
    "rest_us",
]

RESEND: Final = Backoff(1_000_000, 60_000_000)
"""How an effect in doubt, or an undo, is sent again where its policy names no backoff."""
UNDO_ATTEMPTS_MIN: Final = 10
"""An undo is worth more patience than its policy may grant."""


class Op:
    """A compiled statement. `slot` is -1 where it names nothing.

    `dependents` are the ops of the same block that wait for it.
    """

    __slots__ = ("dependents", "index", "name", "node", "slot")

    def __init__(self, program: Program, statement: Any, index: int) -> None:
        self.index = index
        self.node: int = statement.node
        self.name: str = getattr(statement, "name", "")
        self.slot: int = getattr(statement, "slot", -1)
        self.dependents: tuple[Op, ...] = ()

    def bind(self, ops: list[Op]) -> None:
        """Learn of the others of the block."""

    def start(self, frame: Frame) -> None:
        """Begin the statement in a frame where all it needs has settled."""
        raise NotImplementedError


OpClass = TypeVar("OpClass", bound=type[Op])

_OPS: dict[str, Callable[[Program, Any, int], Op]] = {}


def op_for(kind: str) -> Callable[[OpClass], OpClass]:
    """Registers the op class of a kind of statement."""

    def register(cls: OpClass) -> OpClass:
        assert kind not in _OPS, f"two op classes for {kind!r}"
        _OPS[kind] = cls
        return cls

    return register


_INNER: Final = frozenset({"rounds", "turns"})
"""What stands in the region of a loop: no statement of the plan, so its node is none of the plan's either."""


class CompiledBlock:
    """A block: `waiting[i]` is how many statements op i waits for, `ready` those that wait for none."""

    __slots__ = ("given", "names", "ops", "ready", "size", "waiting")

    def __init__(self, program: Program, block: Block) -> None:
        self.size = len(block.slots)
        self.names = list(block.slots)
        self.given = block.given
        ops: list[Op] = []
        for index, statement in enumerate(block.statements):
            make = _OPS.get(statement.kind)
            if make is None:
                raise PlanError(f"this version runs no statement of kind {statement.kind!r}")
            ops.append(make(program, statement, index))
            if statement.kind not in _INNER:
                program.blocks[statement.node] = block, index
        dependents: list[list[Op]] = [[] for _ in ops]
        for index, statement in enumerate(block.statements):
            for need in set_in_order(statement.needs):
                if not 0 <= need < len(ops) or need == index:
                    raise PlanError(
                        f"statement {index} of a block needs statement {need}, which is not another one of it"
                    )
                dependents[need].append(ops[index])
        for index, op in enumerate(ops):
            op.dependents = tuple(dependents[index])
        self.ops = ops
        for op in ops:
            op.bind(ops)
        self.waiting = [len(set_in_order(statement.needs)) for statement in block.statements]
        self.ready = tuple(op for op, count in zip(ops, self.waiting, strict=True) if count == 0)
        if ops and not _settles(self):
            raise PlanError("the statements of a block wait for each other in a circle")


def set_in_order(items: list[int]) -> list[int]:
    """The items without repetitions, ascending."""
    return sorted(dict.fromkeys(items))


def _settles(block: CompiledBlock) -> bool:
    waiting = list(block.waiting)
    ready = list(block.ready)
    count = 0
    while ready:
        count += 1
        for dependent in ready.pop().dependents:
            waiting[dependent.index] -= 1
            if waiting[dependent.index] == 0:
                ready.append(dependent)
    return count == len(block.ops)


class Seat:
    """A candidate of a step: the agent with the policy and the tiers that hold for it there.

    Where its work is hedged, `double` is who sends the second one, and `hedge_us` after how long: what the policy says,
    or what the profile says about `share` of the attempts (None: nothing). `metered`: a model of it has limits.
    """

    __slots__ = (
        "agent",
        "attempts",
        "backoff",
        "double",
        "hedge_us",
        "metered",
        "mind",
        "person",
        "session",
        "share",
        "tiers",
        "timeout_us",
    )

    def __init__(self, program: Program, candidate: Candidate) -> None:
        agent = program.plan.agents.get(candidate.agent)
        if agent is None:
            raise PlanError(f"a step names the agent {candidate.agent!r}, which the plan does not declare")
        if not candidate.tiers:
            raise PlanError(f"the candidate {candidate.agent!r} has no tier")
        self.agent = agent.name
        self.person = agent.kind == "human"
        self.session = agent.session != "fresh"
        self.mind = program.mind(agent)
        self.attempts = candidate.policy.attempts
        self.timeout_us = candidate.policy.timeout_us
        self.backoff = candidate.policy.backoff
        self.tiers: tuple[Tier, ...] = tuple(candidate.tiers)
        models = [program.plan.models.get(tier.model) for tier in candidate.tiers if tier.model is not None]
        self.metered = any(model is not None and (model.rate or model.token_rate) for model in models)
        hedge = candidate.policy.hedge
        self.double: Seat | None = None
        self.hedge_us: int | None = None
        self.share = 0.0
        if hedge is not None:
            once = replace(candidate.policy, attempts=1, hedge=None)
            self.double = Seat(program, replace(candidate, policy=once))
            self.share = hedge.share or 0.0
            self.hedge_us = hedge.after_us
            if hedge.share is not None:
                profile = program.plan.profiles.get(agent.name)
                self.hedge_us = quantile_us(profile.latency, hedge.share) if profile is not None else None


class Link:
    """One link of an `on_failure` chain."""

    __slots__ = ("kind", "seat", "value", "within_us")

    def __init__(self, program: Program, link: OnFailure) -> None:
        self.kind = link.kind
        self.value = compile_expr(link.value) if link.kind == "use" else None
        self.seat = Seat(program, link.who) if link.who is not None else None
        self.within_us = link.within_us
        if self.kind == "ask" and self.seat is None:
            raise PlanError("an `ask` of an on_failure chain names nobody")


class CompiledEffect:
    """An effect: its codec, how it stays single, and what undoes it.

    `resends`: in doubt it is sent again, since its target drops the repeat or does no harm by it; else `check` names
    the effect that says whether it was done, or `ask` who looks, by the contract `question`. Both no earlier than
    `settles_us` after the send's deadline; `exempt` is the budget of the asking, which has no limits. `patient` is its
    policy where it undoes another one.
    """

    __slots__ = (
        "ask",
        "ask_within_us",
        "check",
        "check_args",
        "codec",
        "exempt",
        "gates",
        "has_receipt",
        "idempotent",
        "key",
        "name",
        "patient",
        "policy",
        "question",
        "remembers_us",
        "resends",
        "settles_us",
        "undo",
        "undo_args",
    )

    def __init__(self, program: Program, effect: Effect) -> None:
        self.name = effect.name
        self.codec = program.codecs.effect(effect.name)
        self.has_receipt = effect.result != "Nothing"
        self.key = compile_expr(effect.key) if effect.key is not None else None
        self.idempotent = effect.idempotent
        self.resends = effect.key is not None or effect.idempotent
        self.check = effect.check.effect if effect.check is not None else None
        self.check_args = [compile_expr(arg) for arg in effect.check.args] if effect.check is not None else []
        doubt = effect.in_doubt
        self.ask = Seat(program, doubt.who) if doubt is not None else None
        self.ask_within_us = doubt.within_us if doubt is not None else None
        self.question = doubt.contract if doubt is not None else ""
        self.exempt = Budget()
        self.settles_us = effect.settles_us
        self.remembers_us = effect.remembers_us
        self.policy: Policy = effect.policy
        self.patient = Policy(
            max(effect.policy.attempts, UNDO_ATTEMPTS_MIN), effect.policy.timeout_us, effect.policy.backoff or RESEND
        )
        self.gates: tuple[str, ...] = (effect.gate,) if effect.gate is not None else ()
        self.undo = effect.undo.effect if effect.undo is not None else None
        self.undo_args = [compile_expr(arg) for arg in effect.undo.args] if effect.undo is not None else []
        if not self.resends and self.check is None and self.ask is None:
            raise PlanError(f"the effect {effect.name!r} does not say how it stays single")


class CompiledFlow:
    """A flow: its body, budget and the codec of its parameters and result."""

    __slots__ = ("block", "budget", "codec", "economy", "name")

    def __init__(self, program: Program, flow: Flow) -> None:
        self.name = flow.name
        self.codec = program.codecs.flow(flow.name)
        self.budget = flow.budget
        self.economy = flow.economy
        self.block = CompiledBlock(program, flow.body)


class Program:
    """Everything of a plan that its runs share. Raises PlanError for a plan that no compiler wrote.

    `blocks`: where each statement stands in the plan, its block and its index there, by the node of its source.
    """

    COMPILED: ClassVar[dict[str, Program]] = {}

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.uncapped = Budget()
        self.blocks: dict[int, tuple[Block, int]] = {}
        self._minds: dict[str, Mind | None] = {}
        self.codecs = Codecs(plan)
        self.contracts = {name: self.codecs.contract(name) for name in plan.contracts}
        self._bound: dict[tuple[str, str], list[tuple[str, int, int]] | None] = {}
        self.ttl: dict[str, int | str | None] = {
            # A decision is taken each time it is asked for: an old one is nobody's.
            name: contract.reuse if contract.owns is None else None
            for name, contract in plan.contracts.items()
        }
        self.effects = {name: CompiledEffect(self, effect) for name, effect in plan.effects.items()}
        self.sections = False  # until a scope says that it is one
        self.flows = {name: CompiledFlow(self, flow) for name, flow in plan.flows.items()}
        for effect in self.effects.values():
            for what, named in (("undone", effect.undo), ("checked", effect.check)):
                if named is not None and named not in self.effects:
                    raise PlanError(
                        f"the effect {effect.name!r} is {what} by {named!r}, which the plan does not declare"
                    )
            if effect.ask is not None and effect.question not in self.contracts:
                raise PlanError(f"the plan has no question for the effect {effect.name!r} in doubt")

    def mind(self, agent: Agent) -> Mind | None:
        """How an agent remembers; None for one that does not, and that nothing bounds."""
        if agent.session == "fresh" and agent.context_tokens is None:
            return None
        if agent.name not in self._minds:
            self._minds[agent.name] = None  # while those who fold it are made
            from orchspec.runtime.kernel.sessions import mind_of

            self._minds[agent.name] = mind_of(self, agent)
        return self._minds[agent.name]

    def bound(self, effect: str, contract: str) -> list[tuple[str, int, int]] | None:
        """The parameters of an effect that come from the contract where an agent does it: name, and index in both.

        They are those that the key reads; None if the contract lacks one of them.
        """
        pair = (effect, contract)
        if pair not in self._bound:
            self._bound[pair] = self._bind(*pair)
        return self._bound[pair]

    def _bind(self, effect: str, contract: str) -> list[tuple[str, int, int]] | None:
        declared = self.plan.effects[effect]
        handed = {param.name: (index, param.type) for index, param in enumerate(self.plan.contracts[contract].params)}
        bound: list[tuple[str, int, int]] = []
        for at in sorted(_slots_read(declared.key)):
            param = declared.params[at]
            of, type_ = handed.get(param.name, (-1, None))
            if of < 0 or type_ != param.type:
                return None
            bound.append((param.name, at, of))
        return bound


def _slots_read(expr: Any) -> set[int]:
    """The slots of the innermost frame that an expression of a plan reads."""
    if not isinstance(expr, (list, tuple)) or not expr or expr[0] == "const":
        return set()
    if expr[0] == "ref":
        return {expr[2]} if expr[1] == 0 else set()
    return set().union(*(_slots_read(part) for part in expr))


def program_of(plan: Plan) -> Program:
    """The compiled plan, made once for each hash."""
    program = Program.COMPILED.get(plan.hash) if plan.hash else None
    if program is None:
        program = Program(plan)
        if plan.hash:
            if len(Program.COMPILED) >= 64:
                Program.COMPILED.clear()
            Program.COMPILED[plan.hash] = program
    return program


def rest_us(backoff: Backoff | None, retry: int, at_least_us: int, draw: Callable[[], float]) -> int:
    """Microseconds to wait before retry number `retry` (from 1): `from` doubled for each earlier one, at most `to`.

    `jitter` is the share of the wait that is drawn: the result is uniform on [(1 - jitter)·wait, wait]. What the
    other side asked for (Retry-After) is a floor.
    """
    if backoff is None:
        return at_least_us
    wait = (
        min(backoff.from_us << min(retry - 1, 40), backoff.to_us)
        if backoff.to_us > backoff.from_us
        else backoff.from_us
    )
    if backoff.jitter > 0.0:
        wait = round(wait * (1.0 - backoff.jitter * draw()))
    return max(wait, at_least_us)
