"""What every store must hold, as tests: a new store proves itself by passing them.

Collected by pytest through a subclass whose name begins with ``Test``::

    class TestMyStore(DurableStoreContract):
        def make_store(self, folder: Path) -> Store:
            return MyStore(folder / "store")

        def open_source(self, folder: Path) -> str:
            return f"from my.store import MyStore; store = MyStore({str(folder / 'store')!r})"

``StoreContract`` is for any store, ``DurableStoreContract`` (in ``durable_contract``) adds what must outlive the
process. This module needs no pytest; its tests take the fixture ``tmp_path``, an empty folder.
"""

# ruff: noqa: D102 - a test says in its name what holds
from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
import threading
from typing import TYPE_CHECKING, Any

from orchspec.runtime.errors import AlreadyAnswered, Fenced, LeaseHeld, RunEnded, StoreError, UnknownRun
from orchspec.runtime.journal.batch import Batch
from orchspec.runtime.journal.owner import this_process
from orchspec.runtime.journal.records import Owner, ReuseRow
from orchspec.runtime.journal.samples import LEASE_US, NOW_US, contents, full_batch, refused, sample
from orchspec.runtime.journal.session_contract import SessionContract
from orchspec.runtime.journal.weave_contract import WeaveContract

if TYPE_CHECKING:
    from pathlib import Path

    from orchspec.runtime.journal.store import Store

__all__ = ["StoreContract"]


class StoreContract(SessionContract, WeaveContract):
    """What holds for every store. ``make_store`` is the one thing to supply."""

    def make_store(self, folder: Path) -> Store:
        """A store that keeps its files in ``folder``: a new one, or the one that is there."""
        raise NotImplementedError

    def owned(self, folder: Path) -> tuple[Store, int]:
        """A new store that is owned, and its epoch."""
        store = self.make_store(folder)
        return store, store.acquire(this_process(), NOW_US, LEASE_US)

    # ------------------------------------------------------------------ lease and fencing

    def test_epoch_rises_by_one_at_each_acquisition(self, tmp_path: Path) -> None:
        store = self.make_store(tmp_path)
        assert store.epoch() == 0
        for expected in (1, 2, 3):
            assert store.acquire(this_process(), NOW_US, LEASE_US) == expected
            assert store.epoch() == expected
        store.close()

    def test_lease_of_a_live_owner_is_refused_until_it_runs_out(self, tmp_path: Path) -> None:
        store = self.make_store(tmp_path)
        first, second = this_process("first"), this_process("second")
        epoch = store.acquire(first, NOW_US, LEASE_US)
        with refused(LeaseHeld) as caught:
            store.acquire(second, NOW_US + LEASE_US - 1, LEASE_US)
        assert str(first.pid) in caught[0].message
        assert first.host in caught[0].message
        store.renew(epoch, NOW_US + LEASE_US, LEASE_US)
        with refused(LeaseHeld):
            store.acquire(second, NOW_US + LEASE_US, LEASE_US)
        assert (store.epoch(), store.lease()) == (epoch, (first, NOW_US + 2 * LEASE_US))
        assert store.acquire(second, NOW_US + 2 * LEASE_US, LEASE_US) == epoch + 1
        store.close()

    def test_lease_of_a_killed_process_is_taken_over_at_once(self, tmp_path: Path) -> None:
        store = self.make_store(tmp_path)
        source = (
            "import json, sys; from orchspec.runtime.journal.owner import this_process; o = this_process();"
            "print(json.dumps([o.pid, o.host, o.started]), flush=True); sys.stdin.read()"
        )
        command = [sys.executable, "-c", source]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:  # noqa: S603
            assert child.stdout is not None
            owner = Owner(*json.loads(child.stdout.readline()))
            epoch = store.acquire(owner, NOW_US, LEASE_US)
            with refused(LeaseHeld):
                store.acquire(this_process(), NOW_US, LEASE_US)
            child.kill()
            child.wait()
            assert store.acquire(this_process(), NOW_US, LEASE_US) == epoch + 1
        store.close()

    def test_lease_of_a_process_whose_pid_was_recycled_is_taken_over_at_once(self, tmp_path: Path) -> None:
        store = self.make_store(tmp_path)
        me = this_process()
        earlier = dataclasses.replace(me, started=me.started.rpartition("/")[0] + "/1")
        assert store.acquire(earlier, NOW_US, LEASE_US) == 1
        assert store.acquire(me, NOW_US, LEASE_US) == 2
        store.close()

    def test_lease_of_another_host_has_to_run_out(self, tmp_path: Path) -> None:
        store = self.make_store(tmp_path)
        store.acquire(dataclasses.replace(this_process(), host="elsewhere.example"), NOW_US, LEASE_US)
        with refused(LeaseHeld):
            store.acquire(this_process(), NOW_US, LEASE_US)
        store.close()

    def test_older_epoch_writes_nothing(self, tmp_path: Path) -> None:
        store, old = self.owned(tmp_path)
        store.commit(old, Batch(runs=[sample.ended()], records=[sample.record()]))
        before = contents(store)
        new = store.acquire(this_process(), NOW_US, LEASE_US)
        with refused(Fenced):
            store.commit(old, Batch(records=[sample.record(seq=2)]))
        with refused(Fenced):
            store.renew(old, NOW_US, LEASE_US)
        with refused(Fenced):
            store.remove_run(old, "r1")
        with refused(Fenced):
            store.commit(new + 1, Batch(records=[sample.record(seq=2)]))
        assert contents(store) == before
        store.commit(new, Batch(records=[sample.record(seq=2)]))
        store.close()

    def test_released_store_is_free_and_takes_no_more_writes(self, tmp_path: Path) -> None:
        store = self.make_store(tmp_path)
        old = store.acquire(this_process("a"), NOW_US, LEASE_US)
        store.release(old)
        with refused(Fenced):
            store.commit(old, Batch(runs=[sample.run()]))
        new = store.acquire(this_process("b"), NOW_US, LEASE_US)
        store.release(old)
        store.commit(new, Batch(runs=[sample.run()]))
        assert [row.run for row in store.runs()] == ["r1"]
        store.close()

    # ------------------------------------------------------------------ batches

    def test_batch_is_read_back_as_it_was_written(self, tmp_path: Path) -> None:
        store, epoch = self.owned(tmp_path)
        batch = full_batch()
        store.commit(epoch, batch)
        assert store.runs() == batch.runs
        assert store.run("r2") == batch.runs[1]
        assert store.run("r3") is None
        assert store.records("r1") == batch.records[:2]
        assert store.records("r2") == batch.records[2:]
        assert store.ledger() == batch.ledger
        assert store.reuse(NOW_US) == batch.reuse
        assert store.questions() == batch.questions_opened
        assert store.turns("ann/T-7") == batch.turns
        store.close()

    def test_records_can_be_read_from_a_number_on(self, tmp_path: Path) -> None:
        store, epoch = self.owned(tmp_path)
        store.commit(epoch, Batch(runs=[sample.run()], records=[sample.record(seq=n) for n in (1, 2, 3)]))
        assert [record.seq for record in store.records("r1", after=1)] == [2, 3]
        assert store.records("r1", after=3) == []
        with refused(UnknownRun) as caught:
            store.records("nobody")
        assert "nobody" in caught[0].message
        store.close()

    def test_gap_and_duplicate_are_refused_with_their_whole_batch(self, tmp_path: Path) -> None:
        store, epoch = self.owned(tmp_path)
        store.commit(epoch, full_batch())
        before = contents(store)
        for numbers in ((4,), (2,), (3, 3), (3, 5), (0,)):
            with refused(StoreError) as caught:
                store.commit(
                    epoch,
                    Batch(
                        runs=[sample.run("new")],
                        records=[
                            sample.record("r2", 2),
                            sample.record("new", 1),
                            *(sample.record("r1", number) for number in numbers),
                        ],
                    ),
                )
            assert "r1" in caught[0].message
            assert contents(store) == before
        store.commit(epoch, Batch(records=[sample.record("r1", 3)]))
        assert len(store.records("r1")) == 3
        store.close()

    def test_record_of_a_run_without_a_row_is_refused(self, tmp_path: Path) -> None:
        store, epoch = self.owned(tmp_path)
        with refused(UnknownRun):
            store.commit(epoch, Batch(records=[sample.record("nobody")]))
        assert store.runs() == []
        store.close()

    def test_failed_batch_leaves_nothing_of_itself(self, tmp_path: Path) -> None:
        store, epoch = self.owned(tmp_path)
        store.commit(epoch, full_batch())
        number = store.post_mail("signal", name="go", value=1, posted_us=NOW_US)
        before = contents(store)
        bad = Batch(
            records=[sample.record("r1", 3), sample.record("r3", 1)],
            ledger=[sample.ledger(state="sent")],
            reuse=[ReuseRow("other", 1, None, "r1", "x")],
            runs=[sample.ended("r2"), sample.run("r3")],
            mail_taken=[number, number + 1],
            questions_opened=[sample.question("third")],
            questions_closed=[("r1", "approve")],
        )
        with refused(StoreError) as caught:
            store.commit(epoch, bad)
        assert str(number + 1) in caught[0].message
        assert contents(store) == before
        good = dataclasses.replace(bad, mail_taken=[number])
        store.commit(epoch, good)
        assert store.pending_mail() == []
        assert [row.place for row in store.questions()] == ["sign", "third"]
        store.close()

    def test_run_row_is_replaced_in_its_place(self, tmp_path: Path) -> None:
        store, epoch = self.owned(tmp_path)
        store.commit(epoch, Batch(runs=[sample.run("b"), sample.run("a")]))
        store.commit(epoch, Batch(runs=[sample.ended("b")]))
        assert [(row.run, row.status) for row in store.runs()] == [("b", "completed"), ("a", "running")]
        assert [row.run for row in store.runs("completed")] == ["b"]
        assert store.runs("failed") == []
        store.close()

    def test_ledger_row_is_replaced_in_its_place_by_effect_key_and_generation(self, tmp_path: Path) -> None:
        store, epoch = self.owned(tmp_path)
        store.commit(epoch, Batch(ledger=[sample.ledger("k1"), sample.ledger("k2")]))
        sent = [sample.ledger("k1", state="sent"), sample.ledger("k1", state="confirmed", receipt=["id", 1])]
        store.commit(epoch, Batch(ledger=[*sent, sample.ledger("k1", generation=1)]))
        assert store.ledger() == [sent[1], sample.ledger("k2"), sample.ledger("k1", generation=1)]
        store.close()

    def test_reusable_value_is_given_until_it_expires(self, tmp_path: Path) -> None:
        store, epoch = self.owned(tmp_path)
        forever = ReuseRow("a", {"v": 1}, None, "r1", "p")
        brief = ReuseRow("b", "v", NOW_US + 10, "r1", "p")
        store.commit(epoch, Batch(reuse=[brief, forever]))
        assert store.reuse(NOW_US + 9) == [forever, brief]
        assert store.reuse(NOW_US + 10) == [forever]
        newer = dataclasses.replace(forever, value=2, run="r2")
        store.commit(epoch, Batch(reuse=[newer]))
        assert store.reuse(NOW_US + 10) == [newer]
        store.acquire(this_process(), NOW_US + 99, LEASE_US, NOW_US + 9)  # by the clock of the runs, not the system's
        assert store.reuse(NOW_US + 9) == [newer, brief]
        store.close()

    def test_plan_is_kept_by_its_hash_without_a_lease_or_with_a_batch(self, tmp_path: Path) -> None:
        store = self.make_store(tmp_path)
        store.put_plan("h1", '{"version":1}')
        store.put_plan("h1", '{"version":1}')
        epoch = store.acquire(this_process(), NOW_US, LEASE_US)
        batch = Batch([sample.record(seq=7)], runs=[sample.run()], plans=[("h2", "{}")])
        with refused(StoreError):
            store.commit(epoch, batch)
        assert [store.plan("h1"), store.plan("h2")] == ['{"version":1}', None]
        store.commit(epoch, dataclasses.replace(batch, records=[]))
        assert store.plan("h2") == "{}"
        store.close()

    def test_large_and_odd_values_come_back_as_they_were(self, tmp_path: Path) -> None:
        store, epoch = self.owned(tmp_path)
        large = "ü" * 40_000
        bodies: list[dict[str, Any]] = [
            {"event": {"output": large, "again": large}, "decided": [large, "small"]},
            {"many": [[number, "text"] for number in range(5_000)]},
            {"event": {"$payload": "not a hash"}, "deep": [{"a": {"$payload": {"$$payload": 1}}}]},
            {"event": {"$payload": large, "other": 1}, "x": {"$payload": large}},
            {"$payload": 1},
            {"lone": "\ud800", "zero": "\x00", "float": 1e-300, "int": 2**80, "empty": {}},
            {},
        ]
        records = [sample.record(seq=number, body=body) for number, body in enumerate(bodies, start=1)]
        store.commit(epoch, Batch(runs=[sample.run()], records=records))
        assert [record.body for record in store.records("r1")] == bodies
        store.close()

    # ------------------------------------------------------------------ people and mail

    def test_questions_are_listed_oldest_first_until_closed(self, tmp_path: Path) -> None:
        store, epoch = self.owned(tmp_path)
        late, early = sample.question("a", asked_us=NOW_US + 1), sample.question("b", deadline_us=NOW_US + 7)
        store.commit(epoch, Batch(runs=[sample.run()], questions_opened=[late, early]))
        assert store.questions() == [early, late]
        again = sample.question("b", asked_us=NOW_US + 2)
        store.commit(epoch, Batch(questions_closed=[("r1", "b"), ("r1", "gone")], questions_opened=[again]))
        assert store.questions() == [late, again]
        store.commit(epoch, Batch(questions_closed=[("r1", "a"), ("r1", "b")]))
        assert store.questions() == []
        store.close()

    def test_question_takes_one_answer_each_time_it_is_asked(self, tmp_path: Path) -> None:
        store, epoch = self.owned(tmp_path)
        store.commit(epoch, Batch(runs=[sample.run(), sample.run("r2")], questions_opened=[sample.question()]))

        def answer(value: Any, run: str = "r1") -> int:
            return store.post_mail("answer", run=run, place="approve", value=value, by="ann", posted_us=NOW_US + 1)

        number = answer({"ok": True})
        with refused(AlreadyAnswered):
            answer({"ok": False})
        answer(1, "r2")
        (mail, _) = store.pending_mail()
        assert (mail.id, mail.kind, mail.run, mail.place) == (number, "answer", "r1", "approve")
        assert (mail.value, mail.by, mail.posted_us) == ({"ok": True}, "ann", NOW_US + 1)
        store.commit(epoch, Batch(mail_taken=[number], questions_closed=[("r1", "approve")]))
        with refused(AlreadyAnswered):
            answer({"ok": False})
        with refused(StoreError):
            store.commit(epoch, Batch(mail_taken=[number]))
        store.commit(epoch, Batch(questions_opened=[sample.question()]))
        assert answer("asked again") > number
        store.close()

    def test_answer_that_was_not_taken_outlives_that_its_question_is_asked_again(self, tmp_path: Path) -> None:
        store, epoch = self.owned(tmp_path)
        store.commit(epoch, Batch(runs=[sample.run()], questions_opened=[sample.question()]))
        number = store.post_mail("answer", run="r1", place="approve", value=1, posted_us=NOW_US)
        store.commit(epoch, Batch(questions_opened=[sample.question()]))
        assert [mail.id for mail in store.pending_mail()] == [number]
        with refused(AlreadyAnswered):
            store.post_mail("answer", run="r1", place="approve", value=2, posted_us=NOW_US)
        store.close()

    def test_mail_is_taken_once_and_read_in_the_order_it_came(self, tmp_path: Path) -> None:
        store, epoch = self.owned(tmp_path)
        numbers = [store.post_mail("signal", name="go", key="k", value=n, posted_us=NOW_US) for n in range(4)]
        assert numbers == sorted(set(numbers))
        assert [(mail.id, mail.value) for mail in store.pending_mail()] == list(zip(numbers, range(4), strict=True))
        assert [mail.value for mail in store.pending_mail(after_id=numbers[1])] == [2, 3]
        store.commit(epoch, Batch(mail_taken=numbers[:2]))
        assert [mail.value for mail in store.pending_mail()] == [2, 3]
        for taken in ([numbers[0]], [numbers[2], numbers[2]], [numbers[3] + 1]):
            with refused(StoreError):
                store.commit(epoch, Batch(mail_taken=taken))
        assert [mail.value for mail in store.pending_mail()] == [2, 3]
        store.commit(epoch, Batch(mail_taken=numbers[2:]))
        assert store.post_mail("signal", name="go", posted_us=NOW_US) > numbers[3]
        store.close()

    def test_mail_for_an_unknown_or_ended_run_is_refused(self, tmp_path: Path) -> None:
        store, epoch = self.owned(tmp_path)
        store.commit(epoch, Batch(runs=[sample.run("live", status="parked"), sample.ended("over")]))
        with refused(UnknownRun):
            store.post_mail("cancel", run="nobody", posted_us=NOW_US)
        with refused(UnknownRun):
            store.post_mail("answer", place="approve", posted_us=NOW_US)
        with refused(RunEnded):
            store.post_mail("answer", run="over", place="approve", posted_us=NOW_US)
        store.post_mail("cancel", run="live", posted_us=NOW_US)
        assert [(mail.kind, mail.run) for mail in store.pending_mail()] == [("cancel", "live")]
        store.close()

    # ------------------------------------------------------------------ removal and threads

    def test_removed_run_is_gone_whole_and_the_ledger_stays(self, tmp_path: Path) -> None:
        store, epoch = self.owned(tmp_path)
        shared = {"event": {"output": "y" * 50_000}}
        records = [sample.record("r1", 1, shared), sample.record("r2", 1, shared)]
        store.commit(epoch, Batch(runs=[sample.run("r1"), sample.run("r2")], records=records, ledger=[sample.ledger()]))
        store.commit(epoch, Batch(questions_opened=[sample.question()]))
        store.post_mail("answer", run="r1", place="approve", posted_us=NOW_US)
        with refused(StoreError) as caught:
            store.remove_run(epoch, "r1")
        assert "cancel" in caught[0].message
        store.commit(epoch, Batch(runs=[sample.ended("r1")], records=[sample.record("r1", 2)]))
        for name in ("hash", "other"):
            store.put_plan(name, "{}")
        store.remove_run(epoch, "r1")
        assert [row.run for row in store.runs()] == ["r2"]
        assert [store.plan(name) for name in ("hash", "other")] == ["{}", "{}"], "another run is pinned to it"
        assert store.records("r2")[0].body == shared
        assert store.ledger() == [sample.ledger()]
        assert store.questions() == []
        assert store.pending_mail() == []
        with refused(UnknownRun):
            store.records("r1")
        store.commit(epoch, Batch(runs=[sample.run("r1")], records=[sample.record("r1", 1)]))
        assert store.records("r1") == [sample.record("r1", 1)]
        with refused(UnknownRun):
            store.remove_run(epoch, "r3")
        store.commit(epoch, Batch(runs=[sample.ended("r1"), sample.ended("r2")]))
        store.remove_run(epoch, "r1")
        store.remove_run(epoch, "r2")
        assert [store.plan(name) for name in ("hash", "other")] == [None, "{}"], "it went with its last run"
        store.close()

    def test_threads_may_post_and_read_while_one_commits(self, tmp_path: Path) -> None:
        store, epoch = self.owned(tmp_path)
        store.commit(epoch, Batch(runs=[sample.run()]))
        errors: list[BaseException] = []

        def post() -> None:
            try:
                for number in range(25):
                    store.post_mail("signal", name="go", value=number, posted_us=NOW_US)
                    store.records("r1")
            except BaseException as error:  # noqa: BLE001 - told below, in the thread that may fail the test
                errors.append(error)

        threads = [threading.Thread(target=post) for _ in range(3)]
        for thread in threads:
            thread.start()
        for seq in range(1, 51):
            store.commit(epoch, Batch(records=[sample.record(seq=seq)]))
        for thread in threads:
            thread.join()
        assert errors == []
        assert len(store.pending_mail()) == 75
        assert len(store.records("r1")) == 50
        store.close()
