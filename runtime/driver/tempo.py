"""Where a commit is made: here, on the event loop's own thread, or by the thread that writes.

A hop to a thread and back takes longer than a quick disk does for a commit, but while a slow one is waited for here
nothing else goes on: no handler, no timer, no heartbeat. So it depends on how long commits have taken of late, and on
whether anything else is under way that could go on.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

__all__ = ["ALONE_S", "HERE_S", "Tempo"]

HERE_S: Final = 0.001
"""Commits whose disk takes longer than this, in the mean, are made by the thread."""
ALONE_S: Final = 0.02
"""The same while nothing else of this engine is under way: only others in the process would wait."""
_RECORD_S: Final = 20e-6
"""What a record may take beside: spelling and inserting it is work of this process, in whichever thread."""
_MEMORY: Final = 8
"""The mean is of about so many commits."""


class Tempo:
    """How long the disk of one store takes for a commit, as a running mean, seconds."""

    __slots__ = ("mean_s",)

    def __init__(self) -> None:
        self.mean_s = 0.0

    def here(self, alone: Callable[[], bool]) -> bool:
        """Whether the next commit is made on the loop's own thread; `alone` says if nothing could go on meanwhile."""
        return self.mean_s < HERE_S or (self.mean_s < ALONE_S and alone())

    def took(self, seconds: float, records: int) -> None:
        """A commit of so many records took so long."""
        disk_s = max(0.0, seconds - records * _RECORD_S)
        self.mean_s += (disk_s - self.mean_s) / _MEMORY
