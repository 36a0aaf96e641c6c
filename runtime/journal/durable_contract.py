"""What a store must hold that outlives its process, as tests; see ``orchspec.runtime.journal.contract``."""

# ruff: noqa: D102 - a test says in its name what holds
from __future__ import annotations

import random
import subprocess
import sys
from typing import TYPE_CHECKING

from orchspec.runtime.errors import Fenced, LeaseHeld
from orchspec.runtime.journal.batch import Batch
from orchspec.runtime.journal.contract import StoreContract
from orchspec.runtime.journal.owner import this_process
from orchspec.runtime.journal.samples import LEASE_US, NOW_US, contents, full_batch, refused, sample

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["DurableStoreContract"]

# Writes batches for ever, each of one record for both runs and one ledger row, and tells of each once it is
# durable. It goes on from what it finds; the lease of its killed predecessor must not stop it.
_WRITER = """
from orchspec.runtime.journal.samples import sample, LEASE_US, NOW_US
from orchspec.runtime.journal.owner import this_process
from orchspec.runtime.journal.batch import Batch
epoch = store.acquire(this_process(), NOW_US, LEASE_US)
seq = len(store.records("r1"))
while True:
    seq += 1
    body = {"event": {"output": "z" * (20_000 if seq % 7 == 0 else 50), "seq": seq}}
    records = [sample.record("r1", seq, body), sample.record("r2", seq, body)]
    store.commit(epoch, Batch(records=records, ledger=[sample.ledger(f"k{seq}")]))
    print(seq, flush=True)
"""


class DurableStoreContract(StoreContract):
    """What holds for every store that outlives its process; ``open_source`` is the second thing to supply."""

    kills = 12
    """How many times the writer is killed."""

    def open_source(self, folder: Path) -> str:
        """Python source that opens the store in ``folder`` and binds it to the name ``store``."""
        raise NotImplementedError

    def test_everything_is_there_after_reopening(self, tmp_path: Path) -> None:
        store, epoch = self.owned(tmp_path)
        store.put_plan("h", "{}")
        store.commit(epoch, full_batch())
        store.post_mail("signal", name="go", value=[1], posted_us=NOW_US)
        before = contents(store)
        store.close()
        store = self.make_store(tmp_path)
        assert contents(store) == before
        assert store.plan("h") == "{}"
        assert store.epoch() == epoch
        assert store.acquire(this_process(), NOW_US, LEASE_US) == epoch + 1
        store.commit(epoch + 1, Batch(records=[sample.record("r1", 3)]))
        store.close()

    def test_second_handle_reads_and_posts_without_the_lease(self, tmp_path: Path) -> None:
        owner, epoch = self.owned(tmp_path)
        other = self.make_store(tmp_path)
        owner.commit(epoch, full_batch())
        assert contents(other) == contents(owner)
        other.post_mail("answer", run="r1", place="approve", value=True, posted_us=NOW_US)
        (mail,) = owner.pending_mail()
        owner.commit(epoch, Batch(mail_taken=[mail.id], records=[sample.record("r1", 3)]))
        assert other.pending_mail() == []
        assert len(other.records("r1")) == 3
        other.close()
        owner.close()

    def test_handle_whose_lease_was_taken_over_is_fenced(self, tmp_path: Path) -> None:
        first, second = self.make_store(tmp_path), self.make_store(tmp_path)
        old = first.acquire(this_process("first"), NOW_US, LEASE_US)
        first.commit(old, Batch(runs=[sample.run()], records=[sample.record()]))
        with refused(LeaseHeld):
            second.acquire(this_process("second"), NOW_US, LEASE_US)
        new = second.acquire(this_process("second"), NOW_US + LEASE_US, LEASE_US)
        second.commit(new, Batch(records=[sample.record(seq=2)]))
        assert first.epoch() == new
        with refused(Fenced):
            first.commit(old, Batch(records=[sample.record(seq=2)]))
        newest = first.acquire(this_process("first"), NOW_US + 2 * LEASE_US, LEASE_US)
        first.commit(newest, Batch(records=[sample.record(seq=3)]))
        assert [record.seq for record in second.records("r1")] == [1, 2, 3]
        first.close()
        second.close()

    def test_handle_that_takes_the_store_back_goes_on_from_what_was_written_meanwhile(self, tmp_path: Path) -> None:
        first, second = self.make_store(tmp_path), self.make_store(tmp_path)
        epoch = first.acquire(this_process("first"), NOW_US, LEASE_US)
        first.commit(epoch, Batch(runs=[sample.run()], records=[sample.record()]))
        first.release(epoch)
        epoch = second.acquire(this_process("second"), NOW_US, LEASE_US)
        second.commit(epoch, Batch(records=[sample.record(seq=2)]))
        second.release(epoch)
        epoch = first.acquire(this_process("first"), NOW_US, LEASE_US)
        first.commit(epoch, Batch(records=[sample.record(seq=3)]))
        assert [record.seq for record in second.records("r1")] == [1, 2, 3]
        first.close()
        second.close()

    def test_what_was_acknowledged_survives_sigkill_at_any_moment(self, tmp_path: Path) -> None:
        store, epoch = self.owned(tmp_path)
        store.commit(epoch, Batch(runs=[sample.run("r1"), sample.run("r2")]))
        store.release(epoch)
        store.close()
        moments = random.Random(7)  # noqa: S311 - chooses moments, keeps no secrets
        acknowledged = 0
        for _ in range(self.kills):
            acknowledged = self._kill_after(tmp_path, acknowledged + moments.randrange(1, 40))
            store = self.make_store(tmp_path)
            seqs = [record.seq for record in store.records("r1")]
            # At most the one batch that was being told may be there beyond, and then whole.
            assert len(seqs) in (acknowledged, acknowledged + 1)
            assert seqs == [record.seq for record in store.records("r2")] == list(range(1, len(seqs) + 1))
            assert [row.key for row in store.ledger()] == [f"k{seq}" for seq in seqs]
            assert all(record.body["event"]["seq"] == record.seq for record in store.records("r1"))
            store.close()
            acknowledged = len(seqs)

    def _kill_after(self, folder: Path, target: int) -> int:
        """Let a writer come to ``target``, kill it in the middle of what follows; the last number it told."""
        command = [sys.executable, "-c", self.open_source(folder) + _WRITER]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as writer:  # noqa: S603 - our own source
            assert writer.stdout is not None
            told = 0
            while told < target:
                line = writer.stdout.readline()
                assert line, "the writer died of itself"
                told = int(line)
            writer.kill()
            # What it told between our last look and its death is still in the pipe.
            for line in writer.stdout:
                told = int(line) if line.endswith("\n") else told
        return told
