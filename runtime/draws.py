"""Random numbers that are functions of where they are used, never of when.

A draw is `uniform(key, attempt, purpose)`. The key is that of a place in a run, mixed from its parent's:
`run_key(seed, replication, source, ordinal)` for the run, `mix(parent, ordinal)` for each place in it. So one seed
gives the same numbers whatever the order of events, and a change at one place leaves the draws of every other place
alone (common random numbers).

The generator is SplitMix64 used as a counter: element n of the stream of a key is `finalize(key + n·γ)`, n being
`attempt·2**32 + purpose`. It passes BigCrush. Sources: Steele, Lea & Flood, "Fast splittable pseudorandom number
generators", OOPSLA 2014; the constants are those of Vigna's public-domain `splitmix64.c` (Stafford's variant 13 of the
finaliser of MurmurHash3). Keys step by another odd constant than draws do, so that the key of a child is no draw of its
parent.

Purposes
--------
A purpose is an integer in 1..2**32-1, so attempts (0..2**31) never meet. It stands in one of these ranges, each 2**16
wide but the last:

    1 .. 65_535                    the constants LATENCY … RECEIPT: one number for an attempt
    CALLS   + i                    how many calls of the i-th tool of the profile
    TOOL    + n                    when, within its time, the attempt makes its n-th tool call
    EFFECTS + i                    whether the attempt asks for the i-th effect of the profile
    FAULT   + i                    whether the i-th fault of the scenario strikes
    INPUT   + i                    the i-th parameter of the run's flow
    OUTPUT  + i   (2**31 wide)     the i-th field of the made output, nested fields counted through

The i-th of a mapping is the i-th by name in sorted order, since a plan that was read back from JSON has its names
sorted. What has no such number (the items of a made list, fields within them) takes a key of its own:
`mix(key, OUTPUT + i)`, then `mix(…, item)`.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Final

__all__ = [
    "ARRIVAL",
    "CALLS",
    "COST",
    "EFFECTS",
    "FAILURE",
    "FAULT",
    "GARBAGE",
    "INPUT",
    "JITTER",
    "LATENCY",
    "NEVER",
    "OUTPUT",
    "PHASE",
    "RANGE",
    "RECEIPT",
    "SAMPLE",
    "THINK",
    "TOKENS_IN",
    "TOKENS_OUT",
    "TOOL",
    "VALUE",
    "mix",
    "run_key",
    "source_key",
    "split",
    "uniform",
    "word",
]

LATENCY: Final = 1
TOKENS_IN: Final = 2
TOKENS_OUT: Final = 3
COST: Final = 4
FAILURE: Final = 5
GARBAGE: Final = 6
NEVER: Final = 7
JITTER: Final = 8
"""Where in the drawn share of a backoff the wait ends."""
SAMPLE: Final = 9
"""Whether an `eval` looks at this place."""
ARRIVAL: Final = 10
"""The gap before an arrival of a source."""
PHASE: Final = 11
"""The length of a calm or a peak phase of a source."""
THINK: Final = 12
"""The time a user of a closed source thinks."""
VALUE: Final = 13
"""Any one number that is nothing of the above."""
RECEIPT: Final = 14
"""What an effect gives back."""

RANGE: Final = 1 << 16
"""Width of each of the ranges below but OUTPUT's."""
CALLS: Final = 1 * RANGE
TOOL: Final = 2 * RANGE
EFFECTS: Final = 3 * RANGE
FAULT: Final = 4 * RANGE
INPUT: Final = 5 * RANGE
OUTPUT: Final = 1 << 31


def word(key: int, attempt: int, purpose: int) -> int:
    """64 random bits; `uniform` gives the same draw as a float.

    Args:
        key: Of the place, from `mix` or `run_key` (64 bits).
        attempt: From 0.
        purpose: As the head of the module says.

    Returns:
        Element `attempt·2**32 + purpose` of the SplitMix64 stream of `key`.
    """
    z = (key + (attempt << 32 | purpose) * 0x9E3779B97F4A7C15) & 0xFFFFFFFFFFFFFFFF
    z = ((z ^ z >> 30) * 0xBF58476D1CE4E5B9) & 0xFFFFFFFFFFFFFFFF
    z = ((z ^ z >> 27) * 0x94D049BB133111EB) & 0xFFFFFFFFFFFFFFFF
    return z ^ z >> 31


def uniform(key: int, attempt: int, purpose: int) -> float:
    """A float in the open interval (0, 1), safe for every inverse distribution function.

    The result is an odd multiple of 2**-53 (52 random bits, centred in their cells): never 0 and never 1, symmetric
    about 1/2, and `1 - u` is exact. Arguments as of `word`, whose arithmetic is repeated here because a call of it
    would cost a third of the draw.
    """
    z = (key + (attempt << 32 | purpose) * 0x9E3779B97F4A7C15) & 0xFFFFFFFFFFFFFFFF
    z = ((z ^ z >> 30) * 0xBF58476D1CE4E5B9) & 0xFFFFFFFFFFFFFFFF
    z = ((z ^ z >> 27) * 0x94D049BB133111EB) & 0xFFFFFFFFFFFFFFFF
    return ((z ^ z >> 31) >> 12) * 2.220446049250313e-16 + 1.1102230246251565e-16  # 2**-52 and 2**-53


def mix(key: int, ordinal: int) -> int:
    """The key of a child: 64 bits that depend on all bits of its parent's key and on its own small ordinal (from 0)."""
    z = (key + (ordinal + 1) * 0xD1342543DE82EF95) & 0xFFFFFFFFFFFFFFFF
    z = ((z ^ z >> 30) * 0xBF58476D1CE4E5B9) & 0xFFFFFFFFFFFFFFFF
    z = ((z ^ z >> 27) * 0x94D049BB133111EB) & 0xFFFFFFFFFFFFFFFF
    return z ^ z >> 31


def run_key(seed: int, replication: int, source: int, ordinal: int) -> int:
    """The key of a run.

    Args:
        seed: Any integer, also negative or long.
        replication: From 0.
        source: Of arrivals; for closed users the user.
        ordinal: Of the run within its source, from 0; -1 gives the key of the source itself, from which its arrivals
            are drawn.
    """
    return mix(source_key(seed, replication, source), ordinal)


def source_key(seed: int, replication: int, source: int) -> int:
    """The key that those of all runs of a source are mixed from, for whoever makes many; arguments as of `run_key`."""
    key = abs(seed) & 0xFFFFFFFFFFFFFFFF
    rest = abs(seed) >> 64 << 1 | (seed < 0)
    while rest:  # the sign of a seed and what goes beyond 64 bits count too
        key = mix(key, rest & 0xFFFFFFFFFFFFFFFF)
        rest >>= 64
    return mix(mix(key, replication), source)


def split(u: float, ordinal: int) -> float:
    """Another uniform made from a uniform: independent of it for all practical purposes, and a function of it.

    For a distribution that needs several numbers but is given one, as a record of distributions does.
    """
    return uniform(mix(int(u * 9007199254740992.0), ordinal), 0, VALUE)


# The same arithmetic in C, in packages with native code (tests/test_native.py holds that it is the same).
with suppress(ImportError):
    from orchspec.runtime._splitmix import mix, uniform, word  # type: ignore[import-not-found, no-redef, unused-ignore]
