"""Planted bugs in kernel, dispatcher, ledger, journal and engine: what is drawn by default finds each, by its checker.

A checker that finds none of ours when nothing is planted proves nothing; these prove it. Each is planted by a patch in
the test alone. `-s` prints how many schedules it took.
"""

import itertools
import time
from collections import Counter
from pathlib import Path

import pytest

from orchspec.compiler import compile_text
from orchspec.compiler.load import compile_file
from orchspec.runtime import engine, ledger, pools
from orchspec.runtime.kernel import budget, deeds, events, frames, handlers, kernel, steps, table, tasks
from orchspec.runtime.kernel.commands import EndRun, TryEffect
from orchspec.runtime.kernel.program import CompiledBlock, Program
from orchspec.runtime.kernel.values import ContractCodec
from orchspec.simulator import clock
from orchspec.simulator.chaos.explore import Explorer
from orchspec.simulator.chaos.lines import fault_lines

SPECS = Path(__file__).resolve().parents[2] / "specs"
DEFAULT = 200
"""What `orch chaos` draws where nothing is said."""
SPEC = """orch 1
decision release
type Note { text: Text  score: Float where score in 0.0..1.0 }
contract Write(topic: Text) -> Note
contract Judge(note: Note) -> Note { owns = release }
agent ann fulfills Write { slots = 1  attempts = 3  timeout = 30s  budget { tokens <= 2k  cost <= $0.10 } }
agent bob fulfills Write { slots = 2  attempts = 2  timeout = 30s  budget { tokens <= 2k  cost <= $0.10 } }
human eve fulfills Judge { slots = 1 }
effect reserve(id: Text) -> Text { key = id  undo = release_it(id: id)  timeout = 10s  attempts = 2 }
effect release_it(id: Text) { key = id  timeout = 10s }
effect post(id: Text) -> Text { key = id  timeout = 10s  attempts = 2 }
flow main(topic: Text) -> Text {
  budget { cost <= $0.40  tokens <= 9k }
  step place = reserve(topic)
  step one = Write(topic) by ann
  step more = Write(part) by bob for part in [topic, "b", "c"] { width = 2  need = 1 }
  step best = Judge(note: one) by eve
  fail "not good" when best.score < 0.05
  step sent = post(topic + best.text)
  return sent
}
profile ann { latency = uniform(1s, 4s)  tokens_in = fixed(500)  cost = $0.05 }
profile bob { latency = uniform(1s, 4s)  tokens_in = fixed(500)  cost = $0.05 }
profile eve { latency = uniform(5s, 20s) }
profile post { latency = uniform(1s, 2s) }
"""


def hunt(**how):
    compiled = compile_text(SPEC, "canary.orch")
    assert compiled.plan is not None, compiled.errors
    Program.COMPILED.clear()  # what is planted where blocks are compiled must not meet an older compilation
    explored = Explorer(compiled.plan, "main", seed=2, runs=2).explore(**how)
    Program.COMPILED.clear()
    return explored


def test_nothing_is_found_where_nothing_is_planted():
    explored = hunt(crashes=True, examples=DEFAULT)
    assert [(found.violation.number, found.violation.message) for found in explored.found] == []
    assert explored.statuses.keys() <= {"completed", "failed", "budget_exhausted"}
    assert explored.statuses["completed"] > 100


# ------------------------------------------------------------------ what is planted


def forgotten_key(patch):
    numbers = itertools.count()
    patch.setattr(deeds, "target_key", lambda key, generation: f"{next(numbers):064x}")


def confirmed_unasked(patch):
    """In doubt, the kernel takes it for done."""
    from orchspec.runtime.kernel.applying import Applying
    from orchspec.runtime.kernel.events import EffectConfirmed

    def guess(self, message, deadline_us):
        event = EffectConfirmed(self.kernel.now, self.place, self.attempt, self.dispatch, "guessed")
        self.confirmed(event)

    patch.setattr(Applying, "_doubt", guess)
    for event in (events.TimerFired, events.EffectUnknown):
        patch.setitem(table.EFFECT_TABLE, (table.SENT, event), frozenset({table.DOUBT, table.CLOSED}))


def acts_before_the_commit(patch):
    """What the outside may see is carried out while its cause is not durable."""

    def commit(self, batch):
        acts = self._acts
        ends = []
        for run, command in self.engine.committed():
            if isinstance(command, EndRun):
                ends.append((run, command))
            else:
                acts[type(command)](run, command)
        if self.crashes is not None:
            self.crashes.reached("after_commit", self.now)
        self.journal.commit(batch)
        for run, command in ends:
            acts[EndRun](run, command)

    patch.setattr(clock.Clock, "commit", commit)


def undoes_nothing(patch):
    patch.setattr(kernel.Kernel, "unwind", lambda self, frame: frame.unwound())


def reserves_nothing(patch):
    def charge_only(self, pico, tokens):
        account = self
        while account is not None:
            account.open += 1
            account.attempts += 1
            account = account.parent

    patch.setattr(budget.Account, "reserve", charge_only)


def one_slot_too_many(patch):
    init = pools.Pool.__init__

    def made(self, name, index, slots, *rest, **named):
        init(self, name, index, None if slots is None else slots + 1, *rest, **named)

    patch.setattr(pools.Pool, "__init__", made)


def no_width(patch):
    go_on = steps.FanOutStep.go_on

    def wider(self):
        width, self.width = self.width, 99
        go_on(self)
        self.width = width

    patch.setattr(steps.FanOutStep, "go_on", wider)


def verifies_nothing(patch):
    verify = ContractCodec.verify
    trusting = []

    def trust(self, inputs, output):
        if trusting:
            return verify(self, inputs, output)
        try:
            return verify(self, inputs, output)
        except tasks.Unverified:
            return {"text": "x", "score": 0.5}

    patch.setattr(ContractCodec, "verify", trust)
    from orchspec.simulator.checkers import verified

    def checked(chronicle):
        trusting.append(1)
        try:
            yield from original(chronicle)
        finally:
            trusting.clear()

    original = verified.check
    from orchspec.simulator import checkers

    patch.setitem(checkers.CHECKERS, "S5", ("verified", checked))


def waits_for_nothing(patch):
    """Statements of a block start before what they need, the effects apart."""
    init = CompiledBlock.__init__

    def made(self, program, block):
        init(self, program, block)
        for index, statement in enumerate(block.statements):
            if getattr(statement, "name", "") == "best" and statement.needs:
                self.waiting[index] = max(0, self.waiting[index] - 1)
                for op in self.ops:
                    op.dependents = tuple(each for each in op.dependents if each.index != index)
                self.waiting[index] = 0
                self.ready = (*self.ready, self.ops[index])

    patch.setattr(CompiledBlock, "__init__", made)


def keeps_grants(patch):
    """The grant of an attempt that failed is never given back."""
    failed = tasks.Task._failed

    def kept(self, code, message, pico, retry_after_us, outcome):
        failed(self, code, message, pico, retry_after_us, None)

    patch.setattr(tasks.Task, "_failed", kept)


def reissues_nothing(patch):
    patch.setattr(tasks.Task, "reissue", lambda self: None)


def forgets_timers_in_a_crash(patch):
    recovered = handlers.HANDLERS[handlers.EngineRecovered]

    def forgetful(self, event):
        recovered(self, event)
        self.out[:] = [each for each in self.out if getattr(each, "timer", "") not in {"backoff", "settle"}]

    patch.setitem(handlers.HANDLERS, handlers.EngineRecovered, forgetful)


def decides_by_chance(patch):
    numbers = itertools.count()
    decide = kernel.Kernel.decide

    def decided(self, what, detail):
        decide(self, what, f"{detail} {next(numbers)}" if what == "claimed" else detail)

    patch.setattr(kernel.Kernel, "decide", decided)


def sends_again_what_is_done(patch):
    recovered = handlers.HANDLERS[handlers.EngineRecovered]

    def again(self, event):
        recovered(self, event)
        for activity in self.places[1:]:
            if isinstance(activity, deeds.Deed) and activity.state == frames.Activity.CLOSED:
                key = deeds.target_key(activity.ledger_key, activity.generation)
                name, number = activity.effect.name, activity.dispatch + 1
                self.out.append(TryEffect(activity.place, activity.attempt, number, name, activity.args, key))

    patch.setitem(handlers.HANDLERS, handlers.EngineRecovered, again)


def tells_before_it_is_durable(patch):
    handle = engine.Engine._handle

    def handled(self, run, event, mail):
        before = len(self.committer._gated)
        handle(self, run, event, mail)
        for gated in self.committer._gated[before:]:
            if isinstance(gated[1], EndRun):
                self.timers._tell(run, gated[1].status, gated[1].result)
                self.committer._gated.remove(gated)
                break

    patch.setattr(engine.Engine, "_handle", handled)
    tell = clock.Clock._tell

    def told(self, run, *rest):
        if run in self.visits:
            tell(self, run, *rest)

    patch.setattr(clock.Clock, "_tell", told)


def loses_the_ledger(patch):
    """Rows of what was settled are not written."""
    settle = ledger.Ledger.settle

    def lost(self, *args, **named):
        answers, _ = settle(self, *args, **named)
        return answers, []

    patch.setattr(ledger.Ledger, "settle", lost)
    claim = ledger.Ledger.claim

    def unwritten(self, *args, **named):
        answer, _ = claim(self, *args, **named)
        return answer, []

    patch.setattr(ledger.Ledger, "claim", unwritten)


CANARIES = {
    forgotten_key: {"S1", "S2", "S12"},
    confirmed_unasked: {"S2"},
    acts_before_the_commit: {"S12"},
    undoes_nothing: {"S10"},
    reserves_nothing: {"S4", "S13"},
    one_slot_too_many: {"S8"},
    no_width: {"S8"},
    verifies_nothing: {"S5"},
    waits_for_nothing: {"S9", "S7"},
    keeps_grants: {"S13", "L1"},
    reissues_nothing: {"L1"},
    forgets_timers_in_a_crash: {"L1"},
    decides_by_chance: {"S7"},
    sends_again_what_is_done: {"S3"},
    tells_before_it_is_durable: {"S14", "S7"},
    loses_the_ledger: {"S2"},
}


@pytest.mark.parametrize("plant", CANARIES, ids=lambda plant: plant.__name__)
def test_a_planted_bug_is_found_by_what_is_drawn_by_default(plant, monkeypatch):
    plant(monkeypatch)
    began = time.process_time()
    explored = hunt(examples=DEFAULT, until=lambda found: found.violation.number in CANARIES[plant])
    seconds = time.process_time() - began
    found = Counter(each.violation.number for each in explored.found)
    assert found.keys() & CANARIES[plant], dict(found)
    after = next(each.after for each in explored.found if each.violation.number in CANARIES[plant])
    print(f"{plant.__name__}: {dict(found)} after {after} schedules, {seconds:.1f} s")
    for each in explored.found:
        assert len(each.faults) <= max(1, each.were)


def test_what_is_found_is_shrunk_to_few_faults(monkeypatch):
    confirmed_unasked(monkeypatch)
    explored = hunt(examples=DEFAULT, until=lambda found: found.violation.number == "S2")
    lost = [each for each in explored.found if each.violation.number == "S2"]
    assert min(len(each.faults) for each in lost) == 1


@pytest.mark.parametrize("name", ["refund", "briefing", "desk"])
def test_every_crash_point_of_the_gallery_is_explored_and_holds(name):
    plan = compile_file(SPECS / f"{name}.orch").plan
    assert plan is not None
    flow = next(iter(plan.flows))
    explored = Explorer(plan, flow, folder=SPECS, seed=3).explore(crashes=True)
    assert [(each.violation.number, each.violation.message) for each in explored.found] == []
    (points,) = [phase for phase in explored.phases if phase.name == "crash points"]
    print(f"{name}: {points.tried} of {points.known} crash points explored")
    assert points.tried == points.known > 25


@pytest.mark.chaos
@pytest.mark.parametrize("path", sorted(SPECS.glob("*.orch")), ids=lambda path: path.stem)
def test_the_gallery_holds_under_every_single_fault_pairs_and_drawn_ones(path):
    plan = compile_file(path).plan
    assert plan is not None
    for flow in plan.flows:
        given = next((scenario.given for scenario in plan.scenarios if scenario.flow == flow), {})
        explorer = Explorer(plan, flow, folder=SPECS, given=given)
        explored = explorer.explore(exhaustive=True, examples=15, pairs=15)
        found = [(each.violation.number, each.violation.message, fault_lines(each.faults)) for each in explored.found]
        assert found == [], flow
