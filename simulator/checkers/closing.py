"""S13, closing: when a run has ended, nothing of it is held, reserved, armed, asked or waited for."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from orchspec.runtime.kernel.commands import HoldGrant, ReleaseGrant, RequestGrant
from orchspec.runtime.kernel.events import EngineRecovered
from orchspec.simulator.checkers.violation import Violation

if TYPE_CHECKING:
    from orchspec.runtime.kernel.budget import Account
    from orchspec.simulator.chaos.told import Chronicle, RunTold

__all__ = ["of_run"]


def of_run(chronicle: Chronicle, told: RunTold) -> Iterator[Violation]:
    """What a run that has ended left open."""
    if told.status is None:
        return
    kernel = chronicle.story(told.run).kernel
    for place in kernel.open_places():
        yield Violation("S13", f"{kernel.path(place)} is open after the end", told.run, step=kernel.path(place))
    for place, attempt in kernel.stopping:
        yield Violation("S13", f"attempt {attempt} at {kernel.path(place)} never stopped", told.run)
    for account in _accounts(kernel.account):
        if account.reserved_pico or account.reserved_tokens or account.open:
            yield Violation("S13", f"{account.open} reservations are open after the end", told.run)
    for seq, place, attempt in _grants(told):
        path = kernel.path(place)
        said = f"attempt {attempt} at {path} was asked for with record {seq} and is held after the end"
        yield Violation("S13", said, told.run, seq, path)


def _accounts(account: Account | None) -> Iterator[Account]:
    if account is not None:
        yield account


def _grants(told: RunTold) -> list[tuple[int, int, int]]:
    """Each request is released once in the life of its engine: the others, as record, place and attempt."""
    wanted: dict[tuple[int, int], int] = {}
    for record in told.records:
        if type(record.event) is EngineRecovered:
            wanted.clear()
        for command in record.commands:
            if isinstance(command, ReleaseGrant):
                wanted.pop((command.place, command.attempt), None)
            elif isinstance(command, (RequestGrant, HoldGrant)):
                wanted[command.place, command.attempt] = record.seq
    return [(seq, place, attempt) for (place, attempt), seq in wanted.items()]
