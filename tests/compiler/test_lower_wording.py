"""What reports quote of a spec is written in one way, whatever its layout, and means what the spec says."""

import pytest

from orchspec.compiler.lowering.wording import written
from orchspec.grammar.parser import parse
from orchspec.grammar.source import Source
from orchspec.grammar.syntax import shape


def expression(text):
    parsed = parse(Source("spec.orch", f'orch 1\ntest "t" for f {{ expect {text} }}'))
    assert parsed.ok, [each.message for each in parsed.diagnostics]
    return parsed.file.declarations[0].body[0].condition


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("p95( latency )<=8min", "p95(latency) <= 8min"),
        ("not(a or b)and c", "not (a or b) and c"),
        ("(a and b)or c", "a and b or c"),
        ("a and(b or c)", "a and (b or c)"),
        ("(1+2)*3 == x", "(1 + 2) * 3 == x"),
        ("1-(2-3) == x", "1 - (2 - 3) == x"),
        ("(1-2)-3 == x", "1 - 2 - 3 == x"),
        ("-(a+b) < 400k", "-(a + b) < 400k"),
        ("(a??b).c[ 0 ] in 1 .. 5", "(a ?? b).c[0] in 1..5"),
        ('x not in["a",\n"b"]', 'x not in ["a", "b"]'),
        ('f(a:1,30%:b) == {x:1 "y":2}', 'f(a: 1, 30%: b) == { x: 1, "y": 2 }'),
        ("(a == b) == true", "(a == b) == true"),
        ("{} == none", "{} == none"),
    ],
)
def test_an_expression_has_one_way_of_writing_that_means_the_same(text, canonical):
    tree = expression(text)
    assert written(tree) == canonical
    assert shape(expression(written(tree))) == shape(tree)
