import math
import random
import statistics

from orchspec.simulator.comparing import compare, difference
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
