"""Signals in virtual time: they come once, whatever crashes, and what never comes times out."""

from dataclasses import replace

import pytest

from orchspec.compiler.plan import Fault
from orchspec.simulator.crashes import CRASH_POINTS
from tests.support.studies import gallery, replicate, second

PLAN = gallery("payment")
SCENARIO = replace(PLAN.scenarios[0], duration_us=3 * 3600 * second, warmup=0, faults=[])
OFTEN = Fault(0, "crash", "orchestrator", {"every": 7200 * second, "down": 600 * second})


@pytest.mark.parametrize("point", sorted(CRASH_POINTS))
def test_a_signal_is_taken_once_whatever_crashes_when(point):
    faults = [Fault(0, "crash", "orchestrator", {"point": point, "first": 5, "down": 90 * second}), OFTEN]
    made = replicate(PLAN, SCENARIO, faults)
    disturbed, twin = made.disturbed, made.twin
    assert disturbed.halted == []
    assert sum(effect.duplicates for effect in disturbed.effects) == 0
    assert {run.status for run in disturbed.runs} == {"completed", "failed"}
    assert {run.ordinal for run in disturbed.runs if run.status == "completed"} == {
        run.ordinal for run in twin.runs if run.status == "completed"
    }
    assert any(run.in_flight_at_crash and run.status == "completed" for run in disturbed.runs)


def test_what_is_never_paid_fails_at_its_deadline():
    made = replicate(PLAN, SCENARIO, [])
    failed = [run for run in made.disturbed.runs if run.status == "failed"]
    assert any(run.latency_s >= 3 * 86_400 for run in failed)
    assert all(run.latency_s < 3 * 86_400 + 3_600 for run in failed)


TICKETS = gallery("tickets")


@pytest.mark.parametrize("point", sorted(CRASH_POINTS))
def test_a_machine_survives_crashes_at_every_point(point):
    scenario = replace(TICKETS.scenarios[0], duration_us=2 * 3600 * second, warmup=0, faults=[])
    faults = [Fault(0, "crash", "orchestrator", {"point": point, "first": 9, "down": 20 * second}), OFTEN]
    made = replicate(TICKETS, scenario, faults)
    assert made.disturbed.halted == []
    assert {run.status for run in made.disturbed.runs} == {"completed"}
    assert all(run.resumed_well for run in made.disturbed.runs if run.in_flight_at_crash and run.twin_completed)


TOLD = gallery("subscription")


@pytest.mark.parametrize("point", sorted(CRASH_POINTS))
def test_what_a_machine_is_told_while_it_works_is_told_once_whatever_crashes_when(point):
    scenario = replace(TOLD.scenarios[0], runs=30, faults=[])
    faults = [Fault(0, "crash", "orchestrator", {"point": point, "first": 3, "down": 20 * second})]
    made = replicate(TOLD, scenario, faults)
    assert made.disturbed.halted == []
    assert sum(effect.duplicates for effect in made.disturbed.effects) == 0
    ends = {run.ordinal: run.status for run in made.twin.runs}
    assert {run.ordinal: run.status for run in made.disturbed.runs} == ends
