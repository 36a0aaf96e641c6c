"""E05xx: the structure of flows and the order of what is in them."""

from __future__ import annotations

from orchspec.compiler.codes.samples import in_flow, spec
from orchspec.grammar.diagnostics import define

__all__ = [
    "ARM_UNREACHABLE",
    "BAD_BOUND",
    "BY_MISSING",
    "BY_UNWANTED",
    "CYCLE",
    "FLOW_CYCLE",
    "MISPLACED",
    "NOTHING_TO_DO",
    "NOT_EXHAUSTIVE",
    "NO_SUBJECT",
    "NO_UNTIL",
    "NO_VALUE",
    "REQUIRED_MAY_BE_REPLACED",
    "REQUIRED_MAY_BE_SKIPPED",
    "SECOND_UNTIL",
    "SECOND_VALUE",
    "UNREACHABLE",
    "UNREACHABLE_LINK",
    "USED_BEFORE_GIVEN",
    "WITHOUT_FAN_OUT",
    "WRONG_LINK",
    "WRONG_LOOP",
]

_DRAFT = "step draft = Draft(topic) by ann\n"

CYCLE = define(
    "E0501",
    "cycle",
    "{knot}",
    explanation="A step waits for everything it reads and for everything it is ordered after, so these can never "
    "start. "
    "Each edge of the cycle is shown where it comes from. A loop is written as `repeat`.",
    bad=in_flow(
        "step first_note = Check(second_note) by ann\nstep second_note = Check(first_note) by bob\nreturn second_note"
    ),
    good=in_flow(
        "step first_note = Draft(topic) by ann\nstep second_note = Check(first_note) by bob\nreturn second_note"
    ),
)
USED_BEFORE_GIVEN = define(
    "E0502",
    "used-before-given",
    "`{name}` is read before it is given",
    explanation="A name is used only below the statement that gives it, so that a block reads from top to bottom.",
    bad=in_flow("step checked = Check(draft) by bob\n" + _DRAFT + "return checked"),
    good=in_flow(_DRAFT + "step checked = Check(draft) by bob\nreturn checked"),
)
FLOW_CYCLE = define(
    "E0503",
    "flow-cycle",
    "the flow {names} calls itself",
    explanation="Flow calls form no cycle, so that depth and cost have a bound. Write a `repeat` with its bound.",
    bad="orch 1\nflow f(n: Int) -> Int { step again = f(n - 1)  return again }",
    good="orch 1\nflow g(n: Int) -> Int { return n }\nflow f(n: Int) -> Int { step again = g(n - 1)  return again }",
)
NO_VALUE = define(
    "E0504",
    "no-value",
    "{place} must end in {expected}",
    explanation="A flow with a result type returns it on every path; a scope with `for` gives a value for each "
    "item; an "
    "`else` of a `repeat` that gives a value gives one too, or fails; so do the "
    "arms of a route if one of them gives a value.",
    bad=in_flow(_DRAFT),
    good=in_flow(_DRAFT + "return draft"),
)
SECOND_VALUE = define(
    "E0505",
    "second-value",
    "{place} has a second `{word}`",
    explanation="A block has one value, given once.",
    bad=in_flow(
        "repeat best 2 times {\n  step draft = Draft(topic) by ann\n  until draft.score > 0.5\n  give draft\n"
        "  give draft\n}\nreturn best"
    ),
    good=in_flow(
        "repeat best 2 times {\n  step draft = Draft(topic) by ann\n  until draft.score > 0.5\n  give draft\n}"
        "\nreturn best"
    ),
)
UNREACHABLE = define(
    "E0506",
    "unreachable",
    "nothing below {after} is reached",
    explanation="After `return`, `give` or a `fail` without `when`, a block is at its end. Nor does it give anything "
    "where a statement of it fails in every run: a route all of whose arms fail, a flow that only fails.",
    bad=in_flow(_DRAFT + "return draft\nstep checked = Check(draft) by bob"),
    good=in_flow(_DRAFT + "step checked = Check(draft) by bob\nreturn checked"),
)
NO_UNTIL = define(
    "E0507",
    "no-until",
    "the repeat `{name}` has no `until`",
    explanation="A `repeat` says when it is done; its bound alone would make it do all its rounds.",
    bad=in_flow("repeat best 2 times {\n  step draft = Draft(topic) by ann\n  give draft\n}\nreturn best"),
    good=in_flow(
        "repeat best 2 times {\n  step draft = Draft(topic) by ann\n  until draft.score > 0.5\n  give draft\n}"
        "\nreturn best"
    ),
)
SECOND_UNTIL = define(
    "E0508",
    "second-until",
    "the repeat has a second `{word}`",
    explanation="A `repeat` has one `until`, and at most one `every`; join conditions with `or`.",
    bad=in_flow(
        "repeat best 2 times {\n  step draft = Draft(topic) by ann\n  until draft.score > 0.5\n"
        "  until draft.score > 0.6\n  give draft\n}\nreturn best"
    ),
    good=in_flow(
        "repeat best 2 times {\n  step draft = Draft(topic) by ann\n  until draft.score > 0.5\n  give draft\n}"
        "\nreturn best"
    ),
)
MISPLACED = define(
    "E0509",
    "misplaced",
    "`{word}` cannot stand in {place}",
    explanation="`return` belongs to a flow; `give` to scopes, rounds and arms.",
    bad=in_flow(
        "repeat best 2 times {\n  step draft = Draft(topic) by ann\n  until draft.score > 0.5\n  return draft\n}"
        "\nreturn best"
    ),
    good=in_flow(
        "repeat best 2 times {\n  step draft = Draft(topic) by ann\n  until draft.score > 0.5\n  give draft\n}"
        "\nreturn best"
    ),
)
BAD_BOUND = define(
    "E0510",
    "bad-bound",
    "the bound of `{name}` {problem}",
    explanation="A `repeat` is bounded by a whole number, at least 1: a literal, or an expression over params.",
    bad=in_flow(
        "repeat best 0 times {\n  step draft = Draft(topic) by ann\n  until draft.score > 0.5\n  give draft\n}"
        "\nreturn best"
    ),
    good=in_flow(
        "repeat best 2 times {\n  step draft = Draft(topic) by ann\n  until draft.score > 0.5\n  give draft\n}"
        "\nreturn best"
    ),
)
BY_MISSING = define(
    "E0511",
    "by-missing",
    "`{name}` is a contract: say who fulfills it",
    explanation="The `by` clause is the dispatch pattern. A flow and an effect have none, a contract always has one.",
    bad=in_flow("step draft = Draft(topic)\nreturn draft"),
    good=in_flow("step draft = Draft(topic) by any\nreturn draft"),
)
BY_UNWANTED = define(
    "E0512",
    "by-unwanted",
    "`{name}` is {kind}: it takes no `by`",
    explanation="An effect is applied by its handler and a flow runs its own steps; only contracts are fulfilled "
    "by agents.",
    bad=in_flow(_DRAFT + "step url = publish(note: draft) by ann\nreturn draft"),
    good=in_flow(_DRAFT + "step url = publish(note: draft)\nreturn draft"),
)
WRONG_LOOP = define(
    "E0515",
    "wrong-loop",
    "`for` does not go with `by {pattern}`",
    explanation="`for` gives each item to one agent; `all of`, `all`, `N of` and `first of` give the same work to "
    "several. Put the fan-out into a `scope … for`, which has several steps for each item.",
    bad="orch 1\ncontract Draft(topic: Text) -> Text\nagent ann fulfills Draft\nagent bob fulfills Draft\n"
    "flow f(ts: List<Text>) -> Int {\n  step ds = Draft(t) by all of [ann, bob] for t in ts\n  return len(ds)\n}",
    good="orch 1\ncontract Draft(topic: Text) -> Text\nagent ann fulfills Draft\nagent bob fulfills Draft\n"
    "flow f(ts: List<Text>) -> Int {\n  step ds = Draft(t) by any of [ann, bob] for t in ts\n  return len(ds)\n}",
)
WITHOUT_FAN_OUT = define(
    "E0516",
    "without-fan-out",
    "`{name}` means nothing here: {why}",
    explanation="`width` bounds the items of a `for`; `need` is the floor of a `for` or a fan-out; `prefer` chooses "
    "among several agents.",
    bad=in_flow("step draft = Draft(topic) by ann { width = 4 }\nreturn draft"),
    good=in_flow("step draft = Draft(topic) by ann\nreturn draft"),
)
UNREACHABLE_LINK = define(
    "E0517",
    "unreachable-link",
    "`{link}` is never reached: `{before}` always settles it",
    explanation="The links of `on_failure` are tried in order; `stop`, `skip` and `use` always settle the failure.",
    bad=in_flow("step draft = Draft(topic) by ann { on_failure = stop or ask(bob) }\nreturn draft"),
    good=in_flow("step draft = Draft(topic) by ann { on_failure = ask(bob) or stop }\nreturn draft"),
)
WRONG_LINK = define(
    "E0518",
    "wrong-link",
    "`on_failure` cannot have {found}{detail}",
    explanation="A failure is met by `stop`, `skip`, `use(VALUE)` or `ask(WHO, within: TIME)`, chained with "
    "`or`. `ask` "
    "hands the same work to somebody else, so it goes only with a step that one agent does.",
    bad=in_flow("step draft = Draft(topic) by ann { on_failure = ignore }\nreturn draft"),
    good=in_flow("step draft = Draft(topic) by ann { on_failure = ask(bob) or stop }\nreturn draft"),
)
NOTHING_TO_DO = define(
    "E0519",
    "nothing-to-do",
    "{what} cannot be the work of a step",
    explanation="A step asks for a contract, applies an effect or runs a flow.",
    bad=in_flow("step size = len(topic)\nreturn { text: topic, score: 0.5 }"),
    good=in_flow("let size = len(topic)\nreturn { text: text(size), score: 0.5 }"),
)
REQUIRED_MAY_BE_SKIPPED = define(
    "E0524",
    "required-may-be-skipped",
    "`{earlier}` may be skipped, and is required before `{later}`",
    explanation="`require a before b` holds on every path, and a skipped step does not satisfy it. Let the later "
    "step be left out under the same condition, or do the earlier one always.",
    bad=spec(
        "flow f(t: Text) -> Note {\n  require checked before url\n  step draft = Draft(t) by ann\n"
        "  step checked = Check(draft) by bob { only_if = draft.score < 0.5 }\n"
        "  step url = publish(note: checked ?? draft)\n  return draft\n}"
    ),
    good=spec(
        "flow f(t: Text) -> Note {\n  require checked before url\n  step draft = Draft(t) by ann\n"
        "  step checked = Check(draft) by bob\n"
        "  step url = publish(note: checked)\n  return draft\n}"
    ),
)
REQUIRED_MAY_BE_REPLACED = define(
    "W0529",
    "required-may-be-replaced",
    "`{earlier}` is required before `{later}`, which goes on with a value in its place when it has failed",
    severity="warning",
    explanation="`on_failure = use(VALUE)` gives a value although the work was not done. Let the later step look at "
    "what it was given (`only_if`, or a guard above it), or let the earlier one fail.",
    bad=spec(
        "flow f(t: Text) -> Note {\n  require checked before url\n  step draft = Draft(t) by ann\n"
        "  step checked = Check(draft) by bob { on_failure = use(draft) }\n"
        "  step url = publish(note: checked)\n  return checked\n}"
    ),
    good=spec(
        "flow f(t: Text) -> Note {\n  require checked before url\n  step draft = Draft(t) by ann\n"
        "  step checked = Check(draft) by bob { on_failure = use(draft) }\n"
        '  fail "poor" when checked.score < 0.5\n'
        "  step url = publish(note: checked)\n  return checked\n}"
    ),
)
NO_SUBJECT = define(
    "E0520",
    "no-subject",
    "`case` has nothing to compare with: the route has no `on`",
    explanation="`route name on SUBJECT { case VALUE -> … }` compares the subject with each value; without `on`, the "
    "arms are "
    "conditions: `when CONDITION -> …`.",
    bad=in_flow(_DRAFT + "route best {\n  case 0.5 -> Check(draft) by bob\n  else -> give draft\n}\nreturn best"),
    good=in_flow(
        _DRAFT + "route best {\n  when draft.score < 0.5 -> Check(draft) by bob\n  else -> give draft\n}\nreturn best"
    ),
)
ARM_UNREACHABLE = define(
    "E0521",
    "arm-unreachable",
    "{what} is never reached",
    explanation="The first arm that fits runs. A value that stands in an earlier arm without a guard, and an arm below "
    "`else` or "
    "below arms that cover everything, can never be the first.",
    bad=in_flow(
        _DRAFT + "route best on draft.score < 0.5 {\n  case true -> Check(draft) by bob\n  case false -> give draft\n"
        '  else -> fail "neither"\n}\nreturn best'
    ),
    good=in_flow(
        _DRAFT + "route best on draft.score < 0.5 {\n  case true -> Check(draft) by bob\n  case false -> give draft\n}"
        "\nreturn best"
    ),
)
NOT_EXHAUSTIVE = define(
    "E0522",
    "not-exhaustive",
    "the route `{name}` has no arm for {missing}",
    explanation="Every member of an enum, or `true` and `false`, stands in an arm without a guard, or there is an "
    "`else`. Other "
    "values cannot all be listed, so they need an `else`, and so do conditions.",
    bad=in_flow(_DRAFT + "route best {\n  when draft.score < 0.5 -> Check(draft) by bob\n}\nreturn best"),
    good=in_flow(
        _DRAFT + "route best {\n  when draft.score < 0.5 -> Check(draft) by bob\n  else -> give draft\n}\nreturn best"
    ),
)
