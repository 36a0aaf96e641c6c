"""Statements of plans by hand, each with what a test may want to say of it, and links of `on_failure`."""

from __future__ import annotations

from typing import Any

from orchspec.compiler import plan as p
from tests.support.blocks import within
from tests.support.scoping import Draft, Scoping, v

__all__ = [
    "arbitrate",
    "ask",
    "call",
    "candidate",
    "checkpoint",
    "effect",
    "fail",
    "give",
    "let",
    "repeat",
    "route",
    "rule",
    "scope",
    "skip",
    "stop",
    "task",
    "until",
    "use",
    "wait",
]


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
            "body": within(s, body, ["past", "prev"]),
            "kept": list(kept),
            "every_us": every,
            "otherwise": None if otherwise is None else within(s, otherwise, []),
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
            "body": within(s, body, [over[0]] if over is not None else []),
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
                    within(s, tuple(body), []),
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
