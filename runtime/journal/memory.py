"""A store in memory, for tests and for the simulator: the same contract, objects kept as they are.

A commit of k records costs about a list extend. With ``encode=True`` record bodies go through the same text as in a
durable store, so that a test notices a body that would not survive it.
"""

from __future__ import annotations

import threading
from bisect import bisect_right
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from orchspec.runtime.errors import AlreadyAnswered, Fenced, RunEnded, StoreError, UnknownRun
from orchspec.runtime.journal.appending import encode_records
from orchspec.runtime.journal.codec import decode_body
from orchspec.runtime.journal.owner import is_gone, lease_held
from orchspec.runtime.journal.records import LIVE_STATUSES, Mail, Record

if TYPE_CHECKING:
    from collections.abc import Sequence

    from orchspec.runtime.journal.batch import Batch
    from orchspec.runtime.journal.records import (
        BeatRow,
        LedgerRow,
        MailKind,
        MatterRow,
        Owner,
        QuestionRow,
        ReuseRow,
        RunRow,
        RunStatus,
        TurnRow,
    )

__all__ = ["MemoryStore"]


class MemoryStore:
    """A ``Store`` that forgets everything with the process."""

    def __init__(self, *, encode: bool = False) -> None:
        """Keep objects as they are, or (``encode=True``) bodies of records as the text of a durable store."""
        self._encode = encode
        self._lock = threading.RLock()
        self._epoch = 0
        self._owner: Owner | None = None
        self._expires_us = 0
        self._plans: dict[str, str] = {}
        self._runs: dict[str, RunRow] = {}
        self._records: dict[str, list[Record]] = {}
        self._weave: list[tuple[int, Record]] = []
        self._position = 0
        self._payloads: dict[str, dict[str, str]] = {}
        self._ledger: dict[tuple[str, str, int], LedgerRow] = {}
        self._reuse: dict[str, ReuseRow] = {}
        self._turns: dict[str, dict[int, TurnRow]] = {}
        self._questions: dict[tuple[str, str], QuestionRow] = {}
        self._beats: dict[tuple[str, str], BeatRow] = {}
        self._matters: dict[tuple[str, str], MatterRow] = {}
        self._mail: dict[int, Mail] = {}
        self._mail_last = 0
        # Questions with an answer, pending or taken, since they were last asked.
        self._answered: set[tuple[str | None, str | None]] = set()

    def acquire(self, owner: Owner, now_us: int, lease_us: int, runs_us: int | None = None) -> int:
        """See ``Store.acquire``."""
        with self._lock:
            held = self._owner is not None and self._owner != owner and now_us < self._expires_us
            if held and self._owner is not None and not is_gone(self._owner):
                raise lease_held(self._owner, self._expires_us)
            self._epoch += 1
            self._owner = owner
            self._expires_us = now_us + lease_us
            self._reuse = {row.key: row for row in self.reuse(now_us if runs_us is None else runs_us)}
            self._beats.clear()
            return self._epoch

    def renew(self, epoch: int, now_us: int, lease_us: int) -> None:
        """See ``Store.renew``."""
        with self._lock:
            self._check_epoch(epoch)
            self._expires_us = now_us + lease_us

    def release(self, epoch: int) -> None:
        """See ``Store.release``."""
        with self._lock:
            if epoch == self._epoch:
                self._owner = None

    def lease(self) -> tuple[Owner, int] | None:
        """See ``Store.lease``."""
        return (self._owner, self._expires_us) if self._owner is not None else None

    def epoch(self) -> int:
        """See ``Store.epoch``."""
        return self._epoch

    def commit(self, epoch: int, batch: Batch) -> None:
        """See ``Store.commit``."""
        with self._lock:
            self._check_epoch(epoch)
            if batch.mail_taken:
                self._check_mail(batch.mail_taken)
            if batch.plans:
                self._append_with_plans(batch)
            elif batch.runs:
                self._append_with_runs(batch)
            else:
                self._append(batch.records)
            if batch.others:
                self._apply_rows(batch)

    def put_plan(self, plan_hash: str, json_text: str) -> None:
        """See ``Store.put_plan``."""
        self._plans.setdefault(plan_hash, json_text)

    def plan(self, plan_hash: str) -> str | None:
        """See ``Store.plan``."""
        return self._plans.get(plan_hash)

    def run(self, run: str) -> RunRow | None:
        """See ``Store.run``."""
        return self._runs.get(run)

    def runs(self, status: RunStatus | None = None) -> list[RunRow]:
        """See ``Store.runs``."""
        with self._lock:
            return [row for row in self._runs.values() if status is None or row.status == status]

    def records(self, run: str, after: int = 0) -> list[Record]:
        """See ``Store.records``."""
        with self._lock:
            if run not in self._records:
                raise UnknownRun(f"the store holds no run {run}; expected one of those that `orch status` lists")
            found = self._records[run][max(after, 0) :]
            return [self._decoded(record) for record in found] if self._encode else found

    def weave(self, after: int = 0, limit: int = 1000) -> list[tuple[int, Record]]:
        """See ``Store.weave``."""
        with self._lock:
            start = bisect_right(self._weave, after, key=lambda each: each[0])
            found = self._weave[start : start + limit]
            return [(at, self._decoded(record) if self._encode else record) for at, record in found]

    def ledger(self) -> list[LedgerRow]:
        """See ``Store.ledger``."""
        with self._lock:
            return list(self._ledger.values())

    def reuse(self, now_us: int) -> list[ReuseRow]:
        """See ``Store.reuse``."""
        with self._lock:
            live = (row for row in self._reuse.values() if row.expires_us is None or row.expires_us > now_us)
            return sorted(live, key=lambda row: row.key)

    def turns(self, session: str) -> list[TurnRow]:
        """See ``Store.turns``."""
        with self._lock:
            kept = self._turns.get(session, {})
            return [kept[number] for number in sorted(kept)]

    def questions(self) -> list[QuestionRow]:
        """See ``Store.questions``."""
        with self._lock:
            return sorted(self._questions.values(), key=lambda row: (row.asked_us, row.run, row.place))

    def matters(self, *, closed: bool = False) -> list[MatterRow]:
        """See ``Store.matters``."""
        with self._lock:
            found = [row for row in self._matters.values() if (row.closed_by is not None) == closed]
            return sorted(found, key=lambda row: (row.time_us, row.run, row.place))

    def close_matter(self, run: str, place: str, by: str, value: Any) -> bool:
        """See ``Store.close_matter``."""
        with self._lock:
            row = self._matters.get((run, place))
            if row is None or row.closed_by is not None:
                return False
            self._matters[run, place] = replace(row, closed_by=by, value=value)
            return True

    def put_beats(self, epoch: int, beats: list[BeatRow], over: list[tuple[str, str]]) -> None:
        """See ``Store.put_beats``."""
        with self._lock:
            self._check_epoch(epoch)
            for place in over:
                self._beats.pop(place, None)
            for beat in beats:
                row = self._runs.get(beat.run)
                if row is not None and row.status in LIVE_STATUSES:
                    self._beats[beat.run, beat.place] = beat

    def beats(self) -> list[BeatRow]:
        """See ``Store.beats``."""
        with self._lock:
            return [self._beats[place] for place in sorted(self._beats)]

    def post_mail(
        self,
        kind: MailKind,
        *,
        posted_us: int,
        run: str | None = None,
        place: str | None = None,
        name: str | None = None,
        key: str | None = None,
        value: Any = None,
        by: str | None = None,
    ) -> int:
        """See ``Store.post_mail``."""
        with self._lock:
            if kind != "signal" or run is not None:
                row = self._runs.get(run or "")
                if row is None:
                    raise UnknownRun(f"the store holds no run {run}; expected one of those that `orch status` lists")
                if row.status not in LIVE_STATUSES:
                    raise RunEnded(f"run {run} has ended ({row.status}); it takes no {kind} any more")
            if kind == "answer":
                if (run, place) in self._answered:
                    raise AlreadyAnswered(f"run {run}, {place}: this question has an answer already; it takes only one")
                self._answered.add((run, place))
            self._mail_last += 1
            self._mail[self._mail_last] = Mail(self._mail_last, kind, run, place, name, key, value, by, posted_us)
            return self._mail_last

    def pending_mail(self, after_id: int = 0) -> list[Mail]:
        """See ``Store.pending_mail``."""
        with self._lock:
            return [mail for mail in self._mail.values() if mail.id > after_id]

    def remove_run(self, epoch: int, run: str) -> None:
        """See ``Store.remove_run``."""
        with self._lock:
            self._check_epoch(epoch)
            row = self._runs.get(run)
            if row is None:
                raise UnknownRun(f"the store holds no run {run}; expected one of those that `orch status` lists")
            if row.status in LIVE_STATUSES:
                raise StoreError(f"run {run} is {row.status}; only an ended run can be removed: cancel it first")
            del self._runs[run], self._records[run]
            if all(other.plan_hash != row.plan_hash for other in self._runs.values()):
                self._plans.pop(row.plan_hash, None)
            self._weave = [each for each in self._weave if each[1].run != run]
            self._payloads.pop(run, None)
            self._questions = {place: row for place, row in self._questions.items() if row.run != run}
            self._mail = {number: mail for number, mail in self._mail.items() if mail.run != run}
            self._answered = {question for question in self._answered if question[0] != run}

    def close(self) -> None:
        """Nothing is held open."""

    def _check_epoch(self, epoch: int) -> None:
        if epoch != self._epoch or self._owner is None:
            raise Fenced(f"epoch {epoch} no longer owns the store (its epoch is {self._epoch}); nothing was written")

    def _check_mail(self, taken: Sequence[int]) -> None:
        for position, number in enumerate(taken):
            if number not in self._mail or number in taken[:position]:
                raise StoreError(f"mail {number} is not pending; expected mail that no record has consumed")

    def _append_with_plans(self, batch: Batch) -> None:
        self._append_with_runs(batch)
        for plan_hash, text in batch.plans:
            self._plans.setdefault(plan_hash, text)

    def _append_with_runs(self, batch: Batch) -> None:
        new_runs = {row.run for row in batch.runs if row.run not in self._records}
        for run in new_runs:
            self._records[run] = []
        try:
            self._append(batch.records)
        except StoreError:
            for run in new_runs:
                del self._records[run]
            raise
        for row in batch.runs:
            self._runs[row.run] = row
            if self._beats and row.status not in LIVE_STATUSES:
                self._beats = {place: beat for place, beat in self._beats.items() if beat.run != row.run}

    def _append(self, records: list[Record]) -> None:
        if self._encode:
            # Before anything is appended: what cannot be encoded leaves the store as it was.
            stored, payloads = self._encoded(records)
        else:
            stored, payloads = records, None
        every = self._records
        done = 0
        refusal: StoreError | None = None
        try:
            for record in stored:
                journal = every[record.run]
                if record.seq != len(journal) + 1:
                    refusal = _gap(record, len(journal) + 1)
                    break
                journal.append(record)
                done += 1
        except KeyError as error:
            refusal = UnknownRun(f"records of run {error.args[0]}, which has no row; put its row first")
        if refusal is not None:
            for record in stored[:done]:
                every[record.run].pop()
            raise refusal
        self._weave.extend(enumerate(stored, self._position + 1))
        self._position += len(stored)
        for run, texts in (payloads or {}).items():
            self._payloads.setdefault(run, {}).update(texts)

    def _encoded(self, records: list[Record]) -> tuple[list[Record], dict[str, dict[str, str]]]:
        stored: list[Record] = []
        payloads: dict[str, dict[str, str]] = {}
        for record, text, apart in encode_records(records):
            stored.append(Record(record.run, record.seq, record.time_us, record.type, {"text": text}))
            if apart:
                payloads.setdefault(record.run, {}).update(apart)
        return stored, payloads

    def _decoded(self, record: Record) -> Record:
        fetch = self._payloads.get(record.run, {}).get
        body = decode_body(record.body["text"], fetch, record.run, record.seq)
        return Record(record.run, record.seq, record.time_us, record.type, body)

    def _apply_rows(self, batch: Batch) -> None:
        for row in batch.ledger:
            self._ledger[row.effect, row.key, row.generation] = row
        for value in batch.reuse:
            self._reuse[value.key] = value
        for turn in batch.turns:
            kept = self._turns.setdefault(turn.session, {})
            kept[turn.number] = turn
            for number in [number for number in kept if number < turn.since]:
                del kept[number]
        for number in batch.mail_taken:
            del self._mail[number]
        for place in batch.questions_closed:
            self._questions.pop(place, None)
        for matter in batch.matters:
            self._matters[matter.run, matter.place] = matter
        for question in batch.questions_opened:
            asked = (question.run, question.place)
            self._questions[asked] = question
            if not any(mail.kind == "answer" and (mail.run, mail.place) == asked for mail in self._mail.values()):
                self._answered.discard(asked)


def _gap(record: Record, expected: int) -> StoreError:
    return StoreError(f"record {record.seq} of run {record.run} leaves a gap or repeats; expected {expected}")
