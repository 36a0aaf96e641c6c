"""E11xx: channels, sessions and evals: who says what to whom, who remembers what, who looks at the quality."""

from __future__ import annotations

from orchspec.compiler.codes.samples import PRELUDE, in_flow, spec
from orchspec.grammar.diagnostics import define

__all__ = [
    "CHANNEL_END",
    "EMPTY_END",
    "EVAL_RACE",
    "EVAL_READ",
    "FOLD_SIGNATURE",
    "IDLE_FOLD",
    "RACED_MIND",
    "SESSION_KEY",
    "UNDECLARED_SENDER",
]


def _sent(senders: str, statement: str = 'send news(note: "begun")') -> str:
    return spec(
        f"channel news(note: Text) {{ from = [{senders}]  to = [bob] }}\n"
        f"flow work(topic: Text) -> Note {{\n  {statement}\n  step draft = Draft(topic) by bob\n  return draft\n}}"
    )


_GOOD = _sent("work")

CHANNEL_END = define(
    "E1101",
    "channel-end",
    "the channel `{name}` does not say {missing}",
    explanation="A channel has two ends: `from`, the agents and flows that may send on it, and `to`, the agents that "
    "get what is sent: `all`, or a list. What is not declared is not permitted.",
    bad=PRELUDE + "channel news(note: Text) { to = all }\n",
    good=_GOOD,
)
EMPTY_END = define(
    "E1102",
    "empty-channel",
    "what is sent on `{name}` goes {what}",
    explanation="Nobody gets their own messages, so a channel needs a sender, and a receiver besides.",
    bad=PRELUDE + "channel news(note: Text) { from = [ann]  to = [ann] }\n",
    good=_GOOD,
)
UNDECLARED_SENDER = define(
    "E1103",
    "undeclared-sender",
    "`{sender}` may not send on `{channel}`",
    explanation="Messages go along declared edges only. Name the flow in the `from` of the channel.",
    bad=_sent("ann"),
    good=_GOOD,
)


def _judged(statement: str, rest: str = "return draft") -> str:
    return in_flow(f"step draft = Draft(topic) by ann\n{statement}\n{rest}")


_EVAL = "eval quality = Check(draft) by bob { sample = 10% }"

EVAL_RACE = define(
    "E1104",
    "eval-race",
    "the eval `{name}` is no race: who answers first would decide what is measured",
    explanation="Quality is looked at `by` an agent, by `any`, by `all of` several or by `N of` one; their values are "
    "all counted.",
    bad=_judged("eval quality = Check(draft) by first of [ann, bob]"),
    good=_judged(_EVAL),
)
EVAL_READ = define(
    "E1105",
    "eval-read",
    "`{name}` is an eval, and nothing may depend on it",
    explanation="An eval looks on: it is done for a sample only, beside the run, and never changes its outcome. What a "
    "flow decides on is a step.",
    bad=_judged(_EVAL, "return quality"),
    good=_judged(_EVAL),
)


def _minded(session: str, rest: str = "") -> str:
    return PRELUDE + f"agent cy fulfills Draft {{ timeout = 30s  session = {session}{rest} }}\n"


SESSION_KEY = define(
    "E1106",
    "session-key",
    "this cannot tell the minds of a session apart: {why}",
    explanation="`persistent(by: EXPR)` is a mind for each value of EXPR, which is evaluated over the parameters of "
    "whatever contract the agent is asked to fulfill: each of them has what it reads, and it has one type, not an "
    "optional one.",
    bad=_minded('persistent(by: "all")'),
    good=_minded("persistent(by: topic)"),
)
FOLD_SIGNATURE = define(
    "E1107",
    "fold-signature",
    "`{name}` cannot summarize a session: it {problem}",
    explanation="The contract of `fold` has one parameter that must be given, a `List<Json>`, a `Json` or a `Text`: "
    "the turns of the session, oldest first. Its result, of any type, stands for them from then on.",
    bad=_minded("persistent", "  context = 100k  fold = Check"),
    good=PRELUDE
    + "contract Condense(history: List<Json>) -> Text\n"
    + "agent cy fulfills Draft, Condense { timeout = 30s  session = persistent  context = 100k  fold = Condense }\n",
)
IDLE_FOLD = define(
    "W1108",
    "idle-fold",
    "`{name}` begins with a new mind each time, so there is never anything to fold",
    severity="warning",
    explanation="`fold` summarizes the history of a session, `per_run` or `persistent`. A fresh one has none.",
    bad=PRELUDE
    + "contract Condense(history: List<Json>) -> Text\n"
    + "agent cy fulfills Draft, Condense { timeout = 30s  fold = Condense }\n",
    good=PRELUDE
    + "contract Condense(history: List<Json>) -> Text\n"
    + "agent cy fulfills Draft, Condense { timeout = 30s  session = per_run  fold = Condense }\n",
)
RACED_MIND = define(
    "E1109",
    "raced-mind",
    "`{name}` has a persistent mind and cannot race",
    explanation="Whoever loses a race is stopped in the middle of its thought. One mind does one task at a time, in "
    "order, to its end.",
    bad=spec(
        "agent cy fulfills Draft { timeout = 30s  session = persistent }\n"
        "flow f(t: Text) -> Note {\n  step d = Draft(t) by first of [cy, ann]\n  return d\n}"
    ),
    good=spec("flow f(t: Text) -> Note {\n  step d = Draft(t) by first of [ann, bob]\n  return d\n}"),
)
