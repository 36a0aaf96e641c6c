"""Words of other languages, and what Orch has in their place: looked at only where a text does not parse."""

from __future__ import annotations

from collections.abc import Mapping

__all__ = ["DECLARATIONS", "GENERICS", "STATEMENTS"]

_ROUTE = "`route name { when CONDITION -> … else -> … }` chooses, and `only_if = CONDITION` at a step leaves it out"
_MAP = (
    "`step found = Work(x) by any for x in xs { width = 4 }` asks for each item; a `scope … for x in xs` holds several"
)
_LOOP = "`repeat name 3 times { … until CONDITION  give x }` loops, and has a bound"
_FAILURE = (
    "`on_failure = skip`, `use(…)` or `ask(…)` at a step says what follows when it fails, `attempts = 3` tries again"
)
_TOGETHER = "steps that do not read each other run at the same time"
_GUARD = '`fail "why" when CONDITION` ends the run'
_QUIET = "a spec writes nothing; `orch watch` and `orch journal` show what a run does"

STATEMENTS: Mapping[str, str] = {
    **dict.fromkeys(("if", "elif", "elseif", "unless"), _ROUTE),
    **dict.fromkeys(("for", "foreach", "map"), _MAP),
    **dict.fromkeys(("while", "loop", "do", "until_"), _LOOP),
    **dict.fromkeys(("try", "catch", "except", "finally", "retry"), _FAILURE),
    **dict.fromkeys(("parallel", "concurrently", "async", "await", "gather", "spawn", "join"), _TOGETHER),
    **dict.fromkeys(("assert", "raise", "throw", "abort", "exit"), _GUARD),
    **dict.fromkeys(("print", "log", "echo", "output"), _QUIET),
    **dict.fromkeys(("break", "continue", "pass", "goto"), "`until` ends a `repeat`; nothing else jumps"),
    **dict.fromkeys(("var", "const", "set", "val"), "`let name = value` names a value"),
    **dict.fromkeys(("yield", "emit"), "`give x` is what a scope, a round or an arm comes to, `return x` a flow"),
    **dict.fromkeys(("sleep", "delay"), "`wait 10min` lets time pass"),
}
"""What begins no statement of Orch: the word, and what does what it would do."""

DECLARATIONS: Mapping[str, str] = {
    **dict.fromkeys(("def", "function", "fn", "func", "fun", "workflow", "pipeline", "job", "process", "dag"), "flow"),
    **dict.fromkeys(("class", "struct", "record", "interface", "schema", "model_", "typedef", "dataclass"), "type"),
    **dict.fromkeys(("variable", "var", "const", "input", "parameter"), "param"),
    **dict.fromkeys(("bot", "assistant", "worker", "role", "actor", "llm"), "agent"),
    **dict.fromkeys(("person", "user", "reviewer"), "human"),
    **dict.fromkeys(("action", "sideeffect", "side_effect", "mutation"), "effect"),
    **dict.fromkeys(("task", "handoff_", "capability", "skill"), "contract"),
    **dict.fromkeys(("event", "webhook", "callback"), "signal"),
    **dict.fromkeys(("include", "use", "require_", "using"), "import"),
    **dict.fromkeys(("simulation", "benchmark", "load_test"), "scenario"),
}
"""What begins no declaration of Orch, and the keyword that is meant."""

GENERICS: Mapping[str, str] = {
    **dict.fromkeys(("list", "List", "array", "Array", "set", "Set", "Sequence", "Vec"), "List"),
    **dict.fromkeys(("dict", "Dict", "map", "Map", "Mapping", "HashMap", "Record"), "Map"),
}
"""Types with arguments that other languages write in square brackets."""
