"""Answers, signals, messages and turns of sessions across kills, on a real store: each is taken exactly once.

A run parks for a person and a signal; both come while no engine is there. Then the engine that takes them is killed at
each of its passes, and so is the one before that parks. Handlers tell what they were handed in what they give back, so
a message or a turn that is lost or doubled changes the result.
"""

import json
import shutil
import sqlite3
from collections import Counter
from contextlib import closing

import pytest

from tests.crash.trials import KILLED, PARKED, numbered

SPEC = """orch 1
model small { input = $1 / 1M  output = $1 / 1M  context = 32k }
signal paid(id: Text) -> Text
contract Talk(id: Text) -> Text
contract Hear(id: Text) -> Text
contract Say(id: Text) -> Text
agent ann fulfills Talk { models = [small]  session = persistent  context = 16k }
agent bob fulfills Hear
human eve fulfills Say
channel notes(text: Text) { from = [work]  to = [bob] }
effect post(id: Text, text: Text) -> Text { key = id }
flow work(id: Text) -> Text {
  step opening = Talk(id) by ann
  send notes(opening)
  step heard = Hear(id) by bob
  step said = Say(heard) by eve
  step money = paid(id)
  step closing = Talk(said) by ann
  step posted = post(id: id, text: heard + ", " + said + ", " + money + ", " + closing)
  return posted
}
"""
AGENTS = """
import orchspec
app = orchspec.App(orchspec.load("mail.orch"))

@app.agent("ann")
def ann(task, id):
    return f"{id} after {len(task.history)}"

@app.agent("bob")
def bob(task, id):
    return "heard " + " and ".join(message.values["text"] for message in task.inbox)

@app.effect("post")
def post(call, id, text):
    with open("posts", "a") as file:
        file.write(call.key + "\\n")
    return text
"""
ENDED = 0


class Post:
    """One run in a folder of its own."""

    def __init__(self, zygote, folder):
        folder.mkdir(parents=True, exist_ok=True)
        self.zygote, self.folder, self.store = zygote, folder, folder / "runs.db"
        (folder / "mail.orch").write_text(SPEC, "utf-8")
        (folder / "mail_agents.py").write_text(AGENTS, "utf-8")
        self.asked = ["run", "mail.orch", "--input", '{"id": "a"}', "--agents", "mail_agents", "--run-id", "r"]

    def ask(self, *argv, point=None):
        names = {name: str(self.folder / name) for name in ("out", "err")}
        env = {"ORCH_FAILPOINT_TRACE": str(self.folder / "trace")}
        (self.folder / "trace").write_text("")
        return self.zygote.ask(argv=[*argv, "--json"], env=env, cwd=str(self.folder), point=point, **names)

    def said(self):
        return json.loads((self.folder / "out").read_text("utf-8"))

    def passes(self):
        return numbered((self.folder / "trace").read_text("ascii").split())

    def park(self):
        code = self.ask("resume", "r") if self.rows("SELECT 1 FROM runs") else self.ask(*self.asked)
        assert code == PARKED, (code, self.said())

    def tell(self):
        """The answer and the signal are put in; a second answer is refused, a second signal waits for somebody."""
        assert self.ask("answer", "r", "said", "--value", '"yes"', "--by", "Eve") == 0, self.said()
        assert self.ask("answer", "r", "said", "--value", '"no"', "--by", "Eve") != 0
        for value in ("10", "11"):
            assert self.ask("signal", "paid", "--args", '{"id": "a"}', "--value", f'"{value}"') == 0, self.said()

    def rows(self, query):
        if not self.store.exists():
            return []
        with closing(sqlite3.connect(self.store)) as connection:
            return connection.execute(query).fetchall()

    def end(self):
        assert self.ask("resume", "r") == ENDED, self.said()
        return self.said()

    def taken(self):
        """What there is of each: turns, records that took mail, mail that is left, posts."""
        records = Counter(
            kind
            for kind, body in self.rows("SELECT type, body FROM records")
            if kind in ("QuestionAnswered", "SignalReceived", "MessagePosted") and '"ignored"' not in body
        )
        turns = self.rows("SELECT number, inputs, output FROM turns ORDER BY number")
        left = self.rows("SELECT kind, value FROM mail WHERE NOT taken")
        return records, turns, left, len(set((self.folder / "posts").read_text("utf-8").split()))


@pytest.fixture(scope="module")
def twin(zygote, tmp_path_factory):
    post = Post(zygote, tmp_path_factory.mktemp("twin") / "run")
    post.park()
    before = post.passes()
    post.tell()
    result = post.end()
    return before, post.passes(), result, post.taken()


def test_undisturbed_each_is_taken_once(twin):
    _, _, result, (records, turns, left, posts) = twin
    assert result["status"] == "completed"
    assert result["result"] == "heard a after 0, yes, 10, yes after 1"
    assert (records["QuestionAnswered"], records["SignalReceived"], len(turns), posts) == (1, 1, 2, 1)
    assert left == [("signal", '"11"')], "the second signal is there for whoever waits next"


def hold(post, twin):
    _, _, result, taken = twin
    again = post.end()
    assert (again["status"], again["result"]) == (result["status"], result["result"])
    assert post.taken() == taken


def before_parking(zygote, folder, twin, points):
    for number, point in enumerate(points):
        post = Post(zygote, folder / str(number))
        assert post.ask(*post.asked, point=point) in (KILLED, PARKED), point
        post.park()
        post.tell()
        hold(post, twin)


def while_taking(zygote, folder, twin, points):
    """Returns how many of the points were reached."""
    told = Post(zygote, folder / "told")
    told.park()
    told.tell()
    struck = 0
    for number, point in enumerate(points):
        shutil.copytree(told.folder, folder / str(number))
        post = Post(zygote, folder / str(number))
        struck += post.ask("resume", "r", point=point) == KILLED
        hold(post, twin)
    return struck


def test_killed_before_it_parks_nothing_is_lost_or_doubled(zygote, twin, tmp_path):
    before_parking(zygote, tmp_path, twin, ["after_commit:3"])


def test_killed_while_it_takes_them_each_is_taken_once(zygote, twin, tmp_path):
    assert while_taking(zygote, tmp_path, twin, ["before_commit:1", "after_commit:1", "after_commit:2"]) == 3


@pytest.mark.chaos
def test_killed_at_any_pass_before_it_parks_nothing_is_lost_or_doubled(zygote, twin, tmp_path):
    before_parking(zygote, tmp_path, twin, twin[0])


@pytest.mark.chaos
def test_killed_at_any_pass_of_taking_them_each_is_taken_once(zygote, twin, tmp_path):
    assert while_taking(zygote, tmp_path, twin, twin[1]) >= 0.8 * len(twin[1])
