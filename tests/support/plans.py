"""Small plans by hand: statements in the order in which they would be written, names instead of slots.

`plan(task("a"), let("b", ["add", "Int", v("a"), 1]), give(v("b")))` is a whole plan. In expressions `v("name")` is the
value of a name, a bare Python number, text or list of numbers a constant. A statement needs what it reads; `after`
adds what it does not.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from typing import Any

from orchspec.compiler import plan as p

__all__ = [
    "DEEDS",
    "S",
    "agent",
    "arbitrate",
    "ask",
    "block",
    "budget",
    "call",
    "candidate",
    "checkpoint",
    "effect",
    "fail",
    "field_of",
    "flow",
    "give",
    "let",
    "plan",
    "repeat",
    "route",
    "rule",
    "scope",
    "skip",
    "stop",
    "task",
    "until",
    "use",
    "v",
    "wait",
]

S = 1_000_000
"""A second."""


def v(name: str) -> list[Any]:
    """The value of a name in scope."""
    return ["$", name]


def field_of(expr: Any, name: str) -> list[Any]:
    return ["field", expr, name]


@dataclass
class Draft:
    """A statement whose names are not slots yet: `make` resolves them in its block."""

    kind: str
    name: str = ""
    after: tuple[str, ...] = ()
    make: Any = None
    slotted: bool = True


@dataclass
class Scoping:
    """Names by level, innermost first; `read` gathers the names of level `own` that were read."""

    levels: list[list[str]]
    own: int = 0
    read: list[str] = field(default_factory=list)

    def resolve(self, expr: Any, *above: list[str]) -> Any:
        """An expression with slots; `above` are frames between it and the block."""
        if isinstance(expr, (list, tuple)) and expr and isinstance(expr[0], str):
            if expr[0] in ("$", "$giver", "$missing"):
                return self._place(expr, above)
            if expr[0] in _OPERATIONS:
                return [expr[0], *(self._part(expr[0], part, above) for part in expr[1:])]
        return ["const", expr]

    def _part(self, op: str, part: Any, above: tuple[list[str], ...]) -> Any:
        if op == "const" or isinstance(part, str):
            return part
        if op in ("list", "call") and isinstance(part, list):
            return [self.resolve(item, *above) for item in part]
        if op == "record" and isinstance(part, list):
            return [[name, self.resolve(item, *above)] for name, item in part]
        return self.resolve(part, *above)

    def _place(self, expr: Any, above: tuple[list[str], ...]) -> Any:
        name = expr[1]
        for up, names in enumerate([*above, *self.levels]):
            if name in names:
                if up == len(above):
                    self.read.append(name)
                slot = names.index(name)
                return {
                    "$": ["ref", up, slot],
                    "$giver": ["giver", up, slot, expr[-1]],
                    "$missing": ["missing", up, slot],
                }[expr[0]]
        raise KeyError(name)


_OPERATIONS = frozenset(
    [
        "const",
        "field",
        "field?",
        "project",
        "index",
        "lookup",
        "record",
        "list",
        "range",
        "not",
        "neg",
        "and",
        "or",
        "default",
        "eq",
        "ne",
        "lt",
        "le",
        "gt",
        "ge",
        "in",
        "add",
        "sub",
        "mul",
        "div",
        "concat",
        "call",
        "float",
    ]
)

_NODES = itertools.count(1)


# ------------------------------------------------------------------ statements


def candidate(
    agent: str,
    attempts: int = 1,
    timeout: int | None = None,
    backoff: p.Backoff | None = None,
    tiers: list[p.Tier] | None = None,
    cost: int = 0,
    tokens: int = 0,
) -> p.Candidate:
    """A candidate; `cost` and `tokens` are what each attempt reserves."""
    return p.Candidate(
        agent,
        p.Policy(attempts, timeout, backoff),
        tiers or [p.Tier(None, reserve_cost_pico=cost, reserve_tokens=tokens)],
    )


def task(
    name: str,
    *args: Any,
    by: str = "one",
    of: tuple[str, ...] | str = "ann",
    contract: str = "Work",
    over: tuple[Any, ...] | None = None,
    attempts: int = 1,
    timeout: int | None = None,
    backoff: p.Backoff | None = None,
    tiers: list[p.Tier] | None = None,
    cost: int = 0,
    tokens: int = 0,
    urgency: Any = None,
    only_if: Any = None,
    on_failure: tuple[Any, ...] = (),
    after: tuple[str, ...] = (),
    **rest: Any,
) -> Draft:
    """A step by agents. `over` is (item name, list expression[, width])."""
    agents = (of,) if isinstance(of, str) else of

    def make(s: Scoping) -> dict[str, Any]:
        item = [[over[0]]] if over is not None else []
        return {
            "contract": contract,
            "args": [s.resolve(arg, *item) for arg in (args or (1,))],
            "pattern": by,
            "candidates": [candidate(agent, attempts, timeout, backoff, tiers, cost, tokens) for agent in agents],
            "over": None
            if over is None
            else p.Over(over[0], s.resolve(over[1]), s.resolve(over[2]) if len(over) > 2 else None),
            "urgency": None if urgency is None else s.resolve(urgency),
            "only_if": None if only_if is None else s.resolve(only_if),
            "on_failure": [link(s) for link in on_failure],
            **rest,
        }

    return Draft("task", name, after, make)


def effect(
    name: str,
    *args: Any,
    effect: str = "publish",
    policy: p.Policy | None = None,
    only_if: Any = None,
    on_failure: tuple[Any, ...] = (),
    after: tuple[str, ...] = (),
    over: tuple[Any, ...] | None = None,
    need: p.Need | None = None,
    budget: p.Budget | None = None,
    gate: str | None = None,
) -> Draft:
    """A step that is an effect, or one for each item of `over` = (item name, list expression[, width])."""

    def make(s: Scoping) -> dict[str, Any]:
        return {
            "effect": effect,
            "args": [s.resolve(arg, *_item(over)) for arg in args],
            "policy": policy or p.Policy(),
            "only_if": None if only_if is None else s.resolve(only_if),
            "on_failure": [link(s) for link in on_failure],
            "over": _over(s, over),
            "need": need,
            "budget": budget,
            "gate": gate,
        }

    return Draft("effect", name, after, make)


def call(
    name: str,
    flow: str,
    *args: Any,
    only_if: Any = None,
    on_failure: tuple[Any, ...] = (),
    budget: p.Budget | None = None,
    after: tuple[str, ...] = (),
    policy: p.Policy | None = None,
    urgency: Any = None,
    over: tuple[Any, ...] | None = None,
    need: p.Need | None = None,
) -> Draft:
    """A flow as a step, or one for each item of `over`."""

    def make(s: Scoping) -> dict[str, Any]:
        return {
            "flow": flow,
            "args": [s.resolve(arg, *_item(over)) for arg in args],
            "only_if": None if only_if is None else s.resolve(only_if),
            "on_failure": [link(s) for link in on_failure],
            "budget": budget,
            "policy": policy or p.Policy(),
            "urgency": None if urgency is None else s.resolve(urgency),
            "over": _over(s, over),
            "need": need,
        }

    return Draft("flow", name, after, make)


def _item(over: tuple[Any, ...] | None) -> list[list[str]]:
    return [] if over is None else [[over[0]]]


def _over(s: Scoping, over: tuple[Any, ...] | None) -> p.Over | None:
    if over is None:
        return None
    return p.Over(over[0], s.resolve(over[1]), s.resolve(over[2]) if len(over) > 2 else None)


def rule(kind: str, expr: Any = None, *, n: Any = None, **rest: Any) -> Any:
    """A rule of an arbitration; in `expr` the candidate is `it`."""

    def make(s: Scoping) -> p.Rule:
        return p.Rule(
            kind,
            None if expr is None else s.resolve(expr, ["it"]),
            None if n is None else s.resolve(n),
            **rest,
        )

    return make


def arbitrate(
    name: str,
    source: str | list[Any],
    *rules: Any,
    group: Any = None,
    asks: tuple[str, list[Any]] | None = None,
    after: tuple[str, ...] = (),
) -> Draft:
    """An arbitration over a name (a fan-out) or any list."""

    def make(s: Scoping) -> dict[str, Any]:
        fanned = isinstance(source, str)
        resolved = s.resolve(v(source) if fanned else source)
        return {
            "source": resolved,
            "source_slot": resolved[2] if fanned else None,
            "rules": [one(s) for one in rules],
            "group": None if group is None else s.resolve(group, ["it"]),
            "asks": None if asks is None else (asks[0], [s.resolve(arg) for arg in asks[1]]),
        }

    return Draft("arbitrate", name, after, make)


def let(name: str, value: Any, after: tuple[str, ...] = ()) -> Draft:
    return Draft("let", name, after, lambda s: {"value": s.resolve(value)})


def fail(message: Any = "told to", when: Any = None, after: tuple[str, ...] = ()) -> Draft:
    def make(s: Scoping) -> dict[str, Any]:
        return {"message": s.resolve(message), "when": None if when is None else s.resolve(when)}

    return Draft("fail", "", after, make, slotted=False)


def checkpoint(name: str, after: tuple[str, ...] = ()) -> Draft:
    return Draft("checkpoint", name, after, lambda _s: {}, slotted=False)


def wait(value: Any, after: tuple[str, ...] = (), *, until: bool = False) -> Draft:
    """A wait; unlike the compiler's, it is ordered by `after` alone."""
    return Draft("wait", "", after, lambda s: {"value": s.resolve(value), "until": until}, slotted=False)


def until(condition: Any, after: tuple[str, ...] = ()) -> Draft:
    return Draft("until", "", after, lambda s: {"condition": s.resolve(condition)}, slotted=False)


def give(value: Any, after: tuple[str, ...] = ()) -> Draft:
    """`give` of a round or scope, `return` of a flow."""
    return Draft("give", "", after, lambda s: {"value": s.resolve(value)}, slotted=False)


def repeat(
    name: str,
    times: Any,
    *body: Draft,
    kept: tuple[str, ...] = (),
    every: int | None = None,
    otherwise: tuple[Draft, ...] | None = None,
    after: tuple[str, ...] = (),
) -> Draft:
    """A repeat; `past` and `prev` are names of its body."""

    def make(s: Scoping) -> dict[str, Any]:
        return {
            "times": s.resolve(times),
            "body": _within(s, body, ["past", "prev"]),
            "kept": list(kept),
            "every_us": every,
            "otherwise": None if otherwise is None else _within(s, otherwise, []),
        }

    return Draft("repeat", name, after, make)


def scope(
    name: str,
    *body: Draft,
    over: tuple[Any, ...] | None = None,
    need: p.Need | None = None,
    budget: p.Budget | None = None,
    timeout: int | None = None,
    on_failure: tuple[Any, ...] = (),
    after: tuple[str, ...] = (),
    attempts: int = 1,
    backoff: p.Backoff | None = None,
    only_if: Any = None,
    urgency: Any = None,
    tools: tuple[str, ...] = (),
) -> Draft:
    """A scope, or one for each item of `over` = (item name, list expression[, width])."""

    def make(s: Scoping) -> dict[str, Any]:
        return {
            "body": _within(s, body, [over[0]] if over is not None else []),
            "over": None
            if over is None
            else p.Over(over[0], s.resolve(over[1]), s.resolve(over[2]) if len(over) > 2 else None),
            "need": need,
            "budget": budget,
            "policy": p.Policy(attempts, timeout, backoff),
            "tools": list(tools),
            "only_if": None if only_if is None else s.resolve(only_if),
            "urgency": None if urgency is None else s.resolve(urgency),
            "on_failure": [link(s) for link in on_failure],
        }

    return Draft("scope", name, after, make)


def route(name: str, on: Any, *arms: tuple[Any, ...], after: tuple[str, ...] = ()) -> Draft:
    """A route; an arm is (patterns, guard or None, statement, …). `on` is None where no arm has patterns."""

    def make(s: Scoping) -> dict[str, Any]:
        return {
            "subject": None if on is None else s.resolve(on),
            "arms": [
                p.Arm(
                    [s.resolve(pattern) for pattern in patterns],
                    None if when is None else s.resolve(when),
                    _within(s, tuple(body), []),
                )
                for patterns, when, *body in arms
            ],
        }

    return Draft("route", name, after, make)


# ------------------------------------------------------------------ links of on_failure


def stop(_s: Scoping) -> p.OnFailure:
    return p.OnFailure("stop")


def skip(_s: Scoping) -> p.OnFailure:
    return p.OnFailure("skip")


def use(value: Any) -> Any:
    return lambda s: p.OnFailure("use", value=s.resolve(value))


def ask(agent: str, within: int | None = None, attempts: int = 1) -> Any:
    return lambda _s: p.OnFailure("ask", who=candidate(agent, attempts), within_us=within)


# ------------------------------------------------------------------ blocks and plans


def block(drafts: tuple[Draft, ...], given: list[str], around: list[list[str]] | None = None) -> p.Block:
    """A block of the plan; `given` are the names of its first slots, `around` those of the frames above it."""
    names = given + [draft.name for draft in drafts if draft.slotted and draft.name]
    at = {draft.name: index for index, draft in enumerate(drafts) if draft.name}
    statements: list[Any] = []
    for draft in drafts:
        scoping = Scoping([names, *(around or [])])
        fields = draft.make(scoping)
        needs = sorted({at[name] for name in [*scoping.read, *draft.after] if name in at})
        place: dict[str, Any] = {"kind": draft.kind, "node": next(_NODES), "needs": needs}
        if draft.name:
            place["name"] = draft.name
        if draft.slotted:
            place["slot"] = names.index(draft.name)
        statements.append(_KINDS[draft.kind](**place, **fields))
    return p.Block(statements, names, len(given))


def _within(s: Scoping, body: tuple[Draft, ...], given: list[str]) -> p.Block:
    # What a nested block reads of the block around is read by the statement that holds it.
    outer = s.levels[0]
    inner = block(body, given, s.levels)
    s.read.extend(outer[slot] for up, slot in _refs(inner, 0) if up == 1)
    return inner


def _refs(part: Any, depth: int) -> list[tuple[int, int]]:
    """Slots that a nested block reads, as (levels above that block, slot).

    Frames of items and of candidates count as levels inside.
    """
    found: list[tuple[int, int]] = []
    for statement in part.statements:
        for name in statement.__dataclass_fields__:
            value = getattr(statement, name)
            inner = [value] if isinstance(value, p.Block) else [arm.body for arm in value] if name == "arms" else []
            for body in inner:
                found += [(up - 1, slot) for up, slot in _refs(body, depth) if up >= 1]
            if isinstance(value, p.Block):
                continue
            lift = 1 if _has_item(statement, name) else 0
            found += [(up - lift, slot) for up, slot in _places(value) if up >= lift]
    return found


def _has_item(statement: Any, name: str) -> bool:
    over = getattr(statement, "over", None)
    return (name == "args" and over is not None) or (name in ("rules", "group"))


def _places(value: Any) -> list[tuple[int, int]]:
    if isinstance(value, list) and value and value[0] in ("ref", "giver", "missing"):
        return [(value[1], value[2])]
    if isinstance(value, (list, tuple)):
        return [place for part in value if not isinstance(part, p.Block) for place in _places(part)]
    if hasattr(value, "__dataclass_fields__") and not isinstance(value, p.Block):
        return [place for name in value.__dataclass_fields__ for place in _places(getattr(value, name))]
    return []


_KINDS: dict[str, Any] = {
    "task": p.TaskStep,
    "effect": p.EffectStep,
    "flow": p.FlowStep,
    "arbitrate": p.Arbitrate,
    "let": p.Let,
    "fail": p.Fail,
    "checkpoint": p.Checkpoint,
    "until": p.Until,
    "wait": p.Wait,
    "give": p.Give,
    "repeat": p.Repeat,
    "route": p.Route,
    "scope": p.Scope,
}


def budget(**caps: int) -> p.Budget:
    """`budget(cost=…, tokens=…, time=…, retries=…, attempts=…)`."""
    names = {"cost": "cost_pico", "time": "time_us"}
    return p.Budget(**{names.get(name, name): cap for name, cap in caps.items()})


def flow(
    name: str,
    *body: Draft,
    given: tuple[str, ...] = (),
    of: Any = "Json",
    result: Any = "Json",
    budget: p.Budget | None = None,
    economy: float | None = None,
    where: Any = None,
) -> p.Flow:
    """A flow; its parameters `given` are all `of` one type. `where` holds for the first of them."""
    params = [p.Field(param, of, where=where if index == 0 else None) for index, param in enumerate(given)]
    return p.Flow(name, params, result, block(body, list(given)), budget or p.Budget(), economy)


CONTRACTS = {
    "Work": p.Contract("Work", [p.Field("x", "Json")], "Int", ensures=[["ge", ["ref", 0, 1], ["const", 0]]]),
    "Judge": p.Contract("Judge", [p.Field("x", "Json")], ["Record", "Review"]),
    "Pick": p.Contract("Pick", [p.Field("candidates", ["List", "Json"])], "Json"),
    "Once": p.Contract("Once", [p.Field("x", "Json")], "Int", reuse=3600 * S),
    "OnceHere": p.Contract("OnceHere", [p.Field("x", "Json")], "Int", reuse="run"),
    "Small": p.Contract("Small", [p.Field("x", "Int", where=["lt", ["ref", 0, 0], ["const", 10]])], "Int"),
}
"""Work gives an Int that is not negative; anything else is garbage."""

EFFECTS = {
    "publish": p.Effect(
        "publish", [p.Field("x", "Json")], "Text", ["ref", 0, 0], undo=p.Call("retract", [["ref", 0, 1]])
    ),
    "retract": p.Effect("retract", [p.Field("receipt", "Text")], "Json", ["ref", 0, 0]),
    "log": p.Effect("log", [p.Field("x", "Json"), p.Field("y", "Json")], "Json", ["ref", 0, 0]),
}
"""publish is undone by retract; log has a key of its first argument alone, and nothing undoes it."""


DEEDS = (
    p.Effect("paid", [p.Field("x", "Json")], ["Option", "Text"], idempotent=True),
    p.Effect(
        "pay",
        [p.Field("x", "Json")],
        "Text",
        check=p.Call("paid", [["ref", 0, 0]]),
        settles_us=10 * S,
        policy=p.Policy(1, 5 * S),
        undo=p.Call("refund", [["ref", 0, 1]]),
    ),
    p.Effect("refund", [p.Field("receipt", "Text")], "Nothing", idempotent=True, policy=p.Policy(1, 5 * S)),
    p.Effect(
        "mail",
        [p.Field("x", "Json")],
        "Text",
        in_doubt=p.Doubt(p.Candidate("eve", p.Policy(), [p.Tier(None)]), "mail.in_doubt", 3600 * S),
        settles_us=10 * S,
        policy=p.Policy(1, 5 * S),
    ),
    p.Effect("tag", [p.Field("x", "Json")], "Text", idempotent=True, policy=p.Policy(2, 5 * S)),
    p.Effect(
        "post",
        [p.Field("x", "Json")],
        "Text",
        ["ref", 0, 0],
        in_doubt=p.Doubt(p.Candidate("eve", p.Policy(), [p.Tier(None)]), "mail.in_doubt", 3600 * S),
        remembers_us=60 * S,
        policy=p.Policy(1, 5 * S),
    ),
)
"""Effects without keys: pay is checked by paid and undone by refund, eve knows of mail, tag and refund may be repeated.
The key of post is forgotten after a minute."""

QUESTION = p.Contract(
    "mail.in_doubt",
    [p.Field("x", "Json")],
    ["Record", "mail.in_doubt"],
    ensures=[
        ["or", ["not", ["field", ["ref", 0, 1], "done"]], ["ne", ["field", ["ref", 0, 1], "result"], ["const", None]]]
    ],
)
ANSWER = p.RecordType("mail.in_doubt", [p.Field("done", "Bool"), p.Field("result", ["Option", "Text"])])


def plan(
    *body: Draft,
    agents: tuple[p.Agent, ...] = (),
    flows: tuple[p.Flow, ...] = (),
    tools: tuple[p.Tool, ...] = (),
    effects: tuple[p.Effect, ...] = (),
    gates: dict[str, p.Gate] | None = None,
    **rest: Any,
) -> p.Plan:
    """A sealed plan whose flow `main` is the body; `rest` as of `flow`.

    The agents ann, bob and cy and the person eve are there unless given.
    """
    everybody = {name: agent(name) for name in ("ann", "bob", "cy")}
    everybody["eve"] = agent("eve", kind="human")
    everybody.update({one.name: one for one in agents})
    return p.Plan(
        "by hand",
        types={
            "Review": p.RecordType("Review", [p.Field("verdict", "Text"), p.Field("score", "Int")]),
            ANSWER.name: ANSWER,
        },
        contracts={**CONTRACTS, QUESTION.name: QUESTION},
        agents=everybody,
        tools={tool.name: tool for tool in tools},
        effects={**EFFECTS, **{one.name: one for one in effects}},
        gates=gates or {},
        flows={"main": flow("main", *body, **rest), **{one.name: one for one in flows}},
    ).sealed()


def agent(name: str, *, kind: Any = "agent", slots: int | None = None, **rest: Any) -> p.Agent:
    """An agent that fulfills everything."""
    return p.Agent(name, kind, list(CONTRACTS), slots_max=slots, **rest)
