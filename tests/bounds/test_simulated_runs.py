"""No simulated run of any spec of the gallery leaves its bounds, whatever faults strike."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from orchspec.compiler import compile_file
from orchspec.compiler.bounds import bounds_of
from orchspec.compiler.plan import Fault, Plan, Scenario
from orchspec.compiler.studies.faults import CRASH_POINTS
from orchspec.simulator.replicate import Stage
from tests.support.measuring import leaves, measuring
from tests.support.studies import SPECS, second

PLANS = {
    path.stem: compiled.plan
    for path in sorted(SPECS.glob("*.orch"))
    if (compiled := compile_file(path)).plan is not None
}
BOUNDS = {name: bounds_of(plan) for name, plan in PLANS.items()}
FLOWS = [(name, flow) for name, plan in PLANS.items() for flow in plan.flows]


def faults(rng: random.Random, plan: Plan) -> list[Fault]:
    """A handful of faults, of every kind that the simulator has."""
    found = []
    agents, people = [], []
    for agent in plan.agents.values():
        (people if agent.kind == "human" else agents).append(agent.name)
    kinds = [
        ("fail", [*agents, *people, *plan.tools, *plan.effects]),
        ("garbage", [*agents, *people]),
        ("slow", [*agents, *people, *plan.tools, *plan.effects]),
        ("throttle", [*agents, *plan.tools, *plan.effects]),
        ("crash", ["orchestrator"]),
    ]
    for _ in range(rng.randint(0, 5)):
        name, targets = rng.choice(kinds)
        if not targets:
            continue
        args: dict[str, object] = {}
        if name == "crash":
            args["down"] = rng.choice([1, 30, 400]) * second
            if rng.random() < 0.5:
                args |= {"point": rng.choice(CRASH_POINTS), "nth": rng.randint(1, 9)}
            else:
                args["at"] = rng.randint(0, 600) * second
        else:
            args |= rng.choice(
                [
                    {},
                    {"rate": rng.random()},
                    {"first": rng.randint(1, 9)},
                    {"at": 0, "lasting": rng.randint(1, 300) * second},
                ]
            )
        if name == "slow":
            args |= rng.choice([{"factor": 1 + 9 * rng.random()}, {"by": rng.randint(1, 900) * second}])
        if name == "throttle":
            args["retry_after"] = rng.choice([0, 5, 90]) * second
        found.append(Fault(0, name, rng.choice(targets), args))
    return found


def crowd_of(name: str, flow: str, runs: int) -> list[object]:
    """How a crowd comes.

    Where runs wait for people or dates for days, a load goes on for days until the first of them have ended, and is of
    a hundred thousand: there as many as meet each other ask again and again.
    """
    if BOUNDS[name][flow]["latency_s"].worst > 4 * 3600 * second:
        return ["closed", runs, ["exponential", 6 * second]]
    return ["poisson", runs / 60]


def simulated(name: str, flow: str, seed: int, runs: int) -> None:
    """Some runs of a flow, alone or in a crowd, under faults drawn from a seed; all are held to the bounds."""
    rng = random.Random(f"{name}/{flow}/{seed}")
    plan = PLANS[name]
    given = next((scenario.given for scenario in plan.scenarios if scenario.flow == flow), {})
    crowd = rng.random() < 0.5
    scenario = Scenario(
        0, "drawn", flow, given=given, faults=faults(rng, plan),
        arrivals=crowd_of(name, flow, runs) if crowd else None, duration_us=60 * second if crowd else None,
    )  # fmt: skip
    with measuring() as ended:
        Stage(plan, scenario, seed, SPECS, runs).replicate(0)
        if not ended:  # so many came that nobody got to the end: the same faults strike runs that are alone
            alone = replace(scenario, arrivals=None, duration_us=None)
            Stage(plan, alone, seed, SPECS, runs).replicate(0)
    assert ended
    for measured in ended:
        told = leaves(plan, measured)
        assert not told, (told, [replace(fault, node=0) for fault in scenario.faults], measured.kernel.outcome)


@pytest.mark.parametrize(("name", "flow"), FLOWS, ids=lambda part: part)
@pytest.mark.parametrize("seed", range(2))
def test_no_simulated_run_leaves_its_bounds(name, flow, seed):
    simulated(name, flow, seed, 4)


@pytest.mark.parametrize(
    ("name", "flow", "seed"),
    [
        ("ledger", "book", 18),  # one waits for 70 s for a critical section, and is given up after its attempt of 20
        ("library", "selling.saga", 108),  # an undo is in doubt for ten minutes, sent again and again
        ("support", "support", 23),  # a mind outgrows its context, and is summarized before its task
        (
            "support",
            "support",
            117,
        ),  # a mind outgrows its context in another run, and is folded three times in this one
        ("swarm", "gallery", 5),  # a target asks for more time than a backoff gives
        ("one_or_many", "together", 90),  # ten times as many come as can be served
    ],
)
def test_runs_that_once_seemed_to_leave_their_bounds_are_within(name, flow, seed):
    simulated(name, flow, seed, 10)


@pytest.mark.chaos
@pytest.mark.parametrize(("name", "flow"), FLOWS, ids=lambda part: part)
def test_no_simulated_run_leaves_its_bounds_for_long(name, flow):
    for seed in range(3, 150):
        simulated(name, flow, seed, 10)
