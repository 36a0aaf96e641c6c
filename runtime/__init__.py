"""The runtime: a plan and your agents become a durable run. It imports of ours `compiler.plan` alone.

What is offered here is loaded when it is first asked for: a worker loads what it uses.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from orchspec.runtime.app import App
    from orchspec.runtime.errors import AttemptStopped, EffectFailed, InDoubt, OrchError, Overloaded
    from orchspec.runtime.result import RunResult
    from orchspec.runtime.task import EffectCall, Message, Output, Task

__all__ = [
    "App",
    "AttemptStopped",
    "EffectCall",
    "EffectFailed",
    "InDoubt",
    "Message",
    "OrchError",
    "Output",
    "Overloaded",
    "RunResult",
    "Task",
]

_HOMES = {
    "App": "orchspec.runtime.app",
    "AttemptStopped": "orchspec.runtime.errors",
    "EffectCall": "orchspec.runtime.task",
    "EffectFailed": "orchspec.runtime.errors",
    "InDoubt": "orchspec.runtime.errors",
    "Message": "orchspec.runtime.task",
    "OrchError": "orchspec.runtime.errors",
    "Output": "orchspec.runtime.task",
    "Overloaded": "orchspec.runtime.errors",
    "RunResult": "orchspec.runtime.result",
    "Task": "orchspec.runtime.task",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOMES])
