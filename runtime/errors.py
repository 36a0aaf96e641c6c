"""Every error the runtime raises for what the world did, in one leaf module.

What other libraries raise (sqlite3, json, OSError) is translated into these once, at the boundary where it
appears. Our own bugs are assertions, not members of this family.
"""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any, ClassVar, Final

__all__ = [
    "AlreadyAnswered",
    "AttemptStopped",
    "BadInput",
    "BadOutput",
    "CorruptStore",
    "Failed",
    "Fenced",
    "ForkRefused",
    "InDoubt",
    "Interrupted",
    "LeaseHeld",
    "MissingHandlers",
    "NotAllowed",
    "OrchError",
    "Overloaded",
    "PayloadTooLarge",
    "ReplayMismatch",
    "RunEnded",
    "RunHalted",
    "RunMismatch",
    "StoreBusy",
    "StoreError",
    "StoreFull",
    "Throttled",
    "UnknownName",
    "UnknownRun",
    "UpgradeMisfit",
]

_RETRY_AFTER_MAX_S: Final = 30 * 86_400


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


class UpgradeMisfit(OrchError):
    """A journal does not fit another plan; `record` says which record is the first, as JSON."""

    code = "upgrade_misfit"

    def __init__(self, message: str, record: dict[str, Any]) -> None:
        super().__init__(message)
        self.record = record


class ForkRefused(OrchError):
    """A run cannot be forked there: it has no such checkpoint, did not reach it, or was in the middle of something."""

    code = "fork_refused"


class UnknownName(OrchError):
    """A name that the plan does not declare: of a flow, an agent, a contract, an effect or a person."""

    code = "unknown_name"


class MissingHandlers(OrchError):
    """A run needs handlers that nobody gave; the message names each and how to provide it."""

    code = "missing_handlers"


class BadInput(OrchError):
    """The inputs of a run are not those of its flow."""

    code = "bad_input"


class RunMismatch(OrchError):
    """A run of that name exists, with another flow or other inputs."""

    code = "run_mismatch"


class Overloaded(OrchError):
    """A new run was refused, since as many tasks wait as may (`queue_max`); nothing of it is kept, so ask again later.

    What is under way goes on: runs that exist are never refused.
    """

    code = "overloaded"


class RunHalted(OrchError):
    """A run met a bug of Orch and was halted; what is durable of it stays, other runs go on."""

    code = "run_halted"


class Interrupted(OrchError):
    """The engine was told to stop before the run had ended; what is durable of it can be resumed."""

    code = "interrupted"


class BadOutput(OrchError):
    """What a handler gave back cannot cross: it is no JSON, too large, or tells impossible usage."""

    code = "bad_output"


class NotAllowed(OrchError):
    """An agent asked for something that its spec does not allow."""

    code = "not_allowed"


class EffectFailed(OrchError):
    """An effect that an agent asked for was not done, or nobody knows whether it was.

    `reason` tells which: `effect_refused`, `effect_conflict` (this task, or somebody else, did it with other
    arguments), `bad_receipt` (it was done, and what came back is no receipt), `in_doubt`.
    """

    code = "effect_failed"

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class Failed(OrchError):
    """Raised by the handler of an agent: the attempt failed, and this is what it spent.

    Any other exception fails the attempt too, but then nobody knows what it spent.

    Args:
        message: why; the next attempt is told (`Task.previous_error`).
        tokens_in: how many tokens were read, None if nobody counted.
        tokens_out: how many tokens were written.
        cost_usd: US dollars as a decimal text, as "0.011"; None lets the model's prices say it.
        retry_after: seconds (or a timedelta) that whoever was asked wants to be left in peace, at most 30 days: the
            next attempt waits so long at least.

    Raises:
        ValueError: `retry_after` is no such time.
    """

    code = "agent_error"
    sent: ClassVar[bool] = True

    def __init__(
        self,
        message: str = "the attempt failed",
        *,
        tokens_in: int | None = None,
        tokens_out: int | None = None,
        cost_usd: str | Decimal | float | None = None,
        retry_after: float | timedelta | None = None,
    ) -> None:
        super().__init__(message)
        self.tokens_in = tokens_in
        self.tokens_out = tokens_out
        self.cost_usd = cost_usd
        seconds = retry_after.total_seconds() if isinstance(retry_after, timedelta) else retry_after or 0
        if not 0 <= seconds <= _RETRY_AFTER_MAX_S:
            raise ValueError(f"retry_after is {retry_after!r}; expected 0 to {_RETRY_AFTER_MAX_S} seconds (30 days)")
        self.retry_after_us = round(seconds * 1_000_000)


class Throttled(Failed):
    """Raised by a handler whose provider did not serve (429): nothing was spent, and it may say when to come again.

    Of an agent it fails the attempt, and its reservation is given back; of an effect it says that it was not done.
    """

    code = "throttled"
    sent: ClassVar[bool] = False


class AttemptStopped(OrchError):
    """Raised inside a handler whose attempt was told to stop: let it pass, nothing of the attempt counts any more."""

    code = "attempt_stopped"


class InDoubt(OrchError):
    """Raised by the handler of an effect that cannot say whether it was done: it is sent again, with the same key."""

    code = "in_doubt"

    def __init__(self, message: str = "nobody knows whether it was done") -> None:
        super().__init__(message)  # a bare `raise InDoubt` must not become another error, which would say: not done
