"""What the gallery says of topologies beside each other is what simulating them gives."""

from functools import cache
from pathlib import Path

import pytest

from orchspec.compiler.load import compile_file
from orchspec.simulator.study import simulate

SPECS = Path(__file__).resolve().parents[2] / "specs"
RUNS = 200


@cache
def measured(name, scenario, **settings):
    plan = compile_file(SPECS / f"{name}.orch", {key: str(value) for key, value in settings.items()}).plan
    return simulate(plan, scenario, runs=RUNS, seed=5).document


def p50(document):
    return document["kpis"]["latency"]["p50"]["value"]


def mean(document, kpi):
    return document["kpis"][kpi]["mean"]["value"]


def test_a_chain_grows_with_its_length_and_a_fan_out_hardly():
    chain = p50(measured("scaling", "a chain", n=8)) / p50(measured("scaling", "a chain", n=2))
    fan_out = p50(measured("scaling", "a fan-out", n=8)) / p50(measured("scaling", "a fan-out", n=2))
    assert chain > 2.5
    assert fan_out < 1.8


def test_a_manager_who_reads_every_part_is_slower_than_a_fan_out():
    assert p50(measured("scaling", "a manager", n=8)) > 1.5 * p50(measured("scaling", "a fan-out", n=8))


def test_the_work_of_peers_grows_with_the_square_and_is_the_most():
    tokens = {n: mean(measured("scaling", "a network", n=n), "tokens") for n in (2, 4, 8)}
    assert tokens[8] / tokens[4] > 2.5
    assert tokens[8] > 3 * mean(measured("scaling", "a manager", n=8), "tokens")


@pytest.mark.slow
def test_a_manager_keeps_waiting_whom_a_dispatcher_does_not():
    manager = measured("hubs", "a manager")
    dispatcher = measured("hubs", "a dispatcher")
    assert manager["resources"]["manager"]["wait_s"]["value"] > 10
    assert not dispatcher["resources"]["front"]["wait_s"]["value"]
    assert p50(manager) > 2 * p50(dispatcher)
    assert mean(measured("hubs", "a router"), "cost") < mean(dispatcher, "cost")
    assert mean(dispatcher, "cost") < mean(measured("hubs", "a market"), "cost")
    assert mean(dispatcher, "cost") < mean(measured("hubs", "a hierarchy"), "cost")


def test_splitting_buys_time_and_costs_tokens():
    alone, in_turn, together = (measured("one_or_many", name) for name in ("alone", "in turn", "together"))
    assert p50(together) < 0.7 * p50(alone)
    assert p50(in_turn) > p50(alone)
    assert mean(together, "tokens") > 2 * mean(alone, "tokens")
    assert mean(together, "cost") > mean(alone, "cost")


def test_a_journal_saves_far_more_work_than_it_costs():
    def work_s(document):
        return document["resources"]["writer"]["busy"]["value"] / document["kpis"]["throughput"]["value"]

    short = {"scenario.duration": "1h"}
    kept, over = (measured("durability", "crashes", parts=parts, **short) for parts in (8, 1))
    journal_s = kept["kpis"]["overhead"]["value"] * mean(kept, "latency")
    assert work_s(over) - work_s(kept) > 1_000 * journal_s
    assert 480 < work_s(kept) < 530
    assert work_s(over) > 600
    assert mean(kept, "latency") < 0.85 * mean(over, "latency")
