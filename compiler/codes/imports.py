"""E14xx: imports, and what is bound to the declarations of an imported file."""

from __future__ import annotations

from orchspec.grammar.diagnostics import define

__all__ = [
    "BINDING_TWICE",
    "IMPORT_CYCLE",
    "IMPORT_MISSING",
    "IMPORT_OUTSIDE",
    "IMPORT_TOO_MUCH",
    "IMPORT_UNREADABLE",
    "PROFILE_ELSEWHERE",
    "UNKNOWN_BINDING",
    "WRONG_BINDING",
]

_GOOD = """
orch 1
import "std/common.orch" as std
contract Draft(topic: Text) -> Text
agent ann fulfills Draft { policies = [std.patient] }
flow work(topic: Text) -> Text {
  step draft = Draft(topic) by ann
  return draft
}
"""
_PANEL = """
orch 1
import "std/panel.orch" as panel with {{ {bindings} }}
flow work(topic: Text) -> Text {{
  step answer = panel.panel(topic)
  return answer
}}
"""

IMPORT_MISSING = define(
    "E1401",
    "import-missing",
    '"{path}" cannot be imported: {problem}',
    explanation="A path is relative to the file in which it stands; one that starts with `std/` lies in the library "
    "that comes with Orch. A text from standard input lies in no folder and imports from the library alone.",
    bad=_GOOD.replace("common.orch", "comon.orch"),
    good=_GOOD,
)
IMPORT_OUTSIDE = define(
    "E1402",
    "import-outside",
    '"{path}" cannot be imported: {problem}',
    explanation="Nothing is read but the folder of the spec that is checked, what lies below it, and the library: a "
    "spec may come from a stranger. Paths are written with `/`, are never absolute, and lead out neither by `..` nor "
    "by a link. Check a spec from the folder above, or move the file.",
    bad=_GOOD.replace("std/common.orch", "/etc/common.orch"),
    good=_GOOD,
)
IMPORT_UNREADABLE = define(
    "E1403",
    "import-unreadable",
    '"{path}" cannot be imported: {problem}',
    explanation="What is imported is a spec: a file `*.orch`, as UTF-8 text.",
    bad=_GOOD.replace("std/common.orch", "std"),
    good=_GOOD,
)
IMPORT_CYCLE = define(
    "E1404",
    "import-cycle",
    "the import of {file} leads back to it{through}",
    explanation="Files import each other in one direction. Put what both need into a third file, and import that from "
    "both.",
    bad='// sample.orch\norch 1\nimport "sample.orch" as sample\n',
    good=_GOOD,
)
IMPORT_TOO_MUCH = define(
    "E1405",
    "import-too-much",
    '"{path}" is not imported: {problem}',
    explanation="How many files a spec may bring together is bounded, so that a small file cannot make a large one by "
    "importing itself twice over. A file that is imported with different bindings counts each time.",
    bad="",
    good=_GOOD,
)
UNKNOWN_BINDING = define(
    "E1406",
    "unknown-binding",
    "{file} declares no `{name}` that something could be bound to",
    explanation="`with` binds the params of a file, and puts something of yours in the place of a declaration: an "
    "agent, a contract, a type, a flow, an effect, a policy, a model, a tool, a signal or a decision.",
    bad=_PANEL.format(bindings="widht = 3"),
    good=_PANEL.format(bindings="width = 3"),
)
WRONG_BINDING = define(
    "E1407",
    "wrong-binding",
    "`{name}` of {file} cannot be bound to {found}: {problem}",
    explanation="What stands in for a declaration must offer what the file expects of it: an agent fulfills at least "
    "the same contracts; a contract, flow, effect or signal takes the same types in the same order and gives the same; "
    "a record has at least the same fields (for one without fields any type will do), an enum at least the same "
    "members; a param gets a constant of its type.",
    bad=_PANEL.format(bindings='width = "wide"'),
    good=_PANEL.format(bindings="width = 3"),
)
BINDING_TWICE = define(
    "E1408",
    "binding-twice",
    "`{name}` is bound twice",
    explanation="Each declaration of an imported file is bound once. For two variants import the file twice, under two "
    "aliases.",
    bad=_PANEL.format(bindings="width = 3  width = 4"),
    good=_PANEL.format(bindings="width = 3"),
)
PROFILE_ELSEWHERE = define(
    "A1409",
    "profile-elsewhere",
    "`{name}` is declared in no file that is checked here; a spec that imports this file may declare it",
    explanation="A file of profiles describes what the spec declares that imports it, so by itself it cannot be "
    'checked beyond its form. Check the spec, with `import "profiles.orch" as measured` in it.',
    bad="orch 1\nprofile scout { latency = fixed(2s) }\n",
    good=_GOOD,
    severity="advice",
)
