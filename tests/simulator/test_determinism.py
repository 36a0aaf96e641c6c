"""Whether two simulations are the same, and what is told where they are not."""

from __future__ import annotations

import copy

from orchspec.simulator.determinism import first_difference
from tests.support.studies import queue_spec, study

SPEC = queue_spec(2, "poisson(1 / 10s)", "exponential(mean: 10s)", duration="5min", warmup="0s")


def test_the_first_difference_is_told_by_replication_run_and_field():
    one, other = study(SPEC, runs=10), study(SPEC, runs=10)
    assert first_difference(one, other) is None
    for told, change in (
        ("replication 2, run 1 ", lambda it: setattr(it.replications[2].runs[1], "ended_s", 1.5)),
        ("replication 1, pool clerk, busy", lambda it: it.replications[1].pools[0].busy.add(3.0)),
        ("replication 0, halted", lambda it: it.replications[0].halted.append("r0")),
        ("kpis.latency.mean.value: ", lambda it: it.document["kpis"]["latency"]["mean"].update(value=0.5)),
    ):
        changed = copy.deepcopy(one)
        change(changed)
        found = first_difference(one, changed)
        assert found is not None
        assert found.startswith(told), found


def test_other_seeds_differ_at_once():
    found = first_difference(study(SPEC, runs=10), study(SPEC, runs=10, seed=2))
    assert found is not None
    assert found.startswith("replication 0, ")
