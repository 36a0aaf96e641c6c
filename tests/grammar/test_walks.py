"""The ways to go over a tree leave out nothing that they promise."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from orchspec.grammar import syntax as s
from orchspec.grammar.parser import parse
from orchspec.grammar.source import Source

ROOT = Path(__file__).parents[2]
SPECS = sorted({*ROOT.glob("specs/**/*.orch"), *ROOT.glob("tests/**/*.orch")})


def everything_below(node: s.Node) -> Iterator[s.Node]:
    """All nodes by looking into every field, whatever its annotation says."""
    yield node
    for name in type(node).__dataclass_fields__:  # type: ignore[attr-defined]
        value = getattr(node, name)
        for item in value if isinstance(value, tuple) else (value,):
            if isinstance(item, s.Node):
                yield from everything_below(item)


@pytest.mark.parametrize("path", SPECS, ids=lambda path: path.stem)
def test_a_walk_meets_every_node_once_in_order(path: Path) -> None:
    file = parse(Source(path.name, path.read_text(encoding="utf-8"))).file
    assert file is not None
    everything = list(everything_below(file))
    assert list(s.walk(file)) == everything
    statements = (*s.Statement.__args__, s.State, s.Arm, s.Block, *s.Declaration.__args__, *s.TestItem.__args__)
    inner = (s.Attribute, s.Budget)  # also stand in settings, which are left aside
    wanted = [node for node in everything if isinstance(node, statements) and not isinstance(node, inner)]
    assert [
        node for node in s.statements_in(file) if isinstance(node, statements) and not isinstance(node, inner)
    ] == wanted
