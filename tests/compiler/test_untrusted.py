"""Whatever text comes in, the checks answer with diagnostics, in bounded time."""

import random
import re
import shutil
import time
from pathlib import Path

import pytest

from orchspec.compiler import compile_file
from orchspec.compiler.check import check
from orchspec.grammar.source import Source

ROOT = Path(__file__).resolve().parent.parent.parent
SPECS = sorted([*(ROOT / "specs").glob("*.orch"), *(ROOT / "tests" / "golden").glob("*.orch")])
TOKEN = re.compile(r'"[^"\n]*"|\w+|[^\s\w]')
WORDS = (
    "none",
    "first",
    "it",
    "prev",
    "result",
    "3",
    "$1",
    "2s",
    "50%",
    "[]",
    "{}",
    "??",
    "and",
    "1..3",
    "ask",
    "true",
)


def mutated(text, draw):
    for _ in range(draw.choice((1, 1, 2, 4))):
        tokens = list(TOKEN.finditer(text))
        one, other = draw.choice(tokens), draw.choice(tokens)
        new = draw.choice(("", other.group(), draw.choice(WORDS), f"{one.group()} {other.group()}"))
        text = text[: one.start()] + new + text[one.end() :]
    return text


@pytest.mark.parametrize("path", SPECS, ids=lambda path: path.stem)
def test_a_spoilt_spec_gives_diagnostics_and_no_traceback(path):
    draw = random.Random(path.stem)
    text = path.read_text("utf-8")
    for _ in range(25):
        result = check(Source("spoilt.orch", mutated(text, draw)))
        assert all(item.message for item in result.diagnostics)


def test_a_spoilt_file_is_told_of_where_it_is_and_whoever_imports_it_is_silent_beside(tmp_path):
    draw = random.Random("imports")
    shutil.copytree(ROOT / "specs" / "std", tmp_path / "lib")
    main = tmp_path / "main.orch"
    main.write_text((ROOT / "specs" / "library.orch").read_text("utf-8").replace('"std/', '"lib/'), "utf-8")
    for _ in range(25):
        path = draw.choice(sorted((tmp_path / "lib").glob("*.orch")))
        text = path.read_text("utf-8")
        path.write_text(mutated(text, draw), "utf-8")
        compiled, alone = compile_file(main), compile_file(path)
        assert all(item.message for item in compiled.diagnostics)
        broken = any(item.code.id.startswith("E01") for item in alone.errors)
        assert not broken or {item.span.source.name for item in compiled.errors} == {str(path)}
        path.write_text(text, "utf-8")


PRELUDE = "orch 1\ncontract C(a: Text) -> Text\nagent x fulfills C\neffect e(a: Text) -> Text { key = a }\n"


def chain(count):
    steps = "".join(f"  step s{n} = C(s{n - 1}) by x\n" for n in range(1, count))
    return f"{PRELUDE}flow f(t: Text) -> Text {{\n  step s0 = C(t) by x\n{steps}  return s{count - 1}\n}}\n"


def backwards(count):
    steps = "".join(f"  step s{n} = C(s{n + 1}) by x\n" for n in range(count))
    return f"{PRELUDE}flow f(t: Text) -> Text {{\n{steps}  step s{count} = C(t) by x\n  return s0\n}}\n"


def circle(count):
    return backwards(count).replace(f"s{count} = C(t)", f"s{count} = C(s0)")


def barriers(count):
    body = "".join(f"  checkpoint c{n}\n  step s{n} = e(a: t)\n  fail t when t == s{n}\n" for n in range(count))
    return f"{PRELUDE}flow f(t: Text) -> Text {{\n{body}  return t\n}}\n"


def nested_types(count):
    types = "".join(f"type T{n} {{ next: T{n + 1} }}\n" for n in range(count))
    return f"orch 1\n{types}type T{count} {{ next: T0 }}\n"


def params(count):
    return (
        "orch 1\n" + "".join(f"param p{n}: Int = p{n + 1} + 1\n" for n in range(count)) + f"param p{count}: Int = 1\n"
    )


def calls(count):
    each = (
        f"flow f{n}(t: Text) -> Text {{ step a = f{n + 1}(t)  step b = f{n + 1}(a)  return b }}\n" for n in range(count)
    )
    last = f"flow f{count}(t: Text) -> Text {{ step a = C(t) by x  return a }}\n"
    top = "flow top(t: Text) -> Text { budget { cost <= $1  attempts <= 3 } step a = f0(t)  return a }\n"
    return PRELUDE.replace("fulfills C", "fulfills C { budget { cost <= $0.10 } }") + "".join(each) + last + top


def strangers(count):
    tools = "".join(f"agent agent_of_number_{n} fulfills C\n" for n in range(count))
    steps = "".join(f"  step s{n} = C(t) by agent_of_numbre_{n}\n" for n in range(count))
    return f"{PRELUDE}{tools}flow f(t: Text) -> Text {{\n{steps}  return t\n}}\n"


def crowd(count):
    agents = "".join(f"agent a{n} fulfills C\n" for n in range(count))
    steps = "".join(f"  step s{n} = C(t) by any {{ attempts = 2 }}\n" for n in range(count))
    return f"{PRELUDE}{agents}flow f(t: Text) -> Text {{\n{steps}  return t\n}}\n"


MAKERS = [chain, backwards, circle, barriers, nested_types, params, calls, strangers, crowd]


def test_too_many_pairs_of_step_and_agent_are_told_once():
    found = check(Source("crowd.orch", crowd(500))).diagnostics
    assert [item.code.id for item in found if item.severity == "error"] == ["E0414"]


@pytest.mark.parametrize("make", MAKERS, ids=lambda make: make.__name__)
def test_large_specs_take_time_in_proportion(make):
    check(Source("warm.orch", make(3)))
    started = time.perf_counter()
    result = check(Source("large.orch", make(3000)))
    assert result.checked is not None
    assert time.perf_counter() - started < 20, "it takes a second or two on a slow machine"
