"""S8 counts what a model lets through anew: it holds under crashes, and whoever lets too much through is found."""

import pytest

from orchspec.compiler import compile_text
from orchspec.runtime import quotas
from orchspec.simulator.chaos.explore import Explorer

SPEC = """orch 1
contract Read(page: Text) -> Text
model large { rate = 30 / 1min  token_rate = 20k / 1min }
agent reader fulfills Read {
  models = [large]  attempts = 3  backoff = fixed(1s)  timeout = 1min  budget { tokens <= 6k }
}
flow answering(question: Text) -> List<Text> {
  step notes = Read(p) by reader for p in [question, "b", "c", "d", "e", "f"] { need = 1 }
  step more = Read(p) by reader for p in notes { need = 1 }
  return more
}
profile reader { latency = uniform(1s, 9s)  tokens_in = uniform(1k, 5k)  tokens_out = fixed(100) }
"""


def hunt(examples, **how):
    plan = compile_text(SPEC, "limits.orch").plan
    explored = Explorer(plan, "answering", seed=4, runs=2).explore(examples=examples, **how)
    return [(each.violation.number, each.violation.message) for each in explored.found]


def test_the_limits_of_a_model_hold_under_crashes_and_all_else_that_is_drawn():
    assert hunt(30) == []


def takes_nothing(patch):
    patch.setattr(quotas.Quota, "draw", lambda self, tokens: None)


def gives_all_back(patch):
    settle = quotas.Tokens.settle
    patch.setattr(quotas.Tokens, "settle", lambda self, amount, used, now: settle(self, amount, 0, now))


def is_full_after_a_crash(patch):
    def filled(self, now_us):
        self.bucket.tokens = self.bucket.count * self.bucket.per_us
        self.spend.tokens = self.spend.count * self.spend.per_us

    patch.setattr(quotas.Quota, "drain", filled)


@pytest.mark.parametrize(
    "plant", [takes_nothing, gives_all_back, is_full_after_a_crash], ids=lambda each: each.__name__
)
def test_a_dispatcher_that_lets_too_much_of_a_model_through_is_found(plant, monkeypatch):
    plant(monkeypatch)
    found = hunt(200, until=lambda found: found.violation.number == "S8")
    assert any(number == "S8" and "large" in message for number, message in found), found
