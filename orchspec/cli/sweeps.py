"""`--sweep k=a..b` and `--sweep k=a,b,c`: the values that a param or an attribute takes, one after another.

Several sweeps make every combination of their values.
"""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Sequence
from typing import Final

from orchspec.cli.common import Misuse

__all__ = ["VALUES_MAX", "combinations", "parse_sweep"]

VALUES_MAX: Final = 200
"""A sweep simulates once for each of its values: more than this is taken for a slip."""
_COMMA: Final = re.compile(r",(?![^(\[{]*[)\]}])")
_RANGE: Final = re.compile(r"(-?[0-9][0-9_]{0,17})\.\.(-?[0-9][0-9_]{0,17})")


def combinations(written: Sequence[str]) -> list[dict[str, str]]:
    """What each simulation of several sweeps sets: the last one's values change first.

    Raises:
        Misuse: one of them is no sweep, two are of the same name, or there are too many combinations.
    """
    sweeps: dict[str, list[str]] = {}
    for one in written:
        name, values = parse_sweep(one)
        if name in sweeps:
            raise Misuse(f"--sweep gives {name} twice; list all of its values in one")
        sweeps[name] = values
    count = math.prod(len(values) for values in sweeps.values())
    if count > VALUES_MAX:
        raise Misuse(
            f"the sweeps of {' and '.join(sweeps)} have {count:,} combinations, at most {VALUES_MAX} are simulated; "
            "list fewer values"
        )
    return [dict(zip(sweeps, chosen, strict=True)) for chosen in itertools.product(*sweeps.values())]


def parse_sweep(written: str, option: str = "--sweep") -> tuple[str, list[str]]:
    """The name of the param and its values, written as in a spec.

    Args:
        written: `name=1..12` (whole numbers, both ends in) or `name=30s,1min,2min`; commas in brackets part nothing.
        option: that it was given as, for messages.

    Raises:
        Misuse: it is neither, or has too many values.
    """
    name, sign, values = (part.strip() for part in written.partition("="))
    if not sign or not name or not values:
        raise Misuse(
            f"{option} takes name=a..b or name=a,b,c, found {written!r}; write for example {option} width=1..8"
        )
    bounds = _RANGE.fullmatch(values)
    if bounds is not None:
        first, last = (int(bound.replace("_", "")) for bound in bounds.groups())
        if first > last:
            raise Misuse(f"{option} {name} goes from {first} down to {last}; write {name}={last}..{first}")
        count = last - first + 1
        if count > VALUES_MAX:
            raise Misuse(
                f"{option} {name} has {count:,} values, at most {VALUES_MAX} are simulated; list the ones you want"
            )
        return name, [str(value) for value in range(first, last + 1)]
    if ".." in values:
        raise Misuse(f"{option} {name} takes a range of whole numbers, found {values}; list the values: {name}=a,b,c")
    found = [value.strip() for value in _COMMA.split(values)]
    if not all(found):
        raise Misuse(f"{option} {name} has an empty value in {values!r}; leave the comma out")
    if len(found) > VALUES_MAX:
        raise Misuse(f"{option} {name} has {len(found):,} values, at most {VALUES_MAX} are simulated; list fewer")
    return name, list(dict.fromkeys(found))
