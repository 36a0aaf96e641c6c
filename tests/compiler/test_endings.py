"""What stands below a statement that fails in every run is never reached."""

import pytest

from orchspec.compiler.check import check
from orchspec.grammar.source import Source

_FAILING = """orch 1
contract Draft(topic: Text) -> Text
agent ann fulfills Draft { timeout = 5s }
flow refused(topic: Text) -> Text { fail "no" }
flow f(topic: Text) -> Text {
  step draft = Draft(topic) by ann
  STATEMENT
  return draft
}
"""


@pytest.mark.parametrize(
    ("statement", "lines"),
    [
        ('route r { when draft == "" -> fail "empty"  else -> fail "full" }', [8]),
        ('route r { when draft == "" -> fail "empty"  else -> refused(draft) }', [8]),
        ('scope s { scope t { fail "never" } }', [8]),
        ("step other = refused(draft)", [8]),
        ("step other = refused(draft) { on_failure = skip }", []),
        ('route r { when draft == "" -> fail "empty"  else -> { } }', []),
        ('scope s for t in [draft] { need = 0%  fail "never" }', []),
        ('scope s { route r { when draft == "" -> fail "empty"  else -> fail "full" } give 1 }', [7]),
    ],
)
def test_a_value_below_what_fails_in_every_run_is_never_given(statement, lines):
    found = check(Source("sample.orch", _FAILING.replace("STATEMENT", statement))).diagnostics
    assert [item.span.line for item in found if item.code.id == "E0506"] == lines
