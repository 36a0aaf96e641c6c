"""The closed loop: what was simulated or run with known profiles is calibrated from its journals, and found again."""

from __future__ import annotations

import json
from collections import Counter

import pytest

import orchspec
from orchspec.calibration import calibrate_sources, calibrated
from orchspec.calibration.evidence import Gathered
from orchspec.calibration.journals import JournalReader
from orchspec.compiler import compile_file, compile_text
from orchspec.grammar.source import Source
from orchspec.runtime.journal import SQLiteStore
from orchspec.runtime.journal.records import public_record
from orchspec.simulator.estimate import quantile_of
from orchspec.simulator.replicate import Stage
from tests.support.studies import SPECS, plan_of

SPEC = """orch 1
contract Answer(question: Text) -> Text
tool web { slots = 40 }
agent clerk fulfills Answer { slots = 50  timeout = 20s  attempts = 3  tools = [web] }
human boss fulfills Answer { timeout = 60s  slots = 100 }
effect mail(answer: Text) { key = answer  timeout = 10s }
flow desk(question: Text) -> Text {
  step answer = Answer(question) by clerk
  step said   = Answer(question: answer) by boss { on_failure = use("x") }
  step sent   = mail(answer: answer)
  return said
}
profile clerk {
  latency   = lognormal(p50: 4s, p95: 15s)
  tokens_in = normal(400, 50)  tokens_out = lognormal(p50: 60, p95: 150)
  cost      = gamma(shape: 3, scale: $0.01)
  failure   = 10%  garbage = 5%
  calls     = { web: uniform(0, 3) }
}
profile boss { latency = exponential(mean: 20s)  never = 10% }
profile mail { latency = uniform(100ms, 300ms)  failure = 2% }
scenario "a rush" for desk { arrivals = poisson(1 / 1s)  duration = 12min }
"""


def from_journals(plan, scenario, seed):
    gathered = Gathered()
    reader = JournalReader(gathered)
    for run, records in Stage(plan, scenario, seed, SPECS, 10).journals(0).items():
        for record in records:
            reader.take(run, record.time_us, record.type, record.body)
    reader.close()
    return gathered


@pytest.fixture(scope="module")
def simulated():
    plan = plan_of(SPEC)
    gathered = from_journals(plan, plan.scenarios[0], 3)
    return calibrated(gathered, ["simulated"], plan=plan)


def test_what_was_simulated_is_found_again_within_its_intervals(simulated):
    found = {profile.target: profile for profile in simulated.profiles}
    fits = {(name, fit.attribute): fit.fitted for name, profile in found.items() for fit in profile.fits}
    truth = {
        ("clerk", "latency"): ("lognormal", [4.0, 15.0]),
        ("clerk", "tokens_in"): ("normal", [400.0, 50.0]),
        ("clerk", "tokens_out"): ("lognormal", [60.0, 150.0]),
        ("clerk", "cost"): ("gamma", [3.0, 0.01]),
        ("boss", "latency"): ("exponential", [20.0]),
        ("mail", "latency"): ("uniform", [0.1, 0.3]),
    }
    for key, (family, parameters) in truth.items():
        assert fits[key].family == family, key
        for value, (_, lo, hi) in zip(parameters, fits[key].parameters.values(), strict=True):
            # Times are whole microseconds and tokens whole, which an end of a support feels.
            assert lo - 2e-6 <= value <= hi + 2e-6, key
    assert fits["clerk", "calls"].dist == ["uniform", 0, 3]
    shares = {(name, share): each for name, profile in found.items() for share, each in profile.shares.items()}
    for key, value in {
        ("clerk", "failure"): 0.1,
        ("clerk", "garbage"): 0.05,
        ("boss", "never"): 0.1,
        ("mail", "failure"): 0.02,
    }.items():
        assert shares[key].lo <= value <= shares[key].hi, key


def test_the_profiles_check_clean_in_their_spec_and_keep_what_else_it_says(simulated):
    spec = SPEC.replace("profile boss {", '// who decides\nprofile boss { output = "yes" // always\n ')
    text = simulated.put_into(Source("desk.orch", spec))
    assert "// who decides" in text
    assert "// always" in text
    assert 'output = "yes"' in text
    compiled = compile_text(text, "desk.orch")
    assert compiled.plan is not None
    assert not compiled.diagnostics
    assert compiled.plan.profiles["clerk"].latency[0] == "lognormal"
    assert compiled.plan.profiles["boss"].never == pytest.approx(0.1, abs=0.04)
    # What is put in twice is there once.
    assert simulated.put_into(Source("desk.orch", text)) == text
    without = "".join(line for line in SPEC.splitlines(keepends=True) if not line.startswith("profile mail"))
    assert "profile mail {" in simulated.put_into(Source("desk.orch", without))


def test_alone_they_are_a_spec_of_profiles(simulated, tmp_path):
    path = tmp_path / "measured.orch"
    path.write_text(simulated.text)
    compiled = compile_file(path)
    assert {each.code.slug for each in compiled.diagnostics} <= {"profile-elsewhere"}
    assert not compiled.errors


def test_crashes_and_restarts_leave_no_time_that_nobody_worked():
    plan = plan_of(
        SPEC.replace("duration = 12min", "duration = 6min  fault crash(orchestrator, every: 1min, down: 20s)")
    )
    gathered = from_journals(plan, plan.scenarios[0], 3)
    clerk = gathered.targets["clerk"]
    assert clerk.restarted > 20
    assert max(clerk.latency_s) <= 20.0
    fitted = calibrated(gathered, plan=plan).profiles[1].fits[0].fitted
    assert fitted.parameters["p50"][1] <= 4.0 <= fitted.parameters["p50"][2]


# ------------------------------------------------------------------ a real run

FAN = """orch 1
contract Answer(question: Text) -> Text
agent clerk fulfills Answer { slots = 150  timeout = 5min  attempts = 3 }
flow desk(question: Text) -> Int {
  step answers = Answer(question) by 150 of clerk
  return len(answers)
}
profile clerk { latency = lognormal(p50: 6s, p95: 21s)  tokens_out = lognormal(p50: 60, p95: 150)  failure = 5% }
scenario "alone" for desk { runs = 10 }
"""


@pytest.fixture(scope="module")
def real(tmp_path_factory):
    """A run of 150 tasks with stand-ins, in a store of its own."""
    path = tmp_path_factory.mktemp("real") / "runs.db"
    compiled = compile_text(FAN, "fan.orch")
    result = orchspec.App(compiled.plan).run_sync(
        "desk", {"question": "q"}, stand_ins=True, speed=60, seed=5, store=str(path), run_id="r"
    )
    assert result.status == "completed", result.error
    return path


def test_the_latencies_of_a_real_run_come_back_out_of_a_simulation(real):
    measured = calibrate_sources([real])
    clerk = measured.profiles[0]
    taken = clerk.fits[0].fitted.sample.values.tolist()
    assert len(taken) >= 140
    again = plan_of(measured.put_into(Source("fan.orch", FAN)))
    played = sorted(from_journals(again, again.scenarios[0], 7).targets["clerk"].latency_s)
    assert len(played) > 1_000
    for share in (0.25, 0.5, 0.75, 0.9):
        assert quantile_of(played, share) == pytest.approx(quantile_of(taken, share), rel=0.2)
    assert clerk.fits[1].fitted.parameters["p50"][1] <= 60.0 <= clerk.fits[1].fitted.parameters["p50"][2]


def test_a_store_its_records_and_its_steps_say_the_same(real, tmp_path):
    store = SQLiteStore(real, create=False)
    records = [public_record(record) for record in store.records("r")]
    store.close()
    lines, doubled = tmp_path / "r.jsonl", tmp_path / "two.jsonl"
    lines.write_text("".join(json.dumps(record) + "\n" for record in records))
    doubled.write_text(lines.read_text() * 2)
    first, second = calibrate_sources([real]), calibrate_sources([lines])
    assert first.document()["profiles"] == second.document()["profiles"]
    twice = calibrate_sources([doubled])
    assert (twice.runs, twice.profiles[0].tries) == (2, 2 * first.profiles[0].tries)
    from orchspec.runtime.steplog import steps_of

    steps = tmp_path / "steps.jsonl"
    made = list(steps_of(compile_text(FAN, "fan.orch").plan, "r", SQLiteStore(real, create=False).records("r")))
    steps.write_text("".join(json.dumps(step.as_json()) + "\n" for step in made))
    third = calibrate_sources([steps])
    assert Counter(step.status for step in made)["failed"] == third.profiles[0].shares["failure"].events
    one, other = (each.profiles[0].fits[0].fitted.sample.values.tolist() for each in (first, third))
    assert one == pytest.approx(other, abs=1e-3)


def test_the_python_interface_gives_the_document(real):
    document = orchspec.calibrate(real)
    assert document["profiles"]["clerk"]["attributes"]["latency"]["unit"] == "s"
    assert document["text"].startswith("orch 1\n")
    assert json.loads(json.dumps(document, allow_nan=False)) == document
