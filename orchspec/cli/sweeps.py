"""`--sweep k=a..b` and `--sweep k=a,b,c`: the values that a param takes, one after another."""

from __future__ import annotations

import re
from typing import Final

from orchspec.cli.common import Misuse

__all__ = ["VALUES_MAX", "parse_sweep"]

VALUES_MAX: Final = 200
"""A sweep simulates once for each of its values: more than this is taken for a slip."""
_RANGE: Final = re.compile(r"(-?[0-9][0-9_]{0,17})\.\.(-?[0-9][0-9_]{0,17})")


def parse_sweep(written: str) -> tuple[str, list[str]]:
    """The name of the param and its values, written as in a spec.

    Args:
        written: `name=1..12` (whole numbers, both ends in) or `name=30s,1min,2min`.

    Raises:
        Misuse: it is neither, or has too many values.
    """
    name, sign, values = (part.strip() for part in written.partition("="))
    if not sign or not name or not values:
        raise Misuse(f"--sweep takes name=a..b or name=a,b,c, found {written!r}; write for example --sweep width=1..8")
    bounds = _RANGE.fullmatch(values)
    if bounds is not None:
        first, last = (int(bound.replace("_", "")) for bound in bounds.groups())
        if first > last:
            raise Misuse(f"--sweep {name} goes from {first} down to {last}; write {name}={last}..{first}")
        count = last - first + 1
        if count > VALUES_MAX:
            raise Misuse(
                f"--sweep {name} has {count:,} values, at most {VALUES_MAX} are simulated; list the ones you want"
            )
        return name, [str(value) for value in range(first, last + 1)]
    if ".." in values:
        raise Misuse(f"--sweep {name} takes a range of whole numbers, found {values}; list the values: {name}=a,b,c")
    found = [value.strip() for value in values.split(",")]
    if not all(found):
        raise Misuse(f"--sweep {name} has an empty value in {values!r}; leave the comma out")
    if len(found) > VALUES_MAX:
        raise Misuse(f"--sweep {name} has {len(found):,} values, at most {VALUES_MAX} are simulated; list fewer")
    return name, list(dict.fromkeys(found))
