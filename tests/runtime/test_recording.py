"""Records and their folding."""

import dataclasses
import json

import pytest

from orchspec.runtime.compact import json_text
from orchspec.runtime.engine import Engine
from orchspec.runtime.errors import CorruptStore, ReplayMismatch
from orchspec.runtime.journal.records import Record, RunRow
from orchspec.runtime.kernel.commands import RunTask
from orchspec.runtime.kernel.events import EVENT_TYPES, TaskFulfilled, event_body, event_from_body
from orchspec.runtime.kernel.spelling import event_fields
from orchspec.runtime.recording import event_of, fold
from orchspec.runtime.timers import TimerQueue
from tests.support.driver import Driver, done, failing
from tests.support.plans import effect, fail, give, plan, task, v

PLAN = plan(
    task("a", attempts=2), effect("u", v("a")), effect("w", 9, after=("u",)), fail("no", after=("w",)), give(v("u"))
)


@pytest.fixture
def journal():
    driver = Driver(PLAN, ann=[failing(), done(3)])
    driver.run()
    return [record for record in driver.records() if json.dumps(record.body)]


def changed(record, **body):
    return Record(record.run, record.seq, record.time_us, record.type, {**record.body, **body})


def test_a_record_names_its_place_what_was_decided_and_what_was_commanded(journal):
    failed = next(record for record in journal if record.type == "TaskFailed")
    assert (failed.body["place"], failed.body["at"]) == ("a", 1)
    assert failed.body["decided"] == [["retry", "agent_error: it failed"]]
    assert failed.body["commands"] == ["ReleaseGrant a 1 failed", "RequestGrant a 2 ann"]


def test_a_journal_folds_to_the_state_it_was_written_in(journal):
    folded = fold(PLAN, "r", journal)
    assert (folded.seq, folded.kernel.status) == (len(journal), "failed")
    granted = [record for record in journal if record.type == "TaskEnrolled"][1]
    fulfilled = next(record for record in journal if record.type == "TaskFulfilled")
    assert folded.outcomes == [
        (journal[2].time_us, "ann", "failed", journal[2].time_us - journal[1].time_us, ""),
        (fulfilled.time_us, "ann", "ok", fulfilled.time_us - granted.time_us, ""),
    ]


def test_records_of_undos_that_share_a_commit_each_name_their_own(journal):
    undone = [record.body["place"] for record in journal if record.body.get("place", "").endswith("!undo")]
    assert list(dict.fromkeys(undone)) == ["w!undo", "u!undo"]


def test_every_prefix_of_a_journal_folds(journal):
    for length in range(len(journal) + 1):
        assert fold(PLAN, "r", journal[:length]).seq == length


@pytest.mark.parametrize(
    "body",
    [{"decided": [["won", None]]}, {"commands": []}, {"place": "elsewhere"}],
    ids=["decisions", "commands", "place"],
)
def test_what_does_not_fold_stops_at_the_first_difference_and_names_it(journal, body):
    journal[2] = changed(journal[2], **body)
    with pytest.raises(ReplayMismatch, match=f"record 3 .*{next(iter(body))}"):
        fold(PLAN, "r", journal)


def recorded():
    """A plan, and the records of a run of it as an engine has them in memory."""
    plan_of_it = plan(task("a"), effect("u", v("a"), after=("a",)), give(v("a")))
    row = RunRow("r", "main", plan_of_it.hash, {}, "running", None, None, 0, None, 7, {})
    engine = Engine(plan_of_it, TimerQueue())
    engine.start(plan_of_it, row, 0)
    records = []
    for now in range(1, 9):
        engine.step(now)
        batch = engine.committer.take()
        if batch is None:
            break
        records += batch.records
        for run, command in engine.committed():
            if isinstance(command, RunTask):
                engine.post(run, TaskFulfilled(now, command.place, 1, 0, 1))
    return plan_of_it, records


@pytest.mark.parametrize("change", ["decided", "commands", "paths"])
def test_a_record_that_is_still_in_memory_is_held_against_what_folding_it_gives(change):
    plan_of_it, records = recorded()
    assert fold(plan_of_it, "r", records).seq == len(records)
    if change == "decided":
        records[1].decided = [["retry", "no reason"]]
    elif change == "commands":
        records[1].commands = records[1].commands[:-1]
    else:
        records[1].kernel.places[1].label = "b"
    with pytest.raises(ReplayMismatch, match=r"does not fold: record [12] "):
        fold(plan_of_it, "r", records)


def test_another_plan_does_not_fold(journal):
    with pytest.raises(ReplayMismatch, match="record 1"):
        fold(plan(effect("x", 1), give(v("x"))), "r", journal)


def test_an_event_that_the_plan_makes_impossible_is_a_mismatch(journal):
    journal[1] = changed(journal[1], at=77)
    with pytest.raises(ReplayMismatch, match="record 2"):
        fold(PLAN, "r", journal)


def test_a_gap_is_damage(journal):
    with pytest.raises(CorruptStore, match="record 3 is missing"):
        fold(PLAN, "r", [*journal[:2], *journal[3:]])


@pytest.mark.parametrize(
    ("kind", "body"), [("TeaDrunk", {}), ("TaskFulfilled", {"at": 1}), ("TaskFulfilled", {"at": "one", "attempt": 1})]
)
def test_what_no_version_of_ours_writes_is_damage(kind, body):
    with pytest.raises(CorruptStore):
        event_of(Record("r", 1, 5, kind, body))


@pytest.mark.parametrize("kind", EVENT_TYPES)
def test_an_event_survives_its_body(kind):
    cls = EVENT_TYPES[kind]
    fields = {name: index + 1 for index, name in enumerate(field.name for field in dataclasses.fields(cls))}
    event = cls(**fields)
    again = event_from_body(kind, event.time, event.place, json.loads(json.dumps(event_body(event))))
    assert again == event


def test_a_run_that_another_version_of_the_kernel_began_is_not_folded(journal):
    body = dict(journal[0].body, kernel=journal[0].body["kernel"] + 1)
    begun = Record("r", 1, journal[0].time_us, "RunStarted", body)
    with pytest.raises(ReplayMismatch, match="version"):
        fold(PLAN, "r", [begun])


def odd(field):
    """A value of a field that is far from its default, and awkward to spell."""
    return {"int": 2**40, "str": 'é"\\\n\ud800', "bool": True, "float": 1e-300}.get(str(field.type), {"a": [None, 1.5]})


@pytest.mark.parametrize("kind", EVENT_TYPES.values())
def test_an_event_is_spelled_as_an_encoder_would(kind):
    least = {field.name: odd(field) for field in dataclasses.fields(kind) if field.default is dataclasses.MISSING}
    for given in (least, {field.name: odd(field) for field in dataclasses.fields(kind)}):
        event = kind(**given)
        assert f"{{{event_fields(event)}}}" == json.dumps(event_body(event), separators=(",", ":"))


@pytest.mark.parametrize("value", [float("nan"), {"a": float("inf")}, object(), [object()], {1: {2: object()}}])
def test_what_json_cannot_hold_is_refused_by_the_spelling_too(value):
    with pytest.raises((ValueError, TypeError)):
        json_text(value)
