"""Expressions: every operation of a plan, exact arithmetic with bounds, and errors that say what was found."""

import ast
import hashlib
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import orchspec
from orchspec.compiler import compile_text
from orchspec.compiler.plan import PlanError, canonical_json
from orchspec.runtime.journal import MemoryStore
from orchspec.runtime.kernel import arithmetic
from orchspec.runtime.kernel.access import ACCESS
from orchspec.runtime.kernel.arithmetic import divide_half_even
from orchspec.runtime.kernel.expressions import (
    DEPTH_MAX,
    Env,
    ExpressionError,
    FanOut,
    compile_expr,
    equal,
    reads,
    value_key,
)
from orchspec.runtime.kernel.operators import OPERATORS
from orchspec.runtime.kernel.wording import expression_text

INTS = st.integers(-(2**63), 2**63 - 1)
MONEY = st.integers(-(10**24), 10**24)
FLOATS = st.floats(allow_nan=False, allow_infinity=False)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.floats(-5, 5) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=2), inner, max_size=3),
    max_leaves=8,
)


def const(value):
    return ["const", value]


def call(name, *arguments):
    return ["call", name, [const(argument) for argument in arguments]]


def frame():
    """An item's frame (slot 0) above a block's frame: a record, a fan-out by ann and bob, a map, none."""
    finding = {"claim": "water is wet", "sources": ["https://a.org/x", "https://b.org/y"], "confidence": 0.5}
    block = Env([finding, [{"n": 1}, {"n": 2}], {"a": 1}, None], fanouts={1: FanOut(["ann", "bob"], ["lost"])})
    return Env(["item"], block)


def value(expr, where=None):
    return compile_expr(expr)(frame() if where is None else where)


@pytest.mark.parametrize(
    ("expr", "expected"),
    [
        (const(3), 3),
        (["ref", 0, 0], "item"),
        (["ref", 1, 3], None),
        (["field", ["ref", 1, 0], "claim"], "water is wet"),
        (["field?", ["ref", 1, 3], "claim"], None),
        (["field?", ["ref", 1, 0], "confidence"], 0.5),
        (["project", ["ref", 1, 1], "n"], [1, 2]),
        (["project?", ["ref", 1, 3], "n"], None),
        (["project?", const([{"n": 1}, None]), "n"], [1, None]),
        (["index", ["ref", 1, 1], const(1)], {"n": 2}),
        (["lookup", ["ref", 1, 2], const("a")], 1),
        (["giver", 1, 1, "bob"], {"n": 2}),
        (["missing", 1, 1], ["lost"]),
        (["record", "R", [["a", const(1)], ["b", ["ref", 0, 0]]]], {"a": 1, "b": "item"}),
        (["list", [const(1), ["ref", 0, 0]]], [1, "item"]),
        (["range", const(2), const(4)], [2, 3, 4]),
        (["range", const(2), const(1)], []),
        (["not", const(value=True)], False),
        (["neg", const(5)], -5),
        (["and", const(value=False), ["not", const(1)]], False),
        (["or", const(value=True), ["not", const(1)]], True),
        (["default", const(None), const(7)], 7),
        (["default", const(0), const(7)], 0),
        (["eq", const("a"), const("a")], True),
        (["eq", ["ref", 1, 3], const(None)], True),
        (["eq", const(1), const(value=True)], False),
        (["eq", const([{"a": 1}]), const([{"a": 1.0}])], True),
        (["ne", const({"a": [1]}), const({"a": [True]})], True),
        (["ne", const("a"), const("b")], True),
        (["lt", const(1), const(2)], True),
        (["le", ["ref", 0, 0], ["ref", 0, 0]], True),
        (["gt", const("b"), ["ref", 0, 0]], False),
        (["ge", ["field", ["ref", 1, 0], "confidence"], const(0.5)], True),
        (["in", const(3), ["range", const(1), const(3)]], True),
        (["in", const(3), ["range", const(1), ["neg", const(-2)]]], False),
        (["in", const(10**15), ["range", const(0), const(10**18)]], True),
        (["in", const("b"), ["list", [const("a"), const("b")]]], True),
        (["in", const(1), const([True, 2])], False),
        (["in", const("ter"), ["field", ["ref", 1, 0], "claim"]], True),
        (["in", const("a"), ["ref", 1, 2]], True),
        (["add", "Int", const(2), const(3)], 5),
        (["sub", "Time", const(5_000_000), const(2_000_000)], 3_000_000),
        (["sub", "Duration", const(5), const(7)], -2),
        (["mul", "Float", const(0.5), const(4.0)], 2.0),
        (["mul", "Money", const(3), const(0.5)], 2),
        (["mul", "Money", const(5), const(0.5)], 2),
        (["mul", "Duration", const(0.1), const(10)], 1),
        (["div", "Float", const(7), const(2)], 3.5),
        (["div", "Money", const(7), const(2)], 4),
        (["div", "Duration", const(5), const(2.0)], 2),
        (["concat", const("a"), const("b")], "ab"),
        (["concat", const([1]), const([2])], [1, 2]),
        (["float", const(3)], 3.0),
        (["edge", "Money", const(1_500_000_000_000)], "1.5"),
        (call("len", "abc"), 3),
        (call("len", {"a": 1}), 1),
        (call("min", [3, 1, 2]), 1),
        (call("min", []), None),
        (call("max", ["a", "b"]), "b"),
        (call("max", []), None),
        (call("sum", []), 0),
        (call("sum", [1, 2]), 3),
        (call("sum", [0.1] * 10), 1.0),
        (call("avg", []), None),
        (call("avg", [1, 2]), 1.5),
        (["call", "avg", [const([1, 2, 2])], "Money"], 2),
        (["call", "avg", [const([])], "Duration"], None),
        (call("any", [False, True]), True),
        (call("any", []), False),
        (call("all", [True, False]), False),
        (call("all", []), True),
        (call("count", [True, False, True]), 2),
        (call("count", ["a", "b"]), 2),
        (call("count", []), 0),
        (call("flatten", [[1], [2, [3]]]), [1, 2, [3]]),
        (call("distinct", ["b", "a", "b"]), ["b", "a"]),
        (call("distinct", [1, 1.0, True, {"a": [1]}, {"a": [1.0]}]), [1, True, {"a": [1]}]),
        (call("keys", {"b": 1, "a": 2}), ["a", "b"]),
        (call("hash", {"b": 1, "a": "x"}), hashlib.sha256(b'{"a":"x","b":1}').hexdigest()),
        (call("tokens", ""), 0),
        (call("tokens", "12345"), 2),
        (call("text", "a"), "a"),
        (call("text", 7), "7"),
        (call("text", 0.1), "0.1"),
        (call("text", True), "true"),
        (call("text", [1, None, "é"]), '[1,null,"é"]'),
        (call("upper", "straße"), "STRASSE"),
        (call("lower", "ÄB"), "äb"),
        (call("round", 2.5), 2),
        (call("round", 3.5), 4),
        (call("round", 2.675, 2), 2.67),
        (call("round", 15, -1), 20.0),
        (["call", "round", [const(1_005_000_000_000), const(2)], "Money"], 1_000_000_000_000),
    ],
)
def test_each_operation_gives_its_value(expr, expected):
    found = value(expr)
    assert found == expected
    assert type(found) is type(expected)


def test_the_cases_above_leave_no_operation_out():
    tried = {expr[0] for expr, _ in test_each_operation_gives_its_value.pytestmark[0].args[1]}
    assert tried == set(ACCESS) | set(OPERATORS)


@pytest.mark.parametrize(
    ("expr", "message"),
    [
        (["div", "Float", const(1), const(0)], "division by zero: 1 / 0"),
        (["div", "Money", const(1), const(0.0)], "division by zero: 1 / 0.0"),
        (["add", "Int", const(2**63 - 1), const(1)], "does not fit 64 bits"),
        (["mul", "Int", const(2**40), const(2**40)], "does not fit 64 bits"),
        (["neg", const(-(2**63))], "has no negative in 64 bits"),
        (["mul", "Float", const(1e200), const(1e200)], "too large for a Float"),
        (["mul", "Money", const(10**26), const(11)], "too large for Money"),
        (["add", "Duration", const(2**52), const(1)], "too long for a Duration"),
        (["add", "Time", const(253_402_300_799_999_999), const(1)], "years 0001 and 9999"),
        (["add", "Int", const(None), const(1)], "none \\+ 1 gives no Int"),
        (["index", const([1, 2]), const(2)], "no item 2 in a list of 2"),
        (["index", const([1, 2]), const(-1)], "no item -1"),
        (["lookup", const({"a": 1}), const("b")], 'no key "b" in a map of 1'),
        (["giver", 1, 1, "cy"], "cy gave no result"),
        (["giver", 0, 0, "cy"], "cy gave no result"),
        (["missing", 0, 0], "a fan-out that has not ended"),
        (["field", ["ref", 1, 3], "claim"], "no field claim in none"),
        (["field", ["ref", 0, 0], "claim"], 'no field claim in "item"'),
        (["project", const([{"a": 1}]), "b"], "no field b in an item of a list of 1"),
        (["lt", const("a"), const(1)], '"a" and 1 have no order'),
        (["ge", const(None), ["ref", 0, 0]], '"item" and none have no order'),
        (["not", const(1)], "a condition is true or false, found 1"),
        (["concat", const("a"), const([1])], "cannot be joined"),
        (["concat", const("a" * (1 << 20)), const("b")], "at most 1048576"),
        (["concat", const([0] * 100_000), const([1])], "at most 100000"),
        (["range", const(0), const(10**15)], "more than 100000 items"),
        (["range", const(0.5), const(2.0)], "whole numbers only"),
        (["in", const(1), const(2)], "cannot be looked for"),
        (["float", const("a")], "expected a number"),
        (call("len", 3), "len\\(\\) takes a text, a list or a map, found 3"),
        (call("sum", ["a"]), "sum\\(\\) takes numbers"),
        (call("sum", [1e308, 1e308]), "too large for a Float"),
        (call("max", [1, "a"]), "can be compared"),
        (call("all", [1]), "list of Bool"),
        (call("keys", []), "takes a map"),
        (call("text", ["a" * (1 << 20)]), "at most 1048576"),
        (call("upper", "ß" * (1 << 20)), "at most 1048576"),
        (call("round", 1e300), "does not fit 64 bits"),
        (call("round", 1.5, 99), "-18 to 18 places"),
        (call("flatten", [1]), "takes a list"),
        (call("hash", float("nan")), "written as JSON"),
    ],
)
def test_what_fails_at_run_time_says_what_and_on_what(expr, message):
    with pytest.raises(ExpressionError, match=message):
        value(expr)


@pytest.mark.parametrize(
    "expr",
    [
        [],
        "ref",
        None,
        [1],
        ["unknown", const(1)],
        ["not"],
        ["eq", const(1)],
        ["ref", -1, 0],
        ["ref", 0, "x"],
        ["field", const({}), 3],
        ["list", 5],
        ["list", [3]],
        ["record", "R", [["a"]]],
        ["record", "R", 3],
        ["eq", 3, const(1)],
        ["call", "unknown", [const(1)]],
        ["call", "len", [const(1), const(2)]],
        ["call", "len", []],
        ["call", ["len"], [const(1)]],
        ["add", "Text", const(1), const(2)],
        ["add", ["Int"], const(1), const(2)],
        ["div", "Int", const(1), const(2)],
        ["giver", 0, 0, 5],
    ],
)
def test_what_no_compiler_writes_is_refused_when_it_is_compiled(expr):
    with pytest.raises(PlanError):
        compile_expr(expr)


def test_a_division_by_zero_behind_a_decided_condition_is_not_reached():
    broken = ["eq", ["div", "Float", const(1), const(0)], const(1)]
    assert value(["and", const(value=False), broken]) is False
    assert value(["or", const(value=True), broken]) is True
    assert value(["default", const(1), broken]) == 1


@pytest.mark.parametrize("wrap", [lambda e: ["not", e], lambda e: ["list", [e]], lambda e: ["record", "R", [["a", e]]]])
def test_depth_is_bounded_and_no_depth_within_it_exhausts_the_stack(wrap):
    expr = const(value=True)
    for _ in range(DEPTH_MAX - 1):
        expr = wrap(expr)
    compile_expr(expr)(frame())
    assert expression_text(expr)
    with pytest.raises(PlanError, match="deeper than 200"):
        compile_expr(wrap(expr))
    for _ in range(100_000):
        expr = wrap(expr)
    with pytest.raises(PlanError, match="deeper than 200"):
        compile_expr(expr)


def test_refs_reach_any_number_of_frames_up():
    where = Env([0])
    for up in range(1, 6):
        where = Env([up], where)
    assert [compile_expr(["ref", up, 0])(where) for up in range(6)] == [5, 4, 3, 2, 1, 0]


def test_callers_may_bring_operations_of_their_own():
    holds = compile_expr(["le", ["kpi", "cost"], const(2)], {"kpi": lambda expr: lambda facts: facts[expr[1]]})
    assert holds({"cost": 1}) is True
    assert holds({"cost": 3}) is False


def test_reads_names_each_slot_once_in_order():
    expr = ["and", ["eq", ["field", ["ref", 1, 2], "a"], ["ref", 0, 0]], ["eq", ["giver", 1, 4, "x"], ["ref", 1, 2]]]
    assert reads(expr) == [(1, 2), (0, 0), (1, 4)]
    assert reads(["call", "len", [["record", "R", [["ref", ["missing", 0, 7]]]]]]) == [(0, 7)]
    assert reads(const(["ref", 0, 1])) == []


@given(INTS, INTS)
def test_int_arithmetic_is_exact_or_refused(a, b):
    for op, exact in (("add", a + b), ("sub", a - b), ("mul", a * b)):
        run = compile_expr([op, "Int", const(a), const(b)])
        if -(2**63) <= exact < 2**63:
            assert run(None) == exact
        else:
            with pytest.raises(ExpressionError, match="64 bits"):
                run(None)


@given(MONEY, st.integers(-1000, 1000), st.floats(-1000, 1000, allow_subnormal=False))
def test_money_scales_to_the_nearest_pico_dollar_ties_to_even(pico, times, share):
    assert value(["mul", "Money", const(pico), const(times)]) == pico * times
    assert value(["mul", "Money", const(share), const(pico)]) == round(Fraction(pico) * Fraction(share))
    if times:
        assert value(["div", "Money", const(pico), const(times)]) == round(Fraction(pico, times))


@given(st.integers(), st.integers().filter(bool))
def test_integer_division_rounds_half_to_even(numerator, denominator):
    assert divide_half_even(numerator, denominator) == round(Fraction(numerator, denominator))


@given(MONEY, MONEY)
def test_money_added_and_taken_away_is_what_it_was(a, b):
    total = ["add", "Money", const(a), const(b)]
    assert value(["sub", "Money", total, const(b)]) == a


@given(JSON, JSON)
def test_equality_is_that_of_keys_and_distinguishes_true_from_one(a, b):
    assert equal(a, b) == (value_key(a) == value_key(b))
    assert equal(a, a)
    assert not equal([True, a], [1, a])
    assert value(["ne", const(a), const(b)]) is not value(["eq", const(a), const(b)])


@given(st.lists(JSON, max_size=8))
def test_distinct_keeps_the_first_of_what_is_equal(items):
    kept = value(call("distinct", items))
    assert all(any(equal(item, one) for one in kept) for item in items)
    assert all(not equal(a, b) for i, a in enumerate(kept) for b in kept[:i])
    assert [canonical_json(item) for item in kept] == [
        canonical_json(item) for i, item in enumerate(items) if not any(equal(item, one) for one in items[:i])
    ]


@given(FLOATS, FLOATS)
def test_comparisons_with_constants_agree_with_those_of_slots(a, b):
    where = Env([a, b])
    for op, expected in (("lt", a < b), ("le", a <= b), ("gt", a > b), ("ge", a >= b)):
        assert compile_expr([op, ["ref", 0, 0], const(b)])(where) is expected
        assert compile_expr([op, ["ref", 0, 0], ["ref", 0, 1]])(where) is expected


def test_expressions_are_worded_as_the_language_writes_them():
    expr = ["ge", ["call", "len", [["field", ["ref", 0, 1], "cites"]]], ["add", "Int", ["ref", 0, 0], const(1)]]
    assert expression_text(expr, [["floor", "result"]]) == "len(result.cites) >= floor + 1"
    assert expression_text(["and", ["or", ["ref", 0, 0], ["ref", 0, 1]], ["not", ["ref", 1, 0]]], [["a", "b"]]) == (
        "(a or b) and not slot 0"
    )
    assert expression_text(["mul", "Int", ["add", "Int", const(1), const(2)], const(3)]) == "(1 + 2) * 3"
    assert expression_text(["sub", "Int", const(1), ["sub", "Int", const(2), const(3)]]) == "1 - (2 - 3)"
    assert expression_text(["in", ["ref", 0, 0], ["range", const(0.0), const(1.0)]], [["x"]]) == "x in 0.0..1.0"
    assert expression_text(["giver", 0, 0, "critic"], [["votes"]]) == "votes[critic]"


def test_no_closure_is_made_from_source_text():
    for path in Path(arithmetic.__file__).parent.glob("*.py"):
        names = {node.id for node in ast.walk(ast.parse(path.read_text("utf-8"))) if isinstance(node, ast.Name)}
        assert not names & {"eval", "exec", "compile"}, path.name


# ------------------------------------------------------------------ the edge


EDGE = """orch 1
type Node { cost: Money?  at: Time  kids: List<Node>  rests: Map<Text, Duration>  name: Text }
param known: Json = { "list": [$3, 5min], share: 3% }
flow f(n: Node) -> Json {
  return { n: n, cost: n.cost, of_kids: n.kids.cost, lists: [n.rests, none, 1.5h], known: known }
}
flow words(n: Node) -> Text { return text(n.cost ?? $0) + " " + text(n.at) + " " + text(90s) + " " + text(75%) }
flow lines(n: Node) -> Text { return text(n.kids) + text(n.rests) + text([$3, $1.50]) }
"""
NODE = {
    "cost": "1.5",
    "at": "2026-01-01T00:00:00Z",
    "kids": [{"cost": None, "at": "2026-01-02T00:00:00Z", "kids": [], "rests": {}, "name": "b"}],
    "rests": {"x": 90},
    "name": "a",
}


def _run(flow):
    compiled = compile_text(EDGE, "edge.orch")
    assert compiled.plan is not None, compiled.errors
    return orchspec.App(compiled.plan).run_sync(flow, {"n": NODE}, store=MemoryStore()).result


def test_what_stands_in_json_is_written_as_at_the_edge():
    assert _run("f") == {
        "n": NODE,
        "cost": "1.5",
        "of_kids": [None],
        "lists": [{"x": 90}, None, 5400],
        "known": {"list": ["3", 300], "share": 0.03},
    }


def test_text_of_a_value_is_what_it_is_at_the_edge():
    assert _run("words") == "1.5 2026-01-01T00:00:00Z 90 0.75"
    assert _run("lines") == canonical_json(NODE["kids"]) + '{"x":90}["3","1.5"]'


@pytest.mark.parametrize(
    "form", ["Text", [], ["List"], ["Again", "T"], ["Fields", "T"], 3, ["Fields", "T", [["a", 3]]]]
)
def test_a_form_of_the_edge_that_no_compiler_writes_is_refused(form):
    with pytest.raises(PlanError):
        compile_expr(["edge", form, const(1)])
