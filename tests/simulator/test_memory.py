"""What a long simulation keeps of what is over."""

from __future__ import annotations

import gc
import subprocess
import sys
from pathlib import Path

import pytest

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


@pytest.mark.soak
def test_each_further_run_is_kept_in_a_few_hundred_bytes():
    """Latencies are needed to the end, for quantiles; journals, kernels, timers and what pools said are not."""
    bench = Path(__file__).resolve().parents[2] / "bench" / "simulator.py"

    def megabytes(runs: int) -> int:
        told = subprocess.run(
            [sys.executable, bench, "--memory", str(runs)], check=True, capture_output=True, text=True
        )
        return int(told.stdout.split("runs: ")[1].split(" MB")[0].replace(",", ""))

    assert (megabytes(60_000) - megabytes(10_000)) * 1_000_000 / 50_000 < 480
