"""The plan: what one checked spec means, as plain data that decides a run.

A plan is what the compiler hands to everything behind it: the kernel executes it, the dispatcher takes its limits from it, the simulator samples
its profiles, the journal pins it by its hash. It is frozen, holds no spec text but literals, and is JSON at the edge: `Plan.as_json` and
`plan_from_json` are inverse, canonical (sorted keys, no spaces) and hashed over everything but `source` (so reformatting a spec changes no plan).

Units inside a plan, as everywhere inside Orch: time in integer microseconds (`_us`), money in integer pico-dollars (`_pico`, 10**-12 USD), shares as
floats in 0..1, rates in events for each second.

Type expressions (`TypeExpr`) are JSON: `"Text" "Int" "Float" "Bool" "Url" "Money" "Duration" "Time" "Percent" "Rate" "Json" "Nothing"`, or
`["List", T]`, `["Map", T]`, `["Option", T]`, `["Record", name]`, `["Enum", name]`.

Expressions (`Expr`) are JSON lists, typed already by the compiler, so that nothing is looked up by name at run time:

    ["const", v]                 v in the inner form: Money int pico-dollars, Duration and Time int microseconds, an enum its member's name
    ["ref", up, slot]            slot of the frame `up` levels above the innermost one
    ["field", e, name]           of a record          ["field?", e, name]   through an optional: none stays none
    ["project", e, name]         the field of each record of a list          ["project?", e, name]
    ["index", e, i]              fails when missing   ["lookup", e, key]    of a Map, fails when missing
    ["giver", up, slot, agent]   the candidate that `agent` gave to the fan-out in that slot; fails when missing
    ["missing", up, slot]        the items of that `for` step that failed
    ["record", name, [[field, e], …]]   ["list", [e, …]]   ["range", a, b]  (both ends in)
    ["not", e] ["neg", e] ["and", a, b] ["or", a, b] ["default", a, b]  (`??`)
    ["eq"|"ne"|"lt"|"le"|"gt"|"ge", a, b]   ["in", a, b]
    ["add"|"sub"|"mul", type, a, b]   ["div", type, a, b]   `type` is the result's: "Int" is checked for 64 bits, "Money" "Duration" "Time" are rounded to
                                 whole units (half to even), "Float" "Rate" "Percent" plain; `["concat", a, b]` joins lists and texts
    ["call", builtin, [e, …]]    builtins: len min max sum avg any all count flatten distinct keys hash tokens text upper lower round
    ["float", e]                 Int where Float is expected

An expression is evaluated in a *frame*: a list of slots and a parent frame. The frame of a contract's `ensures` holds its parameters and then the
result; that of an effect's `key` its parameters, of its `undo` the parameters and then the receipt; that of a field's `where` all fields of the
record in order; that of `it` in an arbitration one slot above the block's frame; that of a `for` item one slot (the item) above the block's frame.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Literal, TypeAlias

__all__ = [
    "FORMAT",
    "Agent",
    "Arbitrate",
    "Backoff",
    "Block",
    "Breaker",
    "Budget",
    "Call",
    "Candidate",
    "Checkpoint",
    "Contract",
    "Dist",
    "Effect",
    "EffectStep",
    "EnumType",
    "Expectation",
    "Expr",
    "Fail",
    "Fault",
    "Field",
    "Flow",
    "FlowStep",
    "Give",
    "Let",
    "Model",
    "Need",
    "OnFailure",
    "Over",
    "Plan",
    "PlanError",
    "Policy",
    "Profile",
    "Rate",
    "RecordType",
    "Repeat",
    "Rule",
    "Scenario",
    "Scope",
    "Statement",
    "Stub",
    "TaskStep",
    "Test",
    "Tier",
    "Tool",
    "TypeExpr",
    "Until",
    "canonical_json",
    "plan_from_json",
    "plan_schema",
]

FORMAT = 1
"""Version of the plan format. A reader refuses a plan of another version."""

Json: TypeAlias = Any
TypeExpr: TypeAlias = Any
Expr: TypeAlias = Any
Dist: TypeAlias = Any
"""A distribution as JSON, in the units of what it is sampled for: `["fixed", v] ["uniform", a, b] ["normal", mean, sd] ["lognormal", p50, p95]
["exponential", mean] ["gamma", shape, scale] ["pareto", min, alpha] ["choice", [[value, share], …]] ["mixture", [[share, dist], …]] ["chance", share]
["size", dist] ["empirical", file, column]`. Durations are microseconds, money pico-dollars. A record of distributions is `["record", {field: dist}]`."""


class PlanError(Exception):
    """A plan that cannot be read: another format, a broken hash, or a shape that no compiler writes."""

    code = "bad_plan"


# ------------------------------------------------------------------ types and contracts


@dataclass(frozen=True, slots=True)
class Field:
    """A field of a record or a parameter; `where` is checked on every value that crosses, `default` fills what was left out."""

    name: str
    type: TypeExpr
    where: Expr | None = None
    default: Expr | None = None


@dataclass(frozen=True, slots=True)
class RecordType:
    """A record `type`, its fields in order."""

    name: str
    fields: list[Field]


@dataclass(frozen=True, slots=True)
class EnumType:
    """An `enum`, its members in order."""

    name: str
    members: list[str]


@dataclass(frozen=True, slots=True)
class Model:
    """A priced model: pico-dollars for each token in and out (None: unpriced), and the context in tokens."""

    name: str
    input_pico: int | None = None
    output_pico: int | None = None
    context_tokens: int | None = None


@dataclass(frozen=True, slots=True)
class Contract:
    """A typed handoff. `reuse` is None, "run", or a time in microseconds for which identical work is done once."""

    name: str
    params: list[Field]
    result: TypeExpr
    expects: str = ""
    ensures: list[Expr] = field(default_factory=list)
    ensures_text: list[str] = field(default_factory=list)
    reuse: int | Literal["run"] | None = None
    owns: str | None = None


# ------------------------------------------------------------------ limits


@dataclass(frozen=True, slots=True)
class Rate:
    """At most `count` in each `per_us`; as a token bucket with `count` tokens that refills continuously."""

    count: int
    per_us: int


@dataclass(frozen=True, slots=True)
class Breaker:
    """Opens after `failures` within `within_us`, rests `rest_us`, then lets one probe through."""

    failures: int
    within_us: int
    rest_us: int


@dataclass(frozen=True, slots=True)
class Backoff:
    """Time between attempts: `from_us` doubling to at most `to_us` (fixed: the two are equal); `jitter` is the share of it that is drawn."""

    from_us: int
    to_us: int
    jitter: float = 0.0


@dataclass(frozen=True, slots=True)
class Budget:
    """Caps; None is no cap. On an agent: of one attempt. On a flow, scope or step: of everything inside, retries and attempts counted over the tree."""

    cost_pico: int | None = None
    tokens: int | None = None
    time_us: int | None = None
    retries: int | None = None
    attempts: int | None = None
    depth: int | None = None
    transitions: int | None = None


@dataclass(frozen=True, slots=True)
class Policy:
    """What holds for each attempt at one place: merged by the compiler from agent, policies and step, the nearest place winning."""

    attempts: int = 1
    timeout_us: int | None = None
    backoff: Backoff | None = None


@dataclass(frozen=True, slots=True)
class Tier:
    """A model that an attempt may run on, best first, with what is reserved before it is sent and the prices that settle it."""

    model: str | None
    reserve_cost_pico: int = 0
    reserve_tokens: int = 0
    input_pico: int | None = None
    output_pico: int | None = None


@dataclass(frozen=True, slots=True)
class Candidate:
    """An agent that may take a step, with the policy and the tiers that hold for it there (at least one tier)."""

    agent: str
    policy: Policy
    tiers: list[Tier]


# ------------------------------------------------------------------ who


@dataclass(frozen=True, slots=True)
class Agent:
    """Who fulfills contracts. `slots_max` None is unlimited; `slots_min` < `slots_max` scales with the load."""

    name: str
    kind: Literal["agent", "human", "dispatcher"]
    fulfills: list[str]
    models: list[str] = field(default_factory=list)
    slots_min: int | None = None
    slots_max: int | None = None
    rate: Rate | None = None
    breaker: Breaker | None = None
    session: Literal["fresh", "per_run"] = "fresh"
    tools: list[str] = field(default_factory=list)
    effects: list[str] = field(default_factory=list)
    budget: Budget = field(default_factory=Budget)
    skill: float = 1.0


@dataclass(frozen=True, slots=True)
class Tool:
    """A shared resource, taken for each call; its limits hold over all agents and runs."""

    name: str
    slots: int | None = None
    rate: Rate | None = None


@dataclass(frozen=True, slots=True)
class Call:
    """A call of an effect, its arguments in the order of its parameters."""

    effect: str
    args: list[Expr]


@dataclass(frozen=True, slots=True)
class Effect:
    """Something done to the outside world, once: `key` makes the target drop repeats, `undo` compensates it."""

    name: str
    params: list[Field]
    result: TypeExpr
    key: Expr
    undo: Call | None = None
    policy: Policy = field(default_factory=Policy)
    remembers_us: int | None = None


# ------------------------------------------------------------------ statements


@dataclass(frozen=True, slots=True)
class Need:
    """The floor below which a fan-out fails: a number of results, or a share of those asked."""

    count: int | None = None
    share: float | None = None


@dataclass(frozen=True, slots=True)
class Over:
    """`for NAME in EXPR`: one task for each item, at most `width` at once (None: all)."""

    item: str
    items: Expr
    width: Expr | None = None


@dataclass(frozen=True, slots=True)
class OnFailure:
    """One link of an `on_failure` chain. `use` evaluates `value`; `ask` gives the same contract and arguments to `who`, for at most `within_us`."""

    kind: Literal["stop", "skip", "use", "ask"]
    value: Expr | None = None
    who: Candidate | None = None
    within_us: int | None = None


@dataclass(frozen=True, slots=True)
class TaskStep:
    """`step x = Contract(args) by …`.

    `one`: the only candidate. `any`: whichever candidate the dispatcher picks by `prefer`. `all`: each candidate. `some`: the only candidate `copies`
    times. `first`: each candidate, the first success wins. `args` stand in the order of the contract's parameters, none left out; under `over`
    they are evaluated in the item's frame. `only_if` is evaluated in the block's frame. `needs` are indices of statements of the same block.
    """

    kind: Literal["task"]
    node: int
    name: str
    slot: int
    needs: list[int]
    contract: str
    args: list[Expr]
    pattern: Literal["one", "any", "all", "some", "first"]
    candidates: list[Candidate]
    copies: int = 1
    over: Over | None = None
    need: Need | None = None
    prefer: Literal["least_busy", "fastest", "cheapest", "most_skilled", "round_robin"] = "least_busy"
    urgency: Expr | None = None
    only_if: Expr | None = None
    on_failure: list[OnFailure] = field(default_factory=list)
    budget: Budget | None = None


@dataclass(frozen=True, slots=True)
class EffectStep:
    """`step url = publish(report: d)`: the effect, with its arguments in the order of its parameters."""

    kind: Literal["effect"]
    node: int
    name: str
    slot: int
    needs: list[int]
    effect: str
    args: list[Expr]
    policy: Policy
    only_if: Expr | None = None
    on_failure: list[OnFailure] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class FlowStep:
    """`step y = other_flow(a)`: a flow as a step; its frame is new, only its result comes back."""

    kind: Literal["flow"]
    node: int
    name: str
    slot: int
    needs: list[int]
    flow: str
    args: list[Expr]
    only_if: Expr | None = None
    on_failure: list[OnFailure] = field(default_factory=list)
    budget: Budget | None = None


@dataclass(frozen=True, slots=True)
class Rule:
    """One arbitration rule; `expr` is evaluated in the frame of `it`, `n` is a quorum's count, `order` a priority of givers.

    `ask`: `who` decides, by `contract` over the candidates (one parameter, the list), or, if None, by doing the work of the candidates again.
    """

    kind: Literal["first", "highest", "lowest", "majority", "quorum", "unanimous", "priority", "ask", "stop"]
    expr: Expr | None = None
    n: Expr | None = None
    order: list[str] = field(default_factory=list)
    who: Candidate | None = None
    contract: str | None = None
    within_us: int | None = None


@dataclass(frozen=True, slots=True)
class Arbitrate:
    """`arbitrate v = source { group decide }`: candidates to one, or to one for each group.

    `source` evaluates to the list of candidates; `source_slot` is the slot of the fan-out that made them (its givers and journal order count), or
    None for another list, where list order counts. `asks` are the contract and argument expressions of the asked work, for `ask(WHO)`.
    """

    kind: Literal["arbitrate"]
    node: int
    name: str
    slot: int
    needs: list[int]
    source: Expr
    source_slot: int | None
    rules: list[Rule]
    group: Expr | None = None
    early: bool = False
    asks: tuple[str, list[Expr]] | None = None


@dataclass(frozen=True, slots=True)
class Let:
    """`let n = e`."""

    kind: Literal["let"]
    node: int
    name: str
    slot: int
    needs: list[int]
    value: Expr


@dataclass(frozen=True, slots=True)
class Fail:
    """`fail "why" when e`: fails the block when `when` is true (None: always)."""

    kind: Literal["fail"]
    node: int
    needs: list[int]
    message: Expr
    when: Expr | None = None


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """`checkpoint name`: needs everything above, needed by everything below (already in `needs`)."""

    kind: Literal["checkpoint"]
    node: int
    name: str
    needs: list[int]


@dataclass(frozen=True, slots=True)
class Until:
    """`until e` of a repeat's round."""

    kind: Literal["until"]
    node: int
    needs: list[int]
    condition: Expr


@dataclass(frozen=True, slots=True)
class Give:
    """`return e` of a flow, `give e` of a round or a scope: the value of the block."""

    kind: Literal["give"]
    node: int
    needs: list[int]
    value: Expr


@dataclass(frozen=True, slots=True)
class Repeat:
    """`repeat name times { … }`: rounds of `body` until its `until` holds.

    The round's frame holds in slot 0 `past` (list of records of the names of earlier rounds, as `kept` says) and in slot 1 `prev` (the last of
    them, or none). When the rounds are exhausted: `otherwise` runs in a frame of its own, or, if None, the last value counts.
    """

    kind: Literal["repeat"]
    node: int
    name: str
    slot: int
    needs: list[int]
    times: Expr
    body: Block
    kept: list[str] = field(default_factory=list)
    every_us: int | None = None
    otherwise: Block | None = None


@dataclass(frozen=True, slots=True)
class Scope:
    """`scope name { … }`, or for each item of `over` (slot 0 of the body's frame): a region with its own budget, failure and undo."""

    kind: Literal["scope"]
    node: int
    name: str
    slot: int
    needs: list[int]
    body: Block
    over: Over | None = None
    need: Need | None = None
    budget: Budget | None = None
    timeout_us: int | None = None
    on_failure: list[OnFailure] = field(default_factory=list)


Statement: TypeAlias = (
    TaskStep | EffectStep | FlowStep | Arbitrate | Let | Fail | Checkpoint | Until | Give | Repeat | Scope
)


@dataclass(frozen=True, slots=True)
class Block:
    """Statements with one frame: `slots` names its slots, the first `given` of which are filled when it starts (parameters, `past` and `prev`, an item).

    `statements[i].needs` holds indices below len(statements), never a cycle. A statement starts when all it needs has settled.
    """

    statements: list[Statement]
    slots: list[str]
    given: int = 0


@dataclass(frozen=True, slots=True)
class Flow:
    """A topology of steps: slots 0..len(params) of its body's frame are the parameters. `economy` is the share of the budget past which tiers fall."""

    name: str
    params: list[Field]
    result: TypeExpr
    body: Block
    budget: Budget = field(default_factory=Budget)
    economy: float | None = None


# ------------------------------------------------------------------ what the simulator and the tests need


@dataclass(frozen=True, slots=True)
class Profile:
    """What the simulator samples for `target`: latency in microseconds, tokens, cost in pico-dollars, shares of failure.

    `output` gives the distributions of fields (`["record", …]` nests; for a contract whose result is no record the key is "").
    """

    target: str
    latency: Dist = field(default_factory=lambda: ["fixed", 1_000_000])
    tokens_in: Dist | None = None
    tokens_out: Dist | None = None
    cost: Dist | None = None
    failure: float = 0.0
    garbage: float = 0.0
    never: float = 0.0
    calls: dict[str, Dist] = field(default_factory=dict)
    effects: dict[str, Dist] = field(default_factory=dict)
    output: dict[str, Dist] = field(default_factory=dict)
    journal_write: Dist | None = None


@dataclass(frozen=True, slots=True)
class Fault:
    """`fault name(target, …)`; times in microseconds in `at every lasting down`, shares in `rate`, counts in `first nth`, other arguments by name."""

    node: int
    name: str
    target: str
    args: dict[str, Json] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Expectation:
    """`expect e`: `text` as written, `expr` over KPIs (`["kpi", name, statistic, target]`) or, in a test, facts (`["fact", name, target]`).

    In a scenario constants are in KPI units: seconds, USD, shares, counts. In a test they are inner values like anywhere.
    """

    node: int
    text: str
    expr: Expr


@dataclass(frozen=True, slots=True)
class Scenario:
    """Load, faults and expectations.

    `arrivals`: `["poisson", per_s] ["every", us] ["burst", calm_per_s, peak_per_s, every_us, lasting_us] ["closed", users, think_dist]
    ["trace", file, column]`, or None: isolated runs. `given` maps parameters to distributions.
    """

    node: int
    name: str
    flow: str
    arrivals: Json | None = None
    duration_us: int | None = None
    runs: int | None = None
    warmup: int | Literal["auto"] = 0
    given: dict[str, Dist] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)
    expects: list[Expectation] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Stub:
    """`stub target = a then b`: the values that `target` (for `contract`, or for all) gives in turn, the last one for ever; JSON of the edge."""

    target: str
    contract: str | None
    values: list[Json]


@dataclass(frozen=True, slots=True)
class Test:
    """A test written in the spec; `given` maps parameters to JSON of the edge or, if absent, inputs are made."""

    __test__ = False
    node: int
    name: str
    flow: str
    given: dict[str, Json] = field(default_factory=dict)
    stubs: list[Stub] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    expects: list[Expectation] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Source:
    """Where the nodes stand: `spans[node]` is [line, column, end_line, end_column, file index], lines and columns from 1."""

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
        document = dataclasses.asdict(self)
        document["hash"] = _hash(document)
        return canonical_json(document)

    def sealed(self) -> Plan:
        """The same plan with `hash` filled in: `sha256:` and the hex digest of its canonical JSON without `source` and `hash`."""
        return dataclasses.replace(self, hash=_hash(dataclasses.asdict(self)))


def canonical_json(value: Json) -> str:
    """JSON that is the same for equal values: keys sorted, no spaces, no NaN, characters as they are."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def _hash(document: dict[str, Json]) -> str:
    decides = {name: part for name, part in document.items() if name not in {"source", "hash"}}
    return "sha256:" + hashlib.sha256(canonical_json(decides).encode()).hexdigest()


@lru_cache(maxsize=1)
def _adapter() -> Any:
    from pydantic import TypeAdapter  # noqa: PLC0415 - a plan that was just compiled needs no validation, so workers may never pay for this

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
        raise PlanError("the plan's hash does not match its content: it was changed after it was compiled; compile the spec again")
    from pydantic import ValidationError  # noqa: PLC0415 - as above

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
