"""What hedges and work that is used again do to the load: closed forms, and scenarios against their simulation."""

from __future__ import annotations

import functools
import math
from typing import Any

import pytest

from orchspec.compiler.plan import Backoff, Hedge, Policy, Profile
from orchspec.runtime.latencies import KEPT
from orchspec.simulator.beside import twin_notes
from orchspec.simulator.hedged import hedged
from orchspec.simulator.queueing import bucket_wait, mean_wait
from orchspec.simulator.reused import anew
from orchspec.simulator.study import simulate
from tests.support.studies import plan_of, twin

second = 1_000_000


def policy(after_s: float, **more: Any) -> Policy:
    return Policy(hedge=Hedge(round(after_s * second)), **more)


def exponential(mean_s: float, **more: Any) -> Profile:
    return Profile("ann", ["exponential", mean_s * second], **more)


# ------------------------------------------------------------------ a task that is hedged


def test_of_exponential_times_a_hedge_halves_what_is_left_and_adds_no_work():
    found, alone = hedged(exponential(10.0), policy(8.0))
    late = math.exp(-0.8)
    assert found == alone
    assert found.hedges == pytest.approx(late, rel=1e-3)
    assert found.attempts == pytest.approx(1.0 + late, rel=1e-3)
    assert found.takes_s == pytest.approx(10.0 * (1.0 - late) + 5.0 * late, rel=3e-3)
    # What is left of an exponential time is as long as any, so two do in half of the time what one does.
    assert found.attempts * found.hold_s == pytest.approx(10.0, rel=3e-3)
    assert found.fails == 0.0


def test_a_fixed_time_is_late_or_it_is_not():
    never, _ = hedged(Profile("ann", ["fixed", 5 * second]), policy(5.0))
    assert (never.attempts, never.takes_s, never.hold_s, never.square_s) == (1.0, 5.0, 5.0, 25.0)
    always, _ = hedged(Profile("ann", ["fixed", 5 * second]), policy(2.0))
    assert (always.attempts, always.takes_s, always.hold_s, always.square_s) == (2.0, 5.0, 4.0, 17.0)


def test_a_hedge_is_another_chance_for_an_attempt_that_fails():
    # Both take 4 s, the second from the third on: it is waited for where the first fails.
    found, _ = hedged(Profile("ann", ["fixed", 4 * second], failure=0.3), policy(3.0))
    assert found.fails == pytest.approx(0.09, abs=0.005)
    assert found.takes_s == pytest.approx(0.7 * 4.0 + 0.3 * 7.0, abs=0.01)
    assert found.hold_s == pytest.approx((4.0 + 0.7 * 1.0 + 0.3 * 4.0) / 2.0, abs=0.01)


def test_one_that_is_tried_again_is_not_hedged_twice_at_once_and_rests_in_between():
    # It fails at 4 s, and the hedge goes on to 7 s while the second attempt begins after a rest.
    tried = policy(3.0, attempts=2, backoff=Backoff(second, second))
    found, _ = hedged(Profile("ann", ["fixed", 4 * second], failure=0.5), tried)
    # Second attempts: where the first fails; the hedge is under way then, so they have none of their own.
    assert found.attempts == pytest.approx(1.0 + 1.0 + 0.5, abs=0.01)
    # Well at once 4 s; else the hedge at 7 s, else the second attempt at 9 s, well or not.
    assert found.takes_s == pytest.approx(0.5 * 4.0 + 0.5 * (0.5 * 7.0 + 0.5 * 9.0), abs=0.02)
    assert found.fails == pytest.approx(0.125, abs=0.005)


def test_what_is_waited_for_is_the_quantile_of_what_was_verified_and_not_of_the_profile():
    found, alone = hedged(exponential(10.0), Policy(hedge=Hedge(share=0.9)))
    assert alone.after_s == pytest.approx(10.0 * math.log(10.0), rel=1e-3)
    assert alone.hedges == pytest.approx(0.1, rel=0.01)
    # Of the late ones the hedge wins half, and takes less than `d` nearly always: with p late, p/2 are later than d.
    late = 2.0 * (1.0 - math.ceil(0.9 * KEPT) / (KEPT + 1))
    assert found.hedges == pytest.approx(late, rel=0.06)
    assert found.after_s < alone.after_s


# ------------------------------------------------------------------ work that is used again


def test_work_is_done_anew_once_in_what_it_is_kept_for_and_the_time_until_somebody_asks():
    assert anew(0.1, 0.0) == 1.0
    assert anew(0.1, 90.0) == pytest.approx(1.0 / 10.0)
    assert anew(0.0, 90.0) == 1.0


def test_in_a_short_window_it_is_done_once_by_whoever_asks_first():
    assert anew(0.01, 1e6, (0.0, 100.0)) == pytest.approx((1.0 - math.exp(-1.0)) / 1.0)
    assert anew(0.01, 1e6, (100.0, 200.0)) == pytest.approx(math.exp(-1.0) - math.exp(-2.0))
    # Long windows forget how it began, whichever way they are summed up.
    assert anew(0.1, 90.0, (0.0, 90.0 * 199.0)) == pytest.approx(anew(0.1, 90.0, (0.0, 90.0 * 201.0)), rel=1e-3)
    assert anew(0.1, 90.0, (1e5, 2e5)) == pytest.approx(0.1, rel=1e-3)


# ------------------------------------------------------------------ buckets


def test_one_waits_for_a_bucket_as_erlang_says_of_fixed_amounts():
    # P(V <= x) = (1 - load) exp(load x) below one amount (A. K. Erlang, 1909).
    load = 0.8
    within = 1.0 - (1.0 - load) * (math.exp(load) - 1.0) / load
    assert bucket_wait(load, [1.0], 1.0) == pytest.approx(2.0 - within, rel=1e-4)
    assert bucket_wait(load, [1.0], 0.0) == pytest.approx(2.0)


def test_of_exponential_amounts_what_is_lacking_has_an_exponential_tail():
    amounts = [-math.log(1.0 - (at + 0.5) / 20_000) for at in range(20_000)]
    for buffer in (0.5, 3.0, 20.0):
        told = mean_wait(0.8, 1.0, 1) * math.exp(-0.2 * buffer)
        assert bucket_wait(0.8, amounts, buffer) == pytest.approx(told, rel=5e-3)


# ------------------------------------------------------------------ whole scenarios

SPEC = """orch 1
MODEL
contract Answer(question: Text) -> Text { REUSE }
contract Draft(answer: Text) -> Text
agent clerk fulfills Answer { slots = 30  CLERK }
agent ann fulfills Draft { slots = 30 }
flow desk(question: Text) -> Text {
  step answer = Answer(question) by clerk { STEP }
  step draft = Draft(answer) by ann
  return draft
}
profile clerk { latency = exponential(mean: 10s)  CLERKS }
profile ann { latency = exponential(mean: 2s) }
scenario "load" for desk { GIVEN  arrivals = LOAD  duration = DURATION }
"""
KINDS = 'given = { question: mixture(50%: "a", 30%: "b", 20%: "c") }'


def spec(load: str = "poisson(1 / 3s)", duration: str = "20min", **parts: str) -> str:
    text = SPEC.replace("LOAD", load).replace("DURATION", duration)
    for name in ("MODEL", "REUSE", "CLERKS", "CLERK", "STEP", "GIVEN"):
        text = text.replace(name, parts.get(name.lower(), ""))
    return text


HEDGED = spec(step="hedge = after(8s)")
USUAL = spec(step="hedge = after(p90)", clerk="timeout = 40s  attempts = 2", clerks="failure = 10%", duration="4h")
REUSED = spec(reuse="reuse = 1min", given=KINDS, load="poisson(1 / 20s)", duration="3h")
KEPT_LONG = spec(reuse="reuse = 1d", given=KINDS, load="poisson(1 / 20s)", duration="3h")
TOKENS = spec(
    model="model large { input = $3 / 1M  output = $15 / 1M  context = 200k  token_rate = 24k / 15s }",
    clerk="models = [large]  budget { tokens <= 4k }",
    clerks="tokens_in = fixed(3k)  tokens_out = fixed(1k)",
)


@functools.cache
def simulated(text: str) -> dict[str, Any]:
    return simulate(plan_of(text), seed=4, runs=1).document["twin"]


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(HEDGED, id="a hedge after a time"),
        pytest.param(REUSED, id="work that is used again for a while"),
        pytest.param(KEPT_LONG, id="work that is done once"),
        pytest.param(TOKENS, id="tokens of a model"),
        pytest.param(USUAL, id="a hedge after what is usual", marks=pytest.mark.slow),
        *[
            pytest.param(
                text.replace("20min", "3h").replace("3h", "20h"), id=f"{name}, for long", marks=pytest.mark.slow
            )
            for name, text in {"hedged": HEDGED, "reused": REUSED, "tokens": TOKENS}.items()
        ],
    ],
)
def test_theory_and_simulation_agree_within_its_intervals(text):
    document = simulated(text)
    assert {pool["visits_by"] for pool in document["pools"].values()} == {"plan"}
    assert {pool["hold_by"] for pool in document["pools"].values()} == {"profile"}
    for name, pool in document["pools"].items():
        for figure in ("utilization", "wait_s"):
            lo, hi = pool["simulated"][figure]["ci95"]
            if figure == "wait_s" and any("waits for its model" in each for each in pool["breaks"]):
                continue
            assert lo - 1e-3 <= pool[figure] <= hi + 1e-3, (name, figure)
    lo, hi = document["latency"]["simulated"]["ci95"]
    assert lo <= document["latency"]["mean_s"] <= hi


def test_visits_under_a_load_are_told_from_those_of_a_run_that_is_alone():
    clerk = next(each for each in twin(REUSED).stations if each.name == "clerk")
    asks = [share / 20.0 for share in (0.5, 0.3, 0.2)]
    told = sum(20.0 * of_kind / (1.0 + 70.0 * of_kind) for of_kind in asks)
    assert (clerk.visits_alone, clerk.visits) == (pytest.approx(1.0), pytest.approx(told, rel=0.03))
    assert any("used again" in each for each in clerk.breaks)
    late = next(each for each in twin(USUAL).stations if each.name == "clerk")
    assert late.visits > late.visits_alone + 0.05


def test_what_cannot_be_told_says_which_supposition_breaks():
    counted = twin(spec(reuse="reuse = 1h", given=KINDS, load="closed(users: 3, think: fixed(1s))"))
    clerk = next(each for each in counted.stations if each.name == "clerk")
    assert "how quickly users are served" in clerk.counted
    many = spec(reuse="reuse = 1h", given="given = { question: uniform(1, 900) }").replace(
        "question: Text", "question: Int"
    )
    assert "more values than are looked at" in next(e for e in twin(many).stations if e.name == "clerk").counted
    failing = spec(reuse="reuse = 1h", given=KINDS, clerks="failure = 20%")
    assert "work that fails" in next(e for e in twin(failing).stations if e.name == "clerk").counted
    kept_back = twin(TOKENS.replace("budget { tokens <= 4k }", "budget { tokens <= 12k }"))
    limit = next(each for each in kept_back.stations if each.buffer_s is not None)
    assert any("given back" in each for each in limit.breaks)
    exact = next(each for each in twin(TOKENS).stations if each.buffer_s is not None)
    assert not any("given back" in each or "server of its own" in each for each in exact.breaks)
    busy = twin(spec(load="poisson(1 / 1s)", clerk="timeout = 30s").replace("slots = 30", "slots = 10"))
    assert any("no formula is exact" in each for each in busy.stations[-1].breaks + busy.stations[0].breaks)


def test_freely_made_texts_are_never_the_same_and_numbers_that_are_few_are():
    free = twin(spec(reuse="reuse = 10min"))
    assert next(each for each in free.stations if each.name == "clerk").visits == pytest.approx(1.0)
    few = spec(
        reuse="reuse = 30min", given="given = { question: uniform(1, 40) }", load="poisson(1 / 10s)", duration="2h"
    )
    clerk = next(e for e in twin(few.replace("question: Text", "question: Int")).stations if e.name == "clerk")
    of_kind = 0.1 / 40.0
    assert clerk.visits == pytest.approx(anew(of_kind, 1810.0, (0.0, 7200.0)), rel=0.03)


def test_the_notes_say_what_hedges_suppose():
    document = simulated(HEDGED)
    assert any("hedges come soon after" in note for note in twin_notes(document))
