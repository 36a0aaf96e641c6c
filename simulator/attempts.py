"""Attempts at tasks, and the tool calls they make on their way, in virtual time.

An attempt takes the time that its agent's profile says, which includes the time of its own tool calls; what is added is
what the profile cannot know: the wait for a slot or a token of a tool, and what a `slow` tool is late by. Calls are
spread over the attempt's time, so that they are over with it, and one that waits keeps the attempt waiting. A tool is
held for as long as its own profile says. Only calls that can be kept waiting or struck take part (`Cast.scarce`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from orchspec.runtime.engine import TOOL_CALLS
from orchspec.runtime.kernel.events import CostReported, EffectRequested, TaskFailed, TaskFulfilled, TaskStopped
from orchspec.runtime.sampling import Moment, moments_of, why_failed
from orchspec.simulator.underway import Attempt

if TYPE_CHECKING:
    from orchspec.runtime.dispatcher import Grant
    from orchspec.runtime.kernel.commands import AnswerCall, RunTask, StopTask
    from orchspec.simulator.clock import Clock
    from orchspec.simulator.faults import Strike

__all__ = ["Attempts"]


_ToolKey = tuple[str, int, int]


class Attempts:
    """All attempts that are under way, and the tools that they hold or wait for. They die with the orchestrator."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._env = clock.env
        self._under_way: dict[tuple[str, int, int], Attempt] = {}
        self._tools: dict[_ToolKey, tuple[Attempt, int, Strike | None, int]] = {}
        # Where capacity is short: how many each agent is at, and who waits at their door.
        self._at_work: dict[str, int] = {}
        self._waiting: dict[str, list[Attempt]] = {}

    def moves(self, run: str) -> bool:
        """Whether an attempt of the run is at work, does not wait for an effect, and will end by itself."""
        return any(
            key[0] == run and not attempt.asking and not (attempt.strike is not None and attempt.strike.silent)
            for key, attempt in self._under_way.items()
        )

    def crash(self) -> None:
        """The process that called the agents is gone, and what it held with it."""
        for attempt in self._under_way.values():
            attempt.done = True
        self._under_way.clear()
        self._tools.clear()
        self._at_work.clear()
        self._waiting.clear()

    # -------------------------------------------------------------- tasks

    def begin(self, run: str, command: RunTask) -> None:
        """An agent is asked."""
        clock = self._clock
        visit = clock.visits[run]
        assert visit.kernel is not None
        place, number = command.place, command.attempt
        if visit.done and (place, number) in visit.done:
            visit.wronged = True
        key = visit.kernel.draw_key(place)
        now = int(self._env.now)
        strike = clock.faults.strike(command.agent, key, number, now)
        sampled = clock.cast.players[command.agent].attempt(command.contract, command.inputs, key, number, command.menu)
        if command.history_tokens and sampled.tokens_in is not None:
            sampled.tokens_in += command.history_tokens  # a profile says what is read beside the history
        attempt = Attempt(run, command, key, sampled, strike, now)
        if strike is not None:
            attempt.struck(strike, clock.cast)
        self._under_way[run, place, number] = attempt
        if clock.faults.limits_capacity:
            self._knock(attempt)
        else:
            self._work(attempt)

    def _work(self, attempt: Attempt) -> None:
        """It gets on with it."""
        strike, sampled = attempt.strike, attempt.sampled
        if strike is not None and strike.silent:
            return  # until somebody stops it
        if (sampled.calls or sampled.effects) and not (strike is not None and strike.rejects):
            attempt.calls = self._moments(attempt)
            if attempt.calls:
                self._go_on(attempt, 0)
                return
        event = self._env.timeout(attempt.latency_us, attempt)
        event.callbacks.append(self._due)

    # -------------------------------------------------------------- short capacity

    def _knock(self, attempt: Attempt) -> None:
        """Work, or wait at the agent's door, with one's time running: the orchestrator does not know."""
        agent, now = attempt.command.agent, self._clock.now
        short = self._clock.faults.capacity(agent, now)
        if short is not None and self._at_work.get(agent, 0) >= short[0]:
            attempt.waits = True
            self._waiting.setdefault(agent, []).append(attempt)
            self._clock.at(short[1], self._open_door, agent)
            return
        attempt.since_us = now
        self._at_work[agent] = self._at_work.get(agent, 0) + 1
        self._work(attempt)

    def _open_door(self, event: Any) -> None:
        self._let_in(event.value)

    def _let_in(self, agent: str) -> None:
        waiting = self._waiting.get(agent)
        while waiting:
            short = self._clock.faults.capacity(agent, self._clock.now)
            if short is not None and self._at_work.get(agent, 0) >= short[0]:
                return
            attempt = waiting.pop(0)
            if not attempt.done:
                attempt.waits = False
                self._knock(attempt)

    def _moments(self, attempt: Attempt) -> list[Moment]:
        """What the attempt asks of others on its way, the last first; it is not over before its calls are."""
        cast, sampled = self._clock.cast, attempt.sampled
        scale = attempt.latency_us / sampled.latency_us if sampled.latency_us else 1.0
        moments = []
        for moment in moments_of(sampled, attempt.key, attempt.command.attempt, cast.holds):
            if moment.args is None and moment.name not in cast.scarce:
                continue
            moments.append(moment._replace(at_us=int(moment.at_us * scale)) if scale != 1.0 else moment)
            attempt.latency_us = max(attempt.latency_us, moments[-1].at_us + moment.held_us)
        moments.reverse()
        return moments

    # -------------------------------------------------------------- faults of one attempt

    def _due(self, event: Any) -> None:
        attempt: Attempt = event.value
        if attempt.done:
            return
        sampled, strike = attempt.sampled, attempt.strike
        if strike is not None and strike.throttled:
            self._fail(attempt, "throttled", "429: the provider is not serving now", strike, sent=False)
        elif strike is not None and strike.out:
            self._fail(attempt, "unavailable", "nobody answers: an outage", sent=False)
        elif strike is not None and strike.server_error:
            self._fail(attempt, "server_error", "503: the provider failed", share=0.0)
        elif sampled.failed:
            message = strike.fail if strike is not None and strike.fail else why_failed(attempt.command.agent)
            self._fail(attempt, "agent_error", message, share=attempt.share)
        else:
            self._fulfil(attempt)

    def _fulfil(self, attempt: Attempt) -> None:
        command, sampled = attempt.command, attempt.sampled
        self._end(attempt)
        engine = self._clock.engine
        assert engine is not None
        calls = self._calls_made(attempt)
        engine.post(
            attempt.run,
            TaskFulfilled(
                int(self._env.now),
                command.place,
                command.attempt,
                command.dispatch,
                sampled.output,
                sampled.tokens_in,
                sampled.tokens_out,
                sampled.cost_pico,
                calls,
                attempt.at_tools_us(int(self._env.now)),
            ),
        )

    def _fail(
        self,
        attempt: Attempt,
        code: str,
        message: str,
        strike: Strike | None = None,
        *,
        sent: bool = True,
        share: float = 1.0,
    ) -> None:
        self._end(attempt)
        engine = self._clock.engine
        assert engine is not None
        command = attempt.command
        usage = attempt.sampled.spent(share) if sent else (0, 0, 0)
        calls = self._calls_made(attempt, share) if sent else 0
        engine.post(
            attempt.run,
            TaskFailed(
                int(self._env.now),
                command.place,
                command.attempt,
                command.dispatch,
                code,
                message,
                *usage,
                calls,
                sent,
                strike.retry_after_us if strike is not None else 0,
                attempt.at_tools_us(int(self._env.now)),
            ),
        )

    def _calls_made(self, attempt: Attempt, share: float = 1.0) -> int:
        sampled = attempt.sampled
        if share >= 1.0 or not sampled.calls:
            return sum(count for _, count in sampled.calls)
        moments = moments_of(sampled, attempt.key, attempt.command.attempt, self._clock.cast.holds)
        return sum(each.args is None and each.at_us < round(sampled.latency_us * share) for each in moments)

    def _end(self, attempt: Attempt) -> None:
        attempt.done = True
        self._leave_tools(attempt)
        command = attempt.command
        self._under_way.pop((attempt.run, command.place, command.attempt), None)
        if self._at_work and not attempt.waits:
            self._at_work[command.agent] -= 1
            self._let_in(command.agent)

    def stop(self, run: str, command: StopTask) -> None:
        """The kernel has no more use for an attempt: it ends here, and costs what it has cost until now."""
        engine = self._clock.engine
        assert engine is not None
        now = int(self._env.now)
        attempt = self._under_way.get((run, command.place, command.attempt))
        if attempt is not None and attempt.strike is not None and attempt.strike.zombie_us:
            return  # it does not hear, and answers when nobody listens any more
        tool_us = 0
        if attempt is not None:
            waited = attempt.waits
            tool_us = self._at_tools_us(attempt, now)
            self._end(attempt)
            share = min(1.0, (now - attempt.since_us) / attempt.latency_us) if attempt.latency_us else 1.0
            usage = attempt.sampled.spent(share) if not waited else (0, 0, 0)
            if usage != (None, None, None):
                engine.post(run, CostReported(now, command.place, command.attempt, *usage))
        engine.post(run, TaskStopped(now, command.place, command.attempt, command.dispatch, tool_us=tool_us))

    def _at_tools_us(self, attempt: Attempt, now: int) -> int:
        # A call that still waits for its grant counts from when it was asked for.
        since = (asked_us for other, _, _, asked_us in self._tools.values() if other is attempt)
        waiting = [asked_us for asked_us in since if attempt.tool_until_us <= asked_us]
        return attempt.at_tools_us(now) + (now - min(waiting) if waiting else 0)

    # -------------------------------------------------------------- tools

    def _go_on(self, attempt: Attempt, done_us: int, late_us: int = 0) -> None:
        """Work until the next call, or to the end; `done_us` of the work are done, `late_us` come on top."""
        if attempt.calls:
            attempt.left_us = attempt.calls[-1][0]
            event = self._env.timeout(max(0, attempt.left_us - done_us) + late_us, attempt)
            event.callbacks.append(self._call)
            return
        event = self._env.timeout(max(0, attempt.latency_us - done_us) + late_us, attempt)
        event.callbacks.append(self._due)

    def _call(self, event: Any) -> None:
        attempt: Attempt = event.value
        if attempt.done:
            return
        clock = self._clock
        engine = clock.engine
        assert engine is not None
        at_us, tool, args, held_us = attempt.calls.pop()
        if args is not None:
            self._ask(attempt, tool, args)
            return
        command = attempt.command
        call = len(attempt.calls)
        strike = clock.faults.strike(tool, attempt.key, (command.attempt << 10) + call, clock.now)
        if strike is not None and strike.hung:
            attempt.strike = strike  # the call never returns, so the attempt does not
            return
        if strike is not None and strike.failing is not None:
            share = at_us / attempt.latency_us if attempt.latency_us else 1.0
            if strike.throttled:
                self._fail(attempt, "throttled", f"429: {tool} is not serving now", strike, share=share)
            else:
                self._fail(attempt, "tool_error", f"{tool}: {strike.failing}", share=share)
            return
        self._tools[attempt.run, command.place, TOOL_CALLS + (command.attempt << 16) + call] = (
            attempt,
            held_us,
            strike,
            clock.now,
        )
        grant = engine.call_tool(attempt.run, command.place, command.attempt, call, tool, clock.told)
        if grant is not None:
            self.tool_granted(grant)

    # -------------------------------------------------------------- effects

    def _ask(self, attempt: Attempt, effect: str, args: dict[str, Any]) -> None:
        """The agent asks for an effect, and waits for its receipt."""
        clock = self._clock
        engine = clock.engine
        assert engine is not None
        command = attempt.command
        call = len(attempt.calls)
        strike = clock.faults.strike_deed(command.agent, attempt.key, (command.attempt << 10) + call, clock.now)
        if strike is not None and strike.dies_before:
            self._fail(attempt, "agent_crashed", "the agent died before its effect", share=self._share(attempt))
            return
        attempt.asking = strike if strike is not None else True
        where = (command.place, command.attempt, command.dispatch)
        attempt.asked += 1
        engine.post(attempt.run, EffectRequested(clock.now, *where, attempt.asked, effect, args))

    def answered(self, run: str, command: AnswerCall) -> None:
        """What became of the effect that an agent asked for: it goes on, or fails for want of it."""
        attempt = self._under_way.get((run, command.place, command.attempt))
        if attempt is None or not attempt.asking or attempt.command.dispatch != command.dispatch:
            return
        strike, attempt.asking = attempt.asking, False
        if command.problem is not None:
            self._fail(attempt, "agent_error", command.problem, share=self._share(attempt))
        elif not isinstance(strike, bool) and strike.dies_after:
            self._fail(attempt, "agent_crashed", "the agent died after its effect", share=self._share(attempt))
        else:
            self._go_on(attempt, attempt.left_us)

    def _share(self, attempt: Attempt) -> float:
        return attempt.left_us / attempt.latency_us if attempt.latency_us else 1.0

    def tool_granted(self, grant: Grant) -> None:
        """A tool is taken for as long as its profile says, and the attempt goes on with its work."""
        clock = self._clock
        key = (grant.run, grant.place, grant.attempt)
        attempt, usual_us, strike, asked_us = self._tools[key]
        held_us = strike.slowed(usual_us) if strike is not None else usual_us
        until_us = clock.now + held_us
        clock.at(until_us, self._call_over, (clock.epoch, key))
        attempt.tool_us += max(0, until_us - max(asked_us, attempt.tool_until_us))
        attempt.tool_until_us = max(attempt.tool_until_us, until_us)
        if not attempt.done:
            self._go_on(attempt, attempt.left_us, max(0, held_us - usual_us))

    def _call_over(self, event: Any) -> None:
        epoch, key = event.value
        if epoch == self._clock.epoch and self._tools.pop(key, None) is not None:
            self._let_go(key)

    def _let_go(self, key: _ToolKey) -> None:
        engine = self._clock.engine
        assert engine is not None
        run, place, number = key
        number -= TOOL_CALLS
        engine.end_tool_call(run, place, number >> 16, number & 0xFFFF, self._clock.told)

    def _leave_tools(self, attempt: Attempt) -> None:
        if not self._tools:
            return
        for key in [key for key, (other, _, _, _) in self._tools.items() if other is attempt]:
            del self._tools[key]
            self._let_go(key)
