"""Policies: how long, how often and how fast, for policies, agents, effects and steps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from orchspec.compiler.attributes import Settings
from orchspec.compiler.model import PolicyInfo, PolicyValues
from orchspec.compiler.names import find_all
from orchspec.compiler.plan import Backoff, Breaker, Hedge
from orchspec.compiler.types import DURATION, INT, PERCENT, Scalar
from orchspec.grammar.syntax import Arg, Call, Expr, Hole, Name, Range

__all__ = ["POLICY_ATTRIBUTES", "read_policy", "read_slots"]

POLICY_ATTRIBUTES = ("timeout", "attempts", "backoff", "breaker", "rate", "slots", "hedge")
"""What a policy can say."""


def _read_policies(settings: Settings) -> PolicyValues:
    """What `policies = [a, b]` says, the later winning."""
    policies, _ = find_all(settings.context, settings.names("policies", "[patient]"), PolicyInfo)
    merged = PolicyValues()
    for policy in policies:
        merged = policy.values.over(merged)
    return merged


def read_policy(settings: Settings, *, policies: bool = True) -> PolicyValues:
    """The policy attributes of one place over its `policies`."""
    own = PolicyValues(
        timeout_us=settings.duration("timeout"),
        attempts=settings.count("attempts"),
        backoff=_backoff(settings),
        breaker=_breaker(settings),
        rate=settings.rate("rate"),
        slots=read_slots(settings),
        hedge=_hedge(settings),
    )
    return own.over(_read_policies(settings)) if policies else own


def read_slots(settings: Settings) -> tuple[int, int] | None:
    """The least and the most slots: `8`, or `2..20`, which scales with the load."""
    expr = settings.expr("slots")
    if not isinstance(expr, Range):
        count = settings.count("slots")
        return None if count is None else (count, count)
    ends = [settings.count_of("slots", end) if not isinstance(end, Hole) else None for end in (expr.low, expr.high)]
    least, most = ends
    if least is None or most is None:
        return None
    if most < least:
        settings.out_of_range("slots", expr, f"{least}..{most}", "a range from few to many")
        return None
    return least, most


_SHARES = {"p50": 0.5, "p90": 0.9, "p95": 0.95, "p99": 0.99}


def _hedge(settings: Settings) -> Hedge | None:
    expr = settings.expr("hedge")
    if expr is None:
        return None
    expected = "`after(p95)` or `after(5s)`"
    if not isinstance(expr, Call) or _callee(expr) != "after" or len(expr.args) != 1:
        settings.wrong("hedge", expr, expected)
        return None
    arg = expr.args[0]
    value = arg.value
    if isinstance(value, Hole):
        return None
    if isinstance(value, Name) and value.text in _SHARES:
        return Hedge(share=_SHARES[value.text])
    if arg.label is not None or arg.key is not None or (isinstance(value, Name) and value.text[:1] == "p"):
        settings.wrong("hedge", expr, expected)
        return None
    after_us = settings.duration_of("hedge", value)
    return None if after_us is None else Hedge(after_us=after_us)


# What a call such as `exponential(from: 500ms, to: 20s)` takes: name -> (type, needed, example)
_CallForm = Mapping[str, tuple[Scalar, bool]]


def _call_values(settings: Settings, name: str, call: Call, form: _CallForm, example: str) -> dict[str, Any] | None:
    """The constant arguments of a call in an attribute, by their names, or none when something is wrong with it."""
    names = list(form)
    values: dict[str, Any] = {}
    for place, arg in enumerate(call.args):
        key = _parameter(arg, place, names)
        if key is None or key in values:
            settings.wrong(name, arg, f"`{example}`")
            return None
        kind = form[key][0]
        words = {DURATION: "a duration such as `30s`", INT: "a whole number", PERCENT: "a share such as `20%`"}[kind]
        values[key] = settings.constant(key, arg.value, (kind,), words)
        if values[key] is None:
            return None
        if values[key] < 0 or (kind != PERCENT and values[key] == 0):
            settings.out_of_range(key, arg.value, f"`{arg.value.span.text}`", "more than nothing")
            return None
    if any(needed and key not in values for key, (_, needed) in form.items()):
        settings.wrong(name, call, f"`{example}`")
        return None
    return values


def _parameter(arg: Arg, place: int, names: Sequence[str]) -> str | None:
    if arg.key is not None:
        return None
    if arg.label is not None:
        return arg.label.text if arg.label.text in names else None
    return names[place] if place < len(names) else None


def _callee(expr: Expr) -> str | None:
    return expr.callee.text if isinstance(expr, Call) and isinstance(expr.callee, Name) else None


def _backoff(settings: Settings) -> Backoff | None:
    expr = settings.expr("backoff")
    if expr is None:
        return None
    example = "exponential(from: 500ms, to: 20s)` or `fixed(2s)"
    if not isinstance(expr, Call) or _callee(expr) not in ("exponential", "fixed"):
        settings.wrong("backoff", expr, f"`{example}`")
        return None
    if _callee(expr) == "fixed":
        values = _call_values(settings, "backoff", expr, {"time": (DURATION, True)}, example)
        return None if values is None else Backoff(values["time"], values["time"])
    form: _CallForm = {"from": (DURATION, True), "to": (DURATION, True), "jitter": (PERCENT, False)}
    values = _call_values(settings, "backoff", expr, form, example)
    if values is None:
        return None
    if values["to"] < values["from"]:
        settings.out_of_range("to", expr, "less than `from`", "at least `from`")
        return None
    jitter = values.get("jitter", 0.0)
    if jitter > 1:
        settings.out_of_range("jitter", expr, f"{jitter * 100:g}%", "0% to 100%")
        return None
    return Backoff(values["from"], values["to"], jitter)


def _breaker(settings: Settings) -> Breaker | None:
    expr = settings.expr("breaker")
    if expr is None:
        return None
    example = "breaker(failures: 5, within: 1min, rest: 30s)"
    if not isinstance(expr, Call) or _callee(expr) != "breaker":
        settings.wrong("breaker", expr, f"`{example}`")
        return None
    form: _CallForm = {"failures": (INT, True), "within": (DURATION, True), "rest": (DURATION, True)}
    values = _call_values(settings, "breaker", expr, form, example)
    return None if values is None else Breaker(values["failures"], values["within"], values["rest"])
