"""What a spec may say: its diagnostics, functions, rules and attributes, and the library."""

from __future__ import annotations

import re
import string
from collections.abc import Iterator
from importlib import import_module
from typing import Any, Final

from generating.writing import DOCS, fenced, page, table

__all__ = ["attributes", "diagnostics", "library", "vocabulary"]


def diagnostics() -> Iterator[tuple[str, str]]:
    """A page for each family of codes, and the table of all."""
    import_module("orchspec.compiler.codes")
    import_module("orchspec.grammar.codes")
    from orchspec.compiler.codes.families import FAMILIES
    from orchspec.grammar.diagnostics import Code, all_codes

    families: dict[str, list[Code]] = {}
    for code in all_codes():
        families.setdefault(FAMILIES[code.id[1:3]][0], []).append(code)
    rows: list[tuple[str, ...]] = []
    for name, codes in families.items():
        rows += [(f"[{code.id}]({name}.md#{code.id.lower()})", code.severity, f"`{code.slug}`") for code in codes]
        titles = [title for family, title in FAMILIES.values() if family == name]
        source = "the codes of `grammar/codes.py` and `compiler/codes/`"
        yield (
            f"reference/diagnostics/{name}.md",
            page(f"Diagnostics: {', '.join(titles).lower()}", source, *(_code(code) for code in codes)),
        )
    about = (
        "`orch explain CODE` prints the same. E is an error, W a warning, A a piece of advice. Codes are never reused. "
        "A warning or a piece of advice is silenced on its line, or on the line before, by "
        "`// allow W0213: the reason`."
    )
    index = page("Diagnostics", "the registry of codes", about, table(("code", "severity", "name"), rows))
    yield "reference/diagnostics/index.md", index


def _code(code: Any) -> str:
    pieces = string.Formatter().parse(code.summary)
    summary = "".join(literal + (f"<{name}>" if name else "") for literal, name, _, _ in pieces)
    word = "refused" if code.severity == "error" else "reported"
    parts = [
        f"## {code.id}",
        f"**{code.slug}** ({code.severity})",
        fenced(summary),
        code.explanation,
        f"{word.capitalize()}:",
        fenced(_shown(code.bad)),
        "Instead:",
        fenced(_shown(code.good)),
    ]
    return "\n\n".join(parts)


def _shown(sample: str) -> str:
    """A sample with the characters that nobody sees spelt out."""
    return re.sub(r"[^\n\t -~\u00a0-\uffff]", lambda found: f"<U+{ord(found[0]):04X}>", sample)


def vocabulary() -> Iterator[tuple[str, str]]:
    """Built-in functions and arbitration rules."""
    from orchspec.compiler.arbitrations import RULES
    from orchspec.compiler.functions import FUNCTIONS

    functions = [(f"`{name}`", takes) for name, (_, takes) in FUNCTIONS.items()]
    functions.append(("`missing`", "the name of a step or scope with `for`: the items that failed"))
    rules = [(f"`{name}`", takes) for name, (_, takes) in RULES.items()]
    yield (
        "reference/vocabulary.md",
        page(
            "Functions and rules",
            "`compiler/functions.py` and `compiler/arbitrations.py`",
            "## Functions",
            table(("function", "takes"), functions),
            "## Arbitration rules",
            "Chained with `or`; each decides or hands on to the next. The last one must always decide, or be `stop`.",
            table(("rule", "takes"), rules),
        ),
    )


def _place(name: str) -> str:
    return re.sub("^an? ", "", name)


def attributes() -> Iterator[tuple[str, str]]:
    """Keywords, and every attribute with the places where it may stand."""
    from orchspec.compiler import arbitrations, declarations, effects, evals, places, policies, who
    from orchspec.compiler.studies.profiles import FIELDS
    from orchspec.compiler.studies.scenarios import ATTRIBUTES

    statements = [getattr(places, name) for name in places.__all__ if isinstance(getattr(places, name), places.Place)]
    known = {place.name: place.attributes for place in statements if place.attributes}
    known |= {
        "a contract": declarations.CONTRACT_ATTRIBUTES,
        "an agent": who.AGENT_ATTRIBUTES,
        "a human": who.HUMAN_ATTRIBUTES,
        "a dispatcher": tuple(name for name in who.AGENT_ATTRIBUTES if name not in ("tools", "effects")),
        "a model": who.MODEL_ATTRIBUTES,
        "a tool": who.TOOL_ATTRIBUTES,
        "an effect": effects.EFFECT_ATTRIBUTES,
        "a policy": policies.POLICY_ATTRIBUTES,
        "a channel": ("from", "to"),
        "a state": ("visits",),
        "an arbitration": arbitrations.ATTRIBUTES,
        "an eval": evals.EVAL_ATTRIBUTES,
        "a scenario": ATTRIBUTES,
        "a test": ("given",),
    }
    stand: dict[str, list[str]] = {}
    for place, names in known.items():
        for name in names:
            stand.setdefault(name, []).append(place)
    rows = [(f"`{name}`", _ATTRIBUTES[name], ", ".join(map(_place, stand[name]))) for name in sorted(stand)]
    profiles = [(kind, ", ".join(f"`{name}`" for name in names)) for kind, names in FIELDS.items()]
    limits = [
        (_place(place.name), ", ".join(f"`{name}`" for name in place.limits)) for place in statements if place.limits
    ]
    grammar = (DOCS.parent / "grammar" / "orch.lark").read_text("utf-8")
    keywords = sorted(word for name, word in re.findall(r'^([A-Z]+): "([a-z]+)"', grammar, re.MULTILINE))
    yield (
        "reference/attributes.md",
        page(
            "Keywords and attributes",
            "the checks of `compiler/`",
            "## Keywords",
            " ".join(f"`{word}`" for word in keywords),
            "They are reserved, but not before a colon, after a dot, as members of an enum, or as names of faults, "
            "arrivals, rules and KPIs.",
            "## Attributes",
            "What means nothing at a place is refused there, with the reason where the language has it elsewhere "
            "([E0401, E0450](diagnostics/declarations.md)).",
            table(("attribute", "says", "of"), rows),
            "## Limits of a budget",
            table(("budget of", "may limit"), limits),
            "## Profiles",
            table(("profile of", "may say"), profiles),
        ),
    )


_ATTRIBUTES: Final = {
    "after": "what is waited for besides what is read; `[]` lifts the order of effects",
    "arrivals": "when runs arrive",
    "attempts": "how many tries, 1 unless said",
    "backoff": "how long to rest before the next try: `fixed(D)`, `exponential(from:, to:, jitter:)`",
    "breaker": "when to stop asking for a while: `breaker(failures:, within:, rest:)`",
    "check": "the effect that says whether this one was done",
    "context": "the most tokens that are taken in at once",
    "decide": "the chain of rules",
    "depth": "how many levels lead",
    "duration": "how long runs arrive",
    "early": "whether the rest is stopped once the outcome is certain",
    "economy": "the share of the budget past which the next model is taken",
    "effects": "the effects that may be done on the way",
    "ensures": "what holds of every output",
    "expects": "what the receiver is to do",
    "fold": "the contract that summarizes a history that outgrows the context",
    "from": "who may send: agents, flows",
    "given": "the values of parameters",
    "group": "by what candidates are told apart; one winner for each",
    "hedge": "after which time a second attempt is sent: `after(p95)`, `after(5s)`",
    "hops": "how often is handed on at most",
    "idempotent": "whether the state after two is that after one",
    "in_doubt": "who is asked whether it was done: `ask(WHO, within: D)`",
    "input": "the price of what is read: `$3 / 1M`",
    "key": "what counts as the same deed",
    "models": "the models, best first",
    "need": "the floor of a fan-out or a `for`: a share or a count",
    "on_failure": "`stop`, `skip`, `use(EXPR)`, `ask(WHO, within: D)`, chained with `or`",
    "only_if": "the condition under which it is done; makes the result optional",
    "output": "the price of what is written: `$15 / 1M`",
    "owns": "the decision that the contract takes",
    "policies": "policies, of which the later wins",
    "prefer": "whom `by any` takes: `least_busy`, `fastest`, `cheapest`, `most_skilled`, `round_robin`",
    "rate": "how many in which time: `10 / 1s`; of a model attempts, over all agents that use it",
    "remembers": "how long the target knows a key",
    "reuse": "for how long identical work is answered with what was found: a time, or `run`",
    "rounds": "how often the lead speaks at most",
    "runs": "how many runs",
    "sample": "the share of places that are looked at",
    "session": "`fresh`, `per_run`, `persistent`, `persistent(by: EXPR)`",
    "settles": "how long a request may still land after its deadline",
    "skill": "what `prefer = most_skilled` reads",
    "slots": "how many at once; `2..20` follows the load",
    "start": "who speaks first",
    "timeout": "how long one attempt may take, queueing excluded",
    "to": "who may receive: `all`, or a list",
    "token_rate": "how many tokens of the model in which time, over all agents and runs: `200k / 1min`",
    "tools": "the tools that may be used; of a scope, those that it has to itself",
    "undo": "the effect that compensates it",
    "urgency": "an Int; the higher is served first within a run",
    "visits": "how often the state is visited at most",
    "warmup": "what is not measured: `auto`, or a time",
    "width": "how many items, or tasks, at once",
    "workers": "whom the lead may ask",
}


def library() -> Iterator[tuple[str, str]]:
    """What each file of the bundled library declares, as it is written there."""
    about = (
        'A file is imported by its path, `import "std/panel.orch" as panel`. What it declares is the least that it '
        "needs: bind your own with `with { critic = juror }`. "
        "[How to share and import](../how-to/share-and-import.md) goes through it."
    )
    parts = []
    for path in sorted((DOCS.parent / "specs" / "std").glob("*.orch")):
        text = path.read_text("utf-8").removeprefix("orch 1").strip("\n")
        body = re.split(r"(?m)^(?=(?:///.*\n)*(?:test|scenario|profile) )", text)[0]
        parts.append(f"## std/{path.name}\n\n" + fenced(body, "text"))
    yield "reference/library.md", page("The library", "`specs/std`", about, *parts)
