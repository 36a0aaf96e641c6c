"""Generated plans and schedules: well-formed by construction, small, and of every kind of statement."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from orchspec.compiler.plan import Backoff, Breaker, Need, Policy, Rate
from tests.support.driver import Ending
from tests.support.plans import (
    DEEDS,
    S,
    agent,
    arbitrate,
    ask,
    budget,
    call,
    candidate,
    checkpoint,
    effect,
    fail,
    flow,
    give,
    let,
    plan,
    repeat,
    rule,
    scope,
    skip,
    task,
    until,
    use,
    v,
)

__all__ = ["endings", "plans", "schedules"]

AGENTS = ("ann", "bob", "cy")
LINKS = st.sampled_from([(), (skip,), (use(7),), (ask("eve", within=20 * S), skip), (ask("eve"), use(1))])
BACKOFFS = st.sampled_from([None, Backoff(S, 4 * S), Backoff(2 * S, 2 * S, jitter=0.5)])
POLICIES = st.builds(Policy, st.integers(1, 3), st.sampled_from([None, 2 * S, 4 * S]), BACKOFFS)


@st.composite
def tasks(draw: Any, name: str, known: list[str]) -> Any:
    """A step by agents, of any pattern."""
    by = draw(st.sampled_from(["one", "any", "all", "some", "first", "for", "for"]))
    over = None
    if by == "for":
        over = ("i", draw(st.lists(st.integers(0, 3), max_size=4)))
        width = draw(st.sampled_from([None, 1, 2]))
        over = over if width is None else (*over, width)
    of = AGENTS[: draw(st.integers(2, 3))] if by in ("any", "all", "first", "for") else (draw(st.sampled_from(AGENTS)),)
    return task(
        name,
        v("i") if over and over[1] else v(draw(st.sampled_from(known))) if known else 1,
        by="any" if by == "for" else by,
        of=of,
        over=(over[0], ["list", over[1]], *over[2:]) if over else None,
        copies=2,
        contract=draw(st.sampled_from(["Work", "Work", "Work", "Once", "OnceHere"])),
        attempts=draw(st.integers(1, 3)),
        timeout=draw(st.sampled_from([None, 2 * S, 5 * S])),
        backoff=draw(BACKOFFS),
        cost=draw(st.sampled_from([0, 5, 10])),
        tokens=draw(st.sampled_from([0, 10])),
        need=draw(st.sampled_from([None, Need(count=1), Need(share=0.5)]))
        if by not in ("one", "any", "first")
        else None,
        prefer=draw(st.sampled_from(["least_busy", "fastest", "round_robin", "cheapest"])),
        urgency=draw(st.sampled_from([None, 0, 3])),
        only_if=draw(st.sampled_from([None, None, ["const", True], ["const", False]])),
        on_failure=draw(LINKS),
        budget=draw(st.sampled_from([None, None, None, None, budget(cost=15), budget(attempts=3), budget(time=4 * S)])),
    )


@st.composite
def blocks(draw: Any, depth: int, around: list[str], prefix: str) -> list[Any]:
    """The statements of a block, each of which reads what stands before it, or nothing."""
    drafts: list[Any] = []
    known: list[str] = []
    for index in range(draw(st.integers(1, 4 if depth else 5))):
        name = f"{prefix}{index}"
        after = tuple(draw(st.sets(st.sampled_from(known), max_size=2))) if known else ()
        kinds = ["task", "task", "task", "effect", "effect", "let", "fail", "checkpoint", "arbitrate"]
        if depth < 2:
            kinds += ["scope", "mapping", "repeat", "flow"]
        draft = draw(statements(draw(st.sampled_from(kinds)), name, known, depth))
        draft.after = tuple(dict.fromkeys([*draft.after, *after]))
        drafts.append(draft)
        if draft.slotted:
            known.append(name)
    drafts.append(give(v(draw(st.sampled_from(known))) if known else 1))
    return drafts


@st.composite
def statements(draw: Any, kind: str, name: str, known: list[str], depth: int) -> Any:
    """One statement of a kind."""
    if kind == "task":
        return draw(tasks(name, known))
    if kind == "effect":
        only_if = draw(st.sampled_from([None, None, ["const", False]]))
        links = draw(st.sampled_from([(), (skip,), (use("x"),)]))
        rest: dict[str, Any] = {"policy": draw(POLICIES), "only_if": only_if, "on_failure": links}
        rest["budget"] = draw(st.sampled_from([None, None, None, budget(retries=1), budget(time=3 * S)]))
        which = draw(st.sampled_from(["publish", "publish", "pay", "mail", "tag"]))
        if which != "publish":
            rest["policy"] = Policy(2, draw(st.sampled_from([None, 7 * S])))
        if draw(st.integers(0, 3)):
            return effect(name, draw(st.integers(0, 3)), effect=which, **rest)
        items = ["const", draw(st.lists(st.integers(0, 3), max_size=3))]
        need = draw(st.sampled_from([None, Need(count=1), Need(share=0.5)]))
        return effect(name, v("i"), effect=which, over=("i", items, draw(st.integers(1, 2))), need=need, **rest)
    if kind == "let":
        return let(
            name, draw(st.sampled_from([1, ["const", [1, 2]], ["index", ["const", [1]], 5]] if depth else [1, 2]))
        )
    if kind == "fail":
        return fail("told to", when=draw(st.sampled_from([["const", False], ["const", False], ["const", True]])))
    if kind == "checkpoint":
        return checkpoint(f"at_{name}")
    if kind == "arbitrate":
        decide = draw(
            st.sampled_from(
                [
                    (rule("first"),),
                    (rule("highest", v("it")), rule("first")),
                    (
                        rule("majority", v("it")),
                        rule("ask", who=candidate("eve"), contract="Pick", within_us=15 * S),
                        rule("first"),
                    ),
                    (rule("unanimous", v("it")), rule("stop")),
                ]
            )
        )
        group = draw(st.sampled_from([None, None, v("it")]))
        return arbitrate(
            name, ["const", draw(st.lists(st.integers(0, 2), min_size=1, max_size=3))], *decide, group=group
        )
    body = draw(blocks(depth + 1, known, f"{name}_"))
    links = draw(st.sampled_from([(), (skip,), (use(3),)]))
    limit = draw(
        st.sampled_from(
            [None, None, None, budget(cost=20), budget(retries=1), budget(attempts=4), budget(time=8 * S, depth=1)]
        )
    )
    tries = {"attempts": draw(st.integers(1, 2)), "backoff": draw(BACKOFFS)}
    urgency = draw(st.sampled_from([None, None, 2]))
    if kind == "scope":
        return scope(
            name,
            *body,
            budget=limit,
            timeout=draw(st.sampled_from([None, 5 * S, 30 * S])),
            on_failure=links,
            only_if=draw(st.sampled_from([None, None, None, ["const", False]])),
            urgency=urgency,
            **tries,
        )
    if kind == "mapping":
        items = ("i", ["const", draw(st.lists(st.integers(0, 3), max_size=3))], draw(st.integers(1, 3)))
        need = draw(st.sampled_from([None, Need(count=1), Need(share=0.5)]))
        return scope(
            name,
            *body,
            over=items,
            need=need,
            budget=limit,
            timeout=draw(st.sampled_from([None, 9 * S])),
            on_failure=links,
            **tries,
        )
    if kind == "repeat":
        stops = draw(st.sampled_from([["const", True], ["const", False], ["ge", ["call", "len", [v("past")]], 1]]))
        otherwise = draw(st.sampled_from([None, (give(5),), (fail("exhausted"),)]))
        every = draw(st.sampled_from([None, None, 3 * S]))
        return repeat(name, draw(st.integers(0, 3)), until(stops), *body, every=every, otherwise=otherwise)
    if draw(st.integers(0, 3)):
        return call(name, "sub", on_failure=links, budget=limit, policy=draw(POLICIES), urgency=urgency)
    items = ["const", draw(st.lists(st.integers(0, 3), max_size=3))]
    return call(name, "sub", on_failure=links, budget=limit, policy=draw(POLICIES), over=("i", items, 2))


@st.composite
def plans(draw: Any) -> Any:
    """A plan whose flow `main` may call the flow `sub`; agents with narrow limits."""
    everybody = tuple(
        agent(
            name,
            slots=draw(st.sampled_from([None, 1, 2])),
            session=draw(st.sampled_from(["fresh", "fresh", "per_run"])),
            rate=draw(st.sampled_from([None, None, Rate(2, 3 * S)])),
            breaker=draw(st.sampled_from([None, None, Breaker(2, 10 * S, 5 * S)])),
            effects=["publish", "tag"],
        )
        for name in AGENTS
    )
    sub = flow(
        "sub", *draw(blocks(2, [], "f")), budget=draw(st.sampled_from([None, budget(cost=25), budget(time=30 * S)]))
    )
    main = draw(blocks(0, [], "s"))
    limit = draw(
        st.sampled_from(
            [
                None,
                budget(cost=60),
                budget(cost=30, retries=3),
                budget(tokens=60),
                budget(time=60 * S),
                budget(attempts=9),
            ]
        )
    )
    return plan(
        *main, agents=everybody, effects=DEEDS, flows=(sub,), budget=limit, economy=draw(st.sampled_from([None, 0.5]))
    )


COSTS = st.sampled_from([None, 0, 3, 12])


@st.composite
def endings(draw: Any) -> Ending:
    """How an attempt of a task may end."""
    cost = draw(COSTS)
    return Ending(
        draw(st.sampled_from(["done", "done", "done", "fails", "hangs"])),
        draw(st.sampled_from([1, 2, 5, "junk", -1])),
        draw(st.sampled_from([0, S // 2, S, 3 * S, 7 * S])),
        cost=cost,
        tokens_in=None if cost is None else 4,
        tokens_out=None if cost is None else 3,
        sent=draw(st.sampled_from([True, True, False])),
        stops=draw(st.sampled_from([0, 0, 2 * S, None])),
        late_cost=draw(st.sampled_from([None, 4])),
        twice=draw(st.sampled_from([False, False, True])),
        asks=draw(st.sampled_from([(), (), (("publish", {}),), (("publish", {}), ("tag", {"x": 1}))])),
    )


EFFECT_ENDINGS = st.builds(
    Ending,
    st.sampled_from(["done", "done", "done", "refuses", "lost reply", "lost send"]),
    takes=st.sampled_from([0, S, 6 * S]),
    twice=st.booleans(),
)
DEED_ENDINGS = st.builds(
    Ending,
    st.sampled_from(["done", "done", "refuses", "lost reply", "lost send"]),
    takes=st.sampled_from([0, S, 6 * S]),
)
UNDO_ENDINGS = st.builds(Ending, st.sampled_from(["done", "done", "lost reply"]), takes=st.sampled_from([0, S]))
ANSWERS = st.builds(
    Ending,
    st.sampled_from(["done", "done", "hangs"]),
    st.sampled_from([1, 2, "junk"]),
    st.sampled_from([S, 8 * S, 40 * S]),
    twice=st.booleans(),
)


@st.composite
def schedules(draw: Any) -> dict[str, Any]:
    """Scripts for a driver: the last ending of each is one that ends, and effects are confirmed or refused at last."""
    last = Ending("done", 1, S)
    scripts: dict[str, Any] = {name: [*draw(st.lists(endings(), max_size=6)), last] for name in AGENTS}
    scripts["eve"] = [*draw(st.lists(ANSWERS, max_size=3)), Ending("done", 2, S)]
    scripts["publish"] = [*draw(st.lists(EFFECT_ENDINGS, max_size=5)), last]
    for name in ("pay", "mail", "tag", "refund"):
        scripts[name] = [*draw(st.lists(DEED_ENDINGS, max_size=3)), last]
    scripts["paid"] = [*draw(st.lists(st.builds(Ending, st.sampled_from(["done", "fails"])), max_size=2)), last]
    scripts["retract"] = [*draw(st.lists(UNDO_ENDINGS, max_size=3)), last]
    return scripts
