"""Bounds of blocks and of loops that models drive, worked out by hand, and the budgets that cap them."""

from orchspec.compiler.bounds import INF, bounds_of, journal
from orchspec.compiler.bounds import attempts as ours
from tests.support.bounded import CENT, HEAD, S, bounds, ends
from tests.support.studies import plan_of

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
