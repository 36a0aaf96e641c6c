import itertools
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchspec.simulator.least import contradictions, find_least

SIZES = st.lists(st.integers(1, 9), min_size=1, max_size=3)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_the_lightest_that_passes_is_found_whatever_is_needed_and_wherever_it_begins(data):
    sizes = data.draw(SIZES)
    need = [data.draw(st.integers(-1, size)) for size in sizes]
    together = data.draw(st.integers(0, sum(sizes)))
    weights = [data.draw(st.integers(1, 3)) for _ in sizes]
    first = data.draw(st.none() | st.integers(-1, 10))

    def passes(point):
        return all(a >= b for a, b in zip(point, need, strict=True)) and sum(point) >= together

    def weight(point):
        return math.fsum(a * b for a, b in zip(point, weights, strict=True))

    found = find_least(sizes, weight, lambda point: "passed" if passes(point) else "failed", lambda _: first)
    grid = [point for point in itertools.product(*map(range, sizes)) if passes(point)]
    if grid:
        assert passes(found)
        assert weight(found) == min(map(weight, grid))
    else:
        assert found is None


def trials_of(sizes, passes, guess=lambda _: None):
    tried = []

    def trial(point):
        if point not in tried:
            tried.append(point)
        return passes(point)

    return find_least(sizes, sum, trial, guess), tried


def test_one_axis_is_bisected_and_the_least_is_not_tried_where_something_else_tells():
    found, tried = trials_of([40], lambda point: "passed" if point[0] >= 6 else "failed", lambda _: 5)
    assert found == (6,)
    assert len(tried) <= 4
    assert (0,) not in tried


def test_two_axes_that_do_not_make_up_for_each_other_take_two_bisections_and_one_trial():
    found, tried = trials_of([64, 64], lambda point: "passed" if point[0] >= 9 and point[1] >= 33 else "failed")
    assert found == (9, 33)
    assert len(tried) <= 1 + 6 + 6 + 1


def test_what_is_undecided_is_no_answer():
    outcomes = {0: "failed", 1: "undecided", 2: "passed", 3: "passed"}
    assert trials_of([4], lambda point: outcomes[point[0]])[0] == (2,)


@pytest.mark.parametrize("good", [{0}, {3}, {0, 1, 2}])
def test_where_the_most_is_too_much_less_is_looked_at(good):
    found, _ = trials_of([8], lambda point: "passed" if point[0] in good else "failed")
    assert found == (min(good),)


def test_less_that_passes_where_more_fails_is_a_contradiction():
    trials = {(1,): "passed", (2,): "undecided", (3,): "failed", (0,): "failed"}
    assert list(contradictions(trials)) == [((1,), (3,))]
