"""Texts to trees: every construct of the language, and what near misses give."""

from decimal import Decimal
from pathlib import Path
from typing import TypeVar

import pytest

from orchspec.grammar import syntax as s
from orchspec.grammar.parser import parse
from orchspec.grammar.source import Source
from tests.grammar.gallery import ALL, CORE, source

_T = TypeVar("_T", bound=s.Node)


def _file(content: str) -> s.File:
    result = parse(Source("a.orch", content))
    assert [f"{item.span}: {item.message}" for item in result.diagnostics] == []
    assert result.file is not None
    assert result.file.sound
    return result.file


def _only(content: str, kind: type[_T]) -> _T:
    (found,) = [node for node in s.walk(_file(f"orch 1\n{content}")) if isinstance(node, kind)]
    return found


def _in_flow(statements: str, kind: type[_T]) -> _T:
    return _only(f"flow f(a: Int) -> Int {{ {statements} }}", kind)


def _value(expression: str) -> s.Expr:
    return _in_flow(f"let value = {expression}", s.Let).value


def _codes(content: str) -> list[str]:
    return [item.code.id for item in parse(Source("a.orch", content)).diagnostics]


@pytest.mark.parametrize("path", ALL, ids=lambda path: path.stem)
def test_every_spec_of_the_gallery_parses(path: Path) -> None:
    assert _file(path.read_text(encoding="utf-8")).declarations


@pytest.mark.parametrize("name", CORE)
def test_spans_lie_within_those_of_their_parents_and_in_the_order_of_the_text(name: str) -> None:
    file = _file(source(name).text)
    for node in s.walk(file):
        ends = node.span.start
        for child in s.children(node):
            if isinstance(child, s.Comment):
                continue
            assert node.span.start <= child.span.start <= child.span.end <= node.span.end
            assert child.span.start >= ends or isinstance(node, s.TestDecl)
            ends = child.span.start


def test_spans_cover_exactly_what_was_written() -> None:
    source_ = Source("a", "orch 1\nflow f(a: Int) -> Int {\n  return (a + 1) * 2 // end\n}\n")
    file = parse(source_).file
    assert file is not None
    (product,) = [node for node in s.walk(file) if isinstance(node, s.Binary) and node.op == "*"]
    assert product.span.text == "(a + 1) * 2"
    assert product.op_span.text == "*"
    assert file.declarations[0].span.text.endswith("}")


@pytest.mark.parametrize(
    ("written", "kind", "value"),
    [
        ("400_000", s.Int, 400_000),
        ("400k", s.Int, 400_000),
        ("1.5M", s.Int, 1_500_000),
        ("0.25", s.Float, 0.25),
        ("500ms", s.DurationLit, 500_000),
        ("1.5h", s.DurationLit, 5_400_000_000),
        ("3d", s.DurationLit, 259_200_000_000),
        ("$4.00", s.MoneyLit, 4 * 10**12),
        ("$0.000000000001", s.MoneyLit, 1),
        ("75%", s.PercentLit, Decimal("0.75")),
        ("0.5%", s.PercentLit, Decimal("0.005")),
        ("true", s.Bool, True),
        (r'"a\"\\\n\t\u{e9}"', s.Text, 'a"\\\n\té'),
        ('"""two\nlines "quoted" """', s.Text, 'two\nlines "quoted" '),
        ('""', s.Text, ""),
    ],
)
def test_literals_have_exact_values(written: str, kind: type[s.Node], value: object) -> None:
    node = _value(written)
    assert type(node) is kind
    found = [getattr(node, name) for name in ("value", "us", "pico_usd", "share") if hasattr(node, name)]
    assert found == [value]
    assert type(found[0]) is type(value)


@pytest.mark.parametrize(
    ("loose", "explicit"),
    [
        ("a or b and not c == d", "a or (b and (not (c == d)))"),
        ("a ?? b + c > d", "(a ?? (b + c)) > d"),
        ("a + b * -c", "a + (b * (-c))"),
        ("a - b - c", "(a - b) - c"),
        ("a in 1..n + 1", "a in (1..(n + 1))"),
        ("-a.b[0](c)", "-(((a.b)[0])(c))"),
        ("x not in [1, 2,]", "(x not in [1, 2])"),
        ("{ a: 1, b: 2 }", "{ a: 1  b: 2 }"),
    ],
)
def test_operators_bind_as_the_language_says(loose: str, explicit: str) -> None:
    assert s.shape(_value(loose)) == s.shape(_value(explicit))


def test_calls_take_positional_named_and_weighted_arguments() -> None:
    call = _value("mixture(30%: fixed(1s), to: 2, x)")
    assert isinstance(call, s.Call)
    weighted, named, plain = call.args
    assert isinstance(weighted.key, s.PercentLit)
    assert (named.label.text if named.label else None) == "to"
    assert plain.label is plain.key is None


@pytest.mark.parametrize("word", ["any", "all", "first", "every", "wait", "fail"])
def test_words_that_kpis_rules_and_faults_share_may_be_values(word: str) -> None:
    call = _value(f"{word}(x)")
    assert isinstance(call, s.Call)
    assert s.dotted(call.callee) == word


@pytest.mark.parametrize(
    ("clause", "kind", "agents"),
    [
        ("by std.a", s.ByAgent, None),
        ("by any", s.ByAny, None),
        ("by any of [a, std.b]", s.ByAny, ["a", "std.b"]),
        ("by all", s.ByAll, None),
        ("by all of [a]", s.ByAll, ["a"]),
        ("by first of [a, b]", s.ByFirst, ["a", "b"]),
        ("by n + 1 of a", s.ByCount, None),
    ],
)
def test_the_by_clause_is_the_dispatch_pattern(clause: str, kind: type[s.Node], agents: list[str] | None) -> None:
    step = _in_flow(f"step x = C(a) {clause} for t in a.ts {{ width = 4 }}", s.Step)
    assert type(step.by) is kind
    assert step.loop is not None
    assert step.loop.name.text == "t"
    listed = getattr(step.by, "agents", None)
    assert (None if listed is None else [path.text for path in listed]) == agents


@pytest.mark.parametrize(
    ("clause", "code"),
    [
        ("by 3", "E0111"),
        ("by first", "E0111"),
        ("by any of a", "E0112"),
        ("by all of [1]", "E0112"),
        ("by 2 of 3", "E0111"),
    ],
)
def test_a_by_clause_that_names_nobody_is_refused(clause: str, code: str) -> None:
    assert _codes(f"orch 1\nflow f(a: Int) -> Int {{ step x = C(a) {clause}  return x }}") == [code]


def test_all_declarations_are_read() -> None:
    file = _file(
        """orch 1
import "std/panel.orch" as panel with { width = 3  critic = judge }
param width: Int = 4 where width in 1..50
enum E { a, step, final, }
type T { /// doc of a
  a: List<Map<Text, T?>>?? = none where a != none, step: std.T }
model m { input = $3 / 1M } decision d
contract C(a: Int = 3 where a > 2,) -> T { expects = "x" }
agent a fulfills C, std.D { budget { cost <= $1 tokens <= 2 * 3 } }
human h fulfills C dispatcher x fulfills C { timeout = 5s }
tool t { rate = 10 / 1s } effect e(a: Int) { key = a }
policy p { attempts = 2 } signal s(a: Int) -> T channel n(a: Text) { to = all }
profile std.a { latency = fixed(1s) }
flow f() -> T { return e } machine g(a: Int) -> T { initial state i { } final state z { return a } }
test "t" for f { given = {} stub a.C = 1 then 2 fault fail(a, first: 1) expect status == completed }
scenario "s" for std.f { arrivals = every(10s) fault crash(orchestrator, every: 20min) expect wait(a) <= 1s }
"""
    )
    kinds = [type(item).__name__ for item in file.declarations]
    expected = (
        "Import ParamDecl EnumDecl TypeDecl ModelDecl DecisionDecl ContractDecl AgentDecl AgentDecl AgentDecl ToolDecl "
        "EffectDecl PolicyDecl SignalDecl ChannelDecl ProfileDecl FlowDecl MachineDecl TestDecl ScenarioDecl"
    )
    assert kinds == expected.split()
    agents = [item.kind for item in file.declarations if isinstance(item, s.AgentDecl)]
    assert agents == ["agent", "human", "dispatcher"]
    (field, _) = next(item for item in file.declarations if isinstance(item, s.TypeDecl)).fields
    assert (field.doc, isinstance(field.type, s.OptionalType)) == ("doc of a", True)
    machine = next(item for item in file.declarations if isinstance(item, s.MachineDecl))
    assert [state.kind for state in machine.states] == ["initial", "final"]


def test_all_statements_are_read() -> None:
    flow = _only(
        """flow f(a: Int) -> Int {
  budget { time <= 6h } economy = 80% require a before b
  step x = C(a) { timeout = 1s } arbitrate y = [x] { decide = first }
  scope z for i in a { width = 3 give i } scope q { }
  route r on a.b { case A.b, A.c when a > 1 -> C(a) by d { attempts = 2 } case A.d -> give 1 else -> { fail "x" } }
  route w { when a -> fail "y" when b -> C(a) else -> give 2 }
  repeat k 3 times { every 30s until a > 2 give a } else { fail "no" }
  supervise u = Lead(a) by l { workers = [m] } eval v = S(a) by j { sample = 10% }
  peers p = D(a) among [m, n] { start = m handoff m -> n | m when result.x > 1 }
  let n = 3 fail "w" when n > 2 revert x checkpoint c wait 10min send ch(note: "x")
  return a
}""",
        s.FlowDecl,
    )
    expected = (
        "Budget Attribute Require Step Arbitrate Scope Scope Route Route Repeat Supervise Eval Peers Let Fail Revert "
        "Checkpoint Wait Send Return"
    )
    assert [type(item).__name__ for item in flow.body] == expected.split()
    arms = next(item for item in flow.body if isinstance(item, s.Route)).arms
    assert [type(arm.body.body[0]).__name__ for arm in arms] == ["Step", "Give", "Fail"]
    assert [arm.is_else for arm in arms] == [False, False, True]


def test_the_clauses_of_a_state_are_read() -> None:
    state = _only(
        "machine m() -> Int { state a { on done when x > 1 -> b on paid(x.id) as p -> c on failed -> b } }",
        s.State,
    )
    clauses = [item for item in state.body if isinstance(item, s.On)]
    assert [clause.event.text for clause in clauses] == ["done", "paid", "failed"]
    assert [None if clause.args is None else len(clause.args) for clause in clauses] == [None, 1, None]
    assert clauses[1].alias is not None


@pytest.mark.parametrize("statement", ["until a", "every 3s", "on done -> x", "scope s { until a }"])
def test_clauses_of_rounds_and_states_stand_only_there(statement: str) -> None:
    assert _codes(f"orch 1\nflow f(a: Int) -> Int {{ {statement}  return a }}") == ["E0110"]


def test_doc_comments_are_kept_on_what_follows() -> None:
    file = _file(
        "orch 1\n/// one\n///  two\n// plain\nflow f() -> T {\n  /// three\n  let a = 1\n}\n//// not doc\ndecision d"
    )
    flow, decision = file.declarations
    assert isinstance(flow, s.FlowDecl)
    assert isinstance(decision, s.DecisionDecl)
    assert flow.doc == "one\n two"
    assert flow.body[0].doc == "three"  # type: ignore[union-attr]
    assert decision.doc is None
    assert [item.text for item in file.comments] == ["/// one", "///  two", "// plain", "/// three", "//// not doc"]


@pytest.mark.parametrize(
    ("written", "read", "code"),
    [
        ("5m", "5min", "E0010"),
        ("1h30min", "90min", "E0010"),
        ("2hours", "2h", "E0010"),
        ("$1k", "$1_000", "E0011"),
        ("$1.5k", "$1_500", "E0011"),
        (".5", "0.5", "E0012"),
        (".5%", "0.5%", "E0012"),
        ("4K", "4k", "E0013"),
        ("1e3", "1000", "E0013"),
        ("“a”", '"a"', "E0008"),
        ("'a'", '"a"', "E0009"),
        ("'it\\'s \"x\"'", '"it\'s \\"x\\""', "E0009"),
        ("10 min", "10min", "E0010"),
    ],
)
def test_a_near_miss_has_its_own_code_and_a_fix(written: str, read: str, code: str) -> None:
    content = f"orch 1\nflow f(a: Int) -> Int {{ let value = {written}  return value }}"
    (found,) = parse(Source("a.orch", content)).diagnostics
    assert found.code.id == code
    assert found.span.text == written
    assert found.fix is not None
    assert [edit.replacement for edit in found.fix.edits] == [read]


@pytest.mark.parametrize(
    ("content", "codes"),
    [
        ("", ["E0100"]),
        ("decision a", ["E0100"]),
        ("orch", ["E0100"]),
        ("orch 2\ndecision a", ["E0101"]),
        ("orch 1\n\tdecision\ta", []),
        ("\ufefforch 1\ndecision a", []),
        ("orch 1\r\ndecision a\r", []),
        ("orch 1\ndecision a\x00", ["E0002"]),
        ("orch 1\n// \u202e", ["E0002"]),
        ("orch 1\n# note\ndecision a;", ["E0006", "E0016"]),
        ("orch 1\n/* note\nmore */ decision a", ["E0005"]),
        ("orch 1\n/* note\ndecision a", ["E0004"]),
        ('orch 1\ntest "a for f { }', ["E0003"]),
        ('orch 1\ntool t { a = "b }', ["E0003"]),
        ('orch 1\ntool t { a = "b\n}', ["E0003"]),
        ('orch 1\ntool t { a = """b }', ["E0003"]),
        ('orch 1\ntool t { a = "\\q \\u{110000}" }', ["E0007", "E0007"]),
        ('orch 1\ntool t { a = "\\u00e9 \\x41 \\U0001F389" }', ["E0007", "E0007", "E0007"]),
        ("orch 1\ntool t { a = b && c || !d }", ["E0015", "E0015", "E0015"]),
        ("orch 1\ntool t { a == b }", ["E0107"]),
        ("orch 1\ntool t { a: b }", ["E0117"]),
        ("orch 1\ntool t { x = f(a = b) }", ["E0105"]),
        ("orch 1\ntool t { x = { a = b } }", ["E0105"]),
        ("orch 1\nflow f(a: T => X) -> T { }", ["E0015"]),
        ("orch 1\ndecision a @ $", ["E0001", "E0011"]),
    ],
)
def test_slips_of_a_file_give_their_codes(content: str, codes: list[str]) -> None:
    assert _codes(content) == codes


def test_what_recovery_made_up_is_marked() -> None:
    result = parse(Source("a", "orch 1\nflow f( : Int) -> Int { let = 3  let b =  return b }\ndecision after"))
    assert result.file is not None
    assert not result.file.sound
    assert [type(item).__name__ for item in result.file.declarations] == ["FlowDecl", "DecisionDecl"]
    names = [node.text for node in s.walk(result.file) if isinstance(node, s.Ident)]
    assert names.count("") == 2
    assert [node for node in s.walk(result.file) if isinstance(node, s.Hole)]


def test_shape_tells_texts_apart_that_say_different_things() -> None:
    assert s.shape(_value("a + 1")) == s.shape(_value("(a)+1 // x\n"))
    assert s.shape(_value("a + 1")) != s.shape(_value("a + 1.0"))
    assert s.shape(_value("a + 1")) != s.shape(_value("a - 1"))


def test_nodes_may_be_keys_of_side_tables() -> None:
    one, other = _value("a"), _value("a")
    assert {one: 1, other: 2}[one] == 1


def test_attributes_are_found_among_statements() -> None:
    flow = _only("flow f() -> T { economy = 80%  budget { cost <= $1 }  width = 3 }", s.FlowDecl)
    assert [item.name.text for item in s.attributes(flow.body)] == ["economy", "width"]
    assert s.attribute(flow.body, "width") is flow.body[2]
    assert s.attribute(flow.body, "need") is None
    assert list(s.budgets(flow.body)) == [flow.body[1]]
