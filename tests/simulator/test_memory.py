"""What a long simulation keeps of what is over."""

from __future__ import annotations

import gc

from orchspec.compiler import compile_text
from orchspec.runtime.kernel.kernel import Kernel
from orchspec.simulator.replicate import Stage

SPEC = """
orch 1
contract Work(size: Int) -> Int
agent hand fulfills Work { slots = 60  attempts = 4  timeout = 1h }
flow two(size: Int) -> Int {
  step s0 = Work(size) by 3 of hand
  step s1 = Work(len(s0)) by 3 of hand
  return len(s1)
}
profile hand { latency = exponential(mean: 2s)  failure = 5% }
scenario "load" for two { arrivals = poisson(30 / 1min)  duration = 10min }
"""


def test_a_run_that_ended_is_freed_without_a_search_for_garbage():
    made = compile_text(SPEC, "memory.orch")
    assert made.plan is not None
    stage = Stage(made.plan, made.plan.scenarios[0], 1, None, 10)
    stage.replicate(1)
    gc.collect()
    enabled = gc.isenabled()
    gc.disable()
    try:
        before = sum(isinstance(each, Kernel) for each in gc.get_objects())
        runs = stage.replicate(1).disturbed.runs
        after = sum(isinstance(each, Kernel) for each in gc.get_objects())
    finally:
        if enabled:
            gc.enable()
    assert len(runs) > 200
    assert after - before < 20  # those under way when the replication was over
