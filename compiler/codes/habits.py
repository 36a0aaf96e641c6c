"""A08xx: advice about what runs and costs more than it must, or more than anybody can tell."""

from __future__ import annotations

from orchspec.grammar.diagnostics import define

__all__ = ["NEVER_REACHED", "NOBODY_DECIDES", "STACKED_RETRIES", "TWIN_AGENTS", "UNPRICED_MODEL"]

_CONTRACT = "orch 1\ncontract Draft(topic: Text) -> Text\n"
_ANN = _CONTRACT + "agent ann fulfills Draft { timeout = 1min  attempts = 3 }\n"
_CAPPED = _CONTRACT + "agent ann fulfills Draft { timeout = 1min  budget { cost <= $0.01 } }\n"

NOBODY_DECIDES = define(
    "A0811",
    "nobody-decides",
    "`{name}` asks {asked} times for the same work, and one answer is taken by its place: nobody decides",
    severity="advice",
    explanation="Which answer comes first in the list says nothing of how good it is, so the others were paid for "
    "nothing. `arbitrate` chooses by a rule; `by first of` takes the quickest; one agent is enough where any will do.",
    bad=_ANN + "agent bob fulfills Draft { timeout = 1min }\nflow f(topic: Text) -> Text {\n"
    "  step drafts = Draft(topic) by all of [ann, bob]\n  return drafts[0]\n}",
    good=_ANN + "agent bob fulfills Draft { timeout = 1min }\nflow f(topic: Text) -> Text {\n"
    "  step drafts = Draft(topic) by all of [ann, bob]\n"
    "  arbitrate draft = drafts { decide = majority(it) or first }\n  return draft\n}",
)
TWIN_AGENTS = define(
    "A0812",
    "twin-agents",
    "`{name}` and `{first}` differ in nothing but their names: one agent would do",
    severity="advice",
    explanation="Two agents with the same models, tools, limits and contracts are one agent with twice the slots. "
    "`3 of ann` asks one agent several times, `slots` says how many tasks it has at once. If your program gives the "
    "same model different prompts, allow this with that reason.",
    bad=_CONTRACT + "model large { input = $3 / 1M  output = $15 / 1M  context = 200k }\n"
    "agent ann fulfills Draft { models = [large]  timeout = 1min }\n"
    "agent bob fulfills Draft { models = [large]  timeout = 1min }\n"
    "flow f(topic: Text) -> Text {\n  step draft = Draft(topic) by any of [ann, bob]\n  return draft\n}",
    good=_CONTRACT + "model large { input = $3 / 1M  output = $15 / 1M  context = 200k }\n"
    "agent ann fulfills Draft { models = [large]  timeout = 1min }\n"
    "flow f(topic: Text) -> Text {\n  step draft = Draft(topic) by ann\n  return draft\n}",
)
UNPRICED_MODEL = define(
    "A0813",
    "unpriced-model",
    "`{name}` has no price, so nobody can tell what `{agent}` costs",
    severity="advice",
    explanation="Prices make costs computable: they bound what a flow takes, and turn tokens into money in simulations "
    "and runs. A model that costs nothing has `input = $0 / 1M` and `output = $0 / 1M`; a `budget` of the agent in "
    "money will do as well.",
    bad=_CONTRACT + "model free { context = 8k }\nagent ann fulfills Draft { models = [free]  timeout = 1min }\n"
    "flow f(topic: Text) -> Text {\n  step draft = Draft(topic) by ann\n  return draft\n}",
    good=_CONTRACT + "model free { input = $0 / 1M  output = $0 / 1M  context = 8k }\n"
    "agent ann fulfills Draft { models = [free]  timeout = 1min }\n"
    "flow f(topic: Text) -> Text {\n  step draft = Draft(topic) by ann\n  return draft\n}",
)
STACKED_RETRIES = define(
    "A0814",
    "stacked-retries",
    "retries are stacked: {place} is tried {outer} times, and what it does up to {inner} times in each",
    severity="advice",
    explanation="Attempts multiply: when something is down, every layer tries again, and the same work is asked for "
    "many times over. Retry where it fails, not around it as well; or limit what all retries together may do with "
    "`budget { retries <= 5 }` around them.",
    bad=_ANN + "flow inner(topic: Text) -> Text { step draft = Draft(topic) by ann  return draft }\n"
    "flow f(topic: Text) -> Text {\n  step got = inner(topic) { attempts = 3 }\n  return got\n}",
    good=_ANN + "flow inner(topic: Text) -> Text { step draft = Draft(topic) by ann  return draft }\n"
    "flow f(topic: Text) -> Text {\n  budget { retries <= 4 }\n  step got = inner(topic) { attempts = 3 }\n"
    "  return got\n}",
)
NEVER_REACHED = define(
    "A0815",
    "never-reached",
    "`{limit}` of {place} is never reached: {flow} allows {outer} for all of it",
    severity="advice",
    explanation="The budget around it is no larger, so it is used up first, and that stops more than this place. Make "
    "the inner limit the smaller one, or leave it out.",
    bad=_CAPPED + "flow f(topic: Text) -> Text {\n  budget { cost <= $1 }\n"
    "  scope s {\n    budget { cost <= $2 }\n    step draft = Draft(topic) by ann\n    give draft\n  }\n  return s\n}",
    good=_CAPPED + "flow f(topic: Text) -> Text {\n  budget { cost <= $1 }\n"
    "  scope s {\n    budget { cost <= $0.5 }\n    step draft = Draft(topic) by ann\n    give draft\n  }\n"
    "  return s\n}",
)
