"""A command as one line of a journal: what tells it apart, and what folding must reproduce of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from orchspec.runtime.kernel.commands import (
    AnswerCall,
    ArmTimer,
    AskPerson,
    AwaitSignal,
    CheckEffect,
    ClaimEffect,
    Command,
    DropTimer,
    EndRun,
    HoldGrant,
    KeepReuse,
    KeepTurn,
    LookupReuse,
    ReleaseGrant,
    RequestGrant,
    RunTask,
    SettleEffect,
    StopTask,
    TryEffect,
    WithdrawSignal,
)

__all__ = ["command_text"]


def _of_attempt(command: RunTask | AskPerson | StopTask) -> str:
    return f"{command.agent} {command.attempt}.{command.dispatch}"


def _of_draws(command: RequestGrant | HoldGrant) -> str:
    return "".join(f" {model}:{tokens}" for model, tokens in command.draws)


def _of_key(command: AwaitSignal | WithdrawSignal) -> str:
    return f"{command.signal} {command.key[:16]}"


def _of_effect(command: ClaimEffect | SettleEffect) -> str:
    return f"{command.effect} {command.key[:16]}"


def _of_send(name: str, command: TryEffect | CheckEffect) -> str:
    return f"{name} {command.target_key[:16]} {command.attempt}.{command.dispatch}"


def _of_answer(command: AnswerCall) -> str:
    well = "done" if command.problem is None else "refused"
    return f"{command.attempt}.{command.dispatch} {command.call} {well}"


_WORDS: Final[dict[type[Command], Callable[[Any], str]]] = {
    RequestGrant: lambda command: f"{command.attempt} {','.join(command.candidates)}{_of_draws(command)}",
    HoldGrant: lambda command: f"{command.attempt} {command.agent}{_of_draws(command)}",
    ReleaseGrant: lambda command: (
        f"{command.attempt} {command.outcome}" + (f" {command.used} tokens" if command.used is not None else "")
    ),
    RunTask: _of_attempt,
    AskPerson: _of_attempt,
    StopTask: _of_attempt,
    AnswerCall: _of_answer,
    AwaitSignal: _of_key,
    WithdrawSignal: _of_key,
    ClaimEffect: _of_effect,
    SettleEffect: _of_effect,
    TryEffect: lambda command: _of_send(command.effect, command),
    CheckEffect: lambda command: _of_send(command.check, command),
    ArmTimer: lambda command: f"{command.timer} {command.at_us}",
    DropTimer: lambda command: str(command.timer),
    LookupReuse: lambda command: str(command.key[:16]),
    KeepReuse: lambda command: str(command.key[:16]),
    KeepTurn: lambda command: f"{command.session} {command.version}",
}


def command_text(command: Command, place: str) -> str:
    """One line that tells the command apart in a journal.

    Its name, the place's path, and what a folding must reproduce.
    """
    if isinstance(command, EndRun):
        return f"EndRun {command.status}"
    return f"{type(command).__name__} {place} {_WORDS[type(command)](command)}"
