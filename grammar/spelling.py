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
    if abs(len(left) - len(right)) > limit:
        return limit + 1
    before: list[int] = []
    previous = list(range(len(right) + 1))
    for i, a in enumerate(left, start=1):
        current = [i]
        for j, b in enumerate(right, start=1):
            cost = min(previous[j] + 1, current[j - 1] + 1, previous[j - 1] + (a != b))
            if i > 1 and j > 1 and a == right[j - 2] and left[i - 2] == b:
                cost = min(cost, before[j - 2] + 1)
            current.append(cost)
        if min(current) > limit:
            return limit + 1
        before, previous = previous, current
    return min(previous[-1], limit + 1)


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
