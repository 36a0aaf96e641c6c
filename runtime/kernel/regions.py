"""What statements with blocks of their own have in common: they host frames, and end as these do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from orchspec.runtime.kernel.frames import STOPPED, Activity, Failure, Frame
from orchspec.runtime.kernel.program import Link
from orchspec.runtime.kernel.table import CLOSED, OPEN, ImpossibleEvent
from orchspec.runtime.kernel.tasks import follow

if TYPE_CHECKING:
    from orchspec.runtime.kernel.events import TimerFired

__all__ = ["Region"]


class Region(Activity):
    """An activity that hosts frames: takes over the effects of those that end well, reports how the whole ended."""

    __slots__ = ("stopped",)

    def _open(self) -> None:
        self.state = OPEN
        self.stopped = False

    def _absorb(self, frame: Frame) -> None:
        for done in frame.effects:
            done.by = self.op.index
        self.frame.effects.extend(frame.effects)

    def _end(self, value: Any) -> None:
        self._close()
        self.owner.child_done(self, value)

    def _fall(self, failure: Failure, links: tuple[Link, ...] = ()) -> None:
        self._close()
        if self.stopped or failure is STOPPED:
            self.owner.child_stopped(self)
        else:
            follow(self, failure, links)

    def _close(self) -> None:
        self.state = CLOSED

    def timer(self, event: TimerFired) -> None:
        """A region's own timer; most have none."""
        raise ImpossibleEvent(f"{self.path()} has no timer {event.timer!r}")
