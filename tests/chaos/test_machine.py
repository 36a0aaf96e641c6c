"""Any legal interleaving of what happens outside: kernel and dispatcher are driven by choices, and everything holds."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from orchspec import testing
from orchspec.compiler.load import compile_file
from orchspec.runtime.kernel import deeds, kernel, tasks
from orchspec.simulator.chaos.coverage import Coverage
from orchspec.simulator.chaos.interleaving import Interleaving
from orchspec.simulator.checkers import check_all

SPECS = Path(__file__).resolve().parents[2] / "specs"
FEW = settings(max_examples=10, stateful_step_count=30, database=None, suppress_health_check=list(HealthCheck))
MORE = settings(FEW, max_examples=150, stateful_step_count=50)

FOUND = settings(MORE, phases=[Phase.generate], print_blob=False)


def plan_of(name):
    plan = compile_file(SPECS / f"{name}.orch").plan
    assert plan is not None
    return plan


def driven(name, how=FEW, seen=None):
    plan = plan_of(name)
    for flow in plan.flows:
        made = testing.machine(plan, flow)

        class Watched(made):
            def teardown(self):
                super().teardown()
                if seen is not None and self.driver is not None:
                    seen.add(self.driver.chronicle)

        run_state_machine_as_test(Watched, settings=how)


@pytest.mark.parametrize("name", ["refund", "briefing", "desk", "refunding", "transfer"])
def test_whatever_happens_in_whatever_order_everything_holds(name):
    driven(name)


@pytest.mark.chaos
@pytest.mark.parametrize("name", sorted(path.stem for path in SPECS.glob("*.orch")))
def test_every_plan_of_the_gallery_holds_under_any_interleaving(name):
    driven(name, MORE)


def test_choices_reach_what_no_usual_order_does():
    seen = Coverage()
    driven("refund", settings(FEW, max_examples=60), seen)
    wanted = {
        ("effect", "sent", "EffectUnknown"),
        ("effect", "sent", "TimerFired"),
        ("effect", "in doubt", "TimerFired"),
        ("task", "running", "TaskFailed"),
        ("task", "running", "TimerFired"),
    }
    assert wanted <= seen.rows.keys(), wanted - seen.rows.keys()


PLANTED = {
    "its key is another one each time": (deeds, "target_key", lambda key, generation: f"{id(object()):064x}"),
    "nothing is undone": (kernel.Kernel, "unwind", lambda self, frame: frame.unwound()),
    "nothing is issued again": (tasks.Task, "reissue", lambda self: None),
}


@pytest.mark.parametrize("bug", PLANTED, ids=lambda bug: bug.replace(" ", "_"))
def test_a_planted_bug_is_found(bug, monkeypatch):
    monkeypatch.setattr(*PLANTED[bug])
    with pytest.raises(testing.Broken):
        driven("parallel" if "issued" in bug else "refund", FOUND)


def test_a_calm_run_ends_as_it_should_and_leaves_nothing():
    driver = Interleaving(plan_of("refund"), "purchase", folder=SPECS)
    driver.begin()
    chronicle = driver.finish()
    assert [told.status for told in chronicle.runs.values()] == ["completed"]
    assert check_all(chronicle) == []


def test_a_crash_with_a_commit_under_way_loses_it_or_keeps_it():
    for durable in (False, True):
        driver = Interleaving(plan_of("refund"), "purchase", folder=SPECS)
        driver.begin()
        driver.handle()
        driver.crash(durable=durable)
        assert bool(driver.chronicle.order) is durable
        chronicle = driver.finish()
        assert [told.status for told in chronicle.runs.values()] == ["completed"]
        assert check_all(chronicle) == []
