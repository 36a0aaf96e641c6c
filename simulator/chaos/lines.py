"""Faults as lines of a spec, and back: `fault crash(orchestrator, point: after_commit, nth: 5, down: 5s)`."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from orchspec.compiler.plan import Fault
from orchspec.runtime.errors import OrchError
from orchspec.simulator.faults import BUILT

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["BadFault", "fault_line", "fault_lines", "read_fault"]

_TIMES: Final = frozenset({"at", "lasting", "every", "down", "by", "retry_after"})
_SHARES: Final = frozenset({"rate"})
_WORDS: Final = frozenset({"point"})
_UNITS: Final = ((86_400_000_000, "d"), (3_600_000_000, "h"), (60_000_000, "min"), (1_000_000, "s"), (1_000, "ms"))
_UNIT_US: Final = {name: size for size, name in _UNITS} | {"us": 1}
_LINE: Final = re.compile(r"\s*fault\s+(\w+)\s*\(\s*(\[[\w\s,]+\]|\w+)\s*(?:,(.*))?\)\s*", re.DOTALL)
_ARG: Final = re.compile(r"\s*(\w+)\s*:\s*(-?[\d.]+|\w+?)\s*(%|d|h|min|s|ms|us)?\s*")
_LINE_MAX: Final = 1_000


class BadFault(OrchError):
    """A line that is no fault."""

    code = "bad_fault"


def fault_line(fault: Fault) -> str:
    """A fault as a test or a scenario says it."""
    args = "".join(f", {name}: {_value(name, value)}" for name, value in fault.args.items())
    target = f"[{', '.join([fault.target, *fault.others])}]" if fault.others else fault.target
    return f"fault {fault.name}({target}{args})"


def fault_lines(faults: Iterable[Fault]) -> list[str]:
    """The lines of several."""
    return [fault_line(fault) for fault in faults]


def _value(name: str, value: Any) -> str:
    if name in _TIMES and isinstance(value, int):
        for size, unit in _UNITS:
            if value % size == 0 and value:
                return f"{value // size}{unit}"
        return f"{value}us" if value % 1000 else f"{value // 1000}ms"
    if name in _SHARES:
        return f"{100 * float(value):g}%"
    return str(value)


def read_fault(line: str) -> Fault:
    """The fault that a line says; what it is aimed at is not looked up. Raises BadFault."""
    match = _LINE.fullmatch(line) if len(line) <= _LINE_MAX else None
    if match is None:
        raise BadFault(f"{line[:80]!r} is no fault; write it as a test does: fault fail(scout, nth: 1)")
    name, targets, rest = match.groups()
    if name not in BUILT:
        raise BadFault(f"there is no fault called {name}; docs/reference/faults.md lists them")
    target, *others = [each.strip() for each in targets.strip("[]").split(",")]
    args = dict(_arg(part, line) for part in rest.split(",")) if rest and rest.strip() else {}
    return Fault(0, name, target, args, others)


def _arg(part: str, line: str) -> tuple[str, int | float | str]:
    match = _ARG.fullmatch(part)
    if match is None:
        raise BadFault(f"{part.strip()!r} in {line[:80]!r} is no argument; write name: value, as in nth: 1 or down: 5s")
    name, said, unit = match.groups()
    try:
        if name in _WORDS:
            return name, said + (unit or "")
        number = Decimal(said)
        if name in _TIMES:
            return name, int(number * _UNIT_US[unit])
        if name in _SHARES:
            return name, float(number / 100) if unit == "%" else float(number)
    except (ArithmeticError, KeyError, ValueError):
        raise BadFault(
            f"{part.strip()!r} in {line[:80]!r} has no value that {name} takes, such as 5s for a time"
        ) from None
    return name, int(number) if number == int(number) else float(number)
