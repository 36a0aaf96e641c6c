"""E09xx: profiles, scenarios and tests."""

from __future__ import annotations

from orchspec.compiler.codes.samples import in_flow, spec
from orchspec.grammar.diagnostics import define

__all__ = [
    "BAD_DATA_FILE",
    "BAD_FACT",
    "BAD_FAULT_ARGUMENT",
    "BAD_KPI",
    "FAULT_TARGET",
    "GUESSED_RESERVATION",
    "IMPOSSIBLE_DISTRIBUTION",
    "IMPOSSIBLE_LOAD",
    "MISFIT_DISTRIBUTION",
    "NOTHING_TO_SAMPLE",
    "NOT_AN_EXPECTATION",
    "NO_END",
    "UNIT_MISMATCH",
    "UNKNOWN_ARRIVALS",
    "UNKNOWN_DISTRIBUTION",
    "UNKNOWN_FACT",
    "UNKNOWN_FAULT",
    "UNKNOWN_KPI",
    "UNTOUCHABLE_EFFECT",
    "UNTOUCHABLE_TOOL",
    "WRONG_STUB",
]

_CAPPED = """flow work(topic: Text) -> Note {
  budget { cost <= $1 }
  step draft = Draft(topic) by cy
  return draft
}"""
_WORK = "step draft = Draft(topic) by ann\nreturn draft"


def _study(body: str) -> str:
    return in_flow(_WORK) + body.strip("\n") + "\n"


def _scenario(items: str, title: str = "a quiet day") -> str:
    return _study(f'scenario "{title}" for work {{\n  {items}\n}}')


def _test(items: str) -> str:
    return _study(f'test "it works" for work {{\n  {items}\n}}')


UNKNOWN_DISTRIBUTION = define(
    "E0901",
    "unknown-distribution",
    "there is no distribution called `{name}`",
    explanation="Values are sampled from fixed, uniform, normal, lognormal, exponential, gamma, pareto, choice, "
    "mixture, chance, size and empirical.",
    bad=spec("profile ann { latency = lognormall(p50: 1s, p95: 3s) }"),
    good=spec("profile ann { latency = lognormal(p50: 1s, p95: 3s) }"),
)
MISFIT_DISTRIBUTION = define(
    "E0902",
    "misfit-distribution",
    "{law} does not sample {expected}",
    explanation="A distribution fits what it is sampled for: numbers, times and amounts of money take the laws of "
    "numbers, an enum `choice(member: P, ...)`, a Bool `chance(P)`, a list `size(D)`; anything takes "
    "`fixed(v)`, `choice(v, ...)` and `mixture(P: D, ...)`.",
    bad=spec("profile ann { output = { score: chance(30%) } }"),
    good=spec("profile ann { output = { score: uniform(0.3, 0.9) } }"),
)
IMPOSSIBLE_DISTRIBUTION = define(
    "E0903",
    "impossible-distribution",
    "{problem}",
    explanation="The parameters of a distribution must leave something to sample: quantiles in order, shares that "
    "sum to 100%, positive means and shapes, no negative times, counts or costs.",
    bad=spec("profile ann { latency = lognormal(p50: 5s, p95: 2s) }"),
    good=spec("profile ann { latency = lognormal(p50: 2s, p95: 5s) }"),
)
BAD_DATA_FILE = define(
    "E0904",
    "bad-data-file",
    "{problem}",
    explanation="`empirical` and `trace` read a column of a CSV file with a header line. The file is named relative "
    "to the spec and lies in its folder or below; nothing outside is ever read. `empirical` takes "
    "numbers (seconds for times, USD for money), `trace` numbers of seconds or dates with times.",
    bad=spec('profile ann { latency = empirical("../latencies.csv", seconds) }'),
    good=spec("profile ann { latency = lognormal(p50: 2s, p95: 5s) }"),
)
NOTHING_TO_SAMPLE = define(
    "E0905",
    "nothing-to-sample",
    "no result of `{target}` has {what}",
    explanation="`output` gives distributions for fields of the results that this agent or effect gives, by the "
    "names of their types; for a result that is no record it gives one distribution.",
    bad=spec("profile ann { output = { confidence: uniform(0, 1) } }"),
    good=spec("profile ann { output = { score: uniform(0, 1) } }"),
)
UNTOUCHABLE_TOOL = define(
    "E0906",
    "untouchable-tool",
    "`{agent}` may not touch the tool `{tool}`",
    explanation="An agent calls only the tools that it declares: `tools = [...]` is all it may touch.",
    bad=spec("tool search { slots = 2 }\nprofile ann { calls = { search: uniform(1, 4) } }"),
    good=spec(
        "tool search { slots = 2 }\nagent cy fulfills Draft { tools = [search] }\n"
        "profile cy { calls = { search: uniform(1, 4) } }"
    ),
)
UNTOUCHABLE_EFFECT = define(
    "E0921",
    "untouchable-effect",
    "`{agent}` cannot ask for the effect `{effect}`",
    explanation="A profile says how often an agent asks for an effect on its way; it can only ask for those that its "
    "`effects` list. An effect of the flow is a step, and has a profile of its own.",
    bad=spec("effect post(t: Text) { key = t }\nprofile ann { effects = { post: 30% } }"),
    good=spec("effect post(t: Text) { key = t }\nprofile post { latency = fixed(1s) }"),
)
UNKNOWN_ARRIVALS = define(
    "E0908",
    "unknown-arrivals",
    "arrivals are no `{name}`",
    explanation="Runs arrive by `poisson(rate)`, `every(d)`, `burst(calm:, peak:, every:, lasting:)`, `closed(users:, "
    'think:)` or `trace("file.csv", column)`; without arrivals each run is alone.',
    bad=_scenario("arrivals = poison(6 / 1h)\n  duration = 8h"),
    good=_scenario("arrivals = poisson(6 / 1h)\n  duration = 8h"),
)
IMPOSSIBLE_LOAD = define(
    "E0909",
    "impossible-load",
    "{problem}",
    explanation="Rates, periods and durations are positive, a peak ends before the next one begins, and the warm-up "
    "before the scenario. Isolated runs (without arrivals) have neither a duration nor a warm-up.",
    bad=_scenario("arrivals = poisson(6 / 1h)\n  duration = 1h  warmup = 2h"),
    good=_scenario("arrivals = poisson(6 / 1h)\n  duration = 8h  warmup = 2h"),
)
NO_END = define(
    "E0910",
    "no-end",
    'the scenario "{title}" does not say how long it goes on',
    explanation="A scenario with arrivals ends after its `duration` or after so many `runs`; isolated runs are "
    "counted by `runs`.",
    bad=_scenario("arrivals = poisson(6 / 1h)"),
    good=_scenario("arrivals = poisson(6 / 1h)\n  duration = 8h"),
)
UNKNOWN_FAULT = define(
    "E0911",
    "unknown-fault",
    "there is no fault called `{name}`",
    explanation="Faults have the names of the language, such as `crash`, `fail`, `garbage`, `slow` and `throttle`, "
    "and are written as a call: `fault fail(scout, rate: 5%)`.",
    bad=_test("fault failure(ann)\n  expect status == failed"),
    good=_test("fault fail(ann)\n  expect status == failed"),
)
FAULT_TARGET = define(
    "E0912",
    "fault-target",
    "`{fault}` cannot strike {target}",
    explanation="Each fault has its targets: only the orchestrator crashes, only whoever gives outputs gives "
    "garbage, only a provider throttles.",
    bad=_test("fault crash(ann, at: 1s)\n  expect status == completed"),
    good=_test("fault crash(orchestrator, at: 1s, down: 5s)\n  expect status == completed"),
)
BAD_FAULT_ARGUMENT = define(
    "E0913",
    "bad-fault-argument",
    "{problem}",
    explanation="`at`, `every` and `lasting` say when a fault strikes, `rate` which share of attempts, `first` and "
    "`nth` which of them; `down` is how long a crash lasts and `point` where it strikes; `factor` (times "
    "as long) or `by` (so much longer) says how slow; `retry_after` what a throttled caller is told.",
    bad=_test("fault slow(ann, factor: 0)\n  expect status == completed"),
    good=_test("fault slow(ann, factor: 4)\n  expect status == completed"),
)
UNKNOWN_KPI = define(
    "E0914",
    "unknown-kpi",
    "there is no KPI called `{name}`",
    explanation="A scenario expects of `latency cost tokens retries escalations` (with `mean p50 p90 p95 p99 max`), "
    "`completion resume_success duplicate_effects lost_effects wasted throughput overhead`, and "
    "`utilization(x) wait(x) queue(x)` of an agent, tool or person.",
    bad=_scenario("runs = 100\n  expect p95(latencies) <= 1h"),
    good=_scenario("runs = 100\n  expect p95(latency) <= 1h"),
)
BAD_KPI = define(
    "E0915",
    "bad-kpi",
    "{problem}",
    explanation="KPIs of runs are read by a statistic, `p95(latency)`; KPIs of agents, tools and people name one, "
    "`utilization(scout)`; the others are one number.",
    bad=_scenario("arrivals = every(5min)\n  duration = 8h\n  expect utilization <= 80%"),
    good=_scenario("arrivals = every(5min)\n  duration = 8h\n  expect utilization(ann) <= 80%"),
)
UNIT_MISMATCH = define(
    "E0916",
    "unit-mismatch",
    "{left} and {right} do not go together",
    explanation="Each KPI has a unit: latencies and waits are times, costs are money, shares are percent, throughput "
    "is a rate, beside which a plain number is so many a second. Compare and add only what measures the same.",
    bad=_scenario("runs = 100\n  expect p95(latency) <= $1"),
    good=_scenario("runs = 100\n  expect p95(latency) <= 1min"),
)
NOT_AN_EXPECTATION = define(
    "E0917",
    "not-an-expectation",
    "{problem}",
    explanation="`expect` takes comparisons, joined by `and`, `or`, `not`: in a scenario of KPIs, in a test of "
    "`status result cost tokens retries latency calls(x) attempts(x) reached(checkpoint)`.",
    bad=_scenario("runs = 100\n  expect p95(latency)"),
    good=_scenario("runs = 100\n  expect p95(latency) <= 1min"),
)
UNKNOWN_FACT = define(
    "E0918",
    "unknown-fact",
    "a test knows no `{name}`",
    explanation="A test expects of `status`, `result`, `cost`, `tokens`, `retries`, `latency`, `calls(x)`, "
    "`attempts(x)` and `reached(checkpoint)`. A status is completed, failed, cancelled, budget_exhausted "
    "or parked.",
    bad=_test("expect outcome == completed"),
    good=_test("expect status == completed"),
)
BAD_FACT = define(
    "E0919",
    "bad-fact",
    "{problem}",
    explanation="`calls(x)` counts tasks of an agent or applications of an effect, `attempts(x)` attempts, "
    "`reached(name)` asks for a checkpoint of the flow.",
    bad=_test("expect calls() == 1"),
    good=_test("expect calls(ann) == 1"),
)
WRONG_STUB = define(
    "E0920",
    "wrong-stub",
    "{problem}",
    explanation="A stub says what an agent gives instead of being asked: a value of the result's type, or several in "
    "turn with `then`. For one of several contracts of an agent write `stub ann.Draft = ...`.",
    bad=_test(
        'stub ann = { text: "a", score: 1.0 }\n  stub ann = { text: "b", score: 0.5 }\n  expect status == completed'
    ),
    good=_test('stub ann = { text: "a", score: 1.0 } then { text: "b", score: 0.5 }\n  expect status == completed'),
)
GUESSED_RESERVATION = define(
    "W0991",
    "guessed-reservation",
    "what `{agent}` may spend is only guessed from its profile",
    severity="warning",
    explanation="A budget holds because what an attempt may spend is reserved before. Without a cap (`budget` of the "
    "agent or the step) and without a model whose price and context are known, the profile's estimate is "
    "all there is, and an attempt may spend more.",
    bad=spec("agent cy fulfills Draft { timeout = 30s }\nprofile cy { cost = $0.02 }\n" + _CAPPED),
    good=spec(
        "agent cy fulfills Draft { timeout = 30s  budget { cost <= $0.05 } }\nprofile cy { cost = $0.02 }\n" + _CAPPED
    ),
)
