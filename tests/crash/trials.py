"""Trials: real runs on real stores that are killed and gone on with, and what must hold of them."""

import json
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections import Counter
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from orchspec.runtime.errors import StoreError
from orchspec.runtime.journal.sqlite import SQLiteStore
from orchspec.runtime.kernel.applying import Applying
from orchspec.simulator.checkers import check_all
from orchspec.testing import recorded
from tests.crash.gallery import PLAYS

ROOT = Path(__file__).resolve().parents[2]
KILLED = -signal.SIGKILL
ENDED = (0, 1)
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
    """One run of a play in a folder of its own, which may be a copy of what another `left`. `leaps`: see `leaping`."""

    def __init__(self, zygote, folder, play, *, left=None, leaps=True):
        if left is None:
            folder.mkdir(parents=True)
        else:
            shutil.copytree(left, folder)
        self.zygote, self.folder, self.play, self.leaps = zygote, folder, play, leaps
        self.store, self.world_file = folder / "runs.db", folder / "world.jsonl"
        self.seen = folder / "witness"
        self.asked = play.arguments(play.write(folder), self.store)
        self.resumed = ["resume", "r", "--store", str(self.store), "--json"]

    def copied(self, folder):
        return Trial(self.zygote, folder, self.play, left=self.folder, leaps=self.leaps)

    def next_argv(self):
        """Resume, if there is a run."""
        with suppress(StoreError), closing(SQLiteStore(self.store, create=False)) as store:
            if store.runs():
                return self.resumed
        return self.asked

    def finish(self, argv, point=None, trace=None, plant=None):
        env = {"ORCH_WORLD": str(self.world_file)} | ({"ORCH_FAILPOINT_TRACE": str(trace)} if trace else {})
        out, err = self.folder / "out", self.folder / "err"
        strikes = {"point": point, "plant": plant, "leaps": self.leaps, "witness": (str(self.store), str(self.seen))}
        code = self.zygote.ask(argv=argv, env=env, cwd=str(self.folder), out=str(out), err=str(err), **strikes)
        self.said = out.read_text("utf-8"), err.read_text("utf-8")
        return code

    def go_on(self, plant=None):
        code = self.finish(self.next_argv(), plant=plant)
        assert code in ENDED, (code, self.said)
        return json.loads(self.said[0])

    def passes(self):
        trace = self.folder / "trace"
        code = self.finish(self.next_argv(), trace=trace)
        assert code in ENDED, (code, self.said)
        return trace.read_text("ascii").split() if trace.exists() else []

    def deliveries(self):
        if not self.world_file.exists():
            return []
        lines = self.world_file.read_text("utf-8").splitlines(keepends=True)
        return [json.loads(line) for line in lines if line.endswith("\n")]

    def hold_intended(self):
        """S12, which a store alone does not tell: whenever something landed, its intent was durable."""
        seen = [line.split() for line in self.seen.read_text("ascii").splitlines()] if self.seen.exists() else []
        assert {key for key, _ in seen} >= {line["key"] for line in self.deliveries()}
        assert all(durable == "True" for _, durable in seen), "it was sent before its intent was durable"

    def chronicle(self):
        return recorded(self.store, self.world_file)


SETTLED = {"EffectConfirmed", "EffectUnknown", "EffectChecked"}


def choices(chronicle):
    """What happened, by place; two runs in which the same did made the same choices.

    How we came through a crash is no choice, but what has to be the same whatever it was: that a doubt was looked into,
    by whom and how often, that an attempt which runs again asks for the same effect once more.
    """
    found = Counter()
    for record in (record for told in chronicle.runs.values() for record in told.records):
        event, path = record.event, record.kernel.path(record.event.place)
        if record.type in SETTLED or _is_asked_about_a_doubt(chronicle.story(record.run), event.place):
            found[path.partition("?")[0], "settled"] = 1
        elif record.type == "EffectRequested":
            found[path, event.attempt, event.effect, json.dumps(event.args)] = 1
        elif not _recovers(record) and ["ignored", None] not in record.decided:
            found[path, record.type, event.attempt, getattr(event, "agent", None)] += 1
    return found


def _is_asked_about_a_doubt(story, place):
    here = story.happenings.get(place)
    return here is not None and isinstance(here.activity.owner, Applying)


def _recovers(record):
    return record.type == "EngineRecovered" or getattr(record.event, "timer", None) == "settle"


def hold(trial, result, twin):
    """Everything that must hold; returns whether the run could be compared with its twin's."""
    trial.hold_intended()
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


def crash_at(trial, point):
    """Go on until the run is killed at a point; whether it came there."""
    code = trial.finish(trial.next_argv(), point=point)
    assert code in (KILLED, *ENDED), (point, code, trial.said)
    trial.hold_intended()
    return code == KILLED


def explore(zygote, folder, name, twin, points):
    """Kill a run at each of these points, each in a run of its own; returns how many were reached and compared."""
    reached, compared = 0, 0
    for point in points:
        trial = Trial(zygote, folder / "one", PLAYS[name])
        with telling(trial, point):
            reached += crash_at(trial, point)
            compared += hold(trial, trial.go_on(), twin)
        shutil.rmtree(trial.folder)
    return reached, compared


def explore_pairs(zygote, folder, name, twin, points):
    """Kill a run at each of these points, and what goes on with it at each of its own: returns as `explore` does.

    What the first kill left is copied for each second one, so that it need not be brought about again; which points the
    second life passes is read from one that nobody disturbs.
    """
    explored, reached, compared = 0, 0, 0
    for first in points:
        left = Trial(zygote, folder / "left", PLAYS[name])
        crash_at(left, first)
        for second in numbered(left.copied(folder / "undisturbed").passes()):
            trial = left.copied(folder / "again")
            explored += 1
            with telling(trial, f"{first} and then {second}"):
                reached += crash_at(trial, second)
                compared += hold(trial, trial.go_on(), twin)
            shutil.rmtree(trial.folder)
        for each in (left.folder, folder / "undisturbed"):
            shutil.rmtree(each)
    return explored, reached, compared


@contextmanager
def telling(trial, where):
    try:
        yield
    except AssertionError as error:
        raise AssertionError(f"{trial.play.spec}, killed at {where} ({trial.folder}): {error}") from error
