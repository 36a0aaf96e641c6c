"""The plan as a whole, as JSON and back."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from dataclasses import field
from functools import lru_cache
from typing import Any

from orchspec.compiler.plan.forms import Json, PlanError
from orchspec.compiler.plan.handoffs import Contract, EnumType, Model, RecordType
from orchspec.compiler.plan.limits import Gate
from orchspec.compiler.plan.messages import Channel
from orchspec.compiler.plan.parties import Agent, Effect, Signal, Tool
from orchspec.compiler.plan.statements import Flow
from orchspec.compiler.plan.studies import Profile, Scenario, Test
from orchspec.slotted import dataclass

__all__ = [
    "FORMAT",
    "Plan",
    "Source",
    "canonical_json",
    "plan_from_json",
    "plan_schema",
]

FORMAT = 1
"""Version of the plan format. A reader refuses a plan of another version."""


@dataclass(frozen=True, slots=True)
class Source:
    """Where the nodes stand.

    `spans[node]` is [line, column, end_line, end_column, file index], lines and columns from 1.
    """

    files: list[str] = field(default_factory=list)
    spans: list[list[int]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Plan:
    """One spec, lowered. See the module's head for units and expressions."""

    name: str
    types: dict[str, RecordType] = field(default_factory=dict)
    enums: dict[str, EnumType] = field(default_factory=dict)
    models: dict[str, Model] = field(default_factory=dict)
    contracts: dict[str, Contract] = field(default_factory=dict)
    agents: dict[str, Agent] = field(default_factory=dict)
    tools: dict[str, Tool] = field(default_factory=dict)
    effects: dict[str, Effect] = field(default_factory=dict)
    signals: dict[str, Signal] = field(default_factory=dict)
    gates: dict[str, Gate] = field(default_factory=dict)
    channels: dict[str, Channel] = field(default_factory=dict)
    flows: dict[str, Flow] = field(default_factory=dict)
    params: dict[str, Json] = field(default_factory=dict)
    profiles: dict[str, Profile] = field(default_factory=dict)
    scenarios: list[Scenario] = field(default_factory=list)
    tests: list[Test] = field(default_factory=list)
    source: Source = field(default_factory=Source)
    edition: int = 1
    format: int = FORMAT
    hash: str = ""

    def as_json(self) -> str:
        """Canonical JSON of the plan with its hash filled in."""
        document = _plain(self)
        document["hash"] = _hash(document)
        return canonical_json(document)

    def sealed(self) -> Plan:
        """The same plan with `hash` filled in.

        `sha256:` and the hex digest of its canonical JSON without `source` and `hash`.
        """
        return dataclasses.replace(self, hash=_hash(_plain(self)))


def canonical_json(value: Json) -> str:
    """JSON that is the same for equal values: keys sorted, no spaces, no NaN, characters as they are."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def _plain(value: Any) -> Any:
    """As `dataclasses.asdict`, which copies each leaf deeply and takes ten times as long."""
    kind = type(value)
    if kind is str or kind is int or value is None:
        return value
    if kind is list or kind is tuple:
        return [_plain(item) for item in value]
    if kind is dict:
        return {key: _plain(item) for key, item in value.items()}
    names = getattr(kind, "__dataclass_fields__", None)
    return value if names is None else {name: _plain(getattr(value, name)) for name in names}


def _hash(document: dict[str, Json]) -> str:
    decides = {name: part for name, part in document.items() if name not in {"source", "hash"}}
    return "sha256:" + hashlib.sha256(canonical_json(decides).encode()).hexdigest()


@lru_cache(maxsize=1)
def _adapter() -> Any:
    from pydantic import TypeAdapter

    return TypeAdapter(Plan)


def plan_from_json(text: str | bytes) -> Plan:
    """Reads a plan that `Plan.as_json` wrote, and proves its hash.

    Raises PlanError for another format, a broken hash, or anything that is not a plan.
    """
    try:
        document = json.loads(text)
    except ValueError as error:
        raise PlanError(f"the plan is not JSON: {error}") from None
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        found = document.get("format") if isinstance(document, dict) else type(document).__name__
        raise PlanError(f"the plan has format {found!r}, this version of Orch reads {FORMAT}: compile the spec again")
    if document.get("hash") != _hash(document):
        raise PlanError(
            "the plan's hash does not match its content: it was changed after it was compiled; compile the spec again"
        )
    from pydantic import ValidationError

    try:
        plan: Plan = _adapter().validate_python(document)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise PlanError(f"the plan is not one that a compiler wrote: {place}: {first['msg']}") from None
    return plan


def plan_schema() -> dict[str, Json]:
    """The JSON Schema of a plan."""
    schema: dict[str, Json] = _adapter().json_schema()
    return schema
