"""Hostile texts end soon, in little memory, with diagnostics and without a traceback."""

import subprocess
import sys
import time
from pathlib import Path

import pytest

from orchspec.grammar.parser import parse
from orchspec.grammar.render import render_all
from orchspec.grammar.source import Source

FLOW = "orch 1\nflow f(a: Int) -> Int { return "
HOSTILE = {
    "braces": "{" * 10_000,
    "parentheses": FLOW + "(" * 900_000,
    "closing braces": "}" * 900_000,
    "not": FLOW + "not " * 200_000,
    "minus": FLOW + "-" * 900_000,
    "sums": FLOW + "a+" * 400_000 + "a }",
    "members": FLOW + "a" + ".a" * 400_000 + " }",
    "optionals": "orch 1 type T { a: T" + "?" * 900_000 + " }",
    "nested types": "orch 1 type T { a: " + "List<" * 150_000,
    "quotes": '"' * 900_000,
    "escaped quotes": 'orch 1 test "' + '\\"' * 450_000,
    "single quotes": "'\\" * 450_000,
    "open comments": "/*\n" * 300_000,
    "strange characters": "@ " * 450_000,
    "names": "a " * 450_000,
    "equals": "a = " * 220_000,
    "underscores": "1_" * 450_000,
    "digits": "orch 1 tool t { a = " + "9" * 900_000 + " }",
    "spaces": "a" + " " * 900_000 + ":",
    "braces in strings": ('"' + "}" * 2_000 + "x\n") * 400,
    "arms": "orch 1 flow f() { route r on x { " + "case a when b ->" * 50_000,
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_text_ends_soon(name: str) -> None:
    started = time.process_time()  # its own time: the tests beside it are no fault of the parser
    result = parse(Source("a.orch", HOSTILE[name]))
    rendered = render_all(result.diagnostics)
    assert result.diagnostics
    assert len(rendered) < 200_000
    assert time.process_time() - started < 10


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs the peak of a process of its own")
def test_no_hostile_text_takes_more_than_500_mb() -> None:
    # VmHWM is the peak of the memory that this very program mapped; `ru_maxrss` would be that of the test runner too.
    script = (
        "from pathlib import Path; from tests.grammar.test_bounds import HOSTILE;"
        "from orchspec.grammar.parser import parse; from orchspec.grammar.source import Source;"
        "from collections import deque; deque((parse(Source('a', text)) for text in HOSTILE.values()), 0);"
        "peak = next(line for line in Path('/proc/self/status').read_text().splitlines() if line.startswith('VmHWM'));"
        "print(int(peak.split()[1]) // 1024)"
    )
    root = Path(__file__).resolve().parents[2]
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=root)
    assert int(done.stdout) < 500


@pytest.mark.parametrize(("depth", "fits"), [(60, True), (70, False)])
def test_nesting_is_capped_with_a_diagnostic(depth: int, fits: bool) -> None:
    result = parse(Source("a.orch", FLOW + "(" * depth + "a" + ")" * depth + " }"))
    assert result.ok == fits
    assert (result.file is not None) == fits
    if not fits:
        assert [item.code.id for item in result.diagnostics] == ["E0019"]


@pytest.mark.parametrize(("terms", "fits"), [(100, True), (200, False)])
def test_chains_of_operators_are_capped_so_that_later_passes_may_recurse(terms: int, fits: bool) -> None:
    assert parse(Source("a.orch", FLOW + " + ".join("a" * terms) + " }")).ok == fits


def test_a_text_of_more_than_a_megabyte_is_refused_unread() -> None:
    (found,) = parse(Source("a.orch", "é" * 600_000)).diagnostics
    assert found.code.id == "E0018"
    assert "1200000 bytes" in found.message
