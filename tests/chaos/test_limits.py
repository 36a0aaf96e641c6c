"""Limits that are planted away, one by one: the checker of limits sees each, and nothing where nothing is planted."""

import pytest

from orchspec.compiler import compile_text
from orchspec.compiler.plan import Fault
from orchspec.runtime import pools
from orchspec.runtime.kernel import budget, delegation, machines, repeats, turns
from orchspec.runtime.kernel.program import Program
from orchspec.simulator.chaos.chronicle import Chronicler
from orchspec.simulator.checkers import budget as budget_checker
from orchspec.simulator.checkers import check_all

HEAD = """orch 1
type Note { text: Text  good: Bool }
contract Lead(q: Text, so_far: List<Done>) -> Delegation<Text>
contract Work(q: Text) -> Note
contract Talk(q: Text, so_far: Text?) -> Turn<Text>
tool web { rate = 2 / 1min  slots = 2 }
tool desk { slots = 1 }
agent lead fulfills Lead { timeout = 10min }
agent ann fulfills Work, Talk { timeout = 1h  tools = [web] }
agent bob fulfills Work, Talk { timeout = 1h }
agent cal fulfills Talk { timeout = 1h }
agent slow fulfills Work { timeout = 1h  rate = 2 / 1min }
effect post(id: Text) -> Text { key = id  rate = 1 / 1min }
profile lead { latency = fixed(2s) }
profile ann { latency = fixed(6s)  calls = { web: fixed(2) } }
profile bob { latency = fixed(6s) }
profile slow { latency = fixed(1s) }
profile web { latency = fixed(30s) }
"""
FLOWS = {
    "rate": "flow main(q: Text) -> Int { step x = Work(t) by slow for t in [q, q, q, q]  return len(x) }",
    "tool": "flow main(q: Text) -> Int { step x = Work(t) by ann for t in [q, q, q]  return len(x) }",
    "gate": 'flow main(q: Text) -> Int { step x = post(t) for t in [q + "1", q + "2", q + "3"]  return len(x) }',
    "section": """flow main(q: Text) -> Int {
      scope a for t in [q, q] { tools = [desk]  step x = Work(t) by bob  give x }
      return len(a)
    }""",
    "rounds": """flow main(q: Text) -> Text {
      supervise x = Lead(q) by lead { workers = [bob]  rounds = 1  width = 1  on_failure = use(q) }
      return x
    }""",
    "hops": """flow main(q: Text) -> Text {
      peers x = Talk(q) among [ann, bob] { start = bob  hops = 1  handoff bob -> ann  handoff ann -> bob
        on_failure = use(q) }
      return x
    }""",
    "edges": """flow main(q: Text) -> Text {
      peers x = Talk(q) among [ann, bob, cal] { start = bob  hops = 2  handoff bob -> cal  handoff cal -> ann
        on_failure = use(q) }
      return x
    }""",
    "visits": """machine main(q: Text) -> Text {
      budget { transitions <= 8 }
      initial state one { visits = 2  step x = Work(q) by bob  on done -> two  on exhausted -> last }
      state two { step y = Work(q) by bob  on done -> one }
      final state last { return q }
    }""",
    "repeat": """flow main(q: Text) -> Text {
      repeat r 2 times { step x = Work(q) by bob  until x.good and not x.good  give q } else { give q }
      return r
    }""",
}
FLOWS["moves"] = FLOWS["visits"].replace("<= 8", "<= 2")


def told(name, runs=6):
    compiled = compile_text(HEAD + FLOWS[name], f"{name}.orch")
    assert compiled.plan is not None, compiled.errors
    Program.COMPILED.clear()  # what is planted where blocks are compiled must not meet an older compilation
    chronicle = Chronicler(compiled.plan, "main", seed=3, runs=runs).chronicle([])
    Program.COMPILED.clear()
    assert len(chronicle.runs) == runs
    return [each.message for each in check_all(chronicle, frozenset({"S8"}))]


@pytest.mark.parametrize("name", FLOWS)
def test_nothing_is_told_where_limits_hold(name):
    assert told(name) == []


def no_rate(patch):
    patch.setattr(pools.Bucket, "lacking", lambda self, now_us: 0)


def no_lock(patch):
    patch.setattr(pools.Pool, "locked", property(lambda self: False, lambda self, value: None), raising=False)


def widened(cls, name, more):
    """Compiled as if the plan said more."""

    def plant(patch):
        init = cls.__init__

        def begun(self, program, statement, index):
            init(self, program, statement, index)
            setattr(self, name, more)

        patch.setattr(cls, "__init__", begun)

    return plant


def endless_visits(patch):
    def entered(self, real=machines.Traversing.go_on):
        counted, self.visits = self.visits, [0] * len(self.visits)
        real(self)
        self.visits = [before + now for before, now in zip(counted, self.visits, strict=True)]

    patch.setattr(machines.Traversing, "go_on", entered)


def any_edge(patch):
    patch.setattr(turns.PeersOp, "permitted", lambda self, here, value, frame: [n for n in self.peers if n != here])


def one_round_more(patch):
    def went_on(self, real=repeats.Repeating.go_on):
        if self.round == self.rounds:
            self._next_round()
        else:
            real(self)

    patch.setattr(repeats.Repeating, "go_on", went_on)


def endless_moves(patch):
    widened(machines.MachineOp, "transitions", 99)(patch)
    patch.setattr(budget.Account, "move", lambda self: None)


PLANTS = [
    ("rate", no_rate, "slow is granted more often"),
    ("tool", no_rate, "web is called"),
    ("gate", no_rate, "is granted more often"),
    ("rounds", widened(delegation.SuperviseOp, "rounds", 9), "asked its lead"),
    ("hops", widened(turns.PeersOp, "hops", 9), "was handed on"),
    ("edges", any_edge, "there is no such edge"),
    ("visits", endless_visits, "visited one"),
    ("moves", endless_moves, "went on"),
    ("repeat", one_round_more, "ran 3 rounds of 2"),
    ("section", no_lock, "desk is held whole"),
]


@pytest.mark.parametrize(("name", "plant", "said"), PLANTS, ids=[f"{name}-{said}" for name, _, said in PLANTS])
def test_a_limit_that_is_planted_away_is_told(name, plant, said, monkeypatch):
    plant(monkeypatch)
    assert any(said in message for message in told(name))


def test_what_was_reserved_before_an_overrun_and_is_asked_for_again_after_a_crash_is_no_new_reservation():
    spec = """orch 1
contract Work(q: Text) -> Text
agent ann fulfills Work { timeout = 1min  budget { cost <= $0.10 } }
agent bob fulfills Work { slots = 1  timeout = 1min  budget { cost <= $0.10 } }
flow main(q: Text) -> Text {
  budget { cost <= $0.40 }
  step dear = Work(q) by ann
  step cheap = Work(t) by bob for t in [q, "b"]
  return dear + cheap[0]
}
profile ann { latency = fixed(2s)  cost = $0.05 }
profile bob { latency = fixed(9s)  cost = $0.05 }
"""
    plan = compile_text(spec, "spec.orch").plan
    assert plan is not None
    overrun = Fault(0, "overrun", "ann", {"factor": 50.0})
    crash = Fault(0, "crash", "orchestrator", {"at": 4_000_000, "down": 1_000_000})
    chronicle = Chronicler(plan, "main", seed=1).chronicle([overrun, crash])
    assert [record.type for record in chronicle.runs["run0"].records].count("EngineRecovered") == 1
    assert [each for told in chronicle.runs.values() for each in budget_checker.of_run(chronicle, told)] == []


def recorded_as_a_store_does(name="tool", runs=6):
    """What a store tells: nobody listened to calls of tools."""
    compiled = compile_text(HEAD + FLOWS[name], f"{name}.orch")
    assert compiled.plan is not None, compiled.errors
    chronicle = Chronicler(compiled.plan, "main", seed=3, runs=runs).chronicle([])
    chronicle.calls = {}
    return [each.message for each in check_all(chronicle, frozenset({"S8"}))]


def test_a_rate_of_a_tool_that_was_broken_shows_in_what_attempts_tell(monkeypatch):
    assert recorded_as_a_store_does() == []
    monkeypatch.setattr(pools.Bucket, "lacking", lambda self, now_us: 0)
    (message,) = recorded_as_a_store_does()
    assert message.startswith("web is called ")
    assert message.endswith("more often than its rate allows")
