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
from orchspec.runtime.sampling import why_failed
from orchspec.simulator.calendar import Due
from orchspec.simulator.doors import Doors
from orchspec.simulator.strikes import Strike
from orchspec.simulator.underway import Attempt

if TYPE_CHECKING:
    from orchspec.runtime.dispatcher import Grant
    from orchspec.runtime.kernel.commands import AnswerCall, RunTask, StopTask
    from orchspec.simulator.clock import Clock
    from orchspec.simulator.visits import Visit

__all__ = ["Attempts"]


_ToolKey = tuple[str, int, int]


class Attempts:
    """What attempts under way (`Visit.tasks`) do, and the tools that they hold or wait for.

    All of it dies with the orchestrator.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._put = clock.env.put
        self._when_due, self._when_done = self._due, self._done
        self._visits = clock.visits
        self._players = clock.cast.players
        faults = clock.faults
        # Whom no fault can strike: nothing is asked about their attempts.
        self._parted = faults.parted if faults.parts else None
        self._unparted = not faults.parts and not faults.limits_capacity
        self._safe = frozenset(self._players) - faults.targets if not faults.limits_capacity else frozenset()
        self._orphans: list[Attempt] = []
        # With when it was asked for, while it waits for its grant.
        self._tools: dict[_ToolKey, tuple[Attempt, int, Strike | None, int | None]] = {}
        self._doors = Doors(clock, self._work)

    def moves(self, run: str) -> bool:
        """Whether an attempt of the run is at work, does not wait for an effect, and will end by itself."""
        return any(
            not attempt.asking and not (attempt.strike is not None and attempt.strike.silent)
            for attempt in self._visits[run].tasks.values()
        )

    @property
    def busy(self) -> bool:
        """Whether any attempt of a live run is under way."""
        return any(visit.tasks for visit in self._visits.values())

    def orphan(self, visit: Visit) -> None:
        """The run is over, and nobody knows of what it still has under way."""
        self._orphans = [attempt for attempt in self._orphans if not attempt.done]
        self._orphans.extend(visit.tasks.values())

    def crash(self) -> None:
        """The process that called the agents is gone, and what it held with it."""
        for attempt in self._orphans:
            attempt.done = True
        self._orphans.clear()
        for visit in self._visits.values():
            for attempt in visit.tasks.values():
                attempt.done = True
            visit.tasks.clear()
        self._tools.clear()
        self._doors.crash()

    # -------------------------------------------------------------- tasks

    def begin(self, run: str, command: RunTask) -> None:
        """An agent is asked."""
        visit = self._visits[run]
        kernel = visit.kernel
        assert kernel is not None
        place, number, agent = command.place, command.attempt, command.agent
        if visit.done and (place, number) in visit.done:
            visit.wronged = True
        key = kernel.draw_key(place)
        now = self._clock.now
        attempt = Attempt(self._when_due, visit, command, key, now)
        self._players[agent].play(attempt, command.contract, command.inputs, key, number, command.menu)
        if command.history_tokens and attempt.tokens_in is not None:
            attempt.tokens_in += command.history_tokens  # a profile says what is read beside the history
        if attempt.fees_pico:
            attempt.pay(self._clock.cast.plan.models.get(command.model or ""))
        visit.tasks[place, number] = attempt
        takes_us = attempt.takes_us = attempt.latency_us
        safe = agent in self._safe
        strike = None if safe else self._clock.faults.strike(agent, key, number, now)
        if strike is None and (safe or self._unparted) and not attempt.calls and not attempt.effects:
            if not attempt.failed:
                attempt.callback = self._when_done
            self._put(now + takes_us, attempt)
            return
        if strike is not None:
            attempt.struck(strike, self._clock.cast)
        if self._clock.faults.limits_capacity:
            self._doors.knock(attempt)
        else:
            self._work(attempt)

    def _work(self, attempt: Attempt) -> None:
        """It gets on with it."""
        strike = attempt.strike
        if strike is not None and strike.silent:
            return  # until somebody stops it
        if (attempt.calls or attempt.effects) and not (strike is not None and strike.rejects):
            scarce = self._clock.cast.scarce
            way = attempt.on_its_way(self._clock.cast)
            attempt.moments = [each for each in way[::-1] if each.args is not None or each.name in scarce]
            if attempt.moments:
                self._go_on(attempt, 0)
                return
        self._put(self._clock.now + attempt.takes_us, attempt)

    # -------------------------------------------------------------- faults of one attempt

    def _due(self, attempt: Attempt) -> None:
        if attempt.done:
            return
        if self._parted is not None and self._parted(attempt.command.agent, self._clock.now):
            attempt.strike = attempt.strike or Strike()
            attempt.strike.ack_lost = True  # its answer does not get through
            return
        strike = attempt.strike
        if strike is not None and strike.duplicated and not strike.rejects:
            self._work_twice(attempt)
        if strike is None:
            if attempt.failed:
                self._fail(attempt, "agent_error", why_failed(attempt.command.agent))
            else:
                self._fulfil(attempt)
        elif strike.throttled:
            self._fail(attempt, "throttled", "429: the provider is not serving now", strike, sent=False)
        elif strike.out:
            self._fail(attempt, "unavailable", "nobody answers: an outage", sent=False)
        elif strike.server_error:
            self._fail(attempt, "server_error", "503: the provider failed", share=0.0)
        elif attempt.failed:
            message = strike.fail or why_failed(attempt.command.agent)
            self._fail(attempt, "agent_error", message, share=attempt.share)
        else:
            self._fulfil(attempt)

    def _work_twice(self, attempt: Attempt) -> None:
        """What was asked has come to the agent twice: one of its answers counts, and both are paid."""
        clock, command, usage = self._clock, attempt.command, attempt.spent(attempt.share)
        if usage != (None, None, None) and clock.engine is not None:
            clock.engine.post(attempt.visit.run, CostReported(clock.now, command.place, command.attempt, *usage))

    def _done(self, attempt: Attempt) -> None:
        """What `_due` does where nothing could have come in between: no fault, no tool, no short capacity."""
        if attempt.done:
            return
        attempt.done = True
        clock, command, visit = self._clock, attempt.command, attempt.visit
        place, number = command.place, command.attempt
        del visit.tasks[place, number]
        usage = attempt.tokens_in, attempt.tokens_out, attempt.cost_pico
        event = TaskFulfilled(clock.now, place, number, command.dispatch, attempt.output, *usage)
        clock.engine.post(visit.run, event)  # type: ignore[union-attr]  # with its engine it would be gone itself

    def _fulfil(self, attempt: Attempt) -> None:
        command = attempt.command
        self._end(attempt)
        clock = self._clock
        engine = clock.engine
        assert engine is not None
        if attempt.deaf is not None:
            self._has_stopped(attempt, (attempt.tokens_in, attempt.tokens_out, attempt.cost_pico))
            return
        calls = attempt.calls_made()
        where = (command.place, command.attempt, command.dispatch)
        usage = (attempt.tokens_in, attempt.tokens_out, attempt.cost_pico)
        tool_us = attempt.at_tools_us(clock.now) if attempt.tool_us else 0
        event = TaskFulfilled(clock.now, *where, attempt.output, *usage, calls, tool_us)
        engine.post(attempt.visit.run, event)

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
        usage = attempt.spent(share) if sent else (0, 0, 0)
        if attempt.deaf is not None:
            self._has_stopped(attempt, usage)
            return
        calls = attempt.calls_until(self._clock.now, self._clock.cast.scarce) if sent else 0
        engine.post(
            attempt.visit.run,
            TaskFailed(
                self._clock.now,
                command.place,
                command.attempt,
                command.dispatch,
                code,
                message,
                *usage,
                calls,
                sent,
                strike.retry_after_us if strike is not None else 0,
                attempt.at_tools_us(self._clock.now),
            ),
        )

    def _has_stopped(self, attempt: Attempt, usage: tuple[int | None, int | None, int | None]) -> None:
        """It was told to stop long ago: as in the driver, of what it brings only the costs are told."""
        clock, run, command = self._clock, attempt.visit.run, attempt.command
        where, engine = (clock.now, command.place, command.attempt), clock.engine
        assert engine is not None
        if usage != (None, None, None):
            engine.post(run, CostReported(*where, *usage))
        calls, tool_us = attempt.deaf or 0, attempt.at_tools_us(clock.now)
        engine.post(run, TaskStopped(*where, command.dispatch, calls, tool_us))

    def _end(self, attempt: Attempt) -> None:
        attempt.done = True
        self._leave_tools(attempt)
        command = attempt.command
        attempt.visit.tasks.pop((command.place, command.attempt), None)
        if self._doors.at_work and not attempt.waits:
            self._doors.leave(command.agent)

    def stop(self, run: str, command: StopTask) -> None:
        """The kernel has no more use for an attempt: it ends here, and costs what it has cost until now."""
        engine = self._clock.engine
        assert engine is not None
        now = self._clock.now
        attempt = self._task(run, command.place, command.attempt)
        if attempt is not None and not attempt.waits and attempt.strike is not None and attempt.strike.zombie_us:
            self._ignore(attempt)
            return
        calls = tool_us = 0
        if attempt is not None:
            calls = attempt.calls_until(now, self._clock.cast.scarce)
            waited = attempt.waits
            tool_us = self._at_tools_us(attempt, now)
            self._end(attempt)
            share = min(1.0, (now - attempt.since_us) / attempt.takes_us) if attempt.takes_us else 1.0
            usage = attempt.spent(share) if not waited else (0, 0, 0)
            if usage != (None, None, None):
                engine.post(run, CostReported(now, command.place, command.attempt, *usage))
        engine.post(run, TaskStopped(now, command.place, command.attempt, command.dispatch, calls, tool_us))

    def _ignore(self, attempt: Attempt) -> None:
        """It does not hear that it is to stop, and goes on to its end; what it asks for meanwhile it is refused."""
        if attempt.deaf is not None:
            return
        clock = self._clock
        attempt.deaf = attempt.calls_until(clock.now, clock.cast.scarce)
        if attempt.moments is not None and attempt.resumed_us is None:
            # What it waits for is called off.
            for key, (other, _, _, asked_us) in list(self._tools.items()):
                if other is attempt and asked_us is not None:
                    del self._tools[key]
                    attempt.tool_us += max(0, clock.now - max(asked_us, attempt.tool_until_us))
                    self._let_go(key)
            attempt.asking = False
            self._go_on(attempt, attempt.left_us)

    def _at_tools_us(self, attempt: Attempt, now: int) -> int:
        # A call that still waits for its grant counts from when it was asked for, as far as no other counts already.
        waiting = [
            asked_us for other, _, _, asked_us in self._tools.values() if other is attempt and asked_us is not None
        ]
        until_us = attempt.tool_until_us
        return attempt.at_tools_us(now) + (max(0, now - max(min(waiting), until_us)) if waiting else 0)

    # -------------------------------------------------------------- tools

    def _task(self, run: str, place: int, number: int) -> Attempt | None:
        visit = self._visits.get(run)
        return visit.tasks.get((place, number)) if visit is not None else None

    def _go_on(self, attempt: Attempt, done_us: int, late_us: int = 0) -> None:
        """Work until the next call, or to the end; `done_us` of the work are done, `late_us` come on top."""
        now = self._clock.now
        attempt.done_us, attempt.resumed_us = done_us, now + late_us
        if attempt.moments:
            attempt.left_us = attempt.moments[-1][0]
            self._put(now + max(0, attempt.left_us - done_us) + late_us, Due(self._call, attempt))
        else:
            self._put(now + max(0, attempt.takes_us - done_us) + late_us, attempt)

    def _call(self, due: Due) -> None:
        attempt: Attempt = due.value
        if attempt.done:
            return
        if attempt.deaf is not None:
            attempt.moments = []
            self._go_on(attempt, attempt.left_us)
            return
        clock = self._clock
        engine = clock.engine
        assert engine is not None
        assert attempt.moments is not None
        at_us, tool, args, held_us = attempt.moments.pop()
        attempt.resumed_us = None
        if args is not None:
            self._ask(attempt, tool, args)
            return
        command = attempt.command
        call = len(attempt.moments or ())
        strike = clock.faults.strike(tool, attempt.key, (command.attempt << 10) + call, clock.now)
        if strike is not None and strike.silent:
            attempt.strike = attempt.strike or Strike()
            attempt.strike.hung = True  # the call never returns, so the attempt does not
            return
        if strike is not None and strike.failing is not None:
            share = at_us / attempt.takes_us if attempt.takes_us else 1.0
            if strike.throttled:
                self._fail(attempt, "throttled", f"429: {tool} is not serving now", strike, share=share)
            else:
                self._fail(attempt, "tool_error", f"{tool}: {strike.failing}", share=share)
            return
        key = (attempt.visit.run, command.place, TOOL_CALLS + (command.attempt << 16) + call)
        self._tools[key] = (attempt, held_us, strike, clock.now)
        attempt.called += 1
        grant = engine.call_tool(attempt.visit.run, command.place, command.attempt, call, tool, clock.told)
        if grant is not None:
            self.tool_granted(grant)

    # -------------------------------------------------------------- effects

    def _ask(self, attempt: Attempt, effect: str, args: dict[str, Any]) -> None:
        """The agent asks for an effect, and waits for its receipt."""
        clock = self._clock
        engine = clock.engine
        assert engine is not None
        command = attempt.command
        call = len(attempt.moments or ())
        strike = clock.faults.strike_deed(command.agent, attempt.key, (command.attempt << 10) + call, clock.now)
        if strike is not None and strike.dies_before:
            self._fail(attempt, "agent_crashed", "the agent died before its effect", share=self._share(attempt))
            return
        attempt.asking = strike if strike is not None else True
        where = (command.place, command.attempt, command.dispatch)
        attempt.asked += 1
        engine.post(attempt.visit.run, EffectRequested(clock.now, *where, attempt.asked, effect, args))

    def answered(self, run: str, command: AnswerCall) -> None:
        """What became of the effect that an agent asked for: it goes on, or fails for want of it."""
        attempt = self._task(run, command.place, command.attempt)
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
        return attempt.left_us / attempt.takes_us if attempt.takes_us else 1.0

    def tool_granted(self, grant: Grant) -> None:
        """A tool is taken for as long as its profile says, and the attempt goes on with its work."""
        clock = self._clock
        key = (grant.run, grant.place, grant.attempt)
        attempt, usual_us, strike, asked_us = self._tools[key]
        assert asked_us is not None
        self._tools[key] = (attempt, usual_us, strike, None)
        held_us = strike.slowed(usual_us) + strike.delay_us if strike is not None else usual_us
        until_us = clock.now + held_us
        clock.at(until_us, self._call_over, (clock.epoch, key))
        attempt.tool_us += max(0, until_us - max(asked_us, attempt.tool_until_us))
        attempt.tool_until_us = max(attempt.tool_until_us, until_us)
        if not attempt.done:
            self._go_on(attempt, attempt.left_us, max(0, held_us - usual_us))

    def _call_over(self, due: Due) -> None:
        epoch, key = due.value
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
