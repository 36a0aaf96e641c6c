"""What must always hold, a module each: every one reads a chronicle alone, and yields what is broken.

To add a checker: `checkers/<name>.py` with `of_run(chronicle, told)` for what is to be said of one run, and
`check(chronicle)` for what spans them; and its line in `table.CHECKERS`.
"""

from __future__ import annotations

from orchspec.simulator.checkers.table import CHECKERS, LIVENESS, Checker, check_all
from orchspec.simulator.checkers.violation import Violation

__all__ = ["CHECKERS", "LIVENESS", "Checker", "Violation", "check_all"]
