"""Faults are said with what the language names: a target, and `at lasting every rate first nth down`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

import orchspec

if TYPE_CHECKING:
    from pathlib import Path

SPEC = """orch 1
contract Draft(topic: Text) -> Text
contract Judge(text: Text) -> Bool
agent ann fulfills Draft { timeout = 20s  attempts = 3 }
human eve fulfills Judge { timeout = 4h }
effect publish(text: Text) -> Url { key = text  timeout = 5s  attempts = 5 }
flow one(topic: Text) -> Url {
  step text = Draft(topic) by ann
  step good = Judge(text) by eve { on_failure = skip }
  step url  = publish(text) { only_if = good ?? true  on_failure = stop }
  return url ?? "https://example.org/none"
}
profile ann { latency = fixed(2s)  cost = $0.01 }
scenario "s" for one { arrivals = every(10s)  runs = 20  fault FAULT  expect completion >= 0% }
"""

FAULTS = (
    "slow(ann, rate: 50%)",
    "slow(publish)",
    "delay(publish, first: 3)",
    "delay(ann, rate: 50%)",
    "lose(ann, first: 1)",
    "lose_ack(ann, nth: 2)",
    "reorder(publish)",
    "capacity(ann, at: 10s, lasting: 30s)",
    "quota(ann, at: 10s)",
    "quota(ann, every: 1min)",
    "partition(publish, every: 1min)",
    "late(eve, rate: 20%)",
    "price(ann, at: 10s)",
    "overrun(ann, rate: 20%)",
    "skew(orchestrator, at: 10s, lasting: 30s)",
    "skew(orchestrator, every: 1min)",
    "jump(orchestrator, at: 10s)",
    "jump(orchestrator, every: 1min, by: 5s)",
    "timer_early(orchestrator, rate: 20%)",
    "timer_late(orchestrator, rate: 20%)",
    "store_busy(orchestrator, at: 10s)",
    "disk_full(orchestrator, at: 10s)",
    "crash_loop(orchestrator, at: 10s)",
    "crash(orchestrator, at: 10s, lasting: 5s)",
)


def _simulated(tmp_path: Path, fault: str) -> dict[str, object]:
    file = tmp_path / "s.orch"
    file.write_text(SPEC.replace("FAULT", fault), "utf-8")
    return orchspec.simulate(orchspec.load(file), "s", runs=20, seed=1)


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_needs_no_more_than_its_target_and_its_time(tmp_path: Path, fault: str) -> None:
    document = _simulated(tmp_path, fault)

    assert document["faults"], fault
    assert document["kpis"]["duplicate_effects"]["value"] == 0.0  # type: ignore[index]


def test_a_lost_answer_of_an_agent_is_tried_again_after_its_timeout(tmp_path: Path) -> None:
    document = _simulated(tmp_path, "lose(ann, first: 1)")

    assert document["kpis"]["retries"]["max"]["value"] == 1  # type: ignore[index]


def test_a_crash_that_lasts_is_down_for_so_long(tmp_path: Path) -> None:
    said, same = (_simulated(tmp_path, f"crash(orchestrator, at: 11s, {word}: 7s)") for word in ("lasting", "down"))

    assert said["kpis"] == same["kpis"]


def test_what_lasts_says_when_it_begins(tmp_path: Path) -> None:
    with pytest.raises(orchspec.SpecError, match="`partition` needs one of `at:`, `every:`, `lasting:`"):
        _simulated(tmp_path, "partition(publish)")
