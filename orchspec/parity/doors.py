"""Agents that get on with fewer attempts at once than they should (`capacity`): the others wait at their door.

Whoever called them does not know: its timeout runs.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from orchspec.runtime.errors import Failed

if TYPE_CHECKING:
    from orchspec.simulator.faults import Faults

__all__ = ["Doors"]


class Doors:
    """Who is at work for each agent, and who waits.

    Args:
        faults: say how many may be at work.
        now_us: the present.
        later: calls back at a time.
    """

    def __init__(self, faults: Faults, now_us: Callable[[], int], later: Callable[..., None]) -> None:
        self._faults = faults
        self._now_us = now_us
        self._later = later
        self._at_work: dict[str, int] = {}
        self._waiting: dict[str, list[asyncio.Future[None]]] = {}

    @asynccontextmanager
    async def inside(self, agent: str) -> AsyncIterator[None]:
        """Be at work for an agent. Raises Failed, at no cost, where one is told to stop before one is let in."""
        if not self._faults.limits_capacity:
            yield
            return
        if not self._let_in(agent):
            waiting: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiting.setdefault(agent, []).append(waiting)
            try:
                await waiting
            except asyncio.CancelledError:
                if waiting.done() and not waiting.cancelled():
                    self._leave(agent)
                raise Failed("it was told to stop at the door", tokens_in=0, tokens_out=0, cost_usd=0) from None
        try:
            yield
        finally:
            self._leave(agent)

    def _let_in(self, agent: str) -> bool:
        short = self._faults.capacity(agent, self._now_us())
        if short is not None and self._at_work.get(agent, 0) >= short[0]:
            self._later(short[1], self._open, agent)
            return False
        self._at_work[agent] = self._at_work.get(agent, 0) + 1
        return True

    def _leave(self, agent: str) -> None:
        self._at_work[agent] -= 1
        self._open(agent)

    def _open(self, agent: Any) -> None:
        waiting = self._waiting.get(agent)
        while waiting:
            if waiting[0].done():
                waiting.pop(0)
            elif self._let_in(agent):
                waiting.pop(0).set_result(None)
            else:
                return
