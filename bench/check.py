"""How long `orch check` takes: beside lark's bare parse of the same text, and as a whole process.

Lark's is its LALR parser with the faster of its lexers and callbacks that make nothing; ours is tokens, tree, all
checks and studies. Both read the same large spec in this process, in turns. `--profile` shows where the time goes.
"""

from __future__ import annotations

import cProfile
import pstats
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from lark import Lark

from orchspec.compiler.check import check
from orchspec.grammar.source import Source
from orchspec.grammar.tables import grammar_text
from tests.support.large import large_spec

ROOT = Path(__file__).resolve().parents[1]
DEPARTMENTS = 78  # about 10,000 lines
ROUNDS = 5
SMALL = ROOT / "specs" / "tickets.orch"


def bare_lark(lexer: Any) -> Callable[[str], object]:
    """Lark's parser without what makes trees."""
    lark = Lark(grammar_text(), parser="lalr", lexer=lexer, maybe_placeholders=False)
    callbacks = lark.parser.parser.parser.callbacks  # type: ignore[attr-defined]
    for rule in callbacks:
        callbacks[rule] = lambda _children: None
    return lark.parse


def our_check(text: str) -> None:
    """All that `orch check` does with a text."""
    result = check(Source("large.orch", text))
    assert result.ok, result.diagnostics[0].message


def seconds(function: Callable[[str], object], text: str) -> float:
    """Processor time of one call."""
    begin = time.process_time()
    function(text)
    return time.process_time() - begin


def process(path: Path) -> float:
    """Wall time of `orch check`, interpreter and imports included."""
    begin = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", "from orchspec.cli import main; main()", "check", str(path)],
        capture_output=True,
        cwd=ROOT,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()
    return time.perf_counter() - begin


def main() -> None:
    """Print the ratio, lines a second, and whole processes; or a profile."""
    text = large_spec(DEPARTMENTS)
    lines = text.count("\n")
    our_check(large_spec(1))
    if "--profile" in sys.argv:
        profile = cProfile.Profile()
        profile.runcall(our_check, text)
        pstats.Stats(profile).sort_stats("tottime").print_stats(40)
        return
    larks = [bare_lark("basic"), bare_lark("contextual")]
    best = [float("inf")] * 3
    for _ in range(ROUNDS):
        best = [min(*pair) for pair in zip(best, (seconds(each, text) for each in (our_check, *larks)), strict=True)]
    ours, lark = best[0], min(best[1:])
    print(f"check / lark's bare parse: {ours / lark:.2f}  ({ours:.3f} s / {lark:.3f} s, {lines} lines)")
    print(f"check: {lines / ours:,.0f} lines a second")
    with tempfile.TemporaryDirectory() as folder:
        large = Path(folder) / "large.orch"
        large.write_text(text, encoding="utf-8")
        for what, path in (("small", SMALL), ("large", large)):
            count = path.read_text(encoding="utf-8").count("\n")
            print(f"orch check, whole process, {what} ({count} lines): {min(process(path) for _ in range(4)):.3f} s")


if __name__ == "__main__":
    main()
