"""Bounds as a whole: of every kind of statement, as assumed of the runtime, in the document and in words."""

import json
from typing import get_args, get_type_hints

import pytest

from orchspec.compiler import compile_text, plan
from orchspec.compiler.bounds import BOUNDED, INF, METRICS, bounds_of, journal, statements
from orchspec.compiler.bounds import attempts as ours
from orchspec.compiler.bounds.document import amount_in_words, as_document
from orchspec.compiler.plan import PlanError, plan_from_json
from orchspec.runtime.driver.values import OUTPUT_BYTES_MAX
from orchspec.runtime.journal.codec import PAYLOAD_BYTES_MAX
from orchspec.runtime.kernel import messages, program, sessions, tasks
from tests.support.bounded import CENT, HEAD, ONE, S, bounds
from tests.support.studies import plan_of


def test_every_kind_of_statement_has_its_bounds():
    parts = get_args(get_args(plan.Statement)[0])
    kinds = {get_args(get_type_hints(part)["kind"])[0] for part in parts}
    assert len(kinds) == len(parts) > 15
    assert set(BOUNDED) == kinds
    inside = {"rounds", "turns"}  # what stands in the regions of `supervise` and `peers`
    assert set(program._OPS) == kinds | inside


def test_a_kind_of_statement_without_bounds_is_no_plan(monkeypatch):
    monkeypatch.delitem(BOUNDED, "task")
    with pytest.raises(PlanError, match="no bounds"):
        bounds(ONE)


def test_what_is_assumed_of_the_runtime_is_so():
    assert program.RESEND == ours.RESEND
    assert program.UNDO_ATTEMPTS_MIN == ours.UNDO_ATTEMPTS_MIN
    assert messages.POSTS_MAX == statements.POSTS_MAX
    assert sessions.FOLDS_MAX == statements.FOLDS_MAX
    assert tasks.GRACE_US == journal.GRACE_US
    assert journal.PAYLOAD_BYTES_MAX == PAYLOAD_BYTES_MAX == OUTPUT_BYTES_MAX


def test_a_loaded_plan_has_the_same_bounds():
    compiled = plan_of(HEAD + "flow f(text: Text) -> Text { step a = Work(text) by ann return a }")
    loaded = plan_from_json(compiled.as_json())
    assert as_document(loaded, bounds_of(loaded)) == as_document(compiled, bounds_of(compiled))


def test_the_document_is_json_with_null_for_what_is_unbounded():
    compiled = plan_of(
        HEAD + "agent cy fulfills Work {}\nflow f(text: Text) -> Text { step a = Work(text) by cy return a }"
    )
    document = json.loads(json.dumps(as_document(compiled, bounds_of(compiled)), allow_nan=False))
    (flow,) = document["flows"]
    assert set(flow["bounds"]) == {metric.name for metric in METRICS}
    cost = flow["bounds"]["cost_usd"]
    assert (cost["best"], cost["worst"]) == ("0", None)
    assert cost["dominant"]["span"]["line"] > 1
    assert flow["journal"]["values"] == {"best": 2, "worst": 4}


def test_a_spec_of_ten_thousand_lines_is_bounded_in_a_fraction_of_a_second():
    import time

    steps = "\n".join(f"step a{n} = Work(a{n - 1}) by ann" for n in range(1, 1_500))
    flows = "\n".join(
        f"flow f{k}(text: Text) -> Text {{\nstep a0 = Work(text) by ann\n{steps}\nreturn a1499\n}}" for k in range(2)
    )
    compiled = compile_text(HEAD + flows, "large.orch").plan
    assert compiled is not None
    began = time.process_time()
    found = bounds_of(compiled)
    assert time.process_time() - began < 3.0
    assert found["f0"]["attempts"].worst == 1_500


@pytest.mark.parametrize(
    ("amount", "unit", "words"),
    [
        (0, "usd", "$0.00"),
        (40 * CENT, "usd", "$0.40"),
        (53 * 10**8, "usd", "$0.0053"),
        (1, "usd", "<$0.0001"),
        (3_072 * CENT, "usd", "$30.72"),
        (INF, "usd", "unbounded"),
        (250_000, "s", "250 ms"),
        (61 * S, "s", "61 s"),
        (150 * S, "s", "2 min 30 s"),
        (3 * 86_400 * S, "s", "3 d"),
        (999, "bytes", "999 B"),
        (1_500, "bytes", "1.5 kB"),
        (400_000, "count", "400,000"),
    ],
)
def test_amounts_are_said_in_words(amount, unit, words):
    assert amount_in_words(amount, unit) == words
