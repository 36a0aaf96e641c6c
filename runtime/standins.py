"""Stand-ins: agents, people and effects played from their profiles on the clock of a run, where nobody is at hand.

What they do is sampled by place (`orchspec.runtime.sampling`), so one seed gives the same attempts whatever the order
of events, also after a crash. People answer when they would have answered, however often they were asked again.
Effects land in a `World` that lies outside of the store and drops repeated keys, as their real targets would.
"""

from __future__ import annotations

import asyncio
import json
import os
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from orchspec.compiler.plan import Profile
from orchspec.runtime.distributions import compile_time
from orchspec.runtime.draws import mix
from orchspec.runtime.driver.clock import Clock
from orchspec.runtime.errors import AttemptStopped, EffectFailed, Failed
from orchspec.runtime.sampling import CHECK, AgentSampler, Sampled, moments_of, receipt_key, scarce_tools, why_failed
from orchspec.runtime.task import EffectCall, Output, Task

if TYPE_CHECKING:
    from collections.abc import Iterator

    from orchspec.compiler.plan import Plan
    from orchspec.runtime.crew import Caller, Player, Sender
    from orchspec.runtime.distributions import Data

__all__ = ["StandIns", "World", "columns_needed"]


class World:
    """Where effects of stand-ins land, outside of the store; repeats of a key get the first receipt.

    Args:
        path: a file of JSON lines that outlives the process, or None. Each line is one delivery: `{"key", "effect",
            "args", "applied", "receipt"}`; `applied` is true for the first of its key alone where the
            target drops repeats.
    """

    def __init__(self, path: str | Path | None = None) -> None:
        self._path = Path(path) if path is not None else None
        self._known: dict[str, Any] = {}

    def find(self, key: str) -> tuple[bool, Any]:
        """Whether the world has applied an effect of this key, and its receipt."""
        if self._path is not None:
            with self._locked() as file:
                self._read(file)
        return key in self._known, self._known.get(key)

    def deliver(self, key: str, effect: str, args: dict[str, Any], receipt: Any, *, drops: bool = True) -> Any:
        """Apply an effect, unless its key is known; returns the receipt, once what was done is on the disk.

        `drops`: whether the target drops what repeats a key; without that each delivery is applied.
        """
        if self._path is None:
            return self._known.setdefault(key, receipt)
        with self._locked() as file:
            self._read(file)
            first = key not in self._known or not drops
            receipt = self._known.setdefault(key, receipt)
            line = {"key": key, "effect": effect, "args": args, "applied": first, "receipt": receipt}
            os.write(file, (json.dumps(line) + "\n").encode())
            os.fsync(file)
        return receipt

    @contextmanager
    def _locked(self) -> Iterator[int]:
        assert self._path is not None
        file = os.open(self._path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            if os.name == "posix":
                import fcntl

                fcntl.flock(file, fcntl.LOCK_EX)
            yield file
        finally:
            os.close(file)

    def _read(self, file: int) -> None:
        os.lseek(file, 0, os.SEEK_SET)
        with os.fdopen(os.dup(file), "rb") as lines:
            for line in lines:
                if not line.endswith(b"\n"):
                    # A crash tore it: nothing was applied, and the next delivery begins a line of its own.
                    os.ftruncate(file, os.fstat(file).st_size - len(line))
                    break
                said = json.loads(line)
                self._known.setdefault(said["key"], said["receipt"])


class StandIns:
    """A crew of stand-ins.

    Args:
        plan: whose profiles say how they behave.
        clock: of the engine that they work for.
        world: where effects land; the file that `ORCH_WORLD` names unless given, else memory.
        data: the columns of files that the profiles read.
    """

    def __init__(self, plan: Plan, clock: Clock, world: World | None = None, data: Data | None = None) -> None:
        self._plan = plan
        self._clock = clock
        self._world = world if world is not None else World(os.environ.get("ORCH_WORLD") or None)
        self._data = data
        self._samplers: dict[str, AgentSampler] = {}
        # How long a tool is held that others may have to wait for.
        self._holds = {
            name: compile_time(plan.profiles.get(name, Profile(name)).latency, data) for name in scarce_tools(plan)
        }

    def agent(self, name: str, contract: str) -> Player | None:
        """See `Crew`."""
        sampler = self._sampler(name)

        async def play(task: Task) -> Output:
            sampled = sampler.attempt(contract, task.inner, task.draw_key, task.attempt, task.menu)
            if sampled.tokens_in is not None:
                sampled.tokens_in += task.history_tokens  # a profile says what is read beside the history
            if sampled.fees_pico:
                sampled.pay(self._plan.models.get(task.model or ""))
            began_us = self._clock.now_us()
            try:
                await self._work(task, sampled, began_us)
            except (asyncio.CancelledError, AttemptStopped):
                done_us = self._clock.now_us() - began_us
                share = min(1.0, done_us / sampled.latency_us) if sampled.latency_us else 1.0
                raise _failed(f"{name} was told to stop", sampled, share) from None
            except EffectFailed as error:
                done_us = self._clock.now_us() - began_us
                share = done_us / sampled.latency_us if sampled.latency_us else 1.0
                raise _failed(error.message, sampled, share) from None
            if sampled.failed:
                raise _failed(why_failed(name), sampled)
            return Output(sampled.output, sampled.tokens_in, sampled.tokens_out, _usd(sampled.cost_pico))

        return play

    async def _work(self, task: Task, sampled: Sampled, began_us: int) -> None:
        """The attempt's time, with what it asks of others on its way: what keeps it waiting comes on top."""
        late_us, ends_us = 0, sampled.latency_us
        for after_us, name, args, held_us in moments_of(sampled, task.draw_key, task.attempt, self._holds):
            if args is not None:
                await self._until(began_us + after_us + late_us)
                await task.effect(name, **args)
            elif name in task.tools:
                await self._until(began_us + after_us + late_us)
                call = await task.powers.enter_tool(name)
                # It is held beside the work.
                task.powers.loop.call_later(self._clock.seconds(held_us), task.powers.leave_tool, call)
                ends_us = max(ends_us, after_us + held_us)
            late_us = max(0, self._clock.now_us() - began_us - after_us)
        await self._until(began_us + ends_us + late_us)

    def human(self, name: str, *, doubt: bool = False) -> Player | None:
        """See `Crew`. Whoever is asked about a doubt looks at the world."""
        sampler = self._sampler(name)

        async def answer(task: Task) -> Any:
            sampled = sampler.attempt(task.contract, task.inner, task.draw_key, task.attempt, task.menu)
            if sampled.never:
                await asyncio.Event().wait()
            await self._until(task.asked_us + sampled.latency_us)
            if sampled.failed:
                raise _failed(why_failed(name), sampled)
            answered = sampled.output
            if doubt:
                known, receipt = self._world.find(task.doubt)
                answered = {"done": known, "result": receipt}
            return Output(answered, cost_usd=_usd(sampled.cost_pico))

        return answer

    def effect(self, name: str) -> Sender | None:
        """See `Crew`: half of its time a request is on its way, then it lands, then its reply is on the way back."""
        sampler = self._sampler(name)
        drops = self._plan.effects[name].key is not None

        async def send(call: EffectCall, arguments: dict[str, Any]) -> Any:
            key = mix(call.draw_key, CHECK) if call.checks else call.draw_key
            sampled = sampler.send(key, call.attempt)
            now_us = self._clock.now_us()
            await self._until(now_us + sampled.latency_us // 2)
            if call.checks:
                known, receipt = self._world.find(call.key)
                found = sampler.found(call.inner, int(call.key[:16], 16), receipt) if known else None
            elif not sampled.failed:
                receipt = sampler.receipt(call.inner, receipt_key(call.key))
                found = self._world.deliver(call.key, name, arguments, receipt, drops=drops)
            await self._until(now_us + sampled.latency_us)
            if sampled.failed:
                raise Failed(why_failed(name))
            if call.checks:
                return found
            return Output(found, cost_usd=_usd(sampler.fee(key, call.attempt)))

        return send

    def signal(self, name: str) -> Caller | None:
        """See `Crew`."""
        sampler = self._sampler(name)

        def send(inputs: list[Any], key: int) -> tuple[int, Any] | None:
            return sampler.signal(inputs, key)

        return send

    def _sampler(self, target: str) -> AgentSampler:
        found = self._samplers.get(target)
        if found is None:
            found = self._samplers[target] = AgentSampler(self._plan, target, self._data)
        return found

    async def _until(self, at_us: int) -> None:
        left_us = at_us - self._clock.now_us()
        if left_us > 0:
            await asyncio.sleep(self._clock.seconds(left_us))


def _usd(pico: int | None) -> str | None:
    return None if pico is None else f"{pico / 10**12:.12f}"


def _failed(message: str, sampled: Sampled, share: float = 1.0) -> Failed:
    read, written, cost = sampled.spent(share)
    return Failed(message, tokens_in=read, tokens_out=written, cost_usd=_usd(cost))


def columns_needed(plan: Plan) -> set[tuple[str, str]]:
    """The (file, column) pairs that the profiles of a plan read."""
    from orchspec.runtime.distributions import columns_of

    found: set[tuple[str, str]] = set()
    for profile in plan.profiles.values():
        for dist in (profile.latency, profile.tokens_in, profile.tokens_out, profile.cost):
            found |= columns_of(dist) if dist is not None else set()
        for group in (profile.calls, profile.effects, profile.output):
            for dist in group.values():
                found |= columns_of(dist)
    return found
