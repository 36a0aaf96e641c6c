"""Bounds in words and as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

from orchspec.compiler.bounds.flows import FlowBounds
from orchspec.compiler.bounds.journal import PAYLOAD_BYTES_MAX
from orchspec.compiler.bounds.metrics import METRICS
from orchspec.compiler.bounds.ranges import INF, Number, Range, Term
from orchspec.compiler.bounds.walk import Limit
from orchspec.compiler.plan import Plan

__all__ = ["ASSUMPTIONS", "amount_in_words", "as_document", "limit_in_words", "term_in_words", "verdict"]

ASSUMPTIONS: Final = (
    "best: of runs that complete, as cheap and quick as the profiles allow",
    "worst: of all runs, however they end",
    "waiting for slots, rates, breakers, sessions, budgets and identical work is apart",
    "crashes of the orchestrator, and what they make be done again, are apart",
    "the time in which an effect is in doubt, and its further sends, are apart",
    "nobody asks for more time than a backoff gives",
    "no attempt takes more than is reserved for it",
)
"""What every bound rests on; `docs/explanation/bounds.md` gives the reasons."""

_PICO: Final = Decimal(10) ** 12
_LIMIT_UNITS: Final = {"cost": "usd", "time": "s"}


def as_document(plan: Plan, flows: Mapping[str, FlowBounds]) -> dict[str, Any]:
    """The JSON document of `orch bounds`: what is infinite is null."""
    return {"assumes": list(ASSUMPTIONS), "flows": [_flow(plan, flow) for flow in flows.values()]}


def _flow(plan: Plan, flow: FlowBounds) -> dict[str, Any]:
    bounds = {}
    for metric in METRICS:
        found = flow[metric.name]
        bounds[metric.name] = {
            "best": _value(found.best, metric.unit),
            "worst": _value(found.worst, metric.unit),
            "dominant": _term(plan, found.term, metric.unit),
        }
    journal = {
        "values": {"best": flow.payloads.best, "worst": _value(flow.payloads.worst, "count")},
        "value_bytes_max": PAYLOAD_BYTES_MAX,
        "other_bytes": {"best": flow.structure.best, "worst": _value(flow.structure.worst, "bytes")},
    }
    limits = [
        {
            "place": limit.place.strip("`"),
            "limit": limit.name,
            "value": _value(limit.value, _LIMIT_UNITS.get(limit.name, "count")),
            "best": _value(limit.needed.best, _LIMIT_UNITS.get(limit.name, "count")),
            "worst": _value(limit.needed.worst, _LIMIT_UNITS.get(limit.name, "count")),
            "verdict": verdict(limit),
        }
        for limit in flow.limits
    ]
    return {"flow": flow.flow, "bounds": bounds, "journal": journal, "budgets": limits}


def verdict(limit: Limit) -> str:
    """How a limit stands to what its place takes without it."""
    if limit.needed.best > limit.value:
        return "below the best case"
    return "may be reached" if limit.needed.worst > limit.value else "never reached"


def _value(amount: Number, unit: str) -> Any:
    if amount == INF:
        return None
    if unit == "usd":
        return f"{(Decimal(int(amount)) / _PICO).normalize():f}"
    if unit == "s":
        return amount / 1_000_000
    return int(amount)


def _term(plan: Plan, term: Term | None, unit: str) -> dict[str, Any] | None:
    if term is None:
        return None
    found: dict[str, Any] = {
        "what": term.what,
        "times": list(term.times),
        "amount": _value(term.amount, unit),
        "span": span_of(plan, term.node),
    }
    if term.why:
        found["why"] = term.why
    if term.each is not None:
        found["each"] = _value(term.each, unit)
    return found


def span_of(plan: Plan, node: int) -> dict[str, Any] | None:
    """Where a statement stands, or none if the plan does not say."""
    if not 0 <= node < len(plan.source.spans):
        return None
    line, column, end_line, end_column, file = plan.source.spans[node]
    name = plan.source.files[file] if file < len(plan.source.files) else ""
    return {"file": name, "line": line, "column": column, "end_line": end_line, "end_column": end_column}


# ------------------------------------------------------------------ in words


def amount_in_words(amount: Number, unit: str) -> str:
    """An amount with its unit, as people read it."""
    if amount == INF:
        return "unbounded"
    if unit == "usd":
        return _usd(int(amount))
    if unit == "s":
        return _time(int(amount))
    if unit == "bytes":
        return _bytes(int(amount))
    return f"{int(amount):,}"


def _usd(pico: int) -> str:
    usd = Decimal(pico) / _PICO
    if not pico or usd == usd.quantize(Decimal("0.01")) or usd >= 1:
        return f"${usd:,.2f}"
    return f"${usd:.4f}" if usd >= Decimal("0.0001") else "<$0.0001"


def _time(us: int) -> str:
    if us < 1_000_000:
        return f"{us / 1_000:g} ms"
    seconds = round(us / 1_000_000)
    for size, name in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= 2 * size:
            whole, rest = divmod(seconds, size)
            lesser = {"d": (3_600, "h"), "h": (60, "min"), "min": (1, "s")}[name]
            part = rest // lesser[0]
            return f"{whole} {name}" + (f" {part} {lesser[1]}" if part else "")
    return f"{us / 1_000_000:g} s" if us < 10_000_000 else f"{seconds} s"


def _bytes(count: int) -> str:
    size: float = count
    for name in ("B", "kB", "MB", "GB"):
        if size < 1_000 or name == "GB":
            return f"{size:.0f} {name}" if name == "B" or size >= 100 else f"{size:.1f} {name}"
        size /= 1_000
    raise AssertionError("the last unit takes everything")


def term_in_words(found: Range, unit: str) -> str:
    """What contributes most to the upper end of a range."""
    term = found.term
    if term is None or not found.worst:
        return ""
    where = term.what + "".join(f", {times}" for times in term.times)
    if term.why and found.worst != INF:
        return f"{where}, which a budget or a timeout ends: {term.why}"
    if term.why:
        each = f" ({amount_in_words(term.each, unit)} each)" if term.each else ""
        return f"{where}{each}: {term.why}"
    if found.worst != INF and term.amount < found.worst:
        return f"{where}: {amount_in_words(term.amount, unit)}"
    return where


def limit_in_words(limit: Limit, amount: Number) -> str:
    """An amount in the unit of a limit, as a spec writes it."""
    unit = _LIMIT_UNITS.get(limit.name)
    if unit is not None:
        return amount_in_words(amount, unit)
    noun = {"tokens": "token", "attempts": "attempt", "retries": "retry"}.get(limit.name, limit.name)
    if amount == INF:
        return "unbounded"
    plural = "retries" if noun == "retry" else f"{noun}s"
    return f"{int(amount):,} {noun if amount == 1 else plural}"
