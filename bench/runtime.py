"""What a durable step costs: microseconds a step, beside the least that makes one durable here, and peers.

Usage: python bench/runtime.py [--rounds N] [--folder DIR] [--no-peers] [--cpu] [--profile sequence|fan-out|many]

A step is asked of an agent, its typed output is verified, and both are durable, with fsync (WAL, synchronous FULL),
before anything goes on. The floor of a sequence is a bare sqlite3 connection with two rows and one commit for each
step. That of concurrent work is a bare group committer: asyncio tasks hand their rows to one thread, which writes what
has gathered in one commit and wakes them. DBOS and LangGraph run in an environment of their own (`bench/peers`), which
is made when it is first wanted. Rounds alternate; medians are told, and every commit of ours and of the floors is an
fsync.

`--cpu` is for a busy machine: the least time of the processor, user's and system's, of any round (with `--folder
/dev/shm`, so that it is ours and not that of the disk's driver).
"""

from __future__ import annotations

import argparse
import asyncio
import cProfile
import json
import pstats
import random
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bench.peers import PEERS, Missing, prepared
from bench.peers import measure as peer_us
from orchspec.compiler import compile_text
from orchspec.compiler.plan import Plan
from orchspec.runtime.app import App
from orchspec.runtime.journal.batch import Batch
from orchspec.runtime.journal.sqlite import SQLiteStore

clock = time.perf_counter
"""What tells the time, seconds."""
SEQUENCE, WIDTH, RUNS, STEPS = 50, 100, 1_000, 5
BODY = json.dumps({"at": 17, "attempt": 1, "output": {"text": "x" * 40, "score": 0.5}, "decided": []})
HEAD = """orch 1
type Note { text: Text  score: Float }
contract Work(topic: Text) -> Note
agent hand fulfills Work {}
"""


def chain(steps: int) -> str:
    """A flow of so many steps, one after another."""
    lines = [f"  step s{n} = Work({f's{n - 1}.text' if n else 'topic'}) by hand" for n in range(steps)]
    return "\n".join([HEAD + "flow main(topic: Text) -> Text {", *lines, f"  return s{steps - 1}.text", "}"])


FAN = HEAD + "flow main(topic: Text) -> Int {\n" + f"  step s = Work(topic) by {WIDTH} of hand\n  return len(s)\n}}"


class Counting(SQLiteStore):
    """A store that counts its commits, each of which is one fsync."""

    commits = 0

    def commit(self, epoch: int, batch: Batch) -> None:
        """See `Store.commit`."""
        self.commits += 1
        super().commit(epoch, batch)


def compiled(text: str) -> Plan:
    """The plan of a spec of ours."""
    made = compile_text(text, "bench.orch")
    assert made.plan is not None, [each.message for each in made.errors]
    return made.plan


def ours(text: str, runs: int, steps: int) -> Callable[[Path], tuple[float, int]]:
    """Carries out so many concurrent runs; gives microseconds a step and commits."""
    app = App(compiled(text))

    @app.agent("hand")
    async def hand(_task: Any, topic: str) -> dict[str, Any]:
        return {"text": topic[:4] + "x" * 36, "score": 0.5}

    async def everything(store: Counting) -> float:
        begin = clock()  # in the event loop, as of the peers: to make one is nobody's step
        await asyncio.gather(
            *(app.run("main", {"topic": f"t{n}"}, store=store, run_id=f"run-{n}") for n in range(runs))
        )
        return clock() - begin

    def measure(path: Path) -> tuple[float, int]:
        store = Counting(path, "full")
        seconds = asyncio.run(everything(store))
        store.close()
        return seconds * 1e6 / (runs * steps), store.commits

    return measure


def bare(path: Path) -> sqlite3.Connection:
    """A connection that makes each commit durable, with a table of records."""
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("CREATE TABLE records (run INTEGER, seq INTEGER, time INTEGER, type TEXT, body TEXT)")
    return connection


def sequence_floor(path: Path, _runs: int, steps: int) -> tuple[float, int]:
    """One commit of two rows for each step; gives microseconds a step, and commits."""
    connection = bare(path)
    execute = connection.execute
    begin = clock()
    for number in range(steps):
        execute("BEGIN IMMEDIATE")
        for seq in (2 * number, 2 * number + 1):
            execute("INSERT INTO records VALUES (?, ?, ?, ?, ?)", (1, seq, seq, "TaskFulfilled", BODY))
        execute("COMMIT")
    seconds = clock() - begin
    connection.close()
    return seconds * 1e6 / steps, steps


class Group:
    """A bare group committer: who waits for `write` is woken when its rows are on the disk."""

    def __init__(self, path: Path) -> None:
        self.connection = bare(path)
        self.thread = ThreadPoolExecutor(1)
        self.rows: list[tuple[int, int, int, str, str]] = []
        self.waiting: list[asyncio.Future[None]] = []
        self.flying = False
        self.commits = 0

    def write(self, run: int, seq: int) -> asyncio.Future[None]:
        """Two rows of a step."""
        loop = asyncio.get_running_loop()
        self.rows += [(run, seq, seq, "TaskFulfilled", BODY), (run, seq + 1, seq, "TaskFulfilled", BODY)]
        waiting = loop.create_future()
        self.waiting.append(waiting)
        if not self.flying:
            self.flying = True
            loop.call_soon(self.flush)
        return waiting

    def flush(self) -> None:
        """Commit what has gathered."""
        rows, self.rows = self.rows, []
        waiting, self.waiting = self.waiting, []
        self.commits += 1
        done = asyncio.get_running_loop().run_in_executor(self.thread, self.commit, rows)
        done.add_done_callback(lambda _: self.written(waiting))

    def commit(self, rows: list[tuple[int, int, int, str, str]]) -> None:
        """In the thread."""
        self.connection.execute("BEGIN IMMEDIATE")
        self.connection.executemany("INSERT INTO records VALUES (?, ?, ?, ?, ?)", rows)
        self.connection.execute("COMMIT")

    def written(self, waiting: list[asyncio.Future[None]]) -> None:
        """It is durable."""
        for each in waiting:
            each.set_result(None)
        self.flying = bool(self.rows)
        if self.flying:
            self.flush()


def group_floor(path: Path, runs: int, steps: int) -> tuple[float, int]:
    """So many tasks, each with its steps one after another; gives microseconds a step, and commits."""
    group = Group(path)

    async def run(number: int) -> None:
        for step in range(steps):
            await group.write(number, 2 * step)

    async def everything() -> float:
        begin = clock()
        await asyncio.gather(*(run(number) for number in range(runs)))
        return clock() - begin

    seconds = asyncio.run(everything())
    group.thread.shutdown()
    group.connection.close()
    return seconds * 1e6 / (runs * steps), group.commits


def floor_of(case: str, path: Path, runs: int, steps: int) -> tuple[float, int]:
    """The least that makes the steps of a case durable."""
    if case == "sequence":
        return sequence_floor(path, runs, steps)
    return group_floor(path, steps, 1) if case == "fan-out" else group_floor(path, runs, steps)


CASES: dict[str, tuple[str, str, int, int]] = {
    "sequence": (f"a sequence of {SEQUENCE} steps", chain(SEQUENCE), 1, SEQUENCE),
    "fan-out": (f"a fan-out of {WIDTH}", FAN, 1, WIDTH),
    "many": (f"{RUNS} runs of {STEPS} steps", chain(STEPS), RUNS, STEPS),
}


def told(case: str, folder: Path, rounds: int, python: Path | None, *, cpu: bool = False) -> None:
    """Print the medians of a case (of the processor's time, the minima), and their ratios."""
    typical: Callable[[Any], float] = min if cpu else statistics.median
    title, text, runs, steps = CASES[case]
    measure = ours(text, runs, steps)
    mine: list[tuple[float, int]] = []
    least: list[tuple[float, int]] = []
    peers: dict[str, list[float]] = {}
    for number in range(rounds):
        # In an order of its own in each round: who comes after a process of others finds caches cold and a disk busy.
        order = ["orch", "floor", *(PEERS if python is not None else ())]
        random.Random(number).shuffle(order)
        for who in order:
            if who == "orch":
                mine.append(measure(folder / f"{case}-{number}.db"))
            elif who == "floor":
                least.append(floor_of(case, folder / f"{case}-{number}-bare.db", runs, steps))
            else:
                assert python is not None
                try:
                    peers.setdefault(who, []).append(peer_us(python, who, case, runs, steps))
                except Missing as missing:
                    print(f"  {missing}", file=sys.stderr)
    us, commits = (typical(column) for column in zip(*mine, strict=True))
    floor, floor_commits = (typical(column) for column in zip(*least, strict=True))
    ratio = us / floor if cpu else statistics.median(one[0] / other[0] for one, other in zip(mine, least, strict=True))
    print(f"{title}, microseconds {'of the processor ' if cpu else ''}a durable step ({runs * steps} steps)")
    print(f"  orch       {us:>9.1f}   {commits:>5.0f} fsyncs   {ratio:.2f} times the floor")
    print(f"  floor      {floor:>9.1f}   {floor_commits:>5.0f} fsyncs")
    for peer, found in peers.items():
        if found:
            theirs = statistics.median(found)
            print(f"  {peer:<10} {theirs:>9.1f}                  {theirs / us:.2f} times ours")


def main() -> None:
    """Print medians of interleaved rounds and their ratios; or a profile."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--folder", type=Path, help="where to write (default: the folder for temporary files)")
    parser.add_argument("--no-peers", action="store_true", help="without DBOS and LangGraph")
    parser.add_argument("--case", choices=sorted(CASES), action="append")
    parser.add_argument("--cpu", action="store_true", help="the processor's time, and minima; without peers")
    parser.add_argument("--profile", choices=sorted(CASES))
    args = parser.parse_args()
    if args.cpu:
        global clock  # noqa: PLW0603 - of one process, before anything is measured
        clock = time.process_time
    with tempfile.TemporaryDirectory(dir=args.folder) as name:
        if args.profile:
            _, text, runs, steps = CASES[args.profile]
            profile = cProfile.Profile()
            profile.runcall(ours(text, runs, steps), Path(name, "profile.db"))
            pstats.Stats(profile).sort_stats("tottime").print_stats(40)
            return
        python: Path | None = None
        try:
            python = None if args.no_peers or args.cpu else prepared()
        except Missing as missing:
            print(f"the peers cannot be installed here: {missing}", file=sys.stderr)
        for case in args.case or CASES:
            told(case, Path(name), args.rounds, python, cpu=args.cpu)


if __name__ == "__main__":
    main()
