"""Specs whose truth is known, written down for one parameter or another, and what a study of them measures."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from orchspec.compiler import compile_file, compile_text
from orchspec.compiler.plan import Fault, Plan, Scenario
from orchspec.simulator.replicate import Stage, Twinned
from orchspec.simulator.study import Study, find_scenario, simulate, stage_of
from orchspec.simulator.twin import Twin, twin_of

__all__ = ["SPECS", "gallery", "plan_of", "queue_spec", "replicate", "revised", "second", "study", "twin"]

SPECS = Path(__file__).resolve().parents[2] / "specs"

second = 1_000_000
"""In microseconds."""


def plan_of(text: str, name: str = "spec.orch") -> Plan:
    """The plan of a spec, which must have no errors."""
    compiled = compile_text(text, name)
    assert compiled.plan is not None, [each.as_json() for each in compiled.errors]
    return compiled.plan


def revised(text: str, *changes: tuple[str, str]) -> Plan:
    """The plan of a spec with some of its text replaced, each (old, new) wherever it stands, and it must stand."""
    for old, new in changes:
        assert old in text, old
        text = text.replace(old, new)
    return plan_of(text, "main.orch")


def gallery(name: str) -> Plan:
    """The plan of a spec of the gallery."""
    compiled = compile_file(SPECS / f"{name}.orch")
    assert compiled.plan is not None, [each.as_json() for each in compiled.errors]
    return compiled.plan


def study(text: str, scenario: str | None = None, **options: object) -> Study:
    """A study of a spec, from one process unless said."""
    return simulate(plan_of(text), scenario, **options)  # type: ignore[arg-type]


def twin(text: str, scenario: str | None = None) -> Twin:
    """What theory says of a load of a spec."""
    plan = plan_of(text)
    chosen = find_scenario(plan, scenario)
    found = twin_of(plan, chosen, stage_of(plan, chosen, 1, SPECS, runs=None))
    assert found is not None
    return found


def queue_spec(
    slots: int,
    arrivals: str,
    latency: str,
    *,
    duration: str = "4h",
    warmup: str = "20min",
    more: str = "",
    agent: str = "",
) -> str:
    """One agent with so many slots, one task for each run."""
    return f"""
orch 1
contract Answer(question: Text) -> Text
agent clerk fulfills Answer {{ slots = {slots} {agent} }}
flow desk(question: Text) -> Text {{
  step answer = Answer(question) by clerk
  return answer
}}
profile clerk {{ latency = {latency} }}
scenario "load" for desk {{
  arrivals = {arrivals}
  duration = {duration}  warmup = {warmup}
  {more}
}}
"""


def replicate(plan: Plan, scenario: Scenario, faults: list[Fault], *, seed: int = 3, index: int = 0) -> Twinned:
    """One replication of a scenario under other faults than its own."""
    return Stage(plan, replace(scenario, faults=faults), seed, SPECS, 10).replicate(index)
