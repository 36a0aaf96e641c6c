"""Signals that were sent before any run knew them: their key is made once a plan says what their arguments are."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Final

from orchspec.runtime.kernel.program import program_of
from orchspec.runtime.kernel.values import InvalidValue

if TYPE_CHECKING:
    from orchspec.compiler.plan import Plan

__all__ = ["UnfitSignal", "resolved_key", "unresolved_key"]

_MARK: Final = "args:"


class UnfitSignal(Exception):
    """The arguments are none of the signal that the plan declares; the message says why."""


def unresolved_key(args: Any) -> str:
    """What stands for a key where nobody knows the signal yet: the arguments themselves (JSON, by name or in order)."""
    return _MARK + json.dumps(args, sort_keys=True, ensure_ascii=True)


def resolved_key(name: str, key: str, plans: Iterable[Plan]) -> str | None:
    """The key of a signal, by the first plan that declares it; None while none of them does.

    Raises UnfitSignal.
    """
    if not key.startswith(_MARK):
        return key
    for plan in plans:
        if name not in plan.signals:
            continue
        codec = program_of(plan).codecs.signal(name)
        try:
            args = json.loads(key[len(_MARK) :])
            if isinstance(args, list) and len(args) <= len(codec.inputs.names):
                args = dict(zip(codec.inputs.names, args, strict=False))
            return codec.key(codec.decode_inputs(args))
        except (InvalidValue, ValueError) as error:
            raise UnfitSignal(str(error)) from None
    return None
