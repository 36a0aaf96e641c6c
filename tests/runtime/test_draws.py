"""Draws are SplitMix64, even, independent of their neighbours, and the same in every process."""

from __future__ import annotations

import itertools
import math
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from orchspec.runtime import draws
from orchspec.runtime.draws import mix, run_key, split, uniform, word

ROOT = Path(__file__).resolve().parents[2]


# The first five outputs of splitmix64.c for these seeds, as other libraries publish them in their own tests
# (the first: rust-random's xoshiro seeding and Rosetta Code, "Pseudo-random numbers/Splitmix64").
@pytest.mark.parametrize(
    ("seed", "outputs"),
    [
        (
            1234567,
            [
                6457827717110365317,
                3203168211198807973,
                9817491932198370423,
                4593380528125082431,
                16408922859458223821,
            ],
        ),
        (0, [0xE220A8397B1DCDAF, 0x6E789E6AA1B965F4, 0x06C45D188009454F, 0xF88BB8A8724C81EC, 0x1B39896A51A8749B]),
    ],
)
def test_the_words_of_a_key_are_its_splitmix64_stream(seed, outputs):
    assert [word(seed, 0, n) for n in range(1, 6)] == outputs


def test_an_attempt_is_a_distant_part_of_the_same_stream():
    gamma, mask = 0x9E3779B97F4A7C15, 2**64 - 1
    shifted = (99 + (7 << 32) * gamma) & mask
    assert word(99, 7, draws.COST) == word(shifted, 0, draws.COST)


def test_uniform_is_the_word_in_the_middle_of_its_cell():
    for n in range(1, 500):
        u = uniform(42, 3, n)
        numerator = u * 2**53
        assert numerator == (word(42, 3, n) >> 12) * 2 + 1
        assert 0.0 < u < 1.0


def _key_of(wanted):
    """The key whose first word is `wanted`: the finaliser is a bijection, undone from the end."""
    mask = 2**64 - 1

    def unshift(z, by):
        return z ^ z >> by ^ z >> 2 * by if 3 * by >= 64 else z ^ z >> by ^ z >> 2 * by ^ z >> 3 * by

    z = unshift(wanted, 31) * pow(0x94D049BB133111EB, -1, 2**64) & mask
    z = unshift(z, 27) * pow(0xBF58476D1CE4E5B9, -1, 2**64) & mask
    return (unshift(z, 30) - 0x9E3779B97F4A7C15) & mask


def test_the_extreme_words_stay_inside_the_open_interval():
    assert word(_key_of(0), 0, 1) == 0
    assert uniform(_key_of(0), 0, 1) == 2.0**-53
    assert word(_key_of(2**64 - 1), 0, 1) == 2**64 - 1
    assert uniform(_key_of(2**64 - 1), 0, 1) == 1.0 - 2.0**-53


def _chi_square(counts, expected):
    return sum((count - expected) ** 2 / expected for count in counts)


@pytest.mark.parametrize("stride", ["purpose", "attempt", "key", "ordinal"])
def test_draws_are_equidistributed_along_every_argument(stride):
    draw = {
        "purpose": lambda i: uniform(mix(5, 0), 0, 1 + i),
        "attempt": lambda i: uniform(mix(5, 0), i, draws.LATENCY),
        "key": lambda i: uniform(i, 0, draws.LATENCY),
        "ordinal": lambda i: uniform(run_key(5, 0, 0, i), 1, draws.LATENCY),
    }[stride]
    n, cells = 51_200, 256
    counts = Counter(int(draw(i) * cells) for i in range(n))
    # 255 degrees of freedom: 99.99 % of fair generators lie between these two.
    assert 178 < _chi_square([counts[c] for c in range(cells)], n / cells) < 347


def _correlation(pairs):
    n = len(pairs)
    mean_x, mean_y = sum(x for x, _ in pairs) / n, sum(y for _, y in pairs) / n
    covariance = sum((x - mean_x) * (y - mean_y) for x, y in pairs)
    return covariance / math.sqrt(sum((x - mean_x) ** 2 for x, _ in pairs) * sum((y - mean_y) ** 2 for _, y in pairs))


NEIGHBOURS = {
    "purposes": lambda i: (uniform(mix(3, i), 1, 1), uniform(mix(3, i), 1, 2)),
    "attempts": lambda i: (uniform(mix(3, i), 1, 1), uniform(mix(3, i), 2, 1)),
    "keys": lambda i: (uniform(2 * i, 1, 1), uniform(2 * i + 1, 1, 1)),
    "places": lambda i: (uniform(mix(mix(3, i), 0), 1, 1), uniform(mix(mix(3, i), 1), 1, 1)),
    "runs": lambda i: (uniform(run_key(3, 0, 0, i), 1, 1), uniform(run_key(3, 0, 0, i + 1), 1, 1)),
    "replications": lambda i: (uniform(run_key(3, i, 0, 0), 1, 1), uniform(run_key(3, i + 1, 0, 0), 1, 1)),
    "sources": lambda i: (uniform(run_key(3, i, 0, 0), 1, 1), uniform(run_key(3, i, 1, 0), 1, 1)),
    "seeds": lambda i: (uniform(run_key(i, 0, 0, 0), 1, 1), uniform(run_key(i + 1, 0, 0, 0), 1, 1)),
    "parent and child": lambda i: (uniform(mix(3, i), 1, 1), uniform(mix(mix(3, i), 0), 1, 1)),
    "a split and its origin": lambda i: (uniform(3, i, 1), split(uniform(3, i, 1), 0)),
    "two splits": lambda i: (split(uniform(3, i, 1), 0), split(uniform(3, i, 1), 1)),
}


@pytest.mark.parametrize("what", NEIGHBOURS)
def test_neighbours_are_independent(what):
    n = 20_000
    pairs = [NEIGHBOURS[what](i) for i in range(n)]
    assert abs(_correlation(pairs)) < 4 / math.sqrt(n)
    cells = Counter((int(8 * x), int(8 * y)) for x, y in pairs)
    # 63 degrees of freedom: 99.99 % of independent pairs lie between these two.
    assert 29 < _chi_square([cells[x, y] for x in range(8) for y in range(8)], n / 64) < 115


def test_one_bit_of_a_key_or_an_ordinal_turns_half_the_bits_of_its_child():
    flips = [(mix(77, 5) ^ mix(77 ^ 1 << bit, 5)).bit_count() for bit in range(64)]
    flips += [(mix(77, 5) ^ mix(77, 5 ^ 1 << bit)).bit_count() for bit in range(20)]
    assert 30 < sum(flips) / len(flips) < 34
    assert min(flips) > 12


def test_keys_of_a_tree_of_places_are_distinct():
    keys = {run_key(1, r, s, o) for r in range(10) for s in range(10) for o in range(100)}
    keys |= {mix(key, child) for key in list(keys)[:500] for child in range(100)}
    assert len(keys) == 10_000 + 50_000
    assert all(0 <= key < 2**64 for key in keys)


def test_every_seed_counts_whole():
    seeds = [0, 1, -1, -2, 2**64, 2**64 + 1, -(2**64), 2**64 - 1, 2**200, 2**200 + 1, -(2**200)]
    assert len({run_key(seed, 0, 0, 0) for seed in seeds}) == len(seeds)


def test_ranges_of_purposes_do_not_meet():
    singles = {
        value
        for name, value in vars(draws).items()
        if name in draws.__all__ and isinstance(value, int) and value < draws.RANGE
    }
    assert min(singles) >= 1
    starts = [draws.CALLS, draws.TOOL, draws.EFFECTS, draws.FAULT, draws.INPUT, draws.OUTPUT]
    assert starts[0] >= draws.RANGE > max(singles)
    assert all(after - before >= draws.RANGE for before, after in itertools.pairwise(starts))
    assert draws.OUTPUT + 2**31 <= 2**32


def test_another_process_draws_the_same():
    code = (
        "from orchspec.runtime.draws import mix, run_key, uniform, OUTPUT;"
        "print([uniform(mix(run_key(7, 1, 2, i), i), 1, OUTPUT + i) for i in range(50)])"
    )
    outputs = {
        subprocess.run(
            [sys.executable, "-c", code],
            cwd=ROOT,
            env={"PYTHONHASHSEED": hashing},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for hashing in ("0", "1")
    }
    here = [uniform(mix(run_key(7, 1, 2, i), i), 1, draws.OUTPUT + i) for i in range(50)]
    assert outputs == {f"{here}\n"}
