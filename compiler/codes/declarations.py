"""E04xx: attributes, budgets, contracts, agents, policies and models."""

from __future__ import annotations

from orchspec.compiler.codes.samples import in_flow, spec
from orchspec.grammar.diagnostics import define

__all__ = [
    "AGENT_DOES_NOT_FULFILL",
    "ATTRIBUTE_TWICE",
    "ATTRIBUTE_VALUE",
    "DISPATCHER_EXECUTES",
    "HUMAN_RESTRICTION",
    "NOBODY_FULFILLS",
    "NO_MEANING",
    "NO_TIMEOUT",
    "OUT_OF_RANGE",
    "REPEATED_IN_LIST",
    "REUSED_DECISION",
    "SECOND_OWNER",
    "TOO_MANY_CANDIDATES",
    "UNBOUNDED_ATTEMPT",
    "UNKNOWN_ATTRIBUTE",
    "UNKNOWN_LIMIT",
]

UNKNOWN_ATTRIBUTE = define(
    "E0401",
    "unknown-attribute",
    "{place} has no attribute `{name}`",
    explanation="Each declaration and statement knows its attributes; what would be ignored is refused.",
    bad="orch 1\ntool search { slot = 4 }",
    good="orch 1\ntool search { slots = 4 }",
)
ATTRIBUTE_TWICE = define(
    "E0402",
    "attribute-twice",
    "`{name}` is given twice here",
    explanation="One place says one thing once.",
    bad="orch 1\ntool search { slots = 4  slots = 8 }",
    good="orch 1\ntool search { slots = 4 }",
)
ATTRIBUTE_VALUE = define(
    "E0403",
    "attribute-value",
    "`{name}` takes {expected}, found {found}",
    explanation="The value of an attribute has the form that the attribute asks for.",
    bad="orch 1\ntool search { rate = 10 }",
    good="orch 1\ntool search { rate = 10 / 1s }",
)
OUT_OF_RANGE = define(
    "E0404",
    "out-of-range",
    "`{name}` is {found}, expected {expected}",
    explanation="The value has the right form and no sense: nothing can be tried zero times or be 130 % likely.",
    bad="orch 1\npolicy llm { attempts = 0 }",
    good="orch 1\npolicy llm { attempts = 1 }",
)
UNKNOWN_LIMIT = define(
    "E0405",
    "unknown-limit",
    "a budget {place} has no limit `{name}`",
    explanation="The budget of an agent caps `cost` and `tokens` of one attempt. Those of flows, scopes and steps cap "
    "`cost tokens time retries attempts depth transitions` of everything inside.",
    bad="orch 1\ncontract Draft(topic: Text) -> Text\nagent ann fulfills Draft { budget { costs <= $1 } }",
    good="orch 1\ncontract Draft(topic: Text) -> Text\nagent ann fulfills Draft { budget { cost <= $1 } }",
)
NO_MEANING = define(
    "E0450",
    "no-meaning",
    "`{name}` means nothing at {place}: {why}",
    explanation="The language has this attribute or limit, and it would change nothing here. What would be ignored is "
    "refused.",
    bad="orch 1\nsignal paid(order: Text) -> Text\nflow f(o: Text) -> Text {\n"
    "  step p = paid(o) { attempts = 3 }\n  return p\n}",
    good="orch 1\nsignal paid(order: Text) -> Text\nflow f(o: Text) -> Text {\n"
    "  step p = paid(o) { timeout = 3d }\n  return p\n}",
)
NOBODY_FULFILLS = define(
    "E0407",
    "nobody-fulfills",
    "no agent fulfills `{contract}`",
    explanation="Every step must be able to run: some agent, human or dispatcher lists the contract after `fulfills`.",
    bad="orch 1\ncontract Draft(topic: Text) -> Text\nflow f(t: Text) -> Text { step d = Draft(t) by any  return d }",
    good="orch 1\ncontract Draft(topic: Text) -> Text\nagent ann fulfills Draft\n"
    "flow f(t: Text) -> Text { step d = Draft(t) by any  return d }",
)
AGENT_DOES_NOT_FULFILL = define(
    "E0408",
    "agent-does-not-fulfill",
    "`{agent}` does not fulfill `{contract}`",
    explanation="Who is named after `by`, in `ask` or in `on_failure` lists the contract after `fulfills`.",
    bad=spec("agent cy fulfills Check\nflow f(t: Text) -> Note { step d = Draft(t) by cy  return d }"),
    good=spec("agent cy fulfills Draft\nflow f(t: Text) -> Note { step d = Draft(t) by cy  return d }"),
)
DISPATCHER_EXECUTES = define(
    "E0409",
    "dispatcher-executes",
    "the dispatcher `{name}` cannot {what}: it never leaves the desk",
    explanation="A dispatcher routes, assembles context and tracks status. It has no tools and no effects and sends no "
    "messages, so that it is never busy doing the work; leave that to the agent that does it.",
    bad="orch 1\ncontract Triage(text: Text) -> Bool\ntool search { slots = 2 }\n"
    "dispatcher front fulfills Triage { tools = [search] }",
    good="orch 1\ncontract Triage(text: Text) -> Bool\ndispatcher front fulfills Triage { timeout = 5s }",
)
HUMAN_RESTRICTION = define(
    "E0410",
    "human-restriction",
    "the human `{name}` cannot have `{attribute}`: {why}",
    explanation="People answer through the inbox: no model, session or tool runs for them.",
    bad="orch 1\nmodel large { input = $3 / 1M  output = $15 / 1M }\ncontract Judge(text: Text) -> Bool\n"
    "human editor fulfills Judge { models = [large] }",
    good="orch 1\ncontract Judge(text: Text) -> Bool\nhuman editor fulfills Judge { slots = 3  timeout = 4h }",
)
SECOND_OWNER = define(
    "E0412",
    "second-owner",
    "the decision `{decision}` is owned by `{first}` already",
    explanation="Each decision has one owner, so that it can be said who took it.",
    bad="orch 1\ndecision release\ncontract Judge(text: Text) -> Bool { owns = release }\n"
    "contract Rate(text: Text) -> Bool { owns = release }",
    good="orch 1\ndecision release\ncontract Judge(text: Text) -> Bool { owns = release }\n"
    "contract Rate(text: Text) -> Bool",
)
REPEATED_IN_LIST = define(
    "E0413",
    "repeated-in-list",
    "`{name}` stands twice in this list",
    explanation="A list of agents, contracts, models, tools or policies names each of them once; to ask one agent "
    "several times write `by 3 of agent`.",
    bad=in_flow(
        "step notes = Draft(topic) by all of [ann, ann]\narbitrate note = notes { decide = first }\nreturn note"
    ),
    good=in_flow("step notes = Draft(topic) by 2 of ann\narbitrate note = notes { decide = first }\nreturn note"),
)
TOO_MANY_CANDIDATES = define(
    "E0414",
    "too-many-candidates",
    "the spec has more than {limit} pairs of a step and an agent that may take it",
    explanation="Each step under `by any` or `by all` may go to everybody who fulfills its contract. What is checked "
    "and planned for each of them must stay bounded: name the agents, or split the spec.",
    bad="// a spec with 500 agents that fulfill one contract, and 401 steps by any of them",
    good="orch 1\ncontract Draft(topic: Text) -> Text\nagent ann fulfills Draft\n"
    "flow f(topic: Text) -> Text { step draft = Draft(topic) by any  return draft }",
)
NO_TIMEOUT = define(
    "A0420",
    "no-timeout",
    "nothing bounds the time that `{name}` waits for {who}",
    severity="advice",
    explanation="A person may never answer, a signal may never come. Without a `timeout` at the step or at the "
    "human, and without a time budget around it, the run is parked for good.",
    bad="""orch 1
contract Judge(text: Text) -> Bool
human editor fulfills Judge
flow f(text: Text) -> Bool { step ok = Judge(text) by editor  return ok }""",
    good="""orch 1
contract Judge(text: Text) -> Bool
human editor fulfills Judge { timeout = 4h }
flow f(text: Text) -> Bool { step ok = Judge(text) by editor  return ok }""",
)
UNBOUNDED_ATTEMPT = define(
    "A0421",
    "unbounded-attempt",
    "nothing bounds how long an attempt of `{name}` may take",
    severity="advice",
    explanation="What hangs is waited for without end, and whoever waits holds slots and budgets. A `timeout` "
    "bounds each attempt: of the agent or the effect, of a step, or of a policy of these. The time of a step, scope or "
    "flow around it bounds it too (`timeout`, `budget { time <= 6h }`), but not what is undone. Take a timeout well "
    "above what slow attempts take, for what comes late is lost.",
    bad="""orch 1
contract Draft(topic: Text) -> Text
agent ann fulfills Draft
flow f(topic: Text) -> Text { step draft = Draft(topic) by ann  return draft }""",
    good="""orch 1
contract Draft(topic: Text) -> Text
agent ann fulfills Draft { timeout = 2min }
flow f(topic: Text) -> Text { step draft = Draft(topic) by ann  return draft }""",
)
REUSED_DECISION = define(
    "W0415",
    "reused-decision",
    "`{name}` takes a decision, so it is done anew each time and its `reuse` does nothing",
    severity="warning",
    explanation="`reuse` hands on the value of identical work. A decision has one owner, who takes it each time it is "
    "asked for: handing on an old one would be a decision that nobody took.",
    bad=(
        "orch 1\n"
        "decision fate\ncontract Judge(t: Text) -> Bool { owns = fate  reuse = 1d }\nagent cy fulfills Judge\n"
        "flow f(t: Text) -> Bool { step j = Judge(t) by cy  return j }"
    ),
    good=(
        "orch 1\n"
        "decision fate\ncontract Judge(t: Text) -> Bool { owns = fate }\nagent cy fulfills Judge\n"
        "flow f(t: Text) -> Bool { step j = Judge(t) by cy  return j }"
    ),
)
