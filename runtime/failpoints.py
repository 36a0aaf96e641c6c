"""Failpoints: named places where a test may have this very process killed, as a crash would.

`ORCH_FAILPOINT=name` kills the process with SIGKILL when it comes to the point of that name, `name:3` when it comes
there for the third time. `ORCH_FAILPOINT_TRACE=file` appends the name of each point that is passed, so that a test can
count them. With neither set, a point costs one comparison.
"""

from __future__ import annotations

import os
import signal
from typing import Final

__all__ = ["ARMED", "POINTS", "reached"]

POINTS: Final = (
    "recovering",
    "before_commit",
    "after_commit",
    "partly_acted",
    "before_effect",
    "after_effect",
    "before_acknowledge",
    "receipt_given",
    "before_result",
)
"""In the order of a run:

`recovering` runs are folded, nothing has been handled since;
`before_commit` events are handled, none of it is written;
`after_commit` it is durable, nothing of it is acted on;
`partly_acted` between two acts of one commit;
`before_effect` its intent is durable, nothing is sent;
`after_effect` the target has done it, the reply was not handed on;
`before_acknowledge` the outcome of an effect is durable, not acted on;
`receipt_given` an agent got the receipt of an effect, its task has not ended;
`before_result` the end of a run is durable, nobody was told.
"""


def _read(setting: str) -> tuple[str, int]:
    name, _, nth = setting.partition(":")
    return name, int(nth) if nth.isdecimal() else 1


_name, _left = _read(os.environ.get("ORCH_FAILPOINT", ""))
_trace: Final = os.environ.get("ORCH_FAILPOINT_TRACE", "")
ARMED: Final = bool(_name or _trace)
"""Whether any point does anything."""


def reached(name: str) -> None:
    """The process has come to a point: it ends here if a test said so."""
    if ARMED:
        _pass(name)


def _pass(name: str) -> None:
    global _left  # noqa: PLW0603 - a process has one count
    assert name in POINTS, f"{name} is no failpoint"
    if _trace:
        with open(_trace, "a", encoding="ascii") as file:  # noqa: PTH123 - one write in append mode
            file.write(name + "\n")
    if name == _name:
        _left -= 1
        if _left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
