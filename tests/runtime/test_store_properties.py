"""Whatever is done to them, the SQLite store and the one in memory answer alike."""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import replace
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from orchspec.runtime.errors import StoreError, UnknownRun
from orchspec.runtime.journal.batch import Batch
from orchspec.runtime.journal.memory import MemoryStore
from orchspec.runtime.journal.owner import this_process
from orchspec.runtime.journal.records import Record, ReuseRow
from orchspec.runtime.journal.samples import LEASE_US, NOW_US, contents, sample
from orchspec.runtime.journal.sqlite import SQLiteStore

RUNS = st.sampled_from(["r1", "r2", "r3"])
PLACES = st.sampled_from(["approve", "draft#2/sign"])
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["a", "$payload", "$$payload", "x$payload"]), inner, max_size=2)
    ),
    max_leaves=6,
) | st.integers(16_000, 17_000).map(lambda size: "p" * size)
STATUSES = st.sampled_from(["running", "parked", "completed", "failed"])
OWNERS = st.sampled_from(["a", "b"]).map(this_process)


class Stores(RuleBasedStateMachine):
    """Every operation is done to both; results, errors and all that can be read must be equal."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.memory = MemoryStore(encode=True)
        self.sqlite = SQLiteStore(self.folder / "runs.db", "normal")
        self.now_us = NOW_US

    @property
    def stores(self):
        return self.memory, self.sqlite

    def both(self, operation):
        outcomes = []
        for store in self.stores:
            try:
                outcomes.append(operation(store))
            except StoreError as error:
                # Which of several faults of one batch is told is not laid down.
                outcomes.append(StoreError if isinstance(error, UnknownRun) else type(error))
        assert outcomes[0] == outcomes[1]
        return outcomes[0]

    @initialize()
    def own(self):
        self.both(lambda store: store.acquire(this_process("a"), self.now_us, LEASE_US))

    @rule(owner=OWNERS, elapsed_us=st.sampled_from([0, 1, LEASE_US]))
    def acquire(self, owner, elapsed_us):
        self.now_us += elapsed_us
        self.both(lambda store: store.acquire(owner, self.now_us, LEASE_US))

    @rule(behind=st.integers(0, 1))
    def renew(self, behind):
        self.both(lambda store: store.renew(store.epoch() - behind, self.now_us, LEASE_US))

    @rule(behind=st.integers(0, 1))
    def release(self, behind):
        self.both(lambda store: store.release(store.epoch() - behind))

    @rule(run=RUNS, status=STATUSES, result=VALUES)
    def put_run(self, run, status, result):
        row = replace(sample.run(run), status=status, result=result)
        self.both(lambda store: store.commit(store.epoch(), Batch(runs=[row])))

    @rule(
        data=st.lists(st.tuples(RUNS, st.sampled_from([1, 1, 1, 1, 0, 2]), VALUES), min_size=1, max_size=5),
        behind=st.sampled_from([0, 0, 0, 1]),
        taken=st.lists(st.integers(1, 6), max_size=2),
    )
    def commit(self, data, behind, taken):
        heads = {row.run: len(self.memory.records(row.run)) for row in self.memory.runs()}
        records = []
        for run, step, value in data:
            heads[run] = heads.get(run, 0) + step
            records.append(
                Record(run, heads[run], self.now_us, "TaskFulfilled", {"event": {"output": value}, "v": value})
            )
        ledger = [sample.ledger(run, state="sent", receipt=value) for run, _, value in data[:2]]
        batch = Batch(records=records, ledger=ledger, mail_taken=taken)
        self.both(lambda store: store.commit(store.epoch() - behind, batch))

    @rule(key=st.sampled_from("xyz"), value=VALUES, expires=st.none() | st.integers(-1, 2))
    def put_reuse(self, key, value, expires):
        row = ReuseRow(key, value, None if expires is None else self.now_us + expires, "r1", "p")
        self.both(lambda store: store.commit(store.epoch(), Batch(reuse=[row])))

    @rule(closed=st.lists(st.tuples(RUNS, PLACES), max_size=2), opened=st.lists(st.tuples(RUNS, PLACES), max_size=2))
    def ask(self, closed, opened):
        rows = [replace(sample.question(place), run=run, asked_us=self.now_us) for run, place in opened]
        batch = Batch(questions_closed=closed, questions_opened=rows)
        self.both(lambda store: store.commit(store.epoch(), batch))

    @rule(kind=st.sampled_from(["answer", "signal", "cancel"]), run=st.none() | RUNS, place=PLACES, value=VALUES)
    def post(self, kind, run, place, value):
        self.both(lambda store: store.post_mail(kind, run=run, place=place, value=value, posted_us=self.now_us))

    @precondition(lambda self: self.memory.pending_mail())
    @rule(at=st.integers(0, 3))
    def take_mail(self, at):
        pending = self.memory.pending_mail()
        batch = Batch(mail_taken=[pending[at % len(pending)].id])
        self.both(lambda store: store.commit(store.epoch(), batch))

    @rule(run=RUNS)
    def remove(self, run):
        self.both(lambda store: store.remove_run(store.epoch(), run))

    @rule()
    def reopen(self):
        self.sqlite.close()
        self.sqlite = SQLiteStore(self.folder / "runs.db", "normal", create=False)

    @invariant()
    def answer_alike(self):
        assert contents(self.memory, self.now_us) == contents(self.sqlite, self.now_us)
        assert self.memory.epoch() == self.sqlite.epoch()

    def teardown(self):
        self.sqlite.close()
        shutil.rmtree(self.folder)


TestStores = Stores.TestCase
TestStores.settings = settings(max_examples=40, stateful_step_count=30, deadline=None)
