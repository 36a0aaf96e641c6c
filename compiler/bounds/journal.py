"""How many records the parts of a run write, and how large they are.

A record is an event, what was decided on it and the commands that it caused. Its size is that of its JSON in ASCII,
payloads apart: outputs, receipts, answers and inputs are as large as their makers want, up to `PAYLOAD_BYTES_MAX` each.
Commands and decisions are counted where they belong, not in the record that happens to cause them. The numbers are
upper ends on purpose: a stopped attempt may still report its costs, its stop and a late outcome, and every timer may
fire although it is not awaited any more.
"""

from __future__ import annotations

from typing import Final

from orchspec.compiler.bounds.metrics import BYTES, MENTIONS, PAYLOADS, RECORDS
from orchspec.compiler.bounds.ranges import Number, Range, Term, product

__all__ = ["GRACE_US", "PAYLOAD_BYTES_MAX", "START", "Writing", "writing"]

PAYLOAD_BYTES_MAX: Final = 16 * 1024 * 1024
"""Bytes of one value: as the runtime's (a test compares them)."""
GRACE_US: Final = 10_000_000
"""How long an attempt that was stopped keeps a run from ending: as the runtime's."""

_RECORD_BYTES_MIN: Final = 20
"""No record is smaller."""
_RECORD_BYTES: Final = 400
"""Of a record's own fields, its place apart: numbers, names of fields, hashes."""
_LINE_BYTES: Final = 120
"""Of a command, its place and the names in it apart."""
_MESSAGE_BYTES: Final = 12 * 500 + 200
"""Of a message from outside: 500 characters, each at most 12 bytes of ASCII JSON, and what is said around it."""


class Writing:
    """What something writes: so many records and payloads at least and at most, and commands and messages at most."""

    __slots__ = ("commands", "least", "messages", "most", "payloads", "payloads_least")

    def __init__(
        self,
        least: int,
        most: Number,
        *,
        commands: Number = 0,
        messages: Number = 0,
        payloads: Number = 0,
        given: int = 0,
    ) -> None:
        self.least = least
        self.most = most
        self.commands = commands
        self.messages = messages
        self.payloads = payloads
        self.payloads_least = given


START: Final = Writing(1, 2, commands=4, messages=4, payloads=1, given=1)
"""A run: its start with its inputs, the end of its time budget."""


def writing(found: list[Range], wrote: Writing, node: int, what: str, names: int) -> None:
    """Sets records, bytes and payloads of a bound; `names` is the length of the path and of the names in its lines."""
    escaped = 2 * names + 40  # quotes and the integer of the place; names are ASCII, indices are counted by the caller
    records, lines = wrote.most, wrote.commands
    size = (
        product(records, _RECORD_BYTES + escaped)
        + product(lines, _LINE_BYTES + escaped)
        + product(wrote.messages, _MESSAGE_BYTES + escaped)
    )
    found[RECORDS] = Range(wrote.least, records, Term(node, what, records))
    found[BYTES] = Range(product(wrote.least, _RECORD_BYTES_MIN), size, Term(node, what, size))
    found[MENTIONS] = Range(0, records + lines + wrote.messages)
    found[PAYLOADS] = Range(wrote.payloads_least, wrote.payloads, Term(node, what, wrote.payloads))
