"""Points in time among the inputs of a study: written as at the edge, unlike in a flow."""

import pytest

from orchspec.compiler import compile_text

TIMES = """orch 1
flow late(at: Time) -> Time { wait at  return at }
test "one" for late { given = { at: GIVEN }  expect result == result }
scenario "two" for late { runs = 1  given = { at: GIVEN } }
"""


def times(given):
    return compile_text(TIMES.replace("GIVEN", given), "late.orch")


def test_a_time_in_inputs_is_written_as_at_the_edge():
    plan = times('"1970-01-03T02:00:00.5+02:00"').plan
    assert plan.tests[0].given == {"at": "1970-01-03T00:00:00.500000Z"}
    assert plan.scenarios[0].given == {"at": ["fixed", 172_800_500_000]}


@pytest.mark.parametrize(
    "given", ["1970-13-03T00:00:00Z", "1970-01-03", "1970-01-03T00:00:00", "now", "0001-01-01T00:00:00+09:00"]
)
def test_what_is_no_time_is_told_how_one_is_written(given):
    first, second = times(f'"{given}"').errors
    assert (first.code.id, second.code.id) == ("E0301", "E0301")
    assert '"2026-01-31T09:30:00Z"' in first.notes[0]


def test_a_text_in_a_flow_is_no_time():
    assert compile_text('orch 1\nflow f() -> Int { wait "1970-01-03T00:00:00Z"  return 1 }', "f.orch").errors
