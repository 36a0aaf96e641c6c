"""Bounds of single steps, worked out by hand: attempts, fan-outs and arbitrations."""

import pytest

from orchspec.compiler.bounds import INF, journal
from tests.support.bounded import CENT, ONE, S, bounds, ends
from tests.support.studies import plan_of

# ------------------------------------------------------------------ one task


def test_one_attempt_takes_its_cap_and_its_timeout_and_the_grace_of_what_is_stopped():
    found = bounds(ONE)
    assert ends(found, "cost_usd") == (0, 10 * CENT)
    assert ends(found, "tokens") == (0, 1_000)
    assert ends(found, "attempts") == (1, 1)
    assert ends(found, "latency_s") == (0, 10 * S + journal.GRACE_US)
    assert ends(found, "width") == (1, 1)
    assert ends(found, "depth") == (1, 1)
    assert ends(found, "retry_amplification") == (1, 1)


def test_retries_multiply_all_and_rest_in_between():
    found = bounds("step a = Work(text) by ann { attempts = 4  backoff = exponential(from: 1s, to: 3s) } return a")
    assert ends(found, "cost_usd") == (0, 40 * CENT)
    assert ends(found, "attempts") == (1, 4)
    assert ends(found, "latency_s") == (0, (4 * 10 + 1 + 2 + 3) * S + journal.GRACE_US)
    assert ends(found, "retry_amplification") == (1, 4)


MINDED = """
contract Condense(history: List<Json>) -> Text
agent cy fulfills Work { timeout = 10s  budget { tokens <= 1k }  session = per_run  SIZE  fold = Condense }
agent sum fulfills Condense { attempts = 2  timeout = 5s  budget { tokens <= 200 } }
"""


def test_a_mind_that_may_outgrow_its_context_is_folded_three_times_at_most_before_its_task():
    found = bounds("step a = Work(text) by cy return a", head=MINDED.replace("SIZE", "context = 4k"))
    assert ends(found, "tokens") == (0, 1_000 + 3 * 2 * 200)
    assert ends(found, "attempts") == (1, 1 + 3 * 2)
    least, most = ends(found, "latency_s")
    assert least == 0
    assert most >= (10 + 3 * 2 * 5) * S
    measured = bounds("eval e = Work(text) by cy return text", head=MINDED.replace("SIZE", "context = 4k"))
    assert ends(measured, "tokens") == (0, 0)  # an eval is on nobody's budget


def test_what_nothing_bounds_is_never_folded():
    found = bounds("step a = Work(text) by cy return a", head=MINDED.replace("SIZE", ""))
    assert ends(found, "attempts") == (1, 1)


def test_without_a_cap_an_attempt_takes_the_context_at_the_dearer_price():
    head = "model big { input = $1 / 1M  output = $10 / 1M  context = 100k }\nagent cy fulfills Work { models = [big] }"
    found = bounds("step a = Work(text) by cy return a", head=head)
    assert ends(found, "cost_usd") == (0, 100 * CENT)
    assert ends(found, "tokens") == (0, 100_000)
    assert found["latency_s"].worst == INF
    assert "`cy` has no timeout" in found["latency_s"].term.why


def test_the_dearest_tier_counts():
    head = """model big { input = $1 / 1M  output = $10 / 1M  context = 100k }
model wide { input = $1 / 1M  output = $2 / 1M  context = 1M }
agent cy fulfills Work { models = [big, wide]  timeout = 1s }"""
    assert ends(bounds("step a = Work(text) by cy return a", head=head), "cost_usd") == (0, 200 * CENT)


def test_an_unpriced_model_is_named():
    head = "model free { context = 8k }\nagent cy fulfills Work { models = [free]  timeout = 1s }"
    found = bounds("step a = Work(text) by cy return a", head=head)
    assert found["cost_usd"].worst == INF
    assert found["cost_usd"].term.why == "model `free` has no price, and no budget caps an attempt of `cy`"
    assert found["tokens"].worst == 8_000


def test_profiles_give_the_best_case_and_where_nothing_is_declared_the_worst():
    head = "agent cy fulfills Work { timeout = 1min }"
    rest = "profile cy { latency = uniform(2s, 4s)  cost = uniform($0.02, $0.05)  tokens_in = fixed(7) }"
    found = bounds("step a = Work(text) by cy return a", head=head, rest=rest)
    assert ends(found, "cost_usd") == (2 * CENT, 5 * CENT)
    assert ends(found, "tokens") == (7, 7)
    assert found["latency_s"].best == 2 * S


def test_people_cost_nothing_and_are_bounded_by_within():
    found = bounds("step a = Work(text) by ann { on_failure = ask(eve, within: 10min) } return a")
    assert ends(found, "cost_usd") == (0, 10 * CENT)
    assert ends(found, "attempts") == (1, 2)
    assert found["latency_s"].worst == (10 + 600) * S + journal.GRACE_US


def test_the_best_case_does_without_what_may_be_skipped_or_found_done():
    assert ends(bounds("step a = Work(text) by ann { on_failure = skip } return a ?? text"), "attempts") == (0, 1)
    assert ends(bounds("step a = Work(text) by ann { only_if = len(text) > 3 } return a ?? text"), "attempts") == (0, 1)
    head = "contract Again(text: Text) -> Text { reuse = 1d }\nagent cy fulfills Again { timeout = 1s }"
    assert ends(bounds("step a = Again(text) by cy return a", head=head), "attempts") == (0, 1)


def test_hedges_double_attempts_and_the_last_is_waited_for():
    found = bounds("step a = Work(text) by ann { attempts = 2  hedge = after(4s) } return a")
    assert ends(found, "attempts") == (1, 4)
    assert ends(found, "cost_usd") == (0, 40 * CENT)
    assert ends(found, "width") == (1, 2)
    assert ends(found, "retry_amplification") == (1, 4)
    assert found["latency_s"].worst == (2 * 10 + 10) * S + journal.GRACE_US


# ------------------------------------------------------------------ patterns


def test_any_takes_the_dearer_all_takes_both_at_once_first_pays_for_both():
    assert ends(bounds("step a = Work(text) by any of [ann, bob] return a"), "cost_usd") == (0, 30 * CENT)
    both = bounds("step a = Work(text) by all of [ann, bob] return a[0]")
    assert ends(both, "cost_usd") == (0, 40 * CENT)
    assert ends(both, "attempts") == (2, 2)
    assert ends(both, "width") == (1, 2)
    assert both["latency_s"].worst == 20 * S + journal.GRACE_US
    first = bounds("step a = Work(text) by first of [ann, bob] return a")
    assert ends(first, "cost_usd") == (0, 40 * CENT)
    assert ends(first, "attempts") == (1, 2)


def test_a_partition_is_bounded_by_the_length_that_the_type_allows_and_by_its_width():
    body = """step plan = Split(text) by lead
step found = Work(topic) by ann for topic in plan.topics { width = 2  need = 50% }
return text"""
    found = bounds(body)
    assert ends(found, "attempts") == (1 + 1, 1 + 5)
    assert ends(found, "cost_usd") == (0, 51 * CENT)
    assert ends(found, "width") == (1, 2)
    assert found["latency_s"].worst == (5 + 3 * 10) * S + journal.GRACE_US
    assert found["cost_usd"].term.times == ("5 items of `found`",)


def test_a_partition_of_nobody_knows_how_many_says_so_for_each():
    found = bounds(
        "step found = Work(topic) by ann for topic in topics return text", params="text: Text, topics: List<Text>"
    )
    cost = found["cost_usd"]
    assert (cost.best, cost.worst, cost.term.each) == (0, INF, 10 * CENT)
    assert "`where len(...) <= N`" in cost.term.why
    assert found["width"].worst == INF
    assert found["latency_s"].worst == 10 * S + journal.GRACE_US  # all at once, however many


@pytest.mark.parametrize(
    ("items", "fewest", "most"),
    [
        ('["a", "b", "c"]', 3, 3),
        ("distinct(plan.topics)", 1, 5),
        ("plan.topics + more", 2, 9),
        ("flatten([plan.topics, plan.topics])", 4, 10),
    ],
)
def test_lengths_are_followed_through_expressions(items, fewest, most):
    body = f"""step plan = Split(text) by lead
step found = Work(topic) by ann for topic in {items} {{ width = 1 }}
return text"""
    found = bounds(body, params="text: Text, more: List<Text> where len(more) <= 4")
    assert ends(found, "attempts") == (1 + fewest, 1 + most)


def test_what_ensures_says_of_a_result_bounds_its_lists():
    head = """contract Names(text: Text) -> List<Text> { ensures = len(result) <= 3 }
agent cy fulfills Names { timeout = 1s }"""
    found = bounds("step names = Names(text) by cy\nstep a = Work(n) by ann for n in names return text", head=head)
    assert ends(found, "attempts") == (1, 4)


def test_an_arbitration_may_ask_each_in_turn():
    body = """step votes = Work(text) by all of [ann, bob]
arbitrate one = votes {
  decide = majority(it) or ask(bob, Choose, within: 5min) or ask(eve, Choose, within: 5min) or first
}
return one"""
    found = bounds(body)
    assert ends(found, "attempts") == (2, 4)
    assert ends(found, "cost_usd") == (0, 70 * CENT)
    assert found["latency_s"].worst == (20 + 20 + 300) * S + journal.GRACE_US


def test_what_ends_early_may_take_less():
    body = """step votes = Work(text) by all of [ann, bob]
arbitrate one = votes { decide = first  early = true }
return one"""
    assert ends(bounds(body), "attempts") == (0, 2)


# ------------------------------------------------------------------ hedges


def test_a_hedged_attempt_may_be_paid_twice_and_is_waited_for():
    from orchspec.compiler.bounds.attempts import Place, task_bound
    from orchspec.compiler.bounds.metrics import ATTEMPTS, COST, LATENCY, WIDTH

    text = """orch 1
contract Draft(topic: Text) -> Text
agent ann fulfills Draft { timeout = 10s  attempts = 3  budget { cost <= $1  tokens <= 1k } }
flow main() -> Text { step got = Draft("a") by ann { HEDGE }  return got }
"""
    found = []
    for hedge in ("", "hedge = after(5s)"):
        plan = plan_of(text.replace("HEDGE", hedge))
        step = plan.flows["main"].body.statements[0]
        found.append(task_bound(plan, Place(step.node, "got"), step.candidates[0], None, None))
    plain, hedged = found
    assert [hedged[each].worst / plain[each].worst for each in (COST, ATTEMPTS, WIDTH)] == [2, 2, 2]
    assert hedged[LATENCY].worst == plain[LATENCY].worst + 10_000_000
