"""E03xx: types, expressions, arguments and literals."""

from __future__ import annotations

from orchspec.compiler.codes.samples import in_flow, spec
from orchspec.grammar.diagnostics import define

__all__ = [
    "BAD_INDEX",
    "BAD_TYPE",
    "CONSTRAINT_BROKEN",
    "DUPLICATE_ARGUMENT",
    "DUPLICATE_ENTRY",
    "INT_TOO_LARGE",
    "LATER_FIELD",
    "MISSING_ARGUMENT",
    "MISSING_ENTRY",
    "MIXED_LIST",
    "NOT_A_CONDITION",
    "NOT_A_VALUE",
    "NOT_CONSTANT",
    "NO_FIELDS",
    "NO_RESULT",
    "OPERAND_TYPES",
    "OPTIONAL_OPERAND",
    "POSITIONAL_AFTER_NAMED",
    "RECURSIVE_TYPE",
    "SELF_TYPED",
    "TOO_MANY_ARGUMENTS",
    "TYPE_MISMATCH",
    "UNKNOWN_ARGUMENT",
    "UNKNOWN_FUNCTION",
    "UNTYPED_RECORD",
    "USELESS_DEFAULT",
    "WRONG_CALL",
]

_DRAFT = "step draft = Draft(topic) by ann\n"

TYPE_MISMATCH = define(
    "E0301",
    "type-mismatch",
    "{what} is {found}, expected {expected}",
    explanation="The two ends of a handoff have the same type. Implicit are only `Int` to `Float`, `T` to `T?`, and "
    "string literals where a Url or an enum is expected.",
    bad=in_flow("step draft = Draft(3) by ann\nreturn draft"),
    good=in_flow("step draft = Draft(text(3)) by ann\nreturn draft"),
)
NOT_A_CONDITION = define(
    "E0302",
    "not-a-condition",
    "{what} is {found}, a condition is Bool",
    explanation="Conditions take `Bool`, never `Bool?`, and no other type counts as true or false: write the "
    "comparison.",
    bad=in_flow(_DRAFT + 'fail "poor" when draft.score\nreturn draft'),
    good=in_flow(_DRAFT + 'fail "poor" when draft.score < 0.1\nreturn draft'),
)
OPTIONAL_OPERAND = define(
    "E0303",
    "optional-operand",
    "{what} is {found} and may be none here",
    explanation="Operators and functions never take an optional. Give a value for none with `??`, or ask first: "
    "`x != none` narrows in `only_if`, `when` and the right side of `and`.",
    bad="orch 1\nflow f(limit: Int?) -> Int { return limit + 1 }",
    good="orch 1\nflow f(limit: Int?) -> Int { return (limit ?? 0) + 1 }",
)
OPERAND_TYPES = define(
    "E0304",
    "operand-types",
    "`{op}` does not take {found}",
    explanation="Numbers go with numbers, Money and Duration with their like; both scale by numbers and divide "
    "to Float; "
    "Time - Time is Duration; `+` joins lists and texts; `in` looks in a list, a range or a "
    "text. Convert with `text(x)` or `round(x)` where it is meant.",
    bad='orch 1\nflow f(count: Int) -> Text { return "found " + count }',
    good='orch 1\nflow f(count: Int) -> Text { return "found " + text(count) }',
)
NO_FIELDS = define(
    "E0305",
    "no-fields",
    "{found} has no fields",
    explanation="Only records have fields, lists of records (every item's field), and optionals of both.",
    bad="orch 1\nflow f(topic: Text) -> Text { return topic.title }",
    good="orch 1\nflow f(topic: Text) -> Text { return topic }",
)
BAD_INDEX = define(
    "E0306",
    "bad-index",
    "{problem}",
    explanation="A list is read by an Int from 0, a Map by a Text, and a fan-out whose givers differ by the agent that "
    "gave the item.",
    bad='orch 1\nflow f(topics: List<Text>) -> Text { return topics["first"] }',
    good="orch 1\nflow f(topics: List<Text>) -> Text { return topics[0] }",
)
UNKNOWN_FUNCTION = define(
    "E0307",
    "unknown-function",
    "there is no function `{name}`",
    explanation="Expressions know the functions len min max sum avg any all count flatten distinct keys missing hash "
    "tokens text upper lower round. Work is done in steps, never inside of an expression.",
    bad="orch 1\nflow f(topic: Text) -> Int { return length(topic) }",
    good="orch 1\nflow f(topic: Text) -> Int { return len(topic) }",
)
MISSING_ARGUMENT = define(
    "E0308",
    "missing-argument",
    "{callee} needs {missing}",
    explanation="Every parameter without a default that is not optional gets an argument.",
    bad=in_flow("step draft = Draft() by ann\nreturn draft"),
    good=in_flow("step draft = Draft(topic) by ann\nreturn draft"),
)
UNKNOWN_ARGUMENT = define(
    "E0309",
    "unknown-argument",
    "{callee} has no parameter `{name}`",
    explanation="Named arguments are named as the parameters are declared.",
    bad=in_flow("step draft = Draft(subject: topic) by ann\nreturn draft"),
    good=in_flow("step draft = Draft(topic: topic) by ann\nreturn draft"),
)
DUPLICATE_ARGUMENT = define(
    "E0310",
    "duplicate-argument",
    "`{name}` is given twice",
    explanation="Each parameter gets one argument, by its place or by its name.",
    bad=in_flow("step draft = Draft(topic, topic: topic) by ann\nreturn draft"),
    good=in_flow("step draft = Draft(topic) by ann\nreturn draft"),
)
TOO_MANY_ARGUMENTS = define(
    "E0311",
    "too-many-arguments",
    "{callee} takes {expected}, found {found}",
    explanation="Exactly the parameters of a contract, effect or flow cross, nothing else.",
    bad=in_flow("step draft = Draft(topic, 3) by ann\nreturn draft"),
    good=in_flow("step draft = Draft(topic) by ann\nreturn draft"),
)
UNTYPED_RECORD = define(
    "E0312",
    "untyped-record",
    "a record literal stands where no record type is expected{detail}",
    explanation="Types are nominal: `{ a: 1 }` means something only where its type is known, as an argument, in "
    "`return`, "
    "`give` or `use`.",
    bad=in_flow('let note = { text: "a", score: 0.5 }\nstep draft = Draft(note.text) by ann\nreturn draft'),
    good=in_flow("return { text: topic, score: 0.5 }"),
)
MISSING_ENTRY = define(
    "E0313",
    "missing-entry",
    "{type} needs {missing}",
    explanation="A record literal gives every field that has no default and is not optional.",
    bad=in_flow("return { text: topic }"),
    good=in_flow("return { text: topic, score: 0.5 }"),
)
DUPLICATE_ENTRY = define(
    "E0314",
    "duplicate-entry",
    "`{name}` is given twice in this record",
    explanation="A record has one value for each field.",
    bad=in_flow("return { text: topic, score: 0.5, score: 0.6 }"),
    good=in_flow("return { text: topic, score: 0.5 }"),
)
MIXED_LIST = define(
    "E0315",
    "mixed-list",
    "the list holds {first} and {second}",
    explanation="All items of a list have one type.",
    bad='orch 1\nflow f() -> Int { return len([1, "two"]) }',
    good='orch 1\nflow f() -> Int { return len(["one", "two"]) }',
)
NOT_A_VALUE = define(
    "E0316",
    "not-a-value",
    "`{name}` is {found}, not a value",
    explanation="Agents, contracts, types and effects are declared, not computed with. The result of a step is read by "
    "the name of the step; what gives nothing has no value to read.",
    bad=in_flow("step draft = Draft(ann) by ann\nreturn draft"),
    good=in_flow("step draft = Draft(topic) by ann\nreturn draft"),
)
NOT_CONSTANT = define(
    "E0317",
    "not-constant",
    "{what} must be known before a run: {problem}",
    explanation="Limits, times and defaults are literals, or computed from literals and params.",
    bad="orch 1\ncontract Draft(topic: Text) -> Text\nagent ann fulfills Draft\n"
    "flow f(topic: Text, patience: Duration) -> Text {\n"
    "  step draft = Draft(topic) by ann { timeout = 2 * patience }\n  return draft\n}",
    good="orch 1\nparam patience: Duration = 30s\ncontract Draft(topic: Text) -> Text\n"
    "agent ann fulfills Draft { timeout = 2 * patience }",
)
CONSTRAINT_BROKEN = define(
    "E0318",
    "constraint-broken",
    "{value} breaks `where {condition}` of `{name}`",
    explanation="A constant is checked against the constraint of what it is for before anything runs.",
    bad="orch 1\nparam width: Int = 90 where width in 1..50",
    good="orch 1\nparam width: Int = 9 where width in 1..50",
)
INT_TOO_LARGE = define(
    "E0319",
    "int-too-large",
    "{found} does not fit 64 bits",
    explanation="An Int has 64 bits, from -9223372036854775808 to 9223372036854775807.",
    bad="orch 1\nparam width: Int = 9_300_000_000_000_000_000",
    good="orch 1\nparam width: Int = 9_200_000_000_000_000_000",
)
BAD_TYPE = define(
    "E0321",
    "bad-type",
    "{problem}",
    explanation="`List<T>` takes one type, `Map<Text, T>` two of which the first is Text; other types take none.",
    bad="orch 1\ntype Note { tags: List }",
    good="orch 1\ntype Note { tags: List<Text> }",
)
RECURSIVE_TYPE = define(
    "E0322",
    "recursive-type",
    "a value of type {type} would contain itself",
    explanation="A record may hold records of its own type in a list, a map or an optional, where it can end.",
    bad="orch 1\ntype Node { text: Text  next: Node }",
    good="orch 1\ntype Node { text: Text  next: Node? }",
)
LATER_FIELD = define(
    "E0323",
    "later-field",
    "`{name}` cannot be read here: {what}",
    explanation="A `where` sees its own field and earlier ones, so that values can be checked in order; a "
    "default is known "
    "before a run; a key sees the parameters of its effect.",
    bad="orch 1\ntype Span { low: Int where low <= high  high: Int }",
    good="orch 1\ntype Span { low: Int  high: Int where low <= high }",
)
NO_RESULT = define(
    "E0326",
    "no-result",
    "`{name}` has no value: what gives it has no result",
    explanation="An effect, a flow or a block without a result leaves nothing that could be read.",
    bad="orch 1\neffect log(line: Text) { key = line }\n"
    "flow f(line: Text) -> Text {\n  step logged = log(line: line)\n  return logged\n}",
    good="orch 1\neffect log(line: Text) -> Text { key = line }\n"
    "flow f(line: Text) -> Text {\n  step logged = log(line: line)\n  return logged\n}",
)
WRONG_CALL = define(
    "E0324",
    "wrong-call",
    "{problem}",
    explanation="Each function says what it takes: `len` a text, a list or a map; `sum`, `avg`, `min`, `max` a list; "
    "`missing` the name of a step or scope with `for`.",
    bad="orch 1\nflow f(count: Int) -> Int { return len(count) }",
    good="orch 1\nflow f(words: List<Text>) -> Int { return len(words) }",
)
POSITIONAL_AFTER_NAMED = define(
    "E0325",
    "positional-after-named",
    "a positional argument stands after a named one",
    explanation="Positional arguments come first, then named ones.",
    bad=spec(
        "contract Pair(a: Text, b: Text) -> Text\nagent cy fulfills Pair\n"
        "flow f(t: Text) -> Text { step p = Pair(b: t, t) by cy  return p }"
    ),
    good=spec(
        "contract Pair(a: Text, b: Text) -> Text\nagent cy fulfills Pair\n"
        "flow f(t: Text) -> Text { step p = Pair(t, b: t) by cy  return p }"
    ),
)
SELF_TYPED = define(
    "E0327",
    "self-typed",
    "the type of `{name}` depends on itself",
    explanation="In a round, `prev.x` and `past.x` have the type of `x`, which is given in the same block. What gives "
    "`x` may read it, as long as something else says what it is: the contract of a step, the other side of `??`.",
    bad=spec(
        "contract W(t: Text) -> Text\nagent cy fulfills W\nflow f(t: Text) -> Text {\n"
        "  repeat r 3 times {\n    let a = prev.b\n    let b = prev.a\n    step w = W(t) by cy\n"
        "    until len(w) > 3 or a == none or b == none\n    give w\n  }\n  return r\n}"
    ),
    good=spec(
        "contract W(t: Text) -> Text\nagent cy fulfills W\nflow f(t: Text) -> Text {\n"
        "  repeat r 3 times {\n    let a = (prev.a ?? 0) + 1\n    step w = W(prev.w ?? t) by cy\n"
        "    until len(w) > a\n    give w\n  }\n  return r\n}"
    ),
)
USELESS_DEFAULT = define(
    "W0328",
    "useless-default",
    "the left side of `??` is {found} and never none here",
    severity="warning",
    explanation="`a ?? b` gives `b` where `a` is none. Where `a` cannot be none, `b` is never used: leave it out.",
    bad='orch 1\nflow f(t: Text) -> Text { return t ?? "" }',
    good='orch 1\nflow f(t: Text?) -> Text { return t ?? "" }',
)
