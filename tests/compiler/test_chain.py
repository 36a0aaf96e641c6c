"""No text, however odd, deep or large, brings the front end down: parse, check, fmt, render, lower, read back, draw.

The long searches are marked chaos: `pytest -m chaos tests/compiler/test_chain.py`.
"""

import subprocess
import sys
import time
from pathlib import Path
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchspec.compiler.check import check
from orchspec.grammar.render import render_all
from orchspec.grammar.source import Source
from orchspec.grammar.tables import load_tables
from tests.grammar.generated import specs
from tests.support.chain import SPECS, goes_through, mutated, spoilt

ROOT = Path(__file__).resolve().parents[2]
SECONDS_MAX = 10
TEXTS = [path.read_text("utf-8") for path in SPECS]
SOUND = [text for text in TEXTS if check(Source("a.orch", text)).ok]
HEAD = "orch 1\ncontract C(a: Text) -> Text\nagent x fulfills C { timeout = 3s }\n"
MANY = 10_000
MEGABYTE = 1_000_000


def value(expression, kind="Int"):
    return f"{HEAD}flow f(a: Int, b: Bool, s: Text) -> {kind} {{ let v = {expression}  return v }}\n"


def body(statements, head="flow f(s: Text) -> Text"):
    return f"{HEAD}{head} {{ {statements} }}\n"


def nested_scopes(count):
    opened = "".join(f"scope s{n} {{ " for n in range(count))
    return body(
        opened
        + "step q = C(s) by x give q "
        + "".join(f"}} give s{n} " for n in range(count - 1, 0, -1))
        + "} return s0"
    )


DEEP = {
    "braces": HEAD + "{" * MANY,
    "scopes": body("".join(f"scope s{n} {{ " for n in range(MANY)) + "}" * MANY),
    "parentheses": value("(" * MANY + "a" + ")" * MANY),
    "generics": f"orch 1\ntype T {{ a: {'List<' * MANY}Int{'>' * MANY} }}\n",
    "optionals": f"orch 1\ntype T {{ a: Int{'?' * MANY} }}\n",
    "minus": value("-" * MANY + "a"),
    "not": value("not " * MANY + "b", "Bool"),
    "or": value(" or ".join(["b"] * MANY), "Bool"),
    "strings": value(" + ".join(['"x"'] * MANY), "Text"),
    "comments": "orch 1\n" + "// x\n" * MANY,
    "doc comments": "orch 1\n" + "/// x\n" * MANY + "decision d\n",
    "lists": value("[" * MANY + "]" * MANY),
    "a huge number": value("9" * MANY),
    "a huge sum": value("9223372036854775807 + 1"),
    "huge money": f"{HEAD}flow f(a: Money) -> Money {{ return a + ${'9' * 30} }}\n",
    "a long name": value("a" * 100_000),
    "if": body("if a { " * MANY + "}" * MANY),
    "question marks": body("let a = " + "a ? b : " * MANY),
    "commas": f"{HEAD}tool t {{ {'a: 1, ' * MANY} }}",
    "agents by comma": body("step a = C(s) by " + "x, " * MANY),
}
AS_DEEP_AS_CAN_BE = {
    "scopes": nested_scopes(60),
    "parentheses": value("(" * 60 + "a" + ")" * 60),
    "minus": value("-" * 60 + "a"),
    "not": value("not " * 60 + "b", "Bool"),
    "or": value(" or ".join(["b"] * 100), "Bool"),
    "sum": value(" + ".join(["a"] * 100)),
    "texts": value(" + ".join(["s"] * 100), "Text"),
    "otherwise": value(" ?? ".join(["a"] * 100)),
}
LARGE = {
    "steps": body(" ".join(f"step v{n} = C(s) by x" for n in range(800)) + " return v0"),
    "enum": f"{HEAD}enum E {{ {', '.join(f'm{n}' for n in range(5_000))} }}\nflow f(e: E) -> E {{ return e }}\n",
    "list": value("[" + ", ".join(["a"] * 8_000) + "]", "List<Int>"),
    "lets": body(
        "let v0 = 1 " + " ".join(f"let v{n + 1} = v{n} + 1" for n in range(800)) + " return v800", "flow f() -> Int"
    ),
    "machine": HEAD
    + "machine m(s: Text) -> Text { budget { transitions <= 1000 } initial state s0 { on done -> s1 } "
    + " ".join(f"state s{n} {{ on done -> s{n + 1} }}" for n in range(1, 1_000))
    + " final state s1000 { return s } }\n",
}


def in_time(text):
    started = time.process_time()
    plan = goes_through(text)
    assert time.process_time() - started < SECONDS_MAX
    return plan


@pytest.mark.parametrize("name", DEEP)
def test_what_is_too_deep_or_too_long_comes_to_an_end(name):
    in_time(DEEP[name])


@pytest.mark.parametrize("name", AS_DEEP_AS_CAN_BE)
def test_what_is_just_not_too_deep_has_a_plan(name):
    assert in_time(AS_DEEP_AS_CAN_BE[name]) is not None


@pytest.mark.parametrize("name", LARGE)
def test_what_is_large_has_a_plan_soon(name):
    assert in_time(LARGE[name]) is not None


@pytest.mark.chaos
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs the peak of a process of its own")
def test_no_deep_or_large_text_takes_more_than_500_mb():
    script = (
        "from pathlib import Path; from tests.compiler import test_chain as t;"
        "[t.check(t.Source('a', text)) for text in (*t.DEEP.values(), *t.LARGE.values())];"
        "peak = next(line for line in Path('/proc/self/status').read_text().splitlines() if line.startswith('VmHWM'));"
        "print(int(peak.split()[1]) // 1024)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=ROOT)
    assert int(done.stdout) < 500


@pytest.mark.parametrize("seed", range(4))
def test_spoilt_specs_give_diagnostics_or_a_plan(seed):
    draw = Random(seed)
    for _ in range(25):
        text = draw.choice(SOUND if draw.random() < 0.7 else TEXTS)
        goes_through((mutated if draw.random() < 0.8 else spoilt)(text, draw))


@settings(max_examples=60, deadline=None)
@given(specs())
def test_derivations_of_the_grammar_give_diagnostics_or_a_plan(text):
    goes_through(text)


@pytest.mark.chaos
@pytest.mark.parametrize("seed", range(100, 140))
def test_many_spoilt_specs_give_diagnostics_or_a_plan(seed):
    draw = Random(seed)
    for _ in range(400):
        text = draw.choice(SOUND if draw.random() < 0.7 else TEXTS)
        in_time((mutated if draw.random() < 0.8 else spoilt)(text, draw))


@pytest.mark.chaos
@settings(max_examples=5_000, deadline=None, derandomize=False)
@given(st.one_of(specs(), st.text(max_size=300), st.binary(max_size=300).map(lambda data: data.decode("latin-1"))))
def test_many_texts_give_diagnostics_or_a_plan(text):
    goes_through(text)


def _tokens(draw):
    words = [*load_tables().spellings.values(), "a", "b", "1", "5m", '"s"', "$1", "3%", "a:", ".b", "\n", "{", "}"]
    return " ".join(draw.choices(words, k=250_000))


def _again(draw):
    text = draw.choice(TEXTS)
    return text * (MEGABYTE // len(text))


def _holes(draw):
    text = list(_again(draw))
    for _ in range(draw.choice((5, 50, 500))):
        place = draw.randrange(len(text))
        text[place : place + draw.randrange(6)] = draw.choice(("", "{", "}", "(", '"', "\n", "step ", "\0", "é"))
    return "".join(text)


def _deep(draw):
    opened = ("scope s {", "if x {", "route r { when a ->", "repeat r 2 times {", "(", "[", "{ a: ", "not ", "List<")
    return "orch 1\nflow f() -> Int { " + draw.choice(opened) * 100_000


def _sound(draw):
    one = """type T{0} {{ a: Text  b: Float where b in 0.0..1.0 }}
contract C{0}(t: Text) -> T{0}
agent a{0} fulfills C{0} {{ timeout = 5s }}
effect e{0}(t: T{0}) -> Url {{ key = t.a  timeout = 5s }}
flow f{0}(t: Text) -> Url {{
  step ys = C{0}(u) by a{0} for u in [t, t + "!"] {{ width = 2 }}
  arbitrate y = ys {{ decide = highest(it.b) or first }}
  step url = e{0}(y)
  return url
}}
"""
    return "orch 1\n" + "".join(one.format(number) for number in range(2_400))


HUGE = {
    "tokens": _tokens,
    "bytes": lambda draw: draw.randbytes(MEGABYTE).decode("latin-1"),
    "broken characters": lambda draw: draw.randbytes(MEGABYTE).decode("utf-8", "replace"),
    "a spec again and again": _again,
    "a spec with holes": _holes,
    "deep": _deep,
    "sound": _sound,
}


def answered(name, seed):
    """How long it takes until a text of that kind is answered (s), and the most memory of this process (MB)."""
    text = HUGE[name](Random(seed))[:MEGABYTE]
    began = time.process_time()
    found = check(Source("a.orch", text))
    rendered = render_all(found.diagnostics)
    took_s = time.process_time() - began
    assert found.ok or (found.diagnostics and rendered)
    peak = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    return took_s, int(peak.split()[1]) // 1024


@pytest.mark.chaos
@pytest.mark.parametrize("name", HUGE)
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs the peak of a process of its own")
def test_a_megabyte_of_anything_is_answered_in_ten_seconds_and_500_mb(name):
    for seed in range(1 if name == "sound" else 5):
        script = f"from tests.compiler.test_chain import answered; print(*answered({name!r}, {seed}))"
        done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=ROOT)
        assert done.returncode == 0, done.stderr
        took_s, peak_mb = (float(part) for part in done.stdout.split())
        assert (took_s < SECONDS_MAX, peak_mb < 500) == (True, True), (seed, took_s, peak_mb)
