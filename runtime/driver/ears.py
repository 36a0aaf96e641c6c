"""Who listens to a driver: what they are told never harms a run, whatever they do with it."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from orchspec.runtime.driver.live import Heard, Tell

__all__ = ["Ears"]

_log = logging.getLogger("orchspec")


class Ears:
    """Tells people what they should know, in the log `orchspec` unless somebody is named, and heartbeats."""

    def __init__(self, tell: Tell | None, heard: Heard | None) -> None:
        self._tell = tell
        self._heard = heard

    def tell(self, message: str) -> None:
        """See `live.House`."""
        if self._tell is None:
            _log.warning("%s", message)
            return
        try:
            self._tell(message)
        except Exception:  # noqa: BLE001 - logged with its traceback
            _log.exception("whoever is told what happens failed; it was: %s", message)

    def note_progress(self, run: str, step: str, share: float, note: str) -> None:
        """See `live.House`."""
        if self._heard is not None:
            try:
                self._heard(run, step, share, note)
            except Exception:  # noqa: BLE001 - logged with its traceback
                _log.exception("whoever hears heartbeats failed; it hears no more")
                self._heard = None
