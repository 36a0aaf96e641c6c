"""Group commit: what is gated comes out after its commit, in handle order, or never."""

from __future__ import annotations

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from orchspec.runtime.committer import GroupCommitter
from orchspec.runtime.journal.batch import Batch
from orchspec.runtime.journal.memory import MemoryStore
from orchspec.runtime.journal.owner import this_process
from orchspec.runtime.journal.records import ReuseRow
from orchspec.runtime.journal.samples import LEASE_US, NOW_US, sample


def test_nothing_to_write_gives_no_batch():
    committer = GroupCommitter()
    assert committer.take() is None
    assert committer.idle
    assert committer.failed() == []


def test_gated_comes_out_once_after_its_commit_in_handle_order():
    committer = GroupCommitter()
    records = [sample.record("r1", 1), sample.record("r2", 1), sample.record("r1", 2)]
    for record, gated in zip(records, (["a", "b"], [], ["c"]), strict=True):
        committer.add(record, gated)
    assert committer.take() == Batch(records=records)
    assert committer.in_flight
    assert committer.done() == ["a", "b", "c"]
    assert committer.idle
    assert committer.take() is None


def test_what_is_handled_during_a_commit_waits_for_the_next():
    committer = GroupCommitter()
    committer.add(sample.record("r1", 1), ["a"])
    first = committer.take()
    committer.add(sample.record("r2", 1), ["b"])
    assert committer.take() is None
    assert first == Batch(records=[sample.record("r1", 1)])
    assert committer.done() == ["a"]
    assert not committer.idle
    assert committer.take() == Batch(records=[sample.record("r2", 1)])
    assert committer.done() == ["b"]


def test_rows_go_with_the_batch_of_the_record_they_belong_to():
    committer = GroupCommitter()
    reuse = ReuseRow("k", 1, None, "r1", "p")
    committer.put_run(sample.run())
    committer.add(sample.record(), [])
    committer.put_ledger(sample.ledger())
    committer.put_reuse(reuse)
    committer.take_mail(3)
    committer.close_question("r1", "old")
    committer.open_question(sample.question())
    assert committer.take() == Batch(
        records=[sample.record()],
        ledger=[sample.ledger()],
        reuse=[reuse],
        runs=[sample.run()],
        mail_taken=[3],
        questions_opened=[sample.question()],
        questions_closed=[("r1", "old")],
    )


@pytest.mark.parametrize(
    "put",
    [
        lambda committer: committer.put_run(sample.run()),
        lambda committer: committer.put_ledger(sample.ledger()),
        lambda committer: committer.put_reuse(ReuseRow("k", 1, None, "r1", "p")),
        lambda committer: committer.take_mail(1),
        lambda committer: committer.open_question(sample.question()),
        lambda committer: committer.close_question("r1", "approve"),
    ],
)
def test_row_alone_is_something_to_write(put):
    committer = GroupCommitter()
    put(committer)
    assert not committer.idle
    assert committer.take() is not None


def test_question_closed_in_the_batch_that_asked_it_is_never_shown():
    store = MemoryStore()
    epoch = store.acquire(this_process(), NOW_US, LEASE_US)
    committer = GroupCommitter()
    committer.open_question(sample.question("a"))
    committer.open_question(sample.question("b"))
    committer.close_question("r1", "a")
    store.commit(epoch, committer.take())
    committer.done()
    assert [row.place for row in store.questions()] == ["b"]
    again = sample.question("b", asked_us=NOW_US + 1)
    committer.close_question("r1", "b")
    committer.open_question(again)
    store.commit(epoch, committer.take())
    assert store.questions() == [again]


def test_failure_drops_all_that_is_not_durable_and_names_its_runs_once():
    committer = GroupCommitter()
    committer.add(sample.record("r2", 1), ["a"])
    committer.add(sample.record("r1", 1), ["b"])
    committer.take()
    committer.add(sample.record("r2", 2), ["c"])
    committer.put_run(sample.run("r3"))
    assert committer.failed() == ["r2", "r1", "r3"]
    assert committer.idle
    assert committer.take() is None
    committer.add(sample.record("r1", 1), ["d"])
    assert committer.take() == Batch(records=[sample.record("r1", 1)])
    assert committer.done() == ["d"]


def test_done_without_a_commit_is_our_bug():
    with pytest.raises(AssertionError):
        GroupCommitter().done()


class Committing(RuleBasedStateMachine):
    """Against a store that sometimes fails: what came out is exactly what is durable, in handle order (S12)."""

    def __init__(self) -> None:
        super().__init__()
        self.store = MemoryStore()
        self.epoch = self.store.acquire(this_process(), NOW_US, LEASE_US)
        self.store.commit(self.epoch, Batch(runs=[sample.run("r1"), sample.run("r2")]))
        self.committer = GroupCommitter()
        self.heads = {"r1": 0, "r2": 0}
        self.flying = None
        self.handled: list[tuple[str, int]] = []
        self.told: list[tuple[str, int]] = []

    @rule(run=st.sampled_from(["r1", "r2"]), gates=st.booleans())
    def handle(self, run, gates):
        self.heads[run] += 1
        cause = (run, self.heads[run])
        self.committer.add(sample.record(*cause), [cause] if gates else [])
        if gates:
            self.handled.append(cause)

    @rule()
    def take(self):
        batch = self.committer.take()
        assert batch is None or self.flying is None
        self.flying = self.flying or batch

    @rule()
    def succeed(self):
        if self.flying is not None:
            self.store.commit(self.epoch, self.flying)
            self.told += self.committer.done()
            self.flying = None

    @rule()
    def fail(self):
        lost = self.committer.failed()
        durable = {run: len(self.store.records(run)) for run in self.heads}
        assert set(lost) == {run for run in self.heads if self.heads[run] > durable[run]}
        self.heads, self.flying = durable, None
        self.handled = list(self.told)

    @invariant()
    def told_is_durable_and_in_handle_order(self):
        assert self.told == self.handled[: len(self.told)]
        for run, seq in self.told:
            assert seq <= len(self.store.records(run))


TestCommitting = Committing.TestCase
TestCommitting.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
