import math
import random
import statistics

from orchspec.simulator.comparing import compare, difference, left_open
from orchspec.simulator.estimate import quantile_of, t_quantile


def left_out(values, of):
    return [of(values[:at] + values[at + 1 :]) for at in range(len(values))]


def mean_of(values):
    return math.fsum(values) / len(values)


def test_for_means_the_jackknife_is_the_paired_t_interval():
    rng = random.Random(5)
    one = [rng.gauss(10, 3) for _ in range(10)]
    other = [value - 1 + rng.gauss(0, 0.1) for value in one]
    found = difference((mean_of(one), mean_of(other)), (left_out(one, mean_of), left_out(other, mean_of)), 0.95)
    each = [a - b for a, b in zip(one, other, strict=True)]
    half = t_quantile(0.95, 9) * statistics.stdev(each) / math.sqrt(10)
    assert math.isclose(found.lo, mean_of(each) - half)
    assert math.isclose(found.hi, mean_of(each) + half)
    assert found.hi - found.lo < 0.3  # unpaired it would be some 6


def test_intervals_of_quantiles_hold_the_difference_as_often_as_they_say():
    rng = random.Random(1)
    held, looks = 0, 300
    truth = 2 * -math.log(0.1) - -math.log(0.1)

    def p90(groups):
        return quantile_of(sorted(value for group in groups for value in group), 0.9)

    for _ in range(looks):
        draws = [[rng.random() for _ in range(60)] for _ in range(10)]
        fast = [[-math.log(1 - u) for u in group] for group in draws]
        slow = [[2 * value for value in group] for group in fast]
        found = difference((p90(slow), p90(fast)), (left_out(slow, p90), left_out(fast, p90)), 0.95)
        held += found.lo <= truth <= found.hi
    assert held / looks >= 0.90


def test_what_is_infinite_has_no_interval():
    found = difference((math.inf, 1.0), ([math.inf, 2.0], [1.0, 1.0]), 0.95)
    assert math.isnan(found.lo)
    assert "not finite" in found.note


def test_nothing_is_better_than_itself():
    from orchspec.simulator.comparing import Contender
    from tests.support.studies import queue_spec, study

    made = study(queue_spec(3, "poisson(2 / 10s)", "exponential(mean: 10s)", duration="5min", warmup="1min"))
    lines = compare([Contender("a", {}, made), Contender("b", {}, made)])
    assert {pair.verdict for line in lines for pair in line.pairs} == {"same"}
    assert all(line.best == ["a", "b"] for line in lines)


def test_a_mean_that_nothing_bounds_from_above_leaves_that_end_of_its_difference_open():
    known = difference((5.0, 2.0), ([5.0, 5.1, 4.9], [2.0, 2.1, 2.0]), 0.95)
    one, other, both = left_open(known, "why", ""), left_open(known, "", "why"), left_open(known, "why", "why")
    assert (one.lo, one.hi, one.note) == (known.lo, math.inf, "why")
    assert (other.lo, other.hi) == (-math.inf, known.hi)
    assert (both.lo, both.hi, both.note) == (-math.inf, math.inf, "why")
    assert left_open(known, "", "") == known
    same = difference((5.0, 5.0), ([5.0, 5.1], [5.0, 5.1]), 0.95)
    assert left_open(same, "why", "why") == same


def test_a_window_that_was_given_up_decides_nothing():
    from orchspec.simulator.comparing import Contender
    from tests.support.studies import queue_spec, study

    def made(latency):
        return study(queue_spec(2, "poisson(1 / 10s)", latency, duration="5min", warmup="1min"), runs=1)

    quick, slow = made("fixed(1s)"), made("fixed(9s)")
    pairs = [Contender("quick", {}, quick), Contender("slow", {}, slow)]
    (mean, *_) = compare(pairs)
    assert mean.against("quick", "slow").verdict == "better"
    slow.replications[3].given_up = "40 runs under way do not end"
    (mean, *_) = compare(pairs)
    assert mean.against("quick", "slow").verdict == "undecided"
    assert "do not end" in mean.against("quick", "slow").difference.note


def test_what_has_no_variance_is_compared_as_it_is_simulated():
    from orchspec.simulator.compare_table import spanned
    from orchspec.simulator.comparing import Contender, comparison_json
    from tests.support.studies import queue_spec, study

    def made(latency):
        return study(queue_spec(1, "poisson(1 / 60s)", latency, duration="30min", warmup="1min"), runs=1)

    heavy, light = made("pareto(min: 6s, alpha: 2.5)"), made("fixed(1s)")
    contenders = [Contender("heavy", {}, heavy), Contender("light", {}, light), Contender("heavier", {}, heavy)]
    lines = {line.title: line for line in compare(contenders)}
    mean, median = lines["mean(latency)"], lines["p50(latency)"]
    above, below = mean.against("heavy", "light"), mean.against("light", "heavy")
    assert (above.difference.hi, above.verdict) == (math.inf, "worse")
    assert (below.difference.lo, below.verdict) == (-math.inf, "better")
    assert spanned(above.difference, "s").startswith("at least +")
    assert spanned(below.difference, "s").startswith("at most −")
    assert mean.against("heavy", "heavier").verdict == "same"
    assert math.isfinite(median.against("heavy", "light").difference.hi)
    told = comparison_json(contenders, list(lines.values()))
    pair = told["kpis"][0]["differences"][0]
    assert pair["interval"][1] is None
    assert "no variance" in pair["note"]
