"""What a checker says."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

__all__ = ["Violation"]


@dataclass(frozen=True, slots=True)
class Violation:
    """Something that must hold and does not.

    Attributes:
        number: `S1` … `S14`, `L1`.
        message: what is wrong, with what was found and what was expected.
        run: the run, or none where it spans them.
        seq: the record at which it shows, or none.
        step: the path of the place, or none.
        node: the node of the plan's source that is involved, or none.
    """

    number: str
    message: str
    run: str | None = None
    seq: int | None = None
    step: str | None = None
    node: int | None = None

    def as_json(self) -> dict[str, Any]:
        """The violation as plain data."""
        return asdict(self)
