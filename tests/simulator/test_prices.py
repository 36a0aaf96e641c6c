"""What people, tools and effects cost: alike in simulations, with stand-ins, in bounds and in what is played again."""

from __future__ import annotations

from decimal import Decimal

import pytest

import orchspec
from orchspec.compiler.bounds import bounds_of
from orchspec.simulator.study import simulate
from tests.support.studies import plan_of

TEXT = """
orch 1
type Draft { id: Text  text: Text }
model small { input = $1 / 1M  output = $10 / 1M  context = 32k }
tool search { slots = 5 }
contract Write(question: Text) -> Draft { expects = "Write." }
contract Sign(draft: Draft) -> Draft { expects = "Sign." }
agent ann fulfills Write { models = [small]  tools = [search]  timeout = 1min  attempts = 2  budget { tokens <= 9k } }
human bob fulfills Sign { slots = 4  timeout = 1h }
effect post(draft: Draft) -> Text { key = draft.id  timeout = 10s }
flow desk(question: Text) -> Draft {
  budget { cost <= $4 }
  step draft = Write(question) by ann
  step seen  = Sign(draft) by bob
  step sent  = post(draft: seen)
  return seen
}
profile ann    { latency = fixed(5ms)  tokens_in = fixed(2000)  tokens_out = fixed(100)  calls = { search: fixed(3) } }
profile search { latency = fixed(1ms)  cost = $0.005 }
profile bob    { latency = fixed(6ms)  cost = $2 }
profile post   { latency = fixed(1ms)  cost = $0.25 }
scenario "a day" for desk { runs = 10 }
"""
#: 2,000 tokens read and 100 written, three calls, an answer, a letter.
TOTAL = Decimal("0.003") + 3 * Decimal("0.005") + 2 + Decimal("0.25")


def test_people_tools_and_effects_cost_in_a_simulation_what_their_profiles_say():
    document = simulate(plan_of(TEXT)).document
    assert document["kpis"]["cost"]["max"]["value"] == pytest.approx(float(TOTAL))
    assert document["kpis"]["wasted"]["value"] == 0.0
    free = simulate(plan_of(TEXT.replace("cost = $2", "").replace("cost = $0.25", "").replace("cost = $0.005", "")))
    assert free.document["kpis"]["cost"]["max"]["value"] == pytest.approx(0.003)


def test_what_an_answer_costs_is_within_bounds_and_held_by_a_budget():
    cost = bounds_of(plan_of(TEXT))["desk"]["cost_usd"]
    assert 2 * 10**12 <= cost.best <= TOTAL * 10**12 <= cost.worst
    poor = simulate(plan_of(TEXT.replace("cost <= $4", "cost <= $2.01"))).document
    assert poor["kpis"]["completion"]["value"] == 0.0  # two dollars have no room beside what a draft cost


def test_stand_ins_cost_the_same_and_so_do_their_runs_when_they_are_played_again(tmp_path):
    spec, store = tmp_path / "desk.orch", tmp_path / "runs.db"
    spec.write_text(TEXT)
    result = orchspec.App(orchspec.load(spec)).run_sync("desk", {"question": "Why?"}, stand_ins=True, store=store)
    assert (result.status, Decimal(result.cost_usd)) == ("completed", TOTAL)
    again = orchspec.what_if(spec, store)
    for life in ("as_it_was", "played_again"):
        assert again[life]["cost"]["mean"] == pytest.approx(float(TOTAL))


def test_handlers_of_people_and_effects_say_themselves_what_they_cost(tmp_path):
    spec = tmp_path / "desk.orch"
    spec.write_text(TEXT)
    app = orchspec.App(orchspec.load(spec))
    app.agent("ann")(lambda task, question: orchspec.Output({"id": "1", "text": question}, cost_usd="0.5"))
    app.human("bob")(lambda task, draft: orchspec.Output(draft, cost_usd="1.5"))
    app.effect("post")(lambda call, draft: orchspec.Output("sent", cost_usd="0.125"))
    result = app.run_sync("desk", {"question": "Why?"}, store=tmp_path / "runs.db")
    assert (result.status, Decimal(result.cost_usd)) == ("completed", Decimal("2.125"))
