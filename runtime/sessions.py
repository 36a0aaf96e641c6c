"""Persistent sessions of an engine: one mind with its history over all runs of a store.

A pure object beside the ledger. It reads a session from the store when it is first asked for and mirrors it from then
on; turns are appended as they are verified, in the batch of the record that verified them, so a crash forgets this
table and loses nothing. Who may append is the dispatcher's business: a session is granted to one task at a time.

A version is the number of the newest turn. A grant pins it, so whoever is sent again after a crash sees what it saw.
What is kept of a session is bounded: at most `TURNS_MAX` turns, and `BYTES_MAX` of them; beyond that the oldest go.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from orchspec.compiler.plan import canonical_json
from orchspec.runtime.journal.records import TurnRow

if TYPE_CHECKING:
    from orchspec.runtime.kernel.commands import KeepTurn, RequestGrant
    from orchspec.runtime.kernel.events import TaskEnrolled

__all__ = ["BYTES_MAX", "MINDS_MAX", "TURNS_MAX", "Load", "SessionTable"]

TURNS_MAX: Final = 1_000
BYTES_MAX: Final = 4 * 1024 * 1024
MINDS_MAX: Final = 1_024
"""So many sessions are mirrored before those that rest are read again when they are wanted."""

Load = Callable[[str], list[TurnRow]]


class SessionTable:
    """The minds that an engine has read so far."""

    __slots__ = ("_load", "_minds", "asked", "many")

    def __init__(self, load: Load | None) -> None:
        """`load` gives the turns of a session as they are durable; without it there are none before this engine's."""
        self.many = False
        """Whether there are more than should be kept while they rest."""
        self._load: Load = load if load is not None else lambda _session: []
        self.asked: dict[tuple[str, int, int], RequestGrant] = {}
        self._minds: dict[str, list[tuple[TurnRow, int]]] = {}

    def _mind(self, session: str) -> list[tuple[TurnRow, int]]:
        mind = self._minds.get(session)
        if mind is None:
            mind = self._minds[session] = [(row, _size(row.inputs, row.output)) for row in self._load(session)]
            self.many = len(self._minds) > MINDS_MAX
        return mind

    def ask(self, run: str, command: RequestGrant) -> None:
        """A grant is asked for that is to tell of a session."""
        self.asked[run, command.place, command.attempt] = command

    def granted(self, run: str, event: TaskEnrolled) -> None:
        """What was asked for is granted: pin the version of the session that comes with it."""
        command = self.asked.pop((run, event.place, event.attempt), None)
        session = dict(command.keys).get(event.agent) if command is not None else None
        if command is None or session is None:
            return
        event.version, event.tokens = self.state(session)
        if command.history:
            event.history = self.history(session, event.version)

    def forget(self, run: str) -> None:
        """A run asks for nothing any more."""
        for key in [key for key in self.asked if key[0] == run]:
            del self.asked[key]

    def state(self, session: str) -> tuple[int, int]:
        """The version of a session, and how many tokens its turns take."""
        mind = self._mind(session)
        return (mind[-1][0].number if mind else 0), sum(row.tokens for row, _ in mind)

    def history(self, session: str, version: int) -> list[list[Any]]:
        """The turns up to a version: [inputs, output, tokens, folded], JSON of the edge, oldest first."""
        return [
            [row.inputs, row.output, row.tokens, row.folded] for row, _ in self._mind(session) if row.number <= version
        ]

    def keep(self, command: KeepTurn, run: str, place: str, now_us: int) -> TurnRow:
        """Append a verified turn, or put a summary in the place of all turns; returns the row to write."""
        mind = self._mind(command.session)
        newest_number = mind[-1][0].number if mind else 0
        assert newest_number == command.version, "a session changes in the hands of who has it, and in no other"
        number, folded = command.version, 0
        if command.inputs is None:
            folded = sum(row.folded or 1 for row, _ in mind)
            mind.clear()
        else:
            number += 1
        size = _size(command.inputs, command.output)
        while mind and (len(mind) >= TURNS_MAX or sum(each for _, each in mind) + size > BYTES_MAX):
            del mind[0]
        since = mind[0][0].number if mind else number
        row = TurnRow(
            command.session,
            number,
            command.inputs,
            command.output,
            command.tokens,
            since,
            run,
            place,
            now_us,
            folded,
        )
        mind.append((row, size))
        return row

    def rest(self) -> None:
        """All that was appended is durable: forget what can be read again."""
        self._minds.clear()
        self.many = False


def _size(inputs: Any, output: Any) -> int:
    return len(canonical_json([inputs, output]))
