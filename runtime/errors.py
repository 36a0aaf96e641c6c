"""Every error the runtime raises for what the world did, in one leaf module.

What other libraries raise (sqlite3, json, OSError) is translated into these once, at the boundary where it
appears. Our own bugs are assertions, not members of this family.
"""

from __future__ import annotations

from typing import ClassVar

__all__ = [
    "AlreadyAnswered",
    "CorruptStore",
    "Fenced",
    "LeaseHeld",
    "OrchError",
    "PayloadTooLarge",
    "ReplayMismatch",
    "RunEnded",
    "StoreBusy",
    "StoreError",
    "StoreFull",
    "UnknownRun",
]


class OrchError(Exception):
    """An error for the user: ``code`` is stable and for programs, ``message`` is for people."""

    code: ClassVar[str] = "error"

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class StoreError(OrchError):
    """The store refused or failed; nothing of the refused batch was written."""

    code = "store_error"


class StoreBusy(StoreError):
    """Another process held the store's write lock for too long; the same call may be tried again."""

    code = "store_busy"


class StoreFull(StoreError):
    """There is no room to write."""

    code = "store_full"


class Fenced(StoreError):
    """The epoch is not the store's: another engine has taken over, so this one must stop acting."""

    code = "fenced"


class LeaseHeld(StoreError):
    """Another live engine owns the store."""

    code = "lease_held"


class CorruptStore(StoreError):
    """What was read back is not what may have been written."""

    code = "corrupt_store"


class PayloadTooLarge(StoreError):
    """A single value is above the cap of what a store keeps."""

    code = "payload_too_large"


class UnknownRun(StoreError):
    """The store holds no run of that name."""

    code = "unknown_run"


class RunEnded(StoreError):
    """The run has ended: it takes no more answers and cannot be cancelled."""

    code = "run_ended"


class AlreadyAnswered(StoreError):
    """The question has an answer already; an answer answers one question, once."""

    code = "already_answered"


class ReplayMismatch(OrchError):
    """Folding the journal did not reproduce what was recorded."""

    code = "replay_mismatch"
