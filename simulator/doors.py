"""Agents that get on with fewer attempts at once than they should (`capacity`): the others wait at their door."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from orchspec.simulator.calendar import Due
    from orchspec.simulator.clock import Clock
    from orchspec.simulator.underway import Attempt

__all__ = ["Doors"]


class Doors:
    """How many attempts each agent is at (`at_work`), where capacity is ever short, and who waits at their door."""

    def __init__(self, clock: Clock, work: Callable[[Attempt], None]) -> None:
        self._clock = clock
        self._work = work
        self.at_work: dict[str, int] = {}
        self._waiting: dict[str, list[Attempt]] = {}
        self._opens_us: dict[str, int] = {}

    def knock(self, attempt: Attempt) -> None:
        """Work, or wait at the agent's door, with one's time running: the orchestrator does not know."""
        agent, now = attempt.command.agent, self._clock.now
        short = self._clock.faults.capacity(agent, now)
        # Nobody overtakes who waits for the one that leaves at this moment.
        waited = any(not each.done for each in self._waiting.get(agent, ()))
        if short is not None and (waited or self.at_work.get(agent, 0) >= short[0]):
            attempt.waits = True
            self._waiting.setdefault(agent, []).append(attempt)
            self._opens_at(agent, short[1])
            return
        self._enter(attempt)

    def _enter(self, attempt: Attempt) -> None:
        agent = attempt.command.agent
        attempt.since_us = self._clock.now
        self.at_work[agent] = self.at_work.get(agent, 0) + 1
        self._work(attempt)

    def leave(self, agent: str) -> None:
        """Somebody is at work no more: whoever waits, and still does when all at this moment is said, may come in."""
        self.at_work[agent] -= 1
        self._clock.at(self._clock.now, self._open, agent)

    def crash(self) -> None:
        """The process that called the agents is gone."""
        self.at_work.clear()
        self._waiting.clear()
        self._opens_us.clear()

    def _opens_at(self, agent: str, at_us: int) -> None:
        """Somebody waits, who may come in then if nobody leaves before, unless capacity is short for yet longer."""
        if self._opens_us.get(agent) != at_us:
            self._opens_us[agent] = at_us
            self._clock.at(at_us, self._open, agent)

    def _open(self, due: Due) -> None:
        self._let_in(due.value)

    def _let_in(self, agent: str) -> None:
        waiting = self._waiting.get(agent)
        while waiting:
            short = self._clock.faults.capacity(agent, self._clock.now)
            if short is not None and self.at_work.get(agent, 0) >= short[0]:
                self._opens_at(agent, short[1])
                return
            attempt = waiting.pop(0)
            if not attempt.done:
                attempt.waits = False
                self._enter(attempt)
