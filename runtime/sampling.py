"""What an attempt comes to where no agent is at hand: sampled from profiles, as a function of its place.

Stand-ins (on the real clock) and the simulator (on the virtual one) ask the same sampler, so that both see the same
attempt at the same place. Every number is `uniform(key, attempt, purpose)`: it depends on the place and the attempt and
on nothing that happened before. Under `by any` the uniforms stay with the place and the distributions are those of the
agent that was chosen. A target without a profile takes one second, never fails and says nothing of tokens.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, NamedTuple, TypeAlias

from orchspec.compiler.plan import Model, Plan, Profile
from orchspec.runtime.distributions import Data, compile_cost, compile_count, compile_dist, compile_time
from orchspec.runtime.draws import (
    CALLS,
    COST,
    EFFECTS,
    FAILURE,
    GARBAGE,
    LATENCY,
    NEVER,
    TOKENS_IN,
    TOKENS_OUT,
    TOOL,
    mix,
    uniform,
)
from orchspec.runtime.kernel.menus import Menu
from orchspec.runtime.kernel.program import program_of
from orchspec.runtime.made import ArgumentMaker, Maker

__all__ = [
    "CALLS_MAX",
    "CHECK",
    "AgentSampler",
    "Holds",
    "Moment",
    "Sampled",
    "moments_of",
    "receipt_key",
    "scarce_tools",
    "why_failed",
]

CALLS_MAX: Final = 1_000
"""An attempt calls no tool more often than this, whatever its profile says."""

CHECK: Final = 0x8_0000
"""Draws of checks are those of a place beside the effect."""
_HOLDS: Final = TOOL + 0x8000
"""Draws of how long tools are held lie in the upper half of those of calls."""

Holds: TypeAlias = Mapping[str, Callable[[float], int]]


@dataclass(init=False)
class Sampled:
    """What an attempt comes to.

    Not slotted: most attempts are a latency and an output, and what else they could be stays with the class.

    `output` is JSON of the edge: one that the contract accepts, one that it refuses where `garbage`, None where
    `failed` or `never`. Tokens and cost are None where the profile does not say (the kernel then prices or estimates).
    `fees_pico` is what the calls of tools cost beside that, until it is paid. `calls` are (tool, how often), sorted by
    tool; `effects` are (microseconds since the start, effect, arguments by
    name but those that its key reads), in order of time. `never`: nobody ever answers; it is drawn for people only.
    """

    latency_us: int = 0
    failed: bool = False
    garbage: bool = False
    output: Any = None
    tokens_in: int | None = None
    tokens_out: int | None = None
    cost_pico: int | None = None
    fees_pico: int = 0
    calls: Sequence[tuple[str, int]] = ()
    effects: Sequence[tuple[int, str, dict[str, Any]]] = ()
    never: bool = False

    def __init__(self, latency_us: int = 0) -> None:
        self.latency_us = latency_us

    def pay(self, model: Model | None) -> None:
        """Add what tools cost to what the attempt costs, which the prices of its model tell unless it is known."""
        cost = self.cost_pico
        if cost is None and model is not None:
            read, written = self.tokens_in or 0, self.tokens_out or 0
            cost = read * (model.input_pico or 0) + written * (model.output_pico or 0)
        self.cost_pico, self.fees_pico = (cost or 0) + self.fees_pico, 0

    def spent(self, share: float = 1.0) -> tuple[int | None, int | None, int | None]:
        """Tokens in and out and pico-dollars of a share of the attempt.

        Providers bill what was read, and what was written until they were stopped.
        """
        if share >= 1.0:
            return self.tokens_in, self.tokens_out, self.cost_pico
        return (
            self.tokens_in,
            None if self.tokens_out is None else int(self.tokens_out * share),
            None if self.cost_pico is None else int(self.cost_pico * share),
        )


class AgentSampler:
    """Samples the attempts of one agent, human or effect of a plan; everything is compiled once.

    Args:
        plan: the plan, with its profiles.
        target: the name of an agent, a human or an effect.
        data: the columns that distributions read, see `orchspec.runtime.distributions`.

    Raises:
        PlanError: a distribution of the target's profile is impossible, or its column was not given.
    """

    __slots__ = (
        "_calls",
        "_cost",
        "_asks",
        "_data",
        "_effects",
        "_failure",
        "_fees",
        "_garbage",
        "_latency",
        "_makers",
        "_never",
        "_says_more",
        "_tokens_in",
        "_tokens_out",
        "plan",
        "profile",
        "target",
    )

    def __init__(self, plan: Plan, target: str, data: Data | None = None) -> None:
        profile = plan.profiles.get(target) or Profile(target)
        self.plan = plan
        self.target = target
        self.profile = profile
        self._data = data
        self._latency = compile_time(profile.latency, data)
        self._tokens_in = compile_count(profile.tokens_in, data) if profile.tokens_in is not None else None
        self._tokens_out = compile_count(profile.tokens_out, data) if profile.tokens_out is not None else None
        self._cost = compile_cost(profile.cost, data) if profile.cost is not None else None
        self._calls = [(tool, compile_count(profile.calls[tool], data)) for tool in sorted(profile.calls)]
        charging = {tool: plan.profiles[tool].cost for tool, _ in self._calls if tool in plan.profiles}
        self._fees = {tool: compile_cost(cost, data) for tool, cost in charging.items() if cost is not None}
        self._effects = [(name, compile_dist(profile.effects[name], data)) for name in sorted(profile.effects)]
        self._asks: dict[tuple[str, str], ArgumentMaker | None] = {}
        self._failure = profile.failure
        self._garbage = profile.garbage
        self._never = profile.never
        self._makers: dict[str, Maker] = {}
        said = (self._tokens_in, self._tokens_out, self._cost)
        self._says_more = bool(self._calls or self._effects or any(one is not None for one in said))

    def maker(self, name: str) -> Maker:
        """The maker of outputs for a contract, or of receipts for an effect; PlanError as of `Maker`."""
        made = self._makers.get(name)
        if made is None:
            codecs = program_of(self.plan).codecs
            made = self._makers[name] = Maker(self.plan, name, self.profile, data=self._data, codecs=codecs)
        return made

    def attempt(self, contract: str, inputs: list[Any], key: int, attempt: int, menu: Menu | None = None) -> Sampled:
        """One attempt at a contract.

        Args:
            contract: the name of the contract.
            inputs: inner values in the order of its parameters.
            key: of the place, as `Kernel.draw_key` gives it.
            attempt: as in the commands of the kernel; a `dispatch` draws nothing new.
            menu: what a lead or a peer may choose from.
        """
        sampled = Sampled()
        self.play(sampled, contract, inputs, key, attempt, menu)
        return sampled

    def play(
        self, sampled: Sampled, contract: str, inputs: list[Any], key: int, attempt: int, menu: Menu | None = None
    ) -> None:
        """Put into `sampled` what `attempt` gives."""
        sampled.latency_us = self._latency(uniform(key, attempt, LATENCY))
        if self._says_more:
            self._say_more(sampled, contract, key, attempt)
        if self._never and uniform(key, attempt, NEVER) < self._never:
            sampled.never = True
        elif self._failure and uniform(key, attempt, FAILURE) < self._failure:
            sampled.failed = True
        elif self._garbage and uniform(key, attempt, GARBAGE) < self._garbage:
            sampled.garbage = True
            sampled.output = self.maker(contract).broken("garbage", inputs, partial(uniform, key, attempt))
        else:
            sampled.output = (self._makers.get(contract) or self.maker(contract)).play(inputs, key, attempt, menu)

    def _say_more(self, sampled: Sampled, contract: str, key: int, attempt: int) -> None:
        """What few profiles say: tokens, cost, calls, effects."""
        if self._tokens_in is not None:
            sampled.tokens_in = self._tokens_in(uniform(key, attempt, TOKENS_IN))
        if self._tokens_out is not None:
            sampled.tokens_out = self._tokens_out(uniform(key, attempt, TOKENS_OUT))
        if self._cost is not None:
            sampled.cost_pico = self._cost(uniform(key, attempt, COST))
        if self._calls:
            sampled.calls = [
                (tool, min(count(uniform(key, attempt, CALLS + index)), CALLS_MAX))
                for index, (tool, count) in enumerate(self._calls)
            ]
            if self._fees:
                sampled.fees_pico = self._asked_for(sampled.calls, key, attempt)
        if self._effects:
            sampled.effects = self._asked(contract, sampled.latency_us, key, attempt)

    def _asked_for(self, calls: Sequence[tuple[str, int]], key: int, attempt: int) -> int:
        """What these calls cost together."""
        total = 0
        for index, (tool, count) in enumerate(calls):
            fee = self._fees.get(tool)
            if fee is not None:
                of_tool = mix(mix(key, CALLS + index), attempt)
                total += sum(fee(uniform(of_tool, call, COST)) for call in range(count))
        return total

    @property
    def charges(self) -> bool:
        """Whether what the target does costs anything."""
        return self._cost is not None

    def fee(self, key: int, attempt: int) -> int:
        """What one application of the effect costs, in pico-dollars."""
        return 0 if self._cost is None else int(self._cost(uniform(key, attempt, COST)))

    def _asked(self, contract: str, latency_us: int, key: int, attempt: int) -> list[tuple[int, str, dict[str, Any]]]:
        """The effects that an attempt asks for; at a contract that does not hand over a key it cannot be asked."""
        asked = []
        for index, (name, happens) in enumerate(self._effects):
            if (name, contract) not in self._asks:
                bound = program_of(self.plan).bound(name, contract)
                self._asks[name, contract] = (
                    None if bound is None else ArgumentMaker(self.plan, name, bound, self._data)
                )
            maker = self._asks[name, contract]
            if maker is not None and happens(uniform(key, attempt, EFFECTS + index)):
                at_us = int(latency_us * uniform(key, attempt, EFFECTS + 0x4000 + index))
                # What it asks for does not depend on the attempt: a retry that asks for something else conflicts.
                asked.append((at_us, name, maker.make(partial(uniform, mix(key, EFFECTS + index), 1))))
        asked.sort(key=lambda each: each[:2])
        return asked

    def send(self, key: int, attempt: int) -> Sampled:
        """One send of an effect: its latency and whether the target refuses it; what it gives back says `receipt`."""
        sampled = Sampled(self._latency(uniform(key, attempt, LATENCY)))
        sampled.failed = bool(self._failure) and uniform(key, attempt, FAILURE) < self._failure
        return sampled

    def signal(self, inputs: list[Any], key: int) -> tuple[int, Any] | None:
        """How long after it is waited for the signal comes (microseconds), and with what; None if it never does.

        Args:
            inputs: inner values in the order of the signal's parameters.
            key: of the place that waits.
        """
        sampled = self.attempt(self.target, inputs, key, 1)
        return None if sampled.never else (sampled.latency_us, sampled.output)

    def receipt(self, args: list[Any], key: int) -> Any:
        """The receipt of the effect, JSON of the edge: equal keys, equal receipts, since every send gets the same.

        Args:
            args: inner values in the order of the effect's parameters.
            key: what `receipt_key` makes of the key that the target gets, which knows nothing of runs and places.
        """
        return self.maker(self.target).make(args, partial(uniform, key, 0))

    def found(self, args: list[Any], key: int, receipt: Any) -> Any:
        """What a check gives of an effect that was done: its receipt, or, where it has none, something else.

        Args:
            args: inner values in the order of the check's parameters.
            key: of the effect.
            receipt: of the effect, JSON of the edge.
        """
        if receipt is not None:
            return receipt
        made = (self.receipt(args, mix(key, turn)) for turn in range(64))
        return next((value for value in made if value is not None), None)


def receipt_key(target_key: str) -> int:
    """The key of the draws for the receipt of an effect, of the key that its target gets."""
    return mix(int(target_key[:16], 16), 0)


class Moment(NamedTuple):
    """Something that an attempt asks of others on its way: a call of a tool, or an effect, which has arguments.

    Times in microseconds: `at_us` since the attempt began, `held_us` for how long the tool is held.
    """

    at_us: int
    name: str
    args: dict[str, Any] | None = None
    held_us: int = 0


def moments_of(sampled: Sampled, key: int, attempt: int, holds: Holds) -> list[Moment]:
    """What an attempt asks of others on its way, in order of time.

    An attempt's time includes that of its calls: each begins early enough to be over with it. Only one that lasts
    longer than all of the attempt ends after it.

    Args:
        sampled: the attempt.
        key: of the place.
        attempt: its number.
        holds: how long a call of a tool lasts, by its name and a uniform. Tools without are not held at all.
    """
    moments = [Moment(*each) for each in sampled.effects]
    number = 0
    for tool, count in sampled.calls:
        hold = holds.get(tool)
        for _ in range(count):
            held_us = hold(uniform(key, attempt, _HOLDS + number)) if hold is not None else 0
            begins_us = max(0, sampled.latency_us - held_us)
            moments.append(Moment(int(begins_us * uniform(key, attempt, TOOL + number)), tool, None, held_us))
            number += 1
    moments.sort(key=_in_time)
    return moments


def _in_time(moment: Moment) -> tuple[int, str]:
    return moment[:2]


def scarce_tools(plan: Plan) -> frozenset[str]:
    """The tools whose calls can be kept waiting; what calls the others does not notice them."""
    # Whether a tool is taken whole is known where the plan is compiled: then all tools take part.
    sections = program_of(plan).sections
    return frozenset(
        name for name, tool in plan.tools.items() if sections or tool.slots is not None or tool.rate is not None
    )


def why_failed(target: str) -> str:
    """What is said of one that failed because its profile says so."""
    return f"{target} failed, as its profile says it sometimes does"
