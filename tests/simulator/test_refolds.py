"""Journals that are folded on after a crash come to what they come to when they are folded whole."""

from __future__ import annotations

import pytest

from orchspec.compiler.plan import Fault
from orchspec.simulator import refolds
from orchspec.simulator.refolds import Refolds
from tests.support.studies import plan_of, replicate, second

HOUR = 3600 * second
PATIENT = plan_of("""
orch 1
contract Take(order: Text) -> Bool
agent bot fulfills Take { slots = 2  timeout = 10min  attempts = 3  backoff = fixed(1min) }
human boss fulfills Take { slots = 1  timeout = 2d }
effect ship(order: Text) -> Text { key = order  timeout = 1min }
signal paid(order: Text) -> Text
flow buy(order: Text) -> Text {
  step known = Take(order) by bot
  step asked = Take(order) by boss { on_failure = use(false) }
  step money = paid(order) { timeout = 3d  on_failure = use("late") }
  step sent = ship(order) { after = [known, asked, money] }
  return sent
}
profile bot { latency = exponential(mean: 5min)  failure = 20% }
profile boss { latency = exponential(mean: 2h) }
profile paid { latency = exponential(mean: 12h)  never = 5% }
profile ship { latency = exponential(mean: 10s) }
profile orchestrator { journal_write = fixed(3s) }
scenario "patience" for buy { arrivals = poisson(1 / 1h)  duration = 2d }
""")
CRASHES = {
    "dated": {"every": HOUR, "down": second},
    "before a commit": {"first": 40, "point": "before_commit", "down": second},
    "while recovering": {"first": 20, "point": "recovery", "down": second},
}


def disturbed(*kinds):
    faults = [Fault(0, "crash", "orchestrator", CRASHES[kind]) for kind in kinds]
    return replicate(PATIENT, PATIENT.scenarios[0], faults).disturbed


@pytest.mark.parametrize("kinds", [["dated"], ["dated", "before a commit"], ["dated", "while recovering"]])
def test_folding_on_comes_to_what_folding_whole_comes_to(monkeypatch, kinds):
    on = disturbed(*kinds)
    begin = Refolds.__init__

    def thorough(self, plan):
        begin(self, plan)
        self.thorough = True

    monkeypatch.setattr(Refolds, "__init__", thorough)
    whole = disturbed(*kinds)
    assert (on.runs, on.effects, on.faults) == (whole.runs, whole.effects, whole.faults)
    assert sum(run.in_flight_at_crash for run in on.runs) > 20


def test_a_journal_is_not_folded_whole_at_every_crash(monkeypatch):
    folded = []
    whole = refolds.folding_of
    monkeypatch.setattr(
        refolds, "folding_of", lambda plan, run, records: folded.append(run) or whole(plan, run, records)
    )
    runs = disturbed("dated").runs
    # A run takes sixteen hours, so it meets sixteen crashes.
    assert len(folded) < 3 * len(runs)
