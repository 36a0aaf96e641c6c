"""S4, budget: at every reservation, what is charged and what is reserved fit the cap, in each scope around."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from orchspec.runtime.kernel.commands import RequestGrant
from orchspec.runtime.kernel.kernel import Kernel
from orchspec.simulator.checkers.violation import Violation

if TYPE_CHECKING:
    from orchspec.runtime.kernel.budget import Account
    from orchspec.runtime.recording import EventRecord
    from orchspec.simulator.chaos.chronicle import Chronicle

__all__ = ["check"]


def check(chronicle: Chronicle) -> Iterator[Violation]:
    """Reservations without room, and accounts that went below nothing."""
    for told in chronicle.runs.values():
        kernel = Kernel(chronicle.plan, told.run)
        for record in told.records:
            kernel.handle(record.event)
            yield from _at(kernel, record, told.run)


def _at(kernel: Kernel, record: EventRecord, run: str) -> Iterator[Violation]:
    for command in record.commands:
        if not isinstance(command, RequestGrant):
            continue
        activity = kernel.places[command.place]
        account: Account | None = activity.account if activity is not None else None
        path = kernel.path(command.place)
        while account is not None:
            for name, cap, taken in _amounts(account):
                if cap is not None and taken > cap:
                    said = f"{name} of {taken:,} is charged and reserved where {cap:,} is the cap"
                    yield Violation("S4", said, run, record.seq, path, activity.op.node if activity else None)
            if min(account.reserved_pico, account.reserved_tokens, account.open) < 0:
                yield Violation("S4", "more was given back than had been reserved", run, record.seq, path)
            account = account.parent


def _amounts(account: Account) -> Iterator[tuple[str, int | None, int]]:
    # What was really spent is charged above the cap too; then nothing may be reserved any more.
    if account.reserved_pico:
        yield "a cost (pico-dollars)", account.cap.cost_pico, account.charged_pico + account.reserved_pico
    if account.reserved_tokens:
        yield "a number of tokens", account.cap.tokens, account.charged_tokens + account.reserved_tokens
    yield "a number of attempts", account.cap.attempts, account.attempts
    yield "a number of retries", account.cap.retries, account.retries
