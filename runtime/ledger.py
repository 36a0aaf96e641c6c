"""The effect ledger and the reuse table: who does what once, across all runs of a store.

Both are pure objects that mirror rows of the store: an answer given here becomes durable in the commit of the record
that it leads to, and a crash forgets both together. After a crash they are built again from the rows, and whoever
waited asks again.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from orchspec.runtime.journal.records import LedgerRow, ReuseRow

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["Answer", "Ledger", "ReuseTable"]


@dataclass(slots=True)
class Answer:
    """What a claim got. For the ledger `standing` is as in `EffectClaimed`; for reuse hit or own.

    `value` is the receipt or the reused value.
    """

    run: str
    place: int
    standing: str
    generation: int = 0
    value: Any = None


@dataclass(slots=True)
class _Entry:
    effect: str
    key: str
    generation: int
    state: str
    args_hash: str
    owner_run: str
    owner_path: str
    owner_place: int
    intent_seq: int
    receipt: Any
    joined: list[list[str]]
    waiters: list[tuple[str, int, str, int, str, bool]]


class Ledger:
    """Effects by (effect, key): the newest generation of each, its owner, and who waits for it.

    Older generations that stand, since a fork did them anew, are kept for their owners to undo.
    """

    def __init__(self, rows: Iterable[LedgerRow] = ()) -> None:
        self._entries: dict[str, _Entry] = {}
        self._waiting: dict[str, dict[str, None]] = {}
        self._older: dict[tuple[str, int], _Entry] = {}
        for row in rows:
            known = self._entries.get(row.key)
            if known is not None and known.state == "confirmed" and row.generation > known.generation:
                self._older[row.key, known.generation] = known
            if known is None or row.generation >= known.generation:
                self._entries[row.key] = _Entry(
                    row.effect,
                    row.key,
                    row.generation,
                    row.state,
                    row.args_hash,
                    row.owner_run,
                    row.owner_place,
                    -1,
                    row.intent_seq,
                    row.receipt,
                    [list(other) for other in row.joined],
                    [],
                )

    def claim(
        self,
        run: str,
        place: int,
        path: str,
        effect: str,
        key: str,
        args_hash: str,
        seq: int,
        now_us: int,
        undoes: tuple[str, int] | None = None,
        *,
        again: bool = False,
    ) -> tuple[Answer | None, list[LedgerRow]]:
        """Claim an effect: (the answer, or None while another run is at it; the rows that must become durable).

        The first intent owns the key; the owner, asked again after a crash, still owns it. Equal arguments join,
        other arguments conflict. What was undone or was never done may be done anew: undoing raises the generation.
        The claim of an undo is passed on while anybody else got the receipt: the first of them is the owner then.
        What its owner gave up in doubt is the doubt of whoever claims it next. `again`: what another run has done is
        done anew, under the next generation; that run still undoes its own.
        """
        rows: list[LedgerRow] = []
        if undoes is not None:
            passed = self._leave(run, path.removesuffix("!undo"), *undoes, now_us, rows)
            if passed:
                return Answer(run, place, "passed"), rows
        entry = self._entries.get(key)
        anew = again and entry is not None and entry.state == "confirmed" and entry.owner_run != run
        if entry is None or anew or entry.state in ("undone", "not_done"):
            generation = 0 if entry is None else entry.generation + (1 if entry.state != "not_done" else 0)
            if entry is not None and anew:
                self._older[key, entry.generation] = entry
            entry = _Entry(effect, key, generation, "intended", args_hash, run, path, place, seq, None, [], [])
            self._entries[key] = entry
            return Answer(run, place, "own", generation), [*rows, _row(entry, now_us)]
        if entry.args_hash != args_hash:
            return Answer(run, place, "conflict"), []
        ours = entry.owner_run == run and entry.owner_path == path
        if entry.state == "confirmed":
            answer = Answer(run, place, "confirmed", entry.generation, entry.receipt)
            if ours or [run, path] in entry.joined:
                return answer, rows
            entry.joined.append([run, path])
            return answer, [*rows, _row(entry, now_us)]
        if ours:
            entry.owner_place = place
            return Answer(run, place, "own" if entry.state != "in_doubt" else "doubt", entry.generation), rows
        if not entry.owner_run:
            entry.owner_run, entry.owner_path, entry.owner_place, entry.intent_seq = run, path, place, seq
            return Answer(run, place, "doubt", entry.generation), [*rows, _row(entry, now_us)]
        entry.waiters.append((run, place, path, seq, args_hash, again))
        self._waiting.setdefault(run, {})[key] = None
        return None, rows

    def _of(self, key: str, generation: int) -> _Entry | None:
        entry = self._entries.get(key)
        if entry is None or entry.generation == generation:
            return entry
        return self._older.get((key, generation))

    def _leave(self, run: str, path: str, key: str, generation: int, now_us: int, rows: list[LedgerRow]) -> bool:
        """Whoever unwinds needs the effect no longer: whether it is not theirs to undo.

        If it is, nobody may rely on it from here: it is in doubt, and whoever wants it waits, until it is undone or
        its undo is stuck.
        """
        entry = self._of(key, generation)
        if entry is None or entry.state != "confirmed":
            return False
        ours = (entry.owner_run, entry.owner_path) == (run, path)
        passed = not ours or bool(entry.joined)
        if not ours:
            entry.joined = [other for other in entry.joined if other != [run, path]]
        elif entry.joined:
            (entry.owner_run, entry.owner_path), *entry.joined = entry.joined
        else:
            entry.state = "in_doubt"
        rows.append(_row(entry, now_us))
        return passed

    def settle(
        self, run: str, path: str, key: str, generation: int, state: str, receipt: Any, now_us: int
    ) -> tuple[list[Answer], list[LedgerRow]]:
        """The owner says how it ended; returns the answers to those who waited, and the rows that must become durable.

        A claim that waits is `withdrawn`, and answered so; one that was answered already is not waiting.
        """
        entry = self._entries.get(key) if state == "withdrawn" else self._of(key, generation)
        if entry is None:
            return [], []
        if state == "withdrawn":
            gone = [waiter for waiter in entry.waiters if (waiter[0], waiter[2]) == (run, path)]
            entry.waiters = [waiter for waiter in entry.waiters if waiter not in gone]
            return [Answer(run, waiter[1], "withdrawn") for waiter in gone], []
        if entry.owner_run != run or (entry.owner_path != path and state != "undone"):
            return [], []
        happened = state == "not_done" and entry.state not in ("intended", "in_doubt")
        if (entry.state == state != "in_doubt") or happened:
            return [], []
        entry.state = state
        if state == "in_doubt":
            entry.owner_run = entry.owner_path = ""
        if state == "confirmed":
            entry.receipt = receipt
        rows = [_row(entry, now_us)]
        answers: list[Answer] = []
        waiters, entry.waiters = entry.waiters, []
        for waiter_run, waiter_place, waiter_path, waiter_seq, args_hash, again in waiters:
            answer, more = self.claim(
                waiter_run, waiter_place, waiter_path, entry.effect, key, args_hash, waiter_seq, now_us, again=again
            )
            if answer is not None:
                answers.append(answer)
            rows.extend(more)
        return answers, rows

    def claims(self) -> list[tuple[str, str, int, str]]:
        """What the ledger says of each key: effect, key, newest generation, state."""
        return [(entry.effect, entry.key, entry.generation, entry.state) for entry in self._entries.values()]

    def abandon(self, run: str) -> None:
        """A run waits for nothing any more."""
        for key in self._waiting.pop(run, ()):
            entry = self._entries[key]
            entry.waiters = [waiter for waiter in entry.waiters if waiter[0] != run]


def _row(entry: _Entry, now_us: int) -> LedgerRow:
    return LedgerRow(
        entry.effect,
        entry.key,
        entry.generation,
        entry.state,  # type: ignore[arg-type]
        entry.args_hash,
        entry.owner_run,
        entry.owner_path,
        entry.intent_seq,
        entry.receipt,
        now_us,
        [list(other) for other in entry.joined],
    )


@dataclass(slots=True)
class _Work:
    owner: tuple[str, int] | None
    value: Any
    expires_us: int | None
    waiters: list[tuple[str, int]]


class ReuseTable:
    """Identical work by its hash: a value that still counts, or who is at it and who waits for it."""

    def __init__(self, rows: Iterable[ReuseRow] = ()) -> None:
        self._work: dict[str, _Work] = {row.key: _Work(None, row.value, row.expires_us, []) for row in rows}
        self._of_run: dict[str, list[str]] = {}
        self._sweep_at = 4096

    def own(self, run: str, place: int, key: str) -> None:
        """After a crash: who was at a piece of work still is."""
        self._work[key] = _Work((run, place), None, None, [])

    def abandon(self, run: str) -> list[Answer]:
        """A run will do nothing any more, whatever it was at: the first of those who wait for it does the work."""
        answers: list[Answer] = []
        for key, work in list(self._work.items()):
            work.waiters = [waiter for waiter in work.waiters if waiter[0] != run]
            if work.owner is not None and work.owner[0] == run:
                answers += self.keep(run, work.owner[1], "", key, ok=False, value=None, ttl_us=None, now_us=0)[0]
        return answers

    def forget(self, run: str, now_us: int) -> None:
        """A run has ended: what it kept for itself goes, and what has expired."""
        for key in self._of_run.pop(run, ()):
            self._work.pop(key, None)
        if len(self._work) > self._sweep_at:
            stale = [
                key
                for key, work in self._work.items()
                if work.owner is None and work.expires_us is not None and work.expires_us <= now_us
            ]
            for key in stale:
                del self._work[key]
            self._sweep_at = max(4096, 2 * len(self._work))  # so that sweeping costs a constant for each piece of work

    def lookup(self, run: str, place: int, key: str, now_us: int) -> Answer | None:
        """The value, or that the work is the asker's to do, or None while somebody else is at it."""
        work = self._work.get(key)
        if work is None or (work.owner is None and work.expires_us is not None and work.expires_us <= now_us):
            self._work[key] = _Work((run, place), None, None, [])
            return Answer(run, place, "own")
        if work.owner is None:
            return Answer(run, place, "hit", value=work.value)
        if work.owner == (run, place):
            return Answer(run, place, "own")
        work.waiters.append((run, place))
        return None

    def keep(
        self, run: str, place: int, path: str, key: str, ok: bool, value: Any, ttl_us: int | None, now_us: int
    ) -> tuple[list[Answer], ReuseRow | None]:
        """The owner is done: with its verified value all who wait get it.

        If it failed, the first of them does the work.
        """
        work = self._work.get(key)
        if work is None or work.owner != (run, place):
            if work is not None:
                work.waiters = [waiter for waiter in work.waiters if waiter != (run, place)]
            return [], None
        waiters, work.waiters = work.waiters, []
        if ok:
            work.owner = None
            work.value = value
            work.expires_us = now_us + ttl_us if ttl_us is not None else None
            if ttl_us is None:
                self._of_run.setdefault(run, []).append(key)
            row = ReuseRow(key, value, work.expires_us, run, path)
            return [Answer(*waiter, "hit", value=value) for waiter in waiters], row
        if not waiters:
            del self._work[key]
            return [], None
        work.owner = waiters[0]
        work.waiters = waiters[1:]
        return [Answer(*waiters[0], "own")], None
