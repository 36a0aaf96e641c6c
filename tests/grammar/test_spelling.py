"""Did-you-mean."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchspec.grammar.spelling import distance, nearest

words = st.text("abcde", max_size=8)


@pytest.mark.parametrize(
    ("word", "candidates", "meant"),
    [
        ("stpe", ["state", "step"], "step"),
        ("retrun", ["return", "repeat"], "return"),
        ("Contarct", ["contract", "control"], "contract"),
        ("x", ["y"], None),
        ("flow", ["agent"], None),
        ("step", ["step"], None),
        ("", ["a"], None),
        ("a" * 100, ["a" * 99], None),
    ],
)
def test_the_nearest_word_within_a_slip_is_meant(word: str, candidates: list[str], meant: str | None) -> None:
    assert nearest(word, candidates) == meant


def test_the_answer_does_not_depend_on_the_order_of_candidates() -> None:
    assert nearest("bat", ["cat", "hat"]) == nearest("bat", ["hat", "cat"]) == "cat"


@given(words, words)
def test_distance_is_symmetric_and_zero_only_between_equals(left: str, right: str) -> None:
    assert distance(left, right, 20) == distance(right, left, 20)
    assert (distance(left, right, 20) == 0) == (left == right)
    assert distance(left, right, 20) <= max(len(left), len(right))
