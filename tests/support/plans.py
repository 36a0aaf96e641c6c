"""Small plans by hand: statements in the order in which they would be written, names instead of slots.

`plan(task("a"), let("b", ["add", "Int", v("a"), 1]), give(v("b")))` is a whole plan. In expressions `v("name")` is the
value of a name, a bare Python number, text or list of numbers a constant. A statement needs what it reads; `after`
adds what it does not.
"""

from __future__ import annotations

from typing import Any

from orchspec.compiler import plan as p
from tests.support.blocks import block
from tests.support.scoping import Draft, field_of, v
from tests.support.statements import (
    arbitrate,
    ask,
    call,
    candidate,
    checkpoint,
    effect,
    fail,
    give,
    let,
    repeat,
    route,
    rule,
    scope,
    skip,
    stop,
    task,
    until,
    use,
    wait,
)

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
