"""E10xx: what the language has and this release does not build yet, in one table.

A construct is refused once, at its head, and nothing more is said about the names it declares. When it is built, its
row goes, and with it the refusal.
"""

from __future__ import annotations

from dataclasses import dataclass

from orchspec.compiler.codes.samples import PRELUDE, in_flow
from orchspec.grammar.diagnostics import Code, define

__all__ = ["UNBUILT", "Unbuilt"]


@dataclass(frozen=True, slots=True)
class Unbuilt:
    """One construct: its code, and what to write instead where there is a way."""

    code: Code
    instead: str


_DRAFT = "step draft = Draft(topic) by ann\n"
_GOOD = in_flow(_DRAFT + "return draft")

# key: (number, what it is called, what to use instead, a sample)
_ROWS: dict[str, tuple[int, str, str, str]] = {
    "persistent": (
        14,
        "a persistent session",
        "use `session = per_run`, and hand over what must be kept",
        PRELUDE + "agent cy fulfills Draft { session = persistent }\n",
    ),
    "fold": (21, "`fold`", "summarize in a step of its own", PRELUDE + "agent cy fulfills Draft { fold = Check }\n"),
    "context": (
        22,
        "`context` of an agent",
        "give the `context` of its models",
        PRELUDE + "agent cy fulfills Draft { context = 100k }\n",
    ),
}

UNBUILT: dict[str, Unbuilt] = {
    key: Unbuilt(
        define(
            f"E10{number:02}",
            f"unbuilt-{key}",
            f"{what} is not built yet",
            explanation=f"The language has this construct, and this release does not run it, so it is refused rather "
            f"than ignored. For now: {instead}.",
            bad=bad,
            good=_GOOD,
        ),
        instead,
    )
    for key, (number, what, instead, bad) in _ROWS.items()
}
"""The table, by the key that the checks use."""
