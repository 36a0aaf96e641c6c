"""Runs that do not end since a fault has no end: they are given up in time, and the study says so."""

from __future__ import annotations

from typing import Any

import pytest

from orchspec.compiler.plan import Fault
from orchspec.simulator.study import Study, stage_of
from orchspec.simulator.unending import without_end
from tests.support.studies import SPECS, plan_of, study

second = 1_000_000
HOUR = 3600.0

SPEC = """orch 1
contract Answer(question: Text) -> Text
contract Approve(answer: Text) -> Text
agent clerk fulfills Answer { slots = 20  timeout = 30s  attempts = 3 }
human boss fulfills Approve { slots = 99 }
effect mail(text: Text) { key = text  timeout = 10s }
flow desk(question: Text) -> Text {
  step a = Answer(question) by clerk
  MIDDLE
  step sent = mail(text: a)
  return a
}
profile clerk { latency = exponential(mean: 10s) }
profile boss { latency = fixed(2h) }
profile mail { latency = fixed(1s) }
scenario "s" for desk { LOAD
  FAULT
  expect completion >= 50%
}
"""


def simulated(fault: str, load: str, **how: Any) -> Study:
    text = SPEC.replace("FAULT", fault).replace("LOAD", load).replace("MIDDLE", "")
    return study(text, seed=1, **how)


def lived(found: Study) -> list[float]:
    return [each.lived_s for each in found.replications]


@pytest.mark.parametrize(
    ("name", "args", "holds"),
    [
        ("hang", {}, True),
        ("partition", {"at": 5, "lasting": 10**9}, True),
        ("partition", {"at": 5, "lasting": 100}, False),
        ("hang", {"at": 100}, False),
        ("hang", {"rate": 0.9}, False),
        ("hang", {"first": 3}, False),
        ("outage", {"every": 50, "lasting": 40}, False),
        ("crash", {"every": 50}, False),
    ],
)
def test_a_fault_has_no_end_where_it_strikes_each_time_for_longer_than_anybody_waits(name, args, holds):
    assert bool(without_end([Fault(0, name, "mail", args)], 50, 10_000)) is holds


def test_a_load_under_a_fault_without_an_end_is_given_up_in_its_window_and_undecided():
    found = simulated("fault hang(mail)", "arrivals = poisson(1 / 1min)  duration = 8h")
    assert max(lived(found)) <= HOUR
    (verdict,) = found.document["expectations"]
    assert verdict["verdict"] == "undecided"
    assert "runs under way do not end under hang(mail), which has no end; it was given up after" in verdict["reason"]
    assert "of 8 h" in verdict["reason"]
    assert any("not simulated to its end in 10 of 10" in note for note in found.document["notes"])
    assert len(found.replications) == 10, "more of them would tell no more"


def test_after_the_window_nobody_waits_any_longer_and_what_was_measured_decides():
    found = simulated("fault hang(mail)", "arrivals = poisson(1 / 1min)  duration = 10min")
    assert max(lived(found)) <= HOUR
    assert [each["verdict"] for each in found.document["expectations"]] == ["failed"]
    assert any("nobody waited any longer in 10 of 10" in note for note in found.document["notes"])
    assert found.document["kpis"]["completion"]["value"] == 0.0


def test_what_a_fault_with_an_end_holds_up_is_waited_for():
    found = simulated("fault hang(mail, at: 0s, lasting: 90min)", "arrivals = every(3min)  duration = 10min", runs=1)
    assert found.document["kpis"]["completion"]["value"] == 1.0
    assert min(lived(found)) > 1.5 * HOUR
    assert not any("nobody waited" in note for note in found.document["notes"])


def test_who_may_still_answer_is_waited_for_whatever_else_has_no_end():
    text = SPEC.replace("FAULT", "fault hang(mail)").replace("MIDDLE", "step b = Approve(a) by boss")
    plan = plan_of(text.replace("LOAD", "arrivals = every(30min)  duration = 1h"))
    one = stage_of(plan, plan.scenarios[0], 1, SPECS, runs=1).replicate(0).disturbed
    assert one.lived_s > 2 * HOUR
    assert "hang(mail)" in one.unending


@pytest.mark.parametrize("fault", ["never(boss)", "slow(clerk, factor: 2)"])
def test_what_a_deadline_will_end_is_waited_for(fault):
    middle = "step b = Approve(a) by boss { timeout = 70min  on_failure = skip }"
    text = SPEC.replace("FAULT", f"fault {fault}").replace("MIDDLE", middle)
    plan = plan_of(text.replace("LOAD", "arrivals = every(5min)  duration = 30min"))
    one = stage_of(plan, plan.scenarios[0], 1, SPECS, runs=1).replicate(0).disturbed
    assert {run.status for run in one.runs} == {"completed"}
    assert (one.unending, one.given_up) == ("", "")


def test_a_run_that_is_alone_is_given_up_too():
    found = simulated("fault hang(mail)", "runs = 3")
    assert found.measures.replications[0].window_s[1] < 3 * HOUR
    assert any("1 run under way does not end under hang(mail)" in note for note in found.document["notes"])
    assert [each["verdict"] for each in found.document["expectations"]] == ["failed"]


def test_too_many_runs_under_way_are_given_up_where_a_fault_has_no_end(monkeypatch):
    monkeypatch.setattr("orchspec.simulator.replicate.MOST_UNDER_WAY", 100)
    found = simulated("fault slow(clerk, factor: 2)", "arrivals = poisson(10 / 1s)  duration = 1h")
    (verdict,) = found.document["expectations"]
    assert verdict["verdict"] == "undecided"
    assert "more than 100 runs were under way at once" in verdict["reason"]
    assert max(lived(found)) < 600.0


def test_where_no_fault_keeps_them_as_many_runs_are_under_way_as_there_are(monkeypatch):
    monkeypatch.setattr("orchspec.simulator.replicate.MOST_UNDER_WAY", 100)
    text = SPEC.replace("MIDDLE", "step b = Approve(a) by boss { timeout = 1d }").replace("FAULT", "")
    plan = plan_of(text.replace("LOAD", "arrivals = every(1min)  duration = 110min"))
    one = stage_of(plan, plan.scenarios[0], 1, SPECS, runs=1).replicate(0).disturbed
    assert min(run.ended_s for run in one.runs) > 7200.0 > one.runs[101].arrived_s
    assert (one.unending, one.given_up) == ("", "")


def test_records_that_are_too_long_for_a_picture_are_not_kept_meanwhile(monkeypatch):
    monkeypatch.setattr("orchspec.simulator.unending._LONG", 10)
    from orchspec.simulator.unending import Patience

    kept: list[int] = []
    look = Patience.look

    def counted(self: Patience, ended: int) -> str:
        told = look(self, ended)
        kept.append(max(map(len, self._clock.journal.records.values()), default=0))
        return told

    monkeypatch.setattr(Patience, "look", counted)
    simulated("fault hang(mail)", "arrivals = every(2min)  duration = 8h", runs=1)
    assert max(kept) <= 10
