"""What handlers are given and may give back: `Task`, `Output`, `EffectCall`.

A handler of an agent is called with a `Task` and the parameters of its contract by name. It returns the contract's
result, or an `Output` that also tells what it cost. A handler of an effect is called with an `EffectCall` and the
effect's parameters, and returns the receipt; if it raises, it says that the effect was not done (`InDoubt`: that it
does not know).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Generator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol, Self

from orchspec.runtime.errors import AttemptStopped, NotAllowed

if TYPE_CHECKING:
    from orchspec.runtime.kernel.menus import Menu

__all__ = ["BudgetLeft", "EffectCall", "Message", "Output", "Powers", "Task", "ToolCall", "Turn", "moment"]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def moment(time_us: int | None) -> datetime | None:
    """Microseconds since the epoch as a time in UTC; None stays None."""
    return None if time_us is None else _EPOCH + timedelta(microseconds=time_us)


@dataclass(slots=True)
class Output:
    """A result and what it cost.

    Args:
        value: the contract's result: JSON, a dataclass, or a model of pydantic.
        tokens_in: how many tokens were read, None if nobody counted.
        tokens_out: how many tokens were written.
        cost_usd: US dollars as a decimal text, as "0.011"; None lets the model's prices say it.
    """

    value: Any
    tokens_in: int | None = None
    tokens_out: int | None = None
    cost_usd: str | Decimal | float | None = None


@dataclass(frozen=True, slots=True)
class Turn:
    """An earlier exchange of a session: what was asked (parameters by name) and the verified answer.

    `folded`: it is the summary of so many turns (0: it is none), and has no inputs.
    """

    inputs: dict[str, Any]
    output: Any
    folded: int = 0


@dataclass(frozen=True, slots=True)
class Message:
    """What somebody said on a channel: who (an agent or a flow), and the channel's parameters by name."""

    channel: str
    sender: str
    values: dict[str, Any]


@dataclass(frozen=True, slots=True)
class BudgetLeft:
    """What an attempt may spend; None is no bound."""

    cost_usd: Decimal | None
    tokens: int | None


@dataclass(frozen=True, slots=True)
class EffectCall:
    """One send of an effect.

    Attributes:
        key: the idempotency key, equal for every send of the same effect: hand it to the target, which drops repeats.
            For a check it is that of the effect which is in doubt.
        effect: the name of the effect.
        run: the run that does it.
        step: the path of the step in the run, as `draft#2/publish`.
        attempt: from 1; later ones follow a refusal or a doubt.
        deadline: when it counts as in doubt, or None.
        inner: the arguments in the form of the plan, in order (for stand-ins).
        draw_key: the place as a number for draws (for stand-ins).
        checks: whether it asks for what became of another effect.
    """

    key: str
    effect: str
    run: str
    step: str
    attempt: int
    deadline: datetime | None = None
    inner: list[Any] = field(default_factory=list, repr=False)
    draw_key: int = field(default=0, repr=False)
    checks: bool = False


class Powers(Protocol):
    """What a task may ask of the engine that runs it."""

    loop: asyncio.AbstractEventLoop
    stopped: bool
    """The attempt was told to stop."""

    @property
    def held(self) -> bool:
        """Whether the engine waits until what was told to stop has stopped."""

    async def enter_tool(self, tool: str) -> int:
        """Wait for a slot and a token of a tool; returns the number of the call."""

    def leave_tool(self, call: int) -> None:
        """The call is over."""

    async def send(self, channel: str, args: dict[str, Any]) -> None:
        """Post a message; returns once it is durable. Raises NotAllowed where it is refused."""

    async def effect(self, name: str, args: dict[str, Any]) -> Any:
        """Do an effect; returns its receipt. Raises NotAllowed, EffectFailed."""

    def progress(self, share: float, note: str) -> None:
        """A heartbeat."""

    def by_name(self, name: str, given: tuple[Any, ...], arguments: dict[str, Any]) -> dict[str, Any]:
        """The arguments of an effect or a channel by name, those too that were given in order. Raises NotAllowed."""


class ToolCall:
    """A call of a tool: holds a slot and has taken a token from `with` on (`async with` in asynchronous handlers)."""

    __slots__ = ("_call", "_powers", "_tool")

    def __init__(self, powers: Powers, tool: str) -> None:
        self._powers = powers
        self._tool = tool
        self._call = -1

    async def __aenter__(self) -> Self:
        self._call = await self._powers.enter_tool(self._tool)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._powers.leave_tool(self._call)

    def __enter__(self) -> Self:
        loop = self._powers.loop
        try:
            running: asyncio.AbstractEventLoop | None = asyncio.get_running_loop()
        except RuntimeError:
            running = None
        if running is loop:
            raise NotAllowed(f"an asynchronous handler waits for a tool with: async with task.tool({self._tool!r})")
        entering = asyncio.run_coroutine_threadsafe(self._powers.enter_tool(self._tool), loop)
        self._call = entering.result()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._powers.loop.call_soon_threadsafe(self._powers.leave_tool, self._call)


class _Done:
    """What has been awaited already."""

    def __await__(self) -> Generator[Any, None, None]:
        yield from ()


@dataclass(slots=True)
class Task:
    """One attempt at a contract.

    Attributes:
        run: the run it belongs to.
        step: the path of the step in the run, as `draft#2/reviews[critic]`.
        agent: who was chosen.
        contract: what is asked.
        inputs: the contract's parameters by name, JSON of the edge.
        expects: the contract's expectation, in words.
        attempt: from 1.
        previous_error: why the attempt before failed, or None.
        key: equal for every attempt at this task, also after a crash.
        deadline: when the attempt counts as failed, or None.
        budget_left: what the attempt may spend.
        model: the model to use, or None.
        tools: the tools that the agent may call.
        history: earlier turns of the session, oldest first; empty for a fresh one.
        may_ask: what the lead of a `supervise` may ask for: contracts, and the workers who fulfill each.
        may_hand_to: to whom a peer may hand over at all; what it says may narrow this down.
        turns_left: how many rounds a lead has, this one included, or how many hops a peer; None for others.
        inbox: messages on channels that are bound to this task, in the order in which they were sent.
        channels: the channels that the agent may send on.
        effects: the effects that the agent may do.
        inner: the inputs in the form of the plan, in order (for stand-ins).
        draw_key: the place as a number for draws (for stand-ins).
        history_tokens: what the history takes of the context (for stand-ins).
        asked_us: when a person was asked first, microseconds since the epoch (for stand-ins).
        doubt: the key of the effect that a person is asked about, or empty (for stand-ins).
        menu: the same as `may_ask` and `may_hand_to`, in the form of the kernel (for stand-ins).
    """

    powers: Powers = field(repr=False)
    run: str
    step: str
    agent: str
    contract: str
    inputs: dict[str, Any]
    expects: str
    attempt: int
    key: str
    previous_error: str | None = None
    deadline: datetime | None = None
    budget_left: BudgetLeft = field(default_factory=lambda: BudgetLeft(None, None))
    model: str | None = None
    tools: tuple[str, ...] = ()
    history: list[Turn] = field(default_factory=list)
    may_ask: dict[str, tuple[str, ...]] = field(default_factory=dict)
    may_hand_to: tuple[str, ...] = ()
    turns_left: int | None = None
    inbox: list[Message] = field(default_factory=list)
    channels: tuple[str, ...] = ()
    effects: tuple[str, ...] = ()
    inner: list[Any] = field(default_factory=list, repr=False)
    draw_key: int = field(default=0, repr=False)
    asked_us: int = field(default=0, repr=False)
    history_tokens: int = field(default=0, repr=False)
    doubt: str = field(default="", repr=False)
    menu: Menu | None = field(default=None, repr=False)

    @property
    def stopped(self) -> bool:
        """Whether the attempt was told to stop: nothing of it counts any more but its costs."""
        return self.powers.stopped

    def progress(self, share: float, note: str = "") -> None:
        """Tell that the task lives, and how far it is.

        Args:
            share: of the work that is done, 0..1.
            note: what it is at, in a few words.

        Raises:
            AttemptStopped: the attempt was told to stop; let it pass.
        """
        if self.powers.stopped:
            raise AttemptStopped(f"{self.step}: this attempt was told to stop")
        if not 0.0 <= share <= 1.0:
            raise ValueError(f"progress is a share between 0 and 1, not {share}")
        self.powers.progress(float(share), str(note)[:200])

    def tool(self, name: str) -> ToolCall:
        """A slot and a token of a shared tool, for one call: `async with task.tool("web_search"): …`.

        Raises NotAllowed for a tool that the agent does not have.
        """
        if name not in self.tools:
            has = f"it has {', '.join(self.tools)}" if self.tools else "it has none"
            raise NotAllowed(
                f"the agent {self.agent} may not use the tool {name!r} ({has}); give it `tools = [{name}]` in the spec"
            )
        return ToolCall(self.powers, name)

    def effect(self, name: str, /, *given: Any, **arguments: Any) -> Any:
        """Do a declared effect: `receipt = await task.effect("refund", why="late")`; in a synchronous handler no await.

        Arguments are those of the effect, in its order or by name, or one dict of them by name. What the effect's key
        reads is that of the contract and may be left out. What this task has done already, in an earlier attempt or
        before a crash too, is not done again: its receipt is given again. If the task fails, it is undone. The time
        until it is known what became of it is that of the attempt.

        Raises:
            NotAllowed: the spec does not let this agent do it here, or the arguments are not those of the effect.
            EffectFailed: it was refused, conflicts with what was done before, or is in doubt for good.
            AttemptStopped: the attempt was told to stop; let it pass.
        """
        if name not in self.effects:
            may = f"it may do {', '.join(self.effects)}" if self.effects else "it may do none"
            hint = f"give it `effects = [{name}]` in the spec"
            raise NotAllowed(f"the agent {self.agent} may not do the effect {name!r} ({may}); {hint}")
        doing = self.powers.effect(name, self.powers.by_name(name, given, arguments) if given else arguments)
        return doing if self._is_on_loop() else asyncio.run_coroutine_threadsafe(doing, self.powers.loop).result()

    def _is_on_loop(self) -> bool:
        try:
            return asyncio.get_running_loop() is self.powers.loop
        except RuntimeError:
            return False

    def send(self, channel: str, /, *given: Any, **arguments: Any) -> Awaitable[None]:
        """Say something on a channel: `await task.send("news", note="…")`, or, in a synchronous handler, without await.

        Arguments are given as to `effect`. Once it returns, the message is durable: each receiver has it in the next
        task that it takes. What this task has said before, in an earlier attempt too, is not said twice.

        Raises:
            NotAllowed: the spec does not let this agent send there, or the arguments are not those of the channel.
            AttemptStopped: the attempt was told to stop; let it pass.
        """
        if channel not in self.channels:
            may = f"it may send on {', '.join(self.channels)}" if self.channels else "it may send on none"
            raise NotAllowed(
                f"the agent {self.agent} may not send on the channel {channel!r} ({may}); name it in the `from` of one"
            )
        sending = self.powers.send(channel, self.powers.by_name(channel, given, arguments) if given else arguments)
        if self._is_on_loop():
            return sending
        asyncio.run_coroutine_threadsafe(sending, self.powers.loop).result()
        return _Done()
