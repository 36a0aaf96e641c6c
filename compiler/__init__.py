"""Syntax tree to checked spec to plan: everything that can be proved before a run. Imports the grammar only.

What is offered here is loaded when it is first asked for: who only reads plans carries no parser.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from orchspec.compiler.load import Compiled, UnreadableSpec, check_file, compile_file, compile_text
    from orchspec.compiler.plan import Plan, PlanError, plan_from_json, plan_schema

__all__ = [
    "Compiled",
    "Plan",
    "PlanError",
    "UnreadableSpec",
    "check_file",
    "compile_file",
    "compile_text",
    "plan_from_json",
    "plan_schema",
]

_HOMES = {
    **dict.fromkeys(("Compiled", "UnreadableSpec", "check_file", "compile_file", "compile_text"), "load"),
    **dict.fromkeys(("Plan", "PlanError", "plan_from_json", "plan_schema"), "plan"),
}


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{home}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
