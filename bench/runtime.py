"""What a durable step costs: microseconds a step, beside the least that makes a step durable on the same disk.

Usage: python bench/runtime.py [--rounds N] [--folder DIR] [--profile sequence|fan-out|many]

A step is asked of an agent, its typed output is verified, and both are durable, with fsync (WAL, synchronous FULL),
before anything goes on. The floor of a sequence is a bare sqlite3 connection with two rows and one commit for each
step; that of concurrent work writes the same rows in as few commits as we made. Rounds alternate; medians are told.
"""

from __future__ import annotations

import argparse
import asyncio
import cProfile
import json
import pstats
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from orchspec.compiler import compile_text
from orchspec.compiler.plan import Plan
from orchspec.runtime.app import App
from orchspec.runtime.journal.records import Batch
from orchspec.runtime.journal.sqlite import SQLiteStore

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

    async def everything(store: Counting) -> None:
        await asyncio.gather(
            *(app.run("main", {"topic": f"t{n}"}, store=store, run_id=f"run-{n}") for n in range(runs))
        )

    def measure(path: Path) -> tuple[float, int]:
        store = Counting(path, "full")
        begin = time.perf_counter()
        asyncio.run(everything(store))
        seconds = time.perf_counter() - begin
        store.close()
        return seconds * 1e6 / (runs * steps), store.commits

    return measure


def floor_us(path: Path, steps: int, commits: int) -> float:
    """Microseconds a step of a bare connection that writes two rows a step, in so many commits."""
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("CREATE TABLE records (run INTEGER, seq INTEGER, time INTEGER, type TEXT, body TEXT)")
    execute = connection.execute
    begin = time.perf_counter()
    done = 0
    for number in range(1, commits + 1):
        execute("BEGIN IMMEDIATE")
        until = 2 * steps * number // commits
        while done < until:
            done += 1
            execute("INSERT INTO records VALUES (?, ?, ?, ?, ?)", (1, done, done, "TaskFulfilled", BODY))
        execute("COMMIT")
    seconds = time.perf_counter() - begin
    connection.close()
    return seconds * 1e6 / steps


CASES: dict[str, tuple[str, str, int, int]] = {
    "sequence": (f"a sequence of {SEQUENCE} steps", chain(SEQUENCE), 1, SEQUENCE),
    "fan-out": (f"a fan-out of {WIDTH}", FAN, 1, WIDTH),
    "many": (f"{RUNS} runs of {STEPS} steps", chain(STEPS), RUNS, STEPS),
}


def main() -> None:
    """Print medians of interleaved rounds and their ratio; or a profile."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--folder", type=Path, help="where to write (default: the folder for temporary files)")
    parser.add_argument("--profile", choices=sorted(CASES))
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=args.folder) as name:
        if args.profile:
            _, text, runs, steps = CASES[args.profile]
            profile = cProfile.Profile()
            profile.runcall(ours(text, runs, steps), Path(name, "profile.db"))
            pstats.Stats(profile).sort_stats("tottime").print_stats(40)
            return
        for case, (title, text, runs, steps) in CASES.items():
            measure = ours(text, runs, steps)
            rounds: list[tuple[float, float, int]] = []
            for number in range(args.rounds):
                mine, commits = measure(Path(name, f"{case}-{number}.db"))
                rounds.append((mine, floor_us(Path(name, f"{case}-{number}-bare.db"), runs * steps, commits), commits))
            mine, bare, commits = (statistics.median(column) for column in zip(*rounds, strict=True))
            ratio = statistics.median(mine / bare for mine, bare, _ in rounds)
            print(
                f"{title:<28}{mine:>9.1f} us a step, in as few commits bare{bare:>9.1f} us, ratio {ratio:.2f} "
                f"({commits:.0f} commits for {runs * steps} steps)"
            )


if __name__ == "__main__":
    main()
