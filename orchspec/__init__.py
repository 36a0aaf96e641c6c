"""Orch: a declarative language for orchestrating agents, a durable runtime and a simulator of the same plan.

What is offered here is loaded when it is first asked for (PEP 562): importing `orchspec` loads nothing of it.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from orchspec import testing
    from orchspec.api import Spec, SpecError, bounds, calibrate, compare, load, simulate, size, what_if
    from orchspec.runtime.app import App
    from orchspec.runtime.errors import AttemptStopped, EffectFailed, Failed, InDoubt, OrchError, Overloaded, Throttled
    from orchspec.runtime.result import RunResult
    from orchspec.runtime.task import EffectCall, Message, Output, Task

__all__ = [
    "App",
    "AttemptStopped",
    "EffectCall",
    "EffectFailed",
    "Failed",
    "InDoubt",
    "Message",
    "OrchError",
    "Output",
    "Overloaded",
    "RunResult",
    "Spec",
    "SpecError",
    "Task",
    "Throttled",
    "__version__",
    "bounds",
    "calibrate",
    "compare",
    "load",
    "simulate",
    "size",
    "testing",
    "what_if",
]

__version__ = "0.1.0"

_HOMES = {
    **dict.fromkeys(
        ("Spec", "SpecError", "bounds", "calibrate", "compare", "load", "simulate", "size", "what_if"), "orchspec.api"
    ),
    "App": "orchspec.runtime.app",
    **dict.fromkeys(
        ("AttemptStopped", "EffectFailed", "Failed", "InDoubt", "OrchError", "Overloaded", "Throttled"),
        "orchspec.runtime.errors",
    ),
    "RunResult": "orchspec.runtime.result",
    **dict.fromkeys(("EffectCall", "Message", "Output", "Task"), "orchspec.runtime.task"),
}
_MODULES = {"testing": "orchspec.testing"}


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return import_module(_MODULES[name])
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOMES, *_MODULES])
