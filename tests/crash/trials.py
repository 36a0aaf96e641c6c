"""Trials: real runs on real stores that are killed and gone on with, and what must hold of them."""

import json
import signal
import sqlite3
import subprocess
import sys
from collections import Counter
from contextlib import closing
from pathlib import Path

from orchspec.runtime.journal.sqlite import SQLiteStore
from orchspec.runtime.kernel.applying import target_key
from orchspec.simulator.checkers import check_all
from orchspec.testing import recorded
from tests.crash.gallery import PLAYS

ROOT = Path(__file__).resolve().parents[2]
KILLED = -signal.SIGKILL
ENDED = (0, 1)
MISUSE = 2
PARKED = 5


class Zygote:
    """Forks processes of `orch`, one after the other."""

    def __init__(self):
        self.process = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("zygote.py"))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={"PYTHONPATH": str(ROOT), "PATH": ""},
        )

    def ask(self, **request):
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        return int(self.process.stdout.readline())

    def close(self):
        self.process.stdin.close()
        self.process.wait(timeout=10)
        self.process.stdout.close()


class Trial:
    """One run of a play in a folder of its own."""

    def __init__(self, zygote, folder, play):
        folder.mkdir(parents=True)
        self.zygote, self.folder, self.play = zygote, folder, play
        self.store, self.world_file = folder / "runs.db", folder / "world.jsonl"
        self.asked = play.arguments(play.write(folder), self.store)
        self.resumed = ["resume", "r", "--store", str(self.store), "--json"]

    def finish(self, argv, point=None, trace=None, plant=None):
        env = {"ORCH_WORLD": str(self.world_file)} | ({"ORCH_FAILPOINT_TRACE": str(trace)} if trace else {})
        out, err = self.folder / "out", self.folder / "err"
        code = self.zygote.ask(
            argv=argv, env=env, cwd=str(self.folder), point=point, plant=plant, out=str(out), err=str(err)
        )
        self.said = out.read_text("utf-8"), err.read_text("utf-8")
        return code

    def go_on(self, plant=None):
        code = self.finish(self.resumed, plant=plant)
        if code == MISUSE:  # nothing of it was durable yet
            code = self.finish(self.asked)
        assert code in ENDED, (code, self.said)
        return json.loads(self.said[0])

    def passes(self):
        trace = self.folder / "trace"
        code = self.finish(self.asked, trace=trace)
        assert code in ENDED, (code, self.said)
        return trace.read_text("ascii").split()

    def deliveries(self):
        if not self.world_file.exists():
            return []
        lines = self.world_file.read_text("utf-8").splitlines(keepends=True)
        return [json.loads(line) for line in lines if line.endswith("\n")]

    def hold_intended(self):
        """S2 at the moment of the crash: whatever landed, its intent is durable."""
        landed = {line["key"] for line in self.deliveries()}
        if landed:
            with closing(SQLiteStore(self.store)) as store:
                assert landed <= {target_key(row.key, row.generation) for row in store.ledger()}

    def chronicle(self):
        return recorded(self.store, self.world_file)


def choices(chronicle):
    """What happened, by place, recoveries apart: two runs in which the same did made the same choices."""
    return Counter(
        (record.type, record.kernel.path(record.event.place), record.event.attempt)
        for told in chronicle.runs.values()
        for record in told.records
        if record.type != "EngineRecovered"
    )


def hold(trial, result, twin):
    """Everything that must hold; returns whether the run could be compared with its twin's."""
    chronicle = trial.chronicle()
    broken = check_all(chronicle)
    kept = turns(trial)
    assert len({(session, place) for session, _, place in kept}) == len(kept), "a turn was kept twice"
    assert not broken, [each.message for each in broken]
    (told,) = chronicle.runs.values()
    assert told.told[-1][1:] == (result["status"], result["result"]), "what was told is what is durable"
    if choices(chronicle) != choices(twin):
        return False
    (other,) = twin.runs.values()
    assert told.told[-1][1:] == other.told[-1][1:], "the same happened, and it ended otherwise"
    landed, should = [{(each.effect, each.key) for each in c.applied} for c in (chronicle, twin)]
    assert landed == should, "the same happened, and something else landed"
    return True


def turns(trial):
    """The turns of all sessions: without a gap, none twice."""
    with closing(sqlite3.connect(trial.store)) as connection:
        return connection.execute("SELECT session, number, place FROM turns ORDER BY session, number").fetchall()


def numbered(passes):
    seen, points = Counter(), []
    for name in passes:
        seen[name] += 1
        points.append(f"{name}:{seen[name]}")
    return points


def crash_at(trial, points):
    """Crash at one point after the other, the later ones in a resume; whether each was reached."""
    for nth, point in enumerate(points):
        argv = trial.asked if nth == 0 or not began(trial) else trial.resumed
        code = trial.finish(argv, point=point)
        assert code in (KILLED, *ENDED), (point, code, trial.said)
        if code != KILLED:
            return False
        trial.hold_intended()
    return True


def began(trial):
    if not trial.store.exists():
        return False
    with closing(SQLiteStore(trial.store)) as store:
        return bool(store.runs())


def explore(zygote, folder, name, twin, schedules):
    reached, compared = 0, 0
    for number, points in enumerate(schedules):
        trial = Trial(zygote, folder / str(number), PLAYS[name])
        try:
            reached += crash_at(trial, points)
            compared += hold(trial, trial.go_on(), twin)
        except AssertionError as error:
            raise AssertionError(f"{name}, killed at {' and then '.join(points)} ({trial.folder}): {error}") from error
    return reached, compared
