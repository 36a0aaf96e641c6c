"""Journals that were kept fold as they did when they were written: whoever upgrades Orch finds their runs again.

`journals/` holds the plan and the records of runs of the gallery, an engine's crash in each. If one does not fold any
more, runs of users would not either. Then either mend the kernel, or say so: raise `KERNEL_VERSION`, so that a run of
before is refused by name (`replay_mismatch`), note it in the changelog, and write them anew:

    ORCH_GOLDEN=write pytest tests/runtime/test_kept_journals.py
"""

import json
import os
from pathlib import Path

import pytest

from orchspec.compiler import compile_file
from orchspec.compiler.plan import Fault, plan_from_json
from orchspec.runtime.errors import ReplayMismatch
from orchspec.runtime.journal.records import Record
from orchspec.runtime.kernel.kernel import KERNEL_VERSION
from orchspec.runtime.recording import EventRecord, Folding, fold
from orchspec.simulator.chaos.chronicle import Chronicler

KEPT = Path(__file__).with_name("journals")
SPECS = Path(__file__).resolve().parents[2] / "specs"
NAMES = ("debate", "hedged", "letter", "map", "refund", "refunding", "research", "subscription", "support")
CRASHES = [Fault(0, "crash", "orchestrator", {"at": at_us, "down": 1_000_000}) for at_us in (500_000, 5_000_000)]


def written(name):
    """The document of a run of a spec: its plan and its records."""
    plan = compile_file(SPECS / f"{name}.orch").plan
    flow = next(iter(plan.flows))
    given = next((scenario.given for scenario in plan.scenarios if scenario.flow == flow), {})
    told = Chronicler(plan, flow, folder=SPECS, seed=5, given=given).chronicle(CRASHES)
    (run,) = told.runs.values()
    records = [[record.seq, record.time_us, record.type, record.body] for record in run.records]
    return {
        "kernel": KERNEL_VERSION,
        "plan": json.loads(told.plan.sealed().as_json()),
        "run": run.run,
        "records": records,
    }


def kept(name):
    path = KEPT / f"{name}.json"
    if os.environ.get("ORCH_GOLDEN") == "write":
        path.write_text(json.dumps(written(name), separators=(",", ":"), sort_keys=True) + "\n", "utf-8")
    return json.loads(path.read_text("utf-8"))


def folded(document):
    plan = plan_from_json(json.dumps(document["plan"]))
    records = [Record(document["run"], *record) for record in document["records"]]
    return fold(plan, document["run"], records)


@pytest.mark.parametrize("name", NAMES)
def test_a_journal_that_was_kept_folds_as_it_did(name):
    document = kept(name)
    assert document["kernel"] == KERNEL_VERSION, "write them anew: ORCH_GOLDEN=write"
    assert any(record[2] == "EngineRecovered" for record in document["records"])
    state = folded(document)
    assert (state.seq, state.kernel.status is None) == (len(document["records"]), False)


def test_another_decision_is_seen():
    document = kept("refund")
    decided = next(record for record in document["records"] if record[3].get("decided"))
    decided[3]["decided"] = []
    with pytest.raises(ReplayMismatch, match=f"record {decided[0]} "):
        folded(document)


@pytest.mark.parametrize("name", NAMES)
def test_a_record_is_spelled_as_an_encoder_would(name):
    document = kept(name)
    records = [Record(document["run"], *record) for record in document["records"]]
    folding = Folding(plan_from_json(json.dumps(document["plan"])), document["run"], records)
    for record in records:
        event = folding.event(record)
        again = EventRecord(document["run"], record.seq, event, folding.kernel, folding.step(record, event))
        again.decided = folding.kernel.decided
        assert again.text() == json.dumps(again.body, separators=(",", ":")), record.seq
        assert json.loads(again.text()) == record.body, record.seq
