"""E02xx: names that are unknown, given twice, of the wrong kind, or unused."""

from __future__ import annotations

from orchspec.compiler.codes.samples import PRELUDE, in_flow, spec
from orchspec.grammar.diagnostics import define

__all__ = [
    "ALLOW_NOT_NEEDED",
    "ALLOW_WITHOUT_REASON",
    "DUPLICATE_DECLARATION",
    "DUPLICATE_MEMBER",
    "DUPLICATE_NAME",
    "RESERVED_TYPE",
    "SHADOWED_NAME",
    "UNKNOWN_FIELD",
    "UNKNOWN_MEMBER",
    "UNKNOWN_NAME",
    "UNKNOWN_SETTING",
    "UNUSED_DECLARATION",
    "UNUSED_NAME",
    "WRONG_KIND",
]

UNKNOWN_NAME = define(
    "E0201",
    "unknown-name",
    "there is no {kind} called `{name}`",
    explanation="The name is neither declared in this file nor given in a block around this place. Names are written "
    "exactly as they are declared; capital letters count.",
    bad=in_flow("step draft = Draft(topic) by anne\nreturn draft"),
    good=in_flow("step draft = Draft(topic) by ann\nreturn draft"),
)
DUPLICATE_DECLARATION = define(
    "E0202",
    "duplicate-declaration",
    "`{name}` is declared twice",
    explanation="Agents, tools, effects, signals, channels and flows share one namespace, as do types and enums; each "
    "name is declared once.",
    bad=spec("tool search { slots = 2 }\ntool search { slots = 4 }"),
    good=spec("tool search { slots = 2 }\ntool archive { slots = 4 }"),
)
WRONG_KIND = define(
    "E0203",
    "wrong-kind",
    "`{name}` is {found}; {expected} is needed here",
    explanation="The name is declared, but as something that cannot stand at this place.",
    bad=in_flow("step draft = Draft(topic) by publish\nreturn draft"),
    good=in_flow("step draft = Draft(topic) by ann\nreturn draft"),
)
DUPLICATE_NAME = define(
    "E0204",
    "duplicate-name",
    "`{name}` is given twice in this block",
    explanation="A block owns its names and gives each of them once, so that a name always means one result.",
    bad=in_flow("step draft = Draft(topic) by ann\nstep draft = Draft(topic) by bob\nreturn draft"),
    good=in_flow("step draft = Draft(topic) by ann\nstep checked = Check(draft) by bob\nreturn checked"),
)
SHADOWED_NAME = define(
    "E0205",
    "shadowed-name",
    "`{name}` is already a name around this block",
    explanation="No name shadows an outer one: a reader need not know which of the two is meant. Blocks beside each "
    "other may use the same name.",
    bad=in_flow(
        "repeat best 2 times {\n  step topic = Draft(topic) by ann\n  until topic.score > 0.5\n  give topic\n}"
        "\nreturn best"
    ),
    good=in_flow(
        "repeat best 2 times {\n  step draft = Draft(topic) by ann\n  until draft.score > 0.5\n  give draft\n}"
        "\nreturn best"
    ),
)
UNKNOWN_FIELD = define(
    "E0207",
    "unknown-field",
    "{type} has no field `{name}`",
    explanation="A record has exactly the fields of its type. On a list, `.field` reads the field of every item.",
    bad=in_flow('step draft = Draft(topic) by ann\nfail "poor" when draft.scores < 0.1\nreturn draft'),
    good=in_flow('step draft = Draft(topic) by ann\nfail "poor" when draft.score < 0.1\nreturn draft'),
)
UNKNOWN_MEMBER = define(
    "E0208",
    "unknown-member",
    "the enum {type} has no member `{name}`",
    explanation="An enum has exactly the members of its declaration.",
    bad=PRELUDE + "enum Size { small, large }\nparam size: Size = Size.medium\n",
    good=PRELUDE + "enum Size { small, large }\nparam size: Size = Size.large\n",
)
DUPLICATE_MEMBER = define(
    "E0209",
    "duplicate-member",
    "{where} has two {what} called `{name}`",
    explanation="Members of an enum, fields of a type and parameters are told apart by their names.",
    bad="orch 1\ntype Note { text: Text  text: Text }",
    good="orch 1\ntype Note { text: Text  title: Text }",
)
UNKNOWN_SETTING = define(
    "E0210",
    "bad-setting",
    "--set {name}: {problem}",
    explanation="`--set NAME=VALUE` gives a param of the spec another value, and `--set NAME.ATTRIBUTE=VALUE` an "
    "attribute of an agent, a tool, an effect, a model, a policy or a profile; `--set scenario.ATTRIBUTE=VALUE` is "
    "meant for the scenario that is simulated. NAME must be declared, and VALUE be written as in a spec and fit.",
    bad="orch 1\nparam width: Int = 4\n// checked with --set widht=8",
    good="orch 1\nparam width: Int = 4\n// checked with --set width=8",
)
RESERVED_TYPE = define(
    "E0211",
    "reserved-type",
    "`{name}` is a type of the language and cannot be declared",
    explanation="The built-in types keep their meaning in every spec.",
    bad="orch 1\ntype Text { value: Int }",
    good="orch 1\ntype Phrase { value: Int }",
)
UNUSED_DECLARATION = define(
    "W0212",
    "unused-declaration",
    "the {kind} `{name}` is never used",
    severity="warning",
    explanation="Nothing in the file refers to this declaration. Delete it, or use it; a slip of the pen elsewhere may "
    "be the reason.",
    bad="orch 1\nenum Size { small, large }\nflow f(count: Int) -> Int { return count }",
    good="orch 1\nenum Size { small, large }\nparam size: Size = Size.small\n"
    "flow f() -> Bool { return size == Size.small }",
)
UNUSED_NAME = define(
    "W0213",
    "unused-name",
    "the result `{name}` is never read",
    severity="warning",
    explanation="The work is done and paid for, and nobody reads what it gives. Effects are a use in themselves.",
    bad="""orch 1
contract Draft(topic: Text) -> Text
agent ann fulfills Draft
flow work(topic: Text) -> Text {
  step draft = Draft(topic) by ann
  step spare = Draft(topic) by ann
  return draft
}""",
    good="""orch 1
contract Draft(topic: Text) -> Text
agent ann fulfills Draft
flow work(topic: Text) -> Text {
  step draft = Draft(topic) by ann
  return draft
}""",
)
ALLOW_WITHOUT_REASON = define(
    "W0214",
    "allow-without-reason",
    "`allow {name}` {problem}",
    severity="warning",
    explanation="`// allow W0213: why` silences a warning or advice on its own line and on the next. The reason is for "
    "whoever reads the spec later, so it must be there; errors cannot be allowed.",
    bad="orch 1\n// allow W0212\nparam size: Int = 4\nflow f() -> Int { return size }",
    good="orch 1\n// allow W0212: kept for the next release\nenum Size { small, large }",
)
ALLOW_NOT_NEEDED = define(
    "W0215",
    "allow-not-needed",
    "`allow {name}` silences nothing here",
    severity="warning",
    explanation="`// allow CODE: why` speaks for its own line and, where it has a line of its own, for the next. What "
    "it allowed is not there any more, or stands elsewhere; left behind, it would hide the next such mistake.",
    bad="orch 1\n// allow W0212: kept for the next release\nenum Size { small, large }\n"
    "flow f(size: Size) -> Size { return size }",
    good="orch 1\nenum Size { small, large }\nflow f(size: Size) -> Size { return size }",
)
