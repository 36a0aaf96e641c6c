"""What an engine asks of whoever keeps its time: a driver on the real clock, or the simulator."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from orchspec.runtime.grants import Grant

__all__ = ["Timers"]


class Timers(Protocol):
    """Where a driver keeps timers. Arming again moves a timer; dropping one that is not there is nothing."""

    def arm(self, run: str, place: int, timer: str, at_us: int, attempt: int) -> None:
        """Post TimerFired for it at `at_us`."""

    def drop(self, run: str, place: int, timer: str) -> None:
        """Forget it."""

    def tool_granted(self, grant: Grant) -> None:
        """A tool call that waited may go on; `grant.attempt` is that of `Engine.call_tool`."""
