"""A `wait` for a Time of the input ends in tests, whatever time is made."""

from orchspec.compiler import compile_text
from orchspec.simulator.trial import run_test

SPEC = """orch 1
flow late(due: Time) -> Text {
  wait due
  return "done"
}
test "it ends" for late { expect status == completed and latency <= 7d }
"""


def test_a_wait_for_a_made_time_ends():
    plan = compile_text(SPEC, "late.orch").plan
    assert run_test(plan, plan.tests[0]).verdict == "passed"
