"""What broke is tried first the next time: Hypothesis' database with `schedules`, and what the plugin remembers."""

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.database import DirectoryBasedExampleDatabase

from orchspec import testing
from orchspec.compiler import compile_text
from orchspec.runtime.kernel import tasks
from orchspec.simulator.chaos.explore import Explorer

SPEC = """orch 1
contract Write(topic: Text) -> Text
agent ann fulfills Write { timeout = 10s }
flow told(topic: Text) -> Text { step text = Write(topic) by ann  return text }
profile ann { latency = fixed(2s) }
"""


@pytest.fixture
def plan():
    compiled = compile_text(SPEC, "told.orch")
    assert compiled.plan is not None, compiled.errors
    return compiled.plan


def tried(plan, database, *phases):
    """How many schedules a property saw, and whether it failed; its examples are in that database."""
    seen = []

    @settings(
        database=database,
        derandomize=False,
        phases=phases,
        max_examples=300,
        print_blob=False,
        suppress_health_check=list(HealthCheck),
    )
    @given(testing.schedules(plan, seed=1, runs=1))
    def told(schedule):
        seen.append(schedule)
        testing.check(plan, schedule)

    try:
        told()
    except testing.Broken:
        return len(seen), True
    return len(seen), False


def test_what_hypothesis_found_in_one_build_is_what_it_tries_first_in_the_next(plan, tmp_path, monkeypatch):
    monkeypatch.setattr(tasks.Task, "reissue", lambda self: None)
    kept = DirectoryBasedExampleDatabase(tmp_path)
    _, failed = tried(plan, kept, Phase.reuse, Phase.generate)
    assert failed
    assert tried(plan, DirectoryBasedExampleDatabase(tmp_path), Phase.reuse)[1]
    assert tried(plan, DirectoryBasedExampleDatabase(tmp_path / "none"), Phase.reuse) == (0, False)


def test_schedules_draw_seeds_of_their_own_and_swarms_of_faults(plan):
    seen = []

    @settings(max_examples=150, database=None)
    @given(testing.schedules(plan))
    def told(schedule):
        seen.append(schedule)

    told()
    assert len({schedule.seed for schedule in seen}) > 10
    names = [{fault.name for fault in schedule.faults} for schedule in seen]
    assert set() in names
    assert len(set().union(*names)) > 15
    assert max(len(schedule.faults) for schedule in seen) <= 6


def test_a_remembered_schedule_is_tried_before_all_others(plan, monkeypatch):
    monkeypatch.setattr(tasks.Task, "reissue", lambda self: None)
    first = Explorer(plan, "told").explore(crashes=True).found[0]
    again = Explorer(plan, "told").explore(examples=50, first=[first.faults])
    assert [(phase.name, phase.held) for phase in again.phases][:2] == [("undisturbed", True), ("remembered", False)]
    assert again.found[0].after == 2
