"""Did-you-mean: the candidate nearest to a word that was not found.

The measure is the optimal string alignment distance (Damerau-Levenshtein without repeated edits of one substring;
Boytsov, "Indexing methods for approximate dictionary searching", 2011, section 2.2), ignoring case. Work is bounded:
words longer than `WORD_CHARS_MAX` are not compared and at most `CANDIDATES_MAX` candidates are looked at.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice

__all__ = ["CANDIDATES_MAX", "WORD_CHARS_MAX", "distance", "nearest"]

WORD_CHARS_MAX = 64
CANDIDATES_MAX = 5_000


def distance(left: str, right: str, limit: int) -> int:
    """The number of insertions, deletions, substitutions and swaps of neighbours between two words.

    Gives `limit + 1` as soon as the distance is known to exceed `limit`.
    """
    too_far = limit + 1
    if abs(len(left) - len(right)) > limit:
        return too_far
    # What both begin and end with costs nothing.
    start, end_left, end_right = 0, len(left), len(right)
    while start < min(end_left, end_right) and left[start] == right[start]:
        start += 1
    while min(end_left, end_right) > start and left[end_left - 1] == right[end_right - 1]:
        end_left, end_right = end_left - 1, end_right - 1
    left, right = left[start:end_left], right[start:end_right]
    width = len(right)
    before: list[int] = []
    previous = [min(j, too_far) for j in range(width + 1)]
    for i, a in enumerate(left, start=1):
        # More than `limit` columns off the diagonal the distance is more than `limit`.
        first, last = max(1, i - limit), min(width, i + limit)
        current = [too_far] * (width + 1)
        current[0] = min(i, too_far)
        for j in range(first, last + 1):
            b = right[j - 1]
            cost = previous[j - 1] + (a != b)
            if previous[j] < cost:
                cost = previous[j] + 1
            if current[j - 1] < cost:
                cost = current[j - 1] + 1
            if i > 1 and j > 1 and a == right[j - 2] and left[i - 2] == b and before[j - 2] < cost:
                cost = before[j - 2] + 1
            current[j] = cost
        if min(current) > limit:
            return too_far
        before, previous = previous, current
    return min(previous[-1], too_far)


def nearest(word: str, candidates: Iterable[str]) -> str | None:
    """The candidate closest to `word`, or none when all are too far to be a slip of the pen.

    Up to 1 edit is allowed for words of up to 4 characters, 2 for up to 8, 3 beyond; ties go to the first in
    alphabetical order, so that the answer does not depend on the order of the candidates. A candidate equal to
    `word` is passed over.
    """
    if not 1 <= len(word) <= WORD_CHARS_MAX:
        return None
    limit = 1 if len(word) <= 4 else 2 if len(word) <= 8 else 3
    folded = word.lower()
    best: tuple[int, str] | None = None
    for candidate in islice(candidates, CANDIDATES_MAX):
        if candidate == word or not candidate or len(candidate) > WORD_CHARS_MAX:
            continue
        found = distance(folded, candidate.lower(), limit if best is None else best[0])
        # A word that shares nothing with the candidate is no slip: "ab" is not a misspelt "cd".
        if found <= limit and found < max(len(word), len(candidate)) and (best is None or (found, candidate) < best):
            best = (found, candidate)
    return None if best is None else best[1]
