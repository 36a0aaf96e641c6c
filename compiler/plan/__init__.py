"""The plan: what one checked spec means, as plain data that decides a run.

A plan is what the compiler hands to everything behind it: the kernel executes it, the dispatcher takes its limits
from it, the simulator samples its profiles, the journal pins it by its hash. It is frozen, holds no spec text but
literals, and is JSON at the edge: `Plan.as_json` and `plan_from_json` are inverse, canonical (sorted keys, no spaces)
and hashed over everything but `source` (so reformatting a spec changes no plan).

Units inside a plan, as everywhere inside Orch: time in integer microseconds (`_us`), money in integer pico-dollars
(`_pico`, 10**-12 USD), shares as floats in 0..1, rates in events for each second.

Type expressions (`TypeExpr`) are JSON: `"Text" "Int" "Float" "Bool" "Url" "Money" "Duration" "Time" "Percent" "Rate"
"Json" "Nothing"`, or `["List", T]`, `["Map", T]`, `["Option", T]`, `["Record", name]`, `["Enum", name]`.

Expressions (`Expr`) are JSON lists, typed already by the compiler, so that nothing is looked up by name at run time:

    ["const", v]                 v in the inner form: Money in pico-dollars, Duration and Time in microseconds
    ["ref", up, slot]            slot of the frame `up` levels above the innermost one
    ["field", e, name]           of a record          ["field?", e, name]   through an optional: none stays none
    ["project", e, name]         the field of each record of a list          ["project?", e, name]
    ["index", e, i]              fails when missing   ["lookup", e, key]    of a Map, fails when missing
    ["giver", up, slot, agent]   the candidate that `agent` gave to the fan-out in that slot; fails when missing
    ["missing", up, slot]        the items of that `for` step that failed
    ["record", name, [[field, e], …]]   ["list", [e, …]]   ["range", a, b]  (both ends in)
    ["not", e] ["neg", e] ["and", a, b] ["or", a, b] ["default", a, b]  (`??`)
    ["eq"|"ne"|"lt"|"le"|"gt"|"ge", a, b]   ["in", a, b]
    ["add"|"sub"|"mul", type, a, b]   ["div", type, a, b]
                                 `type` is the result's: "Int" is checked for 64 bits, "Money" "Duration" "Time" are
                                 rounded to whole units (half to even), "Float" "Rate" "Percent" plain
    ["concat", a, b]             joins lists and texts
    ["call", builtin, [e, …]]    len min max sum avg any all count flatten distinct keys hash tokens text upper lower
                                 round; `avg` and `round` on whole units take the type as a fourth element
    ["float", e]                 Int where Float is expected
    ["edge", form, e]            what stands in a value of type Json, as it is at the edge: `form` is "Money" "Duration"
                                 "Time", ["Option" | "List" | "Map", form], ["Fields", record, [[field, form], …]] with
                                 the fields that change, or, within that record, ["Again", record]

An expression is evaluated in a *frame*: a list of slots and a parent frame. The frame of a contract's `ensures` holds
its parameters and then the result; that of an effect's `key` its parameters, of its `undo` the parameters and then
the receipt; that of a field's `where` all fields of the record in order; that of `it` in an arbitration one slot
above the block's frame; that of a `for` item one slot (the item) above the block's frame.
"""

from __future__ import annotations

from orchspec.compiler.plan.document import FORMAT, Plan, Source, canonical_json, plan_from_json, plan_schema
from orchspec.compiler.plan.evals import Evaluation
from orchspec.compiler.plan.forms import Dist, Expr, Json, PlanError, TypeExpr
from orchspec.compiler.plan.handoffs import Contract, EnumType, Field, Model, RecordType
from orchspec.compiler.plan.limits import Backoff, Breaker, Budget, Candidate, Gate, Hedge, Policy, Prefer, Rate, Tier
from orchspec.compiler.plan.loops import ASKS_MAX, DEPTH_MAX, SO_FAR, Handoff, Peers, Supervise, asked_of, so_far_of
from orchspec.compiler.plan.messages import Channel, Send
from orchspec.compiler.plan.parties import Agent, Call, Doubt, Effect, Fold, SessionKind, Signal, Tool
from orchspec.compiler.plan.statements import (
    Arbitrate,
    Arm,
    Block,
    Checkpoint,
    Fail,
    Flow,
    Give,
    Let,
    Machine,
    Repeat,
    Revert,
    Route,
    Rule,
    Scope,
    State,
    Statement,
    Transition,
    Until,
    Wait,
)
from orchspec.compiler.plan.steps import EffectStep, FlowStep, Need, OnFailure, Over, SignalStep, TaskStep
from orchspec.compiler.plan.studies import Expectation, Fault, Profile, Scenario, Stub, Test

__all__ = [
    "ASKS_MAX",
    "DEPTH_MAX",
    "FORMAT",
    "SO_FAR",
    "Agent",
    "Arbitrate",
    "Arm",
    "Backoff",
    "Block",
    "Breaker",
    "Budget",
    "Call",
    "Candidate",
    "Channel",
    "Checkpoint",
    "Contract",
    "Dist",
    "Doubt",
    "Effect",
    "EffectStep",
    "EnumType",
    "Evaluation",
    "Expectation",
    "Expr",
    "Fail",
    "Fault",
    "Field",
    "Flow",
    "FlowStep",
    "Fold",
    "Gate",
    "Give",
    "Handoff",
    "Hedge",
    "Json",
    "Let",
    "Machine",
    "Model",
    "Need",
    "OnFailure",
    "Over",
    "Peers",
    "Plan",
    "PlanError",
    "Policy",
    "Prefer",
    "Profile",
    "Rate",
    "RecordType",
    "Repeat",
    "Revert",
    "Route",
    "Rule",
    "Scenario",
    "Scope",
    "Send",
    "SessionKind",
    "Signal",
    "SignalStep",
    "Source",
    "State",
    "Statement",
    "Stub",
    "Supervise",
    "TaskStep",
    "Test",
    "Tier",
    "Tool",
    "Transition",
    "TypeExpr",
    "Until",
    "Wait",
    "asked_of",
    "canonical_json",
    "plan_from_json",
    "plan_schema",
    "so_far_of",
]
