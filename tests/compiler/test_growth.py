"""What a check does grows with the text and not with its square: calls are counted, so no clock decides."""

import sys

import pytest

from orchspec.compiler.check import check
from orchspec.compiler.lower import lower
from orchspec.grammar.format import format_source
from orchspec.grammar.source import Source
from tests.compiler import test_untrusted as shapes
from tests.support.large import large_spec

TIMES = 4
SLACK = 1.25


def calls(function, *arguments):
    """How many functions, Python's and C's, a call calls."""
    count = 0

    def profile(_frame, event, _argument):
        nonlocal count
        count += event in {"call", "c_call"}

    before = sys.getprofile()
    sys.setprofile(profile)
    try:
        function(*arguments)
    finally:
        sys.setprofile(before)
    return count


def compiled(text):
    result = check(Source("grown.orch", text))
    if result.ok:
        lower(result.checked, result.studies)


def grows_in_proportion(work, make, small):
    one, other = make(small), make(small * TIMES)
    work(one)  # what is learnt once is no growth
    growth = len(other) / len(one)
    assert calls(work, other) <= growth * SLACK * calls(work, one)


def test_checking_and_lowering_grow_with_the_length_of_a_spec():
    grows_in_proportion(compiled, large_spec, 3)


def test_formatting_grows_with_the_length_of_a_spec():
    grows_in_proportion(lambda text: format_source(Source("grown.orch", text)), large_spec, 1)


# Pairs of steps and agents, and comparisons of names, are capped: their number may grow with the square before.
LINEAR = [make for make in shapes.MAKERS if make not in {shapes.crowd, shapes.strangers}]


@pytest.mark.parametrize("make", LINEAR, ids=lambda make: make.__name__)
def test_checking_grows_with_the_length_of_odd_specs(make):
    grows_in_proportion(compiled, make, 60)


def test_the_large_specs_that_are_measured_are_sound():
    assert check(Source("large.orch", large_spec(2))).ok
