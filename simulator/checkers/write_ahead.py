"""S12, write-ahead: when the world receives something, the record that caused it is durable."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from orchspec.runtime.kernel.commands import TryEffect
from orchspec.simulator.checkers.violation import Violation

if TYPE_CHECKING:
    from orchspec.simulator.chaos.told import Chronicle

__all__ = ["check"]


def check(chronicle: Chronicle) -> Iterator[Violation]:
    """Deeds that landed before any record that sends them was durable."""
    sent: dict[tuple[str, str], int] = {}
    for told in chronicle.runs.values():
        for record, command in told.commanded(TryEffect):
            sent.setdefault((told.run, command.target_key), told.durable_us[record.seq - 1])
    for each in chronicle.applied:
        since_us = sent.get((each.run, each.key))
        if since_us is None or since_us > each.time_us:
            when = "never" if since_us is None else f"at {since_us / 1e6:g} s"
            said = f"{each.effect} landed at {each.time_us / 1e6:g} s, and its cause was durable {when}"
            yield Violation("S12", said, each.run, None, *chronicle.sender(each.run, each.key))
