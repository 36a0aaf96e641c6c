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


def by_the_book(left: str, right: str) -> int:
    """The same distance from its definition, over all prefixes."""
    table = {(i, 0): i for i in range(len(left) + 1)} | {(0, j): j for j in range(len(right) + 1)}
    for i, a in enumerate(left, start=1):
        for j, b in enumerate(right, start=1):
            table[i, j] = min(table[i - 1, j] + 1, table[i, j - 1] + 1, table[i - 1, j - 1] + (a != b))
            if i > 1 and j > 1 and a == right[j - 2] and left[i - 2] == b:
                table[i, j] = min(table[i, j], table[i - 2, j - 2] + 1)
    return table[len(left), len(right)]


@given(words, words, st.integers(0, 4))
def test_the_distance_is_that_of_the_definition_up_to_its_limit(left: str, right: str, limit: int) -> None:
    assert distance(left, right, limit) == min(by_the_book(left, right), limit + 1)
