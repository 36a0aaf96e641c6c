"""The search for a capacity, over studies that are told rather than simulated."""

from types import SimpleNamespace

import pytest

from orchspec.simulator.estimate import Estimate
from orchspec.simulator.sizing import FRESH, Axis, Sizing, terms_of

TARGET = ["le", ["kpi", "latency", "p95", None], ["const", 60.0]]


def known(value):
    return Estimate(value, value - 1.0, value + 1.0, 10, "told")


def study(outcome, seconds, cost=0.0, *, interrupted=False):
    """What a simulation would have left."""
    measures = SimpleNamespace(
        estimate=lambda name, statistic=None, target=None: known({"cost": cost, "utilization": 0.9}.get(name, seconds)),
        resources=lambda: [SimpleNamespace(name="editor")],
        runs=100,
    )
    document = {
        "scenario": "a day",
        "flow": "desk",
        "faults": [],
        "expectations": [{"text": "p95(latency) <= 60s", "verdict": outcome, "reason": "told"}],
    }
    scenario = SimpleNamespace(expects=[SimpleNamespace(expr=TARGET, text="p95(latency) <= 60s")])
    return SimpleNamespace(
        document=document, measures=measures, scenario=scenario, replications=[0] * 10, interrupted=interrupted
    )


def sized(simulate, values=("1", "2", "3", "4", "5"), **how):
    sizing = Sizing([Axis.of("scout.slots", values)], simulate, **how)
    sizing.search()
    return sizing


def test_the_least_is_found_and_proved_on_another_seed():
    seeds = []

    def simulate(settings, seed):
        seeds.append(seed)
        enough = int(settings["scout.slots"]) >= 3
        return study("passed" if enough else "failed", 50 if enough else 90)

    document = sized(simulate, seed=7).document()
    assert document["verdict"] == "met"
    assert document["answer"]["settings"] == {"scout.slots": "3"}
    assert document["answer"]["proved"]
    assert set(seeds) == {7, 7 + FRESH}
    assert [each["settings"]["scout.slots"] for each in document["tried"]] == ["2", "3", "5"]
    assert document["tried"][0]["measured"]["p95(latency)"]["ci95"] == [89, 91]
    assert document["monotone"]


def test_an_answer_of_chance_is_given_up_for_the_next():
    def simulate(settings, seed):
        slots = int(settings["scout.slots"])
        lucky = slots == 3 and seed == 1
        return study("passed" if slots >= 4 or lucky else "failed", 50)

    document = sized(simulate).document()
    assert document["answer"]["settings"] == {"scout.slots": "4"}
    assert [each["verdict"] for each in document["proofs"]] == ["failed", "passed"]
    assert any("not on fresh seeds" in note for note in document["notes"])


def test_what_never_holds_on_fresh_seeds_is_undecided():
    document = sized(lambda _, seed: study("passed" if seed == 1 else "undecided", 60)).document()
    assert document["verdict"] == "undecided"
    assert not document["answer"]["proved"]


@pytest.mark.parametrize(("outcome", "verdict"), [("failed", "not_met"), ("undecided", "undecided")])
def test_no_setting_meets_it_or_it_stays_open(outcome, verdict):
    document = sized(lambda *_: study(outcome, 90)).document()
    assert (document["verdict"], document["answer"]) == (verdict, None)
    assert any("the busiest is editor, 90 % of its slots" in note for note in document["notes"])


def test_more_that_is_not_better_is_warned_of():
    outcomes = {"1": "passed", "2": "passed", "3": "failed", "4": "failed", "5": "failed"}
    document = sized(lambda settings, _: study(outcomes[settings["scout.slots"]], 50)).document()
    assert document["answer"]["settings"] == {"scout.slots": "1"}
    assert not document["monotone"]
    assert any("more is not always better" in note for note in document["notes"])


def test_the_cheapest_is_looked_for_among_all():
    costs = {"1": 3.0, "2": 1.0, "3": 2.0}

    def simulate(settings, _):
        value = settings["scout.slots"]
        return study("failed" if value == "2" else "passed", 50, costs[value])

    document = sized(simulate, values=("1", "2", "3"), minimize="cost").document()
    assert document["answer"]["settings"] == {"scout.slots": "3"}
    assert document["answer"]["cost"]["value"] == 2


@pytest.mark.parametrize("raised", [True, False])
def test_an_interrupt_keeps_what_was_tried(raised):
    asked = []

    def simulate(settings, _):
        asked.append(settings)
        if len(asked) < 3:
            return study("passed", 50)
        if raised:
            raise KeyboardInterrupt
        return study("passed", 50, interrupted=True)

    document = sized(simulate).document()
    assert document["interrupted"]
    assert document["verdict"] == "undecided"
    assert len(document["tried"]) == 2


def test_values_weigh_what_they_say_or_where_they_stand():
    assert Axis.of("n", ["10", "2"]).values == ("2", "10")
    assert Axis.of("n", ["10", "2"], 3.0).weights == (6.0, 30.0)
    assert Axis.of("m", ["[small]", "[large]"]).weights == (1.0, 2.0)


def test_the_terms_of_a_target_are_its_kpis_with_their_bounds():
    both = ["and", TARGET, ["gt", ["const", 0.5], ["kpi", "utilization", None, "scout"]]]
    assert [(term.text, term.bound) for term in terms_of(both)] == [("p95(latency)", 60.0), ("utilization(scout)", 0.5)]
