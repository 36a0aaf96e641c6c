"""Agents, people, effects and signals as a schedule of faults has them behave, as a crew of the real engine.

They are sampled as in a simulation and struck by the same faults; what is awaited there as an event of SimPy is
awaited here with asyncio.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from orchspec.parity.doors import Doors
from orchspec.parity.refusals import Died, ServerError, ToolError, ToolThrottled, Unavailable, spent, usd
from orchspec.parity.signals import Signals
from orchspec.runtime.draws import mix, uniform
from orchspec.runtime.errors import AttemptStopped, EffectFailed, Failed, InDoubt, Throttled
from orchspec.runtime.kernel.commands import RunTask
from orchspec.runtime.kernel.program import program_of
from orchspec.runtime.kernel.values import Unverified
from orchspec.runtime.made import MISTAKEN
from orchspec.runtime.sampling import CHECK, receipt_key, why_failed
from orchspec.runtime.task import EffectCall, Output, Task
from orchspec.simulator.strikes import Strike
from orchspec.simulator.targets import LANDED, outcome_of
from orchspec.simulator.underway import Tried

if TYPE_CHECKING:
    from orchspec.parity.outside import Answer, Outside, Request, Sent
    from orchspec.runtime.crew import Caller, Player, Sender
    from orchspec.runtime.driver.attempts import Usage
    from orchspec.runtime.driver.clock import Clock
    from orchspec.simulator.cast import Cast

__all__ = ["Players"]


_BREAKING: Final = frozenset({"garbage", "truncated", "empty", "oversize"})
"""What breaks a contract."""


class _Played(Tried):
    """An attempt; `late_us`: by how much what it asked of others has made it late; `asks_since_us`: it asks now."""

    late_us: int = 0
    asks_since_us: int | None = None


class Players:
    """A crew.

    Args:
        outside: where effects land and people are.
        cast: who plays whom.
        clock: of the engine.
        reached: told of points at which a crash may strike.
        put_in: puts what somebody says into the mailbox.
        epoch: of the engine that is there now.
        bill: tells the engine that is there what an attempt has cost besides.
        waited_us: see `Signals`.

    Attributes:
        signals: those that are on their way.
    """

    def __init__(
        self,
        outside: Outside,
        cast: Cast,
        clock: Clock,
        reached: Callable[[str], None],
        put_in: Callable[[Answer | Sent, Any], None],
        epoch: Callable[[], int],
        bill: Callable[[Task, Usage], None],
        waited_us: Callable[[int], int],
    ) -> None:
        self._epoch = epoch
        self._bill = bill
        self._outside = outside
        self._cast = cast
        self._clock = clock
        self._reached = reached
        self._put_in = put_in
        self.signals = Signals(outside, cast, clock, put_in, waited_us, self.later)
        self._doors = Doors(outside.faults, clock.now_us, self.later)
        self.over = False

    async def _until(self, at_us: int) -> None:
        left_us = at_us - self._clock.now_us()
        if left_us > 0:
            await asyncio.sleep(self._clock.seconds(left_us))

    def later(self, at_us: int, callback: Callable[..., None], *args: Any) -> None:
        """Call back at a time, whatever becomes of whoever asked for it, but not beyond this life."""

        def due() -> None:
            if not self.over:
                callback(*args)

        asyncio.get_running_loop().call_later(self._clock.seconds(max(0, at_us - self._clock.now_us())), due)

    # -------------------------------------------------------------- agents

    def agent(self, name: str, contract: str) -> Player | None:
        """See `Crew`."""

        async def play(task: Task) -> Output:
            now = self._clock.now_us()
            strike = self._outside.faults.strike(name, task.draw_key, task.attempt, now)
            command = RunTask(0, task.attempt, _dispatch(task), name, contract, task.inner, task.model)
            attempt = _Played(command, task.draw_key, now)
            self._cast.players[name].play(attempt, contract, task.inner, task.draw_key, task.attempt, task.menu)
            attempt.takes_us = attempt.latency_us
            if attempt.tokens_in is not None:
                attempt.tokens_in += task.history_tokens
            if strike is not None:
                attempt.struck(strike, self._cast)
            async with self._doors.inside(name):
                attempt.since_us = self._clock.now_us()
                await self._play(name, task, attempt)
            if attempt.strike is not None and attempt.strike.duplicated and not attempt.strike.rejects:
                self._works_twice(task, attempt)
            return self._ends(name, attempt)

        return play

    def _works_twice(self, task: Task, attempt: Tried) -> None:
        """What was asked has come to the agent twice: one of its answers counts, and whoever bills it bills both."""
        usage = attempt.spent(attempt.share)
        if usage != (None, None, None) and not self.over:
            self._bill(task, usage)

    async def _play(self, name: str, task: Task, attempt: _Played) -> None:
        try:
            await self._work(task, attempt)
        except (asyncio.CancelledError, AttemptStopped):
            if attempt.strike is not None and attempt.strike.zombie_us:
                await self._does_not_hear(task, attempt)
                return
            done_us = self._clock.now_us() - attempt.since_us
            share = min(1.0, done_us / attempt.takes_us) if attempt.takes_us else 1.0
            raise spent(Failed, f"{name} was told to stop", attempt, share) from None
        except EffectFailed as error:
            raise spent(Failed, error.message, attempt, attempt.share) from None

    async def _does_not_hear(self, task: Task, attempt: _Played) -> None:
        """It goes on to its end, however often it is told to stop; what it asks for meanwhile it is refused."""
        late_us = attempt.late_us
        if attempt.asks_since_us is not None:
            late_us += max(0, self._clock.now_us() - attempt.asks_since_us)
        ends_us = attempt.since_us + attempt.takes_us + late_us
        silent = attempt.strike is not None and attempt.strike.silent
        while silent or self._clock.now_us() < ends_us:
            if self.over or task.powers.abandoned:  # type: ignore[attr-defined]
                return
            with contextlib.suppress(asyncio.CancelledError):
                await (asyncio.Event().wait() if silent else self._until(ends_us))
                silent = silent or self._outside.faults.parted(task.agent, ends_us)  # what it brings gets not through

    async def _work(self, task: Task, attempt: _Played) -> None:
        strike, began_us = attempt.strike, attempt.since_us
        if strike is not None and strike.silent:
            await asyncio.Event().wait()
        late_us, ends_us = 0, attempt.takes_us
        if (attempt.calls or attempt.effects) and not (strike is not None and strike.rejects):
            cut, moments = attempt.share, attempt.on_its_way(self._cast)
            ends_us = attempt.takes_us
            left = sum(each.args is not None or each.name in self._cast.scarce for each in moments)
            for after_us, name, args, held_us in moments:
                await self._until(began_us + after_us + late_us)
                slowed_us = 0
                if args is not None or name in self._cast.scarce:
                    left -= 1
                attempt.share = after_us / attempt.takes_us if attempt.takes_us else 1.0
                attempt.asks_since_us = began_us + after_us + late_us
                if args is not None:
                    await self._do(task, attempt, left, name, args)
                elif name in self._cast.scarce:
                    slowed_us = await self._call(task, attempt, left, name, held_us)
                else:
                    task.powers.leave_tool(await task.powers.enter_tool(name))
                attempt.late_us = late_us = max(0, self._clock.now_us() - began_us - after_us) + slowed_us
                attempt.asks_since_us = None
            attempt.share = cut
        await self._until(began_us + ends_us + late_us)
        if self._outside.faults.parted(task.agent, self._clock.now_us()):
            attempt.strike = attempt.strike or Strike()
            attempt.strike.ack_lost = True  # its answer does not get through
            await asyncio.Event().wait()

    async def _do(self, task: Task, attempt: Tried, left: int, effect: str, args: dict[str, Any]) -> None:
        number = (task.attempt << 10) + left
        strike = self._outside.faults.strike_deed(task.agent, attempt.key, number, self._clock.now_us())
        if strike is not None and strike.dies_before:
            raise spent(Died, "the agent died before its effect", attempt, attempt.share)
        await task.effect(effect, **args)
        if strike is not None and strike.dies_after:
            raise spent(Died, "the agent died after its effect", attempt, attempt.share)

    async def _call(self, task: Task, attempt: Tried, left: int, tool: str, held_us: int) -> int:
        """Call a tool; returns how much later than usual it is given back, microseconds."""
        number = (task.attempt << 10) + left
        strike = self._outside.faults.strike(tool, attempt.key, number, self._clock.now_us())
        if strike is not None and strike.silent:
            await asyncio.Event().wait()
        if strike is not None and strike.failing is not None:
            if strike.throttled:
                error = spent(ToolThrottled, f"429: {tool} is not serving now", attempt, attempt.share)
                error.retry_after_us = strike.retry_after_us
                raise error
            raise spent(ToolError, f"{tool}: {strike.failing}", attempt, attempt.share)
        call = await task.powers.enter_tool(tool)
        slowed_us = strike.slowed(held_us) + strike.delay_us if strike is not None else held_us
        self.later(self._clock.now_us() + slowed_us, task.powers.leave_tool, call)
        return max(0, slowed_us - held_us)

    def _ends(self, name: str, attempt: Tried) -> Output:
        strike = attempt.strike
        if strike is not None and strike.throttled:
            error = Throttled("429: the provider is not serving now")
            error.retry_after_us = strike.retry_after_us
            raise error
        if strike is not None and strike.out:
            raise Unavailable("nobody answers: an outage")
        if strike is not None and strike.server_error:
            raise spent(ServerError, "503: the provider failed", attempt, 0.0)
        if attempt.failed:
            message = strike.fail if strike is not None and strike.fail else why_failed(name)
            share = attempt.share if strike is not None and strike.out_in_us is not None else 1.0
            raise spent(Failed, message, attempt, share)
        return Output(attempt.output, attempt.tokens_in, attempt.tokens_out, usd(attempt.cost_pico))

    # -------------------------------------------------------------- people and signals

    def human(self, name: str, *, doubt: bool = False) -> Player | None:
        """See `Crew`: who is asked answers into the mailbox, once; the question waits there."""

        async def asked(task: Task) -> Any:
            question = (task.run, task.step, task.attempt)
            if question not in self._outside.answers:
                self._outside.answers[question] = answer = self._answer(name, task)
                if answer is not None:
                    self.comes(question, answer)
            powers: Any = task.powers
            stop = powers.stop

            def withdrawn() -> None:
                if not powers.abandoned:
                    self._outside.answers[question] = None
                stop()

            # Nobody answers any more what is not asked any more; and whoever leaves need not wait for a person.
            powers.stop = withdrawn
            asyncio.get_running_loop().call_soon(setattr, powers, "handle", None)
            said = self._outside.answers[question]
            if said is not None and said.handed:
                await self._until(said.at_us)
                return said.values[0]
            return await asyncio.get_running_loop().create_future()

        return asked

    def comes(self, question: tuple[str, str, int], answer: Answer) -> None:
        """An answer will come into the mailbox."""
        if answer.handed:
            return
        self.later(answer.at_us, self._said, question, answer)

    def _said(self, question: tuple[str, str, int], answer: Answer) -> None:
        if self._outside.answers.get(question) is answer:
            self._outside.said(question, answer, self._put_in)

    def _answer(self, name: str, task: Task) -> Answer | None:
        from orchspec.parity.outside import Answer

        outside, key, now = self._outside, task.draw_key, self._clock.now_us()
        strike = outside.faults.strike(name, key, task.attempt, now)
        sampled = self._cast.players[name].attempt(task.contract, task.inner, key, task.attempt, task.menu)
        if sampled.never or (strike is not None and (strike.never or strike.lost)):
            return None
        latency_us, values, doubt, kind = sampled.latency_us, [sampled.output], task.doubt, None
        if strike is not None:
            latency_us = strike.slowed(latency_us) + strike.delay_us
            what = (name, task.contract, task.inner, key, task.attempt)
            kind = strike.broken or ("garbage" if strike.fail is not None else None)
            if kind is not None and not (doubt and kind in MISTAKEN):
                values, doubt = [self._cast.broken(*what, kind)], ""
            if strike.again is not None and not doubt:
                values.append(values[0] if strike.again == "same" else self._cast.broken(*what, strike.again))
        outside.number += 1
        # What breaks the contract is refused at the door of the mailbox; who says so is the person's player.
        handed = kind in _BREAKING and not self._fits(task, values[0])
        return Answer(now + latency_us, outside.number, task.run, task.step, name, values, doubt, handed)

    def _fits(self, task: Task, value: Any) -> bool:
        try:
            program_of(self._cast.plan).contracts[task.contract].verify(task.inner, value)
        except Unverified:
            return False
        return True

    def signal(self, name: str) -> Caller | None:
        """See `Crew`."""
        return self.signals.caller(name)

    # -------------------------------------------------------------- effects

    def effect(self, name: str) -> Sender | None:
        """See `Crew`: half of its time a request is on the way, half of it the reply is on the way back."""
        drops = self._cast.plan.effects[name].key is not None

        async def send(call: EffectCall, _arguments: dict[str, Any]) -> Any:
            if call.checks:
                return await self._check(name, call)
            return await self._send(name, call, drops=drops)

        return send

    async def _send(self, name: str, call: EffectCall, *, drops: bool) -> Any:
        player, outside, now = self._cast.players[name], self._outside, self._clock.now_us()
        key = call.draw_key
        sampled = player.send(key, call.attempt)
        strike = outside.faults.strike(name, key, call.attempt, now)
        if strike is not None and strike.hung:
            await asyncio.Event().wait()
        latency_us, refused = outcome_of(name, sampled, strike)
        if strike is not None and strike.server_error:
            if uniform(key, call.attempt, LANDED) < 0.5:
                self._leaves(name, call, now + latency_us // 2, drops=drops)
            await self._until(now + latency_us)
            raise InDoubt("the connection broke")
        if refused is not None and not (strike is not None and strike.lost):
            await self._until(now + latency_us)
            raise Failed(refused, retry_after=strike.retry_after_us / 1e6 if strike is not None else None)
        there_us = latency_us // 2
        back_us = latency_us - there_us
        if strike is not None:
            there_us += strike.delay_us
            if not strike.lost:
                if strike.duplicated:
                    self._leaves(name, call, now + there_us + latency_us, drops=drops)
                if strike.ack_lost:
                    self._leaves(name, call, now + there_us, drops=drops)
            if strike.lost or strike.ack_lost:
                await self._silence(call, now + latency_us)
        return await self._reply(name, call, now + there_us, back_us, drops=drops)

    async def _reply(self, name: str, call: EffectCall, at_us: int, back_us: int, *, drops: bool) -> Any:
        landed = asyncio.get_running_loop().create_future()
        self._leaves(name, call, at_us, landed, drops=drops)
        receipt = await landed
        if self._outside.faults.parted(name, at_us + back_us):
            await self._silence(call, at_us + back_us)
        await self._until(at_us + back_us)
        return receipt

    async def _silence(self, call: EffectCall, broken_us: int) -> None:
        """No reply will come. Without a deadline the sender learns so much when its connection breaks."""
        if call.deadline is not None:
            await asyncio.Event().wait()
        await self._until(broken_us)
        raise InDoubt("the connection broke")

    def _leaves(
        self, name: str, call: EffectCall, at_us: int, landed: asyncio.Future[Any] | None = None, *, drops: bool
    ) -> None:
        receipt = self._cast.players[name].receipt(call.inner, receipt_key(call.key))
        self.lands(self._outside.ask(name, call.key, receipt, at_us, drops=drops), landed, self._epoch())

    def lands(self, request: Request, landed: asyncio.Future[Any] | None = None, sender: int = 0) -> None:
        """A request will land; the engine (its epoch) that sent it and is still there hears of it."""

        def land() -> None:
            receipt = self._outside.lands(request)
            if sender == self._epoch():
                self._reached("after_effect")
            if landed is not None and not landed.done():
                landed.set_result(receipt)

        self.later(request.at_us, land)

    async def _check(self, name: str, call: EffectCall) -> Any:
        player, outside, now = self._cast.players[name], self._outside, self._clock.now_us()
        key = mix(call.draw_key, CHECK)
        strike = outside.faults.strike(name, key, call.attempt, now)
        latency_us, refused = outcome_of(name, player.send(key, call.attempt), strike)
        if strike is not None and strike.hung:
            await asyncio.Event().wait()
        if strike is not None and (strike.lost or strike.ack_lost or strike.server_error):
            refused = "no answer came"
        await self._until(now + latency_us // 2 + (strike.delay_us if strike is not None else 0))
        known, receipt = outside.find(call.key)
        found = player.found(call.inner, int(call.key[:16], 16), receipt) if known else None
        await self._until(self._clock.now_us() + latency_us - latency_us // 2)
        if refused is not None:
            raise Failed(refused)
        return found


def _dispatch(task: Task) -> int:
    return int(getattr(task.powers, "dispatch", 0))
