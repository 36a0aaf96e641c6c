"""What a durable commit costs, against a bare insert and commit on the same disk.

Usage: python bench/journal.py [--rounds N] [--commits N] [--folder DIR]

Rounds of the store and of the bare connection alternate, so that both see the same disk; medians are of rounds, in
microseconds for each record.
"""

from __future__ import annotations

import argparse
import json
import sqlite3
import statistics
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from orchspec.runtime.journal.batch import Batch
from orchspec.runtime.journal.memory import MemoryStore
from orchspec.runtime.journal.owner import this_process
from orchspec.runtime.journal.records import Record, RunRow
from orchspec.runtime.journal.sqlite import SQLiteStore

if TYPE_CHECKING:
    from collections.abc import Callable

    from orchspec.runtime.journal.schema import Durability
    from orchspec.runtime.journal.store import Store

BODY = {
    "event": {"place": 17, "attempt": 1, "output": {"text": "x" * 200, "score": 0.75}, "tokens_in": 1200},
    "decided": ["verified", "next"],
    "commands": [[3, 0], [3, 1]],
}


class Bare:
    """The least that makes a record durable: one insert, one commit."""

    def __init__(self, path: Path, durability: Durability) -> None:
        self.connection = sqlite3.connect(path, isolation_level=None)
        self.connection.execute("PRAGMA journal_mode = WAL")
        self.connection.execute(f"PRAGMA synchronous = {durability.upper()}")
        self.connection.execute("CREATE TABLE records (run INTEGER, seq INTEGER, time INTEGER, type TEXT, body TEXT)")
        self.seq = 0

    def commit(self, size: int) -> None:
        """Encode, insert and commit ``size`` records."""
        execute = self.connection.execute
        execute("BEGIN IMMEDIATE")
        for _ in range(size):
            self.seq += 1
            body = json.dumps(BODY, separators=(",", ":"))
            execute("INSERT INTO records VALUES (?, ?, ?, ?, ?)", (1, self.seq, self.seq, "TaskFulfilled", body))
        execute("COMMIT")


class Ours:
    """The same by a store, the records of a batch spread over ten runs."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.epoch = store.acquire(this_process(), 0, 10**12)
        self.seqs = dict.fromkeys((f"run-{number}" for number in range(10)), 0)
        rows = [RunRow(run, "f", "h", {}, "running", None, None, 0, None, 1, {}) for run in self.seqs]
        store.commit(self.epoch, Batch(runs=rows))

    def commit(self, size: int) -> None:
        """Commit ``size`` records as one batch."""
        records: list[Record] = []
        runs = list(self.seqs)
        for number in range(size):
            run = runs[number % len(runs)]
            self.seqs[run] = seq = self.seqs[run] + 1
            records.append(Record(run, seq, seq, "TaskFulfilled", BODY))
        self.store.commit(self.epoch, Batch(records=records))


def timed_us(commit: Callable[[int], None], size: int, commits: int) -> float:
    """Microseconds for each record."""
    start = time.perf_counter()
    for _ in range(commits):
        commit(size)
    return (time.perf_counter() - start) * 1e6 / (size * commits)


def main() -> None:
    """Print medians of interleaved rounds and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--commits", type=int, default=100)
    parser.add_argument("--folder", type=Path, help="where to write (default: the folder for temporary files)")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=args.folder) as name:
        memory = Ours(MemoryStore())
        durabilities: tuple[Durability, ...] = ("full", "normal")
        for durability in durabilities:
            bare = Bare(Path(name, f"bare-{durability}.db"), durability)
            store = SQLiteStore(Path(name, f"ours-{durability}.db"), durability)
            ours = Ours(store)
            for size in (1, 100):
                commits = max(1, args.commits // (1 if size == 1 else 10))
                pairs = [
                    (timed_us(bare.commit, size, commits), timed_us(ours.commit, size, commits))
                    for _ in range(args.rounds)
                ]
                bare_us, ours_us = (statistics.median(column) for column in zip(*pairs, strict=True))
                ratio = statistics.median(our / base for base, our in pairs)
                print(
                    f"durability {durability:6} batches of {size:3}: bare {bare_us:8.1f} us, store {ours_us:8.1f} us "
                    f"a record, ratio {ratio:.2f}"
                )
            bare.connection.close()
            store.close()
        for size in (1, 100):
            rounds = [timed_us(memory.commit, size, args.commits) for _ in range(args.rounds)]
            print(f"memory            batches of {size:3}: {statistics.median(rounds):8.2f} us a record")


if __name__ == "__main__":
    main()
