"""What a model lets through is what goes through: the ceiling that mathematics says, named by its limit."""

import pytest

from orchspec.simulator.findings import bottleneck_of, bottleneck_words
from orchspec.simulator.laws import check_laws
from tests.support.studies import study


def spec(limits, arrivals, *, more="", latency="exponential(mean: 8s)", duration="40min"):
    """Two agents on one model: a run reads 3k tokens on the average, and writes 2k (5k in two attempts)."""
    return f"""orch 1
contract Read(page: Text) -> Text
contract Write(notes: Text) -> Text
model large {{ context = 200k  {limits} }}
agent reader fulfills Read {{ models = [large]  slots = 40  budget {{ tokens <= 9k }} }}
agent writer fulfills Write {{ models = [large]  slots = 40  budget {{ tokens <= 20k }} }}
flow f(page: Text) -> Text {{
  step notes = Read(page) by reader
  step text = Write(notes) by writer
  return text
}}
profile reader {{ latency = {latency}  tokens_in = uniform(2k, 4k)  tokens_out = fixed(0) }}
profile writer {{ latency = {latency}  tokens_in = fixed(0)  tokens_out = exponential(mean: 2k) }}
scenario "load" for f {{ arrivals = {arrivals}  duration = {duration}  warmup = 10min  {more} }}
"""


def holds_the_laws(measured):
    return [check for check in check_laws(measured.measures) if check.ok is not True] == []


def test_more_than_the_tokens_allow_does_not_go_through_and_no_less():
    measured = study(spec("token_rate = 100k / 1min", "closed(users: 30, think: 1s)"), seed=3)
    seen = measured.measures.estimate("throughput")
    assert seen.lo <= 100_000 / 5_000 / 60 <= seen.hi
    assert seen.hi - seen.lo < 0.06 * seen.value
    assert measured.measures.estimate("utilization", None, "large.token_rate").value > 0.99
    assert holds_the_laws(measured)
    assert bottleneck_of(measured.document).name == "large.token_rate"
    assert "of its 100k / 1min is used" in bottleneck_words(measured.document)


def test_more_requests_than_the_rate_allows_do_not_go_through():
    measured = study(spec("rate = 24 / 1min  token_rate = 1M / 1min", "closed(users: 30, think: 1s)"), seed=3)
    seen = measured.measures.estimate("throughput")
    assert seen.lo <= 12 / 60 <= seen.hi
    assert bottleneck_of(measured.document).name == "large.rate"


def test_below_the_limit_as_much_is_used_as_the_load_takes_and_all_of_it_goes_through():
    measured = study(spec("token_rate = 100k / 1min", "poisson(10 / 1min)"), seed=3)
    used = measured.measures.estimate("utilization", None, "large.token_rate")
    assert used.lo <= 0.5 <= used.hi
    assert measured.measures.estimate("completion").value == 1.0
    assert holds_the_laws(measured)


def test_a_limit_that_is_never_reached_changes_no_run():
    free, limited = (
        study(spec(limits, "poisson(10 / 1min)", duration="30min"), seed=3)
        for limits in ("", "rate = 100k / 1min  token_rate = 1000M / 1min")
    )
    kpis = [measured.document["kpis"] for measured in (free, limited)]
    assert kpis[0] == kpis[1]
    assert set(limited.document["resources"]) - set(free.document["resources"]) == {"large.rate", "large.token_rate"}


@pytest.mark.slow
def test_crashes_let_no_more_through():
    crash = "fault crash(orchestrator, every: 15min, down: 1min)"
    measured = study(spec("token_rate = 100k / 1min", "closed(users: 30, think: 1s)", more=crash), seed=5, runs=100)
    # A minute in fifteen is lost with what had gathered in the bucket, and what is sent again is used twice.
    assert 0.85 * 20 / 60 < measured.measures.estimate("throughput").value < 14 / 15 * 20 / 60
    assert holds_the_laws(measured)


def test_what_is_kept_of_a_limit_is_read_again_as_it_was(tmp_path):
    from orchspec.simulator.kept import Kept
    from orchspec.simulator.workers import Workers

    documents = []
    for _ in range(2):
        with Workers(1, Kept(str(tmp_path / "done"), "1")) as workers:
            text = spec("token_rate = 100k / 1min", "poisson(5 / 1min)", duration="20min").replace("10min", "1min")
            documents.append(study(text, seed=2, workers=workers).document)
    assert documents[0] == documents[1]
    assert documents[1]["pools"]["large.token_rate"]["limit"] == "100k / 1min"
