"""The families of codes, by their hundreds: what the pages of the reference and `orch explain` are grouped by."""

from __future__ import annotations

from typing import Final

__all__ = ["FAMILIES"]

FAMILIES: Final = {
    "00": ("syntax", "Characters and tokens"),
    "01": ("syntax", "Structure"),
    "02": ("names", "Names"),
    "03": ("types", "Types and expressions"),
    "04": ("declarations", "Declarations"),
    "05": ("flows", "Structure and order of flows"),
    "06": ("arbitration", "Arbitration and decisions"),
    "07": ("effects", "Effects"),
    "08": ("budgets", "Budgets"),
    "09": ("studies", "Profiles, scenarios and tests"),
    "11": ("messages", "Channels, sessions and evals"),
    "12": ("shared", "What is shared and what is doubled"),
    "14": ("imports", "Imports"),
}
"""By the hundred: the name of the family, which is that of its page, and what it is about."""
