"""E08xx: budgets that cannot hold, and work that cannot be reserved."""

from __future__ import annotations

from orchspec.grammar.diagnostics import define

__all__ = [
    "BELOW_BEST_CASE",
    "BELOW_WORST_CASE",
    "NO_RESERVATION",
    "RESERVATION_TOO_LARGE",
    "TIMEOUT_TOO_LONG",
    "TOKENS_UNKNOWN",
    "WAITS_FOR_ALL_TOKENS",
    "WAIT_TOO_LONG",
]

_CONTRACT = "orch 1\ncontract Draft(topic: Text) -> Text\n"
_MODEL = "model large { input = $3 / 1M  output = $15 / 1M  context = 200k }\n"
_FLOW = """flow f(topic: Text) -> Text {{
  budget {{ {limit} }}
  step draft = Draft(topic) by ann
  return draft
}}"""

BELOW_BEST_CASE = define(
    "E0801",
    "below-best-case",
    "the budget of {place} allows {limit}, and even its best case takes {best}",
    explanation="Added up over the steps that every run does, with no retry and each loop ending in its first "
    "round, the "
    "work takes more than the budget allows: no run could end well. What an attempt costs at least, and how long it "
    "takes, is what its profile says; waits count in full. `orch bounds` shows the sums.",
    bad=_CONTRACT + "agent ann fulfills Draft\n"
    "flow f(topic: Text) -> Text {\n  budget { attempts <= 1 }\n  step draft = Draft(topic) by ann\n"
    "  step better = Draft(draft) by ann\n  return better\n}",
    good=_CONTRACT + "agent ann fulfills Draft\n"
    "flow f(topic: Text) -> Text {\n  budget { attempts <= 2 }\n  step draft = Draft(topic) by ann\n"
    "  step better = Draft(draft) by ann\n  return better\n}",
)
NO_RESERVATION = define(
    "E0802",
    "no-reservation",
    "`{agent}` works under a {limit} budget and nothing says what an attempt may take",
    explanation="What an attempt may take is reserved before it is sent. That needs a cap (`budget` of the agent or "
    "step), or a model with prices and context, or a profile that says what it costs.",
    bad=_CONTRACT + "agent ann fulfills Draft\n" + _FLOW.format(limit="cost <= $2"),
    good=_CONTRACT + "agent ann fulfills Draft { budget { cost <= $0.10 } }\n" + _FLOW.format(limit="cost <= $2"),
)
RESERVATION_TOO_LARGE = define(
    "E0803",
    "reservation-too-large",
    "one attempt of `{agent}` reserves {reserved}, more than the {limit} of {place}",
    explanation="An attempt is sent only when what it may take fits into the budget, so this one could never be sent. "
    "Cap the attempt with a `budget` at the agent or step, or raise the limit.",
    bad=_CONTRACT + _MODEL + "agent ann fulfills Draft { models = [large] }\n" + _FLOW.format(limit="cost <= $0.50"),
    good=_CONTRACT
    + _MODEL
    + "agent ann fulfills Draft { models = [large]  budget { tokens <= 20k } }\n"
    + _FLOW.format(limit="cost <= $0.50"),
)
BELOW_WORST_CASE = define(
    "W0804",
    "below-worst-case",
    "`{limit}` may not be enough for {place}: its worst case is {worst}, {dominant}",
    severity="warning",
    explanation="If all goes wrong that the spec allows for (every attempt fails but the last, every list is as long "
    "as its type permits, every loop runs to its end), the work takes more than the budget. A run that comes there "
    "stops with `budget_exhausted` and undoes what it did. Raise the limit, or bound what dominates: fewer `attempts`, "
    "a smaller `budget` of the agent, a `where len(...)` on the list. If it is meant to stop such runs, say so: "
    "`// allow W0804: why`. A budget of `retries` is there to be reached, and not reported.",
    bad=_CONTRACT + "agent ann fulfills Draft { budget { cost <= $0.10 }  timeout = 1min }\n"
    "flow f(topic: Text) -> Text {\n  budget { cost <= $0.25 }\n"
    "  step draft = Draft(topic) by ann { attempts = 3 }\n  return draft\n}",
    good=_CONTRACT + "agent ann fulfills Draft { budget { cost <= $0.10 }  timeout = 1min }\n"
    "flow f(topic: Text) -> Text {\n  budget { cost <= $0.30 }\n"
    "  step draft = Draft(topic) by ann { attempts = 3 }\n  return draft\n}",
)
TOKENS_UNKNOWN = define(
    "E0805",
    "tokens-unknown",
    "`{agent}` works on `{model}`, whose tokens are limited, and nothing says how many an attempt may take",
    explanation="What an attempt may take is taken from the `token_rate` of its model before it is sent, and what it "
    "did not take is given back. That needs a cap (`budget` of the agent or step), or a `context` of the model or the "
    "agent, or a profile that says how many tokens it takes.",
    bad=_CONTRACT + "model large { token_rate = 200k / 1min }\nagent ann fulfills Draft { models = [large] }\n"
    "flow f(topic: Text) -> Text { step draft = Draft(topic) by ann  return draft }",
    good=_CONTRACT + "model large { token_rate = 200k / 1min }\n"
    "agent ann fulfills Draft { models = [large]  budget { tokens <= 20k } }\n"
    "flow f(topic: Text) -> Text { step draft = Draft(topic) by ann  return draft }",
)
WAITS_FOR_ALL_TOKENS = define(
    "W0806",
    "waits-for-all-tokens",
    "an attempt of `{agent}` may take {reserved}, and `{model}` never has more than {bucket} at once",
    severity="warning",
    explanation="A limit of tokens is a bucket that holds as many as its rate allows in its span. An attempt is sent "
    "when what it may take is in there; one that may take more waits until the bucket is full, and takes all of it. So "
    "attempts follow each other one by one, and give back what they did not take when they end. Cap the attempt with a "
    "`budget` at the agent or the step, or say a smaller `context`.",
    bad=_CONTRACT + "model large { context = 200k  token_rate = 100k / 1min }\n"
    "agent ann fulfills Draft { models = [large]  timeout = 1min }\n"
    "flow f(topic: Text) -> Text { step draft = Draft(topic) by ann  return draft }",
    good=_CONTRACT + "model large { context = 200k  token_rate = 100k / 1min }\n"
    "agent ann fulfills Draft { models = [large]  timeout = 1min  budget { tokens <= 10k } }\n"
    "flow f(topic: Text) -> Text { step draft = Draft(topic) by ann  return draft }",
)
WAIT_TOO_LONG = define(
    "E0850",
    "wait-too-long",
    "the wait of {wait} is never over within the {limit} of {place}",
    explanation="What is waited counts against the time budgets and the timeouts around it, so whoever comes here "
    "runs out of time. Wait for less, or allow more.",
    bad="orch 1\nflow f(topic: Text) -> Text {\n  budget { time <= 1h }\n  wait 2h\n  return topic\n}",
    good="orch 1\nflow f(topic: Text) -> Text {\n  budget { time <= 3h }\n  wait 2h\n  return topic\n}",
)
TIMEOUT_TOO_LONG = define(
    "W0851",
    "timeout-too-long",
    "the timeout of {step}, {timeout}, never passes within the {limit} of {place}",
    severity="warning",
    explanation="The time around it is used up first, and that stops more than this step would. Make the timeout "
    "shorter than the time around it.",
    bad="orch 1\nsignal paid(order: Text) -> Text\nflow f(order: Text) -> Text {\n  budget { time <= 1d }\n"
    "  step p = paid(order) { timeout = 3d }\n  return p\n}",
    good="orch 1\nsignal paid(order: Text) -> Text\nflow f(order: Text) -> Text {\n  budget { time <= 4d }\n"
    "  step p = paid(order) { timeout = 3d }\n  return p\n}",
)
