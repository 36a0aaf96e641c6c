"""Faults of scenarios and tests: what they are lowered to, and each mistake once."""

import pytest

from orchspec.compiler.studies.faults import CRASH_POINTS, FAULTS
from tests.compiler.studies.spec import SECOND, found, plan_of, scenario, spec_test


def test_faults_are_lowered_with_times_shares_and_counts():
    made = plan_of(
        scenario(
            """runs = 3
  fault crash(orchestrator, every: 20min, down: 30s)
  fault crash(orchestrator, nth: 2, point: after_effect)
  fault garbage(ann, rate: 5%)
  fault slow(search, factor: 4, at: 1min, lasting: 10s)
  fault slow(ann, by: 2s)
  fault throttle(search, at: 30min, lasting: 5min, retry_after: 1s)
  fault fail(publish, first: 1)"""
        )
    ).scenarios[0]
    assert [(fault.name, fault.target, fault.args) for fault in made.faults] == [
        ("crash", "orchestrator", {"every": 1200 * SECOND, "down": 30 * SECOND}),
        ("crash", "orchestrator", {"nth": 2, "point": "after_effect"}),
        ("garbage", "ann", {"rate": 0.05}),
        ("slow", "search", {"factor": 4.0, "at": 60 * SECOND, "lasting": 10 * SECOND}),
        ("slow", "ann", {"by": 2 * SECOND}),
        ("throttle", "search", {"at": 1800 * SECOND, "lasting": 300 * SECOND, "retry_after": SECOND}),
        ("fail", "publish", {"first": 1}),
    ]


@pytest.mark.parametrize(
    ("fault", "lasting"),
    [
        ("outage(ann, every: 100s)", 10 * SECOND),
        ("fail(ann, at: 5s, every: 100s, rate: 20%)", 10 * SECOND),
        ("skew(orchestrator, every: 100s)", 10 * SECOND),
        ("slow(ann, every: 100s, lasting: 40s)", 40 * SECOND),
        ("quota(ann, every: 100s, limit: 3)", None),
        ("stale_lease(orchestrator, every: 100s)", None),
        ("outage(ann, at: 100s)", None),
    ],
)
def test_what_comes_every_so_often_and_holds_for_a_while_is_over_before_it_comes_again(fault, lasting):
    (made,) = plan_of(scenario(f"runs = 3  fault {fault}")).scenarios[0].faults
    assert made.args.get("lasting") == lasting


@pytest.mark.parametrize(
    ("fault", "code", "at"),
    [
        ("fale(ann)", "E0911", "fale"),
        ("fail", "E0913", "fail"),
        ("fail()", "E0308", "fail()"),
        ("fail(anne)", "E0201", "anne"),
        ("fail(work)", "E0203", "work"),
        ("fail(3)", "E0912", "3"),
        ("crash(ann, at: 1s)", "E0912", "ann"),
        ("garbage(search)", "E0912", "search"),
        ("throttle(eve)", "E0912", "eve"),
        ("crash(orchestrator)", "E0913", "crash(orchestrator)"),
        ("slow(ann, factor: 0)", "E0913", "0"),
        ("fail(ann, rate: 5)", "E0301", "5"),
        ("fail(ann, rate: 120%)", "E0913", "120%"),
        ("fail(ann, first: 0)", "E0913", "0"),
        ("fail(ann, frist: 1)", "E0309", "frist"),
        ("fail(ann, first: 1, nth: 2)", "E0913", "fail(ann, first: 1, nth: 2)"),
        ("fail(ann, lasting: 1s)", "E0913", "fail(ann, lasting: 1s)"),
        ("fail(ann, every: 1s, lasting: 2s)", "E0913", "fail(ann, every: 1s, lasting: 2s)"),
        ("crash(orchestrator, every: 10s, down: 10s)", "E0913", "crash(orchestrator, every: 10s, down: 10s)"),
        ("crash(orchestrator, at: 1s, point: after_efect)", "E0913", "after_efect"),
        ("fail(ann, 3)", "E0311", "fail(ann, 3)"),
        ("upgrade(orchestrator)", "E0913", "upgrade(orchestrator)"),
        ("upgrade(ann, at: 1s)", "E0912", "ann"),
    ],
)
def test_a_mistake_in_a_fault_is_told_once(fault, code, at):
    assert found(spec_test(f"fault {fault}  expect status == completed")) == [(code, at)]


def test_the_simulator_carries_out_every_fault():
    faults = pytest.importorskip("orchspec.simulator.faults")
    assert tuple(faults.CRASH_POINTS) == CRASH_POINTS
    assert FAULTS.keys() == faults.BUILT
