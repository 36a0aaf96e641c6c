"""Writes the pages of the reference that are made from the code: `.venv/bin/python docs/generate.py`.

A page is a function of `docs/generating/` that gives its path and its text; `tests/docs/test_generated.py` holds that
the committed pages are what these functions give.
"""

# ruff: noqa: INP001 - a script, not a package

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from typing import Final

from generating.interfaces import commands, python
from generating.language import attributes, diagnostics, library, vocabulary
from generating.runs import journal, state_machines
from generating.studies import distributions, faults, kpis
from generating.writing import DOCS

__all__ = ["PAGES", "main", "pages"]

<<<<<<< HEAD
DOCS: Final = Path(__file__).resolve().parent
WIDTH: Final = 100


def _page(title: str, source: str, *parts: str) -> str:
    head = f"<!-- Made by docs/generate.py from {source}. Change it there, then run the script. -->"
    return "\n\n".join([f"# {title}", head, *(part.strip("\n") for part in parts if part)]) + "\n"


def _table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def _fenced(text: str, kind: str = "text") -> str:
    ticks = "````" if "```" in text else "```"
    return f"{ticks}{kind}\n{text.rstrip()}\n{ticks}"


def _flat(text: str | None) -> str:
    return " ".join((text or "").split()).replace("``", "`")


# ------------------------------------------------------------------ commands


def commands() -> Iterator[tuple[str, str]]:
    """Every command with its help."""
    import click

    from orchspec.cli import COMMANDS, main

    rows = [(f"[`orch {name}`](#orch-{name})", said) for name, said in COMMANDS.items()]
    parts = [_table(("command", "does"), rows), _COMMANDS]
    for name in COMMANDS:
        command = main.get_command(click.Context(main, info_name="orch"), name)
        assert command is not None
        settings = {**command.context_settings, "terminal_width": WIDTH, "max_content_width": WIDTH}
        context = click.Context(command, info_name=f"orch {name}", **settings)
        parts.append(f"## orch {name}\n\n" + _fenced(command.get_help(context)))
    yield "reference/commands.md", _page("Commands", "the commands of `orchspec/cli`", *parts)


_COMMANDS = """
What was asked for goes to standard output, every message to standard error. With `--json`, standard output holds one
JSON document, for errors too: `{"error": {"code", "message"}}`. `--color auto` follows the terminal and `NO_COLOR`.

| exit code | means |
| --- | --- |
| 0 | done, and all is well |
| 1 | what was asked about is not well: errors in the spec, a failed run or test, a broken expectation |
| 2 | misuse: a wrong option, a missing file |
| 3 | liveness broken: a run that chaos disturbed does not come to its end |
| 4 | undecided: the intervals leave an expectation open |
| 5 | a run is parked: it waits for a person |
"""


# ------------------------------------------------------------------ diagnostics


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
            _page(f"Diagnostics: {', '.join(titles).lower()}", source, *(_code(code) for code in codes)),
        )
    about = (
        "`orch explain CODE` prints the same. E is an error, W a warning, A a piece of advice. Codes are never reused. "
        "A warning or a piece of advice is silenced on its line, or on the line before, by "
        "`// allow W0213: the reason`."
    )
    page = _page("Diagnostics", "the registry of codes", about, _table(("code", "severity", "name"), rows))
    yield "reference/diagnostics/index.md", page


def _code(code: Any) -> str:
    pieces = string.Formatter().parse(code.summary)
    summary = "".join(literal + (f"<{name}>" if name else "") for literal, name, _, _ in pieces)
    word = "refused" if code.severity == "error" else "reported"
    parts = [
        f"## {code.id}",
        f"**{code.slug}** ({code.severity})",
        _fenced(summary),
        code.explanation,
        f"{word.capitalize()}:",
        _fenced(_shown(code.bad)),
        "Instead:",
        _fenced(_shown(code.good)),
    ]
    return "\n\n".join(parts)


def _shown(sample: str) -> str:
    """A sample with the characters that nobody sees spelt out."""
    return re.sub(r"[^\n\t -~\u00a0-\uffff]", lambda found: f"<U+{ord(found[0]):04X}>", sample)


# ------------------------------------------------------------------ simulation


def kpis() -> Iterator[tuple[str, str]]:
    """The KPIs."""
    from orchspec.compiler.studies.kpis import KPIS as NAMED
    from orchspec.simulator.kpis import KPIS, STATISTICS

    shapes = {
        "runs": ("Of single runs", f"Read by a statistic: `{' '.join(STATISTICS)}`, as in `p95(latency)`."),
        "value": ("Of the whole", "One number each."),
        "pool": ("Of an agent, a tool or a person", "Named in brackets, as in `utilization(scout)`."),
    }
    parts = []
    for shape, (title, about) in shapes.items():
        rows = [
            (f"`{kpi.name}`", kpi.unit, _flat(kpi.doc) + ("" if kpi.name in NAMED else " In the document only."))
            for kpi in KPIS.values()
            if kpi.shape == shape
        ]
        parts += [f"## {title}", about, _table(("KPI", "unit", "is"), rows)]
    about = "How to read their intervals: [Read KPIs](../how-to/read-kpis.md)."
    yield "reference/kpis.md", _page("KPIs", "`simulator/kpis.py`", about, *parts)


def _unless_said(values: Mapping[str, Any]) -> str:
    """What an argument of a fault is where nothing is said of it."""
    said = []
    for name, value in values.items():
        if name == "lasting":
            said.append("`lasting` is a tenth of `every`, or 1min after `at`")
        else:
            said.append(f"`{name}` is " + (f"{value // 1_000_000}s" if name == "by" else f"{value:g}"))
    return ", ".join(said)


def faults() -> Iterator[tuple[str, str]]:
    """The faults, their targets and arguments."""
    from orchspec.compiler.studies.faults import CRASH_POINTS, FAULTS

    rows = []
    for kind in FAULTS.values():
        needs = "; ".join(" or ".join(f"`{name}`" for name in group) for group in kind.needs) or "nothing"
        if kind.unless_said:
            needs += f"; unless said {_unless_said(kind.unless_said)}"
        targets = ", ".join(sorted(kind.targets))
        rows.append((f"`{kind.name}`", targets, ", ".join(f"`{name}`" for name in kind.arguments), needs))
    yield (
        "reference/faults.md",
        _page(
            "Faults",
            "`compiler/studies/faults.py`",
            "Written `fault NAME(target, ...)` in a scenario or a test.",
            _table(("fault", "strikes", "arguments", "needs"), rows),
            _FAULTS,
            f"A crash strikes at a `point`: {', '.join(f'`{point}`' for point in CRASH_POINTS)}.",
        ),
    )


_FAULTS = """
`at` and `every` are times since the start, `lasting` how long it holds from then on; `rate` is a share of attempts,
drawn by place; `first: n` and `nth: n` count attempts on the target within a replication. At a crash `rate`,
`first` and `nth` are of the dates of `every`, or of the passes of its point. `down` is how long the orchestrator is
away; at a crash `lasting` says the same. `factor` multiplies a latency, `by` adds to it; `retry_after`
is what a throttled caller is told to wait.

| what | does |
| --- | --- |
| `upgrade` | the engine leaves in order: what comes back within two seconds is kept; after `down` a newer one goes on |
| `outage` | nobody answers: what begins fails at once and costs nothing, what is under way as it begins breaks off |
| `correlated_outage` | the same for several at once: names, a list of them, or a model, for all who run on it |
| `capacity` | the agent gets on with at most `to` attempts at once; others wait at its door, their timeouts running |
| `hang` | no answer, ever: a timeout ends it, or nothing does |
| `zombie` | pauses for `by` (a minute unless said), does not hear that it is to stop, and is paid to its end |
| `server_error` | fails at once and costs nothing; an effect is in doubt then, and was done half of the time |
| `throttle` | is not served, and is told to wait for `retry_after` |
| `stale_lease` | another engine takes the store: the next commit of this one is refused, and runs go on there |
| `store_error` | the commit fails; the store is opened again after 100 ms, then 200 ms …, and given up at the sixth |
| `disk_full` | the same for as long as it lasts; once given up, an engine comes back when there is room |
| `quota` | after `limit` attempts in each `every` the rest is told to wait for the next; without `limit` all of them |

What breaks the orchestrator (`crash`, `crash_loop`, `stale_lease`, `store_error`, `disk_full`, `torn`, `unsynced`)
leaves one valid copy of the journal: a commit is durable as a whole or not at all, and what was acknowledged stays.
`lose` and `lose_ack` of an agent leave its attempt without an answer, as `lose` does a call of a tool; what is lost of
a person or a signal never comes. `delay` brings an answer or a signal later, `reorder` each by up to `by`. `duplicate`
brings a request twice, and a signal: an effect's target drops the repeat by its key, an agent works twice (one answer
counts, both are paid), and a person who answers twice is heard once. A call of a tool is not duplicated: it does
nothing. `partition` lets nothing through to the target and back. What strikes agents may name a `model` instead, for
all who run on it (`throttle(large, at: 10min, lasting: 5min)`); they share the `limit` of a `quota`. `orch chaos` aims
each fault at all that it may strike, and lets the effects or the tools of a flow fail together. `skew` sets the
clock of the orchestrator ahead while it lasts, `jump` for good; a timer is early by half of its time at most. `price`
multiplies what attempts cost, `overrun` what they take, `retry_storm` makes them fail at once. A mistaken output
(`wrong`, `conflicting`) passes its contract, and so does a `poisoned` one, whose texts give orders to whoever reads
them; `inconsistent` is one that comes out otherwise when it is sent again after a crash.
"""


def distributions() -> Iterator[tuple[str, str]]:
    """Distributions and arrivals, with their parameters."""
    from orchspec.compiler.studies.arrivals import ARRIVALS
    from orchspec.compiler.studies.distributions import LAWS
    from orchspec.runtime.families import FAMILIES as SAMPLED

    known = {name: ", ".join(law.parameters) for name, law in LAWS.items()} | _SPECIAL
    rows = [(f"`{name}`", known[name]) for name in SAMPLED if name != "record"]
    loads = [(f"`{name}`", _LOADS[name]) for name in ARRIVALS]
    yield (
        "reference/distributions.md",
        _page(
            "Distributions and arrivals",
            "`runtime/families.py` and `compiler/studies/arrivals.py`",
            _DISTRIBUTIONS,
            _table(("distribution", "takes"), rows),
            "## Arrivals",
            "Without `arrivals` each run is alone in its world, and `runs` says how many there are.",
            _table(("arrivals", "runs start"), loads),
        ),
    )


_DISTRIBUTIONS = """
A value in the place of a distribution is `fixed`. Arguments may be named as in the table:
`lognormal(p50: 6s, p95: 21s)`. `choice` and `mixture` take shares that sum to 100%: `choice(accept: 85%, revise: 15%)`
for the members of an enum, `choice("a", "b")` for values that are equally likely,
`mixture(90%: fixed(1s), 10%: exponential(mean: 30s))`. `chance(30%)` is for a Bool, `size(uniform(3, 8))` for the
length of a list, `empirical("file.csv", column)` reads a column of a CSV file beside the spec.
"""

_SPECIAL: Final = {
    "fixed": "a value",
    "choice": "members of an enum with their shares, or values that are equally likely",
    "mixture": "distributions with their shares",
    "chance": "a share",
    "size": "a distribution of the length",
    "empirical": "a file and a column",
}

_LOADS: Final = {
    "poisson": "at random, at a rate: `poisson(6 / 1h)`",
    "every": "at a fixed distance: `every(10s)`",
    "burst": "at random, at the rate `calm`, and from time to time at the rate `peak`; a peak comes `every` so long "
    "and lasts `lasting`, both on the average",
    "closed": "when one of `users` has thought for `think` after the end of their last run",
    "trace": 'at the times of a column: `trace("file.csv", column)`, numbers of seconds or dates with times',
}


# ------------------------------------------------------------------ the language


def vocabulary() -> Iterator[tuple[str, str]]:
    """Built-in functions and arbitration rules."""
    from orchspec.compiler.arbitrations import RULES
    from orchspec.compiler.functions import FUNCTIONS

    functions = [(f"`{name}`", takes) for name, (_, takes) in FUNCTIONS.items()]
    functions.append(("`missing`", "the name of a step or scope with `for`: the items that failed"))
    rules = [(f"`{name}`", takes) for name, (_, takes) in RULES.items()]
    yield (
        "reference/vocabulary.md",
        _page(
            "Functions and rules",
            "`compiler/functions.py` and `compiler/arbitrations.py`",
            "## Functions",
            _table(("function", "takes"), functions),
            "## Arbitration rules",
            "Chained with `or`; each decides or hands on to the next. The last one must always decide, or be `stop`.",
            _table(("rule", "takes"), rules),
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
        _page(
            "Keywords and attributes",
            "the checks of `compiler/`",
            "## Keywords",
            " ".join(f"`{word}`" for word in keywords),
            "They are reserved, but not before a colon, after a dot, as members of an enum, or as names of faults, "
            "arrivals, rules and KPIs.",
            "## Attributes",
            "What means nothing at a place is refused there, with the reason where the language has it elsewhere "
            "([E0401, E0450](diagnostics/declarations.md)).",
            _table(("attribute", "says", "of"), rows),
            "## Limits of a budget",
            _table(("budget of", "may limit"), limits),
            "## Profiles",
            _table(("profile of", "may say"), profiles),
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


# ------------------------------------------------------------------ the journal


def journal() -> Iterator[tuple[str, str]]:
    """The records of a journal: events and the commands that they cause."""
    from orchspec.runtime.kernel import commands as command_module
    from orchspec.runtime.kernel.events import EVENT_TYPES

    parts = [_JOURNAL, "## Events"]
    parts += [_class(kind, {"time", "place"}) for kind in EVENT_TYPES.values()]
    parts += ["## Commands", _COMMAND_LINES]
    named = [getattr(command_module, name) for name in command_module.__all__]
    parts += [_class(kind, {"place"}) for kind in named if inspect.isclass(kind)]
    source = "`runtime/kernel/events.py` and `runtime/kernel/commands.py`"
    yield "reference/journal.md", _page("Records of the journal", source, *parts)


_JOURNAL = """
`orch journal RUN` prints a record a line, as JSON: `seq` (from 1, without a gap), `time` (RFC 3339, UTC), `type` (the
event), `place` (its path in the run; `at` is its number), the fields of the event that are not at their default,
`decided` (what the kernel decided on it: pairs of what and detail), and `commands` (a line for each that it caused).
Times in fields are microseconds since 1970, money is pico-dollars (10⁻¹² USD).
"""

_COMMAND_LINES = """
A record names its commands by a line each: the command, the place, and what a replay must reproduce. *Outward*
commands can be seen from outside, so they wait for the commit of the record that caused them; *inner* ones (grants,
timers, the ledger) act at once, since a crash undoes them together with their cause.
"""


def _class(kind: type, hidden: set[str]) -> str:
    outward = getattr(kind, "outward", None)
    mark = "" if outward is None else " (outward)" if outward else " (inner)"
    shown = [field for field in fields(kind) if field.name not in hidden]
    said = ", ".join(f"`{field.name}`" for field in shown) or "none of its own"
    return f"### {kind.__name__}{mark}\n\n{_flat(kind.__doc__)}\n\nFields: {said}."


# ------------------------------------------------------------------ state machines


def state_machines() -> Iterator[tuple[str, str]]:
    """The tables of the kernel as diagrams."""
    from orchspec.runtime.kernel import table

    parts = [_MACHINES]
    for title, rows, about in (
        ("A task", table.TASK_TABLE, "One asking of one agent or person."),
        ("An effect", table.EFFECT_TABLE, "Or the undoing of one."),
        ("A region", table.REGION_TABLE, "A repeat, a scope, a flow, a fan-out or an arbitration."),
    ):
        parts += [f"## {title}", about, _fenced(_mermaid(rows, table.STATE_NAMES), "mermaid")]
    yield "reference/state-machines.md", _page("State machines", "`runtime/kernel/table.py`", *parts)


_MACHINES = """
A row of a table says which event a place may take in which state, and where that may lead. The handler of the event
picks among the successors, and an assertion holds it to the row. An event for a closed place is late: it is recorded
as ignored, and only its costs count. An event without a row is a bug of Orch: it raises before anything is recorded,
and halts that run alone.
"""


def _mermaid(rows: dict[tuple[int, type], frozenset[int]], names: dict[int, str]) -> str:
    edges: dict[tuple[int, int], list[str]] = {}
    for (state, event), successors in rows.items():
        for successor in sorted(successors):
            edges.setdefault((state, successor), []).append(event.__name__)
    states = sorted({state for edge in edges for state in edge})
    lines = ["stateDiagram-v2"]
    lines += [f"    s{state}: {names[state]}" for state in states]
    lines += [f"    s{start} --> s{end}: {', '.join(events)}" for (start, end), events in sorted(edges.items())]
    return "\n".join(lines)


# ------------------------------------------------------------------ Python


def python() -> Iterator[tuple[str, str]]:
    """What the package offers, with its docstrings."""
    import orchspec

    parts = [_PYTHON]
    for name in sorted(set(orchspec.__all__) - {"__version__"}, key=str.lower):
        thing = getattr(orchspec, name)
        if inspect.ismodule(thing):
            parts.append(f"## {name}\n\n{_fenced(inspect.getdoc(thing) or '')}")
            own = [(each, getattr(thing, each)) for each in thing.__all__]
            parts += [
                f"### {name}.{each}\n\n{_signed(each, value)}" for each, value in own if inspect.isfunction(value)
            ]
            continue
        parts.append(f"## {name}\n\n{_signed(name, thing)}")
        if inspect.isclass(thing) and not issubclass(thing, BaseException):
            methods = {key: value for key, value in vars(thing).items() if not key.startswith("_")}
            parts += [
                f"### {name}.{key}\n\n{_signed(key, value)}"
                for key, value in methods.items()
                if inspect.isfunction(value)
            ]
    yield "reference/python.md", _page("Python", "the docstrings of `orchspec`", *parts)


_PYTHON = """
Everything here is imported from `orchspec`, and loaded when it is first asked for. Errors of the world are `OrchError`,
with a stable `code` for programs and a `message` for people.
"""


class _Bare:
    """An annotation as it was written, without the quotes of a text."""

    def __init__(self, text: object) -> None:
        self.text = text

    def __repr__(self) -> str:
        return str(self.text)


def _bare(signature: inspect.Signature) -> inspect.Signature:
    """A signature with its annotations as they were written, those of `self` and of no result left out."""
    kept = [each for each in signature.parameters.values() if each.name != "self"]
    kept = [
        each.replace(annotation=_Bare(each.annotation)) if isinstance(each.annotation, str) else each for each in kept
    ]
    result = signature.return_annotation
    result = (
        inspect.Signature.empty if result in ("None", None) else _Bare(result) if isinstance(result, str) else result
    )
    return signature.replace(parameters=kept, return_annotation=result)


def _signed(name: str, thing: Any) -> str:
    code = f"code: {thing.code}" if inspect.isclass(thing) and issubclass(thing, BaseException) else ""
    mark = "async " if inspect.iscoroutinefunction(thing) else ""
    head = code or f"{mark}{name}{_bare(inspect.signature(thing))}"
    return _fenced(f"{head}\n\n{inspect.getdoc(thing) or ''}")


# ------------------------------------------------------------------ the library


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
        parts.append(f"## std/{path.name}\n\n" + _fenced(body, "text"))
    yield "reference/library.md", _page("The library", "`specs/std`", about, *parts)


# ------------------------------------------------------------------ all of them

=======
>>>>>>> main
PAGES: Final[tuple[Callable[[], Iterator[tuple[str, str]]], ...]] = (
    commands,
    diagnostics,
    kpis,
    faults,
    distributions,
    vocabulary,
    attributes,
    journal,
    state_machines,
    python,
    library,
)


def pages() -> dict[str, str]:
    """The text of every generated page, by its path below `docs/`."""
    return {path: text for make in PAGES for path, text in make()}


def main() -> None:
    """Writes the pages that have changed."""
    for name, text in pages().items():
        path = DOCS / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists() or path.read_text("utf-8") != text:
            path.write_text(text, "utf-8")
            sys.stdout.write(f"docs/{name}\n")


if __name__ == "__main__":
    main()
