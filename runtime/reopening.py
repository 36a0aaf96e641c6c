"""How long an engine whose store has failed waits until it opens it again, and when it gives the store up.

The wait doubles with each failure; failures that lie far apart are not counted together. Both drivers go by this.
"""

from __future__ import annotations

from typing import Final

__all__ = ["CALM_US", "LOSSES_MAX", "Reopening"]

_FIRST_US: Final = 100_000
LOSSES_MAX: Final = 5
"""A store that fails more often than this, one time after another, is given up."""
CALM_US: Final = 30_000_000
"""After so long without a failure the next one is the first again."""


class Reopening:
    """The failures of one process's store, as far as they still count."""

    __slots__ = ("_last_us", "_losses")

    def __init__(self) -> None:
        self._losses = 0
        self._last_us = 0

    @property
    def going_on(self) -> bool:
        """Whether a failure counts: the process lives, and opens its store again."""
        return self._losses > 0

    def lost(self, now_us: int) -> int | None:
        """The store has failed now: after how long it is opened again, µs; None: never."""
        self._losses = self._losses + 1 if self._losses and now_us - self._last_us < CALM_US else 1
        self._last_us = now_us
        return None if self._losses > LOSSES_MAX else _FIRST_US << (self._losses - 1)
