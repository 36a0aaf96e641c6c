"""How soon chaos finds planted bugs: `python bench/canaries.py` prints a table, one line for each of them.

Each is planted in kernel, dispatcher, ledger, journal, engine or clock (`tests/support/planted.py`), and looked for by
what `orch chaos SPEC` runs by default (200 schedules drawn, seed 1, two runs that meet), over specs of the gallery one
after the other until one finds it. The seconds are CPU time of all of them, shrinking included. It ends with 1 if one
is not found.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tests.support.hunting import GALLERY, hunt
from tests.support.planted import CANARIES, SLOW


def main() -> int:
    """Print the table."""
    missed = 0
    print(f"{'planted bug':<30} {'found in':<10} {'by':<4} {'schedule':>8} {'faults':>6} {'seconds':>8}")
    for plant, numbers in {**CANARIES, **SLOW}.items():
        catch = hunt(plant, numbers)
        if catch is None:
            missed += 1
            print(f"{plant.__name__:<30} in none of {', '.join(GALLERY)}")
            continue
        print(
            f"{plant.__name__:<30} {catch.spec:<10} {catch.number:<4} {catch.after:>8} {catch.faults:>6}"
            f" {catch.seconds:>8.2f}"
        )
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
