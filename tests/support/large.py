"""Large specs that look like what people write: departments beside each other, each with its own people and flows."""

__all__ = ["LINES_PER_DEPARTMENT", "large_spec"]

_HEAD = """\
orch 1

/// What a reader says of a text.
enum Verdict { accept, revise, reject }

model large { input = $3 / 1M  output = $15 / 1M  context = 200k }
model small { input = $0.25 / 1M  output = $2 / 1M  context = 128k }

param patience: Duration = 45s where patience in 1s..10min

policy llm {
  timeout  = patience
  attempts = 3
  backoff  = exponential(from: 500ms, to: 20s)
}

"""

_DEPARTMENT = """\
// ---- department @

type Order@ {
  id:       Text
  question: Text where len(question) > 0
  amount:   Money
  urgent:   Bool = false
}
type Finding@ {
  claim:      Text
  sources:    List<Url> where len(sources) >= 1
  confidence: Float where confidence in 0.0..1.0
}
type Report@ { id: Text  body: Text  cites: List<Url> }
type Review@ { verdict: Verdict  notes: Text  confidence: Float }
enum Kind@ { billing, shipping, other }

/// Splits a question into topics that can be researched apart.
contract Plan@(order: Order@) -> List<Text> {
  expects = "Split the question into independent topics."
  ensures = len(result) in 1..12
}
contract Sort@(order: Order@) -> Kind@
contract Research@(topic: Text) -> Finding@ {
  expects = "Answer one topic and cite where each claim comes from."
  ensures = result.confidence >= 0.3
  reuse   = 1d
}
contract Write@(topics: List<Text>, facts: List<Finding@>, notes: Text?) -> Report@ {
  expects = "Write a report in which every claim is cited."
  ensures = [len(result.cites) >= len(facts), len(result.body) > 0]
}
contract Judge@(report: Report@) -> Review@ { expects = "Accept the report, or say what must change." }

tool search@ { rate = 10 / 1s  slots = 16 }

agent planner@ fulfills Plan@ { models = [large, small]  policies = [llm]  budget { tokens <= 8k } }
agent scout@ fulfills Research@ {
  models = [small]
  slots = 8
  tools = [search@]
  policies = [llm]
  budget { tokens <= 16k }
}
agent scholar@ fulfills Research@ { models = [large]  slots = 2  policies = [llm]  budget { tokens <= 24k } }
agent writer@ fulfills Write@ { models = [large]  policies = [llm]  budget { tokens <= 40k } }
agent critic@ fulfills Judge@ { models = [large, small]  policies = [llm]  budget { tokens <= 16k } }
agent lawyer@ fulfills Judge@ { models = [large]  policies = [llm]  budget { tokens <= 16k } }
dispatcher front@ fulfills Sort@ { models = [small]  timeout = 5s  budget { tokens <= 1k } }
human editor@ fulfills Judge@ { slots = 3  timeout = 4h }

effect publish@(report: Report@) -> Url {
  key  = report.id  // the same report is the same deed
  undo = retract@(url: result)
  timeout = 30s
}
effect retract@(url: Url) { key = text(url)  timeout = 30s }

/// Facts on all topics of an order.
flow research@(order: Order@) -> List<Finding@> {
  step topics = Plan@(order) by planner@
  step found = Research@(t) by any for t in topics { width = 4  need = 75% }
  arbitrate facts = found { group = lower(it.claim)  decide = highest(it.confidence) or first }
  return facts
}

flow briefing@(order: Order@) -> Url {
  budget { cost <= $40.00  tokens <= 4M  time <= 60h  retries <= 400 }
  require draft before url

  step kind = Sort@(order) by front@
  route limit on kind {
    case Kind@.billing, Kind@.shipping -> give 3
    case Kind@.other -> give len(order.question) + 1
  }
  fail "too dear: " + order.question when order.amount > $1_000 and not order.urgent or limit > 100
  step facts = research@(order)
  checkpoint researched

  repeat draft 3 times {
    step report = Write@(facts.claim, facts, notes: prev.review.notes) by writer@
    step reviews = Judge@(report) by all of [critic@, lawyer@]
    arbitrate review = reviews {
      decide = unanimous(it.verdict) or ask(editor@, within: 30min) or priority([lawyer@, critic@])
    }
    until review.verdict == Verdict.accept and review.confidence > 0.5 or review.notes == ""
    give report
  } else { fail "no draft was accepted" }

  scope checks for cite in draft.cites {
    width = 10
    need = 90%
    step again = Research@(text(cite) + draft.id) by scout@ { on_failure = skip  timeout = 1min }
    give (again.confidence ?? 0.5) * 2.0 + 1
  }
  fail "nothing holds" when (max(checks) ?? 0.0) < 0.1

  step url = publish@(report: draft)
  return url
}

profile planner@ { latency = lognormal(p50: 4s, p95: 11s)  failure = 1%  tokens_out = lognormal(p50: 220, p95: 500) }
profile scout@ {
  latency = lognormal(p50: 6s, p95: 21s)  failure = 2%  garbage = 0.5%
  tokens_in = normal(4k, 1k)  tokens_out = lognormal(p50: 600, p95: 1500)
  calls = { search@: uniform(1, 4) }
  output = { confidence: uniform(0.4, 0.95) }
}
profile critic@ { latency = lognormal(p50: 9s, p95: 25s)  output = { verdict: choice(accept: 85%, revise: 15%) } }

scenario "a quiet day in @" for briefing@ {
  arrivals = poisson(6 / 1h)
  duration = 8h  warmup = auto
  fault throttle(search@, at: 30min, lasting: 5min)
  expect p95(latency) <= 1h and duplicate_effects == 0
}

test "one failing scout still publishes once in @" for briefing@ {
  given = { order: { id: "1", question: "Why do orchestrations lose work?", amount: $5 } }
  stub planner@ = ["journals", "retries", "people"]
  stub front@ = Kind@.other
  stub critic@ = { verdict: Verdict.accept, notes: "", confidence: 0.9 }
  stub lawyer@ = { verdict: Verdict.accept, notes: "", confidence: 0.9 }
  fault fail(scout@, first: 1)
  expect status == completed and calls(publish@) == 1
}

"""

LINES_PER_DEPARTMENT = _DEPARTMENT.count("\n")


def large_spec(departments: int) -> str:
    """A sound spec of so many departments, each about 130 lines."""
    return _HEAD + "".join(_DEPARTMENT.replace("@", str(number)) for number in range(1, departments + 1))
