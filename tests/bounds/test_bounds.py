"""Bounds of small specs, each worked out by hand."""

import json
from typing import get_args, get_type_hints

import pytest

from orchspec.compiler import compile_text, plan
from orchspec.compiler.bounds import BOUNDED, INF, METRICS, bounds_of, journal, statements
from orchspec.compiler.bounds import attempts as ours
from orchspec.compiler.bounds.document import amount_in_words, as_document
from orchspec.compiler.plan import PlanError, plan_from_json
from orchspec.runtime.driver.values import OUTPUT_BYTES_MAX
from orchspec.runtime.journal.codec import PAYLOAD_BYTES_MAX
from orchspec.runtime.kernel import messages, program, sessions, tasks
from tests.support.studies import plan_of

S = 1_000_000
CENT = 10**10

HEAD = """
orch 1
enum Kind { small, large }
type Plan3 { topics: List<Text> where len(topics) in 2..5  kind: Kind }
contract Split(text: Text) -> Plan3
contract Work(text: Text) -> Text
contract Choose(candidates: List<Text>) -> Text
agent lead fulfills Split { timeout = 5s  budget { cost <= $0.01  tokens <= 100 } }
agent ann fulfills Work { timeout = 10s  budget { cost <= $0.10  tokens <= 1k } }
agent bob fulfills Work, Choose { timeout = 20s  budget { cost <= $0.30  tokens <= 2k } }
human eve fulfills Work, Choose { timeout = 1h }
effect mail(text: Text) -> Text { key = text  timeout = 3s  undo = unmail(text) }
effect unmail(text: Text) { key = text  timeout = 2s }
signal reply(text: Text) -> Text
"""


def bounds(body, *, head="", params="text: Text", result="Text", flow="f", rest=""):
    text = f"{HEAD}{head}\nflow {flow}({params}) -> {result} {{\n{body}\n}}\n{rest}"
    return bounds_of(plan_of(text))[flow]


def ends(found, name):
    return found[name].best, found[name].worst


ONE = "step a = Work(text) by ann return a"


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


# ------------------------------------------------------------------ what models drive


def test_a_lead_may_ask_for_as_much_as_it_may_in_every_round_but_the_last():
    head = """contract Lead(q: Text, so_far: List<Done>) -> Delegation<Text>
agent boss fulfills Lead { timeout = 30s  budget { cost <= $1.00  tokens <= 100 } }"""
    found = bounds("supervise s = Lead(text) by boss { workers = [ann]  rounds = 3  width = 10 }\nreturn s", head=head)
    assert ends(found, "attempts") == (1, 3 + 2 * 100)
    assert found["cost_usd"].worst == 300 * CENT + 200 * 10 * CENT
    assert found["latency_s"].worst == (3 * 30 + 2 * 10 * 10) * S + journal.GRACE_US
    assert ends(found, "width") == (1, 10)


def test_peers_take_one_turn_more_than_there_are_hops():
    head = """contract Talk(t: Text, so_far: Text?) -> Turn<Text>
agent ned fulfills Talk { timeout = 10s  budget { cost <= $0.10 } }
agent pat fulfills Talk { timeout = 20s  budget { cost <= $0.20 } }"""
    body = """peers p = Talk(text) among [ned, pat] { start = ned  hops = 3  handoff ned -> pat  handoff pat -> ned }
return p"""
    found = bounds(body, head=head)
    assert ends(found, "attempts") == (1, 4)
    assert found["cost_usd"].worst == 4 * 20 * CENT


# ------------------------------------------------------------------ blocks


def test_steps_that_do_not_need_each_other_run_at_once():
    found = bounds("""step a = Work(text) by ann
step b = Work(text) by bob
step c = Work(a + b) by ann
step d = Work(text) by ann
return c + d""")
    assert ends(found, "width") == (1, 3)
    assert found["latency_s"].worst == 30 * S + journal.GRACE_US
    assert ends(found, "attempts") == (4, 4)


def test_a_loop_ends_in_its_first_round_at_best_and_after_all_at_worst():
    body = """repeat r 4 times { step a = Work(text) by ann  until a == "x"  give a }
return r"""
    found = bounds(body)
    assert ends(found, "attempts") == (1, 4)
    assert found["latency_s"].worst == 40 * S + journal.GRACE_US
    polled = bounds(body.replace("4 times {", "4 times { every 1min  "))
    assert polled["latency_s"].worst == (40 + 3 * 60) * S + journal.GRACE_US


def test_one_arm_of_a_route_runs():
    body = """step plan = Split(text) by lead
route r on plan.kind {
  case Kind.small -> Work(text) by ann
  case Kind.large -> { step a = Work(text) by bob step b = Work(a) by bob give b }
}
return r"""
    found = bounds(body)
    assert ends(found, "attempts") == (2, 3)
    assert ends(found, "cost_usd") == (0, 61 * CENT)


def test_a_scope_ends_with_its_time_and_waits_for_what_cannot_be_stopped():
    body = """scope s { timeout = 15s
step a = Work(text) by bob
step b = mail(a)
give b }
return s"""
    found = bounds(body)
    undoing = ours.undo_us(
        plan_of(HEAD + "flow f(text: Text) -> Text { step b = mail(text) return b }").effects["unmail"].policy
    )
    assert found["latency_s"].worst == (15 + 3) * S + undoing + journal.GRACE_US


def test_waits_and_signals_take_their_time():
    found = bounds("wait 2min\nstep r = reply(text) { timeout = 3min }\nreturn r")
    assert ends(found, "latency_s") == (120 * S, 300 * S)
    assert bounds("step r = reply(text) return r")["latency_s"].worst == INF


def test_a_called_flow_is_one_level_deeper_and_counts_as_often_as_it_is_called():
    rest = "flow inner(text: Text) -> Text { step a = Work(text) by ann { attempts = 2 } return a }"
    found = bounds("step x = inner(text)\nstep y = inner(x)\nreturn y", rest=rest)
    assert ends(found, "depth") == (2, 2)
    assert ends(found, "attempts") == (2, 4)
    assert ends(found, "retry_amplification") == (1, 2)


def test_a_machine_spends_its_visits_on_the_dearest_states():
    text = (
        HEAD
        + """
machine m(text: Text) -> Text {
  budget { transitions <= 6 }
  initial state one { step a = Work(text) by ann  on done when a == "x" -> two  on done -> end }
  state two { visits = 2  step b = Work(text) by bob  on done -> one  on exhausted -> end }
  final state end { return text }
}"""
    )
    found = bounds_of(plan_of(text))["m"]
    assert ends(found, "attempts") == (1, 7)
    assert found["cost_usd"].worst == 2 * 30 * CENT + 5 * 10 * CENT
    without = bounds_of(plan_of(text.replace("budget { transitions <= 6 }", "")))["m"]
    assert without["cost_usd"].worst == 2 * 30 * CENT + 3 * 10 * CENT


def test_a_flow_that_is_tried_again_multiplies_what_is_tried_in_it():
    rest = "flow inner(text: Text) -> Text { step a = Work(text) by ann { attempts = 4 } return a }"
    found = bounds("step x = inner(text) { attempts = 3  backoff = fixed(5s) }\nreturn x", rest=rest)
    assert ends(found, "attempts") == (1, 12)
    assert ends(found, "retry_amplification") == (1, 12)
    assert found["latency_s"].worst == (3 * 4 * 10 + 2 * 5) * S + journal.GRACE_US


def test_a_state_that_rests_until_a_signal_comes_is_bounded_by_nothing_but_a_budget():
    text = (
        HEAD
        + """
signal go(text: Text)
machine m(text: Text) -> Text {
  initial state idle { on go(text) -> end }
  final state end { return text }
}"""
    )
    found = bounds_of(plan_of(text))["m"]
    assert ends(found, "latency_s") == (0, INF)
    capped = text.replace("  initial", "  budget { time <= 1d }\n  initial").replace(
        "{ on go", "{ on failed -> end  on go"
    )
    assert bounds_of(plan_of(capped))["m"]["latency_s"].worst < INF


# ------------------------------------------------------------------ budgets


def test_budgets_cap_what_they_enclose():
    body = """budget { cost <= $0.25  attempts <= 7  retries <= 2 }
step a = Work(text) by ann { attempts = 5 }
step b = Work(a) by ann { attempts = 5 }
return b"""
    found = bounds(body)
    assert ends(found, "cost_usd") == (0, 25 * CENT)
    assert ends(found, "attempts") == (2, 4)  # two tasks and two retries
    assert ends(found, "retry_amplification") == (1, 3)
    assert {limit.name: (limit.needed.best, limit.needed.worst) for limit in found.limits} == {
        "cost": (0, 100 * CENT),
        "attempts": (2, 10),
        "retries": (0, 8),
    }


def test_a_budget_of_retries_bounds_the_cost_by_that_of_single_attempts():
    body = "budget { retries <= 1 }\nstep a = Work(text) by ann { attempts = 5 }\nreturn a"
    assert bounds(body)["cost_usd"].worst == 20 * CENT


def test_a_time_budget_bounds_what_has_no_timeout():
    head = "agent cy fulfills Work {}"
    found = bounds("budget { time <= 1min }\nstep a = Work(text) by cy return a", head=head)
    assert found["latency_s"].worst == 60 * S + journal.GRACE_US


# ------------------------------------------------------------------ the whole


def test_every_kind_of_statement_has_its_bounds():
    parts = get_args(get_args(plan.Statement)[0])
    kinds = {get_args(get_type_hints(part)["kind"])[0] for part in parts}
    assert len(kinds) == len(parts) > 15
    assert set(BOUNDED) == kinds
    inside = {"rounds", "turns"}  # what stands in the regions of `supervise` and `peers`
    assert set(program._OPS) == kinds | inside


def test_a_kind_of_statement_without_bounds_is_no_plan(monkeypatch):
    monkeypatch.delitem(BOUNDED, "task")
    with pytest.raises(PlanError, match="no bounds"):
        bounds(ONE)


def test_what_is_assumed_of_the_runtime_is_so():
    assert program.RESEND == ours.RESEND
    assert program.UNDO_ATTEMPTS_MIN == ours.UNDO_ATTEMPTS_MIN
    assert messages.POSTS_MAX == statements.POSTS_MAX
    assert sessions.FOLDS_MAX == statements.FOLDS_MAX
    assert tasks.GRACE_US == journal.GRACE_US
    assert journal.PAYLOAD_BYTES_MAX == PAYLOAD_BYTES_MAX == OUTPUT_BYTES_MAX


def test_a_loaded_plan_has_the_same_bounds():
    compiled = plan_of(HEAD + "flow f(text: Text) -> Text { step a = Work(text) by ann return a }")
    loaded = plan_from_json(compiled.as_json())
    assert as_document(loaded, bounds_of(loaded)) == as_document(compiled, bounds_of(compiled))


def test_the_document_is_json_with_null_for_what_is_unbounded():
    compiled = plan_of(
        HEAD + "agent cy fulfills Work {}\nflow f(text: Text) -> Text { step a = Work(text) by cy return a }"
    )
    document = json.loads(json.dumps(as_document(compiled, bounds_of(compiled)), allow_nan=False))
    (flow,) = document["flows"]
    assert set(flow["bounds"]) == {metric.name for metric in METRICS}
    cost = flow["bounds"]["cost_usd"]
    assert (cost["best"], cost["worst"]) == ("0", None)
    assert cost["dominant"]["span"]["line"] > 1
    assert flow["journal"]["values"] == {"best": 2, "worst": 4}


def test_a_spec_of_ten_thousand_lines_is_bounded_in_a_fraction_of_a_second():
    import time

    steps = "\n".join(f"step a{n} = Work(a{n - 1}) by ann" for n in range(1, 1_500))
    flows = "\n".join(
        f"flow f{k}(text: Text) -> Text {{\nstep a0 = Work(text) by ann\n{steps}\nreturn a1499\n}}" for k in range(2)
    )
    compiled = compile_text(HEAD + flows, "large.orch").plan
    assert compiled is not None
    began = time.process_time()
    found = bounds_of(compiled)
    assert time.process_time() - began < 3.0
    assert found["f0"]["attempts"].worst == 1_500


@pytest.mark.parametrize(
    ("amount", "unit", "words"),
    [
        (0, "usd", "$0.00"),
        (40 * CENT, "usd", "$0.40"),
        (53 * 10**8, "usd", "$0.0053"),
        (1, "usd", "<$0.0001"),
        (3_072 * CENT, "usd", "$30.72"),
        (INF, "usd", "unbounded"),
        (250_000, "s", "250 ms"),
        (61 * S, "s", "61 s"),
        (150 * S, "s", "2 min 30 s"),
        (3 * 86_400 * S, "s", "3 d"),
        (999, "bytes", "999 B"),
        (1_500, "bytes", "1.5 kB"),
        (400_000, "count", "400,000"),
    ],
)
def test_amounts_are_said_in_words(amount, unit, words):
    assert amount_in_words(amount, unit) == words


def test_a_hedged_attempt_may_be_paid_twice_and_is_waited_for():
    from orchspec.compiler import compile_text
    from orchspec.compiler.bounds.attempts import Place, task_bound
    from orchspec.compiler.bounds.metrics import ATTEMPTS, COST, LATENCY, WIDTH

    text = """orch 1
contract Draft(topic: Text) -> Text
agent ann fulfills Draft { timeout = 10s  attempts = 3  budget { cost <= $1  tokens <= 1k } }
flow main() -> Text { step got = Draft("a") by ann { HEDGE }  return got }
"""
    bounds = []
    for hedge in ("", "hedge = after(5s)"):
        plan = compile_text(text.replace("HEDGE", hedge), "s.orch").plan
        step = plan.flows["main"].body.statements[0]
        bounds.append(task_bound(plan, Place(step.node, "got"), step.candidates[0], None, None))
    plain, hedged = bounds
    assert [hedged[each].worst / plain[each].worst for each in (COST, ATTEMPTS, WIDTH)] == [2, 2, 2]
    assert hedged[LATENCY].worst == plain[LATENCY].worst + 10_000_000
