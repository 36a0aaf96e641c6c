"""The rows of an SQLite store other than records: their statements, and objects to columns and back."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from orchspec.runtime.errors import CorruptStore
from orchspec.runtime.journal.codec import decode_value, encode_value
from orchspec.runtime.journal.records import (
    LIVE_STATUSES,
    BeatRow,
    LedgerRow,
    Mail,
    MatterRow,
    QuestionRow,
    ReuseRow,
    RunRow,
    TurnRow,
)

if TYPE_CHECKING:
    from orchspec.runtime.journal.batch import Batch

__all__ = [
    "CLOSE_MATTER",
    "FIND_ANSWER",
    "FORGET_ANSWER",
    "FORGET_BEATS",
    "FORGET_TURNS",
    "GET_BEATS",
    "GET_LEDGER",
    "GET_MAIL",
    "GET_MATTERS",
    "GET_QUESTIONS",
    "GET_REUSE",
    "GET_RUNS",
    "GET_TURNS",
    "GET_WEAVE",
    "POST_MAIL",
    "PUT_BEAT",
    "PUT_LEDGER",
    "PUT_MATTER",
    "PUT_PLAN",
    "PUT_QUESTION",
    "PUT_REUSE",
    "PUT_RUN",
    "PUT_TURN",
    "REMOVE_PAYLOADS",
    "TAKE_MAIL",
    "USE_PAYLOAD",
    "Encoded",
    "beat_row",
    "encode",
    "encode_mail_value",
    "ledger_row",
    "mail_row",
    "matter_row",
    "question_row",
    "reuse_row",
    "run_row",
    "turn_row",
]

_RUN = "run, flow, plan_hash, input, status, result, error, created_us, ended_us, seed, options"
_LEDGER = "effect, key, generation, state, args_hash, owner_run, owner_place, intent_seq, receipt, time_us, joined"
_QUESTION = "run, place, contract, who, inputs, expects, asked_us, deadline_us, choices, messages"
_TURN = "session, number, inputs, output, tokens, since, run, place, time_us, folded"

# Upserts keep the row's place, so that runs and ledger rows are listed in order of first appearance.
PUT_RUN = f"""INSERT INTO runs ({_RUN}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (run) DO UPDATE SET
    flow = excluded.flow, plan_hash = excluded.plan_hash, input = excluded.input, status = excluded.status,
    result = excluded.result, error = excluded.error, created_us = excluded.created_us, ended_us = excluded.ended_us,
    seed = excluded.seed, options = excluded.options"""  # noqa: S608 - our own columns
PUT_PLAN = "INSERT OR IGNORE INTO plans VALUES (?, ?)"
PUT_LEDGER = f"""INSERT INTO ledger ({_LEDGER}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
    ON CONFLICT (effect, key, generation) DO UPDATE SET state = excluded.state, args_hash = excluded.args_hash,
    owner_run = excluded.owner_run, owner_place = excluded.owner_place, intent_seq = excluded.intent_seq,
    receipt = excluded.receipt, time_us = excluded.time_us, joined = excluded.joined"""  # noqa: S608 - our own columns
PUT_REUSE = "INSERT OR REPLACE INTO reuse (key, value, expires_us, run, place) VALUES (?, ?, ?, ?, ?)"
PUT_QUESTION = f"INSERT OR REPLACE INTO questions ({_QUESTION}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"  # noqa: S608 - our own columns
PUT_TURN = f"INSERT OR REPLACE INTO turns ({_TURN}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"  # noqa: S608 - our own columns
# Those of a run that has ended meanwhile come too late.
PUT_BEAT = """INSERT OR REPLACE INTO beats (run, place, attempt, share, note, time_us) SELECT ?1, ?2, ?3, ?4, ?5, ?6
    WHERE EXISTS (SELECT 1 FROM runs WHERE run = ?1 AND status IN ('running', 'parked'))"""
FORGET_BEATS = "DELETE FROM beats WHERE run = ?1 AND (place = ?2 OR ?2 IS NULL)"
FORGET_TURNS = "DELETE FROM turns WHERE session = ? AND number < ?"
POST_MAIL = "INSERT INTO mail (kind, run, place, name, key, value, by_whom, posted_us) VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
TAKE_MAIL = "UPDATE mail SET taken = 1 WHERE id = ? AND NOT taken"
FIND_ANSWER = "SELECT 1 FROM mail WHERE kind = 'answer' AND run IS ? AND place IS ?"
# A question asked again takes an answer again; one that is pending still counts.
FORGET_ANSWER = "DELETE FROM mail WHERE kind = 'answer' AND taken AND run = ? AND place = ?"
USE_PAYLOAD = "INSERT OR IGNORE INTO payload_uses VALUES (?, ?)"
REMOVE_PAYLOADS = """DELETE FROM payloads WHERE hash IN (SELECT hash FROM payload_uses WHERE run_no = :no)
    AND NOT EXISTS (SELECT 1 FROM payload_uses WHERE payload_uses.hash = payloads.hash AND run_no <> :no)"""

GET_RUNS = f"SELECT {_RUN} FROM runs"  # noqa: S608 - our own columns
GET_LEDGER = f"SELECT {_LEDGER} FROM ledger ORDER BY no"  # noqa: S608 - our own columns
PUT_MATTER = "INSERT OR REPLACE INTO matters (run, place, why, time_us) VALUES (?, ?, ?, ?)"
CLOSE_MATTER = "UPDATE matters SET closed_by = ?, value = ? WHERE run = ? AND place = ? AND closed_by IS NULL"
GET_MATTERS = """SELECT run, place, why, time_us, closed_by, value FROM matters WHERE (closed_by IS NOT NULL) = ?
ORDER BY time_us, run, place"""
REMOVE_PLAN = "DELETE FROM plans WHERE hash = ?1 AND NOT EXISTS (SELECT 1 FROM runs WHERE plan_hash = ?1)"
GET_BEATS = "SELECT run, place, attempt, share, note, time_us FROM beats ORDER BY run, place"
GET_REUSE = """SELECT key, value, expires_us, run, place FROM reuse WHERE expires_us IS NULL OR expires_us > ?
    ORDER BY key"""
GET_TURNS = f"SELECT {_TURN} FROM turns WHERE session = ? ORDER BY number"  # noqa: S608 - our own columns
GET_QUESTIONS = f"SELECT {_QUESTION} FROM questions ORDER BY asked_us, run, place"  # noqa: S608 - our own columns
# Rows are appended, so their numbers are in the order of the commits.
GET_WEAVE = """SELECT records.rowid, runs.run, seq, time_us, type, body FROM records JOIN runs ON runs.no = run_no
    WHERE records.rowid > ? ORDER BY records.rowid LIMIT ?"""
GET_MAIL = """SELECT id, kind, run, place, name, key, value, by_whom, posted_us FROM mail
    WHERE NOT taken AND id > ? ORDER BY id"""

_STATUSES = frozenset({"running", "completed", "failed", "parked", "cancelled", "budget_exhausted"})
_STATES = frozenset({"intended", "sent", "confirmed", "in_doubt", "not_done", "undone"})
_MAIL_KINDS = frozenset({"answer", "signal", "cancel"})


@dataclass(slots=True)
class Encoded:
    """The columns of a batch's rows, its records apart; ``others`` says whether there is anything but runs.

    ``ended`` are the parameters of FORGET_BEATS for runs that have ended.
    """

    runs: list[tuple[Any, ...]] = field(default_factory=list)
    ended: list[tuple[str, None]] = field(default_factory=list)
    ledger: list[tuple[Any, ...]] = field(default_factory=list)
    reuse: list[tuple[Any, ...]] = field(default_factory=list)
    turns: list[tuple[Any, ...]] = field(default_factory=list)
    questions: list[tuple[Any, ...]] = field(default_factory=list)
    others: bool = False


_NOTHING = Encoded()


def encode(batch: Batch) -> Encoded:
    """The columns of all rows of ``batch``. Raises ``StoreError`` for values that JSON cannot hold."""
    others = batch.others
    if not others and not batch.runs:
        return _NOTHING
    return Encoded(
        runs=[_run_columns(row) for row in batch.runs],
        ended=[(row.run, None) for row in batch.runs if row.status not in LIVE_STATUSES],
        ledger=[_ledger_columns(row) for row in batch.ledger],
        reuse=[
            (row.key, encode_value(row.value, f"reusable value {row.key}"), row.expires_us, row.run, row.place)
            for row in batch.reuse
        ],
        turns=[_turn_columns(row) for row in batch.turns],
        questions=[_question_columns(row) for row in batch.questions_opened],
        others=others,
    )


def encode_mail_value(value: Any, kind: str) -> str:
    """The text of a mail's value. Raises ``StoreError`` for what JSON cannot hold."""
    return encode_value(value, f"the value of the {kind}")


def run_row(row: tuple[Any, ...]) -> RunRow:
    """A run from its columns. Raises ``CorruptStore``."""
    run, flow, plan_hash, input_, status, result, error, created_us, ended_us, seed, options = row
    what = f"run {run}"
    if status not in _STATUSES:
        raise CorruptStore(f"{what} has the status {status!r}; expected one of {', '.join(sorted(_STATUSES))}")
    read_options = decode_value(options, f"the options of {what}")
    if not isinstance(seed, str) or not seed.lstrip("-").isdecimal() or not isinstance(read_options, dict):
        raise CorruptStore(f"{what} has a damaged seed or options; restore the store from a copy")
    return RunRow(
        run=run,
        flow=flow,
        plan_hash=plan_hash,
        input=decode_value(input_, f"the input of {what}"),
        status=status,
        result=decode_value(result, f"the result of {what}"),
        error=decode_value(error, f"the error of {what}"),
        created_us=created_us,
        ended_us=ended_us,
        seed=int(seed),
        options=read_options,
    )


def ledger_row(row: tuple[Any, ...]) -> LedgerRow:
    """A ledger row from its columns. Raises ``CorruptStore``."""
    effect, key, generation, state, args_hash, owner_run, owner_place, intent_seq, receipt, time_us, joined = row
    what = f"effect {effect}, key {key}, generation {generation}"
    if state not in _STATES:
        raise CorruptStore(f"{what} has the state {state!r}; expected one of {', '.join(sorted(_STATES))}")
    read_receipt = decode_value(receipt, f"the receipt of {what}")
    others = decode_value(joined, f"those who joined {what}")
    return LedgerRow(
        effect, key, generation, state, args_hash, owner_run, owner_place, intent_seq, read_receipt, time_us, others
    )


def reuse_row(row: tuple[Any, ...]) -> ReuseRow:
    """A reusable value from its columns. Raises ``CorruptStore``."""
    key, value, expires_us, run, place = row
    return ReuseRow(key, decode_value(value, f"reusable value {key}"), expires_us, run, place)


def turn_row(row: tuple[Any, ...]) -> TurnRow:
    """A turn of a session from its columns. Raises ``CorruptStore``."""
    session, number, inputs, output, tokens, since, run, place, time_us, folded = row
    what = f"turn {number} of session {session}"
    read = [decode_value(text, what) for text in (inputs, output)]
    return TurnRow(session, number, read[0], read[1], tokens, since, run, place, time_us, folded)


def matter_row(row: tuple[Any, ...]) -> MatterRow:
    """What was left to people, from its columns. Raises ``CorruptStore``."""
    run, place, why, time_us, closed_by, value = row
    if [type(part) for part in row[:4]] != [str, str, str, int]:
        raise CorruptStore(f"what run {run} left to people is damaged; restore the store from a copy")
    became = None if closed_by is None else decode_value(value, f"what became of {place} of run {run}")
    return MatterRow(run, place, why, time_us, closed_by, became)


def beat_row(row: tuple[Any, ...]) -> BeatRow:
    """A heartbeat from its columns. Raises ``CorruptStore``."""
    if [type(value) for value in row] != [str, str, int, float, str, int]:
        raise CorruptStore(f"a heartbeat of run {row[0]} is damaged; restore the store from a copy")
    return BeatRow(*row)


def question_row(row: tuple[Any, ...]) -> QuestionRow:
    """A question from its columns. Raises ``CorruptStore``."""
    run, place, contract, who, inputs, expects, asked_us, deadline_us, choices, messages = row
    what = f"the question of run {run}, {place}"
    read = [decode_value(text, what) for text in (inputs, expects, choices, messages)]
    return QuestionRow(run, place, contract, who, read[0], read[1], asked_us, deadline_us, read[2], read[3])


def mail_row(row: tuple[Any, ...]) -> Mail:
    """Mail from its columns. Raises ``CorruptStore``."""
    number, kind, run, place, name, key, value, by, posted_us = row
    if kind not in _MAIL_KINDS:
        raise CorruptStore(f"mail {number} is of kind {kind!r}; expected one of {', '.join(sorted(_MAIL_KINDS))}")
    return Mail(number, kind, run, place, name, key, decode_value(value, f"the value of mail {number}"), by, posted_us)


def _run_columns(row: RunRow) -> tuple[Any, ...]:
    what = f"run {row.run}"
    return (
        row.run,
        row.flow,
        row.plan_hash,
        encode_value(row.input, f"the input of {what}"),
        row.status,
        encode_value(row.result, f"the result of {what}"),
        encode_value(row.error, f"the error of {what}"),
        row.created_us,
        row.ended_us,
        # As text: a seed may use all of its 64 bits, and SQLite's integers are signed.
        str(row.seed),
        encode_value(row.options, f"the options of {what}"),
    )


def _ledger_columns(row: LedgerRow) -> tuple[Any, ...]:
    return (
        row.effect,
        row.key,
        row.generation,
        row.state,
        row.args_hash,
        row.owner_run,
        row.owner_place,
        row.intent_seq,
        encode_value(row.receipt, f"the receipt of effect {row.effect}, key {row.key}"),
        row.time_us,
        encode_value(row.joined, f"those who joined effect {row.effect}, key {row.key}"),
    )


def _turn_columns(row: TurnRow) -> tuple[Any, ...]:
    what = f"turn {row.number} of session {row.session}"
    inputs, output = encode_value(row.inputs, what), encode_value(row.output, what)
    rest = (row.tokens, row.since, row.run, row.place, row.time_us, row.folded)
    return (row.session, row.number, inputs, output, *rest)


def _question_columns(row: QuestionRow) -> tuple[Any, ...]:
    what = f"the question of run {row.run}, {row.place}"
    values = [encode_value(value, what) for value in (row.inputs, row.expects, row.choices, row.messages)]
    return (
        row.run,
        row.place,
        row.contract,
        row.who,
        values[0],
        values[1],
        row.asked_us,
        row.deadline_us,
        values[2],
        values[3],
    )
